"""Rule: a named list of customers or of their orders, defined by a predicate; entering and leaving it is
told.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import pairwise
from types import MappingProxyType

from scoring.rules.carry import CARRIED_COLUMNS, CARRY_WORDS, RANKED_BY, Carry
from scoring.rules.columns import FIELDS, ITS_KINDS, ITS_OPS, Column, Expected, Field, Op
from scoring.rules.expression import All, Always, AnyOf, Constant, Not, Number, Truth, columns_of, columns_of_value
from scoring.rules.hysteresis import conflict
from scoring.rules.predicate import PredicateError, parse, parse_value
from scoring.rules.words import EXPECTED_NAMES, FIELD_NAMES, ITS_NAMES, LACKS_COMPANION, RESERVED, nearest
from scoring.where import Where

__all__ = [
    "LONGEST_MS",
    "MARK",
    "MARKS",
    "MAX_RULES",
    "ActionClass",
    "Carry",
    "Coupon",
    "ForEach",
    "Rule",
    "RuleError",
    "printable",
]

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_PARAMETER = re.compile(r"[a-z][a-z0-9_]*")
_PLACE = re.compile(r"\{([^{}]*)\}")
_SCORES = frozenset(
    Column(Op.FIELD, field) for field in (Field.SCORE, Field.PERCENTILE, Field.PERCENTILE_PEAK, Field.PREDICTED_VALUE)
)
_OF_AN_ORDER = frozenset({Column(Op.FIELD, Field.ORDER_NUMBER), Column(Op.FIELD, Field.ORDER_VALUE)})
_SHOWN = 80
_MOST_GAIN = 1000.0
LONGEST_MS = 36_525 * 86_400_000
"""Of a cooldown and the like: 100 years; times further ahead no calendar holds."""
_TAKEN = {
    "withheld": "the topic actions-withheld has what the gates hold back",
    "all": "the setting rules means every rule by it",
    "basic": "the setting rules means some of the rules by it",
}
"""Names that no rule can have, and what they already stand for."""
MARKS, MARK, NEXT_MARK = "marks", "mark", "next_mark"
"""The one parameter that is a list of numbers, and what stands for one of them and for the one above it."""
MAX_RULES = 64
"""How many lists there can be: a customer's row keeps one bit a list for whether they are in it. A rule has one, or one
for each of its marks."""
_NONE_ABOVE = 2.0**53


class RuleError(ValueError):
    """A rule that cannot be used: where it stands, the field, its value (cut to 80), the reason and the
    remedy.

    `line` is that of the file (from 1; 0 where there is no file) and `column` that of the predicate (from 1;
    0 where the field is no predicate).
    """

    def __init__(self, rule: str, field: str, value: object, reason: str, remedy: str, *, column: int = 0) -> None:
        super().__init__(rule, field, value, reason, remedy)
        self.rule, self.field, self.reason, self.remedy, self.column = rule, field, reason, remedy, column
        # A long predicate is shown around the place that is wrong.
        text, start = str(value), max(0, column - 1 - _SHOWN // 2)
        self.value = text if len(text) <= _SHOWN else text[start : start + _SHOWN]
        self.file, self.line = "", 0

    def at(self, file: str, line: int) -> "RuleError":
        """The same error, with its place."""
        self.file, self.line = file, line
        return self

    def __str__(self) -> str:
        place = f"{self.file} line {self.line}: " if self.file else ""
        column = f" at column {self.column}" if self.column else ""
        named = f"rule {self.rule[:_SHOWN]}, {self.field[:_SHOWN]}"
        return printable(f"{place}{named} {self.value!r}{column}: {self.reason}; {self.remedy}")


def printable(text: str) -> str:
    """The text with what a terminal would obey, or cannot show, written out: the code of each such character."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class ForEach(StrEnum):
    """What the list is one of: of customers (`none`), or of the orders, products, categories and so on of each."""

    NONE = "none"
    ORDER = "order"
    PRODUCT = "product"
    CATEGORY = "category"
    TICKET = "ticket"
    CODE = "code"
    PLACE = "place"


_EXPECTED_OF = {Expected.DELIVERY: ForEach.ORDER, Expected.REPLENISHMENT: ForEach.PRODUCT}
_FACTS_OF = {**{name: _EXPECTED_OF[of] for name, of in EXPECTED_NAMES.items()}, LACKS_COMPANION: ForEach.PRODUCT}
"""What is known of such an object beside its events."""


_CARRIED_OF = {
    Carry.ORDER: (ForEach.ORDER,),
    Carry.PURCHASES: (ForEach.NONE,),
    Carry.BEST_SELLERS: (ForEach.NONE,),
    Carry.COMPANIONS: (ForEach.NONE, ForEach.ORDER, ForEach.PRODUCT),
}
"""Of what a list must be one so that a word has a meaning; all others always have one."""


class ActionClass(StrEnum):
    """What the action is for: caps and consent differ."""

    MARKETING = "marketing"
    SERVICE = "service"


class Coupon(StrEnum):
    """Whether the action comes with a coupon: not, where nothing speaks against it, or not at all without one."""

    NEVER = "never"
    MAY = "may"
    ALWAYS = "always"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule, checked; `reading` makes it from YAML.

    `enter` and `exit` are predicates (`predicate`), in which the names of `parameters` stand for their
    values; without `exit` a customer leaves as soon as `enter` does not hold. Where both hold, exit wins.
    `sentence` may name parameters in braces. What `carries` has beside the words of `Carry` are values that
    the lines could read, too.

    With `countries`, `regions` or `cities` only those enter who are in one of these, whatever the lines say; who is
    in the list stays when they move away.

    With `traits` only those enter of whom each trait that it names is one of the values beside it; who is in the list
    stays when that changes.

    With `marks` the rule has a list for each of them, in which `mark` and `next_mark` stand for the mark's number and
    the one above it; `of_marks` has the rule of each.

    Raises
    ------
    RuleError
        If any field cannot be used.
    """

    name: str
    version: int = 1
    sentence: str
    enter: str
    exit: str | None = None
    for_each: ForEach = ForEach.NONE
    action_class: ActionClass = ActionClass.MARKETING
    parameters: Mapping[str, float] = field(default_factory=dict)
    cooldown_ms: int = 0
    expires_after_ms: int | None = None
    priority: int = 50
    gain: float = 1.0
    carries: tuple[str, ...] = ()
    audience: bool = False
    coupon: Coupon = Coupon.NEVER
    paused: bool = False
    countries: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    cities: tuple[str, ...] = ()
    traits: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    marks: tuple[float, ...] = ()
    mark: float | None = None
    """Of which of the marks this is the list; None for the whole rule."""
    of_marks: tuple["Rule", ...] = field(init=False, repr=False, compare=False)
    entering: Truth = field(init=False, repr=False)
    leaving: Truth = field(init=False, repr=False)
    reads_score: bool = field(init=False, repr=False)
    """Whether a score decides, so that the rule must wait until the model has learned enough."""
    figures: tuple[tuple[str, Number], ...] = field(init=False, repr=False)
    """The values that an action carries, each with its text."""
    ranked_by: Column | None = field(init=False, repr=False)
    """What customers of one tier are ranked by, where an action carries such a rank and the rule has tiers."""
    carried_columns: frozenset[Column] = field(init=False, repr=False)
    """What is read of a row for what an action carries."""

    def __post_init__(self) -> None:
        self._check_fields()
        object.__setattr__(self, "parameters", MappingProxyType(dict(self.parameters)))
        object.__setattr__(self, "traits", MappingProxyType(dict(self.traits)))
        whole = self.mark is None and bool(self.marks)
        of_marks = tuple(replace(self, mark=mark) for mark in self.marks) if whole else (self,)
        object.__setattr__(self, "of_marks", of_marks)
        entering, leaving = self._of_all() if whole else self._of_one()
        object.__setattr__(self, "entering", entering)
        object.__setattr__(self, "leaving", leaving)
        object.__setattr__(self, "reads_score", bool(self.columns & _SCORES))
        object.__setattr__(self, "sentence", _PLACE.sub(self._place, self.sentence))
        object.__setattr__(self, "figures", of_marks[0].figures if whole else self._figures())
        words = (CARRIED_COLUMNS.get(word, ()) for word in Carry if word in self.carries)
        ranked = [column for column in RANKED_BY if column in self.columns and Carry.TIER_RANK in self.carries]
        object.__setattr__(self, "ranked_by", ranked[0] if ranked and self.marks else None)
        read = frozenset(ranked[:1]).union(*words, *(columns_of_value(number) for _, number in self.figures))
        object.__setattr__(self, "carried_columns", read)
        self._check_lines()
        self._check_objects()
        self._check_categories()
        self._check_traits()
        self._check_carries()
        self._check_parameters_used()

    @property
    def columns(self) -> frozenset[Column]:
        """What the rule reads."""
        return columns_of(self.entering) | columns_of(self.leaving)

    @property
    def carries_purchases(self) -> bool:
        """Whether what an action carries is made of the customer's last purchases."""
        words = (Carry.PURCHASES, Carry.BEST_SELLERS, Carry.COMPANIONS)
        return self.for_each is ForEach.NONE and any(word in self.carries for word in words)

    @property
    def is_local(self) -> bool:
        """Whether it is for some countries, regions or cities only."""
        return bool(self.countries or self.regions or self.cities)

    def covers(self, where: Where, place: str = "") -> bool:
        """Whether one enters who is there, or at a place of that name; anybody where the rule is not local."""
        told = ((where.country, self.countries), (where.region, self.regions), (where.city, self.cities),
                (place.casefold(), self.cities))  # fmt: skip
        return not self.is_local or any(name in {each.casefold() for each in names} for name, names in told if name)

    @property
    def list_name(self) -> str:
        """The name of the list: that of the rule, and of the mark where it has marks."""
        return self.name if self.mark is None else f"{self.name}/{self.mark:g}"

    @property
    def names(self) -> dict[str, float]:
        """What the lines may name: the parameters, and of a list of a mark that mark and the one above it."""
        if self.mark is None:
            return dict(self.parameters)
        above = [mark for mark in self.marks if mark > self.mark]
        return {**self.parameters, MARK: self.mark, NEXT_MARK: min(above, default=_NONE_ABOVE)}

    def _of_one(self) -> tuple[Truth, Truth]:
        entering = self._predicate("enter", self.enter)
        return entering, Not(entering) if self.exit is None else self._predicate("exit", self.exit)

    def _of_all(self) -> tuple[Truth, Truth]:
        return (
            AnyOf(tuple(each.entering for each in self.of_marks)),
            All(tuple(each.leaving for each in self.of_marks)),
        )

    def _check_marks(self) -> None:
        def error(reason: str, remedy: str) -> RuleError:
            return RuleError(self.name, f"parameters.{MARKS}", list(self.marks), reason, remedy)

        if len(self.marks) > MAX_RULES:  # each is checked by itself: thousands would take hours
            raise error(f"are {len(self.marks)}, and there can be {MAX_RULES} lists", "write fewer")
        if any(low >= high for low, high in pairwise(self.marks)) or self.marks[0] <= 0:
            raise error("do not increase from above 0", "write increasing numbers, as [500, 1000]")
        for low, high in pairwise(f"{mark:g}" for mark in self.marks):
            if low == high:
                raise error(f"has two whose lists would both be {self.name}/{low}", "let them differ in six digits")
        if self.for_each is not ForEach.NONE:
            raise error("stand in a rule for each order, product or the like", f"remove {MARKS}, or for_each")
        if MARK not in re.findall(r"\w+", self.enter):
            raise error("are not used", f"write {MARK} in enter, as in points >= {MARK}")
        for name in (MARK, NEXT_MARK):
            if name in self.parameters:
                raise RuleError(self.name, f"parameters.{name}", name, "already has a meaning", "give it another name")

    def _check_fields(self) -> None:
        if not _NAME.fullmatch(self.name) or len(self.name) > 60:
            remedy = "use up to 60 lower-case letters, digits and single hyphens, as in win-back"
            raise RuleError(self.name, "name", self.name, "not a lower-kebab name", remedy)
        if self.name in _TAKEN:
            raise RuleError(self.name, "name", self.name, f"is taken: {_TAKEN[self.name]}", "give it another name")
        if self.version < 1:
            raise RuleError(self.name, "version", self.version, "versions count from 1", "write 1 or more")
        if not self.sentence.strip():
            raise RuleError(self.name, "sentence", "", "missing", "say in a sentence who is in the list")
        if self.cooldown_ms < 0:
            raise RuleError(self.name, "cooldown", self.cooldown_ms, "is negative", "write a duration, as 7d")
        if self.expires_after_ms is not None and self.expires_after_ms <= 0:
            raise RuleError(self.name, "expires_after", self.expires_after_ms, "is not positive", "write 3d")
        for name, ms in (("cooldown", self.cooldown_ms), ("expires_after", self.expires_after_ms or 0)):
            if ms > LONGEST_MS:
                raise RuleError(self.name, name, ms, "is longer than 100 years", "write a duration, as 7d")
        if not 0 < self.gain <= _MOST_GAIN:
            reason = f"is not above 0, up to {_MOST_GAIN:g}"
            raise RuleError(self.name, "gain", self.gain, reason, "write what an order is worth to it, as 1.5")
        for name in self.parameters:
            if not _PARAMETER.fullmatch(name) or name in RESERVED or name in ("and", "or", "not"):
                reason = "already has a meaning" if name in RESERVED else "not a lower_snake name"
                raise RuleError(self.name, f"parameters.{name}", name, reason, "give it another name")
        if self.marks:
            self._check_marks()

    def _predicate(self, field: str, text: str) -> Truth:
        try:
            return parse(text, self.names)
        except PredicateError as error:
            raise RuleError(self.name, field, error.text, error.reason, error.remedy, column=error.column) from None

    def _figures(self) -> tuple[tuple[str, Number], ...]:
        return tuple((text, self._figure(text)) for text in self.carries if text not in CARRY_WORDS)

    def _figure(self, text: str) -> Number:
        if text == NEXT_MARK and self.mark == max(self.marks, default=None):
            return Constant(math.nan)
        words = [*(word.value for word in Carry), *FIELD_NAMES, *self.names]
        if re.fullmatch(r"\w+", text) and text not in words:
            remedy = f"nearest known: {nearest(text, words)!r}"
            raise RuleError(self.name, "carries", text, "holds something unknown", remedy)
        try:
            number = parse_value(text, self.names)
        except PredicateError as error:
            raise RuleError(self.name, "carries", error.text, error.reason, error.remedy, column=error.column) from None
        if any(column.op in ITS_OPS for column in columns_of_value(number)):
            reason = "what is known of an object is carried with it, not as a value"
            raise RuleError(self.name, "carries", text, reason, f"write {Carry.ORDER}")
        return number

    def _place(self, match: re.Match[str]) -> str:
        name = match[1]
        if name == MARKS and self.marks:
            *others, last = (f"{mark:g}" for mark in self.marks)
            return f"{', '.join(others)} or {last}" if others else last
        if name not in self.parameters:
            known = ", ".join(self.parameters) or "none"
            remedy = f"name a parameter in braces (declared: {known})"
            raise RuleError(self.name, "sentence", self.sentence, f"unknown parameter {name!r}", remedy)
        return f"{self.parameters[name]:g}"

    def _check_lines(self) -> None:
        alone = self.of_marks[0] is self  # the lists of several marks were checked each by itself
        if self.exit is not None and alone and (found := conflict(self.entering, self.leaving)):
            reason = f"{found.reason} (enter {found.enter}, exit {found.exit})"
            raise RuleError(self.name, "exit", self.exit, reason, found.remedy)
        of_order = self.columns & _OF_AN_ORDER
        if of_order and self.for_each is not ForEach.ORDER:
            name = FIELDS[Field(min(of_order).a)].name
            text = self.enter if name in self.enter else self.exit
            reason = f"{name!r} is known only where an order is concerned"
            raise RuleError(self.name, "enter" if name in self.enter else "exit", text, reason, "add for_each: order")

    def _check_objects(self) -> None:
        """What is asked of an object must be something that is known of such a one."""
        words = re.findall(r"\w+", f"{self.enter} {self.exit or ''}")
        known = {f"its_{kind.name.lower()}" for kind in ITS_KINDS.get(self.for_each, ())}
        known |= {name for name, of in _FACTS_OF.items() if of is self.for_each}
        for word in words:
            if (word in ITS_NAMES or word in _FACTS_OF) and word not in known:
                owners = [each for each, kinds in ITS_KINDS.items() if ITS_NAMES.get(word) in kinds]
                owners += [_FACTS_OF[word]] if word in _FACTS_OF else []
                reason, field = f"{word!r} is about an object", "enter" if word in self.enter else "exit"
                text = self.enter if field == "enter" else self.exit
                raise RuleError(self.name, field, text, reason, f"add for_each: {' or '.join(dict.fromkeys(owners))}")

    def _check_categories(self) -> None:
        """A category leaves once none of its views counts, so that a row knows all that are in."""
        if self.for_each is ForEach.CATEGORY and self.leaving == Always(False):
            reason = "a category leaves in any case once none of its views counts"
            raise RuleError(self.name, "exit", self.exit, reason, "write category_views == 0")

    def _check_traits(self) -> None:
        if self.traits and self.for_each is not ForEach.NONE:
            reason = f"a list for each {self.for_each} has no traits"
            raise RuleError(self.name, "traits", ", ".join(self.traits), reason, "leave it away")

    def _check_carries(self) -> None:
        """What is carried must be known of what the list is one of."""
        for word, of in _CARRIED_OF.items():
            if word in self.carries and self.for_each not in of:
                what = "customer" if self.for_each is ForEach.NONE else self.for_each
                reason = f"a list for each {what} has no {word.replace('_', ' ')}"
                remedy = "write for_each: order, or leave it away" if word is Carry.ORDER else "leave it away"
                raise RuleError(self.name, "carries", word, reason, remedy)
        if Carry.TIER_RANK in self.carries and self.ranked_by is None:
            reason, remedy = (
                f"is known only between {MARKS} of points or revenue",
                "give the rule such, or leave it away",
            )
            raise RuleError(self.name, "carries", Carry.TIER_RANK, reason, remedy)

    def _check_parameters_used(self) -> None:
        words = set(re.findall(r"\w+", f"{self.enter} {self.exit or ''} {' '.join(self.carries)}"))
        for name in self.parameters:
            if name not in words:
                raise RuleError(
                    self.name, f"parameters.{name}", self.parameters[name], "not used", "remove it, or use it"
                )

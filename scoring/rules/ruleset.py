"""Rule set: the rules in force together, evaluated over the same columns in one pass."""

from collections.abc import Iterable, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from scoring.rules.carry import Carry
from scoring.rules.clocks import clocks_of, object_clocks_of
from scoring.rules.columns import ANY, MAX_DAY_KINDS, OF_A_CATEGORY, VISITED, Column, Field, Op
from scoring.rules.expression import columns_of
from scoring.rules.parts import Parts, parts_for
from scoring.rules.program import Program
from scoring.rules.rule import MARKS, MAX_RULES, ForEach, Rule, RuleError
from scoring.rules.words import KIND_NAMES

__all__ = ["MAX_CATEGORY_RULES", "MAX_RULES", "RuleSet", "counted_by_day", "counted_by_hour"]

MAX_CATEGORY_RULES = 8
"""How many of them can be for each category: each of a customer's last views keeps one bit a rule."""

_FIELDS_BY_DAY: dict[Field, int] = {Field.VISITED_DAYS: VISITED, Field.ACTIVE_DAYS: ANY}
"""Fields that are counted in a ring of days, without a window of their own."""


class RuleSet:
    """Rules in a fixed order, what they read, and when time alone can change their answers.

    Attributes
    ----------
    rules
        (R,) in the order given.
    columns
        (C,) what predicates read, in the order in which the kernel fills them, then what else actions carry.
    clocks
        Pairs (kind, age in ms), sorted: a customer is looked at again when their last event of that kind
        reaches that age.
    object_clocks
        The same of orders, products and the like (`scoring.moments`).
    for_each
        (R,) what each list is one of.
    reads_score
        (R,) bool: rules that wait until the model has learned enough.
    program
        The predicates, first those for entering, then those for leaving.

    Raises
    ------
    RuleError
        If there are more than 64 rules or 8 for each category, two of one name, or together they read more kinds by the
        day than a row has rings for.
    """

    def __init__(self, rules: Iterable[Rule]) -> None:
        self.rules: tuple[Rule, ...] = tuple(rules)
        _check_names(self.rules)
        _check_day_kinds(self.rules)
        self._programs: dict[tuple[str, ...], Program] = {}
        self.program = self.program_of(self.rules)
        carried = frozenset().union(*(rule.carried_columns for rule in self.rules))
        self.columns: tuple[Column, ...] = (*self.program.columns, *sorted(carried - {*self.program.columns}))
        self.clocks: tuple[tuple[int, int], ...] = tuple(
            sorted(
                {clock for rule in self.rules for part in (rule.entering, rule.leaving) for clock in clocks_of(part)}
            )
        )
        self.object_ages: dict[str, tuple[tuple[int, int], ...]] = {
            rule.name: clocks
            for rule in self.rules
            if (clocks := tuple(sorted(object_clocks_of(rule.entering) | object_clocks_of(rule.leaving))))
        }
        self.object_clocks: tuple[tuple[int, int], ...] = tuple(
            sorted({clock for clocks in self.object_ages.values() for clock in clocks})
        )
        self.for_each: tuple[ForEach, ...] = tuple(rule.for_each for rule in self.rules)
        self.reads_score: NDArray[np.bool_] = np.array([rule.reads_score for rule in self.rules], np.bool_)

    def __len__(self) -> int:
        return len(self.rules)

    @property
    def names(self) -> tuple[str, ...]:
        """The rules' names, in their order."""
        return tuple(rule.name for rule in self.rules)

    @property
    def list_names(self) -> tuple[str, ...]:
        """The names of the lists, in the order of the rules: one each, or one for each of its marks."""
        return tuple(each.list_name for rule in self.rules for each in rule.of_marks)

    def program_of(self, lists: Sequence[Rule]) -> Program:
        """The predicates of some of its lists, first those for entering; made once, however many engines ask."""
        names = tuple(each.list_name for each in lists)
        if names not in self._programs:
            self._programs[names] = Program([each.entering for each in lists] + [each.leaving for each in lists])
        return self._programs[names]

    @cached_property
    def day_kinds(self) -> frozenset[int]:
        """The kinds that some rule counts by the day."""
        return frozenset().union(*map(_day_kinds, self.rules))

    @cached_property
    def hour_kinds(self) -> frozenset[int]:
        """The kinds that some rule counts by the hour."""
        return counted_by_hour(self.columns)

    @cached_property
    def favourites(self) -> bool:
        """Whether some rule carries the product or the category that was looked at most."""
        return any(
            Carry.FAVOURITE in rule.carries or (Carry.CATEGORY in rule.carries and not _is_of_categories(rule))
            for rule in self.rules
        )

    @cached_property
    def most_category(self) -> bool:
        """Whether some rule asks for the category that was looked at most."""
        read = (rule.columns | rule.carried_columns for rule in self.rules if not _is_of_categories(rule))
        carried = any(Carry.CATEGORY in rule.carries and not _is_of_categories(rule) for rule in self.rules)
        return carried or bool(frozenset().union(*read).intersection(OF_A_CATEGORY))

    @property
    def asks_categories(self) -> int:
        """Where to ask about categories: nowhere (0), where the last views changed (1), everywhere (2)."""
        of = [rule for rule in self.rules if _is_of_categories(rule)]
        more = any(rule.is_local or rule.columns - {*OF_A_CATEGORY} for rule in of)
        return 0 if not of else 2 if more else 1

    @cached_property
    def categories(self) -> tuple[str, ...]:
        """The rules whose lists are of categories."""
        return tuple(rule.name for rule in self.rules if _is_of_categories(rule))

    @cached_property
    def parts(self) -> Parts:
        """What a row must keep so that the rules can read it."""
        of_categories, pages = bool(self.categories), any(Carry.PAGES in rule.carries for rule in self.rules)
        return parts_for(self.columns, self.clocks, self.object_clocks, self.favourites, of_categories, pages)

    def evaluate(self, columns: NDArray[np.float64]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Which rules hold for entering and which for leaving at each point: two arrays (R, m), bool.

        `columns` is (m, C), NaN where unknown. Where both hold, leaving wins.
        """
        both = self.program.run(columns[:, : len(self.program.columns)])
        return both[: len(self.rules)], both[len(self.rules) :]

    def enters(self, columns: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which rules hold for entering, (R, m); where both are wanted, `evaluate` costs half."""
        return self.evaluate(columns)[0]

    def leaves(self, columns: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which rules hold for leaving, (R, m)."""
        return self.evaluate(columns)[1]


def _day_kinds(rule: Rule) -> frozenset[int]:
    return counted_by_day(rule.columns | rule.carried_columns)


def counted_by_hour(columns: Iterable[Column]) -> frozenset[int]:
    """The kinds that some of the columns count by the hour."""
    return frozenset(column.a for column in columns if column.op is Op.COUNT_HOURS)


def counted_by_day(columns: frozenset[Column]) -> frozenset[int]:
    """The kinds that some of the columns count by the day."""
    windows = frozenset(column.a for column in columns if column.op in (Op.COUNT_DAYS, Op.DAYS_WITH))
    return windows | {kind for field, kind in _FIELDS_BY_DAY.items() if Column(Op.FIELD, field) in columns}


def _check_names(rules: tuple[Rule, ...]) -> None:
    seen: set[str] = set()
    number = 0
    for rule in rules:
        number += len(rule.of_marks)
        if rule.name in seen:
            raise RuleError(rule.name, "name", rule.name, "stands twice", "give one of the two another name")
        if number > MAX_RULES:
            reason = f"makes {number} lists, and there can be {MAX_RULES}"
            if rule.marks:
                remedy = f"write fewer {MARKS}, or remove rules that are no longer used"
                raise RuleError(rule.name, f"parameters.{MARKS}", list(rule.marks), reason, remedy)
            raise RuleError(rule.name, "name", rule.name, reason, "remove rules that are no longer used")
        seen.add(rule.name)
    for rule in [rule for rule in rules if _is_of_categories(rule)][MAX_CATEGORY_RULES:]:
        reason = f"is one more than the {MAX_CATEGORY_RULES} rules that can be for each category"
        raise RuleError(rule.name, "for_each", rule.for_each, reason, "remove rules that are no longer used")


def _is_of_categories(rule: Rule) -> bool:
    return rule.for_each is ForEach.CATEGORY


def _check_day_kinds(rules: tuple[Rule, ...]) -> None:
    known: set[int] = set()
    for rule in rules:
        new = _day_kinds(rule) - known
        known |= new
        if len(known) > MAX_DAY_KINDS:
            read = (("enter", columns_of(rule.entering)), ("exit", columns_of(rule.leaving)))
            field = next((name for name, columns in read if new & counted_by_day(columns)), "carries")
            kinds = ", ".join(sorted(KIND_NAMES[kind] for kind in new))
            reason = f"counts {kinds} by the day, and the rules together may count {MAX_DAY_KINDS} kinds so"
            text = rule.enter if field == "enter" else rule.exit
            raise RuleError(rule.name, field, text, reason, "count a kind that another rule counts, or use total(…)")

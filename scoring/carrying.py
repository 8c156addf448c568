"""Carrying: what each rule's actions carry, read off the points and the side records."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scoring.carried import NOTHING_CARRIED, NOTHING_NOTED, Carried, Cheaper, Contacts, Noted, Opinion, Seen, Timed
from scoring.compiled import compiled
from scoring.gates.standing import Standing
from scoring.kernel import Points
from scoring.object_lists import Crossing, Looks, Purchases
from scoring.profile import DAY_MS
from scoring.recent import WITHIN, within
from scoring.rules import Rule, RuleSet
from scoring.rules.carry import CARRIED_COLUMNS, FEEDBACK, OPINIONS, POINTS, REVENUE, Carry
from scoring.rules.columns import OF_A_CATEGORY, STEPS, Column
from scoring.rules.expression import value
from scoring.rules.rule import ForEach
from scoring.shop.snapshot import ShopSnapshot
from scoring.sides import Sides
from scoring.tiers import Balances, tier_rank

__all__ = ["MOST", "Carrying"]

Read = Callable[[Column], float]
When = Callable[[Column], int | None]

MOST = 5
"""Tickets, steps, companions and best sellers that an action carries at most."""


_OF_VIEWED = (Carry.SEEN, Carry.CHEAPER, Carry.CATEGORY, Carry.FAVOURITE, Carry.PRODUCTS)
"""Words for which it is asked what was viewed."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """What a rule asks for, worked out once: to look for each word at each crossing took a quarter of its time.

    Beside the words themselves: whether it is asked what was viewed, what the customer's side record has, and whether
    there is anything to be told, on leaving and on entering, but for what was noted.
    """

    products: bool
    order: bool
    favourite: bool
    category: bool
    purchases: bool
    seen: bool
    pages: bool
    cheaper: bool
    companions: bool
    best_sellers: bool
    cart: bool
    name: bool
    tickets: bool
    opinions: bool
    of_product: bool
    of_viewed: bool
    noted: bool
    left: bool
    entered: bool

    @classmethod
    def of(cls, rule: Rule) -> "_Plan":
        asked = frozenset(rule.carries)
        of_product = rule.for_each is ForEach.PRODUCT
        left = of_product or not asked.isdisjoint((Carry.ORDER, Carry.FAVOURITE, Carry.PRODUCTS, Carry.CATEGORY))
        more = not asked.isdisjoint((Carry.SEEN, Carry.PAGES, Carry.CHEAPER, Carry.COMPANIONS, Carry.BEST_SELLERS))
        return cls(
            **{word: word in asked for word in _WORDS},
            of_product=of_product,
            of_viewed=not asked.isdisjoint(_OF_VIEWED),
            noted=not asked.isdisjoint((Carry.CART, Carry.NAME, Carry.TICKETS, Carry.OPINIONS)),
            left=left,
            entered=left or more or bool(rule.carried_columns or rule.figures),
        )


_WORDS = tuple(word.value for word in Carry if word.value in _Plan.__slots__)
"""What a rule can ask for that a plan has by that name."""


class Carrying:
    """Reads what the actions of a set of rules carry: a microsecond or two for each word of a rule.

    Parameters
    ----------
    rules
        The rules, whose columns the points have.
    pages
        Names of pages by number, as they are known by then.
    """

    def __init__(self, rules: RuleSet, pages: Mapping[int, str]) -> None:
        self._pages = pages
        self._place = {column: place for place, column in enumerate(rules.columns)}
        self._words = {rule.name: frozenset(rule.carries) for rule in rules.rules}
        self._plans = {rule.name: _Plan.of(rule) for rule in rules.rules}
        steps = zip(STEPS, CARRIED_COLUMNS[Carry.STEPS], strict=True)
        known = [(self._place[column], kind) for kind, column in steps if column in self._place]
        contacts = CARRIED_COLUMNS[Carry.CONTACTS]
        self._contact_places = np.array([self._place[column] for column in contacts if column in self._place], np.intp)
        self._step_places = np.array([place for place, _ in known], np.intp)
        self._steps = [(-kind, kind.name.lower()) for _, kind in known]

    def note(
        self, rule: Rule, sides: Sides, row: int, at: tuple[int, int], standing: Standing, purchases: Purchases | None
    ) -> Noted:
        """What the customer's side record has of it at a time, when so many events of the run had been applied."""
        time_ms, applied = at
        plan = self._plans[rule.name]
        if not plan.noted and not purchases:
            return NOTHING_NOTED
        return Noted(
            tuple(sides.cart_at(row, applied)) if plan.cart else (),
            standing.name[1] if plan.name and standing.name is not None else None,
            tuple(Timed(*ticket) for ticket in standing.open_tickets(time_ms)[:MOST]) if plan.tickets else (),
            tuple(Timed(*purchase) for purchase in purchases) if purchases else (),
            standing.network if plan.opinions else None,
        )

    def viewed(self, rules: Sequence[Rule], found: Sequence[Crossing], points: Points) -> list[list[int]]:
        """Of each crossing the numbers of what was viewed, as the points have them; none where its rule asks for none.

        The category and what was viewed in it are those that were crossed, where it was one.
        """
        asked = [k for k, rule in enumerate(rules) if self._plans[rule.name].of_viewed]
        viewed = points.viewed[[found[k].point for k in asked]]
        looked = [n for n, k in enumerate(asked) if found[k].looks is not None]
        if looked:
            viewed[looked, points.viewed_ms.shape[1] + 1 :] = self.seen_in([found[asked[n]] for n in looked], points)
        numbers: list[list[int]] = [[]] * len(found)
        for k, told in zip(asked, viewed.tolist(), strict=True):
            numbers[k] = told
        return numbers

    @staticmethod
    def seen_in(found: Sequence[Crossing], points: Points) -> NDArray[np.uint64]:
        """Of each crossing of a category, (n, 1 + WITHIN): its number, and those of the products last seen in it."""
        seen = np.empty((len(found), 1 + WITHIN), np.uint64)
        seen[:, 0] = [each.looks.category for each in found if each.looks is not None]
        _seen_in(points.seen, points.time_ms, np.array([each.point for each in found]), seen)
        return seen

    def carried(
        self,
        rule: Rule,
        crossing: Crossing,
        noted: Noted,
        viewed: list[int],
        points: Points,
        names: Mapping[int, str],
        shop: ShopSnapshot | None,
        balances: Balances,
    ) -> Carried:
        """What the action of a crossing carries, when leaving only what it is about.

        `viewed` is that of this crossing, `names` are those of products and categories by number, `balances` what
        customers have (`tier_rank`).
        """
        plan, i = self._plans[rule.name], crossing.point
        if noted is NOTHING_NOTED and not (plan.entered if crossing.entered else plan.left):
            return NOTHING_CARRIED
        kept = points.viewed_ms.shape[1]
        found = Carried(_products(plan, crossing, noted, viewed, kept, names), noted=noted)
        if plan.category:
            found.category = names.get(viewed[kept + 1])
        if not crossing.entered:
            return found
        if plan.order:
            found.order = crossing.about
        if plan.seen:
            found.seen = _seen(viewed[:kept], points.viewed_ms[i].tolist(), names, shop)
        if plan.pages:
            found.pages = _timed(points.page[i].tolist(), points.page_ms[i].tolist(), self._pages)
        if shop is not None:
            if plan.cheaper:
                found.cheaper = _cheaper(viewed[:kept], points.viewed_ms[i].tolist(), names, shop)
            if plan.companions:
                found.companions = _companions(crossing, noted, shop)
            if plan.best_sellers:
                found.best_sellers = _best_sellers(noted, shop)
        if rule.carried_columns or rule.figures:
            self._read(rule, crossing.looks, points, i, found, balances)
        return found

    def _read(
        self, rule: Rule, looks: Looks | None, points: Points, i: int, found: Carried, balances: Balances
    ) -> None:
        """Fill in what is read off the columns of the point."""
        words, columns, place = self._words[rule.name], points.columns[i], self._place
        now_ms = int(points.time_ms[i])

        def read(column: Column) -> float:
            if looks is not None and column in OF_A_CATEGORY:
                return float(looks.views) if column == OF_A_CATEGORY[0] else looks.spent_ms / 60_000.0
            return float(columns[place[column]])

        def when(column: Column) -> int | None:
            ago = read(column)
            return None if math.isnan(ago) else now_ms - int(ago)

        if rule.figures:
            found.figures = [(text, _known(value(number, read))) for text, number in rule.figures]
        if Carry.WORTH_RANK in words:
            rank = tier_rank(read(REVENUE), (), balances.worths)
            found.figures = [*found.figures, (Carry.WORTH_RANK.value, _known(rank))]
        if rule.ranked_by is not None:
            among = balances.points if rule.ranked_by == POINTS else balances.worths
            rank = tier_rank(read(rule.ranked_by), rule.marks, among)
            found.figures = [*found.figures, (Carry.TIER_RANK.value, _known(rank))]
        if Carry.STEPS in words:
            found.steps = self._steps_at(columns, now_ms)
        if Carry.CONTACTS in words:
            found.contacts = self._contacts_at(columns, now_ms)
        if Carry.OPINIONS in words:
            found.opinions = _opinions(read, when, found.noted.network)
        if Carry.EXPECTED in words:
            found.expected_ms, found.usual_gap_days = _expected(read, when)

    def _steps_at(self, columns: NDArray[np.float64], now_ms: int) -> list[Timed]:
        """The last steps on the site, of two at one time the one whose kind has the higher number first."""
        ago = columns[self._step_places].tolist()
        done = sorted((int(ms), *step) for ms, step in zip(ago, self._steps, strict=True) if ms == ms)
        return [Timed(name, now_ms - ms) for ms, _, name in done[:MOST]]

    def _contacts_at(self, columns: NDArray[np.float64], now_ms: int) -> Contacts:
        *delivered, opened, clicked = [
            None if ago != ago else now_ms - int(ago) for ago in columns[self._contact_places].tolist()
        ]
        return Contacts(tuple([ms for ms in delivered if ms is not None]), opened, clicked)


@compiled
def _seen_in(seen: Any, time_ms: Any, at: Any, products: Any) -> None:
    """After each category, (n, 1 + WITHIN), the products last seen in it, at the points `at` (n,)."""
    for k in range(at.shape[0]):
        within(seen[at[k]], time_ms[at[k]], products[k, 0], products[k, 1:])


def _expected(read: Read, when: When) -> tuple[int | None, float | None]:
    last, gap = CARRIED_COLUMNS[Carry.EXPECTED]
    ordered_ms, days = when(last), _known(read(gap))
    return (None if ordered_ms is None or days is None else ordered_ms + round(days * DAY_MS)), days


def _best_sellers(noted: Noted, shop: ShopSnapshot) -> list[str]:
    """Of each category that they bought from in turn, without what they have."""
    bought = [purchase.name for purchase in noted.purchases]
    categories = list(dict.fromkeys(filter(None, map(shop.category, bought))))
    return _in_turn([shop.best_sellers(2 * MOST, category) for category in categories or (None,)], bought)


def _products(
    plan: _Plan, crossing: Crossing, noted: Noted, viewed: list[int], kept: int, names: Mapping[int, str]
) -> list[str]:
    """First the one that it is about; where the rule carries a category, of those looked at only what is in it."""
    chosen: list[str | None] = [item.product for item in noted.cart]
    if plan.of_product and crossing.object is not None:
        chosen.append(crossing.object)
    if crossing.companion is not None:
        chosen.append(crossing.companion)
    if plan.order and crossing.about is not None:
        chosen += crossing.about.products
    if plan.favourite:
        chosen.append(names.get(viewed[kept]))
    if plan.products:
        chosen += map(names.get, viewed[kept + 2 :] if plan.category else viewed[:kept])
    if plan.purchases:
        chosen += [purchase.name for purchase in noted.purchases]
    return [product for product in dict.fromkeys(chosen) if product]


def _cheaper(viewed: list[int], ms: list[int], names: Mapping[int, str], shop: ShopSnapshot) -> list[Cheaper]:
    """What costs less now than when it was viewed."""
    known = _timed(viewed, ms, names)
    return [Cheaper(name, *prices) for name, at in known if (prices := shop.cheaper(name, at)) is not None]


def _seen(viewed: list[int], ms: list[int], names: Mapping[int, str], shop: ShopSnapshot | None) -> list[Seen]:
    known = _timed(viewed, ms, names)
    return [Seen(product, at, None if shop is None else shop.category(product)) for product, at in known]


def _timed(numbers: list[int], ms: list[int], names: Mapping[int, str]) -> list[Timed]:
    """Those of which it is known what they are called."""
    return [Timed(names[number], at) for number, at in zip(numbers, ms, strict=True) if number in names]


def _opinions(read: Read, when: When, network: tuple[int, str] | None) -> list[Opinion]:
    """What was said, the newest first; `network` says when feedback came from one, which need not be the last."""
    columns = iter(CARRIED_COLUMNS[Carry.OPINIONS])
    told = ((when(since), source, said) for source, since, said in zip(OPINIONS, columns, columns, strict=True))
    known = sorted(((ms, source, said) for ms, source, said in told if ms is not None), reverse=True)
    on = {(network[0], FEEDBACK): network[1]} if network else {}
    return [Opinion(source, _known(read(said)), ms, on.get((ms, source))) for ms, source, said in known]


def _companions(crossing: Crossing, noted: Noted, shop: ShopSnapshot) -> list[str]:
    if crossing.about is not None and crossing.about.products:
        bought = list(crossing.about.products)
    else:
        bought = [crossing.object] if crossing.object is not None else [each.name for each in noted.purchases]
    return _in_turn([shop.companions(product, MOST) for product in bought[:MOST]], bought)


def _in_turn(lists: Sequence[Sequence[str]], without: Sequence[str]) -> list[str]:
    """The first of each list, then the second of each …; each name once, and none of `without`."""
    turns = dict.fromkeys(name for turn in zip_longest(*lists) for name in turn if name is not None)
    return [name for name in turns if name not in without][:MOST]


def _known(number: float) -> float | None:
    return None if math.isnan(number) else number

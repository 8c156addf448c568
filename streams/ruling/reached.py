"""Reached: whom rules would have told of entering, who of them was withheld and why, and who bought afterwards."""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

import numpy as np

from scoring.kernel import APPLIED, Events
from scoring.kinds import Kind
from scoring.outcome import Outcome

__all__ = ["Bought", "Reached", "Watch", "added"]


@dataclass(slots=True)
class Bought:
    """Of those of whom it is known whether they bought within the horizon, how many did."""

    known: int = 0
    yes: int = 0


@dataclass(slots=True)
class Reached:
    """What came of one rule.

    Parameters
    ----------
    entered, left
        Crossings.
    customers
        Who entered, each once.
    withheld, reasons
        Of those that entered, by the reason that counts, and by every reason that applied.
    bought_published, bought_withheld
        What those bought whose entering was published, and those whose was not.
    """

    entered: int = 0
    left: int = 0
    customers: int = 0
    withheld: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    bought_published: Bought = field(default_factory=Bought)
    bought_withheld: Bought = field(default_factory=Bought)

    @property
    def published(self) -> int:
        """How many were told of."""
        return self.entered - self.withheld.total()


class Watch:
    """Watches one engine.

    Parameters
    ----------
    names
        The rules that are of interest.
    start_ms, stop_ms
        Crossings from the one to before the other count.
    horizon_ms
        Who orders within this after entering has bought.
    """

    def __init__(self, names: Collection[str], start_ms: int, stop_ms: int, horizon_ms: int) -> None:
        self._names, self._start, self._stop, self._horizon = frozenset(names), start_ms, stop_ms, horizon_ms
        self._entries: dict[str, list[tuple[int, int, tuple[str, ...]]]] = {name: [] for name in names}
        self._left: Counter[str] = Counter()
        self._orders: defaultdict[int, list[int]] = defaultdict(list)

    def __call__(self, events: Events, outcome: Outcome) -> None:
        """Take in a run of events and what came of it."""
        bought = (events.kind == Kind.ORDER_COMPLETED) & (events.status == APPLIED) & (events.time_ms >= self._start)
        for i in np.flatnonzero(bought).tolist():
            self._orders[int(events.row[i])].append(int(events.time_ms[i]))
        for action in outcome.actions:
            if action.rule in self._names and self._start <= action.time_ms < self._stop:
                if action.entered:
                    self._entries[action.rule].append((action.row, action.time_ms, action.withheld))
                else:
                    self._left[action.rule] += 1

    def reached(self, known_ms: int, now: Callable[[int], int] = int) -> dict[str, Reached]:
        """What came of each rule, where all orders up to `known_ms` are known.

        `now` gives the row of whoever was in a row (`Profiles.now`): who entered may have bought under another id.
        """
        orders: defaultdict[int, list[int]] = defaultdict(list)
        for row, times in self._orders.items():
            orders[now(row)] += times
        for times in orders.values():
            times.sort()
        return {name: self._reached(name, known_ms, orders, now) for name in self._entries}

    def _reached(self, name: str, known_ms: int, orders: Mapping[int, list[int]], now: Callable[[int], int]) -> Reached:
        entries = [(now(row), time_ms, withheld) for row, time_ms, withheld in self._entries[name]]
        found = Reached(len(entries), self._left[name], len({row for row, _, _ in entries}))
        for row, time_ms, withheld in entries:
            found.withheld.update(withheld[:1])
            found.reasons.update(withheld)
            if time_ms + self._horizon <= known_ms:
                bought = found.bought_withheld if withheld else found.bought_published
                bought.known += 1
                bought.yes += self._bought(orders.get(row, []), time_ms)
        return found

    def _bought(self, times: list[int], time_ms: int) -> bool:
        next_one = bisect_right(times, time_ms)
        return next_one < len(times) and times[next_one] <= time_ms + self._horizon


def added(parts: Collection[dict[str, Reached]]) -> dict[str, Reached]:
    """What came of each rule on several partitions, each with customers of its own."""
    total: dict[str, Reached] = {}
    for part in parts:
        for name, found in part.items():
            total[name] = _sum(total[name], found) if name in total else found
    return total


def _sum(one: Reached, other: Reached) -> Reached:
    return Reached(
        one.entered + other.entered,
        one.left + other.left,
        one.customers + other.customers,
        one.withheld + other.withheld,
        one.reasons + other.reasons,
        _both(one.bought_published, other.bought_published),
        _both(one.bought_withheld, other.bought_withheld),
    )


def _both(one: Bought, other: Bought) -> Bought:
    return Bought(one.known + other.known, one.yes + other.yes)

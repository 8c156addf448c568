"""State: all that is kept of one partition's customers."""

from collections.abc import Callable, Sequence

import numpy as np

from scoring.asked_anew import AskedAnew
from scoring.clock import Clock
from scoring.departures import Departures
from scoring.engine_settings import Counts, EngineSettings
from scoring.erased import Erased
from scoring.features import FEATURE_VERSION
from scoring.kernel import Events
from scoring.kinds import N_INPUTS
from scoring.links import Links
from scoring.outcome import PassedOn
from scoring.pending import PendingExamples
from scoring.profile import Profiles
from scoring.queue import grown, new_heap
from scoring.rules.ruleset import MAX_CATEGORY_RULES
from scoring.rules.slots import Slots
from scoring.sides import Sides
from scoring.stored import Copied, Meta, Stored

__all__ = ["State"]


class State:
    """The parts of one partition's state, each of which knows its own; and how they are stored together.

    Attributes
    ----------
    products, pages
        Real ids, and names of pages, by number.
    choice
        Which customers give examples: the greatest hash of those, how many they are, and how many there are.
    since_ms
        By row of somebody who was forgotten and came again: when that was received.
    returned
        Their rows and those of whom they turned out to be, of whom records of before may still come.
    heap
        The rows that are due.
    slots, category_slots
        The bit of each list in a row, and of each rule for each category beside a view.
    asked_anew
        Until when objects are looked at daily, as rules have changed.
    """

    def __init__(self, settings: EngineSettings, partition: int, home: Callable[[bytes], bool], secret: bytes) -> None:
        self.settings, self.home = settings, home
        self.config = settings.kernel()
        self.profiles = Profiles(settings.layout)
        self.clock = Clock()
        self.counts = Counts()
        self.sides = Sides(
            settings.cart_steps,
            settings.orders_remembered,
            contacts_kept=settings.gates.contacts_kept,
            objects_kept=settings.objects_kept,
            horizon_ms=settings.layout.horizon_ms,
        )
        self.pending = PendingExamples(settings.layout.horizon_ms, FEATURE_VERSION, partition)
        self.products: dict[int, str] = {}
        self.pages: dict[int, str] = {}
        self._told_pages: dict[int, str] = {}
        self.choice = np.array([2**64 - 1, 0, 0], np.uint64)
        self.links = Links(self.profiles, home)
        self.departures = Departures()
        self.erased = Erased(secret)
        self.since_ms: dict[int, int] = {}
        self.returned: set[int] = set()
        self.stored = Stored(
            self.profiles, self.sides, self.pending, self.links, self.products, self.pages, self.erased
        )
        self.heap = new_heap(4096)
        self.acc = np.zeros(24)
        self.slots, self.category_slots = Slots(), Slots(most=MAX_CATEGORY_RULES)
        self.asked_anew = AskedAnew(None)

    def product(self, number: int, name: str) -> None:
        """Remember the real id behind a product's number, of so many at most as the settings say."""
        if number not in self.products and len(self.products) < self.settings.products_remembered:
            self.products[number] = name
            self.stored.products.append(number)

    def page(self, number: int, name: str) -> None:
        """Be told what a page is called, before an event of it is applied."""
        if number not in self.pages and len(self.pages) < self.settings.pages_remembered:
            self._told_pages[number] = name

    def remember_pages(self, numbers: Sequence[int]) -> None:
        """Remember what the pages of events that are applied are called, in their order, up to the limit.

        A path may hold an id, and so there is no end of them; to remember them as they are told would let it depend on
        the slices that were read which are the first.
        """
        for number in numbers:
            name = self._told_pages.pop(number, None)
            if name is not None and number not in self.pages and len(self.pages) < self.settings.pages_remembered:
                self.pages[number] = name
                self.stored.pages.append(number)
        if len(self.pages) >= self.settings.pages_remembered:
            self._told_pages.clear()

    @property
    def awaits_pages(self) -> bool:
        """Whether it was told of pages of which no event was applied yet."""
        return bool(self._told_pages)

    def row(self, customer: bytes) -> int:
        """The customer's row; who was forgotten begins with nothing, but the refusal that is remembered."""
        row = self.profiles.find(customer)
        if row >= 0:
            return row
        row = self.profiles.add(customer)
        if (erasure := self.erased.find(customer)) is not None:
            self.returned.add(row)
            self.since_ms[row] = erasure.at_ms
            if erasure.refused:
                self.sides.touch(row).standing.refuse_marketing(erasure.at_ms)
        return row

    def find_rows(self, events: Events, customer: Callable[[int], bytes | None]) -> tuple[list[PassedOn], list[int]]:
        """In order, as a customer who comes late first may come in time afterwards.

        Returns those who are away, and the events of those who are forgotten.
        """
        profiles, late = self.profiles, events.time_ms < events.watermark_ms - self.config.window_ms
        late &= events.source < N_INPUTS
        passed_on: list[PassedOn] = []
        erased: list[int] = []
        for i in np.flatnonzero(events.row < 0).tolist():
            name = customer(i)
            if name is None:
                erased.append(i)
            elif (away := self.links.away(name)) is None:
                events.row[i] = profiles.find(name) if late[i] else self.row(name)
            elif not late[i]:
                passed_on.append(PassedOn(i, away[1], away[0], self.erased.at_ms(away[0])))
        return passed_on, erased

    def drop(self, row: int) -> None:
        """Keep nothing of a customer who is another by now."""
        self.stored.discard(row)
        self.stored.gone.append(self.profiles.keys[row])
        self.sides.forget(row)
        self.profiles.vacate(row)

    def make_room(self) -> None:
        """Let there be room in the heap for what one event or one merge may queue."""
        if self.heap.n[0] + 8 >= len(self.heap.ms):
            self.heap = grown(self.heap, 2 * len(self.heap.ms))

    def changes(self) -> list[tuple[bytes, bytes | None]]:
        """Every changelog row that changed since the last call (None: it is gone), the engine's own row last."""
        return self.stored.changes(self._meta())

    def copy(self) -> Copied | None:
        """Copy all, as `changes` has given it, but for the rows (`Copied.fill`); None while a change waits for it."""
        return self.stored.copy(self._meta())

    def _meta(self) -> Meta:
        clock, counts = self.clock, self.counts
        return Meta(
            layout=self.profiles.fingerprint,
            seen_ms=clock.seen_ms.tolist(),
            behind=clock.behind.tolist(),
            watermark=clock.watermark.tolist(),
            choice=self.choice.tolist(),
            counts=[counts.applied, counts.duplicate, counts.late, counts.ignored, counts.dead_lettered],
            slots=self.slots.names,
            category_slots=self.category_slots.names,
            trials=self.sides.trials.stored(),
            object_ages=None if self.asked_anew.ages is None else dict(self.asked_anew.ages),
            objects_until_ms=self.asked_anew.until_ms,
        )

    def load(self, keys: Sequence[bytes], values: Sequence[bytes | None]) -> None:
        """Put changelog rows in place, in the order of the changelog, others left out.

        Raises
        ------
        LayoutMismatchError
            If a row was written with other ring sizes or another horizon.
        """
        meta = self.stored.load(keys, values)
        if meta is not None:
            self.clock.seen_ms[:] = meta.seen_ms
            self.clock.behind[:] = meta.behind
            self.clock.watermark[:] = meta.watermark
            self.choice[:] = np.array(meta.choice, np.uint64)
            self.counts = Counts(*meta.counts)
            self.slots = Slots(meta.slots)
            self.category_slots = Slots(meta.category_slots, MAX_CATEGORY_RULES)
            self.sides.trials.arms = meta.trials
            self.asked_anew.ages, self.asked_anew.until_ms = meta.object_ages, meta.objects_until_ms

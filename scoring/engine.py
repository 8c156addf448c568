"""Engine: one partition's scoring, from a run of events to what is told of it and to what must be stored."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
from msgspec import structs
from numpy.typing import NDArray

from scoring.absorb import absorb, leave, look_again
from scoring.clock import Clock
from scoring.content import Contents, Scored
from scoring.crossing import Crossing, Crossings
from scoring.departures import Departures
from scoring.engine_settings import Counts, EngineSettings
from scoring.erased import Erased, Erasure
from scoring.features import FEATURE_VERSION, FEATURES, GROUPS, N_FEATURES
from scoring.forgetting import Forgetting, Forgotten, refuse_all
from scoring.gates import Gates
from scoring.in_force import blank_model, in_force
from scoring.kernel import (
    APPLIED,
    DONE,
    DUPLICATE,
    ERASED,
    HEAP,
    LATE,
    OBJECTS,
    PASSED_ON,
    SKIPPED,
    SWAP,
    Events,
    Points,
    Reading,
    admit,
    derive_rows,
    reschedule,
    run,
    score_rows,
    settle,
    watermarks,
)
from scoring.kinds import N_INPUTS, N_KINDS, N_SOURCES, Kind, Source
from scoring.links import Links
from scoring.model import Snapshot, probabilities
from scoring.orders import A_ORDERS
from scoring.outcome import Outcome, PassedOn, Scores
from scoring.peaks import follow_peaks
from scoring.pending import PendingExamples
from scoring.profile import DAY_MS, FAR, NEVER, VISIT_DAYS, Layout, Profiles
from scoring.publish import choose
from scoring.quantiles import percentiles
from scoring.queue import grown, new_heap
from scoring.readings import FACTS
from scoring.recent import WITHIN
from scoring.rules import RuleSet
from scoring.rules.carry import POINTS, Carry
from scoring.rules.columns import Column, Expected, Field, Op
from scoring.rules.slots import Slots
from scoring.shop.snapshot import ShopSnapshot
from scoring.side import Side
from scoring.sides import Detail, Sides
from scoring.stored import Copied, Meta, Stored
from scoring.transfer import Ask, Forget, Forward, Give
from scoring.types import Facts, Who, who

__all__ = ["Counts", "Engine", "EngineSettings"]

GROUP_STARTS = np.array([start for _, start, _ in GROUPS])
LOG_ORDERS = FEATURES.index("frequency.log_orders")
ROOM = 8192
"""Evaluation points between two looks at the rules: few enough to stay in the processor's cache."""


class Engine:
    """One partition's state and arithmetic; no clock, no broker.

    A run may be cut anywhere with the same outcome. Applying costs a few microseconds an event.

    Parameters
    ----------
    settings
        Sizes, times and limits.
    rules
        The lists; a kind that they count by the day or the hour must have a ring in the layout, and what else they read
        a part of the row.
    partition
        The partition's number, for examples.
    home
        Whether an id belongs to this partition.
    secret
        What the hashes of erased ids are keyed with; empty: nobody can be erased.

    Attributes
    ----------
    erased
        Who was forgotten.
    since_ms
        By row of somebody who was forgotten and came again: when that was received.
    returned
        Their rows and those of whom they turned out to be, of whom records of before may still come.

    Raises
    ------
    ValueError
        If a rule counts a kind that has no ring, or reads what the layout does not keep.
    """

    def __init__(
        self,
        settings: EngineSettings,
        rules: RuleSet,
        partition: int = 0,
        home: Callable[[bytes], bool] = lambda _: True,
        secret: bytes = b"",
    ) -> None:
        self.settings, self.partition = settings, partition
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
        self.model = blank_model()
        self.upcoming: list[Snapshot] = []
        self.upcoming_rules: list[tuple[int, RuleSet]] = []
        self.shop: ShopSnapshot | None = None
        self.upcoming_shop: list[ShopSnapshot] = []
        self.config = settings.kernel()
        self.products: dict[int, str] = {}
        self.choice = np.array([2**64 - 1, 0, 0], np.uint64)
        self._home = home
        self.links = Links(self.profiles, home)
        self.departures = Departures()
        self.erased = Erased(secret)
        self.since_ms: dict[int, int] = {}
        self.returned: set[int] = set()
        self._stored = Stored(self.profiles, self.sides, self.pending, self.links, self.products, self.erased)
        self._forgetting = Forgetting(
            self.profiles,
            self.sides,
            self.pending,
            self.links,
            self.departures,
            self._stored,
            self.erased,
            self.choice,
            home,
            self.since_ms,
            self.returned,
        )
        self._heap = new_heap(4096)
        self._acc = np.zeros(24)
        self._horizon_days = settings.layout.horizon_ms / DAY_MS
        self._limits = np.array([limit for _, limit in settings.bands[1:]])
        self._slots = Slots()
        self._use(rules)

    def _use(self, rules: RuleSet) -> None:
        """Evaluate these rules from now on; who is in the list of a rule that stays is still in it."""
        layout = self.settings.layout
        self._reading = self._read_for(rules, layout)
        slots, cleared = self._slots.assign(rules.list_names)
        if cleared:
            inside = self.profiles.rows["inside"]
            self._stored.rows.update(np.flatnonzero(inside & np.uint64(cleared)).tolist())
            inside &= ~np.uint64(cleared)
        self.rules = rules
        gates = Gates(self.settings.gates, self.settings.max_action_age_ms, self.settings.replay)
        self.crossings = Crossings(rules, slots, gates)
        self.contents = Contents(gates, self.config.active_ms) if self.settings.content else None
        self._gaps_asked = Column(Op.ITS_LATE, Expected.REPLENISHMENT) in rules.columns
        self.sides.places_kept = any(rule.is_local for rule in rules.rules)
        self.sides.traits_kept = frozenset(name for rule in rules.rules for name in rule.traits)
        self.sides.names_kept = any(Carry.NAME in rule.carries for rule in rules.rules)
        self._points = self._room_for(len(rules.columns), layout.views)
        served = (Field.SCORE, Field.PERCENTILE, Field.WARMING_UP, Field.PERCENTILE_PEAK, Field.SEEN_CHEAPER,
                  Field.OPEN_TICKETS, *_TOLD_OF)  # fmt: skip
        fields = ((c, column.a) for c, column in enumerate(rules.columns) if column.op == Op.FIELD)
        self._filled = [(c, which) for c, which in fields if which in served]
        self._cheaper_asked = any(which == Field.SEEN_CHEAPER for _, which in self._filled)
        self._tickets_asked = any(which == Field.OPEN_TICKETS for _, which in self._filled)
        self._told_of = any(which in _TOLD_OF for _, which in self._filled)
        ranked = any(rule.ranked_by == POINTS for rule in rules.rules)
        self._balance = rules.columns.index(POINTS) if ranked else None

    @staticmethod
    def _read_for(rules: RuleSet, layout: Layout) -> Reading:
        columns = np.array([tuple(c) for c in rules.columns], np.int64).reshape(-1, 3)
        clocks = np.array([tuple(c) for c in rules.clocks], np.int64).reshape(-1, 2)
        slots = []
        for kinds in (layout.day_kinds, layout.hour_kinds):
            slot = np.full(N_KINDS, -1, np.int64)
            slot[list(kinds)] = np.arange(len(kinds))
            slots.append(slot)
        needed = (("day_kinds", rules.day_kinds, slots[0]), ("hour_kinds", rules.hour_kinds, slots[1]))
        for ring, counted, slot in needed:
            for kind in sorted(counted):
                if slot[kind] < 0:
                    raise ValueError(f"{ring}: a rule counts kind {kind}, which has no ring; add it to {ring}")
        if missing := layout.parts.missing(rules.parts):
            raise ValueError(f"parts: a rule reads what a row does not keep: {'; '.join(missing)}")
        hourly = any(column.op == Op.COUNT_HOURS for column in rules.columns)
        object_clocks = np.array([tuple(c) for c in rules.object_clocks], np.int64).reshape(-1, 2)
        return Reading(columns, clocks, slots[0], slots[1], hourly, object_clocks, rules.favourites)

    @staticmethod
    def _room_for(columns: int, views: int) -> Points:
        def ints(n: int) -> NDArray[np.int64]:
            return np.zeros(n, np.int64)

        spare = ROOM + 8  # one tick may resolve several examples
        return Points(
            row=ints(ROOM),
            time_ms=ints(ROOM),
            event=ints(ROOM),
            cause=ints(ROOM),
            at=ints(ROOM),
            received_ms=ints(ROOM),
            X=np.zeros((ROOM, N_FEATURES)),
            logit=np.zeros(ROOM),
            columns=np.zeros((ROOM, columns)),
            facts=np.zeros((ROOM, FACTS)),
            viewed=np.zeros((ROOM, views + 2 + WITHIN), np.uint64),
            viewed_ms=np.zeros((ROOM, views), np.int64),
            bought=np.zeros(ROOM, np.uint64),
            bought_ms=ints(ROOM),
            coupons=ints(ROOM),
            visited=np.zeros((ROOM, VISIT_DAYS), np.uint32),
            resolved_row=ints(spare),
            resolved_made_ms=ints(spare),
            resolved_label=ints(spare),
            resolved_ms=ints(spare),
        )

    def product(self, number: int, name: str) -> None:
        """Remember the real id behind a product's number, of so many at most as the settings say."""
        if number not in self.products and len(self.products) < self.settings.products_remembered:
            self.products[number] = name
            self._stored.products.append(number)

    def apply(
        self, events: Events, details: dict[int, Detail], customer: Callable[[int], bytes | None] = lambda _: b""
    ) -> Outcome:
        """Apply a run of events of one partition in the order of input.

        Parameters
        ----------
        events
            Columns; `status` and `watermark_ms` are filled here, and `cart_items` and `cart_value` where the cart
            changed. `clock.behind` says which inputs have more to come.
        details
            By index, what orders and cart events carry beside the columns.
        customer
            Gives the id of whom an event is about; asked where its row is -1. One who has no row gets one, but for
            an event that is late: made-up names in old records leave nothing behind. None: of somebody forgotten.

        An event that tells of a former id of its customer makes two customers one before it is applied itself.
        """
        linking = sorted(i for i, detail in details.items() if detail.former)
        if not linking:
            return self._applied(events, details, customer)
        outcome = Outcome()
        for start, stop in pairwise([*dict.fromkeys((0, *linking)), len(events.row)]):
            told = {i - start: details[i] for i in range(start, stop) if i in details}
            if 0 in told and (former := told[0].former):
                linked = self._link(events, start, former, customer)
                if linked is not None:
                    outcome.extend(linked, start)
                elif told[0] == Detail(former=former):  # as where they were one when it was decoded
                    del told[0]
            piece = Events._make(column[start:stop] for column in events)
            outcome.extend(self._applied(piece, told, partial(_later, customer, start)), start)
        return outcome

    def _link(self, events: Events, i: int, former: bytes, customer: Callable[[int], bytes | None]) -> Outcome | None:
        """Let the customer of event `i` be whoever came under the former id too, unless the event is late.

        Nothing is done where both are one already (None; so no circle can close), or where the former id was another's
        before: whose it was first, it stays. What is read again after a crash finds the other's row counted in already.
        """
        profiles, source, offset = self.profiles, int(events.source[i]), int(events.offset[i])
        event = Events._make(column[i : i + 1] for column in events)
        clock = self.clock
        watermarks(event, clock.seen_ms.copy(), clock.behind, clock.watermark_ms)
        self.links.follow(event.row)
        if event.time_ms[0] < event.watermark_ms[0] - self.config.window_ms:
            return Outcome()
        if event.row[0] < 0:
            name = customer(i)
            if name is None or self.links.away(name) is not None:
                return Outcome()
            event.row[0] = self._row(name)
        row, other = int(event.row[0]), profiles.find(former)
        owner = profiles.keys[row]
        if other == row:
            return None
        if self.links.is_former(former) or former in self.departures.asked:
            return Outcome()
        outcome = Outcome()
        if not self._home(former):
            if self.departures.owner(owner) != former:  # else they ask for us, and that came first
                outcome.transfers.append(Ask(former, owner, int(event.received_ms[0])))
                self.links.link(former, row)
            return outcome
        if other >= 0:
            outcome = self._come_up()
            if profiles.rows["applied"][row, source] < offset:
                for each in (other, row):
                    self._settle(each, int(event.time_ms[0]), outcome)
            self._merge(row, other, event, outcome)
        self.links.link(former, row)
        if self.erased.find(former) is not None:
            self.returned.add(row)
        return outcome

    def _settle(self, row: int, ms: int, outcome: Outcome) -> None:
        """Run the ticks of one row up to a time."""
        done = False
        while not done:
            self._make_room()
            done, m, resolved = settle(
                self.profiles.rows, row, ms, self.clock.watermark, self._heap, self.choice, self._points,
                self.model.scorer, self._reading, self.config,
            )  # fmt: skip
            if m:
                self._tell(m, NO_EVENTS, outcome)
            if resolved:
                self.pending.resolve(self._points, resolved, self.profiles.keys, outcome)

    def _make_room(self) -> None:
        if self._heap.n[0] + 8 >= len(self._heap.ms):
            self._heap = grown(self._heap, 2 * len(self._heap.ms))

    def _merge(self, row: int, other: int, event: Events, outcome: Outcome) -> None:
        """Add the customer of row `other` to that of `row`, as of an event that says so."""
        rows, sides = self.profiles.rows, self.sides
        mine, theirs = rows[row], rows[other]
        cause, received_ms = (int(event.source[0]), int(event.offset[0])), int(event.received_ms[0])
        now_ms = max(int(mine["now_ms"]), int(theirs["now_ms"]), int(event.time_ms[0]))
        behind = bool(mine["applied"][cause[0]] < cause[1])
        brought = int(theirs["inside"])
        if behind:
            self._leave_lists(other, now_ms, received_ms, cause, outcome)
        side = sides.find(other)
        times_ms = theirs["pending_ms"][: theirs["pending_n"]].tolist()
        if side is not None and not sides.holds(row, *cause):
            self._unite(row, rows, other, side, brought, cause, now_ms, received_ms, outcome)
            sides.join_applied(row, side)
        else:
            self._unite(row, rows, other, None, brought, cause, now_ms, received_ms, outcome)
        if behind:
            leave(theirs, self.choice)
            mine["applied"] = np.maximum(mine["applied"], theirs["applied"])
        self.pending.move(other, row, times_ms, mine["pending_ms"][: mine["pending_n"]].tolist())
        self._forget(other)

    def _unite(self, row: int, others: Any, which: int, side: Side | None, brought: int, cause: tuple[int, int],
               now_ms: int, received_ms: int, outcome: Outcome) -> None:  # fmt: skip
        """Add row `which` of `others`, and a side record, to those of `row`; whatever holds them already stays.

        Nobody enters a list by it, but on the ledger. `brought` are the bits of the lists that the other was in.
        """
        rows, sides = self.profiles.rows, self.sides
        mine, theirs = rows[row], others[which]
        repeated = 0 if side is None else sides.absorb(row, side)
        self._stored.rows.add(row)
        if mine["applied"][cause[0]] >= cause[1]:
            return
        guest = 0 if mine["derived"][A_ORDERS] else int(theirs["fold_orders"] + theirs["ring_n"])
        self._make_room()
        absorb(rows, row, others, which, now_ms, repeated, len(self.profiles), self._heap, self.choice, self._reading,
               self.config, self._acc)  # fmt: skip
        mine["cart_items"], mine["cart_value"] = sides.cart_worth(row, int(mine["last_ms"]))
        if mine["first_ms"] != NEVER:
            self._look_again(row, now_ms, received_ms)
            _, found = self.crossings.find(rows, self._points, 1, sides, self.shop, brought)
            self._tell_merged(found, cause, outcome)
            mine["guest_orders"] += guest

    def _leave_lists(self, row: int, now_ms: int, received_ms: int, cause: tuple[int, int], outcome: Outcome) -> None:
        """Let a customer who is another from now on leave all lists of customers."""
        if self.profiles.rows["first_ms"][row] != NEVER:
            self._look_again(row, now_ms, received_ms)
            self._tell_merged(self.crossings.left(int(self.profiles.rows["inside"][row])), cause, outcome)

    def _forget(self, row: int) -> None:
        """Keep nothing of a customer who is another by now."""
        self._stored.discard(row)
        self._stored.gone.append(self.profiles.keys[row])
        self.sides.forget(row)
        self.profiles.blank(row)

    def _look_again(self, row: int, now_ms: int, received_ms: int, event: int = -1) -> None:
        """Make an evaluation point of a row as it is, of an event or of none."""
        look_again(self.profiles.rows, row, now_ms, received_ms, event, self._points, self.model.scorer, self._reading,
                   self.config)  # fmt: skip

    # ---- customers who are at home on other partitions

    def receive(self, transfer: Ask | Give, offset: int, received_ms: int) -> Outcome:
        """Take what another partition tells of a customer, as the record with this offset."""
        outcome = self._come_up()
        if isinstance(transfer, Ask):
            erasure = self.erased.find(transfer.former)
            if erasure is None or transfer.said_ms > erasure.at_ms:
                self._asked(transfer, offset)
            else:
                outcome.transfers += self._too_late(transfer, erasure)
            return outcome
        if self.voids(transfer):
            return outcome
        row, to, via = self.arrive(transfer)
        if row < 0:
            outcome.transfers.append(self.sent_on(transfer, to, via))
        else:
            self._take_in(transfer, row, offset, received_ms, outcome)
            outcome.extend(self._come_up(), 0)
        return outcome

    def _too_late(self, ask: Ask, erasure: Erasure) -> list[Forget]:
        """What is told to whoever asks for somebody forgotten meanwhile, by what was received before: it is the same.

        What they have sent here by then, to one who came again and asks for them, is of somebody forgotten, too. Not if
        it was somebody else's former id.
        """
        if erasure.owned or not erasure.requests:
            return []
        self.erased.add(ask.owner, erasure.at_ms, [0] * N_INPUTS, refused=None)
        return [Forget(ask.owner, erasure.requests[-1].name, erasure.at_ms, [ask.former], claimed=False)]

    def _come_up(self) -> Outcome:
        """Do all that is due by now, as before an event."""
        self.sides.begin()
        return self._run(NO_EVENTS, self.clock.watermark_ms, self.clock.received_ms)

    def _asked(self, ask: Ask, offset: int) -> None:
        """Let a customer go with the next commit to whoever asked first.

        Of two who ask for each other at once, the one with the lesser id stays.
        """
        former, owner, links = ask.former, ask.owner, self.links
        if links.is_former(former) or former in self.departures.asked:
            return
        side = self.sides.find(row) if (row := self.profiles.find(former)) >= 0 else None
        if side is not None and side.absorbed.get(owner, (0,))[0]:
            return
        if links.owner.get(owner) == former:
            if former < owner:
                return
            links.unlink(owner)
        self.departures.asked[former] = owner, offset

    def arrive(self, sent: Give | Forward) -> tuple[int, bytes, list[bytes]]:
        """Where what is sent to a customer belongs by now: row, id, and the ids by which it came; row -1: not here.

        Where the links go round in a circle, as partitions gave customers away at the same time, the one with the least
        id of those that left is its own customer again, once what it gave away is back.
        """
        links, to, via = self.links, sent.to, sent.via
        while (owner := links.owner.get(to)) is not None:
            if not self._home(owner):
                if to not in via:
                    via = [*via, to]
                elif to == min(via[via.index(to) :]) and self._brings(sent, to):
                    links.unlink(to)
                    links.regain(to, self._row(to))
                    break
                return -1, owner, via
            to = owner
        return self._row(to), to, via

    def sent_on(self, sent: Give | Forward, to: bytes, via: list[bytes]) -> Give | Forward:
        """What another partition sends, for the one that `arrive` says."""
        by = self.links.last(sent.to)[0]
        return structs.replace(sent, to=to, via=via, by=by, by_ms=self.erased.at_ms(by))

    def _brings(self, sent: Give | Forward, customer: bytes) -> bool:
        """Whether what is sent holds what a customer gave away."""
        if isinstance(sent, Forward):
            return False
        return sent.origin == customer or self.sides.read(sent.side).absorbed.get(customer, (0,))[0] > 0

    def deal_with(self, row: int, event: Forward, offset: int) -> bool:
        """Note that an event of another partition is applied to a row, as the record with this offset.

        False if it came before, as that partition did something again after a crash.
        """
        if self.sides.holds(row, Source.TRANSFERS, offset):
            return True
        side = self.sides.touch(row)
        if event.offset <= side.absorbed.get(event.origin, (0, *[-1] * N_SOURCES))[1 + event.source]:
            return False
        told = [0, *[-1] * N_SOURCES]
        told[1 + event.source] = event.offset
        side.deal_with(event.origin, told)
        return True

    def _take_in(self, give: Give, row: int, offset: int, received_ms: int, outcome: Outcome) -> None:
        """Add all that came from another partition to a row, unless it came before."""
        sides, cause = self.sides, (int(Source.TRANSFERS), offset)
        before = sides.find(row)
        held = sides.holds(row, *cause)
        if not held and before is not None and before.absorbed.get(give.origin, (0,))[0]:
            return
        for number, name in give.products:
            self.product(number, name)
        others, other = self.profiles.row_of(give.row), sides.read(give.side)
        mine, theirs = self.profiles.rows[row], others[0]
        now_ms = max(int(mine["now_ms"]), int(theirs["now_ms"]))
        brought = sum(1 << bit for bit, name in enumerate(self._slots.names) if name in give.lists)
        behind = bool(mine["applied"][cause[0]] < offset)
        if give.origin == self.profiles.keys[row] and not held:
            sides.touch(row).rules.update(other.rules)  # it is back: what was told of it goes on
        self._unite(row, others, 0, None if held else other, brought, cause, now_ms, received_ms, outcome)
        side = sides.touch(row)
        side.deal_with(give.origin, [1, *give.applied])
        side.applied[cause[0]] = max(side.applied[cause[0]], offset)
        if self._home(give.origin):
            side.applied[:N_INPUTS] = map(max, side.applied[:N_INPUTS], give.applied[:N_INPUTS])
            mine["applied"][:N_INPUTS] = np.maximum(mine["applied"][:N_INPUTS], give.applied[:N_INPUTS])
        mine["applied"][cause[0]] = max(int(mine["applied"][cause[0]]), offset)
        kept_ms = mine["pending_ms"][: mine["pending_n"]].tolist()
        for made_ms, value in give.examples:
            self.pending.put(row, made_ms, value, kept_ms)
        if behind and mine["first_ms"] != NEVER:
            event = Events.blank(1)
            event.row[:], event.source[:], event.offset[:] = row, cause[0], offset
            self._look_again(row, now_ms, received_ms, event=0)
            self._tell(1, event, outcome)

    def close(self) -> Outcome:
        """Let go of those that were asked for: from now on their events are passed on.

        To be called before `changes`, so that this is stored; `pack` must follow it.
        """
        departures, rows = self.departures, self.profiles.rows
        outcome = self._come_up() if departures.asked else Outcome()
        for former, (owner, offset) in departures.asked.items():
            row = self.profiles.find(former)
            applied = [-1] * N_SOURCES
            if row >= 0:
                applied = rows["applied"][row].tolist()
                self.sides.begin()
                cause = int(Source.TRANSFERS), offset
                self._leave_lists(row, int(rows["now_ms"][row]), self.clock.received_ms, cause, outcome)
            self.links.depart(former, owner, applied)
            departures.closed.append((former, row))
        departures.asked.clear()
        return outcome

    def pack(self) -> None:
        """Put up what is to be sent of those whose links are stored; it is deleted here with the next `changes`."""
        for former, row in self.departures.closed:
            self._pack(former, row)
        self.departures.closed.clear()

    def _pack(self, former: bytes, row: int) -> None:
        profiles, links = self.profiles, self.links
        packed = Give(links.owner[former], former, b"", b"", [], [], [], [*links.applied[former]], [former],
                      former, self.erased.at_ms(former))  # fmt: skip
        if row >= 0:
            theirs = profiles.rows[row]
            inside = int(theirs["inside"])
            side = self.sides.find(row)
            numbers = {*theirs["view_product"].tolist(), *theirs["seen_product"].tolist()}
            numbers |= set(theirs["seen_category"].tolist())
            packed = structs.replace(
                packed,
                row=profiles.stored(np.array([row]))[0] if theirs["first_ms"] != NEVER else b"",
                side=b"" if side is None else self.sides.write(side),
                examples=self.pending.take(row, theirs["pending_ms"][: theirs["pending_n"]].tolist()),
                products=[(number, self.products[number]) for number in sorted(numbers & self.products.keys())],
                lists=[name for bit, name in enumerate(self._slots.names) if inside >> bit & 1],
            )
            leave(theirs, self.choice)
            self._forget(row)
        self.departures.packed.append(packed)

    def _tell_merged(self, found: Sequence[Crossing], cause: tuple[int, int], outcome: Outcome) -> None:
        """Tell what crossed at the one point that `_look_again` made; its score comes with the event that follows."""
        if not found:
            return
        points, model = self._points, self.model
        score, percentile, band = self._served(1)
        rows = self.profiles.rows
        previous = rows["published_score"][points.row[:1]]
        scores = Scores(points.row[:1].copy(), points.time_ms[:1].copy(), points.event[:1].copy(), score, percentile,
                        band, previous, self._groups(points.X[:1]), self._who(points.facts[:1], score),
                        model.version, model.warming_up, self.shop_version)  # fmt: skip
        price = model.score_at(self.settings.gates.budget_percentile)
        outcome.actions += self.crossings.actions(
            found, points, NO_EVENTS, scores, {0: 0}, self.sides, self.products, self.profiles.keys, price, self.shop,
            model.balances, cause,
        )  # fmt: skip

    def _applied(self, events: Events, details: dict[int, Detail], customer: Callable[[int], bytes | None]) -> Outcome:
        clock = self.clock
        self.links.follow(events.row)
        watermark = watermarks(events, clock.seen_ms, clock.behind, clock.watermark_ms)
        passed_on, erased = self._find_rows(events, customer)
        rows = self.profiles.rows
        admit(rows, events, self.config.window_ms)
        events.status[erased] = ERASED
        for one in passed_on:
            fresh = self.links.passed(one.origin, int(events.source[one.event]), int(events.offset[one.event]))
            events.status[one.event] = PASSED_ON if fresh else SKIPPED
        self.sides.begin()
        for i in sorted(details):
            self.sides.apply(events, i, details[i], rows, self._usual_gap_ms)
        self._stored.rows.update(events.row.tolist())
        self._stored.rows.discard(-1)
        outcome = self._run(events, watermark, clock.received_ms)
        outcome.passed_on += [one for one in passed_on if events.status[one.event] == PASSED_ON]
        self.sides.settle()
        tally = np.bincount(events.status[events.source < N_INPUTS], minlength=6)
        self.counts.applied += int(tally[APPLIED] + tally[SKIPPED] + tally[PASSED_ON])
        self.counts.duplicate += int(tally[DUPLICATE])
        self.counts.late += int(tally[LATE])
        self.counts.ignored += int(tally[ERASED])
        return outcome

    def _find_rows(self, events: Events, customer: Callable[[int], bytes | None]) -> tuple[list[PassedOn], list[int]]:
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
                events.row[i] = profiles.find(name) if late[i] else self._row(name)
            elif not late[i]:
                passed_on.append(PassedOn(i, away[1], away[0], self.erased.at_ms(away[0])))
        return passed_on, erased

    def _row(self, customer: bytes) -> int:
        """The customer's row; who was forgotten begins with nothing, but the refusal that is remembered."""
        row = self.profiles.find(customer)
        if row >= 0:
            return row
        row = self.profiles.add(customer)
        if (erasure := self.erased.find(customer)) is not None:
            self.returned.add(row)
            self.since_ms[row] = erasure.at_ms
            if erasure.refused:
                refuse_all(self.sides.touch(row), erasure.at_ms)
        return row

    # ---- customers who are to be forgotten

    def forget(
        self, customer: bytes, request: str, place: tuple[int, int], at_ms: int, offsets: list[int],
        dealt_with: Sequence[bytes] = (),
    ) -> Forgotten:  # fmt: skip
        """Remove a person under all ids that are known, as a request says: see `scoring.forgetting`."""
        rules, bits = self.rules, self._slots.names
        forgotten = self._forgetting.forget(customer, request, place, at_ms, offsets, rules, bits, dealt_with)
        self.departures.drop(forgotten.ids)
        return forgotten

    def is_same(self, told: Forget) -> bool:
        """Whether a request that another partition passes on is about the person whose id it names."""
        owner = self._forgetting.owner(told.to)
        return not told.claimed or owner is None or owner in told.ids

    def voids(self, sent: Give | Forward) -> bool:
        """Whether what another partition sends is of somebody who was forgotten meanwhile, and is to be left."""
        return self._forgetting.voids(sent)

    def finish_erasures(self, source: int, next_offset: int) -> None:
        """After a restore: remove what a crash left of those whose requests were not committed."""
        self.departures.drop(self._forgetting.finish(set(self.erased.undone(source, next_offset))))
        for name, row in self.profiles.index.items() if len(self.erased) else ():
            if (erasure := self.erased.find(name)) is not None:
                self.returned.add(row)
                if self.profiles.keys[row] == name:
                    self.since_ms[row] = erasure.at_ms

    def advance(self, watermark_ms: int, received_ms: int) -> Outcome:
        """Let event time pass up to `watermark_ms` without an event: run the ticks that are due.

        `received_ms` is the time at which that became known, for the gate against stale actions.
        """
        if watermark_ms <= self.clock.watermark_ms:
            return Outcome()
        self.sides.begin()
        return self._run(NO_EVENTS, watermark_ms, received_ms)

    def advance_in_pieces(self, watermark_ms: int, received_ms: int) -> Iterator[Outcome]:
        """`advance`, a few customers at a time: their outcomes in turn, the same all together.

        Until the last is asked for nothing else may be: neither events, models or rules, nor what is to be stored.
        """
        if watermark_ms <= self.clock.watermark_ms:
            return
        self.sides.begin()
        done = False
        while not done:
            outcome = Outcome()
            done, _ = self._step(NO_EVENTS, 0, watermark_ms, received_ms, outcome, self.settings.tick_piece)
            self._stored.pack()
            yield outcome

    def look_at_everybody(self) -> Outcome:
        """Ask the rules in force about everybody at the next tick, as the daily look asks each customer once a day."""
        rows, tick_ms = self.profiles.rows[: len(self.profiles)], self.config.tick_ms
        if not len(rows):
            return Outcome()
        at_ms = (self.clock.watermark_ms // tick_ms + 1) * tick_ms
        rows["rescore_ms"][rows["first_ms"] != NEVER] = at_ms
        self._schedule()
        return self.advance(at_ms, at_ms)

    def _run(self, events: Events, until_ms: int, received_ms: int) -> Outcome:
        outcome, done, i = Outcome(), False, 0
        while not done:
            done, i = self._step(events, i, until_ms, received_ms, outcome)
        return outcome

    def _step(
        self, events: Events, i: int, until_ms: int, received_ms: int, outcome: Outcome, most: int = ROOM
    ) -> tuple[bool, int]:
        """Go on from event `i` for at most so many evaluation points; whether that was all, and the next event."""
        points = self._points._replace(row=self._points.row[:most])
        stop = self._next_change_ms()
        why, i, m, resolved = run(
            self.profiles.rows, len(self.profiles), events, i, self._heap, self.clock.watermark, until_ms, received_ms,
            stop, self.choice, points, self.model.scorer, self._reading, self.config, self._acc,
        )  # fmt: skip
        if m:
            self._tell(m, events, outcome)
        if resolved:
            self.pending.resolve(points, resolved, self.profiles.keys, outcome)
        if why == HEAP:
            self._heap = grown(self._heap, 2 * len(self._heap.ms))
        elif why == SWAP:
            self._take_effect(stop)
        return why == DONE, i

    def _served(self, m: int) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
        """Score, percentile and band of `m` evaluation points, (m,) each; fills the columns that rules read of them."""
        points, model = self._points, self.model
        logit = points.logit[:m]
        if model.slow is not None:
            logit[:] = model.slow.logits(points.X[:m])
        score = probabilities(logit)
        percentile = percentiles(logit, model.quantiles)
        rank = np.where(np.isnan(percentile), score, percentile)
        band = np.searchsorted(self._limits, rank, side="right")
        served: dict[int, Any] = {
            Field.SCORE: score,
            Field.PERCENTILE: percentile,
            Field.WARMING_UP: float(model.warming_up),
        }
        if self._told_of:
            everybody = self._who(points.facts[:m], score)
            served |= {which: told(everybody) for which, told in _TOLD_OF.items()}
        if self._cheaper_asked:
            viewed = points.viewed[:m, : points.viewed_ms.shape[1]]
            served[Field.SEEN_CHEAPER] = 0.0 if self.shop is None else self.shop.are_cheaper(viewed).sum(axis=1)
        if self._tickets_asked:
            served[Field.OPEN_TICKETS] = self._open_tickets(m)
        for c, which in self._filled:
            if which == Field.PERCENTILE_PEAK:
                follow_peaks(self.profiles.rows, points, m, percentile, points.columns, c)
            else:
                points.columns[:m, c] = served[which]
        return score, percentile, band

    def _open_tickets(self, m: int) -> NDArray[np.float64]:
        """Of the customer of each of `m` points how many tickets were open; asked only of those who ever opened one."""
        points, found = self._points, np.zeros(m)
        rows = points.row[:m]
        for i in np.flatnonzero(self.profiles.rows["total"][rows, Kind.TICKET_OPENED]).tolist():
            found[i] = self.sides.open_tickets_at(int(rows[i]), int(points.at[i]))
        return found

    def _tell(self, m: int, events: Events, outcome: Outcome) -> None:
        """Scores, crossings and examples of `m` evaluation points."""
        points, model = self._points, self.model
        score, percentile, band = self._served(m)
        crossed, found = self.crossings.find(self.profiles.rows, points, m, self.sides, self.shop)
        chosen, previous = np.empty(m, np.int64), np.empty(m)
        n = choose(self.profiles.rows, points, m, score, band, crossed, self.settings.publish_delta,
                   chosen, previous)  # fmt: skip
        chosen, previous = chosen[:n], previous[:n]
        ticked = points.row[:m][points.event[:m] < 0]
        self._stored.rows.update(ticked.tolist())
        if n:
            groups = self._groups(points.X[chosen])
            told = self._who(points.facts[chosen], score[chosen])
            outcome.scores.append(Scores(points.row[chosen], points.time_ms[chosen], points.event[chosen],
                                         score[chosen], percentile[chosen], band[chosen], previous, groups, told,
                                         model.version, model.warming_up, self.shop_version))  # fmt: skip
        if found:
            place = {point: k for k, point in enumerate(chosen.tolist())}
            price = model.score_at(self.settings.gates.budget_percentile)
            outcome.actions += self.crossings.actions(
                found, points, events, outcome.scores[-1], place, self.sides, self.products, self.profiles.keys, price,
                self.shop, model.balances,
            )  # fmt: skip
        orders = np.rint(np.expm1(points.X[:m, LOG_ORDERS]))
        if self.contents is not None:
            scored = Scored(score, percentile, band, model.version, model.warming_up)
            outcome.content += self.contents.decide(
                self.profiles.rows, points, m, scored, orders, self.products, self.shop
            )
        self.pending.make(points, m, score, percentile, orders, model.version, model.warming_up, self._balance)

    def _who(self, facts: NDArray[np.float64], score: NDArray[np.float64]) -> Who:
        """Types, stages and values from (n, FACTS) facts; nothing is predicted while warming up."""
        chance = np.full(len(score), np.nan) if self.model.warming_up else score
        return who(Facts(*facts.T), chance, self.model.shop, self.settings.types, self._horizon_days)

    def _groups(self, X: Any) -> Any:
        scorer = self.model.scorer
        z = np.clip((X - scorer.mean) * scorer.inv_sd, -scorer.clip, scorer.clip) * scorer.weight
        return np.add.reduceat(z, GROUP_STARTS, axis=1)

    def swap(self, snapshot: Snapshot) -> None:
        """Use a model from its effective time on; one that is not newer than what is known changes nothing."""
        self.upcoming = _planned(self.upcoming, self.model.version, snapshot)

    def swap_shop(self, snapshot: ShopSnapshot) -> None:
        """Use what is known of all customers from its effective time on; what is not newer changes nothing."""
        self.upcoming_shop = _planned(self.upcoming_shop, self.shop_version, snapshot)

    @property
    def shop_version(self) -> int:
        """Version of the shop's knowledge in force; 0 before the first."""
        return 0 if self.shop is None else self.shop.version

    def _usual_gap_ms(self, product: str, watermark_ms: int) -> int:
        """After how long a product is usually bought again, by the version in force once time is so far.

        0 where it is unknown, or no rule asks for it: a look-up costs about ten microseconds.
        """
        if not self._gaps_asked:
            return 0
        coming = (each for each in reversed(self.upcoming_shop) if each.effective_ms <= watermark_ms)
        shop = next(coming, self.shop)
        return 0 if shop is None else round((shop.usual_gap_days(product) or 0.0) * DAY_MS)

    def plan_rules(self, timeline: Sequence[tuple[int, RuleSet]]) -> None:
        """Use each rule set from its time on; the last one whose time has passed, at once.

        `timeline` is in order of time and holds everything known (`scoring.rules.book`): a later call replaces what
        was planned, so that it does not matter how often or in which order versions were told.

        Raises
        ------
        ValueError
            If a rule counts a kind that has no ring, or reads what a row does not keep; what was planned stays.
        """
        for _, rules in timeline:
            self._read_for(rules, self.settings.layout)
        now = self.clock.watermark_ms
        past = [rules for at, rules in timeline if at <= now]
        planned = [(at, rules) for at, rules in timeline if at > now]
        if past and past[-1].rules != self.rules.rules:
            planned.insert(0, (now, past[-1]))
        self.upcoming_rules = planned

    def catch_up(self) -> None:
        """Use now what has its time already, as the next run would; after a restore, so that nobody is told else."""
        self._take_effect(self.clock.watermark_ms)

    def _next_change_ms(self) -> int:
        return min(
            self.upcoming[0].effective_ms if self.upcoming else FAR,
            self.upcoming_rules[0][0] if self.upcoming_rules else FAR,
            self.upcoming_shop[0].effective_ms if self.upcoming_shop else FAR,
        )

    def _take_effect(self, at_ms: int) -> None:
        """Use the rules, models and shop's knowledge whose time has come; all ticks up to it are done."""
        while self.upcoming_rules and self.upcoming_rules[0][0] <= at_ms:
            self._use(self.upcoming_rules.pop(0)[1])
            self._schedule()
        while self.upcoming and self.upcoming[0].effective_ms <= at_ms:
            self.model = in_force(self.upcoming.pop(0))
        while self.upcoming_shop and self.upcoming_shop[0].effective_ms <= at_ms:
            self.shop = self.upcoming_shop.pop(0)

    def score_at(
        self, time_ms: int, rows: NDArray[np.int64] | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
        """Score customers as of a time that lies after all their events, without changing anything.

        Returns
        -------
        (rows, score, percentile)
            (n,) each: those of `rows`, or of everybody seen; percentiles are NaN while unknown.
        """
        if rows is None:
            first_ms = self.profiles.rows["first_ms"][: len(self.profiles)]
            rows = np.flatnonzero((first_ms != NEVER) & (first_ms <= time_ms))
        _, logit = self._as_of(time_ms, rows)
        return rows, probabilities(logit), percentiles(logit, self.model.quantiles)

    def leaving_at(self, row: int, time_ms: int) -> set[tuple[str, str | None]]:
        """The lists, each with the object or None, where a customer would not stay at a time after all their events.

        Nothing is told and no list moves on. Objects are asked about once at a time, so keep what this returns.
        """
        self._look_again(row, time_ms, time_ms)
        self._points.cause[0] |= OBJECTS
        self._served(1)
        return self.crossings.leaving(self._points, self.sides, self.shop)

    def features_at(self, time_ms: int, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """The feature rows (n, F) of customers as of a time that lies after all their events."""
        return self._as_of(time_ms, rows)[0]

    def _as_of(self, time_ms: int, rows: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        X, logit = np.zeros((len(rows), N_FEATURES)), np.zeros(len(rows))
        score_rows(self.profiles.rows, rows, time_ms, self.model.scorer, float(self.config.horizon_ms), X, logit)
        if self.model.slow is not None and len(rows):
            logit = self.model.slow.logits(X)
        return X, logit

    def changes(self) -> list[tuple[bytes, bytes | None]]:
        """Every changelog row that changed since the last call (None: it is gone), the engine's own row last."""
        return self._stored.changes(self._meta())

    def copy(self) -> Copied | None:
        """Copy all, as `changes` has given it, but for the rows (`Copied.fill`); None while a change waits for it."""
        return self._stored.copy(self._meta())

    def _meta(self) -> Meta:
        clock, counts = self.clock, self.counts
        return Meta(
            layout=self.profiles.fingerprint,
            seen_ms=clock.seen_ms.tolist(),
            behind=clock.behind.tolist(),
            watermark=clock.watermark.tolist(),
            choice=self.choice.tolist(),
            counts=[counts.applied, counts.duplicate, counts.late, counts.ignored, counts.dead_lettered],
            slots=self._slots.names,
            trials=self.sides.trials.stored(),
        )

    def load(self, keys: Sequence[bytes], values: Sequence[bytes | None]) -> None:
        """Put changelog rows in place, in the order of the changelog, others left out; call `restored` after the last.

        Raises
        ------
        LayoutMismatchError
            If a row was written with other ring sizes or another horizon.
        """
        meta = self._stored.load(keys, values)
        if meta is not None:
            self.clock.seen_ms[:] = meta.seen_ms
            self.clock.behind[:] = meta.behind
            self.clock.watermark[:] = meta.watermark
            self.choice[:] = np.array(meta.choice, np.uint64)
            self.counts = Counts(*meta.counts)
            self._slots = Slots(meta.slots)
            self.sides.trials.arms = meta.trials

    def restored(self) -> None:
        """After rows were loaded: derive what is not stored, find each rule's bit and queue what is due."""
        left = self.links.restored()
        known = len(self.profiles)
        derive_rows(self.profiles.rows, known, self._acc, float(self.config.horizon_ms))
        self._use(self.rules)
        for former in left:
            self._pack(former, self.profiles.index.pop(former))
        self._schedule()

    def _schedule(self) -> None:
        """Queue every row anew for when time alone can next change anything under the rules in force."""
        self._stored.unpack()
        known = len(self.profiles)
        self._heap = grown(new_heap(0), 4 * known + 4096)
        reschedule(self.profiles.rows, known, self._heap, self.clock.watermark_ms, self._reading, self.config)


def _later(customer: Callable[[int], bytes | None], start: int, i: int) -> bytes | None:
    """Whom event `i` of the part of a run that begins at `start` is about."""
    return customer(start + i)


Planned = TypeVar("Planned", Snapshot, ShopSnapshot)


def _planned(upcoming: list[Planned], in_force: int, snapshot: Planned) -> list[Planned]:
    """What is to come in force with one more version; one that is not newer than all that is known changes nothing."""
    newest = upcoming[-1].version if upcoming else in_force
    if snapshot.version <= newest:
        return upcoming
    return [each for each in upcoming if each.effective_ms < snapshot.effective_ms] + [snapshot]


NO_EVENTS = Events.blank(0)

_TOLD_OF: dict[int, Callable[[Who], Any]] = {
    Field.TYPE: lambda told: told.type,
    Field.STAGE: lambda told: told.stage,
    Field.RFM_GROUP: lambda told: np.where(told.group < 0, np.nan, told.group),
    Field.PREDICTED_VALUE: lambda told: told.predicted,
    Field.EXPECTED_NEXT_ORDER: lambda told: told.next_days,
}
"""Fields that follow from types and values, at each point."""

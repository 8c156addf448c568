"""Exchange: customers who are at home on other partitions come and go with all that is known of them."""

from collections.abc import Callable
from typing import TypeVar

import numpy as np
from msgspec import structs

from scoring.absorb import leave
from scoring.erased import Erasure
from scoring.evaluation import Evaluation
from scoring.kernel import Events
from scoring.kinds import N_INPUTS, Source
from scoring.outcome import Outcome
from scoring.profile import NEVER
from scoring.rules.slots import moved_bits
from scoring.running import Running
from scoring.state import State
from scoring.transfer import Ask, Forget, Forward, Give
from scoring.uniting import Uniting

__all__ = ["Exchange"]

Sent = TypeVar("Sent", Give, Forward)

_TURNS = 8
"""How often an event that overtook a history is sent to its own partition; the history takes two or three."""


class Exchange:
    """Takes what other partitions tell of customers, and tells them of those who left.

    Parameters
    ----------
    voids
        Whether what is sent is of somebody who was forgotten meanwhile.
    """

    def __init__(
        self,
        state: State,
        evaluation: Evaluation,
        running: Running,
        uniting: Uniting,
        voids: Callable[[Give | Forward], bool],
    ) -> None:
        self._state, self._evaluation, self._running, self._uniting = state, evaluation, running, uniting
        self._profiles, self._sides, self._pending = state.profiles, state.sides, state.pending
        self._clock, self._links, self._departures = state.clock, state.links, state.departures
        self._voids = voids

    def receive(self, transfer: Ask | Give, offset: int, received_ms: int) -> Outcome:
        """Take what another partition tells of a customer, as the record with this offset."""
        outcome = self._running.come_up()
        if isinstance(transfer, Ask):
            erasure = self._state.erased.find(transfer.former)
            if erasure is None or transfer.said_ms > erasure.at_ms:
                self._asked(transfer, offset)
            else:
                outcome.transfers += self._too_late(transfer, erasure)
            return outcome
        if self._voids(transfer):
            return outcome
        row, to, via = self.arrive(transfer)
        if row < 0:
            outcome.transfers.append(self.sent_on(transfer, to, via))
        else:
            self._take_in(transfer, row, offset, received_ms, outcome)
            outcome.extend(self._running.come_up(), 0)
        return outcome

    def _too_late(self, ask: Ask, erasure: Erasure) -> list[Forget]:
        """What is told to whoever asks for somebody forgotten meanwhile, by what was received before: it is the same.

        What they have sent here by then, to one who came again and asks for them, is of somebody forgotten, too. Not if
        it was somebody else's former id.
        """
        if erasure.owned or not erasure.requests:
            return []
        self._state.erased.add(ask.owner, erasure.at_ms, [0] * N_INPUTS, refused=None)
        return [Forget(ask.owner, erasure.requests[-1].name, erasure.at_ms, [ask.former], claimed=False)]

    def _asked(self, ask: Ask, offset: int) -> None:
        """Let a customer go with the next commit to whoever asked first.

        Of two who ask for each other at once, the one with the lesser id stays.
        """
        former, owner, links = ask.former, ask.owner, self._links
        if links.is_former(former) or former in self._departures.asked:
            return
        side = self._sides.find(row) if (row := self._profiles.find(former)) >= 0 else None
        if side is not None and side.absorbed.get(owner, (0,))[0]:
            return
        if links.owner.get(owner) == former:
            if former < owner:
                return
            links.unlink(owner)
        self._departures.asked[former] = owner, offset

    def arrive(self, sent: Give | Forward) -> tuple[int, bytes, list[bytes]]:
        """Where what is sent to a customer belongs by now: row, id, and the ids by which it came; row -1: not here.

        Where the links go round in a circle, as partitions gave customers away at the same time, the one with the least
        id of those that left is its own customer again, once what it gave away is back.
        """
        links, to, via = self._links, sent.to, sent.via
        while (owner := links.owner.get(to)) is not None:
            if not self._state.home(owner):
                if to not in via:
                    via = [*via, to]
                elif to == min(via[via.index(to) :]) and self._brings(sent, to):
                    links.unlink(to)
                    row = self._state.row(to)
                    links.regain(to, row)
                    if any(self._state.erased.find(each) is not None for each in links.of(to)):
                        self._state.returned.add(row)
                    break
                return -1, owner, via
            to = owner
        return self._state.row(to), to, via

    def sent_on(self, sent: Sent, to: bytes, via: list[bytes]) -> Sent:
        """What another partition sends, for the one that `arrive` says."""
        by = self._links.last(sent.to)[0]
        return structs.replace(sent, to=to, via=via, by=by, by_ms=self._state.erased.at_ms(by))

    def _brings(self, sent: Give | Forward, customer: bytes) -> bool:
        """Whether what is sent holds what a customer gave away."""
        if isinstance(sent, Forward):
            return False
        return sent.origin == customer or self._sides.read(sent.side).absorbed.get(customer, (0,))[0] > 0

    def overtook(self, row: int, event: Forward, offset: int, via: list[bytes]) -> Forward | None:
        """An event to be sent to its customer once more, as it overtook the history of its id; else None.

        That comes first, but where it goes round in a circle while its customer is back already: what is told again
        would not be known for that. A few times it is waited for; it may be of somebody forgotten.
        """
        customer, side = self._profiles.keys[row], self._sides.find(row)
        if side is None or customer not in side.absorbed or side.absorbed.get(event.origin, (0,))[0]:
            return None
        if via.count(customer) >= _TURNS or self._sides.holds(row, Source.TRANSFERS, offset):
            return None
        return self.sent_on(event, customer, [*via, customer])

    def deal_with(self, row: int, event: Forward, offset: int) -> bool:
        """Note that an event of another partition is applied to a row, as the record with this offset.

        False if it came before, as that partition did something again after a crash.
        """
        if self._sides.holds(row, Source.TRANSFERS, offset):
            return True
        side = self._sides.touch(row)
        back = self._profiles.keys[row] in side.absorbed
        return side.came(event.origin, event.source, event.offset, in_order=not back)

    def _take_in(self, give: Give, row: int, offset: int, received_ms: int, outcome: Outcome) -> None:
        """Add all that came from another partition to a row, unless it came before."""
        sides, cause = self._sides, (int(Source.TRANSFERS), offset)
        before = sides.find(row)
        held = sides.holds(row, *cause)
        if not held and before is not None and before.absorbed.get(give.origin, (0,))[0]:
            return
        for number, name in give.products:
            self._state.product(number, name)
        for number, name in give.pages:
            self._state.page(number, name)
        self._state.remember_pages([number for number, _ in give.pages])
        others, other = self._profiles.row_of(give.row), sides.read(give.side)
        mine, theirs = self._profiles.rows[row], others[0]
        now_ms = max(int(mine["now_ms"]), int(theirs["now_ms"]))
        brought = sum(1 << bit for bit, name in enumerate(self._state.slots.names) if name in give.lists)
        theirs["seen_lists"] = moved_bits(theirs["seen_lists"], give.category_lists, self._state.category_slots.names)
        behind = bool(mine["applied"][cause[0]] < offset)
        if give.origin == self._profiles.keys[row] and not held:
            sides.touch(row).rules.update(other.rules)  # it is back: what was told of it goes on
        self._uniting.unite(row, others, 0, None if held else other, brought, cause, now_ms, received_ms, outcome)
        side = sides.touch(row)
        side.deal_with(give.origin, [1, *give.applied])
        side.applied[cause[0]] = max(side.applied[cause[0]], offset)
        if self._state.home(give.origin):
            side.applied[:N_INPUTS] = map(max, side.applied[:N_INPUTS], give.applied[:N_INPUTS])
            mine["applied"][:N_INPUTS] = np.maximum(mine["applied"][:N_INPUTS], give.applied[:N_INPUTS])
        mine["applied"][cause[0]] = max(int(mine["applied"][cause[0]]), offset)
        kept_ms = mine["pending_ms"][: mine["pending_n"]].tolist()
        for made_ms, value in give.examples:
            self._pending.put(row, made_ms, value, kept_ms)
        if behind and mine["first_ms"] != NEVER:
            event = Events.blank(1)
            event.row[:], event.source[:], event.offset[:] = row, cause[0], offset
            self._evaluation.look_again(row, now_ms, received_ms, event=0)
            self._evaluation.tell(1, event, outcome)

    def close(self) -> Outcome:
        """Let go of those that were asked for: from now on their events are passed on.

        To be called before `changes`, so that this is stored; `pack` must follow it.
        """
        departures = self._departures
        outcome = self._running.come_up() if departures.asked else Outcome()
        for former, (owner, offset) in departures.asked.items():
            self._sides.begin()
            row = self._state.row(former)  # of whom nothing is known, too: a stored row is still to be sent
            mine = self._profiles.rows[row]
            self._state.stored.rows.add(row)
            cause = int(Source.TRANSFERS), offset
            self._uniting.leave_lists(row, int(mine["now_ms"]), self._clock.received_ms, cause, outcome)
            self._links.depart(former, owner, mine["applied"].tolist())
            departures.closed.append((former, row))
        departures.asked.clear()
        return outcome

    def pack(self) -> None:
        """Put up what is to be sent of those whose links are stored; it is deleted here with the next `changes`."""
        for former, row in self._departures.closed:
            self.pack_one(former, row)
        self._departures.closed.clear()

    def pack_one(self, former: bytes, row: int) -> None:
        """Put up what is to be sent of one who left from a row, and keep nothing."""
        profiles, links, names, pages = self._profiles, self._links, self._state.products, self._state.pages
        theirs = profiles.rows[row]
        inside = int(theirs["inside"])
        side = self._sides.find(row)
        numbers = {*theirs["view_product"].tolist(), *theirs["seen_product"].tolist()}
        numbers |= set(theirs["seen_category"].tolist())
        packed = Give(
            links.owner[former],
            former,
            row=profiles.stored(np.array([row]))[0] if theirs["first_ms"] != NEVER else b"",
            side=b"" if side is None else self._sides.write(side),
            examples=self._pending.take(row, theirs["pending_ms"][: theirs["pending_n"]].tolist()),
            products=[(number, names[number]) for number in sorted(numbers & names.keys())],
            lists=[name for bit, name in enumerate(self._state.slots.names) if inside >> bit & 1],
            category_lists=[*self._state.category_slots.names] if theirs["seen_lists"].any() else [],
            applied=[*links.applied[former]],
            via=[former],
            by=former,
            by_ms=self._state.erased.at_ms(former),
            pages=[(number, pages[number]) for number in sorted({*theirs["page"].tolist()} & pages.keys())],
        )
        leave(theirs, self._state.choice)
        self._state.drop(row)
        self._departures.packed.append(packed)

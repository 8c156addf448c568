"""Uniting: two customers of a partition turn out to be one."""

from collections.abc import Callable
from typing import Any

import numpy as np

from scoring.absorb import absorb, categories_in_lists, keep_lists, leave
from scoring.evaluation import Evaluation
from scoring.kernel import Events, watermarks
from scoring.orders import A_ORDERS
from scoring.outcome import Outcome
from scoring.profile import NEVER
from scoring.running import Running
from scoring.side import Side
from scoring.state import State
from scoring.transfer import Ask

__all__ = ["Uniting"]


class Uniting:
    """Adds the state of one customer to that of another."""

    def __init__(self, state: State, evaluation: Evaluation, running: Running) -> None:
        self._state, self._evaluation, self._running = state, evaluation, running
        self._profiles, self._sides, self._pending = state.profiles, state.sides, state.pending
        self._clock, self._links, self._departures = state.clock, state.links, state.departures

    def link(self, events: Events, i: int, former: bytes, customer: Callable[[int], bytes | None]) -> Outcome | None:
        """Let the customer of event `i` be whoever came under the former id too, unless the event is late.

        Nothing is done where both are one already (None; so no circle can close), or where the former id was another's
        before: whose it was first, it stays. What is read again after a crash finds the other's row counted in already.
        """
        profiles, source, offset = self._profiles, int(events.source[i]), int(events.offset[i])
        event = Events._make(column[i : i + 1] for column in events)
        clock = self._clock
        watermarks(event, clock.seen_ms.copy(), clock.behind, clock.watermark_ms)
        self._links.follow(event.row)
        if event.time_ms[0] < event.watermark_ms[0] - self._state.config.window_ms:
            return Outcome()
        if event.row[0] < 0:
            name = customer(i)
            if name is None or self._links.away(name) is not None:
                return Outcome()
            event.row[0] = self._state.row(name)
        row, other = int(event.row[0]), profiles.find(former)
        owner = profiles.keys[row]
        if other == row:
            return None
        if self._links.is_former(former) or former in self._departures.asked:
            return Outcome()
        outcome = Outcome()
        if not self._state.home(former):
            if self._departures.owner(owner) != former:  # else they ask for us, and that came first
                outcome.transfers.append(Ask(former, owner, int(event.received_ms[0])))
                self._links.link(former, row)
            return outcome
        erasure = self._state.erased.find(former)
        if other < 0 and erasure is not None and erasure.refused:
            other = self._state.row(former)  # it comes again, if only by being told of: what was refused still is
        if other >= 0:
            outcome = self._running.come_up()
            if profiles.rows["applied"][row, source] < offset:
                for each in (other, row):
                    self._running.settle(each, int(event.time_ms[0]), outcome)
            self._merge(row, other, event, outcome)
        self._links.link(former, row)
        if other in self._state.returned or erasure is not None:
            self._state.returned.add(row)
        return outcome

    def _merge(self, row: int, other: int, event: Events, outcome: Outcome) -> None:
        """Add the customer of row `other` to that of `row`, as of an event that says so."""
        rows, sides = self._profiles.rows, self._sides
        mine, theirs = rows[row], rows[other]
        cause, received_ms = (int(event.source[0]), int(event.offset[0])), int(event.received_ms[0])
        now_ms = max(int(mine["now_ms"]), int(theirs["now_ms"]), int(event.time_ms[0]))
        behind = bool(mine["applied"][cause[0]] < cause[1])
        brought = int(theirs["inside"])
        if behind:
            self.leave_lists(other, now_ms, received_ms, cause, outcome)
        side = sides.find(other)
        times_ms = theirs["pending_ms"][: theirs["pending_n"]].tolist()
        if sides.holds(row, *cause):
            side = None
        self.unite(row, rows, other, side, brought, cause, now_ms, received_ms, outcome)
        if side is not None:
            sides.join_applied(row, side)
        if behind:
            leave(theirs, self._state.choice)
            mine["applied"] = np.maximum(mine["applied"], theirs["applied"])
        self._pending.move(other, row, times_ms, mine["pending_ms"][: mine["pending_n"]].tolist())
        self._state.drop(other)

    def unite(self, row: int, others: Any, which: int, side: Side | None, brought: int, cause: tuple[int, int],
              now_ms: int, received_ms: int, outcome: Outcome) -> None:  # fmt: skip
        """Add row `which` of `others`, and a side record, to those of `row`; whatever holds them already stays.

        Nobody enters a list by it, but on the ledger. `brought` are the bits of the lists that the other was in.
        """
        state, rows, sides = self._state, self._profiles.rows, self._sides
        mine, theirs = rows[row], others[which]
        repeated = 0 if side is None else sides.absorb(row, side)
        state.stored.rows.add(row)
        if mine["applied"][cause[0]] >= cause[1]:
            return
        guest = 0 if mine["derived"][A_ORDERS] else int(theirs["fold_orders"] + theirs["ring_n"])
        state.make_room()
        waiting_ms = mine["pending_ms"][: mine["pending_n"]].tolist()
        lists = categories_in_lists(mine, theirs)
        absorb(rows, row, others, which, now_ms, repeated, len(self._profiles), state.heap, state.choice,
               self._evaluation.reading, state.config, state.acc)  # fmt: skip
        self._pending.take(row, {*waiting_ms} - {*mine["pending_ms"][: mine["pending_n"]].tolist()})
        gone = keep_lists(mine, lists)
        mine["cart_items"], mine["cart_value"] = sides.cart_worth(row, int(mine["last_ms"]))
        if mine["first_ms"] != NEVER:
            self._evaluation.look_again(row, now_ms, received_ms)
            self._evaluation.tell_united(brought, gone, cause, outcome)
            mine["guest_orders"] += guest

    def leave_lists(self, row: int, now_ms: int, received_ms: int, cause: tuple[int, int], outcome: Outcome) -> None:
        """Let a customer who is another from now on leave all lists of customers."""
        if self._profiles.rows["first_ms"][row] != NEVER:
            self._evaluation.look_again(row, now_ms, received_ms)
            self._evaluation.tell_left(cause, outcome)

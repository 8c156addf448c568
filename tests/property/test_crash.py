"""A crash between two writes: whatever part of a commit had been written, each event counts once."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from strategies.engines import ALL_GIVE_EXAMPLES, JUDGED, Told, feed, held, let_pass, new_engine, restored
from strategies.event_streams import CUSTOMERS, DAY_MS, HOUR_MS, START_MS, streams

from scoring import crossing as crossing_module
from scoring import engine as engine_module
from scoring import remembering
from scoring import state as state_module
from scoring.carried import Noted
from scoring.crossing import Crossings
from scoring.engine import Engine
from scoring.kernel import Events, admit
from scoring.kinds import Kind
from scoring.sides import Detail, Sides
from scoring.twin import Event


def crossings(*told: Told) -> set[tuple[object, ...]]:
    """The crossings that were told, once each however often they were: time, who, list, object, in or out, number.

    And what the gates said and what it carried: told again, a crossing is judged as it was the first time.
    """
    return {action[: 6 + len(JUDGED)] for each in told for action in each.actions}


def examples(*told: Told) -> set[tuple[object, ...]]:
    """The examples that were told, likewise."""
    return {example[:4] for each in told for example in each.examples}


def content(*told: Told) -> set[tuple[object, ...]]:
    """What customers were shown, likewise."""
    return {shown for each in told for shown in each.content}


def customers(rows: dict[bytes, bytes]) -> dict[bytes, bytes]:
    """All rows but the engine's own."""
    return {key: value for key, value in rows.items() if key != b"m"}


def finish(engine: Engine, events: list[Event], until_ms: int) -> Told:
    """Apply the rest, and let time pass."""
    return let_pass(engine, until_ms, feed(engine, events) if events else Told())


def assert_no_harm(events: list[Event], commit: int, crash: int, written: int) -> None:
    """Commit after `commit` events, crash after `crash` with `written` rows written; compare with no crash."""
    until = max(event.time_ms for event in events) + 2 * DAY_MS

    steady = new_engine(settings=ALL_GIVE_EXAMPLES)
    told = [feed(steady, events[:commit])]
    committed = held(steady)
    told.append(feed(steady, events[commit:crash]))
    changes = steady.changes()
    told.append(finish(steady, events[crash:], until))
    whole = held(steady, {**committed, **{key: value for key, value in changes if value is not None}})
    for key, value in changes:
        if value is None:
            whole.pop(key, None)

    rows = dict(committed)
    for key, value in changes[:written]:
        if value is None:
            rows.pop(key, None)
        else:
            rows[key] = value
    again = restored(rows, ALL_GIVE_EXAMPLES)
    after = finish(again, events[commit:], until)

    assert crossings(*told[:2], after) == crossings(*told)
    assert examples(*told[:2], after) == examples(*told)
    assert content(*told[:2], after) == content(*told)
    assert customers(held(again, rows)) == customers(whole)


@settings(max_examples=120, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(events=streams(least=3), data=st.data())
def test_half_a_commit_does_no_harm(events: list[Event], data: st.DataObject) -> None:
    """Rows are written up to anywhere, offsets are not, and the input since the last commit is read again.

    What is told with what was told before the crash is what an engine that never stopped tells, and so is its state.
    """
    commit = data.draw(st.integers(1, len(events) - 1))
    crash = data.draw(st.integers(commit + 1, len(events)))
    assert_no_harm(events, commit, crash, data.draw(st.integers(0, 12)))


def test_a_verdict_that_is_not_remembered_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The check fails where a crossing that is told again is judged by a record that has run ahead."""
    seen = Crossings._verdict
    monkeypatch.setattr(Crossings, "_verdict", lambda self, _, *rest: seen(self, None, *rest))

    @settings(max_examples=200, database=None, phases=[Phase.generate])
    @given(events=streams(least=8, customers=CUSTOMERS[:2]))
    def broken(events: list[Event]) -> None:
        assert_no_harm(events, 1, len(events), 12)

    with pytest.raises((AssertionError, ExceptionGroup)):
        broken()


def test_a_cart_that_was_written_ahead_is_not_seen_early() -> None:
    """The side record knows of a product that the profile is yet to be told of: the order before it finds no cart."""
    events = [
        Event(CUSTOMERS[0], START_MS, Kind.PAGE, 0, 0, 1),
        Event(CUSTOMERS[1], START_MS, Kind.ORDER_COMPLETED, 1, 0, 2, 1, 0, 9.5, 1.0, 1.0),
        Event(CUSTOMERS[1], START_MS + 1, Kind.PRODUCT_ADDED, 0, 1, 3, 1),
    ]
    assert_no_harm(events, 1, 3, 1)


@pytest.mark.parametrize("late", [Kind.TICKET_OPENED, Kind.TICKET_SOLVED])
def test_a_ticket_that_was_written_ahead_is_not_counted_early(late: Kind) -> None:
    """The side record knows of a ticket's opening, or of its solving, that the profile is yet to be told of."""
    events = [
        Event(CUSTOMERS[0], START_MS, Kind.TICKET_OPENED, 2, 0, 2),
        Event(CUSTOMERS[0], START_MS + 1, Kind.TICKET_SOLVED, 2, 1, 4 if late == Kind.TICKET_OPENED else 5),
        Event(CUSTOMERS[0], START_MS + HOUR_MS, Kind.PAGE, 0, 0, 6),
        Event(CUSTOMERS[0], START_MS + 2 * HOUR_MS, late, 2, 2, 7 if late == Kind.TICKET_OPENED else 8),
        Event(CUSTOMERS[0], START_MS + 3 * HOUR_MS, Kind.PAGE, 0, 1, 9),
    ]
    assert_no_harm(events, 2, len(events), 1)


def test_another_purchase_is_not_taken_for_another_version() -> None:
    """What a site shows is decided anew though product and version of the shop's knowledge both grew by one."""
    day_ms = START_MS + DAY_MS  # when the first version of the shop's knowledge takes effect
    events = [
        Event(CUSTOMERS[0], day_ms - HOUR_MS, Kind.ORDER_COMPLETED, 1, 0, 1, 2, 0, 0.0, 3.0, 2.0, 1),
        Event(CUSTOMERS[0], day_ms + 1, Kind.ORDER_SHIPPED, 1, 1, 2, 2),
        Event(CUSTOMERS[0], day_ms + HOUR_MS, Kind.ORDER_COMPLETED, 1, 2, 3, 3, 1, 27.97, 2.0, 7.0, 1, 1),
    ]
    assert_no_harm(events, 1, 2, ALL)


STALE_CART = [
    Event(CUSTOMERS[0], START_MS, Kind.PRODUCT_ADDED, 0, 0, 1, 1),
    Event(CUSTOMERS[0], START_MS + 2 * HOUR_MS, Kind.PAGE, 0, 1, 2),
    Event(CUSTOMERS[0], START_MS + 3 * HOUR_MS, Kind.PRODUCT_ADDED, 0, 2, 3, 2),
]
"""A cart is told of, and grows; only the side record is written."""


def test_what_an_action_carried_is_carried_again() -> None:
    """Told again, a cart is that of its moment, not what the record knows of it since."""
    assert_no_harm(STALE_CART, 1, len(STALE_CART), 1)


def test_an_action_that_carries_what_came_later_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The check fails where what a crossing carried is not remembered."""
    monkeypatch.setattr(crossing_module, "recalled", lambda _: Noted())
    with pytest.raises(AssertionError):
        assert_no_harm(STALE_CART, 1, len(STALE_CART), 1)


CATEGORIES = [
    Event(CUSTOMERS[0], START_MS + n * HOUR_MS // 60, Kind.PRODUCT_VIEWED, 0, n, n + 1, 1, category=1 + n // 2)
    for n in range(40)
]
"""Two looks into each of twenty categories, every one of which enters and most of which leave for want of room."""


def test_each_category_is_told_again_as_it_was() -> None:
    """However many one commit holds of which only the side record is written: no number is another."""
    assert_no_harm(CATEGORIES, 1, len(CATEGORIES), 1)


def test_categories_that_are_not_remembered_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The check fails where no more of them are kept than of other crossings."""
    monkeypatch.setattr(remembering, "_of_late", lambda lately, _: lately[-remembering._REMEMBERED :])
    with pytest.raises(AssertionError):
        assert_no_harm(CATEGORIES, 1, len(CATEGORIES), 1)


ALL = 99
"""More rows than any of these commits writes, the engine's own aside."""

LONG = [Event(CUSTOMERS[0], START_MS + n, Kind.PAGE, 0, n, n + 1, received_ms=START_MS + n) for n in range(80)]
"""More events in one commit than ids are remembered: what was applied is known by its offset alone."""

CART = [
    Event(CUSTOMERS[0], START_MS, Kind.PAGE, 0, 0, 1),
    Event(CUSTOMERS[0], START_MS + 1, Kind.PRODUCT_ADDED, 0, 1, 2, 1),
]
"""A cart whose side record is written, and its profile is not."""


def heedless_row(rows: Any, events: Events, window_ms: int) -> None:
    """Admit events without a look at the offsets that were applied to their rows."""
    rows["applied"][events.row] = -1
    admit(rows, events, window_ms)


class HeedlessSides(Sides):
    """Side records that do not look at the offsets that were applied to them."""

    def apply(self, events: Events, details: Mapping[int, Detail], *said: Any) -> None:
        """Apply whatever comes."""
        for i in details:
            self.touch(int(events.row[i])).applied[int(events.source[i])] = -1
        super().apply(events, details, *said)


def test_applied_offsets_are_looked_at() -> None:
    """More than there are ids to remember, and a side record alone: read again, both change nothing."""
    assert_no_harm(LONG, 1, len(LONG), ALL)
    assert_no_harm(CART, 1, len(CART), 1)


def test_a_row_without_a_check_of_applied_offsets_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Events whose ids are forgotten are then counted twice."""
    monkeypatch.setattr(engine_module, "admit", heedless_row)
    with pytest.raises(AssertionError):
        assert_no_harm(LONG, 1, len(LONG), ALL)


def test_a_side_record_without_a_check_of_applied_offsets_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was put in the cart is then there twice."""
    monkeypatch.setattr(state_module, "Sides", HeedlessSides)
    with pytest.raises(AssertionError):
        assert_no_harm(CART, 1, len(CART), 1)

"""What rules can ask of an order, a product and the like, and of more than the last event."""

import math

import numpy as np
import pytest

from scoring.kinds import Kind
from scoring.open_object import Asking, OpenObject, bought_with, objects_of, used_up_ms
from scoring.rules.clocks import clocks_of, daily_of, object_clocks_of
from scoring.rules.columns import Column, Expected, Op
from scoring.rules.predicate import PredicateError, parse
from scoring.rules.rule import ForEach, Rule, RuleError

HOUR, DAY = 3_600_000, 86_400_000


def test_the_time_since_an_object_has_a_clock_of_its_own() -> None:
    """A day after being wished for, and not a clock of the customer's."""
    line = parse("hours_since(its_wishlist_added) >= 24 and total(its_order_completed) == 0")
    assert object_clocks_of(line) == {(Kind.WISHLIST_ADDED, 24 * HOUR)}
    assert clocks_of(line) == set()
    assert daily_of(line) == ()


@pytest.mark.parametrize(
    ("line", "clock"),
    [
        ("days_late >= 0", (-1, 0)),
        ("days_late > 2", (-1, 2 * DAY + 1)),
        ("days_late >= -1", (-1, -DAY)),
        ("days_overdue >= 0", (-2, 0)),
    ],
)
def test_what_is_expected_has_a_clock_before_and_after(line: str, clock: tuple[int, int]) -> None:
    """The age counts from the time at which the delivery, or the next purchase, is to be expected."""
    assert object_clocks_of(parse(line)) == {clock}


def test_the_nth_last_event_has_no_clock() -> None:
    """Its time moves with each new one, so that it is seen at events and at the daily look."""
    line = parse("minutes_since(checkout_started, nth=2) <= 60")
    assert clocks_of(line) == set()
    assert len(daily_of(line)) == 1
    assert parse("minutes_since(searched, nth=1) <= 60") == parse("minutes_since(searched) <= 60")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("hours_since(product_viewed, nth=2) > 1", "only the last one's time is kept"),
        ("hours_since(searched, nth=6) > 1", "nth"),
        ("count(its_wishlist_added, days=3) > 1", "only totals and last times"),
        ("its_wishlist_added > 1", "is a kind of event"),
    ],
)
def test_what_is_not_kept_is_refused(line: str, reason: str) -> None:
    """With the reason."""
    with pytest.raises(PredicateError, match=reason):
        parse(line)


@pytest.mark.parametrize(
    ("line", "of", "remedy"),
    [
        ("total(its_wishlist_added) > 0", ForEach.ORDER, "for_each: product"),
        ("total(its_order_delivered) > 0", ForEach.NONE, "for_each: order"),
        ("days_overdue > 0", ForEach.ORDER, "for_each: product"),
    ],
)
def test_what_is_not_known_of_an_object_is_refused(line: str, of: ForEach, remedy: str) -> None:
    """A rule is told what its list must be one of."""
    with pytest.raises(RuleError, match=remedy):
        Rule(name="x", sentence="X.", enter=line, for_each=of)


def read(one: OpenObject, column: Column, now_ms: int) -> float:
    told = np.empty((1, 1))
    Asking([(0, column)]).read([one], np.array([now_ms]), told)
    return float(told[0, 0])


def test_an_object_is_the_same_in_any_order() -> None:
    """The last time, how many, the promise told last, and when it was bought."""
    events = [
        (Kind.ORDER_COMPLETED, 5 * HOUR, 0),
        (Kind.ORDER_SHIPPED, 9 * HOUR, 50 * HOUR),
        (Kind.ORDER_SHIPPED, 7 * HOUR, 60 * HOUR),
    ]
    one, other = OpenObject(), OpenObject()
    for kind, ms, promised_ms in events:
        one.learn(kind, ms, promised_ms, ["lamp"])
    for kind, ms, promised_ms in reversed(events):
        other.learn(kind, ms, promised_ms, ["lamp"])
    assert (one.events, one.promised, one.bought) == (other.events, other.promised, other.bought)
    assert read(one, Column(Op.ITS_LATE, Expected.DELIVERY), 51 * HOUR) == HOUR
    assert read(one, Column(Op.ITS_SINCE, Kind.ORDER_SHIPPED), 10 * HOUR) == HOUR
    assert read(one, Column(Op.ITS_TOTAL, Kind.ORDER_SHIPPED), 10 * HOUR) == 2
    assert math.isnan(read(one, Column(Op.ITS_SINCE, Kind.ORDER_DELIVERED), 10 * HOUR))
    assert math.isnan(read(one, Column(Op.ITS_LATE, Expected.REPLENISHMENT), 10 * HOUR))


def test_what_was_known_of_an_object_at_a_point_stays() -> None:
    """What comes next goes to the object after it."""
    before = OpenObject()
    before.learn(Kind.ORDER_COMPLETED, HOUR, 9 * HOUR, ["lamp"], 5.0)
    after = before.changing()
    after.learn(Kind.ORDER_SHIPPED, 2 * HOUR, 8 * HOUR)
    after.learn(Kind.RETURN_REQUESTED, 3 * HOUR, 0, reason="broken")
    assert before.events == {Kind.ORDER_COMPLETED: (HOUR, 1)}
    assert before.about() == (("lamp",), 5.0, 9 * HOUR, "")
    assert after.about() == (("lamp",), 5.0, 8 * HOUR, "broken")


def test_a_product_is_used_up_after_its_usual_gap() -> None:
    """The mean of the gaps between the last six purchases; that of all before the second, and for two at once."""
    assert used_up_ms(()) is used_up_ms((DAY,)) is used_up_ms((DAY, DAY)) is None
    assert used_up_ms((0, 10 * DAY, 40 * DAY)) == 60 * DAY
    assert used_up_ms((0, 10 * DAY, 40 * DAY), usual_ms=DAY) == 60 * DAY
    assert used_up_ms((0, 5, DAY // 2)) is None
    assert used_up_ms((0, 5), usual_ms=30 * DAY) == 30 * DAY + 5
    assert used_up_ms((0, 5, 10 * DAY, 10 * DAY + 9, 40 * DAY)) == 60 * DAY
    assert used_up_ms((DAY,), usual_ms=30 * DAY) == used_up_ms((DAY, DAY), usual_ms=30 * DAY) == 31 * DAY
    times: tuple[int, ...] = ()
    for day in range(9):
        times = bought_with(times, day * DAY)
    assert times == tuple(day * DAY for day in range(3, 9))


def test_an_order_is_about_its_products_too() -> None:
    """A product once, however many lines it has; a wish is about the product, a view about nothing."""
    assert objects_of(Kind.ORDER_COMPLETED, "A", ["lamp", "mug", "lamp"]) == [
        ("order", "A"),
        ("product", "lamp"),
        ("product", "mug"),
    ]
    assert objects_of(Kind.WISHLIST_ADDED, "lamp", []) == [("product", "lamp")]
    assert objects_of(Kind.PRODUCT_VIEWED, "lamp", []) == []

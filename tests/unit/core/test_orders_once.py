"""Orders: one id, one order, and the lists of orders."""

from strategies.layouts import SMALL

from scoring.engine import EngineSettings
from scoring.kinds import Kind
from tests.unit.core.shop import Shop, rule

SECOND = rule("""
name: second
sentence: The second order.
for_each: order
enter: order_number == 2
exit: order_number == 0
carries: [order]
""")


def test_the_same_order_id_is_one_order() -> None:
    """Another message with the same order id is a duplicate: it counts nowhere."""
    shop = Shop(SECOND).does(0, Kind.ORDER_COMPLETED, order="a", price=5).does(1, Kind.ORDER_COMPLETED, order="a")
    assert (shop.engine.counts.applied, shop.engine.counts.duplicate) == (1, 1)
    row = shop.engine.profiles.rows[0]
    assert (row["revenue"], row["ring_n"]) == (5.0, 1)


def test_the_same_message_is_counted_once() -> None:
    """A message id among the last ones of its customer is a duplicate, and another customer's is not."""
    shop = (
        Shop(SECOND)
        .does(0, Kind.PAGE, message="x")
        .does(1, Kind.PAGE, message="x")
        .does(1, Kind.PAGE, "bob", message="x")
    )
    assert (shop.engine.counts.applied, shop.engine.counts.duplicate) == (2, 1)


def test_an_event_older_than_the_window_is_late() -> None:
    """What lies further behind the watermark than the window is counted as late and changes nothing."""
    shop = Shop(SECOND, EngineSettings(layout=SMALL, window_ms=3_600_000)).does(5, Kind.PAGE).does(3, Kind.PAGE, "bob")
    assert (shop.engine.counts.applied, shop.engine.counts.late) == (1, 1)
    assert shop.engine.profiles.rows["total"][1].sum() == 0


def test_a_rule_for_each_order_is_told_of_the_order() -> None:
    """The second order enters as itself, once, and leaves when it is cancelled."""
    shop = Shop(SECOND).does(0, Kind.ORDER_COMPLETED, order="a").does(1, Kind.ORDER_COMPLETED, order="b")
    shop.does(2, Kind.PAGE).does(3, Kind.ORDER_COMPLETED, order="c").does(4, Kind.ORDER_CANCELLED, order="b")
    assert [(a.object, a.entered, a.number) for a in shop.actions] == [("b", True, 1), ("b", False, 2)]
    assert shop.engine.counts.total() == 5


def test_two_orders_in_one_run_are_two_objects() -> None:
    """Orders ten minutes apart in one run are told of one by one."""
    every = rule(
        "{name: each, sentence: Any order., for_each: order, enter: order_number >= 1, exit: order_number == 0}"
    )
    shop = Shop(every).together(
        [
            (0.0, Kind.ORDER_COMPLETED, "ann", "a", "", 1.0, None, None),
            (0.1, Kind.ORDER_COMPLETED, "ann", "b", "", 2.0, None, None),
        ]
    )
    assert [(a.object, a.event) for a in shop.actions] == [("a", 0), ("b", 1)]


def test_a_cart_is_told_as_it_was() -> None:
    """An action carries the cart of its own moment, not what the rest of the run made of it."""
    left = rule("""
name: cart
sentence: Cart quiet.
enter: cart_items > 0 and hours_since(product_added) >= 1
exit: cart_items == 0 or hours_since(product_added) < 1
carries: [cart]
""")
    shop = Shop(left).together(
        [
            (0.0, Kind.PRODUCT_ADDED, "ann", "", "hat", 7.0, None, None),
            (3.0, Kind.PRODUCT_ADDED, "ann", "", "coat", 70.0, None, None),
            (6.0, Kind.ORDER_COMPLETED, "ann", "a", "", 77.0, None, None),
        ]
    )
    carts = [[item.product for item in action.carried.noted.cart] for action in shop.actions if action.entered]
    assert carts == [["hat"], ["hat", "coat"]]


def test_an_order_empties_the_cart_whenever_it_arrives() -> None:
    """What was put in before the order is void, what was put in after it stays, in any order of arrival."""
    first = Shop(SECOND).does(0, Kind.PRODUCT_ADDED, item="hat").does(1, Kind.ORDER_COMPLETED, order="a")
    first.does(2, Kind.PRODUCT_ADDED, item="coat")
    second = Shop(SECOND).does(1, Kind.ORDER_COMPLETED, order="a").does(2, Kind.PRODUCT_ADDED, item="coat")
    second.does(0, Kind.PRODUCT_ADDED, item="hat")
    for shop in (first, second):
        assert [item.product for item in shop.engine.sides.cart_at(0, 1)] == ["coat"]
        assert shop.engine.profiles.rows["cart_items"][0] == 1


def test_orders_of_one_moment_have_ranks_of_their_own() -> None:
    """Two orders with the same time are the first and the second, whatever they are worth."""
    shop = (
        Shop(SECOND)
        .does(0, Kind.ORDER_COMPLETED, order="a", price=50)
        .does(0, Kind.ORDER_COMPLETED, order="b", price=5)
    )
    assert [(a.object, a.entered) for a in shop.actions] == [("b", True)]

"""A report's columns: each order once, where somebody came from, what they were interested in."""

import orjson

from schemas.timestamp import from_ms
from streams.report.observed import UNKNOWN, observe

HOUR = 3_600_000
NOW = 1_300_000_000_000
NEVER = 2**63 - 1


def call(event: str, at: int, who: str = "ada", message: str | None = None, **said: object) -> bytes:
    """A track call; `context` and `traits` stand beside the properties."""
    body = {name: said.pop(name) for name in ("context", "traits", "type") if name in said}
    value = {"type": "track", "event": event, "userId": who, "timestamp": from_ms(at), "properties": said, **body}
    return orjson.dumps({"messageId": message or f"{who}{at}{event}", **value})


def test_an_order_counts_once_and_so_does_a_refund() -> None:
    """The same order under another message id is no second one; the same refund message is no second refund."""
    found = observe([
        call("Order Completed", NOW, message="a", order_id="1", total=10),
        call("Order Completed", NOW, message="b", order_id="1", total=10),
        call("Order Completed", NOW + HOUR, who="bob", order_id="1", total=7),
        call("Order Refunded", NOW, message="r", order_id="1", total=4),
        call("Order Refunded", NOW, message="r", order_id="1", total=4),
    ])  # fmt: skip
    assert found.orders.worth.tolist() == [10, 7]
    assert found.refunds.worth.tolist() == [4]


def test_events_come_in_any_order_and_what_cannot_be_read_is_counted() -> None:
    """Columns are by time; broken records are skipped and counted; unknown events are passed over."""
    found = observe([
        call("Order Completed", NOW + HOUR, order_id="2", total=2),
        call("Order Completed", NOW, order_id="1", total=1),
        b"{",
        call("Something Else", NOW),
    ])  # fmt: skip
    assert found.orders.worth.tolist() == [1, 2]
    assert found.skipped == 1
    assert found.end_ms == NOW + HOUR + 1


def test_the_first_campaign_says_where_somebody_came_from_else_the_first_site() -> None:
    """A campaign goes before a referring site, the earlier before the later; the shop's own pages are no source."""

    def page(at: int, who: str, **context: object) -> bytes:
        return call("Page Viewed", at, who, context=context)

    found = observe([
        page(NOW + 2, "ada", campaign={"source": "Google", "name": "late"}),
        page(NOW + 1, "ada", campaign={"source": "Mail", "name": "spring"}),
        page(NOW, "ada", page={"referrer": "https://www.blog.example/x", "url": "https://shop.example/"}),
        page(NOW, "bob", page={"referrer": "https://www.blog.example/x", "url": "https://shop.example/"}),
        page(NOW, "cyd", page={"referrer": "https://shop.example/a", "url": "https://shop.example/b"}),
    ])  # fmt: skip
    assert dict(zip(found.customers, found.source, strict=True)) == {
        "ada": "mail",
        "bob": "blog.example",
        "cyd": UNKNOWN,
    }
    assert found.campaign[found.customers.index("ada")] == "spring"


def test_interest_is_more_than_looking_and_countries_come_from_anywhere() -> None:
    """A cart, a wish-list, an account or a subscription; the country of context, order or traits."""
    found = observe([
        call("Product Viewed", NOW, "ada", product_id="p", category="c", context={"location": {"country": "Peru"}}),
        call("Product Added", NOW + 5, "bob", product_id="p"),
        call("", NOW + 7, "cyd", type="identify", traits={"address": {"country": "Chile"}}),
        call("Order Completed", NOW, "dan", order_id="1", total=1, country="Cuba"),
    ])  # fmt: skip
    assert found.interested_ms.tolist() == [NEVER, NOW + 5, NOW + 7, NEVER]
    assert found.country == ["Peru", UNKNOWN, "Chile", "Cuba"]
    assert found.products == ["p"]
    assert found.touches.category.tolist() == [0, -1]


def test_discounts_and_margins_come_from_the_order() -> None:
    """A coupon on the order or a line, or a discount above nothing; a margin, else what is left above the cost."""
    found = observe([
        call("Order Completed", NOW, order_id="1", total=10, coupon="X", margin=3),
        call("Order Completed", NOW + 1, order_id="2", total=10, discount=2, cost=6),
        call("Order Completed", NOW + 2, order_id="3", total=10, products=[{"product_id": "p", "coupon": "Y"}]),
        call("Order Completed", NOW + 3, order_id="4", total=10),
    ])  # fmt: skip
    assert found.orders.discounted.tolist() == [True, True, True, False]
    assert found.orders.margin.tolist()[:2] == [3, 4]
    assert [value != value for value in found.orders.margin.tolist()[2:]] == [True, True]

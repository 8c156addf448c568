"""A report's columns: each order once, where somebody came from, what they were interested in."""

import orjson
import pytest

from schemas.timestamp import from_ms
from streams.examining import Examiner
from streams.report.facts import facts_at
from streams.report.observed import UNKNOWN, Observing, observe
from streams.report.terms import ReportTerms
from streams.report.types import types_report

HOUR = 3_600_000
NOW = 1_300_000_000_000
NEVER = 2**63 - 1


def call(event: str, at: int, who: str = "ada", message: str | None = None, **said: object) -> bytes:
    """A track call; `context` and `traits` stand beside the properties."""
    others = ("context", "traits", "type", "anonymousId", "previousId")
    body = {name: said.pop(name) for name in others if name in said}
    value = {"type": "track", "event": event, "userId": who, "timestamp": from_ms(at), "properties": said, **body}
    return orjson.dumps({"messageId": message or f"{who}{at}{event}", **value})


def test_an_order_counts_once_and_so_does_what_takes_it_back() -> None:
    """The same order, or its cancellation, under another message id is no second one, nor is a refund under its own."""
    found = observe([
        call("Order Completed", NOW, message="a", order_id="1", total=10),
        call("Order Completed", NOW, message="b", order_id="1", total=10),
        call("Order Completed", NOW + HOUR, who="bob", order_id="1", total=7),
        call("Order Refunded", NOW, message="r", order_id="1", total=4),
        call("Order Refunded", NOW, message="r", order_id="1", total=4),
        call("Order Refunded", NOW, message="s", order_id="1", total=3),
        call("Order Cancelled", NOW, message="c", order_id="1", total=2),
        call("Order Cancelled", NOW, message="d", order_id="1", total=2),
        call("Order Cancelled", NOW, who="bob", message="e", order_id="1", total=7),
    ])  # fmt: skip
    assert found.orders.worth.tolist() == [10, 7]
    assert found.refunds.worth.tolist() == [4, 3, 2, 7]


def test_events_come_in_any_order_and_what_cannot_be_read_is_counted() -> None:
    """Columns are by time; broken records are skipped and counted; unknown events are passed over."""
    found = observe([
        call("Order Completed", NOW + HOUR, order_id="2", total=2),
        call("Order Completed", NOW, order_id="1", total=1),
        b"{",
        call("Something Else", NOW),
        call("Something Else", NOW, total="a lot"),
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


def test_a_refund_after_the_last_order_is_taken_off() -> None:
    """A history that ends with a refund ends there: its customer paid that much less."""
    found = observe([
        call("Order Completed", NOW, order_id="1", total=10),
        call("Order Refunded", NOW + HOUR, order_id="1", total=4),
    ])  # fmt: skip
    assert found.end_ms == NOW + HOUR + 1
    assert facts_at(found, found.end_ms, HOUR).net.tolist() == [6]


def test_who_came_after_the_last_order_is_counted() -> None:
    """An account made, or a consent given, after the last order and visit is somebody's, of whom the reports tell."""
    found = observe([
        call("Order Completed", NOW, order_id="1", total=10),
        call("", NOW + HOUR, "bob", type="identify", traits={}),
        call("Consent Given", NOW + 2 * HOUR, "cyd"),
        call("Consent Given", NOW + 3 * HOUR),
    ])  # fmt: skip
    assert found.end_ms == NOW + 2 * HOUR + 1
    types = {row[0]: row[1] for row in types_report(found, ReportTerms()).sheets[1].rows}
    assert (types["visitor"], types["prospect"], types["first_time"]) == (1, 1, 1)


@pytest.mark.parametrize(
    "said",
    [
        {"margin": "3.5"},
        {"cost": [1], "source": {"id": 7}, "campaign": 5},
        {"context": {"campaign": {"source": 3, "name": 4}, "page": {"url": 1, "referrer": 2}, "location": "Peru"}},
        {"context": {"campaign": "spring", "page": []}},
        {"context": [1]},
    ],
)
def test_what_workers_do_not_look_at_costs_no_order(said: dict[str, object]) -> None:
    """A field that only reports read, and that is not what it should be, is as if it had not been told."""
    found = observe([call("Order Completed", NOW, order_id="1", total=10, **said)])
    assert found.orders.worth.tolist() == [10]
    assert found.orders.margin[0] != found.orders.margin[0]
    assert (found.source, found.country, found.skipped) == ([UNKNOWN], [UNKNOWN], 0)


def test_what_workers_refuse_is_counted_and_nothing_else_of_it() -> None:
    """Amounts that cannot be, nobody's events, those under another key and those of the future are in no figure."""
    observing = Observing(Examiner(allowed_skew_ms=HOUR))
    observing.take(call("Order Completed", NOW, order_id="1", total=10), b"ada", NOW)
    observing.take(call("Order Completed", NOW, order_id="2", total=-30), b"ada", NOW)
    observing.take(call("Order Completed", NOW, order_id="3", total=1e12), b"ada", NOW)
    observing.take(call("Order Completed", NOW, who="", order_id="4", total=10), b"", NOW)
    observing.take(call("Order Completed", NOW, order_id="5", total=10), b"bob", NOW)
    observing.take(call("Product Viewed", NOW + 1000 * 24 * HOUR, product_id="p"), b"ada", NOW)
    found = observing.done()
    assert found.orders.worth.tolist() == [10]
    assert (found.customers, found.end_ms, found.skipped) == (["ada"], NOW + 1, 5)


def test_who_came_under_several_ids_is_one_customer() -> None:
    """A visitor who signs in, and an id that an alias replaces: one customer, under the id that is known now."""
    found = observe([
        call("Page Viewed", NOW, "", anonymousId="a-1", context={"campaign": {"source": "mail"}}),
        call("Order Completed", NOW + 1, "", anonymousId="a-1", order_id="1", total=10),
        call("Order Completed", NOW + 3, "ada", order_id="2", total=20),
        call("", NOW + 2, "ada", type="identify", anonymousId="a-1"),
        call("Order Completed", NOW + 4, "", anonymousId="a-1", order_id="2", total=20),
        call("Order Refunded", NOW + 5, "", anonymousId="a-1", order_id="1", total=4),
        call("", NOW + 6, "ada-2", type="alias", previousId="ada"),
        call("Order Completed", NOW + 7, "bob", order_id="1", total=5),
    ])  # fmt: skip
    assert found.customers == ["ada-2", "bob"]
    assert found.orders.customer.tolist() == [0, 0, 1]
    assert found.orders.worth.tolist() == [10, 20, 5]
    assert found.refunds.customer.tolist() == [0]
    assert (found.source[0], found.first_ms[0], found.interested_ms[0]) == ("mail", NOW, NOW + 2)
    assert found.places() == {"ada-2": 0, "bob": 1, "ada": 0, "a-1": 0}


def test_whose_a_former_id_was_first_it_stays_and_no_circle_closes() -> None:
    """Two who sign in on one device, told in any order, and two ids that each claim the other."""
    found = observe([
        call("Page Viewed", NOW + 2, "bob", anonymousId="a-1"),
        call("Page Viewed", NOW + 1, "ada", anonymousId="a-1"),
        call("", NOW + 3, "cyd", type="alias", previousId="dan"),
        call("", NOW + 4, "dan", type="alias", previousId="cyd"),
        call("", NOW + 5, "eve", type="alias", previousId="eve"),
    ])  # fmt: skip
    assert found.customers == ["bob", "ada", "cyd", "eve"]
    assert found.formers == {"a-1": 1, "dan": 2}

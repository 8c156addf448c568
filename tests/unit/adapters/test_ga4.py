"""GA4: rows of the BigQuery export, with numbers as text, items and parameters."""

import json
from typing import Any

import pytest

from schemas.adapters import ADAPTERS
from schemas.adapters.canonical import BadLine, Canonical, Outcome, Skipped

ITEM = {
    "item_id": "SKU_12345",
    "item_name": "Tee",
    "item_brand": "Google",
    "price": 9.99,
    "quantity": "2",
    "coupon": "(not set)",
}


def param(key: str, **value: Any) -> dict[str, Any]:
    return {"key": key, "value": value}


def row(name: str, **fields: Any) -> dict[str, Any]:
    base = {"event_name": name, "event_timestamp": "1714555800123456", "user_pseudo_id": "a.1", "user_id": None}
    return base | fields


def read(*rows: dict[str, Any]) -> list[Outcome]:
    return list(ADAPTERS["ga4"]([json.dumps(each) for each in rows], options={}))


def one(each: dict[str, Any]) -> Canonical:
    [event] = read(each)
    assert isinstance(event, Canonical), event
    return event


@pytest.mark.parametrize(
    ("name", "event"),
    [
        ("view_item", "Product Viewed"),
        ("select_item", "Product Clicked"),
        ("add_to_cart", "Product Added"),
        ("remove_from_cart", "Product Removed"),
        ("add_to_wishlist", "Product Added to Wishlist"),
        ("view_item_list", "Product List Viewed"),
        ("view_cart", "Cart Viewed"),
        ("begin_checkout", "Checkout Started"),
        ("add_shipping_info", "Checkout Step Completed"),
        ("add_payment_info", "Payment Info Entered"),
        ("view_search_results", "Products Searched"),
        ("view_promotion", "Promotion Viewed"),
    ],
)
def test_events_have_their_names(name: str, event: str) -> None:
    """The recommended events of online sales; microseconds become milliseconds."""
    found = one(row(name, items=[ITEM]))
    assert (found.value["event"], found.value["timestamp"]) == (event, "2024-05-01T09:30:00.123Z")
    assert (found.key, found.value["anonymousId"]) == ("a.1", "a.1")


def test_a_purchase_is_an_order() -> None:
    """Id, total, currency and items; what the export marks `(not set)` is absent."""
    bought = row(
        "purchase",
        user_id="u1",
        ecommerce={"transaction_id": "T1", "purchase_revenue": 25.5, "tax_value": 4.1, "shipping_value": None},
        items=[ITEM],
        event_params=[
            param("currency", string_value="EUR"),
            param("value", double_value=30.5),
            param("coupon", int_value="2024"),
        ],
    )
    found = one(bought)
    assert (found.topic, found.key, found.value["event"]) == ("orders", "u1", "Order Completed")
    assert found.value["properties"] == {
        "order_id": "T1",
        "total": 30.5,
        "tax": 4.1,
        "currency": "EUR",
        "coupon": "2024",
        "products": [{"product_id": "SKU_12345", "name": "Tee", "brand": "Google", "price": 9.99, "quantity": 2}],
    }


def test_a_coupon_of_digits_is_text() -> None:
    """Some exporters write it as a number, and a worker would refuse the whole order for that."""
    bought = row("purchase", ecommerce={"transaction_id": "T1"}, event_params=[param("coupon", int_value=2024)])
    assert one(bought).value["properties"]["coupon"] == "2024"


def test_a_refund_names_its_order() -> None:
    """Its total is the refunded value."""
    found = one(row("refund", ecommerce={"transaction_id": "T1", "refund_value": "5.5"}))
    assert (found.value["event"], found.value["properties"]) == ("Order Refunded", {"order_id": "T1", "total": 5.5})


def test_the_order_id_may_be_a_parameter() -> None:
    """Where the export's own column is not set."""
    found = one(
        row(
            "purchase",
            ecommerce={"transaction_id": "(not set)"},
            event_params=[param("transaction_id", int_value="17"), param("value", int_value="20")],
        )
    )
    assert found.value["properties"] == {"order_id": "17", "total": 20}


def test_several_items_are_several_events() -> None:
    """Their ids differ."""
    found = [o for o in read(row("add_to_cart", items=[ITEM, {"item_id": "B"}])) if isinstance(o, Canonical)]
    assert [o.value["properties"]["product_id"] for o in found] == ["SKU_12345", "B"]
    assert len({o.value["messageId"] for o in found}) == 2


def test_ids_tell_events_of_one_moment_apart() -> None:
    """The same content has the same id, whatever the order of its fields; another bundle has another."""
    page = row("page_view", event_bundle_sequence_id=1)
    same = dict(reversed(page.items()))
    other = row("page_view", event_bundle_sequence_id=2)
    first, again, second = (one(each).value["messageId"] for each in (page, same, other))
    assert first == again != second


def test_pages_tell_their_address() -> None:
    """From the parameters."""
    found = one(row("page_view", event_params=[param("page_location", string_value="https://s/x")]))
    assert (found.value["type"], found.value["properties"]) == ("page", {"url": "https://s/x"})


@pytest.mark.parametrize("each", [row("scroll"), row("session_start"), row("page_view", user_pseudo_id=None)])
def test_rows_of_no_use_are_skipped(each: dict[str, Any]) -> None:
    """Scrolling, sessions, and visitors who gave no consent."""
    [outcome] = read(each)
    assert isinstance(outcome, Skipped)


@pytest.mark.parametrize(
    ("each", "field"),
    [
        (row("purchase", ecommerce={"purchase_revenue": 5}), "ecommerce.transaction_id"),
        (
            row("purchase", ecommerce={"transaction_id": "T"}, event_params=[param("currency", double_value=1.5)]),
            "event_params.currency",
        ),
        (row("view_item"), "items"),
        (row("view_item", items=[{"price": 5}]), "items.item_id"),
        (row("view_item", items=[ITEM | {"price": "dear"}]), "items.price"),
        (row("view_item", items=[ITEM | {"quantity": True}]), "items.quantity"),
        (row("view_item", items={"0": ITEM}), "items"),
        (row("page_view", event_timestamp="2024-05-01"), "event_timestamp"),
        (row("page_view", event_timestamp=None), "event_timestamp"),
        (row("page_view", user_id=[1]), "user_id"),
        (row(""), "event_name"),
        ({}, "event_name"),
    ],
)
def test_bad_rows_name_the_field(each: dict[str, Any], field: str) -> None:
    """What is missing or wrong, by its name in the export."""
    [bad] = read(each)
    assert isinstance(bad, BadLine)
    assert bad.refusal.field == field


def test_an_order_says_what_tax_and_shipping_were() -> None:
    """As the column `ecommerce` has them, as text or as numbers."""
    shop = {"transaction_id": "T1", "purchase_revenue": "9.5", "tax_value": 1.5, "shipping_value": "4.9"}
    said = one(row("purchase", ecommerce=shop)).value["properties"]
    assert said == {"order_id": "T1", "total": 9.5, "tax": 1.5, "shipping": 4.9}


def test_a_purchase_in_an_app_is_an_order_of_its_own() -> None:
    """The stores tell no order ids: two purchases are two orders, and one that is exported twice is one."""
    found = [row("in_app_purchase", event_timestamp=f"171455580012345{digit}") for digit in (6, 7, 6)]
    first, second, again = (one(each).value["properties"]["order_id"] for each in found)
    assert first == again != second


@pytest.mark.parametrize(
    "number", ["event_bundle_sequence_id", "batch_event_index", "batch_page_id", "batch_ordering_id", "stream_id"]
)
def test_rows_that_differ_in_their_bundle_or_batch_alone_are_two_events(number: str) -> None:
    """Rows of one microsecond that say the same."""
    first, second = (one(row("view_cart", **{number: str(n)})).value["messageId"] for n in (1, 2))
    assert first != second

"""GA4: rows of Google Analytics' BigQuery export, as NDJSON.

References
----------
Google Analytics, "BigQuery Export schema" and "Recommended events" (online sales).
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from schemas.adapters.canonical import BadLine, Canonical, Customer, Outcome, Skipped, call, content_id, track
from schemas.adapters.fields import FieldError, epoch
from schemas.adapters.objects import finite, identity, is_blank, objects, pieces
from schemas.adapters.options import Format
from schemas.refusal import Refusal, shown

__all__ = ["GA4"]

_PER_ITEM: Final = {
    "view_item": "Product Viewed",
    "select_item": "Product Clicked",
    "add_to_cart": "Product Added",
    "remove_from_cart": "Product Removed",
    "add_to_wishlist": "Product Added to Wishlist",
}
"""Events of single products, by name: one canonical event for each item."""

_WHOLE: Final = {
    "view_item_list": "Product List Viewed",
    "search": "Products Searched",
    "view_search_results": "Products Searched",
    "view_cart": "Cart Viewed",
    "begin_checkout": "Checkout Started",
    "add_shipping_info": "Checkout Step Completed",
    "add_payment_info": "Payment Info Entered",
    "purchase": "Order Completed",
    "ecommerce_purchase": "Order Completed",
    "in_app_purchase": "Order Completed",
    "refund": "Order Refunded",
    "view_promotion": "Promotion Viewed",
    "select_promotion": "Promotion Clicked",
}
_WITH_ITEMS: Final = (
    "view_item_list",
    "view_cart",
    "begin_checkout",
    "purchase",
    "ecommerce_purchase",
    "refund",
)
_ORDERS: Final = ("purchase", "ecommerce_purchase", "in_app_purchase", "refund")
_CONTENT: Final = (
    "event_name",
    "event_timestamp",
    "event_bundle_sequence_id",
    "batch_event_index",
    "batch_page_id",
    "batch_ordering_id",
    "stream_id",
    "user_id",
    "user_pseudo_id",
    "event_params",
    "ecommerce",
    "items",
)
"""What tells rows apart, since the export gives them no ids."""


def read(lines: Iterable[str], options: Mapping[str, str]) -> Iterator[Outcome]:
    """Yield page views and e-commerce events; others are skipped.

    The customer is `user_id`, else the visitor `user_pseudo_id`. An event on several items becomes one
    for each. The export has no ids of events: they get one from their content, which tells rows of the
    same microsecond apart by their bundle and batch numbers.
    """
    for line_number, row in objects(lines):
        if isinstance(row, Refusal):
            yield BadLine(line_number, row)
            continue
        try:
            yield from _events(line_number, row)
        except FieldError as error:
            yield BadLine(line_number, error.refusal)


def _events(line_number: int, row: Mapping[str, Any]) -> Iterator[Canonical | Skipped]:
    name = row.get("event_name")
    if not isinstance(name, str) or not name:
        raise FieldError(Refusal("event_name", shown(name), "is no name of an event", "export event_name", "missing"))
    if name not in _PER_ITEM and name not in _WHOLE and name != "page_view":
        yield Skipped(line_number, f"{name[:40]} events are not used")
        return
    customer = Customer(identity("user_id", row.get("user_id")), identity("user_pseudo_id", row.get("user_pseudo_id")))
    if not customer.key:
        yield Skipped(line_number, "no user and no visitor is named (consent was not given)")
        return
    when = _time(row.get("event_timestamp"))
    params = _params(row)
    message_id = content_id({field: row[field] for field in _CONTENT if field in row})
    items = [_item(item) for item in pieces("items", row.get("items"))]
    if name == "page_view":
        said = {"url": params.get("page_location"), "title": params.get("page_title")}
        properties = {k: v for k, v in said.items() if isinstance(v, str) and v}
        yield call("page", customer, when, {"properties": properties}, message_id)
    elif name in _PER_ITEM:
        if not items:
            raise FieldError(Refusal("items", "", f"{name} names no item", "export the column items", "missing"))
        for place, item in enumerate(items):
            own_id = message_id if place == 0 else f"{message_id}-{place}"
            yield track(_PER_ITEM[name], customer, when, item, own_id)
    else:
        said = _order(row, params, name) if name in _ORDERS else _said(params)
        if items and name in _WITH_ITEMS:
            said["products"] = items
        yield track(_WHOLE[name], customer, when, said, message_id)


def _order(row: Mapping[str, Any], params: Mapping[str, Any], name: str) -> dict[str, Any]:
    shop = row.get("ecommerce")
    shop = shop if isinstance(shop, dict) else {}
    order_id = identity("ecommerce.transaction_id", shop.get("transaction_id"))
    order_id = order_id or identity("event_params.transaction_id", params.get("transaction_id"))
    if order_id is None and name == "in_app_purchase":
        # The stores tell no order ids; each such event is a purchase of its own.
        order_id = content_id({field: row[field] for field in _CONTENT if field in row})
    if order_id is None:
        remedy = "send transaction_id with purchases and refunds"
        raise FieldError(Refusal("ecommerce.transaction_id", "", "is required and absent", remedy, "missing"))
    total = finite("event_params.value", params.get("value"))
    if total is None:
        column = "refund_value" if name == "refund" else "purchase_revenue"
        total = finite(f"ecommerce.{column}", shop.get(column))
    said: dict[str, Any] = {"order_id": order_id, "total": total}
    for field, column in (("tax", "tax_value"), ("shipping", "shipping_value")):
        said[field] = finite(f"ecommerce.{column}", shop.get(column))
    said |= {field: identity(f"event_params.{field}", params.get(field)) for field in ("currency", "coupon")}
    return {k: v for k, v in said.items() if v is not None}


def _said(params: Mapping[str, Any]) -> dict[str, Any]:
    said = {
        "query": params.get("search_term"),
        "list_id": params.get("item_list_id"),
        "coupon": params.get("coupon"),
        "currency": params.get("currency"),
        "value": params.get("value"),
        "name": params.get("promotion_name"),
    }
    texts = {k: v for k, v in said.items() if k != "value" and isinstance(v, str) and v}
    value = finite("event_params.value", said["value"])
    return texts if value is None else {**texts, "value": value}


def _params(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the event's parameters by key; each holds its value in one of four fields."""
    found: dict[str, Any] = {}
    for one in pieces("event_params", row.get("event_params")):
        key, value = one.get("key"), one.get("value")
        if not isinstance(key, str) or not isinstance(value, dict):
            continue
        for field in ("string_value", "double_value", "float_value", "int_value"):
            if not is_blank(value.get(field)):
                found[key] = value[field]
                break
    return found


def _item(item: Mapping[str, Any]) -> dict[str, Any]:
    item_id = identity("items.item_id", item.get("item_id"))
    name = identity("items.item_name", item.get("item_name"))
    if item_id is None and name is None:
        raise FieldError(Refusal("items.item_id", "", "is required and absent", "send item_id or item_name", "missing"))
    said = {
        "product_id": item_id,
        "name": name,
        "brand": identity("items.item_brand", item.get("item_brand")),
        "category": identity("items.item_category", item.get("item_category")),
        "coupon": identity("items.coupon", item.get("coupon")),
        "price": finite("items.price", item.get("price")),
        "quantity": finite("items.quantity", item.get("quantity")),
    }
    return {k: v for k, v in said.items() if v is not None}


def _time(value: Any) -> int:
    """Return milliseconds; BigQuery writes whole numbers as text, other exporters as numbers."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    return epoch("event_timestamp", value if isinstance(value, str) else shown(value), 1_000_000)


GA4: Final = Format(
    name="ga4",
    description="Google Analytics 4: rows of the BigQuery export as NDJSON",
    reader=read,
)

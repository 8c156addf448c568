"""Snowplow: enriched events of the e-commerce plug-in, as JSON of the analytics SDKs or as raw TSV.

References
----------
Snowplow's enriched TSV format; schemas of the vendor `com.snowplowanalytics.snowplow.ecommerce`.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from schemas.adapters.canonical import BadLine, Canonical, Customer, Outcome, Skipped, call, track
from schemas.adapters.fields import FieldError, time_ms
from schemas.adapters.objects import finite, identity, is_blank
from schemas.adapters.options import Format, one_of
from schemas.adapters.snowplow_row import Row, parsed
from schemas.refusal import Refusal, shown

__all__ = ["SNOWPLOW"]

_PER_PRODUCT: Final = {
    "product_view": "Product Viewed",
    "list_click": "Product Clicked",
    "add_to_cart": "Product Added",
    "remove_from_cart": "Product Removed",
}
"""Actions of single products, by type: one event for each product."""

_WHOLE: Final = {
    "list_view": "Product List Viewed",
    "checkout_step": "Checkout Step Viewed",
    "transaction": "Order Completed",
    "refund": "Order Refunded",
    "promo_view": "Promotion Viewed",
    "promo_click": "Promotion Clicked",
}


def read(lines: Iterable[str], options: Mapping[str, str]) -> Iterator[Outcome]:
    """Yield page views and e-commerce actions; other events (pings, clicks, forms) are skipped.

    The customer is `user_id`, else the e-commerce user's id; the visitor `domain_userid`, else
    `network_userid`. Times are `true_tstamp`, else `derived_tstamp`. An event keeps its `event_id`; an action
    on several products becomes several events, whose ids have the product's place added.
    """
    anonymous = options["visitor"]
    for line_number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            yield from _events(line_number, parsed(line, first=line_number == 1), anonymous)
        except FieldError as error:
            yield BadLine(line_number, error.refusal)


def _events(line_number: int, row: Row, visitor: str) -> Iterator[Canonical | Skipped]:
    fields = row.fields
    event = fields.get("event")
    if row.action is None and event not in ("page_view", "transaction"):
        yield Skipped(line_number, f"{shown(fields.get('event_name') or event)[:40]} events are not used")
        return
    customer = _customer(row, visitor)
    if not customer.key:
        yield Skipped(line_number, "no user and no visitor is named")
        return
    when = _time(fields)
    message_id = identity("event_id", fields.get("event_id"))
    if message_id is None:
        raise FieldError(Refusal("event_id", "", "is required and absent", "export event_id", "missing"))
    if row.action is not None:
        yield from _action(line_number, row, customer, when, message_id)
    elif event == "page_view":
        said = {
            "url": fields.get("page_url"),
            "title": fields.get("page_title"),
            "path": fields.get("page_urlpath"),
        }
        properties = {k: v for k, v in said.items() if isinstance(v, str) and v}
        yield call("page", customer, when, {"properties": properties}, message_id)
    else:
        yield track("Order Completed", customer, when, _classic_order(fields), message_id)


def _action(
    line_number: int, row: Row, customer: Customer, when: int, message_id: str
) -> Iterator[Canonical | Skipped]:
    kind = _text(row.action.get("type")) if row.action is not None else None
    products = [_product(entity) for entity in row.entities("product")]
    if kind in _PER_PRODUCT:
        if not products:
            remedy = "export the product entities together with the events"
            raise FieldError(Refusal("contexts", "", f"{kind} names no product", remedy, "missing"))
        for place, product in enumerate(products):
            own_id = message_id if place == 0 else f"{message_id}-{place}"
            yield track(_PER_PRODUCT[kind], customer, when, product, own_id)
    elif kind in _WHOLE:
        properties = _properties(kind, row)
        if products and kind in ("list_view", "transaction", "refund"):
            properties["products"] = products
        yield track(_WHOLE[kind], customer, when, properties, message_id)
    else:
        yield Skipped(line_number, f"{shown(kind)[:40]} actions are not used")


def _properties(kind: str, row: Row) -> dict[str, Any]:
    if kind in ("transaction", "refund"):
        said = row.entity(kind)
        order_id = identity("transaction_id", said.get("transaction_id"))
        if order_id is None:
            remedy = f"export the {kind} entity together with the event"
            raise FieldError(Refusal("transaction_id", "", "is required and absent", remedy, "missing"))
        amount = "revenue" if kind == "transaction" else "refund_amount"
        return _without_none(
            order_id=order_id,
            total=finite(amount, said.get(amount)),
            currency=_text(said.get("currency")),
            tax=finite("tax", said.get("tax")),
            shipping=finite("shipping", said.get("shipping")),
            discount=finite("discount_amount", said.get("discount_amount")),
            coupon=_text(said.get("discount_code")),
            reason=_text(said.get("refund_reason")),
        )
    if kind == "list_view" and row.action is not None:
        return _without_none(list_id=_text(row.action.get("name")))
    if kind == "checkout_step":
        return _without_none(coupon=_text(row.entity("checkout_step").get("coupon_code")))
    return _without_none(name=_text(row.entity("promotion").get("name")))


def _classic_order(fields: Mapping[str, Any]) -> dict[str, Any]:
    order_id = identity("tr_orderid", fields.get("tr_orderid"))
    if order_id is None:
        raise FieldError(Refusal("tr_orderid", "", "is required and absent", "export tr_orderid", "missing"))
    return _without_none(
        order_id=order_id,
        total=finite("tr_total", fields.get("tr_total")),
        currency=_text(fields.get("tr_currency")),
        tax=finite("tr_tax", fields.get("tr_tax")),
        shipping=finite("tr_shipping", fields.get("tr_shipping")),
    )


def _product(entity: Mapping[str, Any]) -> dict[str, Any]:
    product_id = identity("product.id", entity.get("id"))
    if product_id is None:
        raise FieldError(Refusal("product.id", "", "is required and absent", "give each product its id", "missing"))
    return _without_none(
        product_id=product_id,
        name=_text(entity.get("name")),
        category=_text(entity.get("category")),
        brand=_text(entity.get("brand")),
        price=finite("product.price", entity.get("price")),
        quantity=finite("product.quantity", entity.get("quantity")),
        currency=_text(entity.get("currency")),
    )


def _customer(row: Row, visitor: str) -> Customer:
    user = identity("user_id", row.fields.get("user_id"))
    user = user or identity("user.id", row.entity("user").get("id"))
    anonymous = identity(visitor, row.fields.get(visitor))
    anonymous = anonymous or identity("network_userid", row.fields.get("network_userid"))
    return Customer(user, anonymous)


def _time(fields: Mapping[str, Any]) -> int:
    for name in ("true_tstamp", "derived_tstamp", "dvce_created_tstamp", "collector_tstamp"):
        value = fields.get(name)
        if not is_blank(value):
            return time_ms(name, value if isinstance(value, str) else shown(value))
    raise FieldError(Refusal("derived_tstamp", "", "is required and absent", "export derived_tstamp", "missing"))


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _without_none(**said: Any) -> dict[str, Any]:
    return {name: value for name, value in said.items() if value is not None}


def check(options: Mapping[str, str]) -> None:
    """Raise `OptionError` where a visitor's id is to be read from a field that holds none."""
    one_of(options, "visitor", ("domain_userid", "network_userid"))


SNOWPLOW: Final = Format(
    name="snowplow",
    description="Snowplow enriched events with e-commerce entities: JSON of the analytics SDKs, or TSV",
    reader=read,
    options={"visitor": "who an unknown visitor is: domain_userid or network_userid  [default: domain_userid]"},
    defaults={"visitor": "domain_userid"},
    check=check,
)

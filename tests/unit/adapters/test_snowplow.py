"""Snowplow: e-commerce actions from the SDKs' JSON and from enriched TSV alike."""

import json
from typing import Any

import pytest

from schemas.adapters import ADAPTERS
from schemas.adapters.canonical import BadLine, Canonical, Outcome, Skipped

ACTION = "unstruct_event_com_snowplowanalytics_snowplow_ecommerce_snowplow_ecommerce_action_1"
ENTITY = "contexts_com_snowplowanalytics_snowplow_ecommerce_"
VENDOR = "iglu:com.snowplowanalytics.snowplow.ecommerce"
HEAD = {
    "event_id": "e6c94fb8",
    "user_id": "u",
    "domain_userid": "0f0ef97e",
    "collector_tstamp": "2025-02-05T09:31:51.590Z",
    "derived_tstamp": "2025-02-05T09:31:51.544Z",
}
LAMP = {"id": "lamp", "name": "Lamp", "price": 39.9, "currency": "EUR", "category": "Lights", "quantity": None}
BULB = {"id": "bulb", "price": "4.50", "quantity": 3}


def as_json(action: str | None, *, version: str = "1", **entities: list[dict[str, Any]]) -> str:
    row: dict[str, Any] = {**HEAD, "event": "unstruct" if action else "page_view"}
    if action:
        row[ACTION] = {"type": action}
    row |= {f"{ENTITY}{name}_{version}": found for name, found in entities.items()}
    return json.dumps(row)


def as_tsv(action: str | None, **entities: list[dict[str, Any]]) -> str:
    """The same event in Snowplow's 131 columns."""
    cells = [""] * 131
    cells[3], cells[6], cells[12], cells[15] = "2025-02-05 09:31:51.590", "e6c94fb8", "u", "0f0ef97e"
    cells[5], cells[124] = "unstruct" if action else "page_view", "2025-02-05 09:31:51.544"
    listed = [
        {"schema": f"{VENDOR}/{name}/jsonschema/1-0-0", "data": one}
        for name, found in entities.items()
        for one in found
    ]
    listed.append({"schema": "iglu:com.example/other/jsonschema/1-0-0", "data": {"id": "x"}})
    cells[52] = json.dumps({"schema": "iglu:.../contexts/jsonschema/1-0-0", "data": listed})
    if action:
        inner = {"schema": f"{VENDOR}/snowplow_ecommerce_action/jsonschema/1-0-2", "data": {"type": action}}
        cells[58] = json.dumps({"schema": "iglu:.../unstruct_event/jsonschema/1-0-0", "data": inner})
    return "\t".join(cells)


def read(*lines: str, **options: str) -> list[Outcome]:
    return list(ADAPTERS["snowplow"](lines, options=options))


ORDER = {"transaction_id": "T1", "revenue": 53.4, "currency": "EUR", "tax": 8.53, "shipping": None}
CASES: list[Any] = [
    ("product_view", {"product": [LAMP]}, "Product Viewed", {"product_id": "lamp", "price": 39.9}),
    ("list_click", {"product": [LAMP]}, "Product Clicked", {"product_id": "lamp"}),
    ("add_to_cart", {"product": [BULB]}, "Product Added", {"product_id": "bulb", "price": 4.5, "quantity": 3}),
    ("remove_from_cart", {"product": [BULB]}, "Product Removed", {"product_id": "bulb"}),
    ("list_view", {"product": [LAMP, BULB]}, "Product List Viewed", {}),
    (
        "checkout_step",
        {"checkout_step": [{"step": 1, "coupon_code": "MAY"}]},
        "Checkout Step Viewed",
        {"coupon": "MAY"},
    ),
    ("promo_click", {"promotion": [{"id": "p", "name": "May"}]}, "Promotion Clicked", {"name": "May"}),
    (
        "transaction",
        {"transaction": [ORDER], "product": [LAMP, BULB]},
        "Order Completed",
        {"order_id": "T1", "total": 53.4, "currency": "EUR", "tax": 8.53},
    ),
    (
        "refund",
        {"refund": [{"transaction_id": "T1", "refund_amount": 13.5, "currency": "EUR", "refund_reason": "broken"}]},
        "Order Refunded",
        {"order_id": "T1", "total": 13.5, "reason": "broken"},
    ),
]


@pytest.mark.parametrize(("action", "entities", "event", "said"), CASES, ids=[case[0] for case in CASES])
def test_an_action_is_the_same_event_from_json_and_tsv(
    action: str, entities: dict[str, Any], event: str, said: dict[str, Any]
) -> None:
    """With its products, order or refund, under the event's own id and time."""
    [first] = read(as_json(action, **entities))
    assert isinstance(first, Canonical), first
    assert first.value["event"] == event
    assert said.items() <= first.value["properties"].items()
    assert (first.value["messageId"], first.value["timestamp"]) == ("e6c94fb8", "2025-02-05T09:31:51.544Z")
    assert (first.value["userId"], first.value["anonymousId"], first.key) == ("u", "0f0ef97e", "u")
    assert read(as_tsv(action, **entities)) == [first]
    assert read(as_json(action, version="1_0_2", **entities)) == [first], "BigQuery's names of columns"


def test_an_order_carries_its_products() -> None:
    """In their order, prices as numbers though warehouses export decimals as text."""
    [order] = read(as_json("transaction", transaction=[ORDER], product=[LAMP, BULB]))
    assert isinstance(order, Canonical)
    assert [(p["product_id"], p["price"]) for p in order.value["properties"]["products"]] == [
        ("lamp", 39.9),
        ("bulb", 4.5),
    ]


def test_an_action_on_several_products_is_an_event_for_each() -> None:
    """Their ids differ by the product's place, so that none is taken for a repeat."""
    found = [o for o in read(as_json("add_to_cart", product=[LAMP, BULB])) if isinstance(o, Canonical)]
    assert [o.value["messageId"] for o in found] == ["e6c94fb8", "e6c94fb8-1"]
    assert [o.value["properties"]["product_id"] for o in found] == ["lamp", "bulb"]


def test_page_views_are_pages() -> None:
    """With title, path and address where they are told."""
    [page] = read(json.dumps({**HEAD, "event": "page_view", "page_url": "https://s/x", "page_urlpath": "/x"}))
    assert isinstance(page, Canonical)
    assert page.value["type"] == "page"
    assert page.value["properties"] == {"url": "https://s/x", "path": "/x"}


def test_orders_of_the_former_tracker_are_orders() -> None:
    """`transaction` events with `tr_` columns, as classic trackers sent them."""
    row = {**HEAD, "event": "transaction", "tr_orderid": "T9", "tr_total": "12.50", "tr_currency": "EUR"}
    [order] = read(json.dumps(row))
    assert isinstance(order, Canonical)
    assert order.value["properties"] == {"order_id": "T9", "total": 12.5, "currency": "EUR"}


def test_visitors_are_known_by_the_chosen_cookie() -> None:
    """`domain_userid`, or `network_userid` where the option says so; else by the other; a user's id wins."""
    row = {k: v for k, v in HEAD.items() if k != "user_id"} | {"event": "page_view", "network_userid": "n"}
    keys = [
        o.key
        for o in [*read(json.dumps(row)), *read(json.dumps(row), visitor="network_userid")]
        if isinstance(o, Canonical)
    ]
    assert keys == ["0f0ef97e", "n"]
    user = [o.key for o in read(json.dumps(row | {f"{ENTITY}user_1": [{"id": "u9"}]})) if isinstance(o, Canonical)]
    assert user == ["u9"]


@pytest.mark.parametrize(
    "row",
    [
        {**HEAD, "event": "page_ping"},
        {**HEAD, "event": "unstruct", "event_name": "link_click"},
        {**HEAD, "event": "unstruct", ACTION: {"type": "trns_error"}},
        {**HEAD, "event": "unstruct", ACTION: {"type": ["transaction"]}},
        {"event": "page_view", "event_id": "e", "derived_tstamp": "2025-02-05T09:31:51.544Z"},
    ],
)
def test_events_of_no_use_are_skipped(row: dict[str, Any]) -> None:
    """Pings, clicks, failed payments, and what nobody did."""
    [outcome] = read(json.dumps(row))
    assert isinstance(outcome, Skipped)


@pytest.mark.parametrize(
    ("line", "field"),
    [
        (as_json("product_view"), "contexts"),
        (as_json("transaction", product=[LAMP]), "transaction_id"),
        (as_json("product_view", product=[{"name": "Lamp"}]), "product.id"),
        (as_json("product_view", product=[{"id": "lamp", "price": "a lot"}]), "product.price"),
        (json.dumps({**HEAD, "event": "page_view", "derived_tstamp": "soon"}), "derived_tstamp"),
        (json.dumps({k: v for k, v in HEAD.items() if k != "event_id"} | {"event": "page_view"}), "event_id"),
        (json.dumps({**HEAD, "event": "page_view", f"{ENTITY}product_1": "lamp"}), f"{ENTITY}product_1"),
        (as_tsv("product_view", product=[LAMP]).replace('{"type"', '{"type'), "unstruct_event"),
        ("a\tb\tc", "line"),
    ],
)
def test_bad_events_name_the_field(line: str, field: str) -> None:
    """What is missing or wrong, and on which line."""
    [bad] = read(line)
    assert isinstance(bad, BadLine)
    assert (bad.line_number, bad.refusal.field) == (1, field)


def page_view(**fields: Any) -> dict[str, Any]:
    [found] = read(json.dumps({**HEAD, "event": "page_view", **fields}))
    assert isinstance(found, Canonical)
    return found.value


def test_a_time_that_the_tracker_is_sure_of_wins() -> None:
    """Where `true_tstamp` is set, it is when it happened; else the derived time is."""
    assert page_view()["timestamp"] == "2025-02-05T09:31:51.544Z"
    assert page_view(true_tstamp="2025-02-05T08:00:00Z")["timestamp"] == "2025-02-05T08:00:00.000Z"


def test_a_visitor_without_a_cookie_of_the_site_is_known_by_the_network_s() -> None:
    """As where the site's own is blocked or anonymised."""
    assert page_view(user_id=None, domain_userid=None, network_userid="n1")["anonymousId"] == "n1"


def test_an_order_says_what_it_was_reduced_by() -> None:
    """Discount, code and shipping of the transaction."""
    sold = {**ORDER, "discount_amount": "5", "discount_code": "MAY", "shipping": 4.9}
    [found] = read(as_json("transaction", transaction=[sold]))
    assert isinstance(found, Canonical)
    said = found.value["properties"]
    assert (said["discount"], said["coupon"], said["shipping"]) == (5, "MAY", 4.9)

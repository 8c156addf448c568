"""Segment: calls as they are, each to the topic of its kind."""

import json

import pytest

from schemas.adapters import ADAPTERS
from schemas.adapters.canonical import BadLine, Canonical, Outcome, Skipped
from schemas.hostile import hostile_cases

BASE = {"messageId": "m", "timestamp": "2024-05-01T09:30:00+02:00", "userId": "u", "type": "track"}


def read(*lines: str) -> list[Outcome]:
    return list(ADAPTERS["segment"](lines, options={}))


def test_a_call_is_passed_on_unchanged() -> None:
    """Fields that nobody reads included."""
    call = {**BASE, "event": "Order Completed", "properties": {"order_id": 5, "odd": [1, {"é": None}]}, "extra": 1.5}
    [event] = read(json.dumps(call))
    assert event == Canonical("orders", "u", 1_714_548_600_000, call)


@pytest.mark.parametrize(
    ("change", "topic", "key"),
    [
        ({"event": "Product Viewed", "properties": {"sku": "s"}}, "clickstream", "u"),
        ({"event": "Order Refunded", "properties": {"order_id": "o"}}, "orders", "u"),
        ({"event": "Email Opened"}, "customers", "u"),
        ({"type": "identify"}, "customers", "u"),
        ({"type": "alias", "previousId": "a"}, "customers", "u"),
        ({"event": "Never Heard Of"}, "clickstream", "u"),
        ({"type": "page", "userId": 17}, "clickstream", "17"),
        ({"type": "page", "userId": "", "anonymousId": "a"}, "clickstream", "a"),
    ],
)
def test_topic_and_key_follow_kind_and_customer(change: dict[str, object], topic: str, key: str) -> None:
    """Numbers are keys as their digits; a visitor is the key where no user is named."""
    [event] = read(json.dumps(BASE | change))
    assert isinstance(event, Canonical)
    assert (event.topic, event.key) == (topic, key)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"type": "page", "userId": 2**70}, "userId"),
        ({"event": "Order Completed", "properties": {"order_id": 2**70}}, "properties.order_id"),
        (
            {"event": "Cart Viewed", "properties": {"products": [{"product_id": 1}, {"product_id": 2**70}]}},
            "properties.products[1].product_id",
        ),
    ],
)
def test_a_number_past_64_bits_is_no_id(change: dict[str, object], field: str) -> None:
    """Readers of JSON disagree on such numbers: the customer, or the order, would be another one for each."""
    [bad] = read(json.dumps(BASE | change))
    assert isinstance(bad, BadLine)
    assert (bad.refusal.field, bad.refusal.code) == (field, "range")


def test_an_unknown_event_says_what_it_likes() -> None:
    """It is loaded, to be ignored; where its fields are of other types than those of known ones it is passed over."""
    loaded, passed_over = read(
        json.dumps(BASE | {"event": "Video Played", "properties": {"value": 5}}),
        json.dumps(BASE | {"event": "Video Played", "properties": {"value": "high"}}),
    )
    assert isinstance(loaded, Canonical)
    assert isinstance(passed_over, Skipped)


def test_a_byte_order_mark_is_allowed_at_the_start_of_the_file() -> None:
    """Editors of one large vendor write it; elsewhere it is an error."""
    line = json.dumps(BASE | {"type": "page"})
    first, second = read("\ufeff" + line, "\ufeff" + line)
    assert isinstance(first, Canonical)
    assert isinstance(second, BadLine)


def test_what_a_worker_would_refuse_is_a_bad_line() -> None:
    """Of the hostile records, those that are text: what decoding refuses is told here, before it is sent."""
    checked = 0
    for case in hostile_cases():
        payload = case.payload
        if payload is None or b"\n" in payload or not payload.strip() or case.code in {"key", "future"}:
            continue
        if case.code in {"range", "size"} or case.outcome == "ignored":
            continue  # limits are the worker's; unknown events must still name somebody here
        if case.name in {"truncated-utf-8-in-a-field-unread", "user-id-beyond-64-bits"}:
            continue  # a worker decodes only what it reads; a file must be text, and its numbers exact
        [outcome] = read("x", payload.decode(errors="surrogateescape"))[1:]
        checked += 1
        assert isinstance(outcome, BadLine) == (case.outcome == "dead-lettered"), case.name
    assert checked > 100

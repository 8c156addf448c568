"""Refusals name field, value, reason and remedy, whatever was refused."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.accepted import refused
from schemas.documents import document_names
from schemas.refusal import VALUE_LIMIT, Refusal, shown


@given(st.binary(max_size=300))
@pytest.mark.parametrize("name", ["segment-event.v1", "score.v1", "example.v1"])
def test_any_bytes_are_refused_in_words(name: str, payload: bytes) -> None:
    """Random bytes never raise, and their refusal has a reason and a remedy."""
    refusal = refused(name, payload)
    assert refusal is not None
    assert refusal.reason
    assert refusal.remedy
    assert refusal.code


@given(st.recursive(st.none() | st.floats() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)))
def test_a_value_is_shown_in_one_line_of_80_characters(value: Any) -> None:
    """Whatever stood there, what is shown is printable, encodable and at most 80 characters."""
    text = shown(value)
    assert len(text) <= VALUE_LIMIT
    assert text.isprintable()
    text.encode()


@pytest.mark.parametrize("length", [79, 80, 81, 10_000])
def test_a_long_value_is_cut_to_80_characters(length: int) -> None:
    """80 characters are shown whole; of more, the first 79 and an ellipsis."""
    found = Refusal("field", "x" * length, "is wrong", "mend it").value
    assert found == ("x" * length if length <= VALUE_LIMIT else "x" * 79 + "…")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            {"properties": {"order_id": "o", "total": "5"}},
            "properties.total: expected a number, got text (found 5); send a number, or leave the field out",
        ),
        (
            {"timestamp": "now"},
            "timestamp: is not a time (found now); send ISO 8601 with an offset, such as 2024-05-01T09:30:00.000Z",
        ),
        ({"properties": {}}, "properties.order_id: is required and absent (found nothing); send the order's id"),
        (
            {"properties": {"order_id": "o", "products": [{}, True]}},
            "properties.products[1]: expected an object, got true or false (found true); send an object",
        ),
    ],
)
def test_a_refusal_reads_as_a_sentence(change: dict[str, Any], told: str) -> None:
    """A person sees which field, what stood there, what is wrong with it and what to do."""
    event = {"messageId": "m", "timestamp": "2024-05-01T09:30:00Z", "userId": "u", "event": "Order Completed"}
    assert str(refused("segment-event.v1", json.dumps(event | change).encode())) == told


def test_a_field_that_is_not_known_is_named() -> None:
    """Output records have no room for other fields; the refusal says which one to leave out."""
    refusal = refused("deletion.v1", b'{"request_id":"r","customer_id":"c","requested_at":"x","scope":"all"}')
    assert refusal is not None
    assert (refusal.field, refusal.value, refusal.code) in {("scope", "all", "unknown"), ("requested_at", "x", "range")}


def test_of_two_kinds_of_value_the_one_that_is_meant_is_explained() -> None:
    """An example's fault is told by the example's rules, a watermark's by the watermark's."""
    head = {"specversion": "1.0", "id": "i", "source": "/recompra", "subject": "0"}
    head |= {"time": "2024-05-01T09:30:00.000Z", "datacontenttype": "application/json"}
    head |= {"dataschema": "urn:recompra:example.v1"}
    watermark = head | {"type": "recompra.watermark", "data": {"partition": 0, "watermark_ms": None}}
    example = head | {"type": "recompra.example", "data": {}}
    assert "data.watermark_ms" in str(refused("example.v1", json.dumps(watermark).encode()))
    assert "data.customer_id" in str(refused("example.v1", json.dumps(example).encode()))


KINDS = ["nothing", "empty-object", "null", "brackets", "broken-text"]


@pytest.mark.parametrize("name", document_names())
@pytest.mark.parametrize("payload", [b"", b"{}", b"null", b"[" * 100_000, b'"\xff"'], ids=KINDS)
def test_every_schema_refuses_what_is_no_value_at_all(name: str, payload: bytes) -> None:
    """Nothing, an empty object, null, a hundred thousand brackets and broken text are of no schema."""
    assert refused(name, payload) is not None

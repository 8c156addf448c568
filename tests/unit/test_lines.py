"""Lines: what a person reads of a record, and what a program does."""

import orjson

from streams.cli.lines import as_data, as_line
from streams.tailing import Record


def record(value: object, key: bytes | None = b"anna") -> Record:
    raw = value if isinstance(value, bytes) else None if value is None else orjson.dumps(value)
    return Record("scores", 1, 7, 1_320_105_600_000, key, raw)


SCORE = {
    "type": "recompra.score",
    "data": {
        "customer_id": "anna",
        "score": 0.4321,
        "previous": 0.31,
        "percentile": 0.87,
        "band": "high",
        "event_time": "2011-11-01T00:00:00.000Z",
        "reasons": [{"group": name, "contribution": 0.3 - place} for place, name in enumerate("abcd")],
    },
}


def test_a_score_is_told_in_words() -> None:
    """Who, how likely, from what, where among the others, and the three strongest reasons."""
    line = as_line(record(SCORE)).plain
    assert line == (
        "2011-11-01T00:00:00.000Z  anna  0.432 ▲ from 0.310  percentile 87  high  because a +0.30, b -0.70, c -1.70"
    )


def test_content_is_told_in_words() -> None:
    """Who sees it, as what, the first products, and whether with a coupon."""
    data = {
        "customer_id": "anna",
        "version": 4,
        "segment": "customer-high",
        "products": ["lamp", "mug", "cup", "tea"],
        "coupon": True,
        "event_time": "2011-11-01T00:00:00.000Z",
    }
    line = as_line(record({"type": "recompra.content", "data": data})).plain
    assert line == "2011-11-01T00:00:00.000Z  anna  customer-high #4  lamp, mug, cup  coupon"


def test_a_withheld_action_names_the_gates() -> None:
    """An action tells rule, direction, crossing, customer and object; a withheld one also why."""
    data = {
        "rule": "cart-abandoned",
        "crossing": "entered",
        "crossing_number": 2,
        "customer_id": "anna",
        "object": "cart-9",
        "products": ["lamp"],
        "event_time": "2011-11-01T00:00:00.000Z",
        "withheld": ["replay", "cooldown"],
    }
    line = as_line(record({"type": "recompra.action.withheld", "data": data})).plain
    assert line == (
        "2011-11-01T00:00:00.000Z  cart-abandoned entered #2  anna  cart-9  lamp  withheld: replay, cooldown"
    )


def test_other_records_are_shown_as_they_are() -> None:
    """Neither a value that is no JSON, nor a missing key, nor a deletion is an error."""
    assert as_line(record(b"\xff{", None)).plain == "2011-11-01T00:00:00.000Z  1:7  -  \ufffd{"
    assert as_line(record(None)).plain.endswith("anna  (deleted)")
    assert as_data(record(b"\xff{", None))["value"] == "\ufffd{"
    assert as_data(record({"a": 1})) == {
        "topic": "scores",
        "partition": 1,
        "offset": 7,
        "timestamp": "2011-11-01T00:00:00.000Z",
        "key": "anna",
        "value": {"a": 1},
    }


def test_a_value_cannot_steer_the_terminal() -> None:
    """Escape sequences that a shop's visitor typed are not written to the reader's terminal."""
    for value in (
        b"\x1b[2Jgone\r",
        {"type": "recompra.score", "data": {"customer_id": "\x1b[2J", "score": "\x07"}},
    ):
        line = as_line(record(value, b"\x1b]0;x\x07")).plain
        assert not any(character in line for character in "\x1b\r\x07")

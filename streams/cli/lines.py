"""Lines: a record of a topic as one line that a person reads in a terminal."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson
from rich.text import Text

from streams.tailing import Record

__all__ = ["as_data", "as_line"]

_SHOWN_REASONS = 3
_SHOWN_PRODUCTS = 3
_SHOWN_CHARACTERS = 160


def as_data(record: Record) -> dict[str, Any]:
    """Return a record as JSON can hold it: the value decoded where it is JSON, as text where it is not."""
    return {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "timestamp": _moment(record.timestamp_ms),
        "key": None if record.key is None else record.key.decode("utf-8", "replace"),
        "value": _decoded(record.value),
    }


def as_line(record: Record) -> Text:
    """Return a line: scores, actions and content in words, other records as key and value."""
    value = _decoded(record.value)
    kind = value.get("type") if isinstance(value, dict) else None
    data = value.get("data") if isinstance(value, dict) else None
    if isinstance(data, dict) and kind == "recompra.score":
        return _score(data)
    if isinstance(data, dict) and kind == "recompra.content":
        return _content(data)
    if isinstance(data, dict) and kind in ("recompra.action", "recompra.action.withheld"):
        return _action(data)
    key = "-" if record.key is None else record.key.decode("utf-8", "replace")
    text = "(deleted)" if record.value is None else record.value.decode("utf-8", "replace")
    return Text.assemble(
        (_moment(record.timestamp_ms), "dim"),
        f"  {record.partition}:{record.offset}  ",
        (_plain(key), "bold"),
        f"  {_plain(text)}",
    )


def _score(data: Mapping[str, Any]) -> Text:
    line = Text.assemble((_when(data), "dim"), "  ", (_plain(data.get("customer_id")), "bold"), "  ")
    score, previous = data.get("score"), data.get("previous")
    line.append(_number(score), "cyan")
    if isinstance(score, int | float) and isinstance(previous, int | float):
        rising = score >= previous
        line.append(f" {'▲' if rising else '▼'} from {_number(previous)}", "green" if rising else "red")
    if isinstance(data.get("percentile"), int | float):
        line.append(f"  percentile {100 * data['percentile']:.0f}")
    if data.get("band") is not None:
        line.append(f"  {_plain(data['band'])}")
    if data.get("warming_up"):
        line.append("  warming up", "yellow")
    return _with_reasons(line, data)


def _action(data: Mapping[str, Any]) -> Text:
    entered = data.get("crossing") == "entered"
    line = Text.assemble((_when(data), "dim"), "  ", (_plain(data.get("rule")), "bold magenta"), " ")
    line.append(_plain(data.get("crossing")), "green" if entered else "red")
    line.append(f" #{_plain(data.get('crossing_number'))}", "dim")
    line.append(f"  {_plain(data.get('customer_id'))}", "bold")
    if data.get("object") is not None:
        line.append(f"  {_plain(data['object'])}")
    if data.get("score") is not None:
        line.append(f"  score {_number(data['score'])}")
    line.append_text(_products(data))
    if data.get("withheld"):
        line.append(f"  withheld: {', '.join(map(_plain, data['withheld']))}", "yellow")
    return _with_reasons(line, data)


def _content(data: Mapping[str, Any]) -> Text:
    line = Text.assemble((_when(data), "dim"), "  ", (_plain(data.get("customer_id")), "bold"))
    line.append(f"  {_plain(data.get('segment'))}", "cyan").append(f" #{_plain(data.get('version'))}", "dim")
    line.append_text(_products(data))
    if data.get("coupon") is True:
        line.append("  coupon", "yellow")
    return line


def _products(data: Mapping[str, Any]) -> Text:
    products = data.get("products")
    shown = [_plain(product) for product in products[:_SHOWN_PRODUCTS]] if isinstance(products, list) else []
    return Text(f"  {', '.join(shown)}" if shown else "", "italic")


def _with_reasons(line: Text, data: Mapping[str, Any]) -> Text:
    shown = [
        f"{_plain(reason.get('group'))} {reason['contribution']:+.2f}"
        for reason in (data.get("reasons") or [])
        if isinstance(reason, dict) and isinstance(reason.get("contribution"), int | float)
    ]
    if shown:
        line.append(f"  because {', '.join(shown[:_SHOWN_REASONS])}", "dim")
    return line


def _when(data: Mapping[str, Any]) -> str:
    time = data.get("event_time")
    return _moment(time) if isinstance(time, int | float) else _plain(time)


def _moment(ms: float) -> str:
    try:
        moment = datetime.fromtimestamp(ms / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return "-"
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _number(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, int | float) else _plain(value)


def _decoded(value: bytes | None) -> Any:
    if value is None:
        return None
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        return value.decode("utf-8", "replace")


def _plain(value: Any) -> str:
    """Text without control characters: what a shop's visitor typed must not steer the reader's terminal."""
    text = "-" if value is None else str(value)
    text = text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…"
    return "".join(c if c.isprintable() else "·" for c in text)

"""Shown: one action as it lies on its topic, and one in a marketer's words."""

from typing import Any

import orjson
from rich.console import Group, RenderableType
from rich.text import Text

from scoring.rules import shipped

__all__ = ["action_shown", "why"]

_WORDS = {
    "recency": "how long ago they ordered",
    "frequency": "how often they ordered",
    "money": "what they spend",
    "rhythm": "the rhythm of their orders",
    "carts": "what they put into the cart",
    "views": "what they looked at",
    "basket": "what they buy at once",
    "wishes": "what they wish for",
}
_ROOM = 66
"""Characters of a list that are shown; of a longer one, how many more there are."""


def action_shown(rule: str, value: bytes) -> RenderableType:
    """Draw the record as readable JSON."""
    record = orjson.loads(value)
    lines = [Text(f"One action, as it lies on actions-{rule}", style="bold"), *map(Text, _lines(record, 2))]
    return Group(*lines)


def _lines(value: dict[str, Any], indent: int) -> list[str]:
    """JSON with a field a line, short of the rest of long lists."""
    lines = [" " * (indent - 2) + "{"]
    for place, (name, field) in enumerate(value.items()):
        comma = "," if place < len(value) - 1 else ""
        text = _list(field) if isinstance(field, list) else orjson.dumps(field).decode()
        if isinstance(field, dict) and len(text) > 60:
            inner = _lines(field, indent + 2)
            lines += [f'{" " * indent}"{name}": {{', *inner[1:-1], f"{' ' * indent}}}{comma}"]
        else:
            lines.append(f'{" " * indent}"{name}": {text}{comma}')
    return [*lines, " " * (indent - 2) + "}"]


def _list(field: list[Any]) -> str:
    """Return as many elements as there is room for, one at least."""
    texts = [orjson.dumps(each).decode() for each in field]
    shown = max((n for n in range(1, len(texts) + 1) if len(", ".join(texts[:n])) <= _ROOM), default=1)
    more = len(texts) - shown
    return f"[{', '.join(texts[:shown])}{f', … {more} more' if more > 0 else ''}]"


def why(value: bytes) -> RenderableType:
    """Say in words why an action of a rule that reads the score is there."""
    data = orjson.loads(value)["data"]
    (rule,) = shipped(only={data["rule"]}).rules
    pushes = sorted(
        (reason for reason in data["reasons"] if reason["group"] != "intercept"),
        key=lambda reason: -abs(reason["contribution"]),
    )[:3]
    told = ", ".join(
        f"{_WORDS.get(reason['group'], reason['group'].replace('_', ' '))} "
        f"({'for' if reason['contribution'] > 0 else 'against'} it, {reason['contribution']:+.2f})"
        for reason in pushes
    )
    percentile = "" if data["percentile"] is None else f", above {data['percentile']:.0%} of all customers"
    text = (
        f"Why customer {data['customer_id']} on {data['event_time'][:10]}? {rule.name}: {rule.sentence} The chance to "
        f"buy within {data['horizon_days']:.0f} days was {data['score']:.0%}{percentile}; what spoke most: {told}."
    )
    return Text(text)

"""Snowplow's rows: one enriched event, from its JSON or its TSV form, as fields, an action and entities."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from schemas.adapters.fields import FieldError, encodable
from schemas.adapters.objects import json_object, pieces
from schemas.refusal import Refusal, shown

__all__ = ["Row", "parsed"]

_VENDOR: Final = "com.snowplowanalytics.snowplow.ecommerce"
_ACTION: Final = "unstruct_event_com_snowplowanalytics_snowplow_ecommerce_snowplow_ecommerce_action_1"
_ENTITY: Final = "contexts_com_snowplowanalytics_snowplow_ecommerce_"
_PLACES: Final = {
    "app_id": 0,
    "collector_tstamp": 3,
    "dvce_created_tstamp": 4,
    "event": 5,
    "event_id": 6,
    "user_id": 12,
    "domain_userid": 15,
    "network_userid": 17,
    "page_url": 29,
    "page_title": 30,
    "page_urlpath": 35,
    "contexts": 52,
    "unstruct_event": 58,
    "tr_orderid": 59,
    "tr_total": 61,
    "tr_tax": 62,
    "tr_shipping": 63,
    "tr_currency": 108,
    "derived_tstamp": 124,
    "event_name": 126,
    "true_tstamp": 130,
}
"""Columns of the TSV form that are read; it has no line of names."""
_COLUMNS: Final = 131


@dataclass(frozen=True, slots=True)
class Row:
    """One enriched event; `action` is the e-commerce action's data, None for other events."""

    fields: Mapping[str, Any]
    action: Mapping[str, Any] | None
    contexts: Mapping[str, list[Mapping[str, Any]]]

    def entities(self, name: str) -> list[Mapping[str, Any]]:
        """Return the e-commerce entities of a name (`product`, `transaction`, ...), in order."""
        return self.contexts.get(name, [])

    def entity(self, name: str) -> Mapping[str, Any]:
        """Return the first entity of a name; empty if there is none."""
        found = self.contexts.get(name)
        return found[0] if found else {}


def parsed(line: str, *, first: bool = False) -> Row:
    """Return the event that a line holds: JSON where it begins with a brace, else TSV.

    Raises
    ------
    FieldError
        If it is neither.
    """
    if line.lstrip("\ufeff \t").startswith("{"):
        return _from_json(json_object(line, first=first))
    encodable(line)
    cells = line.rstrip("\r\n").split("\t")
    if len(cells) != _COLUMNS:
        reason = f"is neither JSON nor TSV of {_COLUMNS} columns (it has {len(cells)})"
        raise FieldError(Refusal("line", line, reason, "export enriched events, or their JSON", "columns"))
    return _from_tsv({name: cells[place] for name, place in _PLACES.items()})


def _from_json(fields: Mapping[str, Any]) -> Row:
    """Entities may be under `..._product_1` (SDKs, Snowflake) or `..._product_1_0_0` (BigQuery)."""
    action: Mapping[str, Any] | None = None
    contexts: dict[str, list[Mapping[str, Any]]] = {}
    for name, value in fields.items():
        if value is None:
            continue
        if name.startswith(_ENTITY):
            entity = name.removeprefix(_ENTITY).rstrip("0123456789_")
            contexts.setdefault(entity, []).extend(pieces(name, value))
        elif name == _ACTION or name.startswith(f"{_ACTION}_"):
            action = _object(name, value)
    return Row(fields, action, contexts)


def _from_tsv(fields: Mapping[str, str]) -> Row:
    contexts: dict[str, list[Mapping[str, Any]]] = {}
    for one in _listed("contexts", fields["contexts"]):
        name = _entity_name(one)
        if name is not None:
            contexts.setdefault(name, []).append(_object("contexts", one.get("data")))
    action: Mapping[str, Any] | None = None
    if fields["unstruct_event"]:
        outer = _json("unstruct_event", fields["unstruct_event"])
        inner = _object("unstruct_event", outer.get("data"))
        if _entity_name(inner) == "snowplow_ecommerce_action":
            action = _object("unstruct_event", inner.get("data"))
    return Row(fields, action, contexts)


def _listed(field: str, text: str) -> list[Mapping[str, Any]]:
    return pieces(field, _json(field, text).get("data")) if text else []


def _json(field: str, text: str) -> Mapping[str, Any]:
    try:
        return json_object(text)
    except FieldError as error:
        found = error.refusal
        raise FieldError(Refusal(field, found.value, found.reason, found.remedy, found.code)) from None


def _entity_name(described: Mapping[str, Any]) -> str | None:
    """Return the name in `iglu:vendor/name/jsonschema/1-0-0`; None for other vendors."""
    schema = described.get("schema")
    parts = schema.removeprefix("iglu:").split("/") if isinstance(schema, str) else []
    return parts[1] if len(parts) == 4 and parts[0] == _VENDOR else None


def _object(field: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise FieldError(Refusal(field, shown(value), "is not an object", "export the event's own data", "type"))
    return value

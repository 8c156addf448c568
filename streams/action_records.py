"""Action records: the CloudEvents of many actions, written into templates whose numbers are encoded all at once.

A dict an action, encoded by itself, takes three times as long.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple
from urllib.parse import quote

import numpy as np
import orjson

from schemas.timestamp import from_ms
from scoring.gates.channel import Channel
from scoring.outcome import Action
from scoring.types import Who
from streams.cloud_event import DIGITS, cloud_event, name_of
from streams.customer_data import customers_of
from streams.details import details_of
from streams.reasons import reasons_of

__all__ = ["ActionRecord", "ActionRecords"]

_HELD = orjson.Fragment(b"%b")
_NUMBERS = 14
_CHANNELS = {channel: b'"%b"' % channel.name.lower().encode() for channel in Channel}


class ActionRecord(NamedTuple):
    """A record and what others are made of that go with it: the name of the crossing and its time, as they tell it."""

    topic: str
    key: bytes
    value: bytes
    name: str
    stamp: str


class _Kind(NamedTuple):
    """What actions have in common that are written into one template."""

    rule: str
    version: int
    action_class: str
    entered: bool
    withheld: tuple[str, ...]


class ActionRecords:
    """Writes the records of one partition's actions.

    Parameters
    ----------
    horizon_days
        The horizon of the scores.
    bands
        Names of the bands, lowest first.
    customers
        Ids by row.
    replay
        Whether the input was lived through before.
    since_ms
        By row of somebody who was forgotten and came again, when that was: crossings are numbered anew, and their ids
        must be others.
    """

    def __init__(
        self,
        horizon_days: float,
        bands: Sequence[str],
        customers: Sequence[bytes],
        replay: bool,
        since_ms: Mapping[int, int],
    ) -> None:
        self._bands = [orjson.dumps(band) for band in bands]
        self._customers = customers
        self._since_ms = since_ms
        self._templates = _Templates(horizon_days, replay)

    def __call__(self, actions: Sequence[Action], message: Callable[[int], str | None]) -> list[ActionRecord]:
        """The record of each action, in order; `message` gives the message id of an event. About 10 µs each."""
        if not actions:
            return []
        numbers = orjson.dumps([number for action in actions for number in _numbers(action)])[1:-1].split(b",")
        told = zip(actions, reasons_of(actions), _customers(actions), strict=True)
        return [
            self._written(action, message, reasons, who, numbers[_NUMBERS * i : _NUMBERS * (i + 1)])
            for i, (action, reasons, who) in enumerate(told)
        ]

    def _written(
        self, action: Action, message: Callable[[int], str | None], reasons: bytes, who: bytes, numbers: list[bytes]
    ) -> ActionRecord:
        key, stamp = self._customers[action.row], from_ms(action.time_ms)
        customer, at = orjson.dumps(key.decode()), b'"%b"' % stamp.encode()
        name = f"{action.rule}/{action.number}/{name_of(key, self._since_ms.get(action.row))}"
        if action.object is not None:
            name += f"/{quote(action.object, safe='')}"
        (score, percentile, previous, model, warming_up, number, language_sure, hour, hour_sure, weekday, weekday_sure,
         channel_sure, coupon, shop) = numbers  # fmt: skip
        kind = _Kind(action.rule, action.rule_version, action.action_class, action.entered, action.withheld)
        carried = action.carried
        value = self._templates[kind] % (
            name.encode(), customer, at, customer, score, percentile, self._bands[action.band], previous, model, at,
            warming_up, reasons, number, _text(action.object),
            _text(message(action.event) if action.event >= 0 else None),
            orjson.dumps(carried.products), _text(carried.category), orjson.dumps(details_of(action)),
            _text(action.language and action.language[0]), language_sure, hour, hour_sure, weekday, weekday_sure,
            _CHANNELS[action.best.channel], channel_sure, _text(action.channel), coupon, _text(action.control),
            _time(action.not_before_ms), _time(action.expires_ms), shop, who,
        )  # fmt: skip
        topic = "actions-withheld" if action.withheld else f"actions-{action.rule}"
        return ActionRecord(topic, key, value, name, stamp)


def _customers(actions: Sequence[Action]) -> list[bytes]:
    kind, stage, group, *rest = np.array([action.who for action in actions], np.float64).T  # None becomes NaN
    who = Who(kind.astype(np.int64), stage.astype(np.int64), group.astype(np.int64), *rest)
    return customers_of(who, np.array([action.time_ms for action in actions], np.int64))


def _numbers(action: Action) -> tuple[float | bool | None, ...]:
    best = action.best
    return (
        action.score,
        action.percentile,
        action.previous,
        action.model_version,
        action.warming_up,
        action.number,
        action.language[1] if action.language else 0.0,
        best.hour,
        round(best.hour_confidence, DIGITS),
        best.weekday,
        round(best.weekday_confidence, DIGITS),
        round(best.channel_confidence, DIGITS),
        action.coupon,
        action.shop_version,
    )


def _text(said: str | None) -> bytes:
    return b"null" if said is None else orjson.dumps(said)


def _time(ms: int | None) -> bytes:
    return b"null" if ms is None else b'"%b"' % from_ms(ms).encode()


class _Templates(dict[_Kind, bytes]):
    """By what actions have in common: the record, with a place held for each value."""

    def __init__(self, horizon_days: float, replay: bool) -> None:
        super().__init__()
        self._horizon_days = horizon_days
        self._replay = replay

    def __missing__(self, kind: _Kind) -> bytes:
        data = {
            "customer_id": _HELD,
            "score": _HELD,
            "percentile": _HELD,
            "band": _HELD,
            "previous": _HELD,
            "horizon_days": self._horizon_days,
            "model_version": _HELD,
            "event_time": _HELD,
            "warming_up": _HELD,
            "reasons": _HELD,
            "rule": kind.rule,
            "rule_version": kind.version,
            "crossing": "entered" if kind.entered else "left",
            "crossing_number": _HELD,
            "object": _HELD,
            "trigger": _HELD,
            "products": _HELD,
            "category": _HELD,
            "details": _HELD,
            "language": _HELD,
            "language_confidence": _HELD,
            "best_hour": _HELD,
            "best_hour_confidence": _HELD,
            "best_weekday": _HELD,
            "best_weekday_confidence": _HELD,
            "best_channel": _HELD,
            "best_channel_confidence": _HELD,
            "channel": _HELD,
            "coupon": _HELD,
            "holdout": _HELD,
            "not_before": _HELD,
            "expires_at": _HELD,
            "action_class": kind.action_class,
            "replay": self._replay,
            "shop_version": _HELD,
            "customer": _HELD,
        }
        type_of, schema = "recompra.action", "action.v1"
        if kind.withheld:
            data["withheld"] = kind.withheld
            type_of, schema = "recompra.action.withheld", "action-withheld.v1"
        name = orjson.Fragment(b'"action/%b"')
        template = self[kind] = orjson.dumps(cloud_event(name, type_of, schema, _HELD, _HELD, data))
        return template

"""Action records: the CloudEvents of many actions, written into templates whose numbers are encoded all at once.

A dict an action, encoded by itself, takes three times as long. What changes a list that is an audience is told there,
too.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import groupby

import numpy as np
import orjson
from msgspec import Struct

from scoring.carried import NOTHING_CARRIED
from scoring.gates.channel import CHANNELS, Channel
from scoring.gates.holdout import GLOBAL, RULE
from scoring.outcome import Action, Scores
from streams.cloud_event import DIGITS, cloud_event, name_of, quoted
from streams.details import details_of
from streams.reasons import reasons_of
from streams.score_texts import PointTexts, ScoreTexts
from streams.stamps import stamps_of

__all__ = ["CROSSING", "ActionRecord", "ActionRecords"]

_HELD = orjson.Fragment(b"%b")
_CHANNELS = {channel: orjson.dumps(channel.name.lower()) for channel in Channel}
_CHANNEL_NAMES = {None: b"null"} | {name: orjson.dumps(name) for name in CHANNELS}
_CONTROLS = {None: b"null"} | {control: orjson.dumps(control) for control in (GLOBAL, RULE)}
_COUNTS = {None: b"null"} | {number: b"%d" % number for number in range(24)}
"""Hours and weekdays."""
_TRUTH = b"false", b"true"
CROSSING = "left", "entered"
"""What became of a list, by whether it was entered."""


class ActionRecord(Struct, frozen=True, gc=False):
    """A record, and the value of the one on `audiences` that goes with it, if one does."""

    topic: str
    key: bytes
    value: bytes
    audience: bytes | None


class _Point(Struct, frozen=True, gc=False):
    """What the actions at one point have in common: of the score, the customer as part of an id, and texts in JSON."""

    score: PointTexts
    name: bytes
    band: bytes
    trigger: bytes


class _Template(Struct, frozen=True, gc=False):
    """The topic of one kind of action and its record, and that of the audience (None: it is none).

    With a place held for each value.
    """

    topic: str
    action: bytes
    audience: bytes | None


_Kind = tuple[str, int, str, bool, bool, tuple[str, ...]]
"""What actions have in common that are written into one template: rule, its version and class, whether it is an
audience and was entered, and what withheld them.
"""


class ActionRecords:
    """Writes the records of one partition's actions.

    Parameters
    ----------
    horizon_days
        The horizon of the scores.
    bands
        Names of the bands, lowest first.
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
        replay: bool,
        since_ms: Mapping[int, int],
    ) -> None:
        self._bands = [orjson.dumps(band) for band in bands]
        self._since_ms = since_ms
        self._templates = _Templates(horizon_days, replay)

    def __call__(
        self,
        actions: Sequence[Action],
        texts_of: Callable[[Scores], ScoreTexts],
        message: Callable[[int], str | None],
    ) -> list[ActionRecord]:
        """The record of each action, in order; `message` gives the message id of an event. About 10 µs each.

        `texts_of` gives what is told of the scores that the actions are of.
        """
        records: list[ActionRecord] = []
        for _, some in groupby(actions, lambda action: id(action.scores)):
            together = list(some)
            records += self._of(together, texts_of(together[0].scores), message)
        return records

    def _of(self, actions: list[Action], texts: ScoreTexts, message: Callable[[int], str | None]) -> list[ActionRecord]:
        """The records of actions whose scores came together."""
        scores, places = actions[0].scores, [action.place for action in actions]
        distinct = list(dict.fromkeys(places))
        points = dict(zip(distinct, self._points(scores, distinct, texts, message), strict=True))
        intercepts = [points[place].score.intercept for place in places]
        reasons = reasons_of(scores.groups[places], intercepts, [action.before for action in actions])
        times = iter(_times(actions))
        shop = orjson.dumps(scores.shop_version)
        return [
            self._written(action, points[action.place], texts, reason, times, shop)
            for action, reason in zip(actions, reasons, strict=True)
        ]

    def _points(
        self, scores: Scores, places: list[int], texts: ScoreTexts, message: Callable[[int], str | None]
    ) -> Iterator[_Point]:
        """What is told of the point of each of these scores."""
        columns = (column[places].tolist() for column in (scores.row, scores.band, scores.event))
        for score, row, band, event in zip(texts.at(places), *columns, strict=True):
            yield _Point(
                score,
                name_of(score.key, self._since_ms.get(row)).encode(),
                self._bands[band],
                _text(message(event)) if event >= 0 else b"null",
            )

    def _written(
        self, action: Action, point: _Point, texts: ScoreTexts, reasons: bytes, times: Iterator[bytes], shop: bytes
    ) -> ActionRecord:
        score, best = point.score, action.best
        customer, stamp, number = score.customer, score.stamp, b"%d" % action.number
        if action.object is None:
            name, object_ = b"%b/%b" % (number, point.name), b"null"
        else:
            object_ = orjson.dumps(action.object)
            name = b"%b/%b/%b" % (number, point.name, quoted(action.object.encode()).encode())
        template = self._templates[
            action.rule, action.rule_version, action.action_class, action.audience, action.entered, action.withheld
        ]
        products, category, details = _carried(action)
        language, language_sure = _language(action.language)
        value = template.action % (
            name, customer, stamp, customer, score.score, score.percentile, point.band,
            score.previous, texts.model_version, stamp, texts.warming_up, reasons, number,
            object_, point.trigger, products, category, details, language, language_sure, _COUNTS[best.hour],
            _sure(best.hour_confidence), _COUNTS[best.weekday], _sure(best.weekday_confidence),
            _CHANNELS[best.channel], _sure(best.channel_confidence), _CHANNEL_NAMES[action.channel],
            _TRUTH[action.coupon], _CONTROLS[action.control],
            b"null" if action.not_before_ms is None else next(times),
            b"null" if action.expires_ms is None else next(times), shop, score.known,
        )  # fmt: skip
        audience = template.audience
        if audience is not None:
            audience %= name, customer, stamp, customer, number, object_, stamp, products
        return ActionRecord(template.topic, score.key, value, audience)


def _times(actions: Sequence[Action]) -> list[bytes]:
    """The times that actions tell, as JSON: of each before when not, and when it expires, where there is such a one."""
    told = [ms for action in actions for ms in (action.not_before_ms, action.expires_ms) if ms is not None]
    return [b'"%b"' % stamp for stamp in stamps_of(np.array(told, np.int64))]


def _carried(action: Action) -> tuple[bytes, bytes, bytes]:
    """Products, category and details."""
    carried = action.carried
    if carried is NOTHING_CARRIED:
        return b"[]", b"null", b"{}"
    return orjson.dumps(carried.products), _text(carried.category), orjson.dumps(details_of(action))


def _language(language: tuple[str, float] | None) -> tuple[bytes, bytes]:
    """A language, and how sure it is."""
    return (b"null", b"0.0") if language is None else (_text(language[0]), orjson.dumps(language[1]))


@lru_cache(maxsize=65_536)
def _sure(confidence: float) -> bytes:
    """A confidence, rounded; they are ratios of small numbers, so that few are new."""
    return orjson.dumps(round(confidence, DIGITS))


def _text(said: str | None) -> bytes:
    return b"null" if said is None else orjson.dumps(said)


class _Templates(dict[_Kind, _Template]):
    """Templates by what actions have in common."""

    def __init__(self, horizon_days: float, replay: bool) -> None:
        super().__init__()
        self._horizon_days = horizon_days
        self._replay = replay

    def __missing__(self, kind: _Kind) -> _Template:
        rule, version, action_class, is_audience, entered, withheld = kind
        told = self[kind] = _Template(
            "actions-withheld" if withheld else f"actions-{rule}",
            self._action(rule, version, action_class, entered, withheld),
            _audience(rule, version, entered, withheld) if is_audience and "replay" not in withheld else None,
        )
        return told

    def _action(self, rule: str, version: int, action_class: str, entered: bool, withheld: tuple[str, ...]) -> bytes:
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
            "rule": rule,
            "rule_version": version,
            "crossing": CROSSING[entered],
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
            "action_class": action_class,
            "replay": self._replay,
            "shop_version": _HELD,
            "customer": _HELD,
        }
        type_of, schema = "recompra.action", "action.v1"
        if withheld:
            data["withheld"] = withheld
            type_of, schema = "recompra.action.withheld", "action-withheld.v1"
        return orjson.dumps(cloud_event(_named("action", rule), type_of, schema, _HELD, _HELD, data))


def _audience(rule: str, version: int, entered: bool, withheld: tuple[str, ...]) -> bytes:
    """A list is what it is, whether or not its members may be written to; what is against that is told with it."""
    data = {
        "customer_id": _HELD,
        "audience": rule,
        "rule_version": version,
        "crossing": CROSSING[entered],
        "crossing_number": _HELD,
        "object": _HELD,
        "event_time": _HELD,
        "products": _HELD,
        "withheld": withheld,
    }
    name = _named("audience", rule)
    return orjson.dumps(cloud_event(name, "recompra.audience", "audience.v1", _HELD, _HELD, data))


def _named(what: str, rule: str) -> orjson.Fragment:
    """The id of what is told, with a place for all that comes after the rule."""
    return orjson.Fragment(b'"%b/%b/%%b"' % (what.encode(), rule.encode()))

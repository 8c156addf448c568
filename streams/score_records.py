"""Score records: the CloudEvents of many scores, put together by the column.

A dict a record, encoded by itself, takes four times as long.
"""

from collections.abc import Callable, Sequence
from itertools import chain

import numpy as np
import orjson

from scoring.features import GROUPS
from scoring.outcome import Scores
from streams.cloud_event import cloud_event, reason
from streams.score_texts import ScoreTexts
from streams.texts import Texts, merged, woven

__all__ = ["ScoreRecords"]

_PLACE = b"%b"
_HELD = orjson.Fragment(_PLACE)
_HELD_TEXT = orjson.Fragment(b'"%b"')


class ScoreRecords:
    """Writes the records of one partition's scores.

    Parameters
    ----------
    horizon_days
        The horizon of the scores.
    bands
        Names of the bands, lowest first.
    """

    def __init__(self, horizon_days: float, bands: Sequence[str]) -> None:
        self._bands = Texts.of([orjson.dumps(band) for band in bands])
        self._between = _record(horizon_days)

    def __call__(self, scores: Scores, texts: ScoreTexts, place: Callable[[int], bytes]) -> list[tuple[bytes, bytes]]:
        """Key and value of each score, in order; `place` names the record of an event. About 1.5 µs each."""
        columns: Sequence[bytes | Texts] = (
            _names(scores, texts, place), texts.customers, texts.stamps, texts.customers, texts.score,
            texts.percentile, self._bands[scores.band], texts.previous, texts.model_version, texts.stamps,
            texts.warming_up, texts.known, _reasons(texts), texts.intercepts,
        )  # fmt: skip
        first, *between = self._between
        pieces = chain([first], *zip(columns, between, strict=True))
        return list(zip(texts.keys, woven(len(texts.keys), list(pieces)).bytes(), strict=True))


def _names(scores: Scores, texts: ScoreTexts, place: Callable[[int], bytes]) -> Texts:
    """What tells the scores from all others: the record of the event, or customer and time where time alone was it."""
    timed = scores.event < 0
    times = Texts.of_numbers(scores.time_ms[timed])
    by_time = woven(len(times), [texts.customers[timed].inner(), b"/", times])
    return merged(timed, by_time, Texts.of([place(event) for event in scores.event[~timed].tolist()]))


def _reasons(texts: ScoreTexts) -> Texts:
    """What groups add something, and how much; each with a comma behind it, as the intercept follows."""
    named = texts.groups != 0.0
    told = woven(
        int(named.sum()), [_GROUPS[np.nonzero(named)[1]], Texts.of_numbers(texts.groups[named]), _UNCHANGED + b","]
    )
    return told.runs(named.sum(axis=1))


def _record(horizon_days: float) -> list[bytes]:
    """What stands before, between and behind the values of a record."""
    data = {
        "customer_id": _HELD,
        "score": _HELD,
        "percentile": _HELD,
        "band": _HELD,
        "previous": _HELD,
        "horizon_days": horizon_days,
        "model_version": _HELD,
        "event_time": _HELD_TEXT,
        "warming_up": _HELD,
        "customer": _HELD,
        "reasons": [orjson.Fragment(_PLACE + orjson.dumps(reason("intercept", _HELD, None)))],
    }
    event = cloud_event(orjson.Fragment(b'"score/%b"'), "recompra.score", "score.v1", _HELD, _HELD_TEXT, data)
    return orjson.dumps(event).split(_PLACE)


_GROUPS = Texts.of([orjson.dumps(reason(name, _HELD, None)).split(_PLACE)[0] for name, _, _ in GROUPS])
_UNCHANGED = orjson.dumps(reason("", _HELD, None)).split(_PLACE)[1]

"""Score records: the CloudEvents of many scores, put together by the column."""

from collections.abc import Callable, Sequence

import numpy as np
import orjson

from scoring.features import GROUPS
from scoring.outcome import Scores
from streams.cloud_event import cloud_event, reason
from streams.score_texts import ScoreTexts
from streams.texts import HELD, HELD_TEXT, Texts, filled, merged, pieces_of, woven

__all__ = ["ScoreRecords"]


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
        self._record = _record(horizon_days)

    def __call__(self, scores: Scores, texts: ScoreTexts, place: Callable[[int], bytes]) -> list[tuple[bytes, bytes]]:
        """Key and value of each score, in order; `place` names the record of an event. About 1.5 µs each."""
        columns: list[bytes | Texts] = [
            _names(scores, texts, place), texts.customers, texts.stamps, texts.customers, texts.score,
            texts.percentile, self._bands[scores.band], texts.previous, texts.model_version, texts.stamps,
            texts.warming_up, texts.known, _reasons(texts),
        ]  # fmt: skip
        told = woven(len(texts.keys), filled(self._record, columns))
        return list(zip(texts.keys, told.bytes(), strict=True))


def _names(scores: Scores, texts: ScoreTexts, place: Callable[[int], bytes]) -> Texts:
    """What tells the scores from all others: the record of the event, or customer and time where time alone was it."""
    timed = scores.event < 0
    times = Texts.of_numbers(scores.time_ms[timed])
    by_time = woven(len(times), [texts.customers[timed].inner(), b"/", times])
    return merged(timed, by_time, Texts.of([place(event) for event in scores.event[~timed].tolist()]))


def _reasons(texts: ScoreTexts) -> Texts:
    """The list of what groups add something and how much, and the intercept."""
    named = texts.groups != 0.0
    groups: list[bytes | Texts] = [
        _GROUPS[np.nonzero(named)[1]],
        Texts.of_numbers(texts.groups[named]),
        _UNCHANGED + b",",
    ]
    told = woven(int(named.sum()), groups).runs(named.sum(axis=1))
    return woven(len(named), [b"[", told, _INTERCEPT, texts.intercepts, _UNCHANGED + b"]"])


def _record(horizon_days: float) -> list[bytes]:
    """What stands before, between and behind the values of a record."""
    data = {
        "customer_id": HELD,
        "score": HELD,
        "percentile": HELD,
        "band": HELD,
        "previous": HELD,
        "horizon_days": horizon_days,
        "model_version": HELD,
        "event_time": HELD_TEXT,
        "warming_up": HELD,
        "customer": HELD,
        "reasons": HELD,
    }
    event = cloud_event(orjson.Fragment(b'"score/%b"'), "recompra.score", "score.v1", HELD, HELD_TEXT, data)
    return pieces_of(event)


_NAMED = [pieces_of(reason(name, HELD, None)) for name in (*(name for name, _, _ in GROUPS), "intercept")]
_GROUPS, (_INTERCEPT, _UNCHANGED) = Texts.of([before for before, _ in _NAMED[:-1]]), _NAMED[-1]

"""Score records: the CloudEvents of many scores, written from columns."""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import orjson

from scoring.outcome import Scores
from streams.cloud_event import cloud_event
from streams.json_columns import HELD, HELD_TEXT, Piece, Wholes, filled, pieces_of, written
from streams.reasons import reasons_of
from streams.score_texts import ScoreTexts, score_fields
from streams.texts import Texts, either

__all__ = ["Causes", "ScoreRecords"]

Int = npt.NDArray[np.int64]
Causes = Callable[[Int], tuple[Int, Int]]
"""Gives input and offset of the records of events."""


class ScoreRecords:
    """Writes the records of one partition's scores.

    Parameters
    ----------
    inputs
        How each input of the partition stands in the names of its records.
    horizon_days
        The horizon of the scores.
    bands
        Names of the bands, lowest first.
    """

    def __init__(self, inputs: Sequence[str], horizon_days: float, bands: Sequence[str]) -> None:
        self._inputs = Texts.of([name.encode() for name in inputs])
        self._bands = Texts.of([orjson.dumps(band) for band in bands])
        self._record = _record(horizon_days)

    def __call__(self, scores: Scores, texts: ScoreTexts, causes: Causes) -> list[bytes]:
        """The record of each score, in order. About 1.7 µs each."""
        columns: list[Piece | list[Piece]] = [
            *self._names(scores, texts, causes), texts.customers, texts.stamps,
            *texts.columns(self._bands[scores.band]), texts.known, reasons_of(texts.groups, texts.intercepts),
        ]  # fmt: skip
        return written(len(texts.keys), filled(self._record, columns))

    def _names(self, scores: Scores, texts: ScoreTexts, causes: Causes) -> tuple[Texts, Texts, Wholes]:
        """What tells a score from all others: the record of the event, or customer and time where time alone was it."""
        timed = scores.event < 0
        numbers, inputs = scores.time_ms.copy(), np.zeros(len(timed), np.int64)
        inputs[~timed], numbers[~timed] = causes(scores.event[~timed])
        return (
            either(timed, texts.customers, self._inputs[inputs]),
            _DASH_OR_SLASH[timed.astype(np.int64)],
            Wholes(numbers),
        )


def _record(horizon_days: float) -> list[bytes]:
    """What stands before, between and behind the values of a record."""
    data = {**score_fields(horizon_days), "customer": HELD, "reasons": HELD}
    name = orjson.Fragment(b'"score/%b%b%b"')
    return pieces_of(cloud_event(name, "recompra.score", "score.v1", HELD_TEXT, HELD, data))


_DASH_OR_SLASH = Texts.of([b"-", b"/"])

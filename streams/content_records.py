"""Content records: the CloudEvents of what sites show many customers, put together by the column.

A dict a record, encoded by itself, takes four times as long.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import orjson

from scoring.content import STAGES
from scoring.outcome import Content
from streams.cloud_event import cloud_event, name_of
from streams.stamps import stamp_texts
from streams.texts import HELD, HELD_TEXT, Texts, filled, pieces_of, woven

__all__ = ["ContentRecords"]

_TRUTH = Texts.of([b"false", b"true"])
_STAGES = Texts.of([orjson.dumps(stage) for stage in STAGES])


class ContentRecords:
    """Writes the records of what one partition's customers are shown.

    Parameters
    ----------
    bands
        Names of the bands, lowest first.
    since_ms
        By row of somebody who was forgotten and came again, when that was: decisions are numbered anew, and their ids
        must be others.
    """

    def __init__(self, bands: Sequence[str], since_ms: Mapping[int, int]) -> None:
        self._bands = Texts.of([orjson.dumps(band) for band in bands])
        self._segments = Texts.of([orjson.dumps(f"{stage}-{band}") for stage in STAGES for band in bands])
        self._since_ms = since_ms

    def __call__(self, contents: Sequence[Content], customers: Sequence[bytes]) -> list[tuple[bytes, bytes]]:
        """Key and value of each, in order; `customers` are ids by row. About 3 µs each."""
        rows, times_ms, numbers, stages, bands, categories, products, coupons, models, shops = zip(
            *contents, strict=True
        )
        n, keys = len(contents), [customers[row] for row in rows]
        names = [name_of(key, self._since_ms.get(row)).encode() for key, row in zip(keys, rows, strict=True)]
        told = Texts.of([orjson.dumps(key.decode()) for key in keys])
        stamps, counts = stamp_texts(np.array(times_ms, np.int64)), Texts.of_numbers(np.array(numbers, np.int64))
        band, stage = np.array(bands, np.int64), np.array([STAGES.index(stage) for stage in stages], np.int64)
        columns: list[bytes | Texts] = [
            counts, Texts.of(names), told, stamps, told, counts, self._segments[stage * len(self._bands) + band],
            _STAGES[stage], self._bands[band], _lists(categories), _lists(products),
            _TRUTH[np.array(coupons, np.int64)], stamps, Texts.of_numbers(np.array(models, np.int64)),
            Texts.of_numbers(np.array(shops, np.int64)),
        ]  # fmt: skip
        return list(zip(keys, woven(n, filled(_RECORD, columns)).bytes(), strict=True))


def _lists(lists: Sequence[list[str]]) -> Texts:
    return Texts.of([orjson.dumps(one) for one in lists])


def _record() -> list[bytes]:
    """What stands before, between and behind the values of a record."""
    data: dict[str, Any] = {
        "customer_id": HELD,
        "version": HELD,
        "segment": HELD,
        "stage": HELD,
        "band": HELD,
        "categories": HELD,
        "products": HELD,
        "coupon": HELD,
        "event_time": HELD_TEXT,
        "model_version": HELD,
        "shop_version": HELD,
    }
    name = orjson.Fragment(b'"content/%b/%b"')
    return pieces_of(cloud_event(name, "recompra.content", "content.v1", HELD, HELD_TEXT, data))


_RECORD = _record()

"""History: all events of some files in the order in which they happened, ready to be decoded."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from scoring.kernel import Events
from scoring.kinds import N_INPUTS
from scoring.sides import Detail
from streams.decoding import Decoded
from streams.loading import Ready

__all__ = ["History", "Past", "Run", "merged"]

_SOURCES = {"clickstream": 0, "orders": 1, "customers": 2}


class Past(NamedTuple):
    """A record of history, as a worker would have fetched it."""

    offset: int
    timestamp: int
    key: bytes
    value: bytes


class Run(NamedTuple):
    """Records that follow each other in time, by source, and the place of each in that order."""

    records: tuple[list[Past], ...]
    places: tuple[list[int], ...]


class History:
    """Events sorted by time; those of one time stay in the order in which they were read.

    Held in memory as JSON: about 0.6 KB an event.
    """

    def __init__(self, events: Iterable[Ready]) -> None:
        times: list[int] = []
        sources: list[int] = []
        keys: list[bytes] = []
        values: list[bytes] = []
        for event in events:
            times.append(event.time_ms)
            sources.append(_SOURCES[event.topic])
            keys.append(event.key)
            values.append(event.value)
        time_ms = np.array(times, np.int64)
        order = np.argsort(time_ms, kind="stable")
        self.time_ms = time_ms[order]
        self._order = order.tolist()
        self._sources, self._keys, self._values = sources, keys, values
        self._offsets = [0] * N_INPUTS

    def __len__(self) -> int:
        return len(self._order)

    def before(self, time_ms: int) -> int:
        """How many events happened before a time."""
        return int(np.searchsorted(self.time_ms, time_ms, side="left"))

    def take(self, start: int, stop: int) -> Run:
        """The events from `start` to before `stop`; call it in order, each event once."""
        records: tuple[list[Past], ...] = tuple([] for _ in range(N_INPUTS))
        places: tuple[list[int], ...] = tuple([] for _ in range(N_INPUTS))
        for place in range(start, stop):
            i = self._order[place]
            source = self._sources[i]
            time = int(self.time_ms[place])
            records[source].append(Past(self._offsets[source], time, self._keys[i], self._values[i]))
            places[source].append(place - start)
            self._offsets[source] += 1
            self._values[i] = b""  # read once; a long history need not be held to its end
        return Run(records, places)


def merged(decoded: Sequence[Decoded], places: Sequence[Sequence[int]]) -> tuple[Events, dict[int, Detail]]:
    """Put what was decoded source by source back into one order, by the places of the records."""
    if len(decoded) == 1:
        return decoded[0].events, decoded[0].details
    at = np.array([where[place] for one, where in zip(decoded, places, strict=True) for place in one.places])
    order = np.argsort(at, kind="stable")
    events = Events._make(
        np.concatenate(columns)[order] for columns in zip(*(one.events for one in decoded), strict=True)
    )
    now_at = np.empty_like(order)
    now_at[order] = np.arange(len(order))
    details: dict[int, Detail] = {}
    start = 0
    for one in decoded:
        details.update((int(now_at[start + i]), detail) for i, detail in one.details.items())
        start += len(one.places)
    return events, details

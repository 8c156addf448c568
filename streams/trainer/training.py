"""Training: records of `examples` in, versions of the model out, whatever is read twice.

What comes out is a function of the records and their offsets alone. So a trainer that died goes on from its
newest version as if it had not, and two that run at once by mistake publish the same.
"""

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import replace

from scoring.learner import Learner
from scoring.model import Example, Snapshot
from scoring.profile import NEVER

__all__ = ["Training"]


class Training:
    """Holds examples until every partition's watermark has passed them, and learns them by the boundary.

    Boundaries are the multiples of `every_ms` in event time. When the least watermark reaches one, what was
    resolved before it is learned in order of (resolved, id), and the model is in force from the boundary on.

    Parameters
    ----------
    learner
        New, or resumed from `newest`.
    every_ms
        Event time between versions.
    newest
        The version that the learner was resumed from.

    Attributes
    ----------
    required
        Partitions that are waited for although they have not told a watermark yet.
    read_offset
        Of the last record taken; -1 before the first.
    """

    def __init__(self, learner: Learner, every_ms: int, newest: Snapshot | None = None) -> None:
        self.learner = learner
        self.every_ms = every_ms
        self.required: frozenset[int] = frozenset()
        self.watermarks: dict[int, int] = dict(newest.watermarks) if newest else {}
        self.read_offset = -1
        self._complete_from = newest.read_offset if newest else -1
        self._held: list[tuple[int, str, int, Example]] = []
        self._ids: set[tuple[int, str]] = set()

    @property
    def least_ms(self) -> int:
        """The least watermark; `NEVER` while a partition that is waited for has told none."""
        if not self.watermarks or self.required - self.watermarks.keys():
            return NEVER
        return min(self.watermarks.values())

    @property
    def held(self) -> int:
        """How many examples wait for a watermark."""
        return len(self._held)

    def example(self, offset: int, example: Example) -> None:
        """Hold an example; one that is held or learned already is let go. O(log n)."""
        self.read_offset = offset
        key = example.resolved_ms, example.id
        if example.resolved_ms <= self.learner.learned_ms:
            self.learner.skipped += 1
        elif key not in self._ids:
            self._ids.add(key)
            heapq.heappush(self._held, (*key, offset, example))

    def watermark(self, offset: int, partition: int, watermark_ms: int) -> Iterator[Snapshot]:
        """Take a partition's watermark and yield the versions that are complete by it, each before the next.

        Must be run to its end before the next record. What is read again below the offset at which the version
        resumed from was taken yields nothing: there the examples held are not yet all those held then.
        """
        self.read_offset = offset
        self.watermarks[partition] = max(self.watermarks.get(partition, NEVER), watermark_ms)
        if offset < self._complete_from:
            return
        yield from self._complete(offset)

    def _complete(self, offset: int) -> Iterator[Snapshot]:
        least = self.least_ms
        while self._held:
            boundary = (self._held[0][0] // self.every_ms + 1) * self.every_ms
            if least < boundary - 1:
                return
            if self.learner.learn(list(self._before(boundary))):
                yield self._snapshot(boundary, offset)

    def _before(self, boundary: int) -> Iterable[Example]:
        while self._held and self._held[0][0] < boundary:
            resolved_ms, name, _, example = heapq.heappop(self._held)
            self._ids.discard((resolved_ms, name))
            yield example

    def _snapshot(self, boundary: int, offset: int) -> Snapshot:
        resume = min((held[2] for held in self._held), default=offset + 1)
        return replace(
            self.learner.snapshot(boundary, boundary - 1),
            resume_offset=resume,
            read_offset=offset,
            watermarks=dict(self.watermarks),
        )

"""Standing: how far each partition says it has come, and what became of every record it read."""

from collections import Counter

import msgspec

from schemas.internals import Counters, Progress

__all__ = ["OUTCOMES", "Standing"]

OUTCOMES = tuple(name for name in Counters.__struct_fields__ if name != "read")
"""What can become of a record; the counts add up to the records read."""


class Standing:
    """Reads the `progress` topic.

    Parameters
    ----------
    partitions
        Of each input topic.
    """

    def __init__(self, partitions: int) -> None:
        self._newest: dict[int, Progress] = {}
        self._partitions = partitions
        self._decoder = msgspec.json.Decoder(Progress)

    def observe(self, value: bytes) -> None:
        """Take one record of `progress` in; an older one than is known changes nothing.

        Raises
        ------
        msgspec.DecodeError
            If it is not a progress record.
        """
        record = self._decoder.decode(value)
        known = self._newest.get(record.partition)
        if known is None or record.sequence >= known.sequence:
            self._newest[record.partition] = record

    @property
    def watermark_ms(self) -> int:
        """Event time that every partition has passed; 0 until all have told theirs."""
        told = [record.watermark_ms for record in self._newest.values() if record.watermark_ms is not None]
        return min(told) if len(told) == self._partitions else 0

    @property
    def read(self) -> int:
        """Records read by all partitions, each with a known outcome."""
        return sum(self.outcomes().values())

    def outcomes(self) -> Counter[str]:
        """Return how many records ended in each outcome."""
        total: Counter[str] = Counter(dict.fromkeys(OUTCOMES, 0))
        for record in self._newest.values():
            for name in OUTCOMES:
                total[name] += getattr(record.counters, name)
        return total

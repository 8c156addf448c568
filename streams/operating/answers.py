"""Answers: the receipts of one request to forget somebody, which each partition that has an id of theirs writes."""

from collections import defaultdict
from typing import Any

import orjson

__all__ = ["Answers"]


class Answers:
    """Collects them, and says which are still to come.

    Parameters
    ----------
    request
        The request's id.
    partition
        That of the id which was asked for.
    whose
        Keyed hash of that id; None where it is not known, so that any receipt of the partition is taken for its own.
    """

    def __init__(self, request: str, partition: int, whose: str | None) -> None:
        self.request, self._partition, self._whose = request, partition, whose
        self._told: dict[bytes, Any] = {}

    def take(self, key: bytes | None, value: bytes | None) -> None:
        """Take a record of `receipts`; of another request it changes nothing."""
        if value is not None and (key or b"").decode().rpartition("/")[0] == self.request:
            self._told[key or b""] = orjson.loads(value)

    @property
    def found(self) -> list[Any]:
        """The receipt of the id, then those of others that went with it; [] as long as its own is not there."""
        own = self._of(self._partition, self._whose)
        if own is None:
            return []
        received_at = own["data"]["received_at"]  # a request keeps its time wherever it is passed on to
        same = [event for event in self._told.values() if event["data"]["received_at"] == received_at]
        return sorted(same, key=lambda event: (event is not own, event["data"]["partition"], event["id"]))

    @property
    def missing(self) -> dict[int, list[str]]:
        """By partition the hashes of ids that were passed on, and whose receipts are not there yet."""
        passed_on = [
            (told["partition"], told["customer"]) for one in self.found for told in one["data"].get("passed_on", ())
        ]
        missing = defaultdict[int, list[str]](list)
        for partition, whose in sorted(set(passed_on)):
            if self._of(partition, whose) is None:
                missing[partition].append(whose)
        return dict(missing)

    @property
    def complete(self) -> bool:
        """Whether no more is waited for."""
        return bool(self.found) and not self.missing

    def _of(self, partition: int, whose: str | None) -> Any | None:
        """The receipt of a partition that says what became of an id; one of its own goes before one that names it."""
        here = [event for event in self._told.values() if event["data"]["partition"] == partition]
        own = [event for event in here if whose in (None, event["data"]["customer"])]
        return next(iter([*own, *(event for event in here if whose in event["data"]["others"])]), None)

"""Receipts: what is on the topic of that name, and who is not to be told of again by it."""

from collections.abc import Callable, Iterable
from typing import Any

import orjson

from schemas.timestamp import to_ms
from scoring.erased import NOWHERE, Erased, Erasure, Removed, Request, together
from streams.connection import reader
from streams.ends import records_to_end
from streams.erasing import RECEIPTS, erasure_key
from streams.operating.lag import partitions_of
from streams.outbox import INPUTS
from streams.settings import Settings

__all__ = ["IsErased", "erased_on", "erased_since", "receipts"]


IsErased = Callable[[bytes | None, int], bool]


def receipts(settings: Settings) -> list[Any]:
    """Return the receipts that are on the broker, the last of each request; [] where there is no such topic.

    Raises
    ------
    BrokerUnreachableError
        If no broker answers.
    """
    found: dict[bytes, Any] = {}
    with reader(settings) as consumer:
        for place in partitions_of(consumer, (RECEIPTS,)):
            for record in records_to_end(consumer, place):
                if record.value is not None:
                    found[record.key or b""] = orjson.loads(record.value)
    return list(found.values())


def erased_since(settings: Settings, *, for_sure: bool = False) -> IsErased:
    """Return what says whether a record of a key, received at a time or of that time, is of somebody who is forgotten.

    Without `erasure_key` nobody is known to be; `for_sure` refuses to go on so where somebody is.

    Raises
    ------
    BrokerUnreachableError
        If no broker answers.
    scoring.erased.KeyMismatchError
        If the receipts were written with another key, or for sure with any, and there is none.
    """
    erased = Erased(erasure_key(settings))
    if for_sure or erased.has_key:
        erased.take(erased_on(receipts(settings)))
    return lambda key, ms: key is not None and erased.at_ms(key) >= max(ms, 1)


def erased_on(found: Iterable[Any], partition: int | None = None) -> dict[bytes, Erasure]:
    """Return who was forgotten, by hash, as a unit of a partition number takes it; offsets are of that one only.

    What was refused may be known to one partition alone, and holds for all ids of the person.
    """
    told = dict[bytes, Erasure]()
    every = [event["data"] for event in sorted(found, key=lambda event: (event["time"], event["id"]))]
    every = [data for data in every if not data["another"]]
    refused = {(data["request_id"], data["received_at"]) for data in every if data["refused"]}
    for data in every:
        read = data["offsets"] if data["partition"] == partition else dict.fromkeys(INPUTS, 0)
        request, at_ms = Request(data["request_id"], NOWHERE, NOWHERE, Removed()), to_ms(data["received_at"])
        for name in map(bytes.fromhex, (data["customer"], *data["others"])):
            offsets = [read[topic] for topic in INPUTS]
            if name in told and told[name].at_ms == at_ms:  # the same request, on another partition
                offsets = list(map(max, offsets, told[name].offsets))
            no = (data["request_id"], data["received_at"]) in refused
            told[name] = together(told.get(name), Erasure(at_ms, offsets, no, data["key"], [request]))
    return told

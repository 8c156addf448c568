"""Another key than customers were forgotten under: nobody would be recognised, so that it is said first."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import msgspec
import orjson
import pytest
from kafka import TopicPartition

from scoring.erased import Erased, Erasure, KeyMismatchError
from scoring.stored import ERASED
from streams.operating import forgetting, whatis
from streams.settings import Settings

OURS, THEIRS = "a key of sixteen letters", "another, of sixteen letters"


def stored(key: str, customer: bytes) -> tuple[bytes, bytes]:
    erased = Erased(key.encode())
    return ERASED + erased.hash(customer), msgspec.msgpack.encode(Erasure(1, [0, 0, 0], True, erased.key))


def receipt(key: str) -> bytes:
    data = {"request_id": "r", "customer": Erased(key.encode()).hash(b"ann").hex(), "others": [], "partition": 0,
            "key": Erased(key.encode()).key, "received_at": "2024-05-01T09:30:00.000Z", "another": False,
            "refused": False, "offsets": dict.fromkeys(("clickstream", "orders", "customers"), 0)}  # fmt: skip
    return orjson.dumps({"id": "receipt/r", "time": "2024-05-01T09:30:00.000Z", "data": data})


@pytest.mark.parametrize("customer", [b"ann", b"bob"])
def test_what_is_held_is_not_told_without_whether_somebody_was_erased(
    customer: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever is asked for, an access request is not answered as if nobody had been."""

    async def read(_: Settings, __: int, take: Callable[[Sequence[bytes], Sequence[bytes]], None], **___: Any) -> None:
        take(*zip(stored(THEIRS, b"ann"), strict=True))

    monkeypatch.setattr(whatis, "read_changelog", read)
    with pytest.raises(KeyMismatchError, match="RECOMPRA_ERASURE_KEY"):
        asyncio.run(whatis._rows(Settings(erasure_key=OURS), 0, customer, committed=True))
    rows = asyncio.run(whatis._rows(Settings(erasure_key=THEIRS), 0, customer, committed=True))
    assert list(rows) == [stored(THEIRS, b"ann")[0]] * (customer == b"ann")
    assert asyncio.run(whatis._rows(Settings(), 0, customer, committed=True)) == {}, "without a key nobody is known"


def test_a_request_whose_receipt_would_not_be_known_is_not_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be done all the same, and its receipt waited for in vain."""
    published: list[bytes] = []
    consumer = SimpleNamespace(assign=lambda _: None, seek=lambda *_: None)
    monkeypatch.setattr(forgetting, "reader", lambda _: nullcontext(consumer))
    monkeypatch.setattr(forgetting, "check_partitions", lambda *_: None)
    monkeypatch.setattr(forgetting, "partitions_of", lambda _, topics: [TopicPartition(topics[0], 0)])
    monkeypatch.setattr(forgetting, "ends", lambda _, places: dict.fromkeys(places, 1))
    monkeypatch.setattr(
        forgetting, "records_to_end", lambda *_: [SimpleNamespace(key=b"r/customer", value=receipt(THEIRS))]
    )
    monkeypatch.setattr(forgetting, "_publish", lambda *given: published.append(given[2]))
    monkeypatch.setattr(forgetting, "_wait", lambda *_: None)
    with pytest.raises(KeyMismatchError, match="RECOMPRA_ERASURE_KEY"):
        forgetting.forget(Settings(erasure_key=OURS), "bob", "r-2", None, 1.0)
    assert published == []
    forgetting.forget(Settings(erasure_key=THEIRS), "bob", "r-2", None, 1.0)
    forgetting.forget(Settings(), "bob", "r-2", None, 1.0)
    assert published == [b"bob", b"bob"]

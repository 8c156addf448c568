"""Records of the inputs, of versions and of the state: what is read of them, and what is not."""

import json
from typing import Any, NamedTuple

import pytest

from schemas.accepted import refused
from scoring.profile import HOUR_MS, stable_hash
from scoring.shop.observations import Bought, Line, Offered
from scoring.shop.settings import ShopSettings
from scoring.shop.shop import Shop, Version
from scoring.shop.snapshot import ShopSnapshot, SnapshotPartError
from streams.shop.kept import parts_by_version
from streams.shop.reading import Reading, customers_to_forget
from streams.shop.snapshots import Assembly
from streams.shop.wire import newest_state, read_part, state_records, version_records

START = 1_700_000_000_000 // HOUR_MS * HOUR_MS
STAMP = "2023-11-14T22:00:00.000Z"


class Fetched(NamedTuple):
    """A record as a consumer gives it."""

    key: bytes | None
    value: bytes | None
    timestamp: int = -1


def call(event: str | None, properties: Any, key: str = "ann", **more: Any) -> Fetched:
    """A Segment call of a customer."""
    said = {"type": "track", "event": event, "messageId": "m1", "timestamp": STAMP, "userId": "ann"}
    return Fetched(key.encode(), json.dumps({**said, "properties": properties, **more}).encode())


def read(*records: Fetched) -> tuple[list[Any], int]:
    """What is read of records, and how many were refused."""
    count: list[int] = []
    return list(Reading(600_000, count.append)(records)), sum(count)


def test_orders_and_what_was_seen_are_read() -> None:
    """An order's lines that were bought, a product that was seen with its price; other events only tell the time."""
    lines = [
        {"product_id": "tea", "price": 5, "quantity": 2, "category": "kitchen"}, {"sku": "cup", "price": -1},
        {"product_id": "back", "quantity": -1}, {"price": 3},
    ]  # fmt: skip
    events, bad = read(
        call("Order Completed", {"order_id": 7, "products": lines}),
        call("Product Viewed", {"product_id": "tea", "price": 4.5}),
        call("Product Removed", {"product_id": "tea", "price": 9}),
        call("Something else", {"product_id": "tea"}),
        call("Something else", {"product_id": ["tea"]}),
    )
    bought = Bought(START, "m1", "7", stable_hash(b"ann"), (Line("tea", 5.0, "kitchen"), Line("cup", None, None)))
    assert events == [(START, bought), (START, Offered(START, "m1", (Line("tea", 4.5, None),))), (START, None)]
    assert bad == 0


@pytest.mark.parametrize(
    "record",
    [
        Fetched(b"ann", b"{"),
        Fetched(b"ann", None),
        call("Order Completed", {"products": []}),
        call("Product Viewed", {"product_id": "tea"}, key="bob"),
        call("Product Viewed", {"product_id": "tea"}, timestamp="yesterday"),
        call("Product Viewed", {"product_id": "tea"})._replace(timestamp=START - HOUR_MS),
    ],
)
def test_what_a_worker_refuses_says_nothing(record: Fetched) -> None:
    """No JSON, no order id, another's key, no time, a time after its receipt: counted, and left out."""
    assert read(record) == ([], 1)


def test_deletions_are_read() -> None:
    """By the hash that orders are read with; what is no request is counted."""
    value = {"request_id": "r1", "customer_id": "ann", "requested_at": STAMP}
    count: list[int] = []
    records = [Fetched(b"ann", json.dumps(value).encode()), Fetched(b"x", b"{}"), Fetched(b"x", None)]
    assert customers_to_forget(records, count.append) == [stable_hash(b"ann")]
    assert sum(count) == 2


def versions() -> list[Version]:
    """Two versions; the second has more than one part."""
    shop = Shop(ShopSettings(), ["p"])
    shop.take("p", 1, [(START, Bought(START, "m", "o", 1, (Line("tea"), Line("cup"))))])
    names = [f"{i:06d}" + "n" * 200 for i in range(3_000)]
    later = START + HOUR_MS
    shop.take("p", 2, [(later, Offered(later, name, (Line(name, 1.0),))) for name in names])
    shop.take("p", 3, [(START + 9 * HOUR_MS, None)])
    return list(shop.complete())


def test_versions_are_put_together_from_their_records() -> None:
    """Whatever order the parts come in, and between parts of other versions; each is valid by its schema."""
    records = [record for version in versions() for record in version_records(version)]
    assert len(records) > 2
    assert all(refused("products.v1", value or b"") is None for _, value in records)
    assembly, found = Assembly(2), []
    for _, value in reversed(records):
        parts = assembly.add(read_part(value or b""))
        if parts is not None:
            found.append(ShopSnapshot(parts[0].version, parts[0].effective_ms, [part.data for part in parts]))
    assert [(one.version, one.effective_ms) for one in found] == [(2, START + 2 * HOUR_MS), (1, START + HOUR_MS)]
    assert found[1].companions("tea", 3) == ["cup"]
    assert len(found[0]) == 3_002
    assert parts_by_version({key: value or b"" for key, value in records}) == {1: 1, 2: len(records) - 1}
    assert parts_by_version({key: value or b"" for key, value in records[:-1]}) == {1: 1}


def test_what_is_no_part_is_refused() -> None:
    """With the reason."""
    [_, value], *_ = version_records(versions()[0])
    for wrong in (
        b"{}",
        (value or b"").replace(b'"part":0', b'"part":1'),
        (value or b"").replace(b'"snapshot":"', b'"snapshot":"*'),
    ):
        with pytest.raises(SnapshotPartError):
            read_part(wrong)


def test_the_newest_whole_copy_of_the_state_is_gone_on_from() -> None:
    """A copy that was cut off leaves the one before; parts beyond a shorter copy are deleted."""
    topic: dict[bytes, bytes] = {}

    def write(saved: int, state: bytes, before: int, stop: int | None = None) -> int:
        records = state_records(saved, state, before)
        for key, value in records[:stop]:
            topic.pop(key, None) if value is None else topic.update({key: value})
        assert all(value is None or refused("shop-state.v1", value) is None for _, value in records)
        return sum(value is not None for _, value in records)

    import random

    great = random.Random(1).randbytes(1_500_000)
    assert newest_state(topic) is None
    assert write(1, great, 0) == 3
    assert newest_state(topic) == (1, great)
    write(2, b"second", 0)
    assert newest_state(topic) == (2, b"second")
    write(3, great[1:], 3, stop=2)
    assert newest_state(topic) == (2, b"second")
    write(3, b"third", 3)
    assert newest_state(topic) == (3, b"third")
    assert len(topic) == 2

"""Erasing: requests to forget a customer as they are read, and the receipt that is written of each."""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from schemas.internals import Deletion
from schemas.refusal import DECODE_ERRORS, Refusal, from_validation_error, shown
from schemas.timestamp import from_ms
from schemas.topics import FOREVER, TopicSpec, load_topics
from scoring.erased import Removed
from streams.cloud_event import cloud_event
from streams.limits import Limits, too_large
from streams.outbox import TRANSFERS_DAYS
from streams.settings import Settings

__all__ = ["RECEIPTS", "TOMBSTONES", "erasure_key", "read_request", "receipt", "remains"]

RECEIPTS: Final = "receipts"
TOMBSTONES: Final = ("scores", "content")
"""Compacted topics on which the latest record of somebody forgotten is deleted."""
_DAY_MS: Final = 86_400_000

_decode = msgspec.json.Decoder(Deletion).decode


def erasure_key(settings: Settings) -> bytes:
    """Return what the hashes of erased ids are keyed with; empty where it is not set."""
    return b"" if settings.erasure_key is None else settings.erasure_key.get_secret_value().encode()


def read_request(key: bytes | None, value: bytes | None, limits: Limits) -> Deletion | Refusal:
    """Return the request that a record of `deletions` holds, or why it is refused."""
    if value is not None and len(value) > limits.max_record_bytes:
        return too_large(value, limits.max_record_bytes)
    try:
        request = _decode(value or b"")
        whose = request.customer_id.encode()
    except DECODE_ERRORS as error:
        return from_validation_error(error, value)
    except UnicodeEncodeError:
        return Refusal("customer_id", "", "is not text that UTF-8 can write", "send valid Unicode", "encoding")
    if len(whose) > limits.max_id_bytes:
        remedy = f"send ids of at most {limits.max_id_bytes} bytes (max_id_bytes)"
        return Refusal("customer_id", shown(request.customer_id), f"is {len(whose)} bytes long", remedy, "range")
    if key != whose:
        remedy = "key each request by customer_id, so that it lies on the customer's partition"
        return Refusal("key", (key or b"")[:81].decode("utf-8", "backslashreplace"), "is not customer_id", remedy,
                       "key")  # fmt: skip
    return request


def receipt(
    request: str, removed: Removed, key: str, customer: bytes, partition: int, received_ms: int,
    offsets: dict[str, int], partitions: list[int], passed_on: Iterable[tuple[int, bytes]] = (), *, refused: bool,
    another: bool = False, again: bool = False,
) -> tuple[str, dict[str, Any]]:  # fmt: skip
    """Return key and CloudEvent of what says what was removed; `customer` is the keyed hash.

    `passed_on` are partition and keyed hash of each id that others were told. `another` says that the id is another
    person's, and nothing was; `again` that an earlier request had the same id, so that the time is in the key, too.
    """
    stamp, whose = from_ms(received_ms), customer.hex()
    data = {
        "request_id": request,
        "customer": whose,
        "others": [each.hex() for each in removed.others],
        "key": key,
        "partition": partition,
        "received_at": stamp,
        "offsets": offsets,
        "removed": {
            "profile": removed.profile,
            "record": removed.record,
            "examples": removed.examples,
            "links": removed.links,
            "audiences": removed.audiences,
            "tombstones": [] if another else list(TOMBSTONES),
        },
        "refused": refused,
        "partitions": partitions,
        "passed_on": [{"partition": number, "customer": each.hex()} for number, each in sorted(passed_on)],
        "another": another,
        "remains": remains(),
    }
    name = f"{request}/{whose}@{received_ms}" if again else f"{request}/{whose}"
    return name, cloud_event(f"receipt/{name}", "recompra.receipt", "receipt.v1", whose, stamp, data)


def remains() -> list[dict[str, Any]]:
    """Return where records of a customer may still lie after an erasure, and for how many days."""
    kept = [(spec, name) for spec in load_topics() if _has_customers(spec) for name in _names(spec)]
    topics = [{"where": name, "days": spec.retention_ms // _DAY_MS, "what": _what(spec)} for spec, name in kept]
    return [*topics, *_BESIDE]


_BESIDE: Final[list[dict[str, Any]]] = [
    {
        "where": "transfers between partitions",
        "days": TRANSFERS_DAYS,
        "what": "histories of customers with ids on two partitions",
    },
    {"where": "scores, content, the changelog", "days": 1, "what": "older values, until the broker has compacted them"},
    {
        "where": "snapshots on other workers' disks",
        "days": 1,
        "what": "state of before, until it is too old to be used",
    },
    {"where": "models", "days": None, "what": "weights, learned from all customers together"},
]


def _has_customers(spec: TopicSpec) -> bool:
    return spec.cleanup == "delete" and spec.retention_ms != FOREVER and spec.file not in ("progress",)


def _names(spec: TopicSpec) -> list[str]:
    if not spec.template:
        return [spec.name]
    return [spec.name.replace("{input}", each) for each in spec.each] or [spec.name.replace("{rule}", "*")]


def _what(spec: TopicSpec) -> str:
    return "records as they came" if spec.role == "input" or spec.file.startswith("input-") else "what was told"

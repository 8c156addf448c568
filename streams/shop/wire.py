"""Wire: versions of the shop's knowledge and copies of its state, to records and back."""

import binascii
import zlib
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

import msgspec

from schemas.refusal import DECODE_ERRORS
from schemas.shop import ProductsData, ProductsEvent, ShopState
from schemas.timestamp import from_ms, to_ms
from scoring.shop.shop import Version
from scoring.shop.snapshot import SnapshotPartError, parts_of

__all__ = ["NAME", "Part", "newest_state", "part_key", "read_part", "state_records", "version_records"]

NAME: Final = "shop"
"""Of the knowledge, before the `@` of its key."""
_STATE_BYTES: Final = 600_000
_COPIES: Final = 2

Keyed = tuple[bytes, bytes | None]


class Part(NamedTuple):
    """A part of a version."""

    version: int
    effective_ms: int
    part: int
    parts: int
    data: bytes


def part_key(version: int, part: int) -> bytes:
    """The key of a part of a version."""
    return f"{NAME}@{version}/{part}".encode()


def version_records(version: Version) -> list[Keyed]:
    """Key and value of each part; both are functions of the version alone."""
    parts = parts_of(version.figures)
    time = from_ms(version.effective_ms)
    records: list[Keyed] = []
    for number, part in enumerate(parts):
        data = ProductsData(
            name=NAME,
            version=version.version,
            effective_time=time,
            part=number,
            parts=len(parts),
            products=len(version.figures.products),
            snapshot=b64encode(part).decode(),
        )
        key = part_key(version.version, number)
        event = ProductsEvent.of(f"products/{key.decode()}", f"{NAME}@{version.version}", time, data)
        records.append((key, msgspec.json.encode(event)))
    return records


def read_part(value: bytes) -> Part:
    """Read a record of `products`.

    Raises
    ------
    SnapshotPartError
        If it is none.
    """
    try:
        said = _event(value).data
        data = b64decode(said.snapshot, validate=True)
        effective_ms = to_ms(said.effective_time)
    except (*DECODE_ERRORS, binascii.Error, ValueError) as error:
        raise SnapshotPartError(f"a record of products cannot be read: {error}") from None
    if said.part >= said.parts:
        raise SnapshotPartError(f"version {said.version}: part {said.part} of {said.parts}, which count from 0")
    return Part(said.version, effective_ms, said.part, said.parts, data)


def state_records(saved: int, state: bytes, before: int) -> list[Keyed]:
    """Key and value of each part of a copy, in the place of an older one of `before` parts."""
    packed = zlib.compress(state, 1)
    pieces = [packed[i : i + _STATE_BYTES] for i in range(0, len(packed), _STATE_BYTES)]
    place = saved % _COPIES
    records: list[Keyed] = []
    for number, piece in enumerate(pieces):
        value = ShopState(saved, number, len(pieces), b64encode(piece).decode())
        records.append((f"{place}/{number}".encode(), msgspec.json.encode(value)))
    return [*records, *((f"{place}/{number}".encode(), None) for number in range(len(pieces), before))]


def newest_state(values: Mapping[bytes, bytes]) -> tuple[int, bytes] | None:
    """Number and content of the newest copy that is whole, of the newest values by key; None where none is."""
    parts: dict[int, dict[int, ShopState]] = {}
    for value in values.values():
        try:
            part = _state(value)
        except DECODE_ERRORS:
            continue
        parts.setdefault(part.saved, {})[part.part] = part
    for saved in sorted(parts, reverse=True):
        found = parts[saved]
        if len(found) == found[min(found)].parts:
            return saved, zlib.decompress(_joined(found[number] for number in sorted(found)))
    return None


def _joined(parts: Iterable[ShopState]) -> bytes:
    return b"".join(b64decode(part.state) for part in parts)


_event = msgspec.json.Decoder(ProductsEvent).decode
_state = msgspec.json.Decoder(ShopState).decode

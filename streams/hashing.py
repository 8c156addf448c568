"""Hashing: 64 bits of many texts at once, the same in every process."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from scoring.compiled import compiled

__all__ = ["hash_of", "hashes"]


def hashes(texts: Sequence[str]) -> npt.NDArray[np.uint64]:
    """Return the hash of each text's UTF-8 bytes: FNV-1a, then the finaliser of MurmurHash3.

    For telling one message of a customer from another; whoever wants two to collide can have that. About
    0.1 µs for 36 characters, a seventh of BLAKE2b one by one.
    """
    joined = "".join(texts)
    if joined.isascii():
        data, lengths = joined.encode(), [len(text) for text in texts]
    else:
        encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
        data, lengths = b"".join(encoded), [len(piece) for piece in encoded]
    found = np.empty(len(texts), np.uint64)
    _hash(np.frombuffer(data, np.uint8), np.array(lengths, np.int64), found)
    return found


@compiled
def hash_of(data: Any, start: int, stop: int) -> Any:
    """The hash of `data[start:stop]`, uint8."""
    h = np.uint64(0xCBF29CE484222325)
    for k in range(start, stop):
        h = (h ^ np.uint64(data[k])) * np.uint64(0x100000001B3)
    h = (h ^ (h >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
    h = (h ^ (h >> np.uint64(33))) * np.uint64(0xC4CEB9FE1A85EC53)
    return h ^ (h >> np.uint64(33))


@compiled
def _hash(data: Any, lengths: Any, found: Any) -> None:
    place = 0
    for i in range(lengths.shape[0]):
        found[i] = hash_of(data, place, place + lengths[i])
        place += lengths[i]

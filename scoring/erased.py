"""Erased: who was forgotten, by keyed hashes of their ids, and from which record on they are somebody new."""

from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b

import msgspec

__all__ = ["NOWHERE", "Erased", "Erasure", "KeyMismatchError", "Removed", "Request", "together"]

NOWHERE = -1
"""Source and offset of a request whose record is not known: it is no other one that is read."""
_REQUESTS = 16
"""Requests about one id by which a repeated one is told."""


class KeyMismatchError(ValueError):
    """The hashes were made with another key, so that nobody would be recognised by them."""


class Removed(msgspec.Struct, array_like=True, frozen=True):
    """What was removed of one customer, for the receipt.

    Attributes
    ----------
    others
        Keyed hashes of the other ids of the same person.
    profile, record
        Whether there was a profile, and a side record beside it.
    examples, links
        How many pending examples, and how many links between ids.
    audiences
        Of how many audiences it was told that the customer left.
    """

    others: tuple[bytes, ...] = ()
    profile: bool = False
    record: bool = False
    examples: int = 0
    links: int = 0
    audiences: int = 0


class Request(msgspec.Struct, array_like=True, frozen=True):
    """One request, as it was done: its id, source and offset of its record, what it removed."""

    name: str
    source: int
    offset: int
    removed: Removed


class Erasure(msgspec.Struct, array_like=True):
    """What stays of one id.

    Attributes
    ----------
    at_ms
        When the broker received the last request: what it received before is of somebody forgotten.
    offsets
        The next offset of each input then: what was read before is, too.
    refused
        Whether marketing was refused, on any channel.
    key
        Which key the hash was made with.
    requests
        The last ones.
    owned
        Whether it was another's former id then: who had asked for it besides was another person.
    """

    at_ms: int
    offsets: list[int]
    refused: bool
    key: str
    requests: list[Request] = []
    owned: bool = False


def together(one: Erasure | None, other: Erasure) -> Erasure:
    """Return the later of two, with the requests of both: each may be read again, and must not be done again.

    Of one moment they are of one request, and a refusal that either knows of holds.
    One that came twice, as a record of its own and from another partition, is there twice, as it was noted.
    """
    if one is None:
        return other
    before, last = (one, other) if one.at_ms <= other.at_ms else (other, one)
    every = {(each.name, each.source, each.offset): each for each in (*before.requests, *last.requests)}
    placed = {name for name, source, _ in every if source != NOWHERE}
    requests = [each for each in every.values() if each.source != NOWHERE or each.name not in placed]
    refused = last.refused or (before.refused and before.at_ms == last.at_ms)
    return msgspec.structs.replace(last, requests=requests[-_REQUESTS:], refused=refused)


class Erased:
    """Who was forgotten on one partition; each is some hundred bytes, and is kept for good.

    Parameters
    ----------
    secret
        What the hashes are keyed with: without it nobody can say whether an id is among them. Empty: there is none.

    Attributes
    ----------
    known
        By hash.
    fresh
        Hashes of which something is new since they were last stored.
    """

    def __init__(self, secret: bytes = b"") -> None:
        self._key = blake2b(secret).digest() if secret else b""
        self.known: dict[bytes, Erasure] = {}
        self.fresh: dict[bytes, None] = {}

    def __len__(self) -> int:
        return len(self.known)

    @property
    def has_key(self) -> bool:
        """Whether anybody can be forgotten."""
        return bool(self._key)

    @property
    def key(self) -> str:
        """A name of the key, by which another one is told."""
        return blake2b(b"name of the key", key=self._key, digest_size=4).hexdigest()

    def hash(self, name: bytes) -> bytes:
        """16 bytes that only who has the key can work out; about 1 µs."""
        return blake2b(name, key=self._key, digest_size=16).digest()

    def find(self, customer: bytes) -> Erasure | None:
        """What stays of an id; None if nobody asked for its erasure."""
        return self.known.get(self.hash(customer)) if self.known else None

    def covers(self, customer: bytes, source: int, offset: int, received_ms: int) -> bool:
        """Whether a record of an input is of somebody who was forgotten: received, or read, before the request was."""
        erasure = self.find(customer)
        return erasure is not None and (received_ms <= erasure.at_ms or offset < erasure.offsets[source])

    def at_ms(self, customer: bytes) -> int:
        """When an id was last forgotten; 0 for never."""
        erasure = self.find(customer)
        return 0 if erasure is None else erasure.at_ms

    def done(self, customer: bytes, request: str) -> Request | None:
        """A request about a customer, if it was done before."""
        erasure = self.find(customer)
        return None if erasure is None else next((each for each in erasure.requests if each.name == request), None)

    def add(self, customer: bytes, at_ms: int, offsets: Sequence[int], *, refused: bool | None) -> Erasure:
        """Remember that an id is forgotten; `refused` None: nothing was known of it, and what was remembered stays."""
        name = self.hash(customer)
        before = self.known.get(name)
        if before is None:
            before = self.known[name] = Erasure(at_ms, list(offsets), bool(refused), self.key)
        else:
            before.at_ms = max(before.at_ms, at_ms)
            before.refused = before.refused if refused is None else refused
            before.offsets = [max(pair) for pair in zip(before.offsets, offsets, strict=True)]
        self.fresh[name] = None
        return before

    def note(self, customer: bytes, request: str, place: tuple[int, int], removed: Removed) -> Request:
        """Remember what a request, the record at a source's offset, removed of a customer who was added."""
        name = self.hash(customer)
        told = Request(request, *place, removed)
        erasure = self.known[name]
        erasure.requests = [*erasure.requests, told][-_REQUESTS:]
        self.fresh[name] = None
        return told

    # ---- stored

    def changes(self) -> list[tuple[bytes, bytes]]:
        """Hashes of which something is new since the last call, and what is stored of them."""
        changed = [(name, msgspec.msgpack.encode(self.known[name])) for name in self.fresh]
        self.fresh.clear()
        return changed

    def copied(self) -> dict[bytes, bytes]:
        """All of them, as bytes."""
        return {name: msgspec.msgpack.encode(erasure) for name, erasure in self.known.items()}

    def load(self, name: bytes, value: bytes) -> None:
        """Take a stored one.

        Raises
        ------
        KeyMismatchError
            If it was made with another key.
        """
        self.take({name: msgspec.msgpack.decode(value, type=Erasure)})

    def take(self, told: Mapping[bytes, Erasure]) -> None:
        """Take what others remember, beside what is known here.

        Raises
        ------
        KeyMismatchError
            If it was made with another key, or there is none here.
        """
        for name, erasure in told.items():
            if not self._key or erasure.key != self.key:
                ours = f"this one is {self.key}" if self._key else "there is none"
                raise KeyMismatchError(
                    f"who was erased is remembered under the key {erasure.key}, and {ours}: nobody would be "
                    "recognised; set RECOMPRA_ERASURE_KEY, or RECOMPRA_ERASURE_KEY_FILE, as it was"
                )
            self.known[name] = together(self.known.get(name), erasure)

    def undone(self, source: int, next_offset: int) -> Iterator[bytes]:
        """Hashes of those whose request will be read again, as its offset was not committed."""
        for name, erasure in self.known.items():
            if any(each.source == source and each.offset >= next_offset for each in erasure.requests):
                yield name

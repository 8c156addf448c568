"""Breeding: inputs of hostile records, each made of sound ones and of the corpus by changing bytes, values and order.

An input is some records, parted by `BETWEEN`; of each, the first byte says how it comes (`Way`), the rest is its
value. Some texts in it stand for what is known only when it is sent (`written`), so that it means the same whatever
was sent before: a changed order is no duplicate, and a time lies where it is of interest.

===========  ==========================================================
`@n`         a number that was not used before
`@w-5000`    a time so many ms from the watermark
`@r+1`       a time so many ms from the receipt
`@x257`      so many letters x
`"@=1e400"`  1e400, or any other text, in the place of a JSON value
===========  ==========================================================
"""

import json
import random
import re
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from functools import cache
from typing import Any, NamedTuple

import orjson
from strategies.partitions import SOURCES

from schemas.events import Event, Product, Properties
from schemas.hostile import Case, hostile_cases
from schemas.names import CALL_KINDS, EVENT_KINDS, topic_name
from schemas.timestamp import from_ms

__all__ = ["BETWEEN", "Way", "bred", "inputs", "seeds", "sound", "written"]

BETWEEN = b"\n\n"
MOST_RECORDS = 20
SKEW_MS, WINDOW_MS, HORIZON_MS = 600_000, 90 * 86_400_000, 30 * 86_400_000
KEYS = ("own", "own", "own", "own", "of another", "longer", "empty", "none")
STEPS_MS = (0, 0, 1, 1000, 60_000, 3_600_000, -3_600_000, 3 * 86_400_000)
"""How much later than the record before it one is received."""
_TOPICS = tuple(SOURCES)


class Way(NamedTuple):
    """How a record comes: its topic, its key beside the customer's id, and the time since the one before it."""

    topic: str
    key: str
    step_ms: int

    @classmethod
    def of(cls, how: int) -> "Way":
        """The way that a byte stands for."""
        return cls(_TOPICS[how % 3], KEYS[how // 3 % 8], STEPS_MS[how // 24 % 8])

    def key_of(self, payload: bytes) -> bytes | None:
        """The key of a record that comes so."""
        own = _customer(payload)
        return {"own": own, "of another": b"w", "longer": own + b"\0", "empty": b"", "none": None}[self.key]


def _customer(payload: bytes) -> bytes:
    try:
        call = orjson.loads(payload)
        return str(call.get("userId") or call.get("anonymousId") or "").encode()
    except (ValueError, AttributeError):
        return b"u"


_RAW = re.compile(rb'"@=([^"\\]*)"')
_TOKEN = re.compile(rb"@(?:n|x(?P<times>\d{1,6})|(?P<from>[wr])(?P<ms>[+-]\d{1,15}))")


def written(payload: bytes, number: int, watermark_ms: int, received_ms: int) -> bytes:
    """The value as it is sent: what stands for a number, a time or a length in the place of it."""

    def meant(found: re.Match[bytes]) -> bytes:
        if found["times"]:
            return b"x" * int(found["times"])
        if not found["from"]:
            return str(number).encode()
        try:
            return from_ms((watermark_ms if found["from"] == b"w" else received_ms) + int(found["ms"])).encode()
        except OverflowError:
            return found[0]

    return _TOKEN.sub(meant, _RAW.sub(rb"\1", payload))


# ---- sound records

_NAMES: dict[str, list[str]] = {}
for _name, _kind in EVENT_KINDS.items():
    _NAMES.setdefault(_kind, []).append(_name)
_SORTS = (
    [kind for kind in _NAMES if kind.startswith("ORDER")],
    [kind for kind in _NAMES if kind.startswith(("PRODUCT", "WISHLIST"))],
    list(_NAMES),
)
"""Kinds that have amounts, that name products, and all."""
_EDGES_MS = (0, 1, -1, 1000, -5000, SKEW_MS, SKEW_MS + 1, -HORIZON_MS, -WINDOW_MS, -WINDOW_MS - 1, -WINDOW_MS + 1)
_TIMES = [f"@{of}{edge:+d}" for of in "wr" for edge in _EDGES_MS]


def sound(chance: random.Random) -> bytes:
    """A record that nothing is wrong with, as its tracker would send it."""
    pick, kind = chance.choice, chance.choice(chance.choice(_SORTS))
    call = {
        "messageId": "m@n",
        "timestamp": pick(("@r-5000", "@r-5000", "@w+0", "@w+1", "@r-60000", "@w-86400000")),
        "userId": pick(("u", "u", "v", "c@n", 17)),
        "type": "track",
        "event": pick(_NAMES[kind]),
        "properties": _properties(kind, chance),
    }
    if chance.random() < 0.1:
        del call["event"]
        call["type"] = pick(list(CALL_KINDS))
        call |= {"previousId": pick(("a", "a@n")), "traits": {"name": "A"}}
        kind = CALL_KINDS[call["type"]]
    topic = SOURCES[topic_name(kind)] if chance.random() < 0.9 else chance.randrange(3)
    return bytes([topic + 24 * pick((0, 0, 0, 0, 2, 3, 3, 4, 5, 6, 7))]) + _encoded(call, chance)


def _properties(kind: str, chance: random.Random) -> dict[str, Any]:
    pick = chance.choice
    said: dict[str, Any] = {}
    if kind.startswith(("ORDER", "CART")):
        said["order_id"] = pick(("o-1", "o@n", "o@n", "o@n", 17))
        for field in ("total", "revenue", "value", "subtotal"):
            if chance.random() < 0.2:
                said[field] = pick((5, 120.5))
        if chance.random() < 0.5:
            lines = range(chance.randrange(1, 3))
            said["products"] = [{"product_id": pick("pqr"), "price": 5, "quantity": 1} for _ in lines]
    elif kind.startswith("TICKET"):
        said["ticket_id"] = "t"
    else:
        said[pick(("product_id", "product_id", "sku", "name"))] = pick(("p", "q", "p@n"))
        said |= {"price": pick((5, 39.9)), "quantity": 1}
    return said


def _encoded(call: Any, chance: random.Random) -> bytes:
    return json.dumps(call, ensure_ascii=chance.random() < 0.7).encode("utf-8", "surrogatepass")


# ---- what is put in the place of sound values

_AMOUNTS: tuple[Any, ...] = (
    0, -0.0, -1, 1e9, -1e9, 1e9 + 0.01, 1e12, 1e20, 1e300, 1e308, -1e308, 5e-324, 0.1, 2**63, 2**70, "5", "NaN", True,
    *(f"@={text}" for text in ("1e400", "-1e400", "1e-400", "NaN", "NaN", "NaN", "-Infinity", "007", "0x11", "+5")),
)  # fmt: skip
_IDS: tuple[Any, ...] = (
    "", " ", "\0", "0", 0, -17, 17.5, "u", "o-1", "p", "u\n", "🛒", "\u202e", "\ud800", "x\udfff", "\udc00\ud800",
    "x@n", "@=18446744073709551617", *("@x255", "@x256", "@x257", "é@x255", "@x300") * 2, "@x10000",
)  # fmt: skip
_FAR_TIMES: tuple[Any, ...] = (
    *_TIMES, "@r+3600000", "@r+31536000000", "@w-31536000000", "1970-01-01T00:00:00Z", "9999-12-31T23:59:59.999Z",
    "0001-01-01T00:00:00Z", "0000-01-01T00:00:00Z", "2024-02-30T09:30:00Z", "soon", 1714555800, "@r+0 ", "",
)  # fmt: skip
_LINE = {"product_id": "p", "price": 1e9, "quantity": 1e9}
_LINES: tuple[Any, ...] = (
    [], [None], [[]], "p", [_LINE], [_LINE, _LINE], [{**_LINE, "price": -1e9}], [{**_LINE, "quantity": -1e9}],
    [{"product_id": "@x257"}], [{"product_id": "@x256"}], [{"sku": "\ud800"}], [{"price": "@=NaN"}], [{}] * 30,
)  # fmt: skip
_ODD: tuple[Any, ...] = (
    None, True, [], {}, [None], [[]], ["\ud800"], {"\ud800": "\udc00"}, {"order_id": "o@n", "total": 1e308},
    "@=[[[[[[1]]]]]]", "@=[", "@={}}", "@=\x01",
)  # fmt: skip
_NUMBERS = {"price", "quantity", "total", "revenue", "value", "subtotal", "discount", "shipping", "tax", "rating"}
_BY_NAME = {"timestamp": _FAR_TIMES, "event": list(EVENT_KINDS), "products": _LINES, "properties": _ODD, "traits": _ODD}
_FIELDS = {
    "call": [name for name in Event.__struct_fields__ if name != "context"],
    "properties": list(Properties.__struct_fields__),
    "line": list(Product.__struct_fields__),
}


@cache
def _known() -> dict[str, list[Any]]:
    """By the name of a field, the values that it has in the corpus."""
    known: dict[str, list[Any]] = {}
    for case in hostile_cases():
        call = _parsed(case.payload or b"") if len(case.payload or b"") < 2000 else None
        for inside, at in _places(call):
            if isinstance(inside, dict):
                known.setdefault(at, []).append(inside[at])
    return known


def _nasty(name: Any, chance: random.Random) -> Any:
    """A value for a field of that name, mostly of its sort."""
    values: Sequence[Any]
    known, kind = _known().get(name), chance.random()
    if kind < 0.2 and known:
        values = known
    elif kind < 0.35:
        values = chance.choice((_AMOUNTS, _IDS, _FAR_TIMES, _ODD))
    elif kind < 0.45 and name in _NUMBERS:
        values = [chance.choice((1, -1)) * 10 ** chance.uniform(-320, 308)]
    elif name in _NUMBERS:
        values = _AMOUNTS
    else:
        values = _BY_NAME.get(name, _IDS if isinstance(name, str) else _ODD)
    return deepcopy(chance.choice(values))


def _parsed(payload: bytes) -> Any:
    try:
        return json.loads(payload)
    except (ValueError, RecursionError):
        return None


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every place within a JSON value: the object or list, and the name or index in it."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for at, each in inner for found in ((value, at), *_places(each))]


# ---- changes

Change = Callable[[list[bytes], random.Random], None]


def _altered(record: bytes, chance: random.Random) -> bytes:
    """The record with a value or two changed, taken out or put in."""
    call = _parsed(record[1:])
    for _ in range(chance.choice((1, 1, 1, 2))):
        places = _places(call)
        if not places:
            return record
        inside, at = chance.choice(places)
        what = chance.random()
        if what < 0.1:
            del inside[at]
        elif what < 0.3 and isinstance(inside, dict):
            sort = "call" if inside is call else "properties" if at in _FIELDS["properties"] else "line"
            name = chance.choice(_FIELDS[sort])
            inside[name] = _nasty(name, chance)
        elif what < 0.35 and isinstance(inside, list):
            inside *= 2
        else:
            inside[at] = _nasty(at, chance)
    return record[:1] + _encoded(call, chance)


def _bytes_changed(record: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(record) + 1)
    piece = chance.randbytes(chance.randrange(3)) or chance.choice((b'"', b"{", b"}", b",", b"\\u", b"\xed\xa0\x80"))
    return record[:at] + piece + record[at + chance.choice((0, 0, 1, 8)) :]


def _add_sound(records: list[bytes], chance: random.Random) -> None:
    records.append(sound(chance))


def _add_altered(records: list[bytes], chance: random.Random) -> None:
    records.append(_altered(sound(chance), chance))


def _add_known(records: list[bytes], chance: random.Random) -> None:
    records.append(chance.choice(seeds()))


def _alter(records: list[bytes], chance: random.Random) -> None:
    at = chance.randrange(len(records))
    records[at] = _altered(records[at], chance)


def _change_bytes(records: list[bytes], chance: random.Random) -> None:
    at = chance.randrange(len(records))
    records[at] = _bytes_changed(records[at], chance)


def _change_way(records: list[bytes], chance: random.Random) -> None:
    at = chance.randrange(len(records))
    records[at] = bytes([chance.randrange(192)]) + records[at][1:]


def _repeat(records: list[bytes], chance: random.Random) -> None:
    records.insert(chance.randrange(len(records) + 1), chance.choice(records))


def _drop(records: list[bytes], chance: random.Random) -> None:
    if len(records) > 1:
        del records[chance.randrange(len(records))]


_CHANGES: dict[Change, int] = {
    _add_altered: 50, _add_sound: 10, _add_known: 8, _alter: 15, _change_bytes: 7, _change_way: 6, _repeat: 4,
    _drop: 10,
}  # fmt: skip


def bred(data: bytes, chance: random.Random) -> bytes:
    """Another input, made from this one by one change or some."""
    records = data.split(BETWEEN)
    for _ in range(chance.choice((1, 2, 4, 8))):
        [change] = chance.choices(list(_CHANGES), list(_CHANGES.values()))
        change(records, chance)
    return BETWEEN.join(records[-MOST_RECORDS:])


@cache
def seeds() -> tuple[bytes, ...]:
    """The smaller records of the corpus, of now instead of then and under ids of their own where they are alone."""
    return tuple(_seed(case) for case in hostile_cases() if case.payload and len(case.payload) < 2000)


def _seed(case: Case) -> bytes:
    payload = (case.payload or b"").replace(b"2024-05-01T09:30:00Z", b"@r-5000").replace(BETWEEN, b"\n")
    payload = payload.replace(b'"messageId":"hostile-', b'"messageId":"@n-')
    return bytes([SOURCES[case.topic]]) + payload


def inputs(seed: int, n: int) -> Iterator[bytes]:
    """So many inputs, each bred from the one before it, a sound record or one of the corpus; a function of `seed`."""
    chance = random.Random(seed)
    data = sound(chance)
    for _ in range(n):
        data = bred(chance.choice((data, sound(chance), sound(chance), chance.choice(seeds()))), chance)
        yield data

"""What is: everything that is held of one customer, for a request for access and for whoever asks why."""

import asyncio
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, Final

import msgspec
import numpy as np
import orjson

from schemas.timestamp import from_ms
from scoring.erased import Erased, Erasure
from scoring.kinds import Kind
from scoring.links import owner_of
from scoring.moved import customer_of
from scoring.older import Older
from scoring.packed import unpacked
from scoring.profile import ANY, FAR, NEVER, VISITED, Layout, Profiles
from scoring.stored import ERASED, LINK, META, PAGE, PRODUCT, PROFILE, SIDE, Meta
from streams.changelog import changelog_topic, read_changelog
from streams.engine_settings import checked_rules, engine_settings
from streams.erasing import erasure_key
from streams.loading import partition_of
from streams.settings import Settings
from streams.tailing import tail
from streams.topics import check_partitions, found, rule_names, wanted
from streams.transactions import uses_transactions

__all__ = ["is_held", "what_is_held"]

_LATEST: Final = ("scores", "content")
_TIMES: Final = ("first_ms", "last_ms", "published_ms")


def what_is_held(settings: Settings, customer: str) -> dict[str, Any] | None:
    """Return what is held of a customer, as JSON can hold it; None if nothing is, and nothing was.

    Of somebody who was erased only `erased` says anything, and only to who has the key of the hashes.

    Read from the changelog of their partition and from the compacted topics; O(that partition) of time.

    Raises
    ------
    BrokerUnreachableError, kafka.errors.KafkaError
        From the broker.
    UnfitTopicsError
        If it has no state, or one of another number of partitions than the settings say.
    scoring.erased.KeyMismatchError
        If customers were forgotten under another `erasure_key`: whether this one was would not be known.
    """
    who = customer.encode()
    partition = partition_of(who, settings.partitions)
    check_partitions(settings, [changelog_topic(settings)])
    committed = uses_transactions(settings)
    found = asyncio.run(_rows(settings, partition, who, committed=committed))
    layout = engine_settings(settings, checked_rules(settings)).layout
    rows = Older(layout).rows(found)
    own = {key: value for key, value in rows.items() if customer_of(key) == who}
    owners = {key[1:]: owner_of(value) for key, value in rows.items() if key[:1] == LINK}
    latest = {topic: _last(settings, topic, who) for topic in _there(settings, _LATEST)}
    published = {topic: value for topic, value in latest.items() if value is not None}
    erased = _erased(rows)
    if not own and not published and who not in owners and erased is None:
        return None
    names = {int.from_bytes(key[1:], "big"): value.decode("utf-8", "replace") for key, value in rows.items()
             if key[:1] in (PRODUCT, PAGE)}  # fmt: skip
    slots = msgspec.msgpack.decode(rows[META], type=Meta).slots if META in rows else []
    profile, side = own.get(PROFILE + who), own.get(SIDE + who)
    return {
        "customer_id": customer,
        "partition": partition,
        "former_of": _became(owners, who)[-1].decode() if who in owners else None,
        "former_ids": sorted(former.decode() for former in owners if who in _became(owners, former)),
        "profile": None if profile is None else _profile(layout, who, profile, slots, names),
        "record": None if side is None else _record(side),
        "examples_waiting": sum(key[:1] not in (PROFILE, SIDE) for key in own),
        "published": published,
        "erased": erased,
        "also_on": _also_on(settings),
    }


def _became(owners: Mapping[bytes, bytes], former: bytes) -> list[bytes]:
    """Whose an id became, one after the other, as far as this partition knows."""
    found, customer = list[bytes](), former
    while (owner := owners.get(customer)) is not None and owner not in (former, *found):
        found.append(customer := owner)
    return found


def is_held(held: dict[str, Any]) -> bool:
    """Whether there is anything but that somebody was erased."""
    return any(held[name] for name in ("profile", "record", "examples_waiting", "published", "former_of", "former_ids"))


def _hashed(settings: Settings, who: bytes) -> bytes | None:
    """The key of the row that says that somebody was erased; None without the key of the hashes."""
    erased = Erased(erasure_key(settings))
    return ERASED + erased.hash(who) if erased.has_key else None


def _erased(rows: dict[bytes, bytes]) -> dict[str, Any] | None:
    for key, value in rows.items():
        if key[:1] == ERASED:
            erasure = msgspec.msgpack.decode(value, type=Erasure)
            return {"at": from_ms(erasure.at_ms), "marketing_refused": erasure.refused}
    return None


async def _rows(settings: Settings, partition: int, who: bytes, *, committed: bool) -> dict[bytes, bytes]:
    """The newest rows of the customer, and those of the partition that explain them or tell of other ids."""
    kept: dict[bytes, bytes] = {}
    whose, erased = _hashed(settings, who), Erased(erasure_key(settings))

    def take(keys: Sequence[bytes], values: Sequence[bytes | None]) -> None:
        for key, value in zip(keys, values, strict=True):
            if key[:1] == ERASED and value is not None and erased.has_key:
                erased.load(key[1:], value)  # refuses another key
            if key[:1] in (META, PRODUCT, PAGE, LINK) or customer_of(key) == who or key == whose:
                kept.pop(key, None)
                if value is not None:
                    kept[key] = value

    await read_changelog(settings, partition, take, committed=committed)
    return kept


def _profile(layout: Layout, who: bytes, value: bytes, slots: Sequence[str], names: dict[int, str]) -> dict[str, Any]:
    profiles = Profiles(layout)
    profiles.load([who], [value])
    row = profiles.rows[0]
    kept = len(row["total"])
    names_of = {kept + VISITED: "visited", kept + ANY: "any"}  # these two stand behind the kinds that are kept
    kinds = [(names_of.get(k) or Kind(k).name.lower(), int(row["total"][k]), row["last_kind"][k]) for k in range(kept)]
    n = int(row["ring_n"])
    return {
        **{name: _moment(row[name]) for name in _TIMES},
        "events": {kind: {"count": count, "last": _moment(ms)} for kind, count, ms in kinds if count},
        "orders": [
            {"at": _moment(row["ring_ms"][i]), "value": float(row["ring_value"][i])}
            for i in range(min(n, len(row["ring_ms"])))
        ],
        "older_orders": int(row["fold_orders"]),
        "revenue": float(row["revenue"]),
        "refunded": float(row["refunded"]),
        "cart_value": float(row["cart_value"]),
        "viewed": [names[int(number)] for number in row["view_product"] if int(number) in names],
        "pages": [names[int(number)] for number in row["page"] if int(number) in names],
        "lists": [name for bit, name in enumerate(slots) if int(row["inside"]) >> bit & 1],
        "published_score": None if np.isnan(row["published_score"]) else float(row["published_score"]),
        "bytes": len(value),
    }


def _moment(ms: Any) -> str | None:
    return from_ms(int(ms)) if NEVER < int(ms) < FAR else None


def _record(value: bytes) -> Any:
    side = unpacked(value)
    for of in side.open:
        side.things(of)
    side.states()
    side.standing.tried()
    return _plain(side)


def _plain(value: Any) -> Any:
    """Records by the names of their fields, as JSON can hold them; what is empty is left out."""
    match value:
        case msgspec.Struct():
            fields = {name: _plain(getattr(value, name)) for name in value.__struct_fields__}
            return {name: each for name, each in fields.items() if each not in (None, "", {}, [], NEVER)}
        case dict():
            return {key.decode() if isinstance(key, bytes) else str(key): _plain(each) for key, each in value.items()}
        case bytes():
            return value.hex()
        case Enum():
            return value.name.lower()
        case list() | tuple():
            return [_plain(each) for each in value]
    return value


def _there(settings: Settings, topics: Sequence[str]) -> list[str]:
    return [topic.name for topic in found(settings, topics)]


def _last(settings: Settings, topic: str, who: bytes) -> Any:
    last = None
    for record in tail(settings, topic, "beginning", follow=False):
        if record.key == who:
            last = None if record.value is None else orjson.loads(record.value)
    return last


def _also_on(settings: Settings) -> list[str]:
    """Topics whose records about customers stay for their retention."""
    specs = wanted(settings, rule_names(settings))
    return [spec.name for spec in specs if spec.key.startswith("customer id") and spec.cleanup == "delete"]

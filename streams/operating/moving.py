"""Moving: the state as files, and files as the state of another application, cluster or number of partitions."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec
from aiokafka import AIOKafkaProducer
from kafka import TopicPartition

from schemas.timestamp import from_ms
from scoring.erased import Erased, KeyMismatchError
from scoring.former_sizes import refusal_of
from scoring.layout_number import LayoutMismatchError
from scoring.layout_stamps import stamps
from scoring.moved import Mover, customer_of, erased_rows, leaving, without_erased, without_transfers
from scoring.older import Older
from scoring.profile import Layout
from scoring.stored import ERASED, META
from streams.batches import BATCH_BYTES, send_batches
from streams.changelog import changelog_topic, read_changelog, transfers_topic
from streams.commit import SnapshotRefusedError
from streams.connection import admin_client, aiokafka_options, reader
from streams.ends import ends
from streams.engine_settings import checked_rules, engine_settings
from streams.erasing import erasure_key
from streams.loading import partition_of
from streams.operating.lag import partitions_of
from streams.operating.stopped import begin_at, check_stopped, empty_state
from streams.operating.underway import ends_of_transfers, transfers_under_way
from streams.outbox import DELETIONS, INPUTS
from streams.receipts import erased_on, receipts
from streams.settings import Settings
from streams.snapshot_file import Header, SnapshotFile, write_snapshot
from streams.tailing import Place
from streams.topics import check_partitions
from streams.transactions import uses_transactions
from streams.unit_row import UNIT_KEY, begun_at, next_beside, next_offsets

__all__ = ["Manifest", "MoveRefusedError", "export_state", "import_state", "offsets_at", "reset_state"]

MANIFEST: Final = "manifest.json"
_PIECE: Final = 4096

Rows = list[tuple[bytes, bytes]]
Offsets = Mapping[int, Mapping[str, int]]


class MoveRefusedError(RuntimeError):
    """State that cannot be moved so; the text says what to do."""


class Manifest(msgspec.Struct, forbid_unknown_fields=True):
    """What an export holds.

    Attributes
    ----------
    offsets
        The next to read of each input, by partition number.
    rows, customers
        Stored rows in all, and how many customers have one.
    """

    app_id: str
    partitions: int
    layout: str
    exported_at: str
    offsets: dict[int, dict[str, int]]
    rows: int
    customers: int


@dataclass(frozen=True, slots=True)
class _Pieces:
    rows: Rows

    def pieces(self) -> Iterator[tuple[list[bytes], list[bytes]]]:
        """Keys and values, some thousands at a time."""
        for start in range(0, len(self.rows), _PIECE):
            part = self.rows[start : start + _PIECE]
            yield [key for key, _ in part], [value for _, value in part]


def export_state(settings: Settings, directory: Path) -> Manifest:
    """Write the state of all partitions to a directory: one file a partition, and `manifest.json` last.

    With transactions on the broker it may be done while workers run: each file is the state as of a commit. Holds one
    partition in memory.

    Raises
    ------
    StillRunningError
        If workers run and the broker has no transactions.
    UnfitTopicsError
        If the state has another number of partitions than the settings say.
    MoveRefusedError
        If there is an export in the directory already, or no state, or customers are on their way between partitions.
    BrokerUnreachableError, OSError
        From the broker, and the disk.
    """
    if (directory / MANIFEST).exists():
        raise MoveRefusedError(f"{directory} holds an export already; give another directory")
    check_partitions(settings, [changelog_topic(settings), transfers_topic(settings)])
    transactions = uses_transactions(settings)
    if not transactions:
        check_stopped(settings)
    layout = _layout(settings)
    offsets: dict[int, dict[str, int]] = {}
    transfers = ends_of_transfers(settings)
    rows = customers = under_way = 0
    for partition in range(settings.partitions):
        found, position = asyncio.run(_read(settings, partition, committed=transactions))
        if (META in found) != (UNIT_KEY in found) or (META not in found and partition in _read_before(settings)):
            raise MoveRefusedError(
                f"{changelog_topic(settings)} holds no state of partition {partition}, of which offsets are committed"
            )
        found = _brought(layout, found)
        unit = found.get(UNIT_KEY) or begun_at([0] * len(INPUTS))  # of a partition on which nothing ever was, nothing
        offsets[partition] = dict(zip(INPUTS, next_offsets(unit), strict=True))
        transfers[partition] = min(next_beside(unit)[0], transfers.get(partition, 0))
        under_way += leaving(found, _home(partition, settings.partitions))
        rows += len(found)
        customers += len({who for who in map(customer_of, found) if who is not None})
        header = Header(settings.app_id, partition, settings.partitions, layout.fingerprint(), "", position, _now_ms())
        write_snapshot(_file(directory, partition), header, _Pieces(list(found.items())), _put)
    if not rows:
        raise MoveRefusedError(f"{changelog_topic(settings)} holds no state: nothing was committed yet")
    if under_way := under_way + transfers_under_way(settings, transfers):
        raise MoveRefusedError(
            f"customers are on their way between partitions ({under_way} transfers) and would be lost: export again in "
            "a moment, once the workers have taken them in"
        )
    manifest = Manifest(
        app_id=settings.app_id,
        partitions=settings.partitions,
        layout=f"{layout.fingerprint():016x}",
        exported_at=from_ms(_now_ms()),
        offsets=offsets,
        rows=rows,
        customers=customers,
    )
    (directory / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n")
    return manifest


def import_state(
    settings: Settings, directory: Path, *, replace: bool = False, place: Place | None = None
) -> tuple[Manifest, Offsets]:
    """Make an export the state of this application; return its manifest, and where each input is read on.

    With as many partitions as the export has, and without `place`, rows are as they were and the inputs are read on
    where the export ended. Otherwise customers are dealt out by their ids, no offset counts as applied, and a message
    that comes again is told by its id as long as its customer's ring remembers it.

    Parameters
    ----------
    replace
        Whether state that is there is deleted.
    place
        Where to read on: an end of the inputs, or a time of receipt in ms; None: at the offsets of the manifest.

    Raises
    ------
    StillRunningError
        If workers run.
    MoveRefusedError
        If the export is not whole or of another layout, if there is state already, or if its offsets are not there.
    UnfitTopicsError
        If the inputs have another number of partitions than the settings say.
    """
    check_stopped(settings)
    manifest, layout = _manifest(directory), _layout(settings)
    if int(manifest.layout, 16) not in stamps(layout):
        raise MoveRefusedError(str(refusal_of(f"the export in {directory}", layout, int(manifest.layout, 16))))
    same = place is None and manifest.partitions == settings.partitions
    if place is None and not same:
        raise MoveRefusedError(
            f"the export has {manifest.partitions} partitions and this application {settings.partitions}: its offsets "
            "are of other partitions; say where to read on (beginning, latest or a time shortly before the export, "
            f"as {manifest.exported_at})"
        )
    check_partitions(settings, (*INPUTS, DELETIONS))
    offsets: Offsets = manifest.offsets if place is None else offsets_at(settings, place)
    _check_offsets(settings, offsets)
    told = receipts(settings)
    _erased(settings, told, None)
    _make_room(settings, replace=replace)
    if same:
        every = (_rows(directory, partition, manifest, layout) for partition in range(manifest.partitions))
        known = _known_erased(every) if told else []
        for partition in range(settings.partitions):
            found = list(_rows(directory, partition, manifest, layout).items())
            rows = _apart(layout, without_erased(found, _erased(settings, told, partition), known))
            asyncio.run(_write(settings, partition, rows))
    else:
        _deal_out(settings, directory, manifest, layout, offsets, _erased(settings, told, None))
    begin_at(settings, offsets)
    return manifest, offsets


def reset_state(settings: Settings, place: Place) -> Offsets:
    """Empty the state and let the inputs be read from a place on; return the offsets.

    The beginning is offset 0: what retention has removed is not there to be read.

    Raises
    ------
    StillRunningError
        If workers run.
    UnfitTopicsError
        If the inputs have another number of partitions than the settings say.
    """
    check_stopped(settings)
    check_partitions(settings, (*INPUTS, DELETIONS))
    nothing = {partition: dict.fromkeys(INPUTS, 0) for partition in range(settings.partitions)}
    offsets: Offsets = nothing if place == "beginning" else offsets_at(settings, place)
    told = receipts(settings)
    erased = {partition: erased_rows(_erased(settings, told, partition).known) for partition in offsets}
    empty_state(settings)
    for partition, places in offsets.items():
        begun = UNIT_KEY, begun_at([places[name] for name in INPUTS])
        asyncio.run(_write(settings, partition, [*erased[partition], begun]))
    begin_at(settings, offsets)
    return offsets


def offsets_at(settings: Settings, place: Place) -> dict[int, dict[str, int]]:
    """Return the first offset of each input at a place, by partition number; a time is that of receipt."""
    place = max(place, 0) if isinstance(place, int) else place  # nothing was received before 1970
    with reader(settings) as consumer:
        parts = partitions_of(consumer, INPUTS)
        consumer.assign(parts)
        first, last = consumer.beginning_offsets(parts), ends(consumer, parts)
        found = consumer.offsets_for_times(dict.fromkeys(parts, place)) if isinstance(place, int) else {}
    offsets: dict[int, dict[str, int]] = defaultdict(dict)
    for part in parts:
        hit = found.get(part)
        at = first[part] if place == "beginning" else last[part] if hit is None else hit.offset
        offsets[part.partition][part.topic] = at
    return dict(offsets)


def _deal_out(
    settings: Settings, directory: Path, manifest: Manifest, layout: Layout, offsets: Offsets, erased: Erased
) -> None:
    """Deal the customers out over the partitions; holds all rows in memory."""
    found = [_rows(directory, partition, manifest, layout) for partition in range(manifest.partitions)]
    known = _known_erased(found)
    sources = [dict(without_erased(list(rows.items()), erased, known)) for rows in found]
    mover = Mover(layout, [source[META] for source in sources if META in source])
    dealt: dict[int, Rows] = defaultdict(list)
    customers: dict[int, set[bytes]] = defaultdict(set)
    for before, source in enumerate(sources):
        if META not in source:
            continue
        for key, value in mover.rows(list(source.items()), source[META], _home(before, manifest.partitions)):
            who = customer_of(key) or b""
            partition = partition_of(who, settings.partitions)
            dealt[partition].append((key, value))
            customers[partition].add(who)
        source.clear()
    for partition, key, value in mover.links(partial(partition_of, partitions=settings.partitions)):
        dealt[partition].append((key, value))
    share = engine_settings(settings, checked_rules(settings)).example_customers
    for partition in range(settings.partitions):
        own = [
            (META, mover.meta(sorted(customers[partition]), share)),
            (UNIT_KEY, begun_at([offsets[partition][name] for name in INPUTS])),
        ]
        asyncio.run(
            _write(settings, partition, [*dealt.pop(partition, []), *mover.names.items(), *mover.erased(), *own])
        )


def _read_before(settings: Settings) -> set[int]:
    """The partition numbers of which anything was ever read."""
    with admin_client(settings) as client:
        told = client.list_group_offsets({settings.app_id: None}).get(settings.app_id, {})
    return {place.partition for place, at in told.items() if place.topic in INPUTS and at.offset > 0}


def _known_erased(every: Iterable[Mapping[bytes, bytes]]) -> Rows:
    """Who was forgotten, as all partitions of an export say."""
    return [row for rows in every for row in rows.items() if row[0][:1] == ERASED]


def _home(partition: int, partitions: int) -> Callable[[bytes], bool]:
    return lambda customer: partition_of(customer, partitions) == partition


def _erased(settings: Settings, told: Sequence[Any], partition: int | None) -> Erased:
    """Who was forgotten, as receipts say; offsets are those of one partition number."""
    erased = Erased(erasure_key(settings))
    try:
        erased.take(erased_on(told, partition))
    except KeyMismatchError as error:
        raise MoveRefusedError(str(error)) from None
    return erased


def _apart(layout: Layout, rows: Rows) -> Rows:
    """The rows of one partition, to which nothing of other partitions counts as applied: transfers begin anew."""
    found = without_transfers(layout, [(key, value) for key, value in rows if key != UNIT_KEY])
    return found + [(key, begun_at(next_offsets(value), value)) for key, value in rows if key == UNIT_KEY]


async def _read(settings: Settings, partition: int, *, committed: bool) -> tuple[dict[bytes, bytes], int]:
    """The newest value of each key, in the order in which the rows were written last."""
    found: dict[bytes, bytes] = {}

    def take(keys: Sequence[bytes], values: Sequence[bytes | None]) -> None:
        for key, value in zip(keys, values, strict=True):
            found.pop(key, None)
            if value is not None:
                found[key] = value

    position = await read_changelog(settings, partition, take, committed=committed)
    return found, position


async def _write(settings: Settings, partition: int, rows: Rows) -> None:
    producer = AIOKafkaProducer(**aiokafka_options(settings), acks="all", max_batch_size=BATCH_BYTES)
    await producer.start()
    try:
        topic = changelog_topic(settings)
        for start in range(0, len(rows), _PIECE):
            sent = await send_batches(producer, topic, partition, rows[start : start + _PIECE])
            await asyncio.gather(*sent)
    finally:
        await producer.stop()


def _rows(directory: Path, partition: int, manifest: Manifest, layout: Layout) -> dict[bytes, bytes]:
    path = _file(directory, partition)
    rows: Rows = []
    try:
        with SnapshotFile(path) as file:
            header = file.header
            if (header.partition, header.partitions) != (partition, manifest.partitions):
                raise MoveRefusedError(f"{path} is of partition {header.partition} of {header.partitions}")
            while (piece := file.piece()) is not None:
                rows += zip(*piece, strict=True)
    except (OSError, SnapshotRefusedError) as error:
        raise MoveRefusedError(f"{path} cannot be used: {error}; export again") from None
    return _brought(layout, dict(rows))


def _brought(layout: Layout, rows: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    """Rows that a former release may have written, as this one writes them."""
    try:
        return Older(layout).rows(rows)
    except LayoutMismatchError as error:
        raise MoveRefusedError(str(error)) from None


def _manifest(directory: Path) -> Manifest:
    path = directory / MANIFEST
    try:
        return msgspec.json.decode(path.read_bytes(), type=Manifest)
    except (OSError, msgspec.MsgspecError) as error:
        raise MoveRefusedError(
            f"{path} is no manifest ({error}): it is written last, so the export is not whole"
        ) from None


def _check_offsets(settings: Settings, offsets: Offsets) -> None:
    with reader(settings) as consumer:
        parts = partitions_of(consumer, INPUTS)
        consumer.assign(parts)
        last = ends(consumer, parts)
    for partition, places in offsets.items():
        for name, offset in places.items():
            end = last.get(TopicPartition(name, partition))
            if end is None or offset > end:
                there = "is not there" if end is None else f"ends at {end}"
                raise MoveRefusedError(
                    f"{name}-{partition} would be read on at {offset}, and it {there}: where the inputs were not "
                    "copied with their offsets, say where to read on (beginning, latest, or a time)"
                )


def _make_room(settings: Settings, *, replace: bool) -> None:
    with reader(settings) as consumer:
        parts = partitions_of(consumer, (changelog_topic(settings),))
        consumer.assign(parts)
        first, last = consumer.beginning_offsets(parts), ends(consumer, parts)
    filled = any(last[part] > first[part] for part in parts)
    if filled and not replace:
        raise MoveRefusedError(f"{changelog_topic(settings)} holds state already; --replace deletes it first")
    if filled or len(parts) != settings.partitions:
        empty_state(settings)


def _layout(settings: Settings) -> Layout:
    return engine_settings(settings, checked_rules(settings)).layout


def _file(directory: Path, partition: int) -> Path:
    return directory / f"{partition}.rows"


def _put(new: Path, path: Path) -> None:
    new.replace(path)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000

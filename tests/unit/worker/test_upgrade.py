"""Upgrades: local snapshots and exports that a former release wrote."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from scoring.layout_stamps import stamps
from scoring.older import Older
from streams.changelog import Mark
from streams.commit import SnapshotRefusedError
from streams.metrics import Metrics
from streams.operating import moving
from streams.operating.moving import Manifest, MoveRefusedError
from streams.snapshot_file import Header, write_snapshot
from streams.snapshots import Identity, LocalSnapshots
from streams.unit import Unit
from tests.layouts.life import options, stored

NOW = 1_700_000_000_000
LAYOUT = options().engine.layout
OWN = LAYOUT.fingerprint()
[FIRST] = stamps(LAYOUT) - {OWN}
NEWER = OWN + (1 << 32)


class Rows(NamedTuple):
    rows: list[tuple[bytes, bytes]]

    def pieces(self) -> Iterator[tuple[list[bytes], list[bytes]]]:  # noqa: D102
        yield [key for key, _ in self.rows], [value for _, value in self.rows]


def written(path: Path, layout: int) -> None:
    """A file of rows as releases of layout 1 wrote them, under the stamp of a layout."""
    header = Header("shop", 0, 1, layout, "topic-1", 500, NOW)
    write_snapshot(path, header, Rows(stored(1)), lambda new, place: new.replace(place) and None)


def restored(directory: Path) -> tuple[int | None, Unit]:
    identity = Identity("shop", 1, OWN, stamps(LAYOUT))
    metrics = Metrics()
    snapshots = LocalSnapshots(directory, identity, 0.0, lambda: Mark("topic-1", 86_400_000), lambda: NOW, metrics)
    unit = Unit(0, options())
    return asyncio.run(snapshots.restore(0, unit.restore)), unit


def test_a_snapshot_of_a_former_release_is_used(tmp_path: Path) -> None:
    """After an upgrade a worker need not read the whole changelog: its customers are there, as they were."""
    written(tmp_path / "shop-snapshots" / "0.snapshot", FIRST)
    offset, unit = restored(tmp_path)
    unit.ready({})
    assert offset == 500
    assert {b"c" + key for key in unit.engine.profiles.keys} >= {key for key, _ in stored(1) if key[:1] == b"c"}


def test_a_snapshot_of_a_newer_release_is_refused(tmp_path: Path) -> None:
    """It is not guessed at: the changelog is read."""
    written(tmp_path / "shop-snapshots" / "0.snapshot", NEWER)
    with pytest.raises(SnapshotRefusedError, match="layout"):
        restored(tmp_path)


def exported(directory: Path, layout: int) -> Manifest:
    written(directory / "0.rows", layout)
    manifest = Manifest("shop", 1, f"{layout:016x}", "2023-11-14T22:13:20Z", {0: {"orders": 1}}, len(stored(1)), 11)
    (directory / "manifest.json").write_bytes(msgspec.json.encode(manifest))
    return manifest


def test_rows_of_a_former_release_s_export_are_brought_to_this_layout(tmp_path: Path) -> None:
    """What is imported is written to the changelog as this release writes it."""
    manifest = exported(tmp_path, FIRST)
    found = moving._rows(tmp_path, 0, manifest, LAYOUT)
    assert found == Older(LAYOUT).rows(dict(stored(1)))
    assert found != dict(stored(1))


def test_rows_of_other_settings_are_refused(tmp_path: Path) -> None:
    """An export is taken with the settings that it was written with, or not at all."""
    manifest = exported(tmp_path, FIRST)
    with pytest.raises(MoveRefusedError, match="former settings"):
        moving._rows(tmp_path, 0, manifest, replace(LAYOUT, orders=8))

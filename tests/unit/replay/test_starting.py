"""Starting from a saved state: what is told afterwards is what is told from the beginning."""

import random
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import pytest

from scoring.profile import FAR, NEVER
from streams.commit import Taken
from streams.living import live_through
from streams.replay.following import Follower
from streams.replay.starting import NoStartError, SavedState, known_at
from streams.snapshot_file import Header, write_snapshot
from streams.unit import Unit
from tests.unit.replay.test_following import OPTIONS, Live, inputs, keep, knowledge
from tests.unit.worker.fetched import Fetched

NOTHING = {0: -1, 1: -1, 2: -1}


class Past:
    """Inputs of one partition, given some records at a time."""

    def __init__(self, records: Sequence[Sequence[Fetched]], begin: Sequence[int], most: int) -> None:
        self._records, self._at, self._most = records, list(begin), most
        self.first = [0, 0, 0]
        self.end = [len(some) for some in records]

    def position(self, source: int) -> int:
        """The next offset."""
        return self._at[source]

    def poll(self, sources: Sequence[int]) -> Iterator[tuple[int, Any]]:
        """The next records of each."""
        for source in sources:
            some = self._records[source][self._at[source] : self._at[source] + self._most]
            self._at[source] += len(some)
            if some:
                yield source, some


def save(directory: Path, unit: Unit) -> None:
    """As a worker keeps it, after a commit."""
    copy = unit.copy()
    assert copy is not None
    header = Header("app", 0, 1, unit.engine.profiles.fingerprint, "", 0, 0)
    write_snapshot(directory / "0.snapshot", header, copy, lambda new, path: new.replace(path))


class Halves:
    """Outputs up to a commit, at which the state is saved, and those after it."""

    def __init__(self, directory: Path, unit: Unit, after: int) -> None:
        self.directory, self.unit, self.after = directory, unit, after
        self.told: list[Any] = []

    def __call__(self, taken: Taken | None, _: int) -> None:
        """Keep what a commit tells."""
        if taken is not None:
            self.after -= 1
            self.told += [one for one in taken.outputs if one[0] not in ("progress", "examples")]
            if self.after == 0:
                save(self.directory, self.unit)
                self.told = []


class Often:
    """A commit after each quarter of a day."""

    span_ms = 6 * 3_600_000

    def wait(self, time_ms: int) -> None:
        """Nothing is waited for."""


def started(directory: Path) -> tuple[Unit, SavedState]:
    unit = Unit(0, OPTIONS, knowledge().models, knowledge().last)
    saved = SavedState(directory, 0, 1)
    saved.restore(unit)
    unit.ready(NOTHING)
    return unit, saved


@pytest.mark.parametrize("seed", range(3))
def test_by_event_time_it_goes_on_from_a_state(seed: int, tmp_path: Path) -> None:
    """To the byte, in other pieces too: scores, actions, content."""
    records = inputs(random.Random(seed), 5)
    unit = Unit(0, OPTIONS, knowledge().models, knowledge().last)
    unit.ready(NOTHING)
    whole = Halves(tmp_path, unit, 6)
    live_through(unit, Past(records, (0, 0, 0), 50), FAR, whole, Often())
    assert len(whole.told) > 50

    again, saved = started(tmp_path)
    assert 0 < sum(saved.offsets) < sum(map(len, records))
    later = Halves(tmp_path, again, -1)
    live_through(again, Past(records, saved.offsets, 7), FAR, later)
    by_topic = [sorted(half.told, key=lambda one: one[0]) for half in (whole, later)]
    assert by_topic[0] == by_topic[1]
    assert [row for _, row in again.engine.changes()] == [row for _, row in unit.engine.changes()]


@pytest.mark.parametrize("seed", range(3))
def test_as_it_was_it_goes_on_from_a_commit(seed: int, tmp_path: Path) -> None:
    """Whatever models and rules were told before: what is in force, and what is planned."""
    chance = random.Random(seed)
    records = inputs(chance, 5)
    live = Saving(chance, tmp_path)
    live.live(records)
    saved = SavedState(tmp_path, 0, 1)
    unit = Unit(0, OPTIONS)
    saved.restore(unit)
    unit.ready(NOTHING)
    streams = [iter(some[at:]) for some, at in zip(records, saved.offsets, strict=True)]
    follower = Follower(unit, knowledge(), lambda source, count: list(islice(streams[source], count)))
    commits = iter(live.progress)
    follower.know(known_at(saved, commits))
    told: dict[str, list[bytes | None]] = {topic: [] for topic in live.outputs}
    for progress in commits:
        keep(follower.follow(progress), told)
    rest = {topic: values[live.before.get(topic, 0) :] for topic, values in live.outputs.items()}
    assert len(rest["scores"]) > 5
    for topic in sorted(rest.keys() - {"progress"}):
        assert told[topic] == rest[topic], topic
    with pytest.raises(NoStartError, match="is not on `progress`"):
        known_at(saved, iter(live.progress[:2]))
    without = [msgspec.structs.replace(one, told=[]) for one in live.progress]
    with pytest.raises(NoStartError, match="not on `progress` any more"):
        known_at(saved, iter(without))


class Saving(Live):
    """Keeps its state after the fifth commit, and how much was told by then."""

    def __init__(self, chance: random.Random, directory: Path) -> None:
        self.directory = directory
        self.before: dict[str, int] = {}
        super().__init__(chance)

    def commit(self) -> None:
        """Save it, once."""
        super().commit()
        if len(self.progress) == 5 and not self.before:
            save(self.directory, self.unit)
            self.before = {topic: len(values) for topic, values in self.outputs.items()}


def test_what_will_not_do_is_told(tmp_path: Path) -> None:
    """A state that is not there, of another partition, torn, or that has come too far."""
    records = inputs(random.Random(1), 2)
    with pytest.raises(NoStartError, match="holds no state of partition 0"):
        SavedState(tmp_path, 0, 1)
    unit = Unit(0, OPTIONS)
    unit.ready(NOTHING)
    live_through(unit, Past(records, (0, 0, 0), 50), FAR)
    save(tmp_path, unit)
    past: Any = Past(records, (0, 0, 0), 50)
    saved = SavedState(tmp_path, 0, 1)
    saved.check(saved.come_ms + 1, past)
    with pytest.raises(NoStartError, match="say a later --from"):
        saved.check(saved.come_ms, past)
    past.first = [1000, 0, 0]
    with pytest.raises(NoStartError, match="retention has passed"):
        saved.check(saved.come_ms + 1, past)
    with pytest.raises(NoStartError, match="of partition 0 of 1, not 0 of 2"):
        SavedState(tmp_path, 0, 2)
    file = tmp_path / "0.snapshot"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(NoStartError, match="cannot be used"):
        SavedState(tmp_path, 0, 1)


class _Nothing:
    def pieces(self) -> Iterator[tuple[list[bytes], list[bytes]]]:
        yield from ()


def test_a_partition_on_which_nothing_was_begins_at_its_beginning(tmp_path: Path) -> None:
    """An export has a file without rows of it, and so a replay knows of no commit before the first."""
    header = Header("app", 0, 1, OPTIONS.engine.layout.fingerprint(), "", 0, 0)
    write_snapshot(tmp_path / "0.rows", header, _Nothing(), lambda new, path: new.replace(path))
    saved = SavedState(tmp_path, 0, 1)
    assert (saved.offsets, saved.beside, saved.sequence, saved.come_ms) == ([0, 0, 0], [0, 0], 0, NEVER)
    past: Any = Past(inputs(random.Random(1), 2), (0, 0, 0), 50)
    saved.check(NEVER + 1, past)
    saved.restore(Unit(0, OPTIONS))
    commits = iter(["the first"])
    assert known_at(saved, commits) == {}  # type: ignore[arg-type]
    assert [*commits] == ["the first"]

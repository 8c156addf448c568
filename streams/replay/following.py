"""Following: a unit led through what `progress` says that a partition did, step by step, to the same outputs."""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np

from schemas.internals import Progress
from scoring.in_force import blank_model
from scoring.kinds import N_INPUTS, Source
from streams.backtest.history import merged
from streams.commit import Record, Taken
from streams.decoding import Decoded
from streams.outbox import SOURCES
from streams.replay.knowledge import Knowledge, UnfollowableError
from streams.steps import MODEL, READY, RULES, SHOP, START
from streams.unit import Unit
from streams.waiting import Run

__all__ = ["Follower"]

log = logging.getLogger(__name__)


class _Span(NamedTuple):
    """Records that were read without anything in between."""

    counts: list[tuple[int, int]]
    bits: int


class _Tick(NamedTuple):
    ms: int
    received_ms: int


class _Told(NamedTuple):
    what: str
    name: str


class Follower:
    """Leads one unit.

    Parameters
    ----------
    unit
        Restored, or new; told of no version yet.
    knowledge
        The versions.
    records
        Gives the next so many records of an input.
    """

    def __init__(self, unit: Unit, knowledge: Knowledge, records: Callable[[int, int], Sequence[Record]]) -> None:
        self.unit = unit
        self._knowledge = knowledge
        self._records = records
        self._lacks_shop = False

    def follow(self, progress: Progress) -> Taken | None:
        """Do what led to one commit, and return what it writes.

        Raises
        ------
        UnfollowableError
            If records or versions that it names are not there.
        """
        for step in _in_order(progress):
            match step:
                case _Span(counts, bits):
                    self._read(counts, bits)
                case _Tick(ms, received_ms):
                    self.unit.tick(ms, received_ms)
                case _Told(what, name):
                    self._tell(what, name)
        return self.unit.take()

    def know(self, known: Mapping[str, str]) -> None:
        """Tell a unit whose state was put in place what had been told by then, by kind.

        Raises
        ------
        UnfollowableError
            If the rules are not there any more.
        """
        for what, name in ((START, ""), *known.items(), (READY, "")):
            self._tell(what, name)

    def _tell(self, what: str, name: str) -> None:
        unit, engine, known = self.unit, self.unit.engine, self._knowledge
        if what == START:
            engine.versions.model, engine.versions.upcoming = blank_model(), []
            engine.versions.shop, engine.versions.upcoming_shop = None, []
        elif what == READY:
            engine.catch_up()
        elif what == MODEL:
            for snapshot in [each for each in known.models if each.version <= int(name)]:
                unit.swap_model(snapshot)
        elif what == SHOP:
            self._look_for_shop(int(name))
            for version in [each for each in known.shop if each.version <= int(name)]:
                unit.swap_shop(version)
        elif what == RULES:
            if name not in known.timelines:
                raise UnfollowableError(
                    f"the rules that were known then (stamp {name}) are not on the topic `rules` any more, or "
                    "the settings name others; start with the rules of then"
                )
            unit.plan_rules(known.timelines[name])

    def _look_for_shop(self, version: int) -> None:
        """Warn, once, of one that was deleted since: what goes with products, and prices, may come out otherwise."""
        if not self._lacks_shop and version not in [each.version for each in self._knowledge.shop]:
            self._lacks_shop = True
            log.warning("partition %d: products@%d, known then, is not there any more (shop_versions_kept); from here "
                        "on what comes of the shop's knowledge may differ from what was told live",
                        self.unit.partition, version)  # fmt: skip

    def _read(self, counts: Sequence[tuple[int, int]], bits: int) -> None:
        """Apply records of the inputs, and take what other partitions told, and who was to be forgotten, in between."""
        take = {Source.TRANSFERS: self.unit.take_transfers, Source.DELETIONS: self.unit.take_deletions}
        for beside, some in groupby(counts, lambda count: max(count[0], N_INPUTS - 1)):
            if beside in take:
                take[Source(beside)](self._take(beside, sum(count for _, count in some)))
            else:
                self._apply(list(some), bits)

    def _apply(self, counts: Sequence[tuple[int, int]], bits: int) -> None:
        places: list[list[int]] = [[] for _ in range(N_INPUTS)]
        at = 0
        for source, count in counts:
            places[source] += range(at, at + count)
            at += count
        run = self._run([self._take(source, len(some)) for source, some in enumerate(places)], places, counts)
        self.unit.apply(run, [source for source in range(N_INPUTS) if bits >> source & 1])

    def _take(self, source: int, count: int) -> Sequence[Record]:
        records = self._records(source, count) if count else ()
        if len(records) < count:
            raise UnfollowableError(
                f"{count} records of {SOURCES[source]} were read then, and {len(records)} of them are still there: "
                "retention, a reset or an import has removed the others; begin with a state of since (--snapshot), or "
                "replay by event time"
            )
        return records

    def _run(
        self, records: Sequence[Sequence[Record]], places: Sequence[list[int]], counts: Sequence[tuple[int, int]]
    ) -> Run:
        sources = [source for source, some in enumerate(records) if some]
        decoded: dict[int, Decoded] = {source: self.unit.decoded(source, records[source]) for source in sources}
        events, details = merged([decoded[source] for source in sources], [places[source] for source in sources])
        order = np.argsort([places[s][i] for s in sources for i in decoded[s].places], kind="stable").tolist()
        flat = [(s, records[s][i]) for s in sources for i in decoded[s].places]
        refused = [(s, records[s][i], why) for s in sources for i, why in decoded[s].refused]
        return Run(
            events=events,
            details=details,
            causes=[flat[i] for i in order],
            refused=refused,
            ignored=sum(decoded[source].ignored for source in sources),
            counts=list(counts),
            next={source: records[source][-1].offset + 1 for source in sources},
        )


def _in_order(progress: Progress) -> Iterator[_Span | _Tick | _Told]:
    """The steps of a commit, one after the other."""
    between: dict[int, list[_Tick | _Told]] = defaultdict(list)
    ticks = iter(enumerate(progress.ticks))
    tick = next(ticks, None)
    for read, before, what, name in progress.told:
        while tick is not None and tick[0] < before:
            between[tick[1][0]].append(_Tick(*tick[1][1:]))
            tick = next(ticks, None)
        between[read].append(_Told(what, name))
    while tick is not None:
        between[tick[1][0]].append(_Tick(*tick[1][1:]))
        tick = next(ticks, None)
    changes = dict(progress.behind)
    edges = sorted({*between, *changes, sum(count for _, count in progress.runs)})
    runs, bits, at = list(progress.runs), 0, 0
    for edge in edges:
        if edge > at:
            yield _Span(_first(runs, edge - at), bits)
            at = edge
        yield from between.get(edge, ())
        bits = changes.get(edge, bits)


def _first(runs: list[tuple[int, int]], count: int) -> list[tuple[int, int]]:
    """Take the first `count` records off the runs."""
    taken = []
    while count:
        source, there = runs.pop(0)
        part = min(there, count)
        taken.append((source, part))
        if part < there:
            runs.insert(0, (source, there - part))
        count -= part
    return taken

"""Mistakes: variants of the production classes, each wrong in one way, that the schedules must find."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from unittest.mock import patch

import numpy as np
from simulation.clients import Acknowledged, SimulatedClient, Transactional
from simulation.disks import SimulatedSnapshots
from simulation.parts import Parts
from simulation.rules import SimulatedRules, Version
from simulation.units import RecordingUnit

from scoring.crossing import Crossings
from scoring.erased import Erased
from scoring.exchange import Exchange
from scoring.forgetting import Forgetting
from scoring.in_force import in_force
from scoring.links import Links
from scoring.model import Snapshot
from scoring.profile import NEVER
from scoring.rules.book import ALWAYS
from scoring.running import Running
from scoring.side import Side
from scoring.stored import EXAMPLE
from scoring.transfer import Forget, Forward, Give
from scoring.uniting import Uniting
from streams.commit import (
    CommitFailedError,
    CommitProtocol,
    FencedError,
    Offered,
    Record,
    Sink,
    Slice,
    Stage,
    Taken,
)
from streams.deletions import Deletions
from streams.erasing import receipt
from streams.live_rules import Timeline
from streams.suspects import PoisonError, Suspects
from streams.waiting import Run

__all__ = ["MISTAKES"]


class _CommitBeforeFlush(CommitProtocol):
    async def _write(self, partition: int, taken: Taken) -> None:
        await self._client.begin(partition)
        await self._client.commit_offsets(partition, taken.offsets)
        await self._client.end(partition)
        await super()._write(partition, taken._replace(offsets={}))


class _RowsBeforeOutputs(CommitProtocol):
    async def _write(self, partition: int, taken: Taken) -> None:
        await self._client.begin(partition)
        await self._client.send_rows(partition, taken.rows)
        await self._client.send_outputs(partition, taken.outputs)
        await self._client.commit_offsets(partition, taken.offsets)
        await self._client.end(partition)


class _RowsCopiedLate(CommitProtocol):
    """Which rows changed is known in time; their bytes are read after the outputs were sent."""

    async def _write(self, partition: int, taken: Taken) -> None:
        unit = self._holdings[partition].unit
        assert isinstance(unit, RecordingUnit)
        await self._client.begin(partition)
        await self._client.send_outputs(partition, taken.outputs)
        await asyncio.sleep(0.5)
        profiles = unit.engine.profiles
        rows = [
            (key, profiles.stored(np.array([profiles.index[key[1:]]]))[0] if value and key[:1] == b"c" else value)
            for key, value in taken.rows
        ]
        await self._client.send_rows(partition, rows)
        await self._client.commit_offsets(partition, taken.offsets)
        await self._client.end(partition)


class _NoAppliedOffsets(RecordingUnit):
    """What a row says of the offsets applied to it is set, but not looked at."""

    def apply(self, run: Run, behind: Sequence[int]) -> None:
        applied, events = self.engine.profiles.rows["applied"], run.events
        for row, source, offset in zip(events.row, events.source, events.offset, strict=True):
            applied[row, source] = min(applied[row, source], offset - 1)
        super().apply(run, behind)


class _ReadOffsetSkipped(CommitProtocol):
    """After a restore, what was read is taken for the last offset read, not for the next."""

    async def acquire(self, partition: int) -> None:
        await super().acquire(partition)
        holding = self._holdings.get(partition)
        if holding is not None:
            holding.read = {source: offset + 1 if offset else 0 for source, offset in holding.read.items()}


class _ShortRestore(SimulatedClient):
    async def restore(self, partition: int, sink: Sink, start: int | None = None) -> None:
        rows: list[tuple[bytes, bytes | None]] = []
        await super().restore(partition, lambda keys, values: rows.extend(zip(keys, values, strict=True)), start)
        if rows[:-1]:
            sink([key for key, _ in rows[:-1]], [value for _, value in rows[:-1]])


class _ShortTransactional(_ShortRestore, Transactional):
    pass


class _ShortAcknowledged(_ShortRestore, Acknowledged):
    pass


class _StillWritten(CommitProtocol):
    """A revoked partition is kept, and nobody asks whether it is still ours."""

    async def revoke(self, partitions: Iterable[int]) -> None:
        """Keep them."""

    async def _suspend(self, holding: Any) -> None:
        await self._commit(holding, wait=True)


class _Unasked(Acknowledged):
    async def begin(self, partition: int) -> None:
        """Ask nobody."""


class _MixedOffsets(RecordingUnit):
    """The state is that of what was applied, the offset of the first input that of what was fetched."""

    def take(self) -> Taken | None:
        waiting = self._waiting._pieces[0]
        if waiting:
            self._next[0] = waiting[-1].records[-1].offset + 1
            self._moved.add(0)
        return super().take()


class _OffsetOfAnother(SimulatedSnapshots):
    """Where the changelog ends is asked for when the rows are written; they were copied earlier."""

    def _written(self, copied: Any, offset: int) -> None:
        super()._written(copied, self._broker.changelog[copied.partition].stable)


class _KeptWithoutCommit(SimulatedSnapshots):
    """A copy whose commit has failed is written all the same."""

    def write(self, copied: Any, offset: int | None) -> None:
        super().write(copied, offset or self._broker.changelog[copied.partition].stable)


class _RestoreBeforeFence(Transactional):
    async def fence(self, partition: int) -> None:
        self._early: list[tuple[Sequence[bytes], Sequence[bytes | None]]] = []
        await super().restore(partition, lambda keys, values: self._early.append((keys, values)))
        await self._host.sleep(1.0)
        await super().fence(partition)

    async def restore(self, partition: int, sink: Sink, start: int | None = None) -> None:
        for keys, values in self._early:
            sink(keys, values)


class _LostAnswerIsSuccess(CommitProtocol):
    async def _write(self, partition: int, taken: Taken) -> None:
        try:
            await super()._write(partition, taken)
        except CommitFailedError:
            return


class _LostAnswerIsRepeated(CommitProtocol):
    async def _write(self, partition: int, taken: Taken) -> None:
        try:
            await super()._write(partition, taken)
        except CommitFailedError:
            await super()._write(partition, taken)


class _GapTaken(CommitProtocol):
    def offer(self, partition: int, source: int, piece: Slice) -> Offered:
        holding = self._holdings.get(partition)
        if holding is not None and holding.stage is Stage.ACTIVE and piece.start > holding.read[source]:
            holding.read[source] = piece.start
        return super().offer(partition, source, piece)


class _OldModelBack(RecordingUnit):
    def swap_model(self, snapshot: Snapshot) -> None:
        self.engine.versions.upcoming = [snapshot]


class _ModelOnArrival(RecordingUnit):
    def swap_model(self, snapshot: Snapshot) -> None:
        if snapshot.version > self.engine.versions.model.version:
            self.engine.versions.model = in_force(snapshot)


class _RuleOnArrival(RecordingUnit):
    def plan_rules(self, timeline: Timeline) -> None:
        super().plan_rules([(ALWAYS, timeline[-1][1])])


class _LatestTold(SimulatedRules):
    """An older version of a rule that is told after a newer one takes its place."""

    async def tell(self, version: Version) -> None:
        self._accepted = [
            (rule, at) for rule, at in self._accepted if rule.name != version.name or rule.version <= version.version
        ]
        await super().tell(version)


class _Unlisting(Running):
    def take_effect(self, at_ms: int) -> None:
        before = self._versions.rules
        super().take_effect(at_ms)
        if self._versions.rules is not before:
            self._state.profiles.rows["inside"] = 0


class _Belated(Running):
    def schedule(self) -> None:
        now_ms, self._clock.watermark[0] = self._clock.watermark_ms, NEVER
        super().schedule()
        self._clock.watermark[0] = now_ms


class _WithPart(RecordingUnit):
    part: type[Running | Exchange | Uniting]

    def __init__(self, *said: Any, **named: Any) -> None:
        super().__init__(*said, **named)
        for each in (self.engine._running, self.engine.exchange, self.engine._uniting):
            if issubclass(self.part, type(each)):
                each.__class__ = self.part


class _ListsEmptied(_WithPart):
    """A rule that takes effect begins with nobody in any list."""

    part = _Unlisting


class _AskedAboutBefore(_WithPart):
    """A rule that takes effect is asked at ticks that were over before its time."""

    part = _Belated


class _StartAnew(RecordingUnit):
    """After a restore the rules of the start hold until another version is told."""

    def ready(self, committed: Mapping[int, int]) -> dict[int, int]:
        self._timeline = self._timeline[:1]
        return super().ready(committed)


class _CountersInFront(RecordingUnit):
    """The counters restore from the engine's row, which is written before the offsets that they count up to."""

    def ready(self, committed: Mapping[int, int]) -> dict[int, int]:
        counts = self.engine.counts
        positions = super().ready(committed)
        self.engine.state.counts = counts
        return positions


class _LagLeft(RecordingUnit):
    """Offsets that a crash kept from being committed are left so until something else is read."""

    def ready(self, committed: Mapping[int, int]) -> dict[int, int]:
        positions = super().ready(committed)
        self._moved.clear()
        self._touched = 0
        return positions


class _LeavingJudgedAnew(Crossings):
    def _verdict(self, _before: Any, *said: Any) -> Any:
        return super()._verdict(None, *said)


class _WithheldAgain(RecordingUnit):
    """A crossing that is worked out again after a crash is judged by what it left behind itself."""

    def ready(self, committed: Mapping[int, int]) -> dict[int, int]:
        positions = super().ready(committed)
        self.engine.evaluation.crossings.__class__ = _LeavingJudgedAnew
        return positions


class _SliceRefused(Suspects):
    """All records of a run that fails are set aside."""

    def failed(self, run: Sequence[tuple[int, int]]) -> None:
        self.poison.update(run)


class _FailureIgnored(RecordingUnit):
    """What a failing record left half done is taken for done."""

    def apply(self, run: Run, behind: Sequence[int]) -> None:
        try:
            super().apply(run, behind)
        except PoisonError:
            self._broken = False


class _Trusting(Exchange):
    def deal_with(self, *said: Any) -> bool:
        super().deal_with(*said)
        return True

    def _take_in(self, give: Any, row: int, *said: Any) -> None:
        side = self._sides.find(row)
        if side is not None and give.origin in side.absorbed:
            self._sides.touch(row).absorbed[give.origin][0] = 0
        super()._take_in(give, row, *said)


class _TakenTwice(_WithPart):
    """What another partition sends again after a crash is taken for new."""

    part = _Trusting


class _TakenInOrder(RecordingUnit):
    """What went round in a circle of links is taken for what came before, where something later came first."""

    def take_transfers(self, records: Sequence[Record]) -> None:
        with patch.object(Side, "came", lambda side, *record, in_order: _came(side, *record, in_order=True)):
            super().take_transfers(records)


_came = Side.came


class _Unawaited(RecordingUnit):
    """A record that came before the history of its id, which goes round in a circle of links, is applied at once."""

    def take_transfers(self, records: Sequence[Record]) -> None:
        with patch.object(Exchange, "overtook", lambda *_: None):
            super().take_transfers(records)


class _LeftBehind(Exchange):
    def pack_one(self, former: bytes, row: int) -> None:
        self._state.drop(row)
        super().pack_one(former, row)


class _NothingSent(_WithPart):
    """A customer who is another by now is sent without what is known of them."""

    part = _LeftBehind


class _SentFirst(RecordingUnit):
    """Later events of a customer are sent before what was known by then."""

    def take(self) -> Taken | None:
        self.outbox.give = lambda gives: [self.outbox.transfer(give) for give in gives]  # type: ignore[method-assign]
        return super().take()


class _FencedGoesOn(CommitProtocol):
    """A refusal is taken for a passing failure: the unit lives on, ahead of the broker."""

    async def _write(self, partition: int, taken: Taken) -> None:
        try:
            await super()._write(partition, taken)
        except FencedError:
            return


class _BeforeCounts(RecordingUnit):
    """What was received before somebody was forgotten, and is read afterwards, counts as if it were new."""

    def apply(self, run: Run, behind: Sequence[int]) -> None:
        with patch.object(Erased, "covers", lambda *_: False):
            super().apply(run, behind)


class _HalfForgotten(RecordingUnit):
    """A request that is known after a crash is taken for one that was done."""

    def ready(self, committed: Mapping[int, int]) -> dict[int, int]:
        with patch.object(Forgetting, "finish", lambda *_: None):
            return super().ready(committed)


class _ForgottenAgain(RecordingUnit):
    """A request that comes again is done again."""

    def take_deletions(self, records: Sequence[Record]) -> None:
        with patch.object(Erased, "done", lambda *_: None):
            super().take_deletions(records)


class _UnderWayByTime(RecordingUnit):
    """What is under way is judged by when it was received: what the other partition sends later, too."""

    def take_transfers(self, records: Sequence[Record]) -> None:
        with patch.object(Forgetting, "voids", _is_older):
            super().take_transfers(records)


def _is_older(forgetting: Forgetting, sent: Give | Forward) -> bool:
    known = [each for name in (sent.origin, sent.to, *sent.via) if (each := forgetting._erased.find(name)) is not None]
    if isinstance(sent, Forward):
        return any(sent.timestamp <= erasure.at_ms for erasure in known)
    return bool(known) and not any(each in forgetting._links.owner for each in (sent.origin, *sent.via))


class _DecodedBefore(RecordingUnit):
    """Who was one when a record was decoded is taken to be so when it is applied."""

    def _forgot(self) -> None:
        """Leave what waits as it is."""


class _ExamplesLast(RecordingUnit):
    """Examples are removed when nobody can be found any more whose they were."""

    def take(self) -> Taken | None:
        taken = super().take()
        if taken is not None:
            gone = [row for row in taken.rows if row[0][:1] == EXAMPLE and row[1] is None]
            taken.rows[:] = [*(row for row in taken.rows[:-1] if row not in gone), *gone, taken.rows[-1]]
        return taken


class _OwnerTakenForClaim(RecordingUnit):
    """To whom somebody belongs is not forgotten with them, where somebody else says that they are the same."""

    def take_deletions(self, records: Sequence[Record]) -> None:
        with patch.object(Forgetting, "_is_claimed", lambda forgetting, each, _: each in forgetting._links.owner):
            super().take_deletions(records)


class _AnyOfTheName(RecordingUnit):
    """A request that is passed on is taken for an earlier one that had the same id."""

    def take_transfers(self, records: Sequence[Record]) -> None:
        true, erased = Deletions.do_elsewhere, self.engine.erased

        def unless_named(deletions: Deletions, asked: Forget, *place: Any) -> None:
            if erased.done(asked.to, asked.request) is None:
                true(deletions, asked, *place)

        with patch.object(Deletions, "do_elsewhere", unless_named):
            super().take_transfers(records)


class _StillOneOfThem(RecordingUnit):
    """Whoever claimed an id that is forgotten with somebody else still has it, until it is read anew."""

    def take_deletions(self, records: Sequence[Record]) -> None:
        formers, true = self.engine.links._formers, Links.drop

        def drop(links: Links, former: bytes) -> None:
            before = {row: list(ids) for row, ids in formers.items()}
            true(links, former)
            formers.update(before)

        with patch.object(Links, "drop", drop):
            super().take_deletions(records)


class _BackAsBefore(RecordingUnit):
    """Whoever gets themselves back from another partition is told of as if they had never been forgotten."""

    def take_transfers(self, records: Sequence[Record]) -> None:
        true, engine = Links.regain, self.engine

        def regain(links: Links, customer: bytes, row: int) -> None:
            true(links, customer, row)
            engine.since_ms.pop(row, None)

        with patch.object(Links, "regain", regain):
            super().take_transfers(records)


class _AsTheyCame(RecordingUnit):
    """The ids of one person are told in the order in which they became one, which nobody knows after a restore."""

    def take_deletions(self, records: Sequence[Record]) -> None:
        true = Links.of

        def of(links: Links, customer: bytes) -> list[bytes]:
            row = links._profiles.find(customer)
            came = [] if row < 0 else [links._profiles.keys[row], *links._formers.get(row, ())]
            return [each for each in came if each != customer] if came else true(links, customer)

        with patch.object(Links, "of", of):
            super().take_deletions(records)


class _ReceiptReplaced(RecordingUnit):
    """The receipt of a request takes the place of that of an earlier one with its id."""

    def take_transfers(self, records: Sequence[Record]) -> None:
        def under_one_key(*said: Any, again: bool, **named: Any) -> Any:
            return receipt(*said, **named)

        with patch("streams.deletions.receipt", under_one_key):
            super().take_transfers(records)


class _Crammed(Uniting):
    def unite(self, *said: Any) -> None:
        with patch.object(self._pending, "take"):
            super().unite(*said)


class _ExamplesOutlive(_WithPart):
    """Of two customers who turn out to be one, examples stay for which a row has no room."""

    part = _Crammed


MISTAKES: dict[str, Parts] = {
    "commit before flush": Parts(protocol=_CommitBeforeFlush),
    "rows flushed before the outbox": Parts(protocol=_RowsBeforeOutputs),
    "rows copied after an await": Parts(protocol=_RowsCopiedLate),
    "no applied-offset check": Parts(unit=_NoAppliedOffsets),
    "the record at the read offset skipped": Parts(protocol=_ReadOffsetSkipped),
    "restore stops one record early": Parts(
        transactional_client=_ShortTransactional, acknowledged_client=_ShortAcknowledged
    ),
    "a revoked partition still written": Parts(protocol=_StillWritten, acknowledged_client=_Unasked),
    "a commit of mixed offsets": Parts(unit=_MixedOffsets),
    "a snapshot of mixed offsets": Parts(snapshots=_OffsetOfAnother),
    "a snapshot of what was not committed": Parts(snapshots=_KeptWithoutCommit),
    "restored before the former owner is fenced": Parts(transactional_client=_RestoreBeforeFence),
    "a lost answer taken for success": Parts(protocol=_LostAnswerIsSuccess),
    "a lost answer answered by writing again": Parts(protocol=_LostAnswerIsRepeated),
    "a slice taken that begins too late": Parts(protocol=_GapTaken),
    "an older model brought back": Parts(unit=_OldModelBack),
    "a model taken on arrival": Parts(unit=_ModelOnArrival),
    "a rule taken on arrival": Parts(unit=_RuleOnArrival),
    "an older version of a rule overwrites a newer one": Parts(rules=_LatestTold),
    "lists emptied when a rule takes effect": Parts(unit=_ListsEmptied),
    "a rule asked about the time before it": Parts(unit=_AskedAboutBefore),
    "the rules of the start after a restart": Parts(unit=_StartAnew),
    "the whole slice set aside for one record": Parts(suspects=_SliceRefused),
    "a state that a failing record left goes on": Parts(unit=_FailureIgnored),
    "counters in front of their offsets": Parts(unit=_CountersInFront),
    "a lag left by a crash": Parts(unit=_LagLeft),
    "a crossing judged by itself": Parts(unit=_WithheldAgain),
    "a customer who leaves is sent without their history": Parts(unit=_NothingSent),
    "later events overtake the history": Parts(unit=_SentFirst),
    "what comes from another partition again counts again": Parts(unit=_TakenTwice),
    "what went round in a circle has come before": Parts(unit=_TakenInOrder),
    "a history that goes round in a circle is not waited for": Parts(unit=_Unawaited),
    "what came before somebody was forgotten counts afterwards": Parts(unit=_BeforeCounts),
    "half of somebody is left by a crash": Parts(unit=_HalfForgotten),
    "a repeated request is done again": Parts(unit=_ForgottenAgain),
    "what is under way to somebody forgotten is judged by its time": Parts(unit=_UnderWayByTime),
    "what waits is not decoded again once somebody is forgotten": Parts(unit=_DecodedBefore),
    "examples are removed after their customer": Parts(unit=_ExamplesLast),
    "an owner is taken for somebody who was claimed": Parts(unit=_OwnerTakenForClaim),
    "a request is taken for an earlier one of its id": Parts(unit=_AnyOfTheName),
    "whoever claimed somebody forgotten still has them": Parts(unit=_StillOneOfThem),
    "whoever gets themselves back was never forgotten": Parts(unit=_BackAsBefore),
    "a fenced owner goes on": Parts(protocol=_FencedGoesOn),
    "ids are told as they came": Parts(unit=_AsTheyCame),
    "a receipt takes the place of another": Parts(unit=_ReceiptReplaced),
    "examples outlive two who became one": Parts(unit=_ExamplesOutlive),
}
"""By what is wrong; each was made in earnest somewhere, or could be."""

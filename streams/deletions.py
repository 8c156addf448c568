"""Deletions: requests to forget somebody that one unit has read, done one after the other."""

from collections import deque
from collections.abc import Callable, Sequence
from urllib.parse import quote

import numpy as np
from msgspec import structs

from schemas.refusal import Refusal
from schemas.timestamp import from_ms, receipt_ms
from scoring.engine import Engine
from scoring.erased import Erased, KeyMismatchError, Removed
from scoring.forgetting import Forgotten, Left
from scoring.kinds import Source
from scoring.transfer import Forget
from streams.cloud_event import cloud_event, name_of
from streams.commit import Record
from streams.erasing import RECEIPTS, TOMBSTONES, read_request, receipt
from streams.limits import Limits
from streams.outbox import INPUTS, Outbox
from streams.waiting import Run

__all__ = ["Deletions", "skip_erased", "whose"]


class Deletions:
    """Does what requests ask for.

    Parameters
    ----------
    engine, outbox, limits, partition
        Of the unit.
    partition_of
        The partition number of an id; None: there is one partition only.

    Attributes
    ----------
    waiting
        Records that were read and are not done yet.
    outdated
        Whether somebody was forgotten since the records of inputs that wait were decoded.
    """

    def __init__(
        self,
        engine: Engine,
        outbox: Outbox,
        limits: Limits,
        partition: int,
        partition_of: Callable[[bytes], int] | None,
    ) -> None:
        self._engine, self._outbox, self._limits = engine, outbox, limits
        self._partition, self._partition_of = partition, partition_of
        self.waiting: deque[Record] = deque()
        self.outdated = False
        self._done = False

    def done(self) -> bool:
        """Whether somebody was forgotten since the last call."""
        done, self._done = self._done, False
        return done

    def do(self, record: Record, offsets: Sequence[int]) -> None:
        """Do what one record asks for, given the next offset of each input; each ends in one of the unit's counters.

        One that is read again after a crash, as its offset was not committed, was told by then: outputs come first.
        Another of the same request is a duplicate.
        """
        engine, counts = self._engine, self._engine.counts
        request = read_request(record.key, record.value, self._limits)
        if isinstance(request, Refusal):
            self._outbox.refuse(Source.DELETIONS, record, request)
            counts.dead_lettered += 1
            return
        customer, place = request.customer_id.encode(), (int(Source.DELETIONS), record.offset)
        done = engine.erased.done(customer, request.request_id)
        if done is not None:
            if (done.source, done.offset) == place:
                counts.applied += 1
            else:
                counts.duplicate += 1
            return
        received_ms = receipt_ms(record.timestamp)
        forgotten = engine.forgetting.forget(customer, request.request_id, place, received_ms, list(offsets))
        self._tell(customer, request.request_id, forgotten, ())
        counts.applied += 1
        self._done = self.outdated = True

    def do_elsewhere(self, asked: Forget, offset: int, offsets: Sequence[int]) -> None:
        """Do what another partition was asked for, whose customer came under an id of ours too; once.

        Raises
        ------
        KeyMismatchError
            If there is no key here.
        """
        engine, place = self._engine, (int(Source.TRANSFERS), offset)
        if not engine.erased.has_key:
            raise KeyMismatchError(
                "another worker was asked to forget somebody, and this one has no key: set RECOMPRA_ERASURE_KEY, or "
                "RECOMPRA_ERASURE_KEY_FILE, on all alike"
            )
        if asked.done:
            engine.forgetting.refuse(asked.to)
            return
        again = engine.erased.done(asked.to, asked.request) is not None
        if again and engine.erased.at_ms(asked.to) >= asked.at_ms:
            return  # an earlier request may have had the same id
        if not engine.forgetting.is_same(asked):
            self._tell_other(asked, again=again)
            return
        back = engine.forgetting.sent_since(asked)
        forgotten = engine.forgetting.forget(
            asked.to, asked.request, place, asked.at_ms, list(offsets), asked.ids, refused=asked.refused
        )
        self._tell(asked.to, asked.request, forgotten, asked.ids, again=again)
        if back is not None:
            self._outbox.transfer(back)
        if forgotten.refused and not asked.refused:
            for each in asked.ids:
                if not engine.state.home(each):
                    self._outbox.transfer(structs.replace(asked, to=each, claimed=False, refused=True, done=True))
        self._done = self.outdated = True

    def _tell(
        self, customer: bytes, request: str, forgotten: Forgotten, dealt_with: Sequence[bytes], *, again: bool = False
    ) -> None:
        outbox, erased = self._outbox, self._engine.erased
        whose = erased.hash(customer)
        erasure = erased.known[whose]
        stamp = from_ms(erasure.at_ms)
        for left in forgotten.left:
            self._tell_audience(left, stamp)
        for topic in TOMBSTONES:
            for each in forgotten.ids:
                outbox.delete(topic, each)
        partition_of = self._partition_of
        others = [*dealt_with, *(told.to for told in forgotten.elsewhere)]
        partitions = set() if partition_of is None else {partition_of(each) for each in others} - {self._partition}
        passed_on = [(partition_of(told.to), erased.hash(told.to)) for told in forgotten.elsewhere if partition_of]
        offsets = dict(zip(INPUTS, erasure.offsets, strict=True))
        name, event = receipt(
            request, forgotten.request.removed, erasure.key, whose, self._partition, erasure.at_ms, offsets,
            sorted(partitions), passed_on, refused=forgotten.refused, again=again,
        )  # fmt: skip
        outbox.put(RECEIPTS, name.encode(), event)
        outbox.told["forgotten",] += 1
        for told in forgotten.elsewhere:
            outbox.transfer(told)

    def _tell_other(self, asked: Forget, *, again: bool) -> None:
        """Say that an id was only claimed: whose it is, is somebody else, of whom nothing was removed."""
        erased, offsets = self._engine.erased, dict.fromkeys(INPUTS, 0)
        whose = erased.hash(asked.to)
        name, event = receipt(
            asked.request, Removed(), erased.key, whose, self._partition, asked.at_ms, offsets, [], refused=False,
            another=True, again=again,
        )  # fmt: skip
        self._outbox.put(RECEIPTS, name.encode(), event)

    def _tell_audience(self, left: Left, stamp: str) -> None:
        customer = left.customer.decode()
        data = {
            "customer_id": customer,
            "audience": left.rule,
            "rule_version": left.rule_version,
            "crossing": "left",
            "crossing_number": left.number,
            "object": left.object,
            "event_time": stamp,
            "products": [],
        }
        name = f"audience/{left.rule}/{left.number}/{name_of(left.customer, left.since_ms)}"
        if left.object is not None:
            name += f"/{quote(left.object, safe='')}"
        event = cloud_event(name, "recompra.audience", "audience.v1", customer, stamp, data)
        self._outbox.put("audiences", left.customer, event)


def whose(erased: Erased, source: int, record: Record) -> bytes | None:
    """Return whose a record of an input is; None if that one was forgotten since it was received."""
    key = record.key or b""
    return None if erased.covers(key, source, record.offset, record.timestamp) else key


def skip_erased(engine: Engine, run: Run) -> None:
    """Let events be nobody's that are of somebody forgotten who came again, and forget what ids they tell of."""
    erased = engine.erased
    if not len(erased):
        return
    if engine.returned:
        returned = np.fromiter(engine.returned, np.int64, len(engine.returned))
        for i in np.flatnonzero(np.isin(run.events.row, returned)).tolist():
            if whose(erased, *run.causes[i]) is None:
                run.events.row[i] = -1
    for i in [i for i, detail in run.details.items() if detail.former]:
        source, record = run.causes[i]
        if erased.covers(run.details[i].former, source, record.offset, record.timestamp):
            run.details[i] = run.details[i]._replace(former=b"")

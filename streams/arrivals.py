"""Arrivals: what other partitions tell one unit, taken one record after the other."""

from collections import deque
from collections.abc import Callable, Sequence

import msgspec

from schemas.timestamp import receipt_ms
from scoring.engine import Engine
from scoring.kernel import Events
from scoring.kinds import Source
from scoring.outcome import Outcome
from scoring.sides import Detail
from scoring.transfer import Forget, Forward, Transfer
from streams.commit import Record
from streams.decoding import Decoder
from streams.deletions import Deletions
from streams.fetched import One
from streams.outbox import Outbox

__all__ = ["Arrivals"]

_transfer = msgspec.msgpack.Decoder(Transfer).decode


class Arrivals:
    """Takes what other partitions tell.

    Parameters
    ----------
    engine, outbox, decode, deletions, watch
        Of the unit.

    Attributes
    ----------
    waiting
        Records that were read and are not done yet.
    """

    def __init__(
        self,
        engine: Engine,
        outbox: Outbox,
        decode: Decoder,
        deletions: Deletions,
        watch: Callable[[Events, Outcome], None],
    ) -> None:
        self._engine, self._outbox, self._decode = engine, outbox, decode
        self._deletions, self._watch = deletions, watch
        self.waiting: deque[Record] = deque()

    def do(self, record: Record, offsets: Sequence[int], told_ms: int) -> None:
        """Do what one record tells, given the next offset of each input and the watermark that was told last.

        Raises
        ------
        KeyMismatchError
            If somebody is to be forgotten, and there is no key here.
        """
        engine, outbox = self._engine, self._outbox
        told = _transfer(record.value or b"")
        if isinstance(told, Forget):
            self._deletions.do_elsewhere(told, record.offset, offsets)
            return
        causes: Sequence[tuple[int, Record]]
        if isinstance(told, Forward):
            if engine.forgetting.voids(told):
                return
            row, to, via = engine.exchange.arrive(told)
            if row < 0:
                outbox.transfer(engine.exchange.sent_on(told, to, via))
                return
            again = engine.exchange.overtook(row, told, record.offset, via)
            if again is not None:
                outbox.transfer(again)
                return
            inner = One(record.offset, told.timestamp, told.key, told.value)
            decoded = self._decode(told.source, [inner])
            for _, refusal in decoded.refused:  # it was none where it was read, so settings differ
                outbox.refuse(Source.TRANSFERS, record, refusal)
            if not len(decoded.places) or not engine.exchange.deal_with(row, told, record.offset):
                return
            events, details = decoded.events, decoded.details or {0: Detail()}
            events.row[:], events.source[:] = row, Source.TRANSFERS
            outcome, causes = engine.apply(events, details), [(Source.TRANSFERS, inner)]
            self._watch(events, outcome)
        else:
            outcome = engine.exchange.receive(told, record.offset, receipt_ms(record.timestamp))
            causes = [(Source.TRANSFERS, One(record.offset, record.timestamp, record.key, None))]
        outbox.tell(outcome, causes, told_ms)
        outbox.transfers(outcome, causes)

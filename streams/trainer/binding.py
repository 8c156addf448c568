"""Binding: training under Faust: where to read on, what is read, what to publish."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import Any, Final

import msgspec
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError
from faust.types import TP

from scoring.model import Snapshot
from streams.commit import Record
from streams.trainer.training import Training
from streams.trainer.wire import Watermark, read_example
from streams.transport import SliceConsumer

__all__ = ["EXAMPLES", "TrainerBinding"]

log = logging.getLogger(__name__)

EXAMPLES: Final = "examples"
_YIELD_EVERY: Final = 500
_LOOK_EVERY_S: Final = 2.0


class TrainerBinding:
    """Stands between Faust and `Training`; everything here runs in Faust's main loop.

    Parameters
    ----------
    begin
        Makes the training from the newest version, and gives the offset to read from.
    publish
        Sends a version; returns when the broker has it.
    filled
        The partition numbers that hold an input's record.
    failed
        Told why the trainer cannot go on.
    unreadable
        Told of each record that cannot be read.
    looked
        Called after records were taken.

    Attributes
    ----------
    consumer
        Faust's consumer; set before the app starts.
    training
        None while the partition is not ours.
    ready
        Set once the group has decided.
    """

    consumer: SliceConsumer

    def __init__(
        self,
        begin: Callable[[], Awaitable[tuple[Training, int]]],
        publish: Callable[[Snapshot, Training], Awaitable[None]],
        filled: Callable[[], Awaitable[frozenset[int]]],
        failed: Callable[[BaseException], None],
        unreadable: Callable[[], None],
        looked: Callable[[Training], None],
    ) -> None:
        self._begin, self._publish, self._filled = begin, publish, filled
        self._failed, self._unreadable, self._looked = failed, unreadable, looked
        self.training: Training | None = None
        self.ready = asyncio.Event()
        self._tp: TP | None = None
        self._next = 0
        self._on_the_way = False
        self._looked_at_s = 0.0

    # ---- what the group decided

    async def suspend(self) -> None:
        """Read and publish nothing until the group has decided."""
        self.training = None
        self._on_the_way = False

    async def assigned(self, tps: frozenset[TP]) -> None:
        """Go on from the newest version if the partition is ours."""
        try:
            mine = [tp for tp in tps if tp.topic == EXAMPLES]
            if mine:
                await self._seat(mine[0])
            self.ready.set()
        except Exception as error:  # noqa: BLE001 - whatever it is, the trainer cannot go on without its state
            self._failed(error)

    async def _seat(self, tp: TP) -> None:
        training, offset = await self._begin()
        first, end = (await self.consumer.thread.bounds([tp]))[tp]
        if offset < first and offset > 0:
            log.warning("%s: offsets %d to %d are gone; their examples are not learned", EXAMPLES, offset, first)
        self._next = max(offset, first)
        if self._next > end + _SHORT_END:
            log.warning("%s ends at %d, and was read to %d: it was made anew; reading it whole", EXAMPLES, end, offset)
            self._next = first
        await self.consumer.thread.seek_all({tp: self._next})
        self._tp, self.training, self._on_the_way = tp, training, False
        self._looked_at_s = 0.0
        self._looked(training)

    # ---- what is fetched (streams.transport.Guide)

    def wanted(self, assigned: Iterable[TP]) -> set[TP]:
        """Ask for more when what was fetched before has been taken."""
        if self.training is None or self._on_the_way:
            return set()
        return {tp for tp in assigned if tp.topic == EXAMPLES}

    def handed(self, tp: TP, handed_on: bool) -> None:
        """Note that a slice is on its way to the agent, or has arrived there."""
        self._on_the_way = handed_on

    def idle(self, tp: TP, position: int, end: int) -> None:
        """Nothing: examples come when they come."""

    async def take(self, message: Any) -> None:
        """Take a slice; one that was fetched before a rebalance, and is not the next, is dropped."""
        piece, training, tp = message.value, self.training, self._tp
        self._on_the_way = False
        if training is None or tp is None:
            return
        if piece.next <= self._next:
            if not self._made_anew(tp):
                return
            log.warning("%s was read to %d, and ends before: it was made anew; reading it whole", EXAMPLES, self._next)
            self._next = piece.start
        if piece.start > self._next:
            await self._go_back(training, tp)
            return
        try:
            await self._learn(training, [record for record in piece.records if record.offset >= self._next])
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - Faust would start the agent anew, behind what it lost
            self._failed(error)
            return
        if self.training is training:
            self._next = piece.next
            self._looked(training)

    async def _go_back(self, training: Training, tp: TP) -> None:
        """Seek what is needed next, or, where retention has removed that meanwhile, the first that is still there."""
        first = 0
        with suppress(KafkaError):  # then it is asked when the next slice comes
            first, _ = (await self.consumer.thread.bounds([tp]))[tp]
        if self.training is not training:
            return
        if self._next < first:
            log.warning("%s: offsets %d to %d are gone; their examples are not learned", EXAMPLES, self._next, first)
            self._next = first
        with suppress(IllegalStateError):  # a rebalance came between, after which it is sought anew
            await self.consumer.thread.seek_all({tp: self._next})

    def _made_anew(self, tp: TP) -> bool:
        """Whether the input ends before what was read of it, and the reader, told so by the broker, went back.

        Its end alone would not say so: the embedded broker's are too low, but there the reader stays where it was sent.
        """
        place = self.consumer.thread.place(tp)
        return place is not None and max(place) < self._next

    async def _learn(self, training: Training, records: list[Record]) -> None:
        for count, record in enumerate(records):
            if self.training is not training:
                return  # the group took the partition away; what was published stays true
            try:
                said = read_example(record.value or b"")
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                log.warning("%s-0 offset %d cannot be read: %s", EXAMPLES, record.offset, error)
                self._unreadable()
                continue
            if isinstance(said, Watermark):
                await self._know_partitions(training, said)
                for snapshot in training.watermark(record.offset, said.partition, said.watermark_ms):
                    await self._publish(snapshot, training)
            else:
                training.example(record.offset, said)
            if count % _YIELD_EVERY == 0:
                await asyncio.sleep(0)

    async def _know_partitions(self, training: Training, said: Watermark) -> None:
        """Wait for partitions that hold input and have not told a watermark; look at most every two seconds."""
        if said.partition not in training.watermarks or time.monotonic() - self._looked_at_s > _LOOK_EVERY_S:
            self._looked_at_s = time.monotonic()
            training.required |= await self._filled()

    # ---- what is committed

    async def commit(self) -> bool:
        """Tell the group how far we have read, for those who watch its lag; nothing depends on it."""
        if self._tp is None or self.training is None or not self._next:
            return False
        try:
            await self.consumer.thread.commit_as_member({self._tp: self._next})
        except (CommitFailedError, IllegalStateError, KafkaError) as error:
            log.debug("the group does not take our offset: %s", error)
            return False
        return True


_SHORT_END: Final = 100_000
"""The embedded broker tells ends that are short by up to a batch."""

"""The commit protocol: what happens between the steps of one that goes well."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from scoring.rules import Rule, RuleSet
from streams.commit import CommitProtocol, Taken
from streams.unit import Unit
from tests.unit.worker.test_unit import options

FOREVER = -(2**62)


class _Client:
    """A broker that writes down what it is asked, and sends rows only when it is let."""

    transactional = False

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.may_send, self.may_restore = asyncio.Event(), asyncio.Event()
        self.may_restore.set()

    async def fence(self, partition: int) -> None: ...
    async def begin(self, partition: int) -> None: ...
    async def release(self, partition: int) -> None: ...
    async def send_outputs(self, partition: int, outputs: Sequence[Any]) -> None: ...

    async def restore(self, partition: int, sink: Any, start: int | None = None) -> int | None:
        await self.may_restore.wait()
        self.asked.append("restore")
        return None

    async def committed(self, partition: int) -> Mapping[int, int]:
        return {}

    async def send_rows(self, partition: int, rows: Sequence[Any]) -> None:
        await self.may_send.wait()
        self.asked.append("rows")

    async def commit_offsets(self, partition: int, offsets: Mapping[int, int]) -> None:
        self.asked.append("offsets")

    async def end(self, partition: int) -> int | None:
        return None


class _Applied(Unit):
    """A unit that always has something to write."""

    def take(self) -> Taken | None:
        return Taken([], [(b"u", b"")], {0: 1})


def test_a_state_is_read_anew_only_after_a_commit_under_way() -> None:
    """A unit is discarded while it is being written: what is still on its way must be there before it is read."""

    async def played() -> list[str]:
        client = _Client()
        protocol = CommitProtocol(client, lambda p: _Applied(p, options()), lambda *_: None)
        await protocol.acquire(0)
        protocol.activate(0)
        commit = asyncio.create_task(protocol.commit(0))
        await asyncio.sleep(0)
        protocol.discard(0, RuntimeError("poison"))
        again = asyncio.create_task(protocol.acquire(0))
        for _ in range(10):
            await asyncio.sleep(0)
        client.may_send.set()
        await asyncio.gather(commit, again)
        return client.asked

    assert asyncio.run(played()) == ["restore", "rows", "offsets", "restore"]


def test_what_is_told_while_a_state_is_read_is_not_missed() -> None:
    """A version of a rule that comes during the restore holds after it."""
    new = RuleSet([Rule(name="new", sentence="New.", enter="total(any) >= 1")])

    async def played() -> list[str]:
        client = _Client()
        client.may_restore.clear()
        protocol = CommitProtocol(client, lambda p: Unit(p, options()), lambda *_: None)
        acquired = asyncio.create_task(protocol.acquire(0))
        await asyncio.sleep(0)
        for unit in protocol.held():
            unit.plan_rules([(FOREVER, new)])
        client.may_restore.set()
        await acquired
        [unit] = protocol.held()
        assert isinstance(unit, Unit)
        return list(unit.engine.versions.rules.names)

    assert asyncio.run(played()) == ["new"]

"""A topic that is read whole while its broker has hiccups: nothing of it is passed over, nothing taken twice."""

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError, KafkaError

from scoring.rules import RuleError, shipped
from streams import live_rules, whole_topic
from streams.live_rules import LiveRules, Timeline
from streams.settings_sources import load
from streams.whole_topic import WholeTopic
from tests.unit.worker.test_live_rules import told

PLACE = TopicPartition("things", 0)


class _Kept(NamedTuple):
    offset: int
    value: bytes | None


class _Consumer:
    """Gives all that is there at once, as a fetch does, and stands behind it."""

    def __init__(self, *values: bytes | None) -> None:
        self._kept = [_Kept(offset, value) for offset, value in enumerate(values)]
        self._position = 0

    async def getmany(self, timeout_ms: int) -> dict[TopicPartition, list[_Kept]]:
        given = self._kept[self._position :]
        self._position = len(self._kept)
        await asyncio.sleep(0)
        return {PLACE: given} if given else {}

    def seek(self, place: TopicPartition, offset: int) -> None:
        assert place == PLACE
        self._position = offset


class _Things(WholeTopic):
    """Takes things; the broker fails where `wrong` says so."""

    def __init__(self, wrong: Callable[[bytes], bool]) -> None:
        super().__init__(load().settings, "things")
        self._wrong = wrong
        self.taken: list[bytes] = []
        self.tried: list[bytes] = []

    async def take(self, value: bytes) -> None:
        self.tried.append(value)
        if self._wrong(value):
            raise KafkaConnectionError("hiccup")
        self.taken.append(value)


def followed(topic: WholeTopic, consumer: Any, seconds: float, until: Callable[[], bool] = lambda: False) -> None:
    """Follow until something is so, for some seconds at most."""

    async def main() -> None:
        topic._consumer = consumer
        following = asyncio.create_task(topic.follow())
        loop = asyncio.get_running_loop()
        give_up = loop.time() + seconds
        while not (until() or following.done() or loop.time() > give_up):  # noqa: ASYNC110 - whatever is asked
            await asyncio.sleep(0.005)
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)

    asyncio.run(main())


def test_what_was_fetched_with_a_record_that_fails_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is read again from that record on, and each thing is taken once."""
    monkeypatch.setattr(whole_topic, "_RETRY_S", 0.01)
    hiccups = iter([True, True])
    topic = _Things(lambda value: value == b"2" and next(hiccups, False))
    followed(topic, _Consumer(b"1", None, b"2", b"3"), 30, lambda: len(topic.taken) == 3)
    assert topic.taken == [b"1", b"2", b"3"]


def test_a_record_that_fails_for_ever_is_not_asked_for_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is a pause between two tries."""
    monkeypatch.setattr(whole_topic, "_RETRY_S", 0.1)
    topic = _Things(lambda value: value == b"2")
    followed(topic, _Consumer(b"1", b"2", b"3"), 0.35)
    assert topic.taken == [b"1"]
    assert 2 <= topic.tried.count(b"2") <= 4


class _Rules:
    """Live rules whose broker answers with these lists of topics, or fails; the last answer stays."""

    def __init__(self, *answers: set[str] | KafkaError) -> None:
        self.timelines: list[Timeline] = []
        self.refused: list[RuleError] = []
        self.asked = 0
        self.live = LiveRules(load().settings, shipped(), self.timelines.append, self.refused.append)

        async def topics() -> set[str]:
            answer = answers[min(self.asked, len(answers) - 1)]
            self.asked += 1
            if isinstance(answer, KafkaError):
                raise answer
            return answer

        self.live.topics = topics  # type: ignore[method-assign]

    def follow(self, *values: bytes) -> list[str]:
        """Follow records of `rules` until each is in force or refused; the names and versions in force then."""
        followed(self.live, _Consumer(*values), 30, lambda: len(self.timelines) + len(self.refused) == len(values))
        return [f"{rule.name}@{rule.version}" for rule in self.live.timeline[-1][1].rules]


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_rules, "_PAUSE_S", 0.01)
    monkeypatch.setattr(live_rules, "_PATIENCE_S", 0.05)


NEW, OTHER = told(name="new-rule", version=1), told(version=2)


def test_rules_that_come_while_the_broker_has_a_hiccup_are_in_force(monkeypatch: pytest.MonkeyPatch) -> None:
    """The new one, whose topic could not be asked for, and the one that was fetched with it."""
    monkeypatch.setattr(whole_topic, "_RETRY_S", 0.01)
    rules = _Rules(KafkaConnectionError("hiccup"), {"actions-new-rule"})
    assert {"new-rule@1", "win-back@2"} <= set(rules.follow(NEW, OTHER))
    assert rules.refused == []


def test_a_topic_that_the_broker_does_not_know_yet_is_asked_for_again() -> None:
    """It was just made, through another broker."""
    rules = _Rules(set(), set(), {"actions-new-rule"})
    assert "new-rule@1" in rules.follow(NEW)
    assert (rules.asked, rules.refused) == (3, [])


def test_a_topic_that_nobody_makes_is_a_refusal_after_a_while() -> None:
    """What comes behind waits for it, and is then in force."""
    rules = _Rules(set())
    assert "win-back@2" in rules.follow(NEW, OTHER)
    assert [error.field for error in rules.refused] == ["name"]


def test_a_start_waits_once_for_all_topics_that_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """All rules that are there are older than the start."""
    rules = _Rules(set())
    asked: list[int] = []

    async def start(topic: WholeTopic) -> None:
        for number in range(3):
            before = rules.asked
            await topic.take(told(name=f"rule-{number}", version=1))
            asked.append(rules.asked - before)

    monkeypatch.setattr(WholeTopic, "start", start)
    asyncio.run(rules.live.start())
    assert asked[0] > 1
    assert asked[1:] == [1, 1]
    assert len(rules.refused) == 3

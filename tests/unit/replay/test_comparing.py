"""What a replay is compared with."""

from typing import Any

import orjson
import pytest

from scoring.profile import FAR, NEVER
from streams.replay import comparing
from streams.settings import Settings
from streams.tailing import Record


def test_what_a_former_release_told_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """It named the schema alone, and no replay of this release does."""
    told: dict[str, Any] = {"id": "score/1", "time": "2024-05-01T09:30:00.000Z", "data": {"score": 0.5}}
    replayed = told | {"data": {"score": 0.5, "replay": True}}

    def tail(_: Settings, topic: str, *_more: Any, **_others: Any) -> list[Record]:
        schema, value = ("score.v1", told) if topic == "scores" else ("urn:recompra:score.v1", replayed)
        return [Record(topic, 0, 0, 0, b"c", orjson.dumps(value | {"dataschema": schema}))]

    monkeypatch.setattr(comparing, "tail", tail)
    live, again = (
        [*comparing._records(Settings(), shadow, "scores", (NEVER, FAR), lambda _: False)]  # type: ignore[arg-type]
        for shadow in (None, "was")
    )
    assert live == again


def test_what_a_replay_published_is_not_what_workers_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the digest of live nor another replay's comparison has it; with its own replay it is the same."""
    topic = "actions-win-back"
    shadows = {"was": ("told",), "mended": ("told", "published")}

    def record(topic: str, name: str, *, replay: bool) -> Record:
        data = {"customer_id": "ann", "rule": "win-back", "rule_version": 1, "replay": replay}
        value = {"id": name, "time": "2024-05-01T09:30:00.000Z", "dataschema": "urn:recompra:action.v1", "data": data}
        return Record(topic, 0, 0, 0, b"ann", orjson.dumps(value))

    def tail(_: Settings, name: str, *_more: Any, **_others: Any) -> list[Record]:
        shadow = name.removesuffix(f"-{topic}")
        if shadow in shadows:
            return [record(name, one, replay=True) for one in shadows[shadow]]
        return [record(name, "told", replay=False), record(name, "published", replay=True)]

    monkeypatch.setattr(comparing, "tail", tail)
    monkeypatch.setattr(comparing, "_topics", lambda *_, **__: [topic])
    monkeypatch.setattr(comparing, "erased_since", lambda _: lambda *_: False)
    span = (NEVER, FAR)
    live, was = (comparing.digest(Settings(), shadow, span, scores=False) for shadow in (None, "was"))
    assert live == was
    found = comparing.compare(Settings(), "was", span)
    assert found.alike
    assert found.same == {topic: 1}
    assert comparing.compare(Settings(), "mended", span).same == {topic: 2}

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

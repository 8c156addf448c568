"""Models as workers read them: what could score something else is refused, in words that help."""

from dataclasses import replace
from datetime import timedelta

import pytest

from scoring.features import FEATURE_VERSION
from scoring.learner import Learner, LearnerConfig
from scoring.model import Snapshot, SnapshotRefused
from streams.models import snapshot_of
from streams.settings import Settings
from streams.trainer.wire import model_record

DAY_MS = 86_400_000
SETTINGS = Settings(horizon=timedelta(days=30))


def taken(**changes: object) -> Snapshot:
    return replace(Learner(LearnerConfig()).snapshot(DAY_MS, DAY_MS), **changes)  # type: ignore[arg-type]


def test_what_a_trainer_publishes_is_read_without_its_state() -> None:
    """A scorer never needs what only a learner goes on from."""
    written = taken()
    read = snapshot_of(model_record(written)[1], SETTINGS)
    assert (read.version, read.effective_ms, read.feature_version) == (1, DAY_MS, FEATURE_VERSION)
    assert written.state
    assert read.state == b""


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"feature_version": "f0-old"}, "feature_version = 'f0-old': this program computes the features of version"),
        ({"horizon_ms": 14 * DAY_MS}, "horizon_ms = '1209600000': this worker scores a horizon of 2592000000 ms"),
        ({"scorer": None, "pickled": b"x"}, "pickled = '1 bytes': it carries a pickled .* set allow_pickled_models"),
    ],
)
def test_what_would_score_something_else_is_refused(changes: dict[str, object], told: str) -> None:
    """A snapshot of other features, of another horizon, or one that runs code of whoever wrote it."""
    with pytest.raises(SnapshotRefused, match=told):
        snapshot_of(model_record(taken(**changes))[1], SETTINGS)


@pytest.mark.parametrize(
    "value", [b"", b"{}", b"\xff", model_record(taken())[1].replace(b'"snapshot":"', b'"snapshot":"*')]
)
def test_what_is_no_snapshot_is_refused(value: bytes) -> None:
    """It says to look at what writes to the topic."""
    with pytest.raises(SnapshotRefused, match="check what writes to the topic"):
        snapshot_of(value, SETTINGS)

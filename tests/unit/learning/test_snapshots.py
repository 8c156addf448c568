"""Snapshots survive the wire, and what is damaged or foreign is refused in plain words."""

import numpy as np
import pytest

from scoring.features import FEATURE_VERSION
from scoring.learner import Learner, LearnerConfig
from scoring.model import Snapshot, SnapshotRefused
from scoring.river_model import SlowScorer

from .examples import examples

EXAMPLES = examples(900)
END = EXAMPLES[-1].resolved_ms


def newest(model: str = "newton") -> Snapshot:
    learner = Learner(LearnerConfig(model))
    learner.learn(EXAMPLES)
    return learner.snapshot(END, END)


def test_round_trip() -> None:
    """What is read is what was written, to the byte, and serves the same log-odds."""
    written = newest()
    read = Snapshot.from_bytes(written.to_bytes(), feature_version=FEATURE_VERSION)
    assert read.to_bytes() == written.to_bytes()
    for a, b in zip(read.scorer, written.scorer, strict=True):  # type: ignore[arg-type]
        assert np.array_equal(a, b)
    assert read.examples_seen == 900
    assert read.metrics == written.metrics


def test_it_fits_a_kafka_message() -> None:
    """In base64 it stays well under Kafka's default limit of 1 MB, also when it is full."""
    learner = Learner()
    learner.learn(examples(4000))
    assert len(learner.snapshot(10**13, 10**12).to_bytes()) * 4 / 3 < 700_000


@pytest.mark.parametrize("at", [0, 20, 100, -1])
def test_damage_is_found(at: int) -> None:
    """One changed byte anywhere is noticed."""
    data = bytearray(newest().to_bytes())
    data[at] ^= 0x55
    with pytest.raises(SnapshotRefused, match=r"model snapshot refused: (value|checksum)"):
        Snapshot.from_bytes(bytes(data))


@pytest.mark.parametrize("data", [b"", b"{}", newest().to_bytes()[:500]])
def test_what_is_no_snapshot_is_refused(data: bytes) -> None:
    """Other bytes, or a part of a snapshot, are refused and not half read."""
    with pytest.raises(SnapshotRefused):
        Snapshot.from_bytes(data)


def test_foreign_features_are_refused() -> None:
    """A snapshot of another feature version is refused, and the message names both and what to do."""
    with pytest.raises(SnapshotRefused) as refused:
        Snapshot.from_bytes(newest().to_bytes(), feature_version="f9-other")
    text = str(refused.value)
    assert FEATURE_VERSION in text
    assert "f9-other" in text
    assert "learn anew" in text


def test_pickles_only_where_allowed() -> None:
    """A river model that is not linear is read where pickles are allowed, and then scores as it did."""
    written = newest("river:naive_bayes.GaussianNB()")
    assert written.scorer is None
    with pytest.raises(SnapshotRefused, match="allow_pickle"):
        Snapshot.from_bytes(written.to_bytes())
    X = np.array([e.features for e in EXAMPLES[:50]])
    read = Snapshot.from_bytes(written.to_bytes(), allow_pickle=True)
    shown = SlowScorer.of(read).logits(X)
    assert np.array_equal(shown, SlowScorer.of(written).logits(X))
    labels = np.array([e.label for e in EXAMPLES[:50]])
    assert shown[labels].mean() > shown[~labels].mean()

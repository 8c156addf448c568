"""The learner takes each example once, in order, and can be stopped and resumed without a trace."""

import math
import zlib
from dataclasses import replace
from itertools import pairwise

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.features import BASELINE, FEATURE_VERSION, N_FEATURES
from scoring.in_force import in_force
from scoring.learner import ALL, CUSTOMERS, PROSPECTS, Learner, LearnerConfig
from scoring.model import Example, Snapshot, SnapshotRefused, logits, probabilities
from scoring.quality import measure

from .examples import DAY, examples

EXAMPLES = examples(1500)
END = EXAMPLES[-1].resolved_ms
RIVER = "river:StandardScaler() | LogisticRegression(optim.SGD(.01))"


def taught(found: list[Example], config: LearnerConfig | None = None) -> Learner:
    learner = Learner(config)
    learner.learn(found)
    return learner


@settings(max_examples=20)
@given(st.lists(st.integers(0, len(EXAMPLES)), max_size=6), st.integers(0, len(EXAMPLES)))
def test_resumed_equals_never_stopped(cuts: list[int], stop: int) -> None:
    """However examples are cut, wherever it stops and resumes, the next snapshot is the same bytes."""
    whole = taught(EXAMPLES[:stop])
    stop_ms = EXAMPLES[stop - 1].resolved_ms if stop else 0
    stop = sum(e.resolved_ms <= stop_ms for e in EXAMPLES)  # a snapshot is complete up to its time
    whole.learn(EXAMPLES[:stop])
    data = whole.snapshot(stop_ms, stop_ms).to_bytes()
    whole.learn(EXAMPLES[stop:])
    resumed = Learner.resume(Snapshot.from_bytes(data, feature_version=FEATURE_VERSION), LearnerConfig())
    edges = sorted([0, *cuts, len(EXAMPLES)])
    for start, end in pairwise(edges):
        resumed.learn(EXAMPLES[start:end])
    assert resumed.snapshot(END, END).to_bytes() == whole.snapshot(END, END).to_bytes()


def test_a_river_model_resumes_too() -> None:
    """A river model goes on from its pickle where that is allowed, and is refused where it is not."""
    config = LearnerConfig(RIVER, allow_pickle=True)
    half = EXAMPLES[699].resolved_ms
    first = [e for e in EXAMPLES[:900] if e.resolved_ms <= half]
    whole = taught(first, config)
    snapshot = Snapshot.from_bytes(whole.snapshot(half, half).to_bytes())
    assert snapshot.scorer is not None
    resumed = Learner.resume(snapshot, config)
    for learner in (whole, resumed):
        learner.learn(EXAMPLES[:900])
    a, b = whole.snapshot(END, END), resumed.snapshot(END, END)
    assert np.array_equal(a.scorer.weight, b.scorer.weight)  # type: ignore[union-attr]
    assert a.metrics == b.metrics
    with pytest.raises(SnapshotRefused, match="allow_pickled_models"):
        Learner.resume(snapshot, LearnerConfig(RIVER))


def test_no_example_is_learned_twice() -> None:
    """Examples given again, and examples of a time that a snapshot closed, are skipped and counted."""
    learner = taught(EXAMPLES[:500])
    assert learner.learn(EXAMPLES[:500]) == 0
    assert (learner.seen, learner.skipped) == (500, 500)
    learner.snapshot(END, END)
    assert learner.learn(EXAMPLES[500:]) == 0
    assert learner.seen == 500


def test_disorder_is_refused() -> None:
    """Examples that are not in order of resolution are refused, and the first that is out of place is named."""
    with pytest.raises(ValueError, match="sort them by resolved_ms"):
        Learner().learn([EXAMPLES[20], EXAMPLES[0]])


def test_foreign_examples_are_left_out() -> None:
    """Examples with the features of another version are counted and not learned."""
    learner = taught(examples(10, feature_version="f0-old"))
    assert (learner.seen, learner.foreign) == (0, 10)


@pytest.mark.parametrize("labels", [(199, 500), (500, 199)])
def test_warms_up_until_both_outcomes_are_known(labels: tuple[int, int]) -> None:
    """With 199 of either outcome customers are ranked by decayed orders; the next one ends that."""
    positives, negatives = labels
    y = [True] * positives + [False] * negatives
    rows = [replace(e, label=label) for e, label in zip(EXAMPLES, y, strict=False)]
    learner = taught(rows)
    snapshot = learner.snapshot(END, END)
    assert snapshot.warming_up
    row = np.zeros(N_FEATURES)
    row[BASELINE] = 1.0
    assert logits(snapshot.scorer, np.array([row]))[0] > logits(snapshot.scorer, np.zeros((1, N_FEATURES)))[0]  # type: ignore[arg-type]
    last = replace(rows[-1], id="z", resolved_ms=END + 1, label=positives < 200)
    learner.learn([last])
    assert not learner.snapshot(END + 1, END + 1).warming_up


def test_what_a_snapshot_serves_is_calibrated() -> None:
    """The served probabilities of the latest examples have their base rate, though it has just doubled."""
    rng = np.random.default_rng(4)
    rows = [replace(e, label=bool(rng.random() < (0.2 if i < 3000 else 0.4))) for i, e in enumerate(examples(6000))]
    learner = taught(rows)
    end = rows[-1].resolved_ms
    scorer = learner.snapshot(end, end).scorer
    served = probabilities(logits(scorer, np.array([e.features for e in rows[-3000:]])))  # type: ignore[arg-type]
    assert served.mean() == pytest.approx(0.4, abs=0.05)


def test_what_a_river_model_that_is_not_linear_serves_is_calibrated() -> None:
    """One that tells everybody the share of buyers of all time tells that of late, once it is in force."""
    rng = np.random.default_rng(4)
    rows = [replace(e, label=bool(rng.random() < (0.2 if i < 3000 else 0.4))) for i, e in enumerate(examples(6000))]
    learner = taught(rows, LearnerConfig("river:dummy.PriorClassifier()", allow_pickle=True))
    end = rows[-1].resolved_ms
    model = in_force(Snapshot.from_bytes(learner.snapshot(end, end).to_bytes(), allow_pickle=True))
    assert model.slow is not None
    assert probabilities(model.slow.logits(np.zeros((1, N_FEATURES)))) == pytest.approx(0.4, abs=0.05)


def test_balances_are_those_of_recent_examples_that_have_points() -> None:
    """The table has the quantiles of the last thousand balances that are known, and none before there are a hundred."""
    known = [e.points for e in EXAMPLES if not math.isnan(e.points)]
    assert len(known) < len(EXAMPLES)
    table = taught(EXAMPLES).snapshot(END, END).balances
    np.testing.assert_array_equal(table, np.quantile(known[-1000:], np.linspace(0.0, 1.0, 101)))
    few = taught([e for e in EXAMPLES if math.isnan(e.points)] + [replace(EXAMPLES[-1], id="z", points=5.0)])
    assert not len(few.snapshot(END, END).balances)


def test_worths_are_those_of_recent_examples_of_buyers() -> None:
    """The table has the quantiles of what they had spent, and none before a hundred of them are known."""
    rows = [replace(e, orders=i % 3, net=float(i % 3 and i)) for i, e in enumerate(EXAMPLES)]
    spent = [e.net for e in rows[-1000:] if e.orders]
    assert 100 < len(spent) < 1000
    table = taught(rows).snapshot(END, END).worths
    np.testing.assert_array_equal(table, np.quantile(spent, np.linspace(0.0, 1.0, 101)))
    few = [replace(e, orders=int(i < 99)) for i, e in enumerate(EXAMPLES[:500])]
    assert not len(taught(few).snapshot(END, END).worths)


def test_snapshots_of_before_balances_are_read() -> None:
    """Without them nothing is known of points or worths; the learner goes on, and knows those that it learns later."""
    at_ms = EXAMPLES[999].resolved_ms
    start = [e for e in EXAMPLES if e.resolved_ms <= at_ms]
    later = EXAMPLES[len(start) :]
    old = Snapshot.from_bytes(_without_balances(taught(start).snapshot(at_ms, at_ms).to_bytes()))
    assert not len(old.balances)
    assert not len(old.worths)
    resumed = Learner.resume(old, LearnerConfig())
    resumed.learn(later)
    known = [e.points for e in later if not math.isnan(e.points)]
    np.testing.assert_array_equal(resumed.snapshot(END, END).balances, np.quantile(known, np.linspace(0.0, 1.0, 101)))


def _without_balances(data: bytes) -> bytes:
    """The snapshot as it was written when it had none."""
    magic = data[: data.index(b"\n") + 1]
    wire = msgspec.msgpack.decode(data[len(magic) + 4 :])
    state = msgspec.msgpack.decode(zlib.decompress(wire["state"]))
    for name in ("balances", "balances_seen"):
        del state[name]
    del wire["balances"], wire["worths"]
    body = msgspec.msgpack.encode({**wire, "state": zlib.compress(msgspec.msgpack.encode(state))})
    return magic + zlib.crc32(body).to_bytes(4, "big") + body


def test_percentiles_are_even_over_recent_examples() -> None:
    """A tenth of the recent examples stands below each decile of the snapshot's table."""
    learner = taught(EXAMPLES)
    snapshot = learner.snapshot(END, END)
    shown = logits(snapshot.scorer, np.array([e.features for e in EXAMPLES[-1000:]]))  # type: ignore[arg-type]
    below = (shown[:, None] < snapshot.quantiles[[10, 50, 90]]).mean(axis=0)
    assert below == pytest.approx([0.1, 0.5, 0.9], abs=0.01)


def test_quality_is_of_what_was_served() -> None:
    """Figures are those of the served probabilities; what a warm-up ranked is left out."""
    learner = taught(EXAMPLES[:700])
    learner.snapshot(0, 0)  # version 1, ready
    more = examples(1200, seed=9)
    late = [replace(e, resolved_ms=e.resolved_ms + 1000 * DAY, made_ms=e.made_ms + 1000 * DAY) for e in more]
    unserved = [replace(e, model_version=0) if i % 4 == 0 else e for i, e in enumerate(late)]
    learner.learn(unserved)
    judged = [e for e in unserved if e.model_version]
    for segment, mine in (
        (ALL, judged),
        (CUSTOMERS, [e for e in judged if e.orders]),
        (PROSPECTS, [e for e in judged if not e.orders]),
    ):
        expected = measure(np.array([e.probability for e in mine]), np.array([e.label for e in mine]))
        assert tuple(learner.quality.overall(segment)) == pytest.approx(tuple(expected), abs=3e-3)
    months = learner.quality.by_month(ALL)
    assert sum(q.examples for q in months.values()) == len(judged)
    assert len(months) == 5


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"feature_version": "f0-old"}, "feature_version = 'f0-old'.*this program computes"),
        ({"horizon_ms": 1}, "horizon_ms = '1': the horizon is set to"),
        ({"state": b"nonsense"}, "state = "),
    ],
)
def test_what_cannot_be_resumed_says_why(change: dict[str, object], named: str) -> None:
    """A snapshot of other features or horizon, or with a broken state, is refused by field and reason."""
    snapshot = replace(taught(EXAMPLES[:10]).snapshot(END, END), **change)
    with pytest.raises(SnapshotRefused, match=named):
        Learner.resume(snapshot, LearnerConfig())


def test_another_model_is_not_resumed() -> None:
    """A learner set to a river model does not go on from newton's state."""
    snapshot = taught(EXAMPLES[:10]).snapshot(END, END)
    with pytest.raises(SnapshotRefused, match="model = 'newton'"):
        Learner.resume(snapshot, LearnerConfig(RIVER, allow_pickle=True))


def test_a_snapshot_is_not_in_force_before_what_it_learned() -> None:
    """A snapshot that would take effect before its latest outcome is refused."""
    with pytest.raises(ValueError, match="effective_ms"):
        Learner().snapshot(effective_ms=5, learned_ms=6)


@pytest.mark.parametrize(
    "wrong", [{"warm_up_positives": 0}, {"percentile_points": 1}, {"model": "sgd"}, {"half_life": 1}]
)
def test_wrong_settings_are_named(wrong: dict[str, object]) -> None:
    """A setting out of range is refused by name before anything is learned."""
    with pytest.raises(ValueError, match=next(iter(wrong))):
        LearnerConfig(**wrong)  # type: ignore[arg-type]

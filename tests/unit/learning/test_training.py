"""Training publishes the same versions whatever is read twice, and none before its examples are complete."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.learner import Learner, LearnerConfig
from scoring.model import Example, Snapshot
from scoring.profile import NEVER
from streams.trainer.training import Training
from streams.trainer.wire import Watermark, model_record, read_example, snapshot_of
from tests.unit.learning.examples import DAY, examples

Record = Example | Watermark


def topic(seed: int = 3, partitions: int = 3, count: int = 600) -> list[Record]:
    """Return the topic as workers write it: each partition in order and true to its watermarks, interleaved."""
    rng = np.random.default_rng(seed)
    queues: list[list[Record]] = [[] for _ in range(partitions)]
    for example in examples(count, seed=seed):
        queue = queues[int(rng.integers(partitions))]
        if rng.random() < 0.1:
            queue.append(Watermark(queues.index(queue), example.resolved_ms - 1))
        queue.append(replace(example, partition=queues.index(queue)))
    end = 10**13
    for number, queue in enumerate(queues):
        queue.append(Watermark(number, end))
    merged: list[Record] = []
    while any(queues):
        queue = queues[int(rng.integers(partitions))]
        if queue:
            merged.append(queue.pop(0))
    return merged


TOPIC = topic()


def run(training: Training, records: Sequence[tuple[int, Record]], stop_after: int | None = None) -> list[Snapshot]:
    """Return what is published, dying after so many versions."""
    published: list[Snapshot] = []
    for offset, record in records:
        if isinstance(record, Watermark):
            for snapshot in training.watermark(offset, record.partition, record.watermark_ms):
                published.append(snapshot)
                if len(published) == stop_after:
                    return published
        else:
            training.example(offset, record)
    return published


def fresh() -> Training:
    training = Training(Learner(), DAY)
    training.required = frozenset({0, 1, 2})
    return training


def as_bytes(snapshots: Sequence[Snapshot]) -> list[bytes]:
    return [model_record(snapshot)[1] for snapshot in snapshots]


WHOLE = run(fresh(), list(enumerate(TOPIC)))


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(1, 12), min_size=1, max_size=8))
def test_killed_and_resumed_publishes_the_same(deaths: list[int]) -> None:
    """Killed after any versions and gone on from the newest, it publishes byte for byte what it would have."""
    published: list[Snapshot] = []
    training, start = fresh(), 0
    for stop in [*deaths, None]:
        published += run(training, list(enumerate(TOPIC))[start:], stop)
        newest = snapshot_of(as_bytes(published[-1:])[0], feature_version=None)
        training = Training(Learner.resume(newest, LearnerConfig()), DAY, newest)
        training.required = frozenset({0, 1, 2})
        start = newest.resume_offset
    assert as_bytes(published) == as_bytes(WHOLE)


def test_every_example_is_learned_once() -> None:
    """At the end all examples are learned, none twice, and none waits."""
    training = fresh()
    run(training, list(enumerate(TOPIC)))
    assert (training.learner.seen, training.learner.skipped, training.held) == (600, 0, 0)


def test_a_version_holds_what_resolved_before_it_and_nothing_else() -> None:
    """A version in force from a boundary has learned exactly what all partitions resolved before that."""
    everything = [record for record in TOPIC if isinstance(record, Example)]
    for snapshot in WHOLE:
        assert snapshot.effective_ms % DAY == 0
        assert snapshot.examples_seen == sum(e.resolved_ms < snapshot.effective_ms for e in everything)


def test_the_order_of_partitions_makes_no_difference() -> None:
    """However the partitions' records lie between each other, the models are the same."""
    records = topic()
    by_partition = sorted(records, key=lambda record: record.partition)  # one whole partition after the other
    found = run(fresh(), list(enumerate(by_partition)))
    assert [s.scorer.weight.tolist() for s in found if s.scorer] == [
        s.scorer.weight.tolist() for s in WHOLE if s.scorer
    ]


def test_a_silent_partition_is_waited_for() -> None:
    """While a partition that holds input has told no watermark, nothing is published."""
    training = Training(Learner(), DAY)
    training.required = frozenset({0, 1, 2, 3})
    assert run(training, list(enumerate(TOPIC))) == []
    assert training.least_ms == NEVER
    assert training.held == 600


def test_an_example_published_twice_is_held_once() -> None:
    """An example that a worker published again after a crash is learned once."""
    training = fresh()
    doubled = [record for record in TOPIC for _ in range(2)]
    run(training, list(enumerate(doubled)))
    assert training.learner.seen == 600


def test_wire() -> None:
    """What a worker's outbox writes is read as the same example, and what is neither kind is refused."""
    from scoring.outcome import Outcome
    from streams.outbox import Outbox

    example = replace(examples(1)[0], percentile=None)
    outbox = Outbox(2, 30 * DAY, ["low", "high"], [b"c"])
    outbox.tell(Outcome(examples=[example]), (), NEVER)
    outbox.watermark(example.resolved_ms)
    (_, _, first), (_, _, second) = outbox.drain()
    read = read_example(first or b"")
    assert isinstance(read, Example)
    assert np.array_equal(read.features, example.features)
    assert replace(read, features=example.features, model_version=1).id == example.id
    for name in ("made_ms", "resolved_ms", "label", "orders", "probability", "percentile", "feature_version"):
        assert getattr(read, name) == getattr(example, name), name
    assert read_example(second or b"") == Watermark(2, example.resolved_ms)
    with pytest.raises(ValueError, match="neither an example nor a watermark"):
        read_example(b'{"id": "x", "type": "recompra.score", "data": {}}')

"""Learned: the model that a trainer would have by now, from the outcomes in a history."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from benchmarks.shop import CLICKSTREAM, Made
from scoring.engine import Engine, EngineSettings
from scoring.learner import Learner, LearnerConfig
from scoring.model import Example, Snapshot
from scoring.rules import RuleSet
from streams.decoding import Decoder

__all__ = ["Fetched", "feed", "learned"]

_RUN = 20_000


class Fetched(NamedTuple):
    """A record as a consumer gives it."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


def feed(engine: Engine, records: Iterable[Made], first: int = 0) -> list[Example]:
    """Give records to an engine in their order; the examples that resolve."""
    decode = Decoder(engine.profiles.row, engine.state.product, 600_000, own_clock=True)
    examples: list[Example] = []
    held = list(records)
    for start in range(0, len(held), _RUN):
        part = held[start : start + _RUN]
        # One source after the other within a run: a run is short beside the window.
        for source in (0, 1):
            fetched = [
                Fetched(first + start + i, made.time_ms, made.key, made.value)
                for i, made in enumerate(part)
                if (made.topic == CLICKSTREAM) == (source == 0)
            ]
            decoded = decode(source, fetched)
            examples += engine.apply(decoded.events, decoded.details).examples
    return examples


def learned(
    history: Sequence[Made], settings: EngineSettings, rules: RuleSet, effective_ms: int
) -> tuple[Snapshot, list[Example]]:
    """Version 1 of the model, in force from `effective_ms`, and the outcomes in the history that it learned from."""
    engine = Engine(settings, rules)
    examples = feed(engine, history)
    examples.sort(key=lambda example: (example.resolved_ms, example.id))
    learner = Learner(LearnerConfig(horizon_ms=settings.layout.horizon_ms))
    learner.learn(examples)
    return learner.snapshot(effective_ms, max(example.resolved_ms for example in examples)), examples

"""Gathered: all that reports are made from, out of topics or out of files."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, Generic, NamedTuple, TypeVar

import msgspec
import numpy as np

from schemas.timestamp import to_ms
from scoring.engine import Engine
from scoring.kernel import Events
from scoring.learner import Learner
from scoring.model import Example
from scoring.outcome import Outcome
from scoring.rules.rule import ActionClass
from streams.backtest.history import History
from streams.backtest.run import Backtest
from streams.engine_settings import checked_rules, engine_settings
from streams.erasing import erasure_key
from streams.examining import UNKNOWN_RECEIPT, Examiner
from streams.learning import learner_config
from streams.limits import Limits
from streams.loading import INPUTS, Ready
from streams.receipts import erased_since, receipts
from streams.report.crossings import Crossing, Judged
from streams.report.observed import Observed, Observing, observe
from streams.settings import Settings
from streams.tailing import Record, UnknownTopicError, tail
from streams.topics import found

__all__ = ["Gathered", "Gathering", "judged_of", "of_events", "of_topics"]


T = TypeVar("T")


class Gathered(NamedTuple):
    """What happened, what was told of it, and what came of what was told.

    `scores` are each customer's chance to buy as of the end, None while no model has learned enough. `left_out` says
    what of it was not counted, a sentence each.
    """

    observed: Observed
    crossings: list[Crossing]
    judged: Judged
    scores: dict[str, float] | None
    left_out: tuple[str, ...] = ()


def judged_of(rows: Iterable[Sequence[Any]]) -> Judged:
    """Columns of (made_ms, probability, bought)."""
    made, probability, bought = zip(*rows, strict=True) if (rows := list(rows)) else ((), (), ())
    return Judged(np.array(made, np.int64), np.array(probability, np.float64), np.array(bought, np.bool_))


def of_events(
    settings: Settings, events: Sequence[Ready], *, scored: bool, on_progress: Callable[[int], None] = lambda _: None
) -> Gathered:
    """Read events, and where `scored` run the whole program over them as a backtest does.

    Raises
    ------
    RuleError, ValueError
        If rules or settings cannot be used.
    """
    examine = Examiner(settings.allowed_skew_ms, Limits.of(settings))
    observed = observe((event.value for event in events), examine)
    if not scored:
        return Gathered(observed, [], judged_of(()), None, _refused(observed))
    rules = checked_rules(settings)
    engine, learner = Engine(engine_settings(settings, rules), rules), Learner(learner_config(settings))
    crossings: list[Crossing] = []
    judged: list[tuple[int, float, bool]] = []

    def watch(_: Events, outcome: Outcome) -> None:
        names = engine.profiles.keys
        crossings.extend(
            Crossing(
                one.rule,
                names[one.row].decode(),
                one.time_ms,
                one.entered,
                one.withheld,
                one.control,
                one.action_class == ActionClass.MARKETING,
            )
            for one in outcome.actions
        )
        judged.extend(_judged(outcome.examples))

    scores: dict[str, float] | None = None
    history = History(events)
    Backtest.of(settings, engine, learner, watch).run(history, on_progress=on_progress)
    if len(history) and not engine.versions.model.warming_up:
        rows, score, _ = engine.looking.score_at(int(history.time_ms[-1]) + 1, np.arange(len(engine.profiles)))
        scores = {engine.profiles.keys[row].decode(): p for row, p in zip(rows.tolist(), score.tolist(), strict=True)}
    return Gathered(observed, crossings, judged_of(judged), scores, _refused(observed))


def _refused(observed: Observed) -> tuple[str, ...]:
    return (f"{observed.skipped:,} records that workers refuse are left out.",) if observed.skipped else ()


def _judged(examples: Iterable[Example]) -> Iterator[tuple[int, float, bool]]:
    for one in examples:
        if one.probability is not None and not one.warming_up:
            yield one.made_ms, one.probability, one.label


class _Action(msgspec.Struct):
    customer_id: str
    rule: str
    crossing: str
    event_time: str
    withheld: tuple[str, ...] = ()
    holdout: str | None = None
    action_class: str = ActionClass.MARKETING


class _Score(msgspec.Struct):
    customer_id: str
    score: float
    warming_up: bool


class _Example(msgspec.Struct):
    made_ms: int
    label: bool
    score: float | None = None
    model_version: int | None = None


class _Model(msgspec.Struct):
    version: int
    warming_up: bool


class _Record(msgspec.Struct, Generic[T]):
    id: str
    data: T


_action = msgspec.json.Decoder(_Record[_Action]).decode
_score = msgspec.json.Decoder(_Record[_Score]).decode
_example = msgspec.json.Decoder(_Record[_Example]).decode
_model = msgspec.json.Decoder(_Record[_Model]).decode


def of_topics(settings: Settings, *, scored: bool) -> Gathered:
    """Read the inputs, and where `scored` what was told, from the beginning of the topics to their present end.

    What is of somebody who was forgotten since is left out, where `erasure_key` is set.

    Raises
    ------
    UnknownTopicError
        If an input topic is not there.
    BrokerUnreachableError
        If no broker answers.
    scoring.erased.KeyMismatchError
        If customers were forgotten under another `erasure_key`.
    """
    gathering = Gathering(Examiner(settings.allowed_skew_ms, Limits.of(settings)))
    forgotten = _Forgotten(settings)
    topics = list(INPUTS)
    if scored:
        actions = sorted(topic.name for topic in found(settings) if topic.name.startswith("actions-"))
        topics += [*actions, "models", "examples", "scores"]
    for topic in topics:
        for record in _records(settings, topic):
            if record.value is not None and not forgotten.has(record):
                gathering.take(topic, record.value, record.key or b"", record.timestamp_ms)
    gathered = gathering.done()
    return gathered._replace(left_out=gathered.left_out + forgotten.said())


class _Forgotten:
    """Knows records of customers who were forgotten after they were written, and counts them."""

    def __init__(self, settings: Settings) -> None:
        self._is_erased = erased_since(settings)
        self._unknown = 0 if erasure_key(settings) else len(receipts(settings))
        self._records = 0

    def has(self, record: Record) -> bool:
        """Whether a record is one."""
        found = self._is_erased(record.key, record.timestamp_ms)
        self._records += found
        return found

    def said(self) -> tuple[str, ...]:
        """What a report says of it."""
        if self._unknown:
            return (_UNKNOWN.format(self._unknown),)
        if self._records:
            return (f"{self._records:,} records of customers who were forgotten since are left out.",)
        return ()


_UNKNOWN: Final = (
    "Customers were forgotten ({:,} receipts), and what the topics still have of them is counted: without erasure_key "
    "nobody can say which records are theirs."
)


class Gathering:
    """Takes records of inputs and outputs in as they come, and gives what reports are made from.

    Those of one topic come in their order, whatever the order of the topics; of other topics nothing is taken. An
    action or example that comes again with its id, as after a crash without transactions, counts once.

    Parameters
    ----------
    examine
        Says which events workers refuse; without it, amounts and ids alone are examined.
    """

    def __init__(self, examine: Examiner | None = None) -> None:
        self._observing = Observing(examine)
        self._crossings: list[Crossing] = []
        self._judged: list[tuple[int, int, float, bool]] = []
        self._learned: set[int] = set()
        self._scores: dict[str, float] = {}
        self._told: set[str] = set()

    def take(self, topic: str, value: bytes, key: bytes | None = None, receipt_ms: int = UNKNOWN_RECEIPT) -> None:
        """Take one record in; a few microseconds. Of inputs the key and the receipt are looked at, where given."""
        if topic in INPUTS:
            self._observing.take(value, key, receipt_ms)
        elif topic.startswith("actions-"):
            action = _action(value)
            if self._is_new(action.id):
                self._crossings.append(_crossing(action.data))
        elif topic == "models":
            model = _model(value).data
            if not model.warming_up:
                self._learned.add(model.version)
        elif topic == "examples":
            self._judge(value)
        elif topic == "scores":
            score = _score(value).data
            if not score.warming_up:
                self._scores[score.customer_id] = score.score

    def _judge(self, value: bytes) -> None:
        try:
            name, one = msgspec.structs.astuple(_example(value))
        except msgspec.ValidationError:  # a partition's watermark travels on the same topic
            return
        if one.score is not None and one.model_version is not None and self._is_new(name):
            self._judged.append((one.model_version, one.made_ms, one.score, one.label))

    def _is_new(self, name: str) -> bool:
        known = len(self._told)
        self._told.add(name)
        return len(self._told) > known

    def done(self) -> Gathered:
        """What was gathered; scores that were served while the model had not learned enough are not judged."""
        judged = [rest for version, *rest in self._judged if version in self._learned]
        observed = self._observing.done()
        return Gathered(observed, self._crossings, judged_of(judged), self._scores or None, _refused(observed))


def _crossing(one: _Action) -> Crossing:
    return Crossing(
        one.rule,
        one.customer_id,
        to_ms(one.event_time),
        one.crossing == "entered",
        one.withheld,
        one.holdout,
        one.action_class == ActionClass.MARKETING,
    )


def _records(settings: Settings, topic: str) -> Iterator[Record]:
    try:
        yield from tail(settings, topic, "beginning", follow=False)
    except UnknownTopicError:
        if topic in INPUTS:
            raise

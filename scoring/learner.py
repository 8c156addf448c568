"""Learner: takes resolved examples in order, once each, and hands out snapshots of what it has learned."""

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import msgspec
import numpy as np
from numpy.typing import NDArray

from scoring.blend import Blend
from scoring.calibration import RunningIntercept
from scoring.features import FEATURE_VERSION, N_FEATURES
from scoring.in_force import blank_model
from scoring.model import Example, LinearScorer, Snapshot, SnapshotRefused
from scoring.profile import DAY_MS, NEVER, stable_hash
from scoring.quality import Prequential, Quality
from scoring.quantiles import RecentFacts, RecentRows, quantile_table, quantiles_of
from scoring.river_model import RiverModel
from scoring.types import shop_table

__all__ = ["ALL", "CUSTOMERS", "PROSPECTS", "Learner", "LearnerConfig"]

FloatArray = NDArray[np.float64]

ALL, CUSTOMERS, PROSPECTS = "all", "customers", "prospects"
"""Segments of the quality: everybody, those who had bought before, and those who had not."""

RECENT_ROWS = 1000
"""Rows behind the percentiles: a rank is then right to about 0.015, and a snapshot takes some 150 KB."""

RANKED = 100
"""Balances of points from which on there is a table of them: a share is then right to about 0.05."""


@dataclass(frozen=True, slots=True)
class LearnerConfig:
    """What a learner is told.

    Parameters
    ----------
    model
        ``newton`` (see `Blend`), or ``river:`` followed by a river pipeline.
    half_life
        Of what was learned, in horizons (newton).
    prior, clip
        See `OnlineNewton`.
    warm_up_positives, warm_up_negatives
        So many of each must have resolved before the model ranks anybody.
    calibration_examples
        Over about so many of the latest examples the probabilities are right on average.
    percentile_points
        Length of a snapshot's table of quantiles.
    allow_pickle
        Whether to resume a river model, which is kept as a pickle.

    Raises
    ------
    ValueError
        If a number is out of its range, or the river pipeline is refused (`RiverError`).
    """

    model: str = "newton"
    horizon_ms: int = 30 * DAY_MS
    half_life: float = 12.0
    prior: float = 0.01
    clip: float = 5.0
    warm_up_positives: int = 200
    warm_up_negatives: int = 200
    calibration_examples: int = 3000
    percentile_points: int = 101
    allow_pickle: bool = False

    def __post_init__(self) -> None:
        for name, least in (
            ("horizon_ms", 1),
            ("warm_up_positives", 1),
            ("warm_up_negatives", 1),
            ("calibration_examples", 100),
            ("percentile_points", 2),
        ):
            if getattr(self, name) < least:
                raise ValueError(f"{name} = {getattr(self, name)}: too small; give at least {least}")
        self.estimator()

    def estimator(self) -> "Blend | RiverModel":
        """A model of this configuration that has learned nothing."""
        if self.model == "newton":
            return Blend(self.prior, self.half_life, self.clip)
        if self.model.startswith("river:"):
            return RiverModel.of(self.model.removeprefix("river:"))
        raise ValueError(f"model = {self.model!r}: neither 'newton' nor 'river:' and a pipeline; give one")


class Learner:
    """Learns examples in the order in which they resolve; two learners fed alike agree to the byte.

    How the examples are cut into calls makes no difference. About 60 µs an example with `newton`.

    Attributes
    ----------
    version
        Of the last snapshot that was taken; 0 for none.
    learned_ms
        Every example resolved by then is included, and those that still come are skipped.
    seen, positives, skipped
        Examples learned, buyers among them, and (since this start) examples left out because they or later
        ones were learned.
    foreign
        Examples left out (since this start) because they carry the features of another version.
    """

    def __init__(self, config: LearnerConfig | None = None) -> None:
        self.config = config or LearnerConfig()
        self.version = 0
        self.learned_ms = NEVER
        self.seen = self.positives = self.skipped = self.foreign = 0
        self.quality = Prequential()
        self._model = self.config.estimator()
        self._intercept = RunningIntercept(float(self.config.calibration_examples))
        self._recent = RecentRows(RECENT_ROWS, N_FEATURES)
        self._facts = RecentFacts(RECENT_ROWS, 4)
        self._balances = RecentFacts(RECENT_ROWS, 1)
        self._last = (NEVER, "")
        self._last_hash = ""
        self._ready_version = 0  # the first snapshot that was not warming up; 0 while there is none

    @property
    def warming_up(self) -> bool:
        """Whether fewer outcomes of either kind have resolved than the model needs."""
        config = self.config
        return self.positives < config.warm_up_positives or self.seen - self.positives < config.warm_up_negatives

    @property
    def base_rate(self) -> float:
        """Share of buyers among the examples learned; not a number while there is none."""
        return self.positives / self.seen if self.seen else math.nan

    def learn(self, examples: Sequence[Example]) -> int:
        """Learn examples given in order of (resolved_ms, id); return how many were new.

        Raises
        ------
        ValueError
            If they are not in that order.
        """
        order = [(example.resolved_ms, example.id) for example in examples]
        for before, after in pairwise(order):
            if after < before:
                raise ValueError(
                    f"examples: {after[1]!r} stands after {before[1]!r}, which resolved later; "
                    "sort them by resolved_ms, then id"
                )
        new: list[Example] = []
        for example, key in zip(examples, order, strict=True):
            if key <= self._last or example.resolved_ms <= self.learned_ms:
                self.skipped += 1
            elif example.feature_version != FEATURE_VERSION or len(example.features) != N_FEATURES:
                self.foreign += 1
            else:
                self._last = key
                new.append(example)
        if new:
            self._last_hash = f"{stable_hash(new[-1].id.encode('utf-8', 'surrogatepass')):016x}"
            self._learn(new)
        return len(new)

    def _learn(self, examples: Sequence[Example]) -> None:
        self._judge(examples)
        rows = np.array([example.features for example in examples], np.float32)
        y = np.array([float(example.label) for example in examples])
        resolved = np.array([example.resolved_ms for example in examples], np.float64)
        logits = self._model.learn(rows.astype(np.float64), y, resolved / self.config.horizon_ms)
        self._intercept.learn(logits, y)
        self._recent.extend(rows)
        self._facts.extend([(one.since_days, float(one.orders), one.net, one.gap_days) for one in examples])
        self._balances.extend([(one.points,) for one in examples if not math.isnan(one.points)])
        self.seen += len(examples)
        self.positives += int(y.sum())

    def _judge(self, examples: Sequence[Example]) -> None:
        """Count what was served for these examples, where a model served it, against what came of it."""
        if not self._ready_version:
            return
        judged = [
            (example.made_ms, example.probability, float(example.label), example.orders > 0)
            for example in examples
            if example.probability is not None and (example.model_version or 0) >= self._ready_version
        ]
        if not judged:
            return
        made, served, labels, bought = (np.array(column) for column in zip(*judged, strict=True))
        for segment, mine in ((ALL, bought | True), (CUSTOMERS, bought), (PROSPECTS, ~bought)):
            if mine.any():
                self.quality.add(segment, made[mine], served[mine], labels[mine])

    def snapshot(self, effective_ms: int, learned_ms: int, *, keep_state: bool = True) -> Snapshot:
        """Take the next version of the model, complete up to `learned_ms`, in force from `effective_ms`.

        Examples resolved by `learned_ms` that come after this are skipped: the snapshot's word holds. Without
        `keep_state` it is for scoring only, and costs 1 ms instead of 20.

        Raises
        ------
        ValueError
            If it would be in force before the outcomes that it learned from.
        """
        if effective_ms < learned_ms:
            raise ValueError(
                f"effective_ms = {effective_ms}: before learned_ms = {learned_ms}; "
                "a model cannot be in force before what it learned from had happened"
            )
        self.learned_ms = max(self.learned_ms, learned_ms)
        self.version += 1
        if not self.warming_up and not self._ready_version:
            self._ready_version = self.version
        pickled = b"" if self.warming_up else self._model.pickled(self._intercept.shift)
        scorer = self._scorer()
        return Snapshot(
            version=self.version,
            effective_ms=effective_ms,
            feature_version=FEATURE_VERSION,
            horizon_ms=self.config.horizon_ms,
            warming_up=self.warming_up,
            scorer=scorer,
            quantiles=self._quantiles(scorer),
            shop=shop_table(*self._facts.columns),
            balances=self._table(*self._balances.columns),
            worths=self._worths(),
            learned_ms=self.learned_ms,
            examples_seen=self.seen,
            positives=self.positives,
            last_example=self._last_hash,
            state=self._state() if keep_state else b"",
            pickled=pickled,
            metrics=self.metrics(),
        )

    def _scorer(self) -> LinearScorer | None:
        if self.warming_up:
            return blank_model().scorer
        scorer = self._model.scorer()
        if scorer is None:
            return None
        return scorer._replace(intercept=scorer.intercept + self._intercept.shift)

    def _quantiles(self, scorer: LinearScorer | None) -> FloatArray:
        points, rows = self.config.percentile_points, self._recent.rows
        if scorer is not None:
            return quantiles_of(scorer, rows, points)
        assert isinstance(self._model, RiverModel)
        return quantile_table(self._model.logits(rows) + self._intercept.shift, points)

    def _worths(self) -> FloatArray:
        _, orders, net, _ = self._facts.columns
        return self._table(net[orders > 0])

    def _table(self, balances: FloatArray) -> FloatArray:
        """Quantiles of what customers have; none while too few are known."""
        return quantile_table(balances, self.config.percentile_points) if len(balances) >= RANKED else np.empty(0)

    def metrics(self) -> dict[str, float]:
        """Prequential figures as ``segment.figure``, over everything judged and, for ALL, the last months."""
        found = {"base_rate": self.base_rate, "calibration_shift": self._intercept.shift}
        for segment in self.quality.segments():
            found |= _named(segment, self.quality.overall(segment))
        for month, quality in list(self.quality.by_month(ALL).items())[-3:]:
            found |= _named(f"{ALL}.{month}", quality)
        return {name: value for name, value in found.items() if math.isfinite(value)}

    def _state(self) -> bytes:
        state = _State(
            model=self.config.model,
            estimator=self._model.to_bytes(),
            last_ms=self._last[0],
            last_id=self._last_hash,
            ready_version=self._ready_version,
            shift=self._intercept.shift,
            information=self._intercept.information,
            recent=self._recent.to_bytes(),
            recent_seen=self._recent.seen,
            facts=self._facts.to_bytes(),
            facts_seen=self._facts.seen,
            balances=self._balances.to_bytes(),
            balances_seen=self._balances.seen,
            quality=self.quality.state(),
        )
        return zlib.compress(msgspec.msgpack.encode(state), 6)

    @classmethod
    def resume(cls, snapshot: Snapshot, config: LearnerConfig) -> "Learner":
        """Go on from a snapshot as if never stopped; `config` may differ in all but model and horizon.

        Raises
        ------
        SnapshotRefused
            If it was written by another feature version, for another model or horizon, if it carries a river
            model and `config.allow_pickle` is false, or if its state cannot be read.
        """
        if snapshot.feature_version != FEATURE_VERSION:
            raise SnapshotRefused(
                "feature_version",
                snapshot.feature_version,
                f"this program computes the features of version {FEATURE_VERSION}",
                "run the release that wrote it, or learn anew from the examples",
            )
        if snapshot.horizon_ms != config.horizon_ms:
            raise SnapshotRefused(
                "horizon_ms",
                snapshot.horizon_ms,
                f"the horizon is set to {config.horizon_ms}",
                "set the horizon as it was, or learn anew under another app_id",
            )
        state = _read(snapshot.state)
        if state.model != config.model:
            raise SnapshotRefused(
                "model", state.model, f"the model is set to {config.model!r}", "set it back, or learn anew"
            )
        if state.model != "newton" and not config.allow_pickle:
            raise SnapshotRefused(
                "model",
                state.model,
                "a river model is kept as a pickle, and unpickling runs whatever code the writer put there",
                "set allow_pickled_models if only you can write to the models topic, or choose newton",
            )
        learner = cls(config)
        learner.version, learner.learned_ms = snapshot.version, snapshot.learned_ms
        learner.seen, learner.positives = snapshot.examples_seen, snapshot.positives
        learner._last, learner._last_hash = (state.last_ms, ""), state.last_id
        learner._ready_version = state.ready_version
        learner._intercept.shift, learner._intercept.information = state.shift, state.information
        learner._recent.restore(state.recent, state.recent_seen)
        learner._facts.restore(state.facts, state.facts_seen)
        learner._balances.restore(state.balances, state.balances_seen)
        learner.quality.restore(state.quality)
        learner._model.restore(state.estimator)
        return learner


class _State(msgspec.Struct):
    model: str
    estimator: bytes
    last_ms: int
    last_id: str
    ready_version: int
    shift: float
    information: float
    recent: bytes
    recent_seen: int
    quality: dict[str, bytes]
    facts: bytes = b""
    facts_seen: int = 0
    balances: bytes = b""
    balances_seen: int = 0


def _read(data: bytes) -> _State:
    try:
        return msgspec.msgpack.decode(zlib.decompress(data), type=_State)
    except (zlib.error, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SnapshotRefused(
            "state", error, "the learner's state cannot be read", "resume from another version"
        ) from error


def _named(prefix: str, quality: Quality) -> dict[str, float]:
    return {f"{prefix}.{name}": float(value) for name, value in quality._asdict().items()}

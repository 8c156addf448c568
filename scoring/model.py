"""Model snapshots: what a learner hands to the scorers, and the examples that it learns from."""

import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from scoring.compiled import compiled
from scoring.types import ShopTable, unknown_shop

__all__ = [
    "Example",
    "LinearScorer",
    "Snapshot",
    "SnapshotRefused",
    "contributions",
    "linear_logits",
    "logits",
    "probabilities",
    "probability",
]

FloatArray = NDArray[np.float64]

_MAGIC = b"recompra-model-1\n"
_TABLE_BYTES = (0, 8 * 14)


class LinearScorer(NamedTuple):
    """A linear model as the kernel reads it: every array is (F,) float64, C-contiguous.

    ``logit = intercept + sum_j weight[j] * clip((x[j] - mean[j]) * inv_sd[j], -clip, clip)``; a feature
    that has no variance has ``inv_sd`` 0, and one that is not finite adds nothing.
    """

    mean: FloatArray
    inv_sd: FloatArray
    weight: FloatArray
    intercept: float
    clip: float


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """One customer as seen at `made_ms`, and whether they bought within the horizon after it.

    Parameters
    ----------
    id
        ``customer/made_ms``: the same moment of the same customer always has the same id.
    made_ms, resolved_ms
        When the features were read, and when the whole horizon had passed (made + H); epoch milliseconds.
    features
        (F,) float32, as they were at `made_ms`.
    baseline
        The number that customers are ranked by while the model warms up.
    probability, percentile, model_version
        What was served at `made_ms`; None where nothing was.
    orders
        Orders before `made_ms`; 0 is a prospect.
    warming_up
        Whether what was served came from the warm-up ranking.
    since_days, net, gap_days
        As in `scoring.types.Facts`, for the shop's table.
    points
        The balance of points at `made_ms`; NaN where it is unknown or no rule ranks by it.
    """

    id: str
    customer: str
    made_ms: int
    resolved_ms: int
    label: bool
    features: NDArray[np.float32]
    baseline: float
    orders: int
    partition: int
    feature_version: str
    probability: float | None = None
    percentile: float | None = None
    model_version: int | None = None
    warming_up: bool = False
    since_days: float = math.nan
    net: float = 0.0
    gap_days: float = math.nan
    points: float = math.nan


class SnapshotRefused(ValueError):  # noqa: N818 - it is the answer, not a fault
    """A snapshot that cannot be used: names the field, the value, the reason and what to do."""

    def __init__(self, name: str, value: object, reason: str, remedy: str) -> None:
        self.field, self.value, self.reason, self.remedy = name, str(value)[:80], reason, remedy
        super().__init__(f"model snapshot refused: {name} = {self.value!r}: {reason}; {remedy}")


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """One version of the model, with all that a scorer needs and all that a trainer resumes from.

    Parameters
    ----------
    version
        Counts up from 0, which has learned nothing.
    effective_ms
        The event time from which scorers use it.
    learned_ms
        It includes every example with ``resolved_ms <= learned_ms`` and no other.
    scorer
        The compiled linear model; None for a river model that is not linear (see `pickled`).
    quantiles
        (Q,) float64, increasing logits at the ranks ``linspace(0, 1, Q)``; empty while unknown.
    shop
        What customers' types, stages and values are told by.
    balances
        (B,) float64, increasing balances of points at the ranks ``linspace(0, 1, B)``; empty while too few are known.
    worths
        (W,) float64, likewise what customers who bought have spent, less refunds.
    last_example
        Stable hash of the id of the last example learned: the id itself names a customer.
    state
        The learner's own state (`scoring.learner`), opaque here.
    pickled
        A river model that is not linear, pickled; b"" otherwise.
    resume_offset
        Where a trainer that resumes from here starts to read the examples; -1 means from the beginning.
    read_offset
        Offset of the record at which it was taken: only from there on is what is read again complete.
    watermarks
        How far each partition had come by then, by its number.
    """

    version: int
    effective_ms: int
    feature_version: str
    horizon_ms: int
    warming_up: bool
    scorer: LinearScorer | None
    quantiles: FloatArray
    shop: ShopTable = field(default_factory=unknown_shop)
    balances: FloatArray = field(default_factory=lambda: np.empty(0))
    worths: FloatArray = field(default_factory=lambda: np.empty(0))
    learned_ms: int = -(2**62)
    examples_seen: int = 0
    positives: int = 0
    last_example: str = ""
    state: bytes = b""
    pickled: bytes = b""
    resume_offset: int = -1
    read_offset: int = -1
    watermarks: Mapping[int, int] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """The snapshot as bytes, without pickle for a linear model: a mark, a checksum, MessagePack."""
        wire = _Wire(
            version=self.version,
            effective_ms=self.effective_ms,
            feature_version=self.feature_version,
            horizon_ms=self.horizon_ms,
            warming_up=self.warming_up,
            scorer=None if self.scorer is None else _pack_scorer(self.scorer),
            quantiles=self.quantiles.astype("<f8").tobytes(),
            shop=self.shop.to_array().astype("<f8").tobytes(),
            balances=self.balances.astype("<f8").tobytes(),
            worths=self.worths.astype("<f8").tobytes(),
            learned_ms=self.learned_ms,
            examples_seen=self.examples_seen,
            positives=self.positives,
            last_example=self.last_example,
            state=self.state,
            pickled=self.pickled,
            resume_offset=self.resume_offset,
            read_offset=self.read_offset,
            watermarks=dict(sorted(self.watermarks.items())),
            metrics=dict(self.metrics),
        )
        body = msgspec.msgpack.encode(wire)
        return _MAGIC + zlib.crc32(body).to_bytes(4, "big") + body

    @classmethod
    def from_bytes(cls, data: bytes, *, feature_version: str | None = None, allow_pickle: bool = False) -> "Snapshot":
        """Read what `to_bytes` wrote.

        Raises
        ------
        SnapshotRefused
            If the bytes are not a snapshot or are damaged; if `feature_version` is given and the snapshot
            was written by another; if it carries a pickled model and `allow_pickle` is false.
        """
        wire = _decode(data)
        if feature_version is not None and wire.feature_version != feature_version:
            raise SnapshotRefused(
                "feature_version",
                wire.feature_version,
                f"this program computes the features of version {feature_version}",
                "run the release that wrote it, or let a trainer learn anew from the examples",
            )
        if wire.pickled and not allow_pickle:
            raise SnapshotRefused(
                "pickled",
                f"{len(wire.pickled)} bytes",
                "it carries a pickled river model, and unpickling runs whatever code the writer put there",
                "choose a linear model, or set allow_pickled_models if only you can write to the models topic",
            )
        return cls(
            version=wire.version,
            effective_ms=wire.effective_ms,
            feature_version=wire.feature_version,
            horizon_ms=wire.horizon_ms,
            warming_up=wire.warming_up,
            scorer=None if wire.scorer is None else _unpack_scorer(wire.scorer),
            quantiles=np.frombuffer(wire.quantiles, "<f8").astype(np.float64),
            shop=ShopTable.of_array(np.frombuffer(wire.shop, "<f8").astype(np.float64)),
            balances=np.frombuffer(wire.balances, "<f8").astype(np.float64),
            worths=np.frombuffer(wire.worths, "<f8").astype(np.float64),
            learned_ms=wire.learned_ms,
            examples_seen=wire.examples_seen,
            positives=wire.positives,
            last_example=wire.last_example,
            state=wire.state,
            pickled=wire.pickled,
            resume_offset=wire.resume_offset,
            read_offset=wire.read_offset,
            watermarks=wire.watermarks,
            metrics=wire.metrics,
        )


class _WireScorer(msgspec.Struct):
    arrays: bytes  # mean, inv_sd, weight, one after the other, little-endian float64
    intercept: float
    clip: float


class _Wire(msgspec.Struct):
    version: int
    effective_ms: int
    feature_version: str
    horizon_ms: int
    warming_up: bool
    scorer: _WireScorer | None
    quantiles: bytes
    learned_ms: int
    examples_seen: int
    positives: int
    last_example: str
    state: bytes
    pickled: bytes
    resume_offset: int
    read_offset: int
    watermarks: dict[int, int]
    metrics: dict[str, float]
    shop: bytes = b""
    balances: bytes = b""
    worths: bytes = b""


def _decode(data: bytes) -> _Wire:
    start = len(_MAGIC) + 4
    if not data.startswith(_MAGIC):
        raise SnapshotRefused(
            "value", data[:24], "these bytes are not a model snapshot", "check what writes to the topic"
        )
    body = data[start:]
    if zlib.crc32(body).to_bytes(4, "big") != data[len(_MAGIC) : start]:
        raise SnapshotRefused(
            "checksum",
            data[len(_MAGIC) : start].hex(),
            "the bytes were damaged or cut",
            "use another version",
        )
    try:
        wire = msgspec.msgpack.decode(body, type=_Wire)
        odd = (
            len(wire.quantiles) % 8
            or len(wire.balances) % 8
            or len(wire.worths) % 8
            or len(wire.shop) not in _TABLE_BYTES
            or (wire.scorer is not None and len(wire.scorer.arrays) % 24)
        )
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SnapshotRefused(
            "value", error, "it does not hold the fields of a snapshot", "run the release that wrote it"
        ) from error
    if odd:
        raise SnapshotRefused("quantiles", "", "an array has a broken length", "use another version")
    return wire


def _pack_scorer(scorer: LinearScorer) -> _WireScorer:
    arrays = np.concatenate([scorer.mean, scorer.inv_sd, scorer.weight]).astype("<f8").tobytes()
    return _WireScorer(arrays, float(scorer.intercept), float(scorer.clip))


def _unpack_scorer(wire: _WireScorer) -> LinearScorer:
    mean, inv_sd, weight = np.frombuffer(wire.arrays, "<f8").astype(np.float64).reshape(3, -1)
    return LinearScorer(mean.copy(), inv_sd.copy(), weight.copy(), wire.intercept, wire.clip)


@compiled
def linear_logits(
    X: FloatArray,
    mean: FloatArray,
    inv_sd: FloatArray,
    weight: FloatArray,
    intercept: float,
    clip: float,
    out: FloatArray,
) -> None:
    """Write the (m,) log-odds of the rows of `X` (m, F) to `out`; what is not finite adds nothing."""
    for i in range(X.shape[0]):
        total = intercept
        for j in range(X.shape[1]):
            z = (X[i, j] - mean[j]) * inv_sd[j]
            if z == z:
                total += weight[j] * min(max(z, -clip), clip)
        out[i] = total


def logits(scorer: LinearScorer, X: NDArray[np.floating]) -> FloatArray:
    """The (m,) log-odds of the rows of `X` (m, F)."""
    rows = np.ascontiguousarray(X, np.float64)
    out = np.empty(len(rows))
    linear_logits(rows, *scorer, out)
    return out


def contributions(scorer: LinearScorer, x: NDArray[np.floating]) -> FloatArray:
    """What each feature of `x` (F,) adds to the log-odds, (F,); with the intercept they sum to it."""
    z = (np.asarray(x, np.float64) - scorer.mean) * scorer.inv_sd
    z = np.clip(np.where(np.isnan(z), 0.0, z), -scorer.clip, scorer.clip)
    return np.asarray(scorer.weight * z)


def probability(logit: float) -> float:
    """``1 / (1 + exp(-logit))`` without overflow."""
    return float(probabilities(np.array([logit]))[0])


def probabilities(logit: FloatArray) -> FloatArray:
    """``1 / (1 + exp(-logit))`` of each element, without overflow."""
    small = np.exp(-np.abs(logit))
    return np.asarray(np.where(logit >= 0, 1.0, small) / (1.0 + small))

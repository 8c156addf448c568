"""Wire: examples and watermarks as they come, models as they go."""

import math
from base64 import b64decode, b64encode
from typing import Final, NamedTuple

import msgspec
import numpy as np

from schemas.outputs import ExampleData, ModelData, ModelEvent, WatermarkData
from schemas.timestamp import from_ms
from scoring.model import Example, Snapshot

__all__ = ["NAME", "Watermark", "model_record", "read_example", "snapshot_of"]

NAME: Final = "purchase"
"""Of the model, before the `@` of its key."""


class Watermark(NamedTuple):
    """How far a partition has published its examples."""

    partition: int
    watermark_ms: int


class _Envelope(msgspec.Struct):
    id: str
    type: str
    data: msgspec.Raw


_envelope = msgspec.json.Decoder(_Envelope).decode
_example = msgspec.json.Decoder(ExampleData).decode
_watermark = msgspec.json.Decoder(WatermarkData).decode
_model = msgspec.json.Decoder(ModelEvent).decode


def read_example(value: bytes) -> Example | Watermark:
    """Read a record of `examples`; about 20 µs.

    Raises
    ------
    msgspec.MsgspecError
        If it is neither.
    """
    envelope = _envelope(value)
    if envelope.type == "recompra.watermark":
        told = _watermark(envelope.data)
        return Watermark(told.partition, told.watermark_ms)
    if envelope.type != "recompra.example":
        raise msgspec.ValidationError(f"type {envelope.type[:80]!r}: neither an example nor a watermark")
    data = _example(envelope.data)
    return Example(
        id=envelope.id,
        customer=data.customer_id,
        made_ms=data.made_ms,
        resolved_ms=data.resolved_ms,
        label=data.label,
        features=np.array(data.features, np.float32),
        baseline=data.baseline,
        orders=data.orders,
        partition=data.partition,
        feature_version=data.feature_version,
        probability=data.score,
        percentile=data.percentile,
        model_version=data.model_version,
        since_days=math.nan if data.since_days is None else data.since_days,
        net=data.net,
        gap_days=math.nan if data.gap_days is None else data.gap_days,
        points=math.nan if data.points is None else data.points,
    )


def model_record(snapshot: Snapshot) -> tuple[bytes, bytes]:
    """Key and value of a version of the model; both are functions of the version alone."""
    key = f"{NAME}@{snapshot.version}"
    time = from_ms(snapshot.effective_ms)
    data = ModelData(
        name=NAME,
        version=snapshot.version,
        feature_version=snapshot.feature_version,
        horizon_days=snapshot.horizon_ms / 86_400_000,
        effective_time=time,
        warming_up=snapshot.warming_up,
        examples_seen=snapshot.examples_seen,
        last_example=snapshot.last_example or None,
        metrics=dict(snapshot.metrics),
        snapshot=b64encode(snapshot.to_bytes()).decode(),
    )
    return key.encode(), msgspec.json.encode(ModelEvent.of(f"model/{key}", key, time, data))


def snapshot_of(value: bytes, *, feature_version: str | None, allow_pickle: bool = False) -> Snapshot:
    """The snapshot in a record of `models`.

    Raises
    ------
    SnapshotRefused
        If the snapshot cannot be used; see `Snapshot.from_bytes`.
    msgspec.MsgspecError, ValueError
        If the record holds none.
    """
    data = b64decode(_model(value).data.snapshot, validate=True)
    return Snapshot.from_bytes(data, feature_version=feature_version, allow_pickle=allow_pickle)

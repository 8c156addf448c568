"""Examples: what `examples` carries."""

from typing import Annotated, Literal, Self

from msgspec import Meta, Struct

from schemas.outputs.event import CloudEvent, Count, Text, Unit

__all__ = ["ExampleData", "ExampleEvent", "WatermarkData", "WatermarkEvent"]


class ExampleData(Struct, forbid_unknown_fields=True):
    """What was known of a customer at `made_ms`, and whether they bought by `resolved_ms`.

    `score`, `percentile` and `model_version` are what was served when it was made, for judging quality;
    `orders` counts the orders before (0: a prospect); `since_days`, `net` and `gap_days` are the days since the last
    one, what all came to less what was given back, and the usual gap: what types of customers are told by. `points`
    is the balance of points, left out where it is unknown or no rule ranks by it.
    """

    customer_id: Text
    made_ms: int
    resolved_ms: int
    label: bool
    features: Annotated[list[float], Meta(min_length=1)]
    feature_version: Text
    baseline: float
    score: Unit
    percentile: Unit | None
    model_version: Count
    orders: Count
    partition: Count
    since_days: float | None = None
    net: float = 0.0
    gap_days: float | None = None
    points: float | None = None


class ExampleEvent(CloudEvent, kw_only=True):
    """A resolved example, on `examples`."""

    type: Literal["recompra.example"]
    dataschema: Literal["urn:recompra:example.v1"]
    data: ExampleData

    @classmethod
    def of(cls, event_id: str, subject: str, time: str, data: ExampleData) -> Self:
        """Return the event around its data."""
        return cls(
            specversion="1.0",
            id=event_id,
            source="/recompra",
            type="recompra.example",
            subject=subject,
            time=time,
            datacontenttype="application/json",
            dataschema="urn:recompra:example.v1",
            data=data,
        )


class WatermarkData(Struct, forbid_unknown_fields=True):
    """How far in event time a partition has published its examples: none that resolves earlier follows."""

    partition: Count
    watermark_ms: int


class WatermarkEvent(CloudEvent, kw_only=True):
    """A partition's watermark, on `examples`; `subject` is the partition's number."""

    type: Literal["recompra.watermark"]
    dataschema: Literal["urn:recompra:example.v1"]
    data: WatermarkData

    @classmethod
    def of(cls, event_id: str, subject: str, time: str, data: WatermarkData) -> Self:
        """Return the event around its data."""
        return cls(
            specversion="1.0",
            id=event_id,
            source="/recompra",
            type="recompra.watermark",
            subject=subject,
            time=time,
            datacontenttype="application/json",
            dataschema="urn:recompra:example.v1",
            data=data,
        )

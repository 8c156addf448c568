"""Models: what `models` carries."""

from typing import Literal, Self

from msgspec import Struct

from schemas.outputs.event import CloudEvent, Count, Positive, Text, Time

__all__ = ["ModelData", "ModelEvent"]


class ModelData(Struct, forbid_unknown_fields=True):
    """One version of the model; `snapshot` is the learner's whole state in base64.

    `metrics` are prequential, by name; null where not yet known.
    """

    name: Text
    version: Count
    feature_version: Text
    horizon_days: Positive
    effective_time: Time
    warming_up: bool
    examples_seen: Count
    last_example: Text | None
    metrics: dict[str, float | None]
    snapshot: Text


class ModelEvent(CloudEvent, kw_only=True):
    """A model's version, on `models`; `subject` is `name@version`."""

    type: Literal["recompra.model"]
    dataschema: Literal["urn:recompra:model.v1", "model.v1"]  # the second on records of former releases
    data: ModelData

    @classmethod
    def of(cls, event_id: str, subject: str, time: str, data: ModelData) -> Self:
        """Return the event around its data."""
        return cls(
            specversion="1.0",
            id=event_id,
            source="/recompra",
            type="recompra.model",
            subject=subject,
            time=time,
            datacontenttype="application/json",
            dataschema="urn:recompra:model.v1",
            data=data,
        )

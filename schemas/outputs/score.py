"""Scores: what `scores` carries."""

from typing import Literal, Self

from msgspec import Struct

from schemas.outputs.event import CloudEvent, Count, Positive, Text, Time, Unit

__all__ = ["CustomerData", "Reason", "ScoreData", "ScoreEvent"]


class Reason(Struct, gc=False, forbid_unknown_fields=True):
    """What a group of features adds to the log-odds, and by how much that moved since the last crossing.

    The contributions of all groups and the intercept add up to the log-odds; `change` is null where
    there is nothing to compare with.
    """

    group: Text
    contribution: float
    change: float | None


class CustomerData(Struct, forbid_unknown_fields=True):
    """Who the customer is and what they are worth (docs/reports.md); null where it is not known.

    `net` is what all `orders` came to, less what was cancelled or given back; `predicted_value` is expected within 12
    months of `event_time`, null while the model is warming up. `expected_next_order` in the past is overdue.
    """

    type: Literal["none", "occasional", "regular", "big", "sales"]
    stage: Literal["visitor", "prospect", "first_time", "repeat", "loyal", "at_risk", "lapsed", "won_back"]
    rfm_group: (
        Literal[
            "prospects", "dormant", "almost_lost", "at_risk", "previously_loyal", "needs_attention", "promising", "new",
            "active", "loyal", "champions",
        ]
        | None
    )  # fmt: skip
    orders: Count
    net: float
    average_order: float | None
    usual_gap_days: float | None
    expected_next_order: Time | None
    predicted_value: float | None


class ScoreData(Struct, forbid_unknown_fields=True):
    """How likely a customer is to buy within `horizon_days` of `event_time`.

    `percentile` (0 to 1) is null while the ranks are unknown; `previous` is the score published before.
    While `warming_up` the score only ranks (by decayed orders): it is not a probability.
    """

    customer_id: Text
    score: Unit
    percentile: Unit | None
    band: Text
    previous: Unit | None
    horizon_days: Positive
    model_version: Count
    event_time: Time
    warming_up: bool
    customer: CustomerData
    reasons: list[Reason]


class ScoreEvent(CloudEvent, kw_only=True):
    """A score, on `scores`."""

    type: Literal["recompra.score"]
    dataschema: Literal["urn:recompra:score.v1"]
    data: ScoreData

    @classmethod
    def of(cls, event_id: str, subject: str, time: str, data: ScoreData) -> Self:
        """Return the event around its data."""
        return cls(
            specversion="1.0",
            id=event_id,
            source="/recompra",
            type="recompra.score",
            subject=subject,
            time=time,
            datacontenttype="application/json",
            dataschema="urn:recompra:score.v1",
            data=data,
        )

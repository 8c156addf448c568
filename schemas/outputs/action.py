"""Actions: what `actions-*` and `actions-withheld` carry."""

from typing import Annotated, Literal, Self

from msgspec import UNSET, Meta, UnsetType

from schemas.outputs.details import Details
from schemas.outputs.event import CloudEvent, Count, Crossing, Text, Time, Unit
from schemas.outputs.score import ScoreData

__all__ = ["ActionData", "ActionEvent", "WithheldData", "WithheldEvent"]


class ActionData(ScoreData, forbid_unknown_fields=True):
    """One crossing of a rule: everything of the score, what crossed, and what helps to act on it.

    `object` is the order, product, category or ticket where the rule is for each, `trigger` the message
    id of the event that caused it (null when time alone did). `shop_version` is that of the shop's knowledge in
    force, 0 or absent where there was none. `best_hour` is 0 to 23 and `best_weekday` 0
    (Monday) to 6, in UTC; null where nothing is known; each comes with how sure it is. `channel` is where to
    send it now, of those that are permitted and consented to (null where there is nothing to send), not
    before `not_before`; `coupon` says whether it may come with one. `holdout` is `global` or `rule` where
    that alone withholds the action: the customer is in the control. `details` is what the rule carries beside.
    """

    rule: Text
    rule_version: Count
    crossing: Crossing
    crossing_number: Annotated[int, Meta(ge=1)]
    object: Text | None
    trigger: Text | None
    products: list[Text]
    category: Text | None
    language: Text | None
    language_confidence: Unit
    best_hour: Annotated[int, Meta(ge=0, le=23)] | None
    best_hour_confidence: Unit
    best_weekday: Annotated[int, Meta(ge=0, le=6)] | None
    best_weekday_confidence: Unit
    best_channel: Text | None
    best_channel_confidence: Unit
    channel: Text | None
    coupon: bool
    holdout: Literal["global", "rule"] | None
    not_before: Time | None
    expires_at: Time | None
    action_class: Text
    replay: bool
    shop_version: Count = 0
    details: Details | UnsetType = UNSET


class WithheldData(ActionData, forbid_unknown_fields=True, kw_only=True):
    """A crossing that gates held back; `withheld` are their codes, in the order of the gates."""

    withheld: Annotated[list[Text], Meta(min_length=1)]


class ActionEvent(CloudEvent, kw_only=True):
    """A crossing that passed every gate, on `actions-<rule>`."""

    type: Literal["recompra.action"]
    dataschema: Literal["urn:recompra:action.v1"]
    data: ActionData

    @classmethod
    def of(cls, event_id: str, subject: str, time: str, data: ActionData) -> Self:
        """Return the event around its data."""
        return cls(
            specversion="1.0",
            id=event_id,
            source="/recompra",
            type="recompra.action",
            subject=subject,
            time=time,
            datacontenttype="application/json",
            dataschema="urn:recompra:action.v1",
            data=data,
        )


class WithheldEvent(CloudEvent, kw_only=True):
    """A crossing that did not, on `actions-withheld`."""

    type: Literal["recompra.action.withheld"]
    dataschema: Literal["urn:recompra:action-withheld.v1"]
    data: WithheldData

    @classmethod
    def of(cls, event_id: str, subject: str, time: str, data: WithheldData) -> Self:
        """Return the event around its data."""
        return cls(
            specversion="1.0",
            id=event_id,
            source="/recompra",
            type="recompra.action.withheld",
            subject=subject,
            time=time,
            datacontenttype="application/json",
            dataschema="urn:recompra:action-withheld.v1",
            data=data,
        )

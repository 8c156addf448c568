"""Output values: the CloudEvents that `scores`, `actions-*`, `audiences`, `examples` and `models` carry.

Every field is required on the wire, constants included; `of` fills the constants. Times are RFC 3339 in
UTC with milliseconds (`schemas.timestamp.from_ms`). Encode with `msgspec.json`.

References
----------
CloudEvents 1.0.2, JSON event format.
"""

from typing import Annotated, Literal, Self

from msgspec import UNSET, Meta, Struct, UnsetType

__all__ = [
    "ActionData",
    "ActionEvent",
    "AudienceData",
    "AudienceEvent",
    "CartLine",
    "CloudEvent",
    "ContentData",
    "ContentEvent",
    "CustomerData",
    "Details",
    "EmailContacts",
    "ExampleData",
    "ExampleEvent",
    "ModelData",
    "ModelEvent",
    "OpenTicket",
    "Opinion",
    "OrderDetails",
    "Purchase",
    "Reason",
    "ReceiptData",
    "ReceiptEvent",
    "Reduced",
    "Remains",
    "Removal",
    "ScoreData",
    "ScoreEvent",
    "Seen",
    "SeenPage",
    "VisitStep",
    "WatermarkData",
    "WatermarkEvent",
    "WithheldData",
    "WithheldEvent",
]

Text = Annotated[str, Meta(min_length=1)]
Unit = Annotated[float, Meta(ge=0, le=1)]
Count = Annotated[int, Meta(ge=0)]
Positive = Annotated[float, Meta(gt=0)]
Time = Annotated[str, Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$")]
Crossing = Literal["entered", "left"]


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


class CartLine(Struct, forbid_unknown_fields=True):
    """A product in the cart; `price` is for one piece."""

    product: Text
    quantity: float
    price: float


class Seen(Struct, forbid_unknown_fields=True):
    """A product that was looked at, when last, and its category where the shop's knowledge has one."""

    product: Text
    at: Time
    category: Text | None


class SeenPage(Struct, forbid_unknown_fields=True):
    """A page that was looked at, by its name, path or title, and when last."""

    page: Text
    at: Time


class VisitStep(Struct, forbid_unknown_fields=True):
    """What was done on the site, as `checkout_started`, and when last."""

    step: Text
    at: Time


class EmailContacts(Struct, forbid_unknown_fields=True):
    """When the last e-mails were delivered, newest first, and when one was last opened and clicked."""

    delivered: list[Time]
    opened: Time | None
    clicked: Time | None


class Opinion(Struct, forbid_unknown_fields=True):
    """What a survey (of 10), a review or feedback (stars of 5) said; null where it was no number.

    `network` is the social network that feedback came from, where it told one.
    """

    source: Literal["survey", "review", "feedback"]
    value: float | None
    at: Time
    network: Text | UnsetType = UNSET


class OpenTicket(Struct, forbid_unknown_fields=True):
    """A ticket that is not solved, and when it was opened."""

    ticket: Text
    at: Time


class Purchase(Struct, forbid_unknown_fields=True):
    """A product and when it was last bought."""

    product: Text
    at: Time


class Reduced(Struct, forbid_unknown_fields=True):
    """A product that was looked at and costs less now than it did before."""

    product: Text
    price: float
    price_before: float


class OrderDetails(Struct, forbid_unknown_fields=True):
    """The order that an action is about; null where unknown, `days_late` 0 before the promised date."""

    id: Text
    value: float | None
    products: list[Text]
    promised_at: Time | None
    days_late: Annotated[float, Meta(ge=0)] | None
    reason: Text | None


class Details(Struct, forbid_unknown_fields=True):
    """What an action carries beside: what its rule asks for (`carries`) and is known; the rest is left out.

    `figures` are values of the rule's own language by their text, null where unknown. `companions` were lately
    bought together by others, `best_sellers` sold best lately in the categories of the last purchases.
    """

    name: Text | UnsetType = UNSET
    figures: dict[str, float | None] | UnsetType = UNSET
    seen: list[Seen] | UnsetType = UNSET
    pages: list[SeenPage] | UnsetType = UNSET
    steps: list[VisitStep] | UnsetType = UNSET
    contacts: EmailContacts | UnsetType = UNSET
    opinions: list[Opinion] | UnsetType = UNSET
    tickets: list[OpenTicket] | UnsetType = UNSET
    cart: list[CartLine] | UnsetType = UNSET
    cart_value: float | UnsetType = UNSET
    order: OrderDetails | UnsetType = UNSET
    purchases: list[Purchase] | UnsetType = UNSET
    cheaper: list[Reduced] | UnsetType = UNSET
    companions: list[Text] | UnsetType = UNSET
    best_sellers: list[Text] | UnsetType = UNSET
    expected_at: Time | UnsetType = UNSET
    usual_gap_days: Annotated[float, Meta(ge=0)] | UnsetType = UNSET


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


class AudienceData(Struct, forbid_unknown_fields=True):
    """A customer (or one of its objects) entered or left a named list; `withheld` are the gates that were shut."""

    customer_id: Text
    audience: Text
    rule_version: Count
    crossing: Crossing
    crossing_number: Annotated[int, Meta(ge=1)]
    object: Text | None
    event_time: Time
    products: list[Text] | UnsetType = UNSET
    withheld: list[Text] | UnsetType = UNSET


class Removal(Struct, forbid_unknown_fields=True):
    """What was removed of a customer; `tombstones` are the topics on which their latest record was deleted.

    `audiences` counts the lists that were told that the customer left.
    """

    profile: bool
    record: bool
    examples: Count
    links: Count
    audiences: Count
    tombstones: list[Text]


class Remains(Struct, forbid_unknown_fields=True):
    """Where records of the customer may still lie, and until when: null days is for good."""

    where: Text
    days: Annotated[int, Meta(ge=1)] | None
    what: Text


class PassedOn(Struct, forbid_unknown_fields=True):
    """An id (its keyed hash) that is at home on another partition, which is told to forget it, too."""

    partition: Count
    customer: Text


class ReceiptData(Struct, forbid_unknown_fields=True):
    """What a request to forget a customer led to.

    `customer` and `others` (other ids of the same person) are hashes keyed with what `key` names. `offsets` are the
    next to read of each input then: what lies before them, or was received before `received_at`, is skipped wherever it
    is read again. `refused` says that a refusal of marketing is remembered under the hashes; `partitions` are
    others that have an id of the same person, and write receipts of their own; `passed_on` are the ids that they were
    told: each is `customer` or one of `others` in a receipt of its partition. `another` says that the id had been
    claimed by the customer and is somebody else's, of whom nothing was removed.
    """

    request_id: Text
    customer: Text
    others: list[Text]
    key: Text
    partition: Count
    received_at: Time
    offsets: dict[str, Count]
    removed: Removal
    refused: bool
    partitions: list[Count]
    passed_on: list[PassedOn]
    another: bool
    remains: list[Remains]


class ContentData(Struct, forbid_unknown_fields=True):
    """What one customer is shown from `event_time` on; told when it changes.

    `version` counts the customer's decisions, from 1. `segment` is stage and band together; `products` are to be shown
    in this order; `coupon` says whether one makes sense. `shop_version` is 0 where the shop's knowledge is not there.
    """

    customer_id: Text
    version: Annotated[int, Meta(ge=1)]
    segment: Text
    stage: Text
    band: Text
    categories: list[Text]
    products: list[Text]
    coupon: bool
    event_time: Time
    model_version: Count
    shop_version: Count


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


class WatermarkData(Struct, forbid_unknown_fields=True):
    """How far in event time a partition has published its examples: none that resolves earlier follows."""

    partition: Count
    watermark_ms: int


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


class CloudEvent(Struct, kw_only=True, forbid_unknown_fields=True):
    """What all output values share; `subject` is the customer's id, `time` the event's time.

    `id` is a function of the input, so that whoever gets one twice can tell.
    """

    specversion: Literal["1.0"]
    id: Text
    source: Literal["/recompra"]
    subject: Text
    time: Time
    datacontenttype: Literal["application/json"]


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


class AudienceEvent(CloudEvent, kw_only=True):
    """A change of a list, on `audiences`."""

    type: Literal["recompra.audience"]
    dataschema: Literal["urn:recompra:audience.v1"]
    data: AudienceData

    @classmethod
    def of(cls, event_id: str, subject: str, time: str, data: AudienceData) -> Self:
        """Return the event around its data."""
        return cls(
            specversion="1.0",
            id=event_id,
            source="/recompra",
            type="recompra.audience",
            subject=subject,
            time=time,
            datacontenttype="application/json",
            dataschema="urn:recompra:audience.v1",
            data=data,
        )


class ReceiptEvent(CloudEvent, kw_only=True):
    """What was removed of a customer who is to be forgotten, on `receipts`."""

    type: Literal["recompra.receipt"]
    dataschema: Literal["urn:recompra:receipt.v1"]
    data: ReceiptData


class ContentEvent(CloudEvent, kw_only=True):
    """What a customer is shown, on `content`."""

    type: Literal["recompra.content"]
    dataschema: Literal["urn:recompra:content.v1"]
    data: ContentData

    @classmethod
    def of(cls, event_id: str, subject: str, time: str, data: ContentData) -> Self:
        """Return the event around its data."""
        return cls(
            specversion="1.0",
            id=event_id,
            source="/recompra",
            type="recompra.content",
            subject=subject,
            time=time,
            datacontenttype="application/json",
            dataschema="urn:recompra:content.v1",
            data=data,
        )


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

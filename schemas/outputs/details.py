"""Details: what only the actions of some rules carry."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from schemas.outputs.event import Text, Time

__all__ = [
    "CartLine",
    "Details",
    "EmailContacts",
    "OpenTicket",
    "Opinion",
    "OrderDetails",
    "Purchase",
    "Reduced",
    "Seen",
    "SeenPage",
    "VisitStep",
]


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

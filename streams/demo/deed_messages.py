"""Deeds as messages: Segment JSON, each marked as synthetic."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import orjson

from streams.demo.chance import key_of
from streams.demo.deeds import Deed, Deeds
from streams.demo.guests import guest_id
from streams.demo.history import History
from streams.demo.messages import CONTEXT, Message, stamp, visitor

__all__ = ["deed_messages"]

_EVENTS: Final = {
    Deed.CONSENT_GIVEN: "Consent Given",
    Deed.CONSENT_DENIED: "Consent Denied",
    Deed.CONSENT_REVOKED: "Consent Revoked",
    Deed.PUSH_ALLOWED: "Consent Given",
    Deed.SUBSCRIBED: "Subscribed",
    Deed.UNSUBSCRIBED: "Unsubscribed",
    Deed.LETTER_DELIVERED: "Email Delivered",
    Deed.LETTER_OPENED: "Email Opened",
    Deed.LETTER_CLICKED: "Email Link Clicked",
    Deed.SHIPPED: "Order Shipped",
    Deed.ORDER_DELIVERED: "Order Updated",
    Deed.RETURN_REQUESTED: "Return Requested",
    Deed.REFUNDED: "Order Refunded",
    Deed.TICKET_OPENED: "Ticket Opened",
    Deed.TICKET_SOLVED: "Ticket Solved",
    Deed.SURVEY: "Survey Answered",
    Deed.REVIEWED: "Product Reviewed",
    Deed.POINTS: "Points Changed",
    Deed.REFERRED: "Referral Code Used",
    Deed.PLACE_ENTERED: "Location Entered",
}
_OF_ORDERS: Final = frozenset({Deed.SHIPPED, Deed.ORDER_DELIVERED, Deed.RETURN_REQUESTED, Deed.REFUNDED})
_LETTERS: Final = frozenset({Deed.LETTER_DELIVERED, Deed.LETTER_OPENED, Deed.LETTER_CLICKED})
_LOCALES: Final = {
    "United Kingdom": "en-GB",
    "EIRE": "en-IE",
    "Germany": "de-DE",
    "Austria": "de-AT",
    "Switzerland": "de-CH",
    "France": "fr-FR",
    "Belgium": "fr-BE",
    "Netherlands": "nl-NL",
    "Spain": "es-ES",
    "Portugal": "pt-PT",
    "Italy": "it-IT",
    "Norway": "nb-NO",
    "Sweden": "sv-SE",
    "Denmark": "da-DK",
    "Finland": "fi-FI",
    "Poland": "pl-PL",
    "Greece": "el-GR",
    "Japan": "ja-JP",
    "Australia": "en-AU",
    "USA": "en-US",
}
_REASONS: Final = ("broken", "not as shown", "came too late", "changed my mind")
_SHOPS: Final = ("London", "Leeds", "Bristol")


def deed_messages(history: History, deeds: Deeds, countries: Mapping[str, str]) -> Iterator[Message]:
    """Yield the deeds as messages, in time order; `countries` are those of the customers. About 10 us each."""
    columns = (deeds.time_ms, deeds.who, deeds.prospect, deeds.deed, deeds.order, deeds.number)
    for time_ms, number, prospect, code, order, told in zip(*(column.tolist() for column in columns), strict=True):
        deed = Deed(code)
        who = visitor(number) if prospect else history.customers[number]
        about = history.order_ids[order] if order >= 0 else who
        event: dict[str, Any] = {
            "messageId": f"synthetic-{who}-{deed.name.lower()}-{about}-{time_ms}",
            "timestamp": stamp(time_ms),
            "anonymousId" if prospect else "userId": who,
            "context": CONTEXT,
        }
        if deed is Deed.IDENTIFIED:
            event |= {"type": "identify", "traits": _traits(countries.get(who))}
        elif deed is Deed.KNOWN:
            event |= {"type": "alias", "previousId": guest_id(who)}
        else:
            event |= {"type": "track", "event": _EVENTS[deed], "properties": _said(deed, about, told)}
        topic = "orders" if deed in _OF_ORDERS else "customers"
        yield Message(time_ms, topic, who.encode(), orjson.dumps(event))


def _traits(country: str | None) -> dict[str, str]:
    if country is None:
        return {}
    locale = _LOCALES.get(country)
    return {"country": country} | ({} if locale is None else {"locale": locale, "language": locale[:2]})


def _said(deed: Deed, about: str, told: float) -> dict[str, Any]:
    """Properties; `about` is the order's id, or else the customer's."""
    if deed in _LETTERS:
        letter = f"newsletter-{stamp(int(told))[:7]}"
        return {"message_id": letter, "campaign_id": "newsletter", "purpose": "marketing"}
    match deed:
        case Deed.PUSH_ALLOWED:
            return {"channel": "push", "purpose": "marketing"}
        case Deed.CONSENT_GIVEN:
            return {"channel": "email", "purpose": "marketing"}
        case Deed.SHIPPED:
            return {"order_id": about, "promised_at": stamp(int(told))}
        case Deed.ORDER_DELIVERED:
            return {"order_id": about, "delivered_at": stamp(int(told))}
        case Deed.RETURN_REQUESTED:
            return {"order_id": about, "reason": _one_of(_REASONS, about)}
        case Deed.REFUNDED:
            return {"order_id": about, "total": told, "currency": "GBP"}
        case Deed.TICKET_OPENED | Deed.TICKET_SOLVED:
            return {"ticket_id": f"ticket-{about}", "order_id": about}
        case Deed.SURVEY:
            return {"score": told, "order_id": about}
        case Deed.REVIEWED:
            return {"rating": told, "order_id": about}
        case Deed.POINTS:
            return {"points": told}
        case Deed.REFERRED:
            return {"code": f"FRIEND-{key_of(about) % 1_000}"}
        case Deed.PLACE_ENTERED:
            return {"place": _one_of(_SHOPS, about)}
    return {}


def _one_of(texts: tuple[str, ...], about: str) -> str:
    return texts[key_of(about) % len(texts)]

"""News: what an event tells of how its customer may be contacted, read off what the shop sent."""

import re
from itertools import islice
from typing import Any, Final

import msgspec

from schemas.events import Event, Properties, text_id
from scoring.gates.channel import Channel, Purpose
from scoring.gates.news import (
    Consent,
    Contacted,
    Language,
    Name,
    Network,
    News,
    Ordered,
    Promised,
    Responded,
    Ticket,
    Zone,
)
from scoring.kinds import Kind
from streams.consents import channel_of, consents_of, names_all_channels, names_unknown_channel
from streams.stamps import UNREADABLE, stamps_ms
from streams.zones import zone_of

__all__ = ["TELLING", "is_discounted", "news_of"]

TELLING: Final = frozenset(
    {
        Kind.ORDER_COMPLETED,
        Kind.ORDER_UPDATED,
        Kind.ORDER_CANCELLED,
        Kind.ORDER_SHIPPED,
        Kind.ORDER_DELIVERED,
        Kind.IDENTIFY,
        Kind.EMAIL_DELIVERED,
        Kind.EMAIL_OPENED,
        Kind.EMAIL_CLICKED,
        Kind.EMAIL_MARKED_SPAM,
        Kind.SUBSCRIBED,
        Kind.UNSUBSCRIBED,
        Kind.CONSENT,
        Kind.FEEDBACK,
        Kind.TICKET_OPENED,
        Kind.TICKET_SOLVED,
    }
)
"""Kinds that tell something of it."""

_LANGUAGE: Final = re.compile(r"([A-Za-z]{2,3})(?:[-_][A-Za-z0-9]{1,8})*")
_NAMES: Final = ("firstName", "first_name", "name")
"""Traits that say what somebody is called, the first that is there."""
_NAME: Final = 80
"""Characters of a name that are kept, be it of a customer or of a network."""
_STATED, _OF_ACCOUNT, _OF_BROWSER = 0.95, 0.9, 0.6
"""How sure a language is: said as such, the locale of the account, that of the browser."""


class _Context(msgspec.Struct):
    locale: Any = None
    timezone: Any = None


_context = msgspec.json.Decoder(_Context).decode


def news_of(kind: int, event: Event) -> tuple[News, ...]:
    """Return the news of an event of one of the kinds `TELLING`; none where it says nothing."""
    said = event.properties
    email = channel_of(said, Channel.EMAIL) or Channel.EMAIL
    match kind:
        case Kind.ORDER_COMPLETED:
            ordered = Ordered(said is not None and _has_coupon(said))
            return (ordered, *_delivery(kind, said), *_where_from({}, event))
        case Kind.ORDER_UPDATED | Kind.ORDER_CANCELLED | Kind.ORDER_SHIPPED | Kind.ORDER_DELIVERED:
            return _delivery(kind, said)
        case Kind.EMAIL_DELIVERED:
            return (_contacted(email, said),)
        case Kind.EMAIL_OPENED | Kind.EMAIL_CLICKED:
            return (Responded(email),)
        case Kind.SUBSCRIBED | Kind.UNSUBSCRIBED | Kind.EMAIL_MARKED_SPAM:
            if kind == Kind.SUBSCRIBED and names_unknown_channel(said):
                return ()
            if kind != Kind.SUBSCRIBED and names_all_channels(said):
                return tuple(Consent(channel, Purpose.MARKETING, granted=False) for channel in Channel)
            consent = Consent(email, Purpose.MARKETING, kind == Kind.SUBSCRIBED)
            return (consent, *_where_from({}, event)) if kind == Kind.SUBSCRIBED else (consent,)
        case Kind.CONSENT:
            return consents_of(event.event or "", said)
        case Kind.FEEDBACK:
            network = "" if said is None else _text(said.network)
            return (Network(network),) if network else ()
        case Kind.TICKET_OPENED | Kind.TICKET_SOLVED:
            name = None if said is None else text_id(said.ticket_id)
            return (Ticket(name, kind == Kind.TICKET_OPENED),) if name else ()
        case _:
            return _identity(event)


def _has_coupon(said: Properties) -> bool:
    return bool(said.coupon) or any(line.coupon for line in said.products or ())


def is_discounted(said: Properties) -> bool:
    """Whether an order came with a coupon or a discount."""
    return _has_coupon(said) or (said.discount or 0.0) > 0


def _delivery(kind: int, said: Properties | None) -> tuple[Promised, ...]:
    """What an order event says of its delivery; of a cancelled order nothing is owed any more."""
    order = None if said is None else text_id(said.order_id)
    if said is None or not order:
        return ()
    if kind in (Kind.ORDER_CANCELLED, Kind.ORDER_DELIVERED) or said.delivered_at:
        return (Promised(order, None),)
    promised_ms = UNREADABLE if not said.promised_at else int(stamps_ms([said.promised_at])[0])
    return () if promised_ms == UNREADABLE else (Promised(order, promised_ms),)


def _contacted(channel: Channel, said: Properties | None) -> Contacted:
    """A delivery; that of an action was counted when the action was published."""
    service = said is not None and said.purpose in ("service", "transactional")
    ours = said is not None and bool(said.action_id)
    return Contacted(channel, Purpose.SERVICE if service else Purpose.MARKETING, not ours)


def _identity(event: Event) -> tuple[News, ...]:
    """Language, time zone and name."""
    traits = event.traits or {}
    names = (Name(text) for key in _NAMES if (text := _text(traits.get(key))))
    return (*_where_from(traits, event), *islice(names, 1))


def _where_from(traits: dict[str, Any], event: Event) -> tuple[News, ...]:
    """Language and time zone: what is stated outweighs what the account or the browser is set to."""
    try:
        context = _context(event.context) if len(event.context) else _Context()
    except msgspec.DecodeError:  # something else than an object
        context = _Context()
    spoken = (
        (traits.get("language"), _STATED),
        (traits.get("locale"), _OF_ACCOUNT),
        (context.locale, _OF_BROWSER),
    )
    languages = (Language(code, sure) for text, sure in spoken if (code := _language(text)))
    zones = (text for text in (traits.get("timezone"), traits.get("time_zone"), context.timezone))
    known = (Zone(text) for text in zones if isinstance(text, str) and zone_of(text) is not None)
    return (*islice(languages, 1), *islice(known, 1))


def _text(value: Any) -> str:
    return value.strip()[:_NAME] if isinstance(value, str) and value.isprintable() else ""


def _language(text: Any) -> str:
    match = _LANGUAGE.fullmatch(text.strip()) if isinstance(text, str) else None
    return match[1].lower() if match else ""

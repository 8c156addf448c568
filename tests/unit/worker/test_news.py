"""News: what events in the shop's own words tell of how a customer may be contacted."""

from typing import Any

import msgspec
import pytest

from schemas.events import Event
from schemas.names import kind_name
from scoring.gates.channel import Channel, Purpose
from scoring.gates.news import Consent, Contacted, Language, Network, News, Ordered, Promised, Responded, Ticket, Zone
from scoring.kinds import Kind
from streams.news import TELLING, news_of
from streams.zones import offset_ms

EMAIL, SMS, SOCIAL = Channel.EMAIL, Channel.SMS, Channel.SOCIAL
MARKETING, SERVICE = Purpose.MARKETING, Purpose.SERVICE


def heard(name: str | None, said: dict[str, Any] | None = None, **more: Any) -> tuple[News, ...]:
    """What is read off one call as it travels."""
    value = {"messageId": "m", "timestamp": "2024-05-01T09:30:00Z", "userId": "u", "event": name, "properties": said}
    event = msgspec.json.decode(msgspec.json.encode(value | more), type=Event)
    kind = Kind[kind_name(event.type, event.event) or ""]
    assert kind in TELLING
    return news_of(kind, event)


def everywhere(granted: bool, purpose: Purpose = MARKETING) -> set[Consent]:
    return {Consent(channel, purpose, granted) for channel in Channel}


@pytest.mark.parametrize(
    ("name", "said", "expected"),
    [
        ("Consent Updated", {"consent": {"email": True, "ads": False}}, {Consent(EMAIL, MARKETING, True),
                                                                          Consent(SOCIAL, MARKETING, False)}),
        ("Consent Updated", {"consent": {"sms": {"marketing": "denied", "service": "granted"}}},
         {Consent(SMS, MARKETING, False), Consent(SMS, SERVICE, True)}),
        ("Consent Updated", {"consent": {"service": {"sms": "revoked"}}}, {Consent(SMS, SERVICE, False)}),
        ("Consent Updated", {"consent": {"marketing": False}}, everywhere(False)),
        ("Consent Updated", {"consent": {"all": "revoked"}}, everywhere(False)),
        ("Consent Updated", {"consent": {"functional": True}}, everywhere(True, SERVICE)),
        ("Consent Updated", {"consent": {"cookies": True, "email": 5, "sms": None}}, set()),
        ("Consent Updated", {"consent": {}}, set()),
        ("Consent Given", {"channel": "sms"}, {Consent(SMS, MARKETING, True)}),
        ("Consent Given", None, {Consent(EMAIL, MARKETING, True)}),
        ("Consent Given", {"purpose": "analytics"}, set()),
        ("Consent Given", {"channel": "postal"}, set()),
        ("Consent Given", {"channel": "fax", "purpose": "cookies"}, set()),
        ("Consent Given", {"channel": "email", "purpose": "cookies"}, set()),
        ("Consent Given", {"channel": "", "purpose": "marketing"}, everywhere(True)),
        ("Consent Updated", {"consent": {"email": {"analytics": True}}}, set()),
        ("Consent Updated", {"consent": {"marketing": {"postal": True}}}, set()),
        ("Consent Updated", {"consent": {"email": {"analytics": {"marketing": True}}}}, set()),
        ("Consent Updated", {"consent": {"email": {"promotions": False}}}, {Consent(EMAIL, MARKETING, False)}),
        ("Consent Updated", {"consent": {"email": {"marketing": True, "analytics": False}}},
         {Consent(EMAIL, MARKETING, True)}),
        ("Consent Updated", {"consent": {"email": {"status": "granted"}, "sms": {"granted": False}}},
         {Consent(EMAIL, MARKETING, True), Consent(SMS, MARKETING, False)}),
        ("Consent Updated", {"consent": {"email": {"granted": True, "promotions": False}}},
         {Consent(EMAIL, MARKETING, True), Consent(EMAIL, MARKETING, False)}),
        ("Consent Updated", {"consent": {"email": {"opted_out": True}, "sms": {"unsubscribed": False}}},
         {Consent(EMAIL, MARKETING, False)}),
        ("Consent Updated", {"consent": {"revoked": True, "email": {"revoked": {"marketing": True}}}},
         {Consent(EMAIL, MARKETING, False)}),
        ("Consent Given", {"channel": "all", "purpose": "marketing"}, everywhere(True)),
        ("Consent Revoked", {"consent": {"email": {"promotions": True}}}, {Consent(EMAIL, MARKETING, False)}),
        ("Consent Revoked", {"purpose": "analytics"}, everywhere(False)),
        ("Consent Revoked", {"consent": {"analytics": True}}, everywhere(False)),
        ("Consent Revoked", {"consent": {"reason": "too many"}}, everywhere(False)),
        ("Consent Denied", {"consent": {"source": "form"}, "channel": "sms"}, {Consent(SMS, MARKETING, False)}),
        ("Consent Given", {"consent": {"analytics": True, "status": "granted"}}, set()),
        ("Consent Updated", {"consent": {"postal": False}}, everywhere(False)),
        ("Consent Updated", {"consent": {"postal": False, "email": True}}, {Consent(EMAIL, MARKETING, True)}),
        ("Consent Updated", {"consent": {"postal": {"service": False}}}, everywhere(False, SERVICE)),
        ("Consent Updated", {"consent": {"postal": {"marketing": True}, "opted_out": False}}, set()),
        ("Consent Updated", {"consent": {"status": "denied"}}, everywhere(False)),
        ("Subscribed", {"channel": "postal"}, set()),
        ("Unsubscribed", {"channel": "postal"}, {Consent(EMAIL, MARKETING, False)}),
        ("Consent Denied", {}, everywhere(False)),
        ("Consent Revoked", {"channel": "E-Mail", "purpose": "Service"}, {Consent(EMAIL, SERVICE, False)}),
        ("Consent Withdrawn", {"consent": {"email": True}}, {Consent(EMAIL, MARKETING, False)}),
        ("Subscribed", None, {Consent(EMAIL, MARKETING, True)}),
        ("Unsubscribed", {"list_id": "news"}, {Consent(EMAIL, MARKETING, False)}),
        ("Unsubscribed", {"channel": "push"}, {Consent(Channel.PUSH, MARKETING, False)}),
        ("Unsubscribed", {"channel": "All"}, {Consent(channel, MARKETING, False) for channel in Channel}),
        ("Email Marked as Spam", {"channel": "all"}, {Consent(channel, MARKETING, False) for channel in Channel}),
        ("Subscribed", {"channel": "all"}, {Consent(EMAIL, MARKETING, True)}),
        ("Email Marked as Spam", {}, {Consent(EMAIL, MARKETING, False)}),
    ],
)  # fmt: skip
def test_consent_in_many_words(name: str, said: dict[str, Any] | None, expected: set[Consent]) -> None:
    """A yes is taken for what it names; a no that names nothing covers everything."""
    assert set(heard(name, said)) == expected


def test_deliveries() -> None:
    """A delivery is a contact of marketing unless it says otherwise; one of ours is not counted again."""
    assert heard("Email Delivered") == (Contacted(EMAIL, MARKETING, True),)
    assert heard("Email Delivered", {"action_id": "action/win-back/1/u"}) == (Contacted(EMAIL, MARKETING, False),)
    assert heard("Email Delivered", {"purpose": "transactional"}) == (Contacted(EMAIL, SERVICE, True),)
    assert heard("Email Delivered", {"channel": "sms"}) == (Contacted(SMS, MARKETING, True),)
    assert heard("Email Opened", {"channel": "whatsapp"}) == (Responded(Channel.CHAT),)
    assert heard("Email Link Clicked") == (Responded(EMAIL),)


def test_orders_and_tickets() -> None:
    """A coupon on the order or on a line of it; a ticket by its id."""
    assert heard("Order Completed", {"order_id": 1, "coupon": "MAY"}) == (Ordered(True),)
    assert heard("Order Completed", {"order_id": 1, "products": [{"coupon": "X"}]}) == (Ordered(True),)
    assert heard("Order Completed", {"order_id": 1, "coupon": ""}) == (Ordered(False),)
    assert heard("Ticket Opened", {"ticket_id": 7}) == (Ticket("7", True),)
    assert heard("Ticket Solved", {"ticket_id": "t"}) == (Ticket("t", False),)


def test_promises() -> None:
    """When an order is to be delivered, that it was, and that nothing is owed of a cancelled one."""
    promised = {"order_id": 1, "promised_at": "2024-05-03T00:00:00Z"}
    assert heard("Order Completed", promised) == (Ordered(False), Promised("1", 1_714_694_400_000))
    assert heard("Order Updated", promised) == (Promised("1", 1_714_694_400_000),)
    assert heard("Order Updated", promised | {"delivered_at": "2024-05-02"}) == (Promised("1", None),)
    assert heard("Order Delivered", promised) == (Promised("1", None),)
    assert heard("Order Shipped", promised) == heard("Order Updated", promised)
    assert heard("Order Cancelled", {"order_id": 1}) == (Promised("1", None),)
    assert heard("Order Updated", {"order_id": 1, "promised_at": "soon"}) == ()
    assert heard("Order Updated", {"order_id": 1}) == ()


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"rating": 1, "network": " X "}, (Network("X"),)),
        ({"sentiment": "negative", "network": "n" * 100}, (Network("n" * 80),)),
        ({"rating": 1}, ()),
        ({"network": ""}, ()),
        ({"network": "two\nlines"}, ()),
        (None, ()),
    ],
)
def test_network_of_feedback(said: dict[str, Any] | None, expected: tuple[News, ...]) -> None:
    """What it is called, cut where that is long; no news where it is not told."""
    assert heard("Feedback Received", said) == expected


@pytest.mark.parametrize(
    ("traits", "context", "expected"),
    [
        ({"language": "DE"}, {"locale": "en-GB"}, (Language("de", 0.95),)),
        ({"locale": "pt_BR"}, None, (Language("pt", 0.9),)),
        (None, {"locale": "zh-Hant-TW", "timezone": "Asia/Taipei"}, (Language("zh", 0.6), Zone("Asia/Taipei"))),
        ({"timezone": "Europe/Berlin"}, {"timezone": "UTC"}, (Zone("Europe/Berlin"),)),
        ({"locale": 5, "timezone": "../etc/passwd"}, {"locale": "?", "timezone": ["UTC"]}, ()),
        ({"language": "Deutsch bitte", "timezone": "Mars/Olympus"}, [1], ()),
        (None, None, ()),
    ],
)
def test_language_and_zone(traits: Any, context: Any, expected: tuple[News, ...]) -> None:
    """What is stated outweighs the account's locale, that the browser's; nonsense is not heard."""
    more = {"type": "identify", "traits": traits} | ({} if context is None else {"context": context})
    assert heard(None, **more) == expected


@pytest.mark.parametrize("name", ["Order Completed", "Subscribed"])
def test_the_browser_tells_its_language_with_what_matters(name: str) -> None:
    """Who never signs in still has a language and a zone from the first order or subscription on."""
    told = (Language("fr", 0.6), Zone("Europe/Paris"))
    assert heard(name, context={"locale": "fr-CA", "timezone": "Europe/Paris"})[1:] == told
    assert heard(name, context={"locale": None})[1:] == heard(name, context=7)[1:] == ()
    assert heard("Unsubscribed", context={"locale": "fr-CA"}) == (Consent(EMAIL, MARKETING, False),)


def test_offsets_follow_the_calendar() -> None:
    """Berlin is one hour ahead of UTC in winter, two in summer; a zone that does not exist is UTC."""
    january, july, hour = 1_704_067_200_000, 1_719_792_000_000, 3_600_000
    assert offset_ms("Europe/Berlin", january) == hour
    assert offset_ms("Europe/Berlin", july) == 2 * hour
    assert offset_ms("Asia/Kolkata", july) == 5 * hour + hour // 2
    assert offset_ms("Mars/Olympus", july) == 0
    assert offset_ms("Europe/Berlin", 2**62) == 0

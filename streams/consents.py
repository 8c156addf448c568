"""Consents: what an event says about contacting the customer, by channel and purpose.

Shops say it in many ways. A yes is taken for what it names and no more: one for a channel or a purpose that is not
known is none for those that are. A no that names nothing known covers everything.
"""

from collections.abc import Container, Iterator
from typing import Any, Final

from schemas.events import Properties
from scoring.gates.channel import CHANNELS, Channel, Purpose
from scoring.gates.news import Consent

__all__ = ["channel_of", "consents_of", "names_all_channels", "names_unknown_channel"]

_CHANNEL_WORDS: Final = {
    **CHANNELS,
    "e-mail": Channel.EMAIL,
    "mail": Channel.EMAIL,
    "newsletter": Channel.EMAIL,
    "text": Channel.SMS,
    "phone": Channel.SMS,
    "whatsapp": Channel.CHAT,
    "messenger": Channel.CHAT,
    "ads": Channel.SOCIAL,
    "advertising": Channel.SOCIAL,
    "social_audience": Channel.SOCIAL,
}
_PURPOSE_WORDS: Final = {
    "marketing": Purpose.MARKETING,
    "offers": Purpose.MARKETING,
    "service": Purpose.SERVICE,
    "transactional": Purpose.SERVICE,
    "functional": Purpose.SERVICE,
}
_YES: Final = frozenset({"granted", "given", "yes", "true", "opted_in", "subscribed"})
_NO: Final = frozenset({"denied", "revoked", "withdrawn", "no", "false", "opted_out", "unsubscribed"})
_NAMING: Final = _CHANNEL_WORDS.keys() | _PURPOSE_WORDS.keys()
_ALL: Final = "all"
_SAYING: Final = _YES | _NO | {_ALL, "status", "state", "value", "consent", "enabled", "optin", "opt_in"}
"""Words that name neither a channel nor a purpose, only that a yes or a no follows for what is named around them."""
_DEPTH: Final = 3


def consents_of(name: str, said: Properties | None) -> tuple[Consent, ...]:
    """Return what a consent event says; `name` is the event's name, such as `Consent Revoked`."""
    words = name.lower().split()
    denies = any(word in _NO for word in words)
    grants = any(word in _YES for word in words)
    found: list[Consent] = []
    table = said.consent if said is not None else None
    if table:
        found = list(_walk(table, None, None, _DEPTH, denies=denies))
    if (denies and not found) or (grants and not table):
        channel = channel_of(said, None)
        purpose = None if said is None or said.purpose is None else _PURPOSE_WORDS.get(_word(said.purpose))
        unknown = said is not None and (
            _is_unknown(said.channel, _CHANNEL_WORDS) or _is_unknown(said.purpose, _PURPOSE_WORDS)
        )
        if unknown and not denies:
            return ()
        if grants and channel is None and purpose is None:
            channel = Channel.EMAIL
        found = list(_each(channel, purpose, not denies))
    return tuple(dict.fromkeys(found))


def channel_of(said: Properties | None, default: Channel | None) -> Channel | None:
    """Return the channel that an event names."""
    return default if said is None or said.channel is None else _CHANNEL_WORDS.get(_word(said.channel), default)


def names_unknown_channel(said: Properties | None) -> bool:
    """Whether an event is about a channel that nothing is known of."""
    return said is not None and _is_unknown(said.channel, _CHANNEL_WORDS)


def names_all_channels(said: Properties | None) -> bool:
    """Whether an event is about all channels, in so many words."""
    return said is not None and said.channel is not None and _word(said.channel) == _ALL


def _is_unknown(text: str | None, words: Container[str]) -> bool:
    return bool(text) and (word := _word(text or "")) != _ALL and word not in words


def _walk(
    told: dict[str, Any],
    channel: Channel | None,
    purpose: Purpose | None,
    depth: int,
    *,
    denies: bool,
    sure: bool = True,
) -> Iterator[Consent]:
    """Channels and purposes by name, in either order, down to a yes or a no.

    `denies`: what is listed is refused ("Consent Revoked" with channels that are true); `sure`: all words on the way
    are known. What an unknown word says beside a known channel or purpose is about something else ("analytics" beside
    "marketing"), and left out; where none stands beside it, its no is one that names less.
    """
    named = any(_word(key) in _NAMING for key in told)
    for key, value in told.items():
        word = _word(key)
        known = word in _NAMING or word in _SAYING
        channel_here = _CHANNEL_WORDS.get(word, channel)
        purpose_here = _PURPOSE_WORDS.get(word, purpose)
        names_nothing = channel_here is None and purpose_here is None and word != _ALL
        if named and (names_nothing or not known):
            continue
        refused, surely = denies or word in _NO, sure and known and not names_nothing
        if isinstance(value, dict):
            if depth > 1:
                yield from _walk(value, channel_here, purpose_here, depth - 1, denies=refused, sure=surely)
        elif (truth := _truth(value)) is not None and (truth or word not in _NO):  # not opted out is no yes
            granted = truth and not refused
            if surely or not granted:
                yield from _each(channel_here, purpose_here, granted)


def _each(channel: Channel | None, purpose: Purpose | None, granted: bool) -> Iterator[Consent]:
    """All that is meant where only one of the two is named; a channel alone is about marketing."""
    channels = tuple(Channel) if channel is None else (channel,)
    purposes = (Purpose.MARKETING,) if purpose is None else (purpose,)
    for one in channels:
        for what in purposes:
            yield Consent(one, what, granted)


def _word(text: str) -> str:
    return text.strip().lower().replace(" ", "_")


def _truth(value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    word = _word(value) if isinstance(value, str) else ""
    return True if word in _YES else False if word in _NO else None

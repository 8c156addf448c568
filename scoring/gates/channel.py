"""Channels: the ways to reach a customer, what a message is for, and what may be sent where."""

from dataclasses import dataclass
from enum import IntEnum

__all__ = ["CHANNELS", "Channel", "ChannelTerms", "Message", "Purpose"]


class Channel(IntEnum):
    """A way to reach a customer; values are part of what is stored: add at the end, never renumber."""

    EMAIL = 0
    PUSH = 1
    SMS = 2
    CHAT = 3
    SOCIAL = 4


class Purpose(IntEnum):
    """What a consent is for; values are part of what is stored."""

    MARKETING = 0
    SERVICE = 1


class Message(IntEnum):
    """What a channel permits or not: service, marketing without an offer, marketing with one (a coupon)."""

    SERVICE = 0
    MARKETING = 1
    OFFER = 2


CHANNELS = {channel.name.lower(): channel for channel in Channel}
"""By the name that settings, events and actions use."""

_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class ChannelTerms:
    """What holds for one channel beside what holds for all.

    Parameters
    ----------
    permits
        Which messages may go there.
    cap
        Most marketing contacts on it within `window_ms`; None: only the cap over all channels holds.
    weight
        How likely it is the best one before anything is known of a customer; only ratios count.
    """

    permits: frozenset[Message] = frozenset(Message)
    cap: int | None = None
    window_ms: int = 30 * _DAY_MS
    weight: float = 1.0

    def __post_init__(self) -> None:
        if self.cap is not None and not 0 <= self.cap <= 100:
            raise ValueError(f"cap: {self.cap} is outside [0, 100]")
        if self.window_ms <= 0:
            raise ValueError(f"window_ms: {self.window_ms} is not positive")
        if not self.weight >= 0:
            raise ValueError(f"weight: {self.weight} is negative")

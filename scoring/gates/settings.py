"""Gate settings: everything that decides whether, when and where a customer may be contacted."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from scoring.gates.channel import Channel, ChannelTerms, Message

__all__ = ["Cap", "GateSettings", "utc"]

_DAY_MS = 86_400_000
_INFORMAL = frozenset({Message.MARKETING})
_SPOKEN = frozenset({Message.SERVICE, Message.MARKETING})


def utc(zone: str, time_ms: int) -> int:
    """Offset of every zone where none is known: that of UTC."""
    return 0


def _terms() -> dict[Channel, ChannelTerms]:
    """Offers in form by e-mail and SMS, the rest where people talk; a text message once a window."""
    return {
        Channel.EMAIL: ChannelTerms(weight=6.0),
        Channel.PUSH: ChannelTerms(_SPOKEN, weight=2.0),
        Channel.SMS: ChannelTerms(cap=1, weight=1.0),
        Channel.CHAT: ChannelTerms(_SPOKEN, weight=0.5),
        Channel.SOCIAL: ChannelTerms(_INFORMAL, weight=0.5),
    }


@dataclass(frozen=True, slots=True)
class Cap:
    """At most `count` contacts within any `window_ms`; `count` None: without limit."""

    count: int | None
    window_ms: int = 30 * _DAY_MS

    def __post_init__(self) -> None:
        if self.count is not None and not 0 <= self.count <= 100:
            raise ValueError(f"count: {self.count} is outside [0, 100]")
        if self.window_ms <= 0:
            raise ValueError(f"window_ms: {self.window_ms} is not positive")


@dataclass(frozen=True, slots=True)
class GateSettings:
    """All parameters of the gates; times in ms, shares and probabilities from 0 to 1.

    Parameters
    ----------
    consent_unknown
        Whether those who never said anything may be sent marketing; service may always be sent to them.
    marketing, service
        Caps over all channels together.
    channels
        Terms of each channel; one that is left out is not used.
    budget_ms
        For so long a marketing contact is kept for a better moment than one that is worth less than the price; 0: it
        is used at the first.
    budget_percentile
        The price: the score of the customer at this percentile.
    negative_ms
        How long an open ticket or a missed promise withholds marketing.
    bought_anyway_probability, bought_anyway_percentile
        From either on, no coupon: they would buy without one; 1: never.
    coupon_share, coupon_orders
        From this share of orders with a coupon on, out of at least so many orders, no coupon: they have learned to
        wait for one.
    holdout_global, holdout_rule
        Shares of customers that are held out of all marketing, and of the marketing of each rule.
    holdout_salt
        Another text draws another control.
    quiet_from_hour, quiet_until_hour
        Local hours in between which marketing waits; equal: never.
    zone
        The shop's time zone, for those of whom none is known.
    zone_offset_ms
        Offset of a zone from UTC at a time in ms.
    usual_hours, usual_weekdays
        How much is done in the shop at each hour (UTC, 24) and on each weekday (7, Monday first), in any unit; empty:
        not known.
    """

    consent_unknown: bool = False
    marketing: Cap = Cap(2)
    service: Cap = Cap(None)
    channels: Mapping[Channel, ChannelTerms] = field(default_factory=_terms)
    budget_ms: int = 0
    budget_percentile: float = 0.7
    negative_ms: int = 30 * _DAY_MS
    bought_anyway_probability: float = 0.5
    bought_anyway_percentile: float = 0.9
    coupon_share: float = 0.5
    coupon_orders: int = 3
    holdout_global: float = 0.05
    holdout_rule: float = 0.05
    holdout_salt: str = ""
    quiet_from_hour: int = 21
    quiet_until_hour: int = 8
    zone: str = "UTC"
    zone_offset_ms: Callable[[str, int], int] = utc
    usual_hours: tuple[float, ...] = ()
    usual_weekdays: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        shares = ("budget_percentile", "bought_anyway_probability", "bought_anyway_percentile", "coupon_share",
                  "holdout_global", "holdout_rule")  # fmt: skip
        for name in shares:
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name}: {getattr(self, name)} is outside [0, 1]")
        for name in ("quiet_from_hour", "quiet_until_hour"):
            if not 0 <= getattr(self, name) <= 23:
                raise ValueError(f"{name}: {getattr(self, name)} is outside [0, 23]")
        if self.budget_ms < 0:
            raise ValueError(f"budget_ms: {self.budget_ms} is negative")
        if not self.channels:
            raise ValueError("channels: there is none; name at least one")
        for name, n in (("usual_hours", 24), ("usual_weekdays", 7)):
            usual = getattr(self, name)
            if usual and (len(usual) != n or min(usual) < 0 or sum(usual) <= 0):
                raise ValueError(f"{name}: {usual} is not {n} numbers from 0 up, of which one is above")

    @property
    def contacts_kept(self) -> int:
        """How many contacts must be remembered on each channel for the caps to be kept."""
        caps = [self.marketing.count, self.service.count, *(terms.cap for terms in self.channels.values())]
        return max((cap for cap in caps if cap is not None), default=0)

    @classmethod
    def open(cls) -> "GateSettings":
        """Gates that let everything pass: for rules that are tried apart from any customer's standing."""
        nowhere_capped = {channel: ChannelTerms() for channel in Channel}
        return cls(
            consent_unknown=True,
            marketing=Cap(None),
            channels=nowhere_capped,
            negative_ms=0,
            bought_anyway_probability=1.0,
            bought_anyway_percentile=1.0,
            coupon_orders=2**31,
            holdout_global=0.0,
            holdout_rule=0.0,
            quiet_from_hour=0,
            quiet_until_hour=0,
        )

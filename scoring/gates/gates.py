"""Gates: whether a crossing may be published, on which channel and when; a function of what it is asked about."""

import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import compress

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from scoring.gates.channel import Channel, Message, Purpose
from scoring.gates.holdout import held_out
from scoring.gates.quiet import quiet_until
from scoring.gates.settings import GateSettings
from scoring.gates.standing import Standing, contacts_place
from scoring.rules.rule import ActionClass, Coupon, Rule

__all__ = ["GATES", "STORED", "Asked", "Gates", "Verdict"]

GATES = (
    "replay",
    "stale",
    "automated",
    "rule_paused",
    "warming_up",
    "no_consent",
    "negative_experience",
    "frequency_cap",
    "budget",
    "cooldown",
    "discount_guard",
    "holdout",
    "quiet_hours",
    "entry_withheld",
    "merged",
)
"""Reason codes, in the order in which they are asked; the last two are that of leaving what was entered unseen, and of
entering because two customers turned out to be one.
"""

STORED = (*(code for code in GATES if code != "budget"), "budget")
"""The same codes; their places are bits of what is stored (`scoring.side.Crossed`): new ones come last."""


_HELD_OUT = ("holdout",)
_MARKETING, _NEVER, _MAY, _ALWAYS = ActionClass.MARKETING, Coupon.NEVER, Coupon.MAY, Coupon.ALWAYS
"""Members of enumerations, as to look one up takes as long as to ask a gate."""


class Asked(Struct, frozen=True, gc=False):
    """What the gates are asked about: the entry of a customer into a rule's list.

    Times in ms. `sent_ms` is when an entry was last sent, `age_ms` how long before the receipt of its cause the moment,
    or the event that caused it, lay, `percentile` NaN while unknown, `best` how good each channel is, by channel.
    `price` is the score that a contact must be worth to be used now (`GateSettings.budget_percentile`), NaN while
    unknown. `merged`: the only cause is that two customers turned out to be one.
    """

    rule: Rule
    customer: bytes
    time_ms: int
    age_ms: int
    sent_ms: int
    automated: bool
    warming_up: bool
    score: float
    percentile: float
    best: Sequence[float]
    price: float = math.nan
    merged: bool = False


class Verdict(Struct, frozen=True, gc=False):
    """What the gates said: the codes of those that are shut (none: publish), and how to send it.

    `control` is `global` or `rule` of a customer who is held out and for nothing else withheld; `not_before_ms` is
    None for at once.
    """

    withheld: tuple[str, ...]
    channel: Channel | None
    coupon: bool
    not_before_ms: int | None
    control: str | None


@lru_cache(maxsize=1024)
def _codes(shut: tuple[bool, ...]) -> tuple[str, ...]:
    """Those of the gates that are shut, of all in the order of `GATES`."""
    return tuple(compress(GATES, shut))


def _best_of(channels: Sequence[Channel], best: Sequence[float]) -> Channel | None:
    """The best of the channels, of equals the first; a loop, as `max` with a key takes three times as long."""
    found, most = None, -math.inf
    for channel in channels:
        if best[channel] > most:
            found, most = channel, best[channel]
    return found


class Gates:
    """Asks every gate, in order.

    Parameters
    ----------
    settings
        All parameters.
    max_action_age_ms
        An action is `stale` where the moment, or the event that caused it, lies further than this before the receipt;
        None: never.
    replay
        Whether everything is withheld, because the input was lived through before.
    """

    def __init__(self, settings: GateSettings, max_action_age_ms: int | None, replay: bool) -> None:
        self.settings = settings
        self.replay = replay
        self._max_age_ms = max_action_age_ms
        terms = settings.channels.items()
        self._permitted = {message: sorted(one for one, its in terms if message in its.permits) for message in Message}
        marketing = Purpose.MARKETING
        capped = [(one, its.cap, its.window_ms) for one, its in terms if its.cap is not None]
        self._capped = [(one, contacts_place(marketing, one), cap, window_ms) for one, cap, window_ms in capped]
        self._closed = any(cap == 0 for _, cap, _ in capped)
        leaving = [{"replay": replay, "entry_withheld": not was_sent} for was_sent in (False, True)]
        codes = [_codes(tuple(shut.get(code, False) for code in GATES)) for shut in leaving]
        self._left = [Verdict(withheld, None, False, None, None) for withheld in codes]

    def judge(self, asked: Asked, standing: Standing) -> Verdict:
        """The verdict on one entry; O(gates x channels)."""
        settings, rule, time_ms = self.settings, asked.rule, asked.time_ms
        marketing = rule.action_class is _MARKETING
        purpose = Purpose.MARKETING if marketing else Purpose.SERVICE
        guarded = rule.coupon is not _NEVER and self._guards_discount(asked, standing)
        coupon = rule.coupon is not _NEVER and not guarded
        message = Message.SERVICE if not marketing else Message.OFFER if coupon else Message.MARKETING
        permitted, consented, room = self._reach(message, purpose, time_ms, standing)
        if coupon and marketing and rule.coupon is _MAY and not room:
            plain = self._reach(Message.MARKETING, purpose, time_ms, standing)
            if plain[2] or (plain[1] and not consented):  # the channels that are left carry no offers
                coupon, (permitted, consented, room) = False, plain
        channel = _best_of(room or consented or permitted, asked.best)
        drawn = self.drawn(rule, asked.customer)
        not_before_ms = self._not_before(time_ms, standing) if marketing else None
        expires_ms = rule.expires_after_ms
        shut = (  # in the order of `GATES`
            self.replay,
            self._max_age_ms is not None and asked.age_ms > self._max_age_ms,
            asked.automated,
            rule.paused,
            asked.warming_up and rule.reads_score,
            not consented,
            marketing and standing.aggrieved(time_ms, settings.negative_ms),
            not self._may_contact(time_ms, standing, purpose) or bool(consented and not room),
            marketing and self._keeps(asked, standing),
            bool(rule.cooldown_ms) and time_ms - asked.sent_ms < rule.cooldown_ms,
            guarded and rule.coupon is _ALWAYS,
            drawn is not None,
            not_before_ms is not None and expires_ms is not None and not_before_ms >= time_ms + expires_ms,
            False,  # entry_withheld is that of leaving
            asked.merged,
        )
        withheld = _codes(shut)
        return Verdict(withheld, channel, coupon, not_before_ms, drawn if withheld == _HELD_OUT else None)

    def left(self, was_sent: bool) -> Verdict:
        """The verdict on leaving: told to whoever was told of entering, however old it is, as it only says that
        something ends.
        """
        return self._left[was_sent]

    def drawn(self, rule: Rule, customer: bytes) -> str | None:
        """Which control the customer is in; nobody is held out of service."""
        if rule.action_class is not _MARKETING:
            return None
        settings = self.settings
        return held_out(customer, rule.name, settings.holdout_global, settings.holdout_rule, settings.holdout_salt)

    def coupon_allowed(self, standing: Standing, score: float, percentile: float, warming_up: bool) -> bool:
        """Whether a coupon makes sense: they would not buy anyway, and have not learned to wait for one."""
        settings = self.settings
        known = ((score, settings.bought_anyway_probability), (percentile, settings.bought_anyway_percentile))
        anyway = not warming_up and any(value >= limit for value, limit in known if limit < 1)
        waits = (
            standing.orders >= settings.coupon_orders
            and standing.coupons >= settings.coupon_share * standing.orders
            and standing.coupons > 0
        )
        return not anyway and not waits

    def coupons_allowed(
        self,
        orders: NDArray[np.float64],
        coupons: NDArray[np.int64],
        score: NDArray[np.float64],
        percentile: NDArray[np.float64],
        warming_up: bool,
    ) -> NDArray[np.bool_]:
        """The same of (m,) customers: `coupons` of their `orders` came with one."""
        settings = self.settings
        anyway = np.zeros(len(orders), np.bool_)
        known = ((score, settings.bought_anyway_probability), (percentile, settings.bought_anyway_percentile))
        for values, limit in known:
            if limit < 1 and not warming_up:
                anyway |= values >= limit
        waits = (orders >= settings.coupon_orders) & (coupons >= settings.coupon_share * orders) & (coupons > 0)
        return ~(anyway | waits)

    def _reach(
        self, message: Message, purpose: Purpose, time_ms: int, standing: Standing
    ) -> tuple[list[Channel], list[Channel], list[Channel]]:
        """The channels that such a message may go by, those of them consented to, and those not used up."""
        marketing = purpose is Purpose.MARKETING
        permitted = self._permitted[message]
        consented = standing.consented(permitted, purpose, self.settings.consent_unknown or not marketing)
        return permitted, consented, self._with_room(time_ms, standing, consented) if marketing else consented

    def _guards_discount(self, asked: Asked, standing: Standing) -> bool:
        return not self.coupon_allowed(standing, asked.score, asked.percentile, asked.warming_up)

    def _may_contact(self, time_ms: int, standing: Standing, purpose: Purpose) -> bool:
        cap = self.settings.marketing if purpose is Purpose.MARKETING else self.settings.service
        return cap.count is None or standing.contacts_since(time_ms - cap.window_ms, purpose) < cap.count

    def _with_room(self, time_ms: int, standing: Standing, channels: list[Channel]) -> list[Channel]:
        """Those of the channels whose own cap on marketing is not used up."""
        contacts = standing.contacts
        if not contacts and not self._closed:
            return channels
        full = [
            channel
            for channel, place, cap, window_ms in self._capped
            if len(contacts.get(place, ())) >= cap and standing.contacts_at(place, time_ms - window_ms) >= cap
        ]
        return [channel for channel in channels if channel not in full] if full else channels

    def _keeps(self, asked: Asked, standing: Standing) -> bool:
        """Whether the contact is kept for a better moment: its worth lies under the price, and the window is not over.

        Without a cap there is nothing to keep, and without a score nothing to go by.
        """
        settings = self.settings
        if not settings.budget_ms or settings.marketing.count is None or asked.warming_up:
            return False
        waited_ms = asked.time_ms - standing.kept_ms if standing.kept_ms else 0
        return asked.score * asked.rule.gain < asked.price and waited_ms < settings.budget_ms

    def _not_before(self, time_ms: int, standing: Standing) -> int | None:
        settings = self.settings
        zone = settings.zone if standing.zone is None else standing.zone[1]
        offset_ms = settings.zone_offset_ms(zone, time_ms)
        ends_ms = quiet_until(time_ms, offset_ms, settings.quiet_from_hour, settings.quiet_until_hour)
        # In the night in which clocks change, the morning has another offset.
        return None if ends_ms is None else ends_ms + offset_ms - settings.zone_offset_ms(zone, ends_ms)

"""Standing: what is known of how one customer may be contacted: consent, contacts, habits, complaints, coupons.

Whatever is told is kept by its own time, so that the same news leave the same standing in any order of arrival.
"""

from bisect import bisect_right, insort
from typing import TYPE_CHECKING, Any

import msgspec

from scoring.gates import news
from scoring.gates.channel import Channel, Purpose
from scoring.trials import Trial

__all__ = ["CHANNEL_CELL", "WEEKDAY_CELL", "Standing", "contacts_place"]

WEEKDAY_CELL, CHANNEL_CELL = 24, 32
"""Where in `Standing.habits` weekdays (Monday first) and channels begin; hours of the day (UTC) come first."""

_HOUR_MS, _DAY_MS = 3_600_000, 86_400_000
_GENERATION_MS = 182 * _DAY_MS
_CASES = 16
"""Tickets, and orders with a promised delivery, that are kept of one customer, the last ones."""


def contacts_place(purpose: Purpose, channel: Channel) -> int:
    """Where in `Standing.contacts` those for a purpose on a channel are."""
    return 8 * int(purpose) + int(channel)


if TYPE_CHECKING:
    KeptTrials = dict[str, Trial] | msgspec.Raw
else:
    KeptTrials = msgspec.Raw  # as what it is read; msgspec writes whatever is there

_trials = msgspec.msgpack.Decoder(dict[str, Trial]).decode


class Standing(msgspec.Struct, array_like=True, gc=False):
    """The standing of one customer; bounded by the caps, the channels and a few constants.

    Attributes
    ----------
    consent
        By `2 * channel + purpose`: when it was last said, and whether it was a yes. Of two at one moment the no holds.
    contacts
        By purpose and channel (`contacts_place`): times of the last contacts, as many as a cap can ask for, in order.
    habits
        By half-year, the last two: how often they opened, clicked or ordered at an hour and on a weekday, or answered
        on a channel.
    orders, coupons
        Orders completed, and how many of them with a coupon.
    language
        When it was said, how sure that is, and the code; of several the surest, of those the last.
    zone
        When it was said, and its name.
    tickets
        By id: when it was last opened, and last solved (0: never).
    name
        When it was said, and what they are called.
    promises
        By order: when delivery was last promised, for when (0: never), and when it was delivered (0: not yet).
    kept_ms
        Since when a marketing contact is kept for a better moment; 0: none is.
    trials
        What came of contacting or of holding out, by rule (`scoring.trials`); read with `tried`.
    network
        When feedback last came from a social network, and which that is.
    """

    consent: dict[int, tuple[int, bool]] = msgspec.field(default_factory=dict)
    contacts: dict[int, list[int]] = msgspec.field(default_factory=dict)
    habits: dict[int, dict[int, int]] = msgspec.field(default_factory=dict)
    orders: int = 0
    coupons: int = 0
    language: tuple[int, float, str] | None = None
    zone: tuple[int, str] | None = None
    tickets: dict[str, tuple[int, int]] = msgspec.field(default_factory=dict)
    promises: dict[str, tuple[int, int, int]] = msgspec.field(default_factory=dict)
    name: tuple[int, str] | None = None
    kept_ms: int = 0
    trials: KeptTrials = msgspec.field(default_factory=dict)
    network: tuple[int, str] | None = None

    def learn(self, told: news.News, ms: int, kept: int) -> None:
        """Take in what an event of time `ms` told; `kept` contacts are remembered by purpose and channel."""
        match told:
            case news.Consent(channel, purpose, granted):
                key, said = 2 * channel + purpose, (ms, not granted)
                before = self.consent.get(key)
                # At one moment, a no outweighs a yes.
                if before is None or said > (before[0], not before[1]):
                    self.consent[key] = (ms, granted)
            case news.Contacted(channel, purpose, counts):
                if counts:
                    self.contacted(channel, purpose, ms, kept)
            case news.Responded(channel):
                self._note(ms, CHANNEL_CELL + channel)
            case news.Ordered(coupon):
                self.orders += 1
                self.coupons += coupon
                self._note(ms)
            case news.Ticket(name, opened):
                opened_ms, solved_ms = self.tickets.pop(name, (0, 0))
                if opened:
                    opened_ms = max(opened_ms, ms)
                else:
                    solved_ms = max(solved_ms, ms)
                self.tickets[name] = (opened_ms, solved_ms)
                _keep_latest(self.tickets)
            case news.Promised(order, promised_ms):
                said_ms, due_ms, delivered_ms = self.promises.pop(order, (0, 0, 0))
                if promised_ms is None:
                    delivered_ms = max(delivered_ms, ms)
                else:
                    said_ms, due_ms = max((said_ms, due_ms), (ms, promised_ms))
                self.promises[order] = (said_ms, due_ms, delivered_ms)
                _keep_latest(self.promises)
            case news.Language(code, confidence):
                told_language = (ms, confidence, code)
                self.language = max(self.language or told_language, told_language, key=_surest)
            case news.Name(text):
                self.name = max(self.name or (ms, text), (ms, text))
            case news.Network(name):
                self.network = max(self.network or (ms, name), (ms, name))
            case news.Zone(name):
                self.zone = max(self.zone or (ms, name), (ms, name))

    def tried(self) -> dict[str, Trial]:
        """What came of contacting or of holding out, by rule, to be changed."""
        if isinstance(self.trials, msgspec.Raw):
            self.trials = _trials(self.trials)
        return self.trials

    def refuse_marketing(self, ms: int) -> None:
        """Let marketing be refused on every channel, as of a time: a later yes holds."""
        for channel in Channel:
            self.learn(news.Consent(channel, Purpose.MARKETING, False), ms, 0)

    def absorb(self, other: "Standing", kept: int) -> None:
        """Take in the standing of another customer, who is the same person: contacts add, a no of either holds.

        What came of the holdout goes on where only the other was drawn; what is counted already stays counted.
        """
        for key, (ms, granted) in other.consent.items():
            mine_ms, mine = self.consent.get(key, (ms, granted))
            self.consent[key] = (max(mine_ms, ms), mine and granted)
        for place, times in other.contacts.items():
            self.contacts[place] = sorted((*self.contacts.get(place, ()), *times))[-kept:] if kept else []
        for generation, counts in other.habits.items():
            mine_counts = self.habits.setdefault(generation, {})
            for cell, n in counts.items():
                mine_counts[cell] = mine_counts.get(cell, 0) + n
        self._forget_habits()
        self.orders += other.orders
        self.coupons += other.coupons
        if other.language:
            self.language = max(self.language or other.language, other.language, key=_surest)
        if other.zone:
            self.zone = max(self.zone or other.zone, other.zone)
        if other.name:
            self.name = max(self.name or other.name, other.name)
        if other.network:
            self.network = max(self.network or other.network, other.network)
        for name, (opened_ms, solved_ms) in other.tickets.items():
            opened, solved = self.tickets.pop(name, (0, 0))
            self.tickets[name] = (max(opened, opened_ms), max(solved, solved_ms))
            _keep_latest(self.tickets)
        for order, (said_ms, due_ms, delivered_ms) in other.promises.items():
            said, due, delivered = self.promises.pop(order, (0, 0, 0))
            self.promises[order] = (*max((said, due), (said_ms, due_ms)), max(delivered, delivered_ms))
            _keep_latest(self.promises)
        self.kept_ms = min(filter(None, (self.kept_ms, other.kept_ms)), default=0)
        trials = self.tried()
        for rule, trial in other.tried().items():
            trials.setdefault(rule, trial)

    def contacted(self, channel: Channel, purpose: Purpose, ms: int, kept: int) -> None:
        """Remember a contact; if it is marketing, none is kept any more for a better moment."""
        if purpose is Purpose.MARKETING:
            self.kept_ms = 0
        if kept:
            times = self.contacts.setdefault(contacts_place(purpose, channel), [])
            insort(times, ms)
            del times[:-kept]

    def contacts_since(self, after_ms: int, purpose: Purpose) -> int:
        """How many contacts there were later than `after_ms`, on all channels together."""
        if not self.contacts:
            return 0
        contacts = self.contacts.items()
        return sum([len(times) - bisect_right(times, after_ms) for place, times in contacts if place >> 3 == purpose])

    def contacts_at(self, place: int, after_ms: int) -> int:
        """The same of one place of `contacts`."""
        times = self.contacts.get(place, ())
        return len(times) - bisect_right(times, after_ms)

    def consented(self, channels: list[Channel], purpose: Purpose, unknown: bool) -> list[Channel]:
        """Those of the channels on which they may be contacted so; `unknown` where they never said."""
        if not self.consent:
            return channels if unknown else []
        said = self.consent
        return [
            channel
            for channel in channels
            if (unknown if (last := said.get(2 * channel + purpose)) is None else last[1])
        ]

    def open_tickets(self, now_ms: int) -> list[tuple[str, int]]:
        """The tickets that are not solved, each with the time of its opening, newest first.

        A record that a crash amid a commit left behind may know what comes after `now_ms`: that is not yet so.
        """
        waiting = (
            (-opened, name)
            for name, (opened, solved) in self.tickets.items()
            if opened and opened <= now_ms and not opened <= solved <= now_ms
        )
        return [(name, -ms) for ms, name in sorted(waiting)]

    def aggrieved(self, now_ms: int, within_ms: int) -> bool:
        """Whether a ticket is open, or a promised delivery overdue, since no longer than `within_ms`."""
        if not self.tickets and not self.promises:
            return False
        tickets = (opened for opened, solved in self.tickets.values() if opened > solved)
        promises = (due for _, due, delivered in self.promises.values() if due and not delivered)
        return any(now_ms - within_ms < since <= now_ms for since in (*tickets, *promises))

    def _note(self, ms: int, *cells: int) -> None:
        hour, weekday = ms // _HOUR_MS % 24, (ms // _DAY_MS + 3) % 7
        generation = ms // _GENERATION_MS
        counts = self.habits.setdefault(generation, {})
        for cell in (hour, WEEKDAY_CELL + weekday, *cells):
            counts[cell] = counts.get(cell, 0) + 1
        self._forget_habits()

    def _forget_habits(self) -> None:
        if not self.habits:
            return
        newest = max(self.habits)
        for old in [each for each in self.habits if each < newest - 1]:
            del self.habits[old]


def _surest(language: tuple[int, float, str]) -> tuple[float, int, str]:
    """What a language is preferred by: a browser's does not outweigh what was stated, however late it is told."""
    ms, confidence, code = language
    return confidence, ms, code


def _keep_latest(cases: dict[str, Any]) -> None:
    if len(cases) > _CASES:
        del cases[min(cases, key=lambda name: (max(cases[name]), name))]

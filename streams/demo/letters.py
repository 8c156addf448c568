"""Letters: who has an account, agrees to what and gets the newsletter, and what becomes of each copy of it.

All begins with the checkout of the first order, where an account is made and boxes are ticked; a prospect can only
subscribe.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from streams.demo.chance import uniform
from streams.demo.deeds import DAY_MS, HOUR_MS, MINUTE_MS, Deed, Deeds, deeds_of
from streams.demo.history import History
from streams.demo.visits import Visits

__all__ = ["CHECKOUT_MS", "letters"]

CHECKOUT_MS = 1_000
"""What is ticked at the checkout is told so long before the order is complete: it is part of the order."""
_NEVER = np.iinfo(np.int64).max
_AGREES, _DENIES = 0.74, 0.16
_SUBSCRIBES, _PROSPECT_SUBSCRIBES = 0.6, 0.3
_INSTALLS = 0.2
"""Customers who let the shop's app send them notices."""
_REVOKES, _UNSUBSCRIBES = 0.08, 0.12
_READS = 0.5
"""Subscribers who read newsletters at all."""


@dataclass(frozen=True, slots=True)
class _Readers:
    """Subscribers: from when until when each gets the newsletter."""

    who: NDArray[np.int64]
    keys: NDArray[np.uint64]
    from_ms: NDArray[np.int64]
    until_ms: NDArray[np.int64]
    prospect: bool


def letters(history: History, prospects: Visits, seed: int, start_ms: int, end_ms: int) -> list[Deeds]:
    """Draw accounts, consents and newsletters; `prospects` are the visits of those who never buy."""
    accounts, customers = _accounts(history, seed)
    interested, visitors = _interested(prospects, seed)
    copies = [deeds for group in (customers, visitors) for deeds in _newsletters(group, seed, start_ms, end_ms)]
    return [*accounts, *interested, *copies]


def _accounts(history: History, seed: int) -> tuple[list[Deeds], _Readers]:
    """What customers say at their first checkout, and take back later."""
    first = history.order_number == 1
    who, keys = history.order_customer[first], history.customer_keys[history.order_customer[first]]
    at_ms = history.order_time_ms[first] - CHECKOUT_MS
    says = uniform(seed, "consent", keys)
    agrees, denies = says < _AGREES, (says >= _AGREES) & (says < _AGREES + _DENIES)
    subscribes = agrees & (uniform(seed, "subscribes", keys) < _SUBSCRIBES)
    installs = uniform(seed, "installs", keys) < _INSTALLS
    revokes = agrees & (uniform(seed, "revokes", keys) < _REVOKES)
    revoked_ms = _later(at_ms, 15, 240, uniform(seed, "revoked", keys))
    leaves = subscribes & ~revokes & (uniform(seed, "unsubscribes", keys) < _UNSUBSCRIBES)
    left_ms = _later(at_ms, 20, 260, uniform(seed, "unsubscribed", keys))
    deeds = [
        deeds_of(Deed.IDENTIFIED, at_ms, who),
        deeds_of(Deed.CONSENT_GIVEN, at_ms[agrees], who[agrees]),
        deeds_of(Deed.CONSENT_DENIED, at_ms[denies], who[denies]),
        deeds_of(Deed.PUSH_ALLOWED, at_ms[installs], who[installs]),
        deeds_of(Deed.SUBSCRIBED, at_ms[subscribes], who[subscribes]),
        deeds_of(Deed.CONSENT_REVOKED, revoked_ms[revokes], who[revokes]),
        deeds_of(Deed.UNSUBSCRIBED, left_ms[leaves], who[leaves]),
    ]
    until_ms = np.where(revokes, revoked_ms, np.where(leaves, left_ms, _NEVER))
    return deeds, _Readers(who[subscribes], keys[subscribes], at_ms[subscribes], until_ms[subscribes], False)


def _interested(prospects: Visits, seed: int) -> tuple[list[Deeds], _Readers]:
    """Prospects who leave their address in their first visit."""
    order = np.lexsort((prospects.start_ms, prospects.who))
    number, at = np.unique(prospects.who[order], return_index=True)
    keys = number.astype(np.uint64)
    subscribes = uniform(seed, "prospect subscribes", keys) < _PROSPECT_SUBSCRIBES
    who, keys = number[subscribes], keys[subscribes]
    first_ms = prospects.start_ms[order][at[subscribes]]
    at_ms = first_ms + MINUTE_MS + (3 * MINUTE_MS * uniform(seed, "prospect subscribed", keys)).astype(np.int64)
    deeds = [deeds_of(Deed.SUBSCRIBED, at_ms, who, prospect=True)]
    return deeds, _Readers(who, keys, at_ms, np.full(len(who), _NEVER), True)


def _newsletters(group: _Readers, seed: int, start_ms: int, end_ms: int) -> Iterator[Deeds]:
    """One copy a month for each subscriber; some open it, some of those follow a link."""
    sent = _first_tuesdays(start_ms, end_ms)
    at_ms = sent[None, :] + (2 * HOUR_MS * uniform(seed, "queue", group.keys[:, None], sent)).astype(np.int64)
    who, copy = np.nonzero((at_ms >= group.from_ms[:, None]) & (at_ms < group.until_ms[:, None]))
    keys, at_ms, letter = group.keys[who], at_ms[who, copy], sent[copy]
    people, prospect = group.who[who], group.prospect
    yield deeds_of(Deed.LETTER_DELIVERED, at_ms, people, number=letter, prospect=prospect)
    reads = uniform(seed, "reads", keys)
    interest = np.where(reads < _READS, 0.4 + reads, 0.02)
    opens = uniform(seed, "opens", keys, letter) < interest
    opened_ms = at_ms + MINUTE_MS + (36 * HOUR_MS * uniform(seed, "opened", keys, letter) ** 2).astype(np.int64)
    yield deeds_of(Deed.LETTER_OPENED, opened_ms[opens], people[opens], number=letter[opens], prospect=prospect)
    clicks = opens & (uniform(seed, "clicks", keys, letter) < 0.3)
    clicked_ms = opened_ms[clicks] + MINUTE_MS
    yield deeds_of(Deed.LETTER_CLICKED, clicked_ms, people[clicks], number=letter[clicks], prospect=prospect)


def _first_tuesdays(start_ms: int, end_ms: int) -> NDArray[np.int64]:
    """Nine in the morning of the first Tuesday of each month."""
    days = [datetime.fromtimestamp(day * 86_400, UTC) for day in range(start_ms // DAY_MS, -(-end_ms // DAY_MS))]
    tuesdays = [day for day in days if day.weekday() == 1 and day.day <= 7]
    return np.array([round(day.timestamp()) * 1000 + 9 * HOUR_MS for day in tuesdays], np.int64)


def _later(time_ms: NDArray[np.int64], least_days: int, most_days: int, draw: NDArray[np.float64]) -> NDArray[np.int64]:
    return time_ms + ((least_days + (most_days - least_days) * draw) * DAY_MS).astype(np.int64)

"""Generated streams of events: mixed kinds, several customers, out of order, repeated, late, on three topics."""

from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st

from scoring.kernel import Events
from scoring.kinds import Kind
from scoring.twin import Event

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
START_MS = 1_700_000_000_000
CUSTOMERS = tuple(f"customer-{number}".encode() for number in range(5))

_ORDERS = (Kind.ORDER_COMPLETED, Kind.ORDER_COMPLETED, Kind.ORDER_COMPLETED, Kind.ORDER_CANCELLED, Kind.ORDER_REFUNDED,
           Kind.ORDER_SHIPPED, Kind.ORDER_DELIVERED, Kind.RETURN_REQUESTED)  # fmt: skip
_CLICKS = (Kind.PRODUCT_VIEWED, Kind.PRODUCT_VIEWED, Kind.PAGE, Kind.PRODUCT_ADDED, Kind.PRODUCT_REMOVED,
           Kind.LIST_VIEWED, Kind.WISHLIST_ADDED, Kind.WISHLIST_REMOVED, Kind.CHECKOUT_STARTED, Kind.SEARCHED,
           Kind.CART_VIEWED, Kind.RESULT_OPENED)  # fmt: skip
_OTHERS = (Kind.IDENTIFY, Kind.SUBSCRIBED, Kind.EMAIL_DELIVERED, Kind.EMAIL_OPENED, Kind.UNSUBSCRIBED, Kind.SURVEY,
           Kind.REVIEWED, Kind.FEEDBACK, Kind.POINTS, Kind.TICKET_OPENED, Kind.TICKET_SOLVED)  # fmt: skip
_NUMBERED = (Kind.SURVEY, Kind.REVIEWED, Kind.FEEDBACK, Kind.POINTS)
_WISHES = (Kind.WISHLIST_ADDED, Kind.WISHLIST_REMOVED)
_OF_A_CATEGORY = (Kind.PRODUCT_VIEWED, Kind.LIST_VIEWED, Kind.ORDER_COMPLETED)
_OF_A_PRODUCT = (Kind.PRODUCT_VIEWED, Kind.PAGE, Kind.PRODUCT_ADDED, Kind.PRODUCT_REMOVED, *_WISHES)
_SOURCES = ((0, _CLICKS), (0, _CLICKS), (1, _ORDERS), (2, _OTHERS))

_STEPS_MS = st.one_of(
    st.integers(0, 5_000),
    st.integers(0, 3 * HOUR_MS),
    st.integers(0, 12 * DAY_MS),
    st.sampled_from((0, 1, HOUR_MS, DAY_MS)),
)
_AMOUNTS = st.one_of(st.integers(0, 20_000).map(lambda cents: cents / 100), st.sampled_from((0.0, 0.1, 19.99)))
# Made once: to make a strategy takes several times of what it takes to draw from it.
_TRUTHS, _TENTHS = st.booleans(), st.integers(0, 9)
_UP_TO_1, _UP_TO_2, _UP_TO_3 = (st.integers(0, most) for most in (1, 2, 3))
_FROM_1_TO_4, _FROM_1_TO_6, _FROM_1_TO_9 = (st.integers(1, most) for most in (4, 6, 9))
_SOURCES_DRAWN = st.sampled_from(_SOURCES)
_KINDS_DRAWN = {kinds: st.sampled_from(kinds) for _, some in _SOURCES for kinds in (some, (*some, Kind.ALIAS))}
_PROMISED_MS = st.integers(-DAY_MS, 5 * DAY_MS)


@st.composite
def streams(
    draw: st.DrawFn,
    least: int = 1,
    most: int = 40,
    customers: Sequence[bytes] = CUSTOMERS,
    back_ms: int = 20 * DAY_MS,
    aliases: bool = False,
) -> list[Event]:
    """Events in the order of input: time moves on by small and large steps, and single events come `back_ms` late.

    Of a page, `product` is the page; of an alias, one more than the number of the customer who it says is the same.
    """
    events: list[Event] = []
    behind_drawn = st.one_of(st.just(0), st.integers(0, HOUR_MS), st.integers(0, back_ms))
    customers_drawn, customers_numbered = st.sampled_from(customers), st.integers(1, len(customers))
    clock = START_MS + draw(st.integers(0, DAY_MS))
    offsets = [0, 0, 0]
    for _ in range(draw(st.integers(least, most))):
        if events and draw(_TENTHS) == 0:
            source = events[draw(st.integers(0, len(events) - 1))].source
            again = [event for event in events if event.source == source]
            chosen = again[draw(st.integers(0, len(again) - 1))]
            events.append(chosen if draw(_TRUTHS) else chosen._replace(offset=_next(offsets, source)))
            continue
        clock += draw(_STEPS_MS)
        source, kinds = draw(_SOURCES_DRAWN)
        kind = draw(_KINDS_DRAWN[(*kinds, Kind.ALIAS) if aliases and source == 2 else kinds])
        behind = draw(behind_drawn)
        in_cart = draw(_UP_TO_3) if source == 0 and kind != Kind.PAGE else -1
        ordered = source == 1
        events.append(
            Event(
                customer=draw(customers_drawn),
                time_ms=clock - behind,
                kind=int(kind),
                source=source,
                offset=_next(offsets, source),
                message=len(events) + 1,
                # Of an order, the number of the order: some are told twice, or cancelled.
                product=draw(_FROM_1_TO_6)
                if kind in _OF_A_PRODUCT or ordered
                else draw(customers_numbered)
                if kind == Kind.ALIAS
                else 0,
                category=draw(_UP_TO_2) if kind in _OF_A_CATEGORY else 0,
                value=draw(_AMOUNTS) if ordered or kind in _NUMBERED else 0.0,
                lines=float(draw(_FROM_1_TO_4)) if ordered else 0.0,
                quantity=float(draw(_FROM_1_TO_9)) if ordered else 0.0,
                discounted=draw(_UP_TO_1) if ordered else 0,
                coupon=len(events) % 2 if ordered else 0,
                cart_items=in_cart,
                cart_value=in_cart * 9.5 if in_cart > 0 else 0.0,
                promised_ms=clock + draw(_PROMISED_MS) if kind == Kind.ORDER_SHIPPED else 0,
                received_ms=clock,
            )
        )
    return events


def columns_of(events: Sequence[Event], rows: dict[bytes, int]) -> Events:
    """The events as the kernel wants them: a column each."""
    table = Events.blank(len(events))
    for i, event in enumerate(events):
        table.row[i] = rows[event.customer]
        for name in Event._fields[1:]:
            getattr(table, name)[i] = np.uint64(event.message) if name == "message" else getattr(event, name)
    return table


def each_told_once(events: Sequence[Event]) -> list[Event]:
    """The events, every message once and every order with a number of its own."""
    once = {(event.source, event.message): event for event in events}
    return [
        event._replace(product=number + 1, offset=number) if event.source == 1 else event._replace(offset=number)
        for number, event in enumerate(once.values())
    ]


def after(events: Sequence[Event], earlier: Sequence[Event]) -> list[Event]:
    """The events, moved behind others: later than all of them, with new offsets and messages."""
    shift = max(event.time_ms for event in earlier) + 1 - min(event.time_ms for event in events)
    return [
        event._replace(
            time_ms=event.time_ms + shift,
            received_ms=event.received_ms + shift,
            offset=event.offset + 1_000,
            message=event.message + 1_000,
        )
        for event in events
    ]


def _next(offsets: list[int], source: int) -> int:
    offsets[source] += 1
    return offsets[source] - 1

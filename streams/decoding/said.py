"""Said: what an event of few says beyond what all do: numbers, lines, amounts."""

import math

from schemas.events import Properties, text_id
from schemas.timestamp import to_ms
from scoring.gates.news import News
from scoring.kinds import Kind
from scoring.side import CartItem
from scoring.sides import Detail
from scoring.where import Where
from streams.decoding.kinds import PLACES, STEPS, TICKETS, WISHES
from streams.examining import product_of, worth_of

__all__ = ["detail_of", "number_told", "only_category", "order_columns"]

_STARS = {"negative": 1.0, "neutral": 3.0, "positive": 5.0}
"""Stars of feedback that comes with a word instead."""
_TAKEN_BACK = frozenset({Kind.ORDER_CANCELLED, Kind.ORDER_REFUNDED})
_GOING_BACK = _TAKEN_BACK | {Kind.RETURN_REQUESTED}
_REASON = 200
"""Characters of the reason why an order goes back that are kept."""


def number_told(kind: int, said: Properties | None) -> float:
    """The number that an event tells: the points that there are now, an answer of 10, stars of 5; NaN for none.

    Feedback without stars, as from a social network, may say in a word how it is meant.
    """
    if said is None:
        return math.nan
    told = said.points if kind == Kind.POINTS else said.score if kind == Kind.SURVEY else said.rating
    if told is None and kind == Kind.FEEDBACK and said.sentiment is not None:
        told = _STARS.get(said.sentiment.lower())
    return math.nan if told is None else told


def detail_of(kind: int, said: Properties, news: tuple[News, ...], where: Where | None) -> Detail:
    """What an event of these kinds carries beside the columns, with the news and the place that it tells."""
    if kind in WISHES:
        return Detail(product_of(said))
    if kind in TICKETS:
        return Detail(text_id(said.ticket_id) or "", news=news)
    if kind in PLACES:
        return Detail((said.code if kind == Kind.REFERRED else said.place) or "", where=where)
    if kind in STEPS:
        quantity = 1.0 if said.quantity is None else said.quantity
        return Detail("", (CartItem(product_of(said), quantity, said.price or 0.0),))
    lines = tuple(
        CartItem(product_of(line), 1.0 if line.quantity is None else line.quantity, line.price or 0.0)
        for line in said.products or ()
    )
    promised_ms = 0 if said.promised_at is None else max(to_ms(said.promised_at), 0)
    reason = (said.reason or "")[:_REASON] if kind in _GOING_BACK else ""
    return Detail(text_id(said.order_id) or "", lines, news, promised_ms, reason)


def only_category(said: Properties | None) -> str | None:
    """The category that all products of an order are in, if each tells it and there is one."""
    told = {line.category for line in (said.products or ())} if said is not None else set()
    return told.pop() if len(told) == 1 else None


def order_columns(kind: int, said: Properties) -> tuple[float, float, float]:
    """Worth, lines and pieces of an order, or of what is taken back of it; never below zero.

    Without a list of products it counts as one line of one piece.
    """
    lines = said.products or ()
    worth = worth_of(said)
    pieces = [1.0 if line.quantity is None else line.quantity for line in lines]
    if kind in _TAKEN_BACK:  # some send what they give back as a negative amount
        worth, pieces = abs(worth), [abs(piece) for piece in pieces]
    return max(worth, 0.0), float(max(len(lines), 1)), max(sum(pieces), 0.0) if lines else 1.0

"""Observations: what an event says about products."""

from typing import NamedTuple

__all__ = ["Bought", "Line", "Observation", "Offered"]


class Line(NamedTuple):
    """A product as an event names it; the price is of one piece, None where it says none."""

    product: str
    price: float | None = None
    category: str | None = None


class Bought(NamedTuple):
    """A completed order; `customer` is a hash of who ordered, None once it is not to be remembered."""

    time_ms: int
    message: str
    order: str
    customer: int | None
    lines: tuple[Line, ...]


class Offered(NamedTuple):
    """Products that somebody saw, each at its price."""

    time_ms: int
    message: str
    lines: tuple[Line, ...]


Observation = Bought | Offered

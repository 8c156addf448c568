"""Outcomes: did those who crossed buy within the horizon, beside everybody who could have."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streams.demo.watched import Crossing

__all__ = ["Outcome", "crossed_and_bought"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of `crossed` crossings of customers whose horizon has passed, `bought` were followed by an order within it.

    `base_rate` is the share that bought, within the horizon from the same moments, among all customers who
    had ordered by then; `open` crossings are too recent to be judged.
    """

    crossed: int
    bought: int
    open: int
    base_rate: float

    @property
    def rate(self) -> float:
        """Share of the judged crossings that were followed by an order."""
        return self.bought / self.crossed if self.crossed else float("nan")


def crossed_and_bought(
    crossings: Iterable[Crossing],
    rule: str,
    orders: Mapping[str, Sequence[int]],
    end_ms: int,
    horizon_ms: int,
) -> Outcome:
    """Judge each entering of `rule` by the real orders after it, strictly later and within the horizon.

    Only people who had ordered by then are judged: the others are invented, and never buy.
    `orders` holds order times by customer, `end_ms` is when the data ends. Cost: days x customers.
    """
    entered = [
        crossing
        for crossing in crossings
        if crossing.rule == rule
        and crossing.entered
        and any(t <= crossing.time_ms for t in orders.get(crossing.customer, ()))
    ]
    judged = [crossing for crossing in entered if crossing.time_ms + horizon_ms <= end_ms]
    bought = sum(
        any(crossing.time_ms < t <= crossing.time_ms + horizon_ms for t in orders.get(crossing.customer, ()))
        for crossing in judged
    )
    days, counts = np.unique([crossing.time_ms // 86_400_000 for crossing in judged], return_counts=True)
    rates = _base_rates(orders, (days * 86_400_000).astype(np.int64), horizon_ms)
    known = ~np.isnan(rates)
    base = float(np.average(rates[known], weights=counts[known])) if known.any() else float("nan")
    return Outcome(len(judged), bought, len(entered) - len(judged), base)


def _base_rates(orders: Mapping[str, Sequence[int]], at_ms: NDArray[np.int64], span_ms: int) -> NDArray[np.float64]:
    known, buyers = np.zeros(len(at_ms)), np.zeros(len(at_ms))
    for times in orders.values():
        ordered = np.sort(np.array(times, dtype=np.int64))
        so_far = np.searchsorted(ordered, at_ms, side="right")
        known += so_far > 0
        buyers += (so_far > 0) & (np.searchsorted(ordered, at_ms + span_ms, side="right") > so_far)
    rates = np.full(len(at_ms), np.nan)
    np.divide(buyers, known, out=rates, where=known > 0)
    return rates

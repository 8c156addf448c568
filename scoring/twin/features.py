"""Features as the twin computes them: by name, each from its definition."""

import math

from scoring.kinds import Kind
from scoring.twin.customer import DAY_MS, Customer
from scoring.twin.orders import Summary

__all__ = ["features"]

_RETURNS = (Kind.ORDER_CANCELLED, Kind.ORDER_REFUNDED)
_BEHAVIOURS = {"views": Kind.PRODUCT_VIEWED, "carts": Kind.PRODUCT_ADDED, "wishes": Kind.WISHLIST_ADDED}
_NONE_AT_ALL = 1e9


def features(customer: Customer, now_ms: int, horizon_ms: int) -> dict[str, float]:
    """The features of a customer as of `now_ms`, by name; spans in horizons H."""
    H = float(horizon_ms)
    orders = [*customer.orders.left, *customer.orders.ring]
    summary = Summary.of(customer.orders, horizon_ms)
    x: dict[str, float] = {}
    bought = bool(orders)
    r = min(max(now_ms - orders[-1].time_ms, 0) / H, 50.0) if bought else 50.0
    tenure = min((now_ms - customer.first_ms()) / H, 50.0)
    log_r, log_t = math.log(r + 0.03), math.log(tenure + 0.03)

    x["recency.log"] = log_r
    x["recency.horizons"] = min(r, 6.0)
    for bend in (0.1, 0.3, 0.6, 1.0, 2.0):
        x[f"recency.over_{bend:g}"] = max(log_r - math.log(bend + 0.03), 0.0)
    visits = len(summary.visits)
    x["tenure.log"] = log_t
    x["tenure.one_visit"] = float(visits <= 1)
    x["tenure.log_ratio_to_recency"] = log_t - log_r
    x["frequency.log_visits"] = math.log1p(visits)
    x["frequency.log_orders"] = math.log1p(len(orders))
    x["frequency.two_visits"] = float(visits == 2)
    x["frequency.no_order"] = float(not bought)
    x["frequency.log_orders_a_visit"] = math.log((len(orders) + 1) / (visits + 1))

    def decayed(half_lives: float, amounts: list[tuple[int, float]]) -> float:
        return math.fsum(amount * 2.0 ** (-(now_ms - ms) / (half_lives * H)) for ms, amount in amounts)

    ones = [(ms, 1.0) for ms in summary.visits]
    spent = [(order.time_ms, order.value) for order in orders]
    lines = [(order.time_ms, order.lines) for order in orders]
    for name, half_lives in (("H/4", 0.25), ("H", 1.0), ("3H", 3.0), ("9H", 9.0)):
        x[f"rhythm.visits_{name}"] = math.log(decayed(half_lives, ones) + 0.1)
    x["rhythm.trend"] = x["rhythm.visits_H"] - x["rhythm.visits_9H"]
    x["rhythm.root_3H"] = math.sqrt(decayed(3.0, ones))
    for name, half_lives in (("H", 1.0), ("3H", 3.0), ("9H", 9.0)):
        x[f"money.spent_{name}"] = math.log1p(max(decayed(half_lives, spent), 0.0))
    baskets = [math.log1p(max(order.value, 0.0)) for order in orders]
    x["money.last_basket"] = baskets[-1] if bought else 0.0
    x["money.mean_basket"] = _mean(baskets)
    x["money.basket_spread"] = math.sqrt(_variance(baskets))
    x["money.last_to_mean"] = x["money.last_basket"] - x["money.mean_basket"]
    for name, half_lives in (("H", 1.0), ("3H", 3.0)):
        x[f"basket.lines_{name}"] = math.log1p(max(decayed(half_lives, lines), 0.0))
    x["basket.last_lines"] = math.log1p(max(orders[-1].lines, 0.0)) if bought else 0.0
    x["basket.usual_lines"] = summary.usual_lines
    prices = [math.log(max(order.value, 0.01) / max(order.quantity, 1.0)) for order in orders]
    x["basket.unit_price"] = _mean(prices)
    x |= _gaps(summary, r, tenure)
    for back, name in enumerate(("second", "third", "fourth", "fifth"), 2):
        recent = summary.recent_visits
        ago = max(now_ms - recent[-back], 0) / H if len(recent) >= back else _NONE_AT_ALL
        x[f"last_orders.{name}"] = math.log(min(ago, 20.0) + 0.1)

    for name, half_lives in (("H", 1.0), ("3H", 3.0)):
        x[f"returns.cancelled_{name}"] = math.log1p(customer.decayed(now_ms, half_lives * H, *_RETURNS))
    cancelled = customer.last_ms(Kind.ORDER_CANCELLED)
    x["returns.recent"] = 0.0 if cancelled is None else math.exp(-(now_ms - cancelled) / H)
    for group, kind in _BEHAVIOURS.items():
        for name, half_lives in (("H/24", 1 / 24), ("H/4", 0.25), ("H", 1.0), ("3H", 3.0)):
            x[f"{group}.{name}"] = math.log1p(customer.decayed(now_ms, half_lives * H, kind))
        last = customer.last_ms(kind)
        ago = _NONE_AT_ALL if last is None else (now_ms - last) / H
        x[f"{group}.recency"] = math.log(min(ago, 20.0) + 0.03)
    x["activity.recency"] = math.log(min((now_ms - customer.last_seen_ms()) / H, 50.0) + 0.03)
    return x | _clock(now_ms, horizon_ms)


def _gaps(summary: Summary, r: float, tenure: float) -> dict[str, float]:
    """How long ago the last order is beside the customer's own gaps, shrunk to H while there are few."""
    gaps, logs = summary.gaps, [math.log(gap) for gap in summary.gaps]
    n = len(gaps)
    log_r = math.log(r + 0.03)
    mean_log = n * _mean(logs) / (n + 2)
    usual_log = n * summary.usual_gap() / (n + 1)
    spread = math.sqrt((n * _variance(logs) + 2) / (n + 2))
    to_mean = log_r - mean_log
    rate = (max(len(summary.visits) - 1, 0) + 0.5) / (tenure + 1)
    return {
        "gaps.mean_log": mean_log,
        "gaps.usual_log": usual_log,
        "gaps.spread": spread,
        "gaps.recency_to_mean": to_mean,
        "gaps.recency_to_usual": log_r - usual_log,
        "gaps.z": to_mean / spread,
        "gaps.last_log": logs[-1] if logs else 0.0,
        "gaps.recency_to_mean_over_-1": max(to_mean + 1, 0.0),
        "gaps.recency_to_mean_over_0": max(to_mean, 0.0),
        "gaps.recency_to_mean_over_1": max(to_mean - 1, 0.0),
        "gaps.rate": math.log(rate),
        "gaps.survival": math.log1p(rate * r),
        "gaps.variation": math.sqrt(_variance(gaps) + 0.1) / (_mean(gaps) + 0.3),
        "gaps.recency_to_longest": math.log((r + 0.03) / (max(gaps, default=0.0) + 0.3)),
        "gaps.recency_to_shortest": math.log((r + 0.03) / (min(gaps, default=0.0) + 0.1)),
    }


def _clock(now_ms: int, horizon_ms: int) -> dict[str, float]:
    """Hour of the day where H is a day or less, day of the week where H is under a week; nil otherwise."""
    hour = 2 * math.pi * (now_ms % DAY_MS) / DAY_MS
    week = 2 * math.pi * (now_ms % (7 * DAY_MS)) / (7 * DAY_MS)
    by_hour, by_weekday = float(horizon_ms <= DAY_MS), float(horizon_ms < 7 * DAY_MS)
    return {
        "clock.hour_sin": by_hour * math.sin(hour),
        "clock.hour_cos": by_hour * math.cos(hour),
        "clock.hour_sin_2": by_hour * math.sin(2 * hour),
        "clock.hour_cos_2": by_hour * math.cos(2 * hour),
        "clock.weekday_sin": by_weekday * math.sin(week),
        "clock.weekday_cos": by_weekday * math.cos(week),
    }


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def _variance(values: list[float]) -> float:
    mean = _mean(values)
    return _mean([(value - mean) ** 2 for value in values])

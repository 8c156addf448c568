"""Dict state: what a customer did, as a plain dict that goes into a Faust table, and the features read from it.

The features have the names and meanings of the project's own (`scoring.features`), computed the way one would
from a dict: decayed sums, a list of the last orders, a list of the last message ids. The six clock features are
left out, since they are nil at a horizon of thirty days.
"""

import math
from typing import Any

__all__ = ["HORIZON_MS", "apply", "blank", "features"]

HORIZON_MS = 30 * 86_400_000
_KEPT_ORDERS = 16
_KEPT_MESSAGES = 32
_VISITS_IN_A_HORIZON = 60
_KINDS = {"Product Viewed": "views", "Product Added": "carts", "Product Added to Wishlist": "wishes"}
_BEHAVIOURS = (("H/24", 24.0), ("H/4", 4.0), ("H", 1.0), ("3H", 1.0 / 3.0))
_SPENDING = (("H/4", 4.0), ("H", 1.0), ("3H", 1.0 / 3.0), ("9H", 1.0 / 9.0))

State = dict[str, Any]


def blank(time_ms: int) -> State:
    """A customer who has done nothing yet."""
    decayed = {f"{group}.{name}": 0.0 for group in _KINDS.values() for name, _ in _BEHAVIOURS}
    return {
        "first": time_ms,
        "last": time_ms,
        "messages": [],
        "orders": [],
        "order_ids": [],
        "n_orders": 0,
        "decayed": decayed,
        "last_of": {},
        "days": {},
        "cart": {},
        "published": None,
        "inside": {},
    }


def apply(state: State, event: dict[str, Any], time_ms: int) -> bool:
    """Count an event; False if its message or order was counted before."""
    message = event["messageId"]
    if message in state["messages"]:
        return False
    state["messages"] = [*state["messages"], message][-_KEPT_MESSAGES:]
    name, said = event.get("event", ""), event.get("properties") or {}
    age = max(time_ms - state["last"], 0) / HORIZON_MS
    decayed = state["decayed"]
    for group in _KINDS.values():
        for which, rate in _BEHAVIOURS:
            decayed[f"{group}.{which}"] *= 2.0 ** (-age * rate)
    group_of = _KINDS.get(name)
    if group_of is not None:
        for which, _ in _BEHAVIOURS:
            decayed[f"{group_of}.{which}"] += 1.0
        state["last_of"][group_of] = time_ms
    state["last"] = max(state["last"], time_ms)
    day = str(time_ms // 86_400_000)
    state["days"][day] = state["days"].get(day, 0) + 1
    if name == "Product Added":
        state["cart"][said.get("product_id", "")] = said.get("quantity", 1)
    elif name == "Product Removed":
        state["cart"].pop(said.get("product_id", ""), None)
    elif name == "Order Completed":
        order_id = said["order_id"]
        if order_id in state["order_ids"]:
            return False
        state["order_ids"] = [*state["order_ids"], order_id][-_KEPT_ORDERS:]
        lines = said.get("products") or []
        pieces = sum(line.get("quantity", 1) for line in lines)
        state["orders"] = [*state["orders"], [time_ms, said.get("revenue", 0.0), len(lines), pieces]][-_KEPT_ORDERS:]
        state["n_orders"] += 1
        state["cart"] = {}
    return True


def features(state: State, now_ms: int) -> dict[str, float]:
    """The features as of `now_ms`, by name; spans in horizons H."""
    H = float(HORIZON_MS)
    orders = state["orders"]
    bought = bool(orders)
    r = min((now_ms - orders[-1][0]) / H, 50.0) if bought else 50.0
    tenure = min((now_ms - state["first"]) / H, 50.0)
    log_r, log_t = math.log(r + 0.03), math.log(tenure + 0.03)
    visits, gaps = _visits(orders)
    x = {"recency.log": log_r, "recency.horizons": min(r, 6.0)}
    for bend in (0.1, 0.3, 0.6, 1.0, 2.0):
        x[f"recency.over_{bend:g}"] = max(log_r - math.log(bend + 0.03), 0.0)
    n, n_orders = len(visits), state["n_orders"]
    x["tenure.log"] = log_t
    x["tenure.one_visit"] = float(n <= 1)
    x["tenure.log_ratio_to_recency"] = log_t - log_r
    x["frequency.log_visits"] = math.log1p(n)
    x["frequency.log_orders"] = math.log1p(n_orders)
    x["frequency.two_visits"] = float(n == 2)
    x["frequency.no_order"] = float(not bought)
    x["frequency.log_orders_a_visit"] = math.log((n_orders + 1) / (n + 1))
    ages = [(now_ms - ms) / H for ms in visits]
    for name, rate in _SPENDING:
        x[f"rhythm.visits_{name}"] = math.log(sum(2.0 ** (-age * rate) for age in ages) + 0.1)
    x["rhythm.trend"] = x["rhythm.visits_H"] - x["rhythm.visits_9H"]
    x["rhythm.root_3H"] = math.sqrt(sum(2.0 ** (-age / 3.0) for age in ages))
    since = [(now_ms - order[0]) / H for order in orders]
    for name, rate in _SPENDING[1:]:
        spent = sum(order[1] * 2.0 ** (-age * rate) for order, age in zip(orders, since, strict=True))
        x[f"money.spent_{name}"] = math.log1p(max(spent, 0.0))
    baskets = [math.log1p(max(order[1], 0.0)) for order in orders]
    x["money.last_basket"] = baskets[-1] if bought else 0.0
    x["money.mean_basket"] = _mean(baskets)
    x["money.basket_spread"] = math.sqrt(_variance(baskets))
    x["money.last_to_mean"] = x["money.last_basket"] - x["money.mean_basket"]
    for name, rate in _SPENDING[1:3]:
        lines = sum(order[2] * 2.0 ** (-age * rate) for order, age in zip(orders, since, strict=True))
        x[f"basket.lines_{name}"] = math.log1p(lines)
    x["basket.last_lines"] = math.log1p(orders[-1][2]) if bought else 0.0
    x["basket.usual_lines"] = _usual([math.log1p(order[2]) for order in orders])
    x["basket.unit_price"] = _mean([math.log(max(order[1], 0.01) / max(order[3], 1.0)) for order in orders])
    x |= _of_gaps(gaps, n, r, tenure, log_r)
    for back, name in enumerate(("second", "third", "fourth", "fifth"), 2):
        ago = ages[-back] if n >= back else 1e9
        x[f"last_orders.{name}"] = math.log(min(ago, 20.0) + 0.1)
    x["returns.cancelled_H"] = x["returns.cancelled_3H"] = x["returns.recent"] = 0.0
    age = (now_ms - state["last"]) / H
    for group in _KINDS.values():
        for name, rate in _BEHAVIOURS:
            x[f"{group}.{name}"] = math.log1p(state["decayed"][f"{group}.{name}"] * 2.0 ** (-age * rate))
        last = state["last_of"].get(group)
        x[f"{group}.recency"] = math.log(min(1e9 if last is None else (now_ms - last) / H, 20.0) + 0.03)
    x["activity.recency"] = math.log(min(age, 50.0) + 0.03)
    return x


def _visits(orders: list[list[float]]) -> tuple[list[float], list[float]]:
    """Times of orders that are no part of the visit before, and the gaps between them in horizons."""
    visits: list[float] = []
    gaps: list[float] = []
    for time_ms, *_ in orders:
        gap = (time_ms - visits[-1]) / HORIZON_MS if visits else None
        if gap is None or gap > 1.0 / _VISITS_IN_A_HORIZON:
            visits.append(time_ms)
            if gap is not None:
                gaps.append(gap)
    return visits, gaps


def _of_gaps(gaps: list[float], visits: int, r: float, tenure: float, log_r: float) -> dict[str, float]:
    logs = [math.log(gap) for gap in gaps]
    n = len(gaps)
    mean_log = n * _mean(logs) / (n + 2)
    usual_log = n * _usual(logs) / (n + 1)
    spread = math.sqrt((n * _variance(logs) + 2) / (n + 2))
    to_mean = log_r - mean_log
    rate = (max(visits - 1, 0) + 0.5) / (tenure + 1)
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


def _usual(values: list[float]) -> float:
    usual = values[0] if values else 0.0
    for value in values[1:]:
        usual += 0.3 * (value - usual)
    return usual


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def _variance(values: list[float]) -> float:
    mean = _mean(values)
    return _mean([(value - mean) ** 2 for value in values])

"""Features: what the model sees of a customer at a moment, in named groups.

Times are in horizons and on a log scale, sums are decayed with half-lives around the horizon; see the project's
decision record on features for what each group was measured to be worth.
"""

import math
from hashlib import blake2b
from typing import Any

from scoring.compiled import compiled
from scoring.kinds import Kind
from scoring.orders import (
    A_EWMA_GAP,
    A_EWMA_LINES,
    A_GAPS,
    A_LAST_GAP,
    A_LAST_LINES,
    A_LAST_VALUE,
    A_MAX_GAP,
    A_MEAN_GAP,
    A_MEAN_LOG_GAP,
    A_MEAN_LOG_VALUE,
    A_MIN_GAP,
    A_ORDERS,
    A_UNIT,
    A_VAR_GAP,
    A_VAR_LOG_GAP,
    A_VAR_LOG_VALUE,
    A_VISITS,
    L0,
    L1,
    S0,
    S1,
    S2,
    V0,
    V1,
    V2,
    V3,
)  # fmt: skip
from scoring.profile import DAY_MS, NEVER

__all__ = ["BASELINE", "FEATURES", "FEATURE_VERSION", "GROUPS", "N_FEATURES", "WARM_UP_WEIGHTS", "features"]

_NAMES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("recency", ("log", "horizons", "over_0.1", "over_0.3", "over_0.6", "over_1", "over_2")),
    ("tenure", ("log", "one_visit", "log_ratio_to_recency")),
    ("frequency", ("log_visits", "log_orders", "two_visits", "no_order", "log_orders_a_visit")),
    ("rhythm", ("visits_H/4", "visits_H", "visits_3H", "visits_9H", "trend", "root_3H")),
    ("money", ("spent_H", "spent_3H", "spent_9H", "last_basket", "mean_basket", "basket_spread", "last_to_mean")),
    ("basket", ("lines_H", "lines_3H", "last_lines", "usual_lines", "unit_price")),
    ("gaps", ("mean_log", "usual_log", "spread", "recency_to_mean", "recency_to_usual", "z", "last_log",
              "recency_to_mean_over_-1", "recency_to_mean_over_0", "recency_to_mean_over_1",
              "rate", "survival", "variation", "recency_to_longest", "recency_to_shortest")),
    ("last_orders", ("second", "third", "fourth", "fifth")),
    ("returns", ("cancelled_H", "cancelled_3H", "recent")),
    ("views", ("H/24", "H/4", "H", "3H", "recency")),
    ("carts", ("H/24", "H/4", "H", "3H", "recency")),
    ("wishes", ("H/24", "H/4", "H", "3H", "recency")),
    ("activity", ("recency",)),
    ("clock", ("hour_sin", "hour_cos", "hour_sin_2", "hour_cos_2", "weekday_sin", "weekday_cos")),
)  # fmt: skip

FEATURES: tuple[str, ...] = tuple(f"{group}.{name}" for group, names in _NAMES for name in names)
"""Names of the features, `group.name`, in the order of a feature row."""

N_FEATURES = len(FEATURES)


def _groups() -> tuple[tuple[str, int, int], ...]:
    spans, start = [], 0
    for group, names in _NAMES:
        spans.append((group, start, start + len(names)))
        start += len(names)
    return tuple(spans)


GROUPS = _groups()
"""Name, first and one past the last feature of each group; together they cover a row without gaps."""

BASELINE: int = FEATURES.index("rhythm.visits_3H")
"""The feature by which customers are ranked until the model has learned enough: decayed orders."""

WARM_UP_WEIGHTS: tuple[tuple[int, float], ...] = ((BASELINE, 1.0), (FEATURES.index("carts.3H"), 0.05))
"""Features and weights of the warm-up ranking: decayed orders, and carts to tell apart those who never bought."""

FEATURE_VERSION: str = "f1-" + blake2b("\n".join(FEATURES).encode(), digest_size=4).hexdigest()
"""Changes with the list of features; a model of another version is refused. Raise `f1` when a formula changes."""

_CARTED = int(Kind.PRODUCT_ADDED)
_VIEWED = int(Kind.PRODUCT_VIEWED)
_WISHED = int(Kind.WISHLIST_ADDED)
_CANCELLED = int(Kind.ORDER_CANCELLED)


_LONG_AGO = math.log(20.0 + 0.03)


@compiled
def _recency(p: Any, kind: int, now: int, horizon: float) -> float:
    last = p.last_kind[kind]
    return _LONG_AGO if last == NEVER else math.log(min((now - last) / horizon, 20.0) + 0.03)


@compiled
def _log1p(x: float) -> float:
    """The same, at once of the 0 that most sums are of most customers."""
    return 0.0 if x == 0.0 else math.log1p(x)


@compiled
def _behaviour(p: Any, which: int, kind: int, now: int, age: float, horizon: float, x: Any, f: int) -> int:
    """Views, carts or wishes: four decayed counts as of `now` and the time since the last."""
    e3 = math.exp2(-age / 3.0)
    e1 = e3 * e3 * e3
    e025 = e1 * e1
    e025 *= e025
    e006 = e025 * e025 * e025
    e004 = e006 * e006
    x[f] = _log1p(p.behaviour[which, 0] * e004)
    x[f + 1] = _log1p(p.behaviour[which, 1] * e025)
    x[f + 2] = _log1p(p.behaviour[which, 2] * e1)
    x[f + 3] = _log1p(p.behaviour[which, 3] * e3)
    x[f + 4] = _recency(p, kind, now, horizon)
    return f + 5


@compiled
def _clock(now: int, horizon: float, x: Any, f: int) -> int:
    """Hour of the day where H is a day or less, day of the week where H is under a week; nil otherwise."""
    for i in range(6):
        x[f + i] = 0.0
    if horizon <= DAY_MS:
        hour = 2.0 * math.pi * ((now % DAY_MS) / DAY_MS)
        x[f] = math.sin(hour)
        x[f + 1] = math.cos(hour)
        x[f + 2] = math.sin(2.0 * hour)
        x[f + 3] = math.cos(2.0 * hour)
    if horizon < 7 * DAY_MS:
        week = 2.0 * math.pi * ((now % (7 * DAY_MS)) / (7.0 * DAY_MS))
        x[f + 4] = math.sin(week)
        x[f + 5] = math.cos(week)
    return f + 6


@compiled
def features(p: Any, now: int, horizon: float, x: Any) -> None:
    """Write the feature row of profile `p` as of `now` (not before any of its events) into `x` (N_FEATURES,).

    Under a microsecond. `p.derived` must belong to the row's orders.
    """
    d = p.derived
    visits = d[A_VISITS]
    orders = d[A_ORDERS]
    bought = orders > 0.0
    last_order = p.ring_ms[p.ring_n - 1] if bought else now
    since = max(float(now - last_order), 0.0) / horizon
    r = min(since, 50.0) if bought else 50.0
    tenure = min(max(float(now - p.first_ms), 0.0) / horizon, 50.0)
    log_r = math.log(r + 0.03)
    log_t = math.log(tenure + 0.03)
    x[0] = log_r
    x[1] = min(r, 6.0)
    x[2] = max(log_r - math.log(0.13), 0.0)
    x[3] = max(log_r - math.log(0.33), 0.0)
    x[4] = max(log_r - math.log(0.63), 0.0)
    x[5] = max(log_r - math.log(1.03), 0.0)
    x[6] = max(log_r - math.log(2.03), 0.0)
    x[7] = log_t
    x[8] = 1.0 if visits <= 1.0 else 0.0
    x[9] = log_t - log_r
    x[10] = math.log1p(visits)
    x[11] = math.log1p(orders)
    x[12] = 1.0 if visits == 2.0 else 0.0
    x[13] = 0.0 if bought else 1.0
    x[14] = math.log((orders + 1.0) / (visits + 1.0))
    e9 = math.exp2(-since / 9.0)
    e3 = e9 * e9 * e9
    e1 = e3 * e3 * e3
    e025 = e1 * e1
    e025 *= e025
    v0 = d[V0] * e025
    v1 = d[V1] * e1
    v2 = d[V2] * e3
    v3 = d[V3] * e9
    x[15] = math.log(v0 + 0.1)
    x[16] = math.log(v1 + 0.1)
    x[17] = math.log(v2 + 0.1)
    x[18] = math.log(v3 + 0.1)
    x[19] = x[16] - x[18]
    x[20] = math.sqrt(v2)
    x[21] = _log1p(max(d[S0] * e1, 0.0))
    x[22] = _log1p(max(d[S1] * e3, 0.0))
    x[23] = _log1p(max(d[S2] * e9, 0.0))
    x[24] = d[A_LAST_VALUE]
    x[25] = d[A_MEAN_LOG_VALUE]
    x[26] = math.sqrt(d[A_VAR_LOG_VALUE])
    x[27] = x[24] - x[25]
    x[28] = _log1p(max(d[L0] * e1, 0.0))
    x[29] = _log1p(max(d[L1] * e3, 0.0))
    x[30] = d[A_LAST_LINES]
    x[31] = d[A_EWMA_LINES]
    x[32] = d[A_UNIT]
    _gaps(d, visits, r, tenure, log_r, x, 33)
    f = 48
    for k in range(4):
        ago = 1e9 if p.kth_ms[k] == NEVER else max(float(now - p.kth_ms[k]), 0.0) / horizon
        x[f] = math.log(min(ago, 20.0) + 0.1)
        f += 1
    age = max(float(now - p.last_ms), 0.0) / horizon
    c3 = math.exp2(-age / 3.0)
    x[f] = _log1p(p.cancels[0] * c3 * c3 * c3)
    x[f + 1] = _log1p(p.cancels[1] * c3)
    cancelled = p.last_kind[_CANCELLED]
    x[f + 2] = 0.0 if cancelled == NEVER else math.exp(-max(float(now - cancelled), 0.0) / horizon)
    f += 3
    f = _behaviour(p, 0, _VIEWED, now, age, horizon, x, f)
    f = _behaviour(p, 1, _CARTED, now, age, horizon, x, f)
    f = _behaviour(p, 2, _WISHED, now, age, horizon, x, f)
    x[f] = math.log(min(age, 50.0) + 0.03)
    _clock(now, horizon, x, f + 1)


@compiled
def _gaps(d: Any, visits: float, r: float, tenure: float, log_r: float, x: Any, f: int) -> None:
    """How long ago the last order is beside the customer's own gaps, which are shrunk to H while there are few."""
    gaps = d[A_GAPS]
    prior = 2.0
    mean_log = gaps * d[A_MEAN_LOG_GAP] / (gaps + prior)
    usual_log = d[A_EWMA_GAP] * gaps / (gaps + 1.0)
    spread = math.sqrt((gaps * d[A_VAR_LOG_GAP] + prior) / (gaps + prior))
    to_mean = log_r - mean_log
    x[f] = mean_log
    x[f + 1] = usual_log
    x[f + 2] = spread
    x[f + 3] = to_mean
    x[f + 4] = log_r - usual_log
    x[f + 5] = to_mean / spread
    x[f + 6] = d[A_LAST_GAP]
    x[f + 7] = max(to_mean + 1.0, 0.0)
    x[f + 8] = max(to_mean, 0.0)
    x[f + 9] = max(to_mean - 1.0, 0.0)
    rate = (max(visits - 1.0, 0.0) + 0.5) / (tenure + 1.0)
    x[f + 10] = math.log(rate)
    x[f + 11] = math.log1p(rate * r)
    x[f + 12] = math.sqrt(d[A_VAR_GAP] + 0.1) / (d[A_MEAN_GAP] + 0.3)
    x[f + 13] = math.log((r + 0.03) / (d[A_MAX_GAP] + 0.3))
    x[f + 14] = math.log((r + 0.03) / (d[A_MIN_GAP] + 0.1))

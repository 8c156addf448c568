"""Value: predicted orders, worth and next dates against what came, beside BG/NBD with gamma-gamma and "as in the past".

Run with `python -m benchmarks.value`, a minute or two. CDNOW is judged by the 39 weeks after the first 39, Online
Retail by the last six months. Everything is fitted on what was before. MAE: mean absolute error; ranks: Spearman's.

References
----------
Fader, Hardie and Lee (2005), "Counting Your Customers" the Easy Way; Fader and Hardie (2013), The Gamma-Gamma Model.
"""

import gzip
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import orjson
from scipy.stats import spearmanr

from schemas.adapters import ADAPTERS
from schemas.adapters.canonical import Canonical
from scoring.types import Terms, expected_next_days, order_worth, predicted_orders
from streams.demo.source import DATA
from streams.loading import Ready
from streams.report.facts import DAY_MS, known_at
from streams.report.gathered import of_events
from streams.report.observed import observe
from streams.settings_sources import load

__all__ = ["main"]

HORIZON_DAYS = 30


class Shop(NamedTuple):
    """A data set, its format, the day up to which it is known, and the days that it is judged by."""

    name: str
    file: Path
    form: str
    cut: str
    days: int


SHOPS = (
    Shop("CDNOW, 39 weeks", Path(__file__).parent / "data" / "cdnow_sample.txt", "cdnow", "1997-10-01", 273),
    Shop("Online Retail, 6 months", DATA, "online-retail", "2011-06-09", 183),
)


def main() -> None:
    """Print the tables."""
    print(f"{'':26}{'orders: MAE':>12}{'rank':>7}{'worth: MAE':>12}{'rank':>7}{'next order: MAE days':>22}{'rank':>7}")
    for shop in SHOPS:
        for name, figures in _judged(shop):
            print(f"{name:26}" + "".join(f"{value:{width}.3f}" for value, width in zip(figures, _WIDTHS, strict=True)))


_WIDTHS = (12, 7, 12, 7, 22, 7)


def _judged(shop: Shop) -> Iterator[tuple[str, tuple[float, ...]]]:
    cut_ms = int(datetime.fromisoformat(shop.cut).replace(tzinfo=UTC).timestamp() * 1000)
    with gzip.open(shop.file, "rt") if shop.file.suffix == ".gz" else shop.file.open() as lines:
        told = [event for event in ADAPTERS[shop.form](lines, options={}) if isinstance(event, Canonical)]
    events = [Ready(one.topic, one.key.encode(), orjson.dumps(one.value), one.time_ms) for one in told]
    whole = observe(event.value for event in events)
    settings = load(clock="events", partitions=1, horizon=f"{HORIZON_DAYS}d").settings
    past = of_events(settings, [event for event in events if event.time_ms < cut_ms], scored=True)
    known = known_at(whole, cut_ms, settings.horizon_ms, Terms())
    until_ms = cut_ms + shop.days * DAY_MS
    buyers = np.flatnonzero(known.facts.orders > 0)
    orders, refunds, n = whole.orders, whole.refunds, len(whole.customers)
    ahead = (orders.time_ms >= cut_ms) & (orders.time_ms < until_ms)
    back = (refunds.time_ms >= cut_ms) & (refunds.time_ms < until_ms)
    came = np.bincount(orders.customer[ahead], minlength=n)[buyers]
    worth = np.bincount(orders.customer[ahead], orders.worth[ahead], n)
    worth = (worth - np.bincount(refunds.customer[back], refunds.worth[back], n))[buyers]
    next_days = np.full(n, np.nan)
    next_days[orders.customer[ahead][::-1]] = (orders.time_ms[ahead][::-1] - cut_ms) / DAY_MS
    judge = (came, worth, next_days[buyers])
    facts = type(known.facts)(*(column[buyers] for column in known.facts))
    chance = np.array([(past.scores or {})[whole.customers[i]] for i in buyers])
    first_ms = np.full(n, np.iinfo(np.int64).max)
    np.minimum.at(first_ms, orders.customer, orders.time_ms)
    age = (cut_ms - first_ms[buyers]) / DAY_MS
    each = order_worth(facts.orders, facts.net, known.shop_order)
    ours = predicted_orders(chance, shop.days, HORIZON_DAYS)
    due = expected_next_days(facts.since_days, facts.gap_days, known.shop_gap_days)
    print(f"{shop.name}: {len(buyers):,} customers, {came.sum():,} orders")
    yield "  recompra", _figures(judge, ours, ours * each, due)
    yield "  BG/NBD, gamma-gamma", _figures(judge, *_bg_nbd(facts, age, shop.days, known.shop_order))
    rate = facts.orders / np.maximum(age, shop.days)
    as_before = rate * shop.days
    yield (
        "  as in the past",
        _figures(judge, as_before, as_before * facts.net / facts.orders, 1 / rate - facts.since_days),
    )


def _bg_nbd(facts: Any, age: Any, days: int, shop_order: float) -> tuple[Any, Any, Any]:
    """Expected orders, their worth, and one over the expected rate as the gap to the next order."""
    from lifetimes import BetaGeoFitter, GammaGammaFitter

    warnings.simplefilter("ignore")
    repeats = np.maximum(facts.orders - 1, 0)
    recency = np.where(repeats > 0, age - facts.since_days, 0.0)
    model = BetaGeoFitter(penalizer_coef=0.001).fit(repeats, recency, age)
    expected = np.asarray(
        model.conditional_expected_number_of_purchases_up_to_time(days, repeats, recency, age), np.float64
    )
    mean = np.maximum(facts.net / facts.orders, 0.01)
    again = repeats > 0
    money = GammaGammaFitter(penalizer_coef=0.001).fit(repeats[again], mean[again])
    each = np.asarray(money.conditional_expected_average_profit(repeats, mean), np.float64)
    each = np.where(np.isfinite(each), each, shop_order)
    r, alpha = model.params_["r"], model.params_["alpha"]
    return expected, expected * each, (alpha + age) / (r + repeats) - facts.since_days


def _figures(judge: tuple[Any, Any, Any], orders: Any, worth: Any, due: Any) -> tuple[float, ...]:
    """Of the next date only those who came are judged, and a date that is past counts as now."""
    found: list[float] = []
    for told, came in zip((orders, worth, np.maximum(due, 0.0)), judge, strict=True):
        both = np.isfinite(told) & np.isfinite(came)
        found += [float(np.abs(told[both] - came[both]).mean()), float(spearmanr(told[both], came[both]).statistic)]
    return tuple(found)


if __name__ == "__main__":
    main()

"""Figures of quality equal what their definitions say, counted by brute force."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.calibration import RunningIntercept
from scoring.model import probabilities
from scoring.quality import Prequential, average_precision, measure, month_of, roc_auc
from scoring.quantiles import RecentRows, percentile, quantile_table

outcomes = st.lists(st.tuples(st.integers(0, 8).map(lambda k: k / 8), st.booleans()), min_size=1, max_size=60)


def auc_of_pairs(scores: list[float], labels: list[bool]) -> float:
    pairs = [
        (p, n) for p, a in zip(scores, labels, strict=True) if a for n, b in zip(scores, labels, strict=True) if not b
    ]
    return sum((p > n) + 0.5 * (p == n) for p, n in pairs) / len(pairs) if pairs else math.nan


def precision_of_steps(scores: list[float], labels: list[bool]) -> float:
    total, before, area = sum(labels), 0.0, 0.0
    if not total:
        return math.nan
    for threshold in sorted(set(scores), reverse=True):
        shown = [label for score, label in zip(scores, labels, strict=True) if score >= threshold]
        recall = sum(shown) / total
        area += (recall - before) * sum(shown) / len(shown)
        before = recall
    return area


@given(outcomes)
def test_ranking_figures_equal_brute_force(found: list[tuple[float, bool]]) -> None:
    """AUC is the share of pairs in order, average precision the sum over thresholds, ties and all."""
    scores, labels = [s for s, _ in found], [y for _, y in found]
    s, y = np.array(scores), np.array(labels)
    assert roc_auc(s, y) == pytest.approx(auc_of_pairs(scores, labels), abs=1e-12, nan_ok=True)
    assert average_precision(s, y) == pytest.approx(precision_of_steps(scores, labels), abs=1e-12, nan_ok=True)


def test_probability_figures_equal_brute_force() -> None:
    """Log loss, Brier score and calibration error are the sums of their definitions."""
    rng = np.random.default_rng(3)
    p = rng.random(500)
    y = rng.random(500) < p
    found = measure(p, y)
    assert found.log_loss == pytest.approx(-np.mean(np.where(y, np.log(p), np.log(1 - p))))
    assert found.brier == pytest.approx(np.mean((p - y) ** 2))
    error = 0.0
    for k in range(10):
        mine = (p >= k / 10) & (p < (k + 1) / 10)
        error += abs(p[mine].mean() - y[mine].mean()) * mine.mean()
    assert found.calibration_error == pytest.approx(error)
    assert (found.examples, found.positives) == (500, y.sum())


def test_certain_and_wrong_stays_finite() -> None:
    """A probability of exactly 0 or 1 that was wrong costs much, not infinity."""
    assert math.isfinite(measure(np.array([0.0, 1.0]), np.array([True, False])).log_loss)


def test_nothing_gives_no_number() -> None:
    """Without outcomes, or with one kind only, a figure that needs both is not a number."""
    assert math.isnan(measure(np.empty(0), np.empty(0)).brier)
    assert math.isnan(measure(np.array([0.5]), np.array([True])).auc)


@given(st.lists(st.integers(0, 400), max_size=5), st.integers(0, 2**32 - 1))
def test_running_figures_do_not_depend_on_cuts(cuts: list[int], seed: int) -> None:
    """Counted in any pieces, and stored and restored between, they are the same to the bit and near exact."""
    rng = np.random.default_rng(seed)
    p = probabilities(rng.normal(size=400))
    y = (rng.random(400) < p).astype(float)
    time = np.arange(400) * 86_400_000 // 4
    whole, cut = Prequential(), Prequential()
    whole.add("all", time, p, y)
    edges = sorted({0, 400, *cuts})
    for start, end in pairwise(edges):
        cut.add("all", time[start:end], p[start:end], y[start:end])
        cut.restore(cut.state())
    assert cut.state() == whole.state()
    assert tuple(whole.overall("all")) == pytest.approx(tuple(measure(p, y)), abs=1e-2)
    assert list(whole.by_month("all")) == ["1970-01", "1970-02", "1970-03", "1970-04"]


def test_old_months_leave() -> None:
    """Only the latest months are kept; the overall figures go on counting all."""
    kept = Prequential(months=3)
    for month in range(12):
        kept.add("all", np.array([month * 31 * 86_400_000]), np.array([0.5]), np.array([1.0]))
    assert len(kept.by_month("all")) == 3
    assert kept.overall("all").examples == 12


def test_month_of() -> None:
    """A time belongs to its month in UTC."""
    assert month_of(1_317_427_200_000 - 1) == "2011-09"
    assert month_of(1_317_427_200_000) == "2011-10"


def test_the_running_intercept_follows_the_base_rate() -> None:
    """Log-odds that are too low by 1 are raised by 1, and a long run of one outcome does not throw it out."""
    rng = np.random.default_rng(6)
    z = rng.normal(size=20_000)
    y = (rng.random(20_000) < probabilities(z + 1.0)).astype(float)
    intercept = RunningIntercept()
    intercept.learn(z, y)
    assert intercept.shift == pytest.approx(1.0, abs=0.1)
    intercept.learn(np.zeros(50_000), np.ones(50_000))
    assert 3 < intercept.shift < 12


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=30), st.floats(-6, 6))
def test_a_percentile_is_a_rank(values: list[float], asked: float) -> None:
    """It lies within [0, 1], rises with the value, is 0 below all and 1 above all."""
    table = quantile_table(np.array(values), 11)
    low, high = percentile(asked, table), percentile(asked + 0.5, table)
    assert 0 <= low <= high <= 1
    assert percentile(min(values) - 1, table) == 0
    assert percentile(max(values) + 1, table) == 1


def test_equal_customers_share_a_percentile() -> None:
    """Where half of all have one value, that value stands in the middle of their ranks."""
    table = quantile_table(np.array([0.0] * 50 + list(np.linspace(1, 2, 50))), 101)
    assert percentile(0.0, table) == pytest.approx(0.25, abs=0.01)


def test_recent_rows_are_the_latest() -> None:
    """However rows come, the last ones are kept."""
    rows = np.arange(50, dtype=np.float32).reshape(25, 2)
    whole, cut = RecentRows(10, 2), RecentRows(10, 2)
    whole.extend(rows)
    for start in range(0, 25, 4):
        cut.extend(rows[start : start + 4])
    assert whole.to_bytes() == cut.to_bytes()
    assert sorted(whole.rows[:, 0].tolist()) == rows[-10:, 0].tolist()

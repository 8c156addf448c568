"""What the demo shows, from records as they lie on the topics."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from streams.demo.judged import Judged, auc, average_precision, quality_by_month, top_rate
from streams.demo.outcomes import crossed_and_bought
from streams.demo.plot import save_plot
from streams.demo.progress import Progress, Rate
from streams.demo.summary import render, summarise, summary_json
from streams.demo.tally import ENOUGH_CUSTOMERS, ENOUGH_RULES, RuleCount
from streams.demo.view import plain_line, screen, sparkline
from streams.demo.watched import Crossing, Watched, at_ms

DAY_MS = 86_400_000
HORIZON_MS = 30 * DAY_MS
START = at_ms("2011-01-01T00:00:00.000Z")


def iso(day: float) -> str:
    import datetime as dt

    moment = dt.datetime.fromtimestamp((START + round(day * DAY_MS)) / 1000, dt.UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def score(customer: str, day: float, percentile: float) -> bytes:
    data = {
        "customer_id": customer,
        "event_time": iso(day),
        "score": 0.3,
        "percentile": percentile,
        "band": "top",
    }
    return json.dumps({"specversion": "1.0", "type": "recompra.score", "data": data}).encode()


def action(customer: str, day: float, rule: str = "high-propensity", **more: Any) -> bytes:
    data = {
        "customer_id": customer,
        "event_time": iso(day),
        "rule": rule,
        "crossing": "entered",
        "score": 0.61,
        "percentile": 0.83,
        "horizon_days": 30.0,
        "reasons": [
            {"group": "orders", "contribution": 0.4, "change": 0.1},
            {"group": "recency", "contribution": 0.2, "change": -0.9},
            {"group": "intercept", "contribution": -1.7, "change": None},
        ],
        **more,
    }
    return json.dumps({"type": "recompra.action", "data": data}).encode()


def example(day: float, probability: float, label: bool, orders: int = 2, warming_up: bool = False) -> bytes:
    data = {
        "made_ms": START + round(day * DAY_MS),
        "label": label,
        "orders": orders,
        "score": probability,
        "model_version": 1 if warming_up else 2,
        "features": [1.0, 2.0],
    }
    return json.dumps({"type": "recompra.example", "data": data}).encode()


def model(version: int, day: float, warming_up: bool) -> bytes:
    data = {"name": "newton", "version": version, "effective_time": iso(day), "warming_up": warming_up}
    return json.dumps({"type": "recompra.model", "data": {**data, "snapshot": "AAAA"}}).encode()


def order(customer: str, day: float) -> bytes:
    call = {
        "messageId": f"{customer}/{day}",
        "timestamp": iso(day),
        "event": "Order Completed",
        "userId": customer,
    }
    return json.dumps(call).encode()


def watched() -> Watched:
    seen = Watched()
    for i in range(8):
        seen.observe("scores", score("17850", i, i / 10))
    seen.observe("actions-high-propensity", action("17850", 3))
    seen.observe("actions-high-propensity", action("13047", 4))
    seen.observe("actions-cart-abandoned", action("visitor-14950-03", 5, "cart-abandoned", score=None, reasons=[]))
    seen.observe("actions-withheld", action("13047", 6, withheld=["warming_up", "cooldown"]))
    seen.observe("models", model(1, 0, True))
    seen.observe("models", model(2, 31, False))
    for i in range(40):
        seen.observe("examples", example(i, 0.9 - 0.02 * i, i % 3 == 0, warming_up=i < 31))
    seen.observe("examples", example(5, 0.2, False, orders=0))
    seen.observe("orders", order("17850", 1))
    seen.observe("orders", order("17850", 20))
    seen.observe("orders", order("13047", 2))
    return seen


def progress() -> Progress:
    return Progress(START, START + 90 * DAY_MS, START + 60 * DAY_MS, "scoring", 300, 700, 2000, 900, 50, START)


def drawn(renderable: Any, width: int = 120) -> str:
    console = Console(file=io.StringIO(), width=width, height=40, force_terminal=False, color_system=None)
    console.print(renderable)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_everything_renders_before_anything_has_happened(width: int, tmp_path: Path) -> None:
    """The view, the line, the summary and the plot are drawn from nothing without an error."""
    empty = Watched()
    assert "synthetic life" in " ".join(drawn(screen(Progress(), empty), width).split())
    assert "no score judged yet" in plain_line(Progress(), empty)
    summary = summarise(Progress(), empty, {}, 1, 30)
    assert drawn(render(summary, None, "orders.csv.gz"), width)
    json.dumps(summary_json(summary), allow_nan=False)
    if width == 60:
        save_plot(tmp_path / "plot.png", summary, empty)
        assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("size", [(60, 20), (80, 24), (104, 30), (120, 32), (200, 60)])
def test_the_screen_fits_the_terminal(size: tuple[int, int]) -> None:
    """On a small terminal less is shown, and never more lines than it has; the newest crossing is always there."""
    seen = watched()
    for i in range(40):
        seen.observe("actions-win-back", action(f"c{i}", 10 + i / 40, "win-back"))
    for i in range(300):
        seen.observe("examples", example(i, 0.9 - 0.002 * i, i % 3 == 0))
    text = drawn(screen(progress(), seen, size), size[0])
    assert len(text.splitlines()) <= size[1]
    assert "c39" in text
    assert "2011-10" in text


def test_the_screen_says_who_crossed_and_why() -> None:
    """The latest crossings show customer, rule and what moved the score most, largest first."""
    text = drawn(screen(progress(), watched()), 150)
    assert "17850" in text
    assert "cart-abandoned" in text
    assert "recency -0.90, orders +0.10" in text
    assert "warming_up 1" in text
    assert "lag" in text
    assert "2011-03-02" in text


def test_the_summary_counts_what_was_on_the_topics(tmp_path: Path) -> None:
    """Crossings by rule, what was withheld, and who bought afterwards come from the records read."""
    summary = summarise(progress(), watched(), {"applied": 990, "late": 10}, 7, 30)
    assert {count.rule: count.reached for count in summary.rules} == {"high-propensity": 2, "cart-abandoned": 1}
    assert [count for count in summary.rules if count.withheld] == [
        RuleCount("high-propensity", 2, 2, 2, 1, "warming_up")
    ]
    assert summary.withheld == {"warming_up": 1, "cooldown": 1}
    assert (summary.outcome.crossed, summary.outcome.bought) == (2, 1)
    text = " ".join(drawn(render(summary, "plot.png", "orders.csv.gz"), 150).split())
    assert "Of 2 who crossed into high-propensity, contacted or not, 1 did buy within 30 days: 50%" in text
    assert "recompra backtest \\ orders.csv.gz" in text
    assert "Of 1,000 records produced, every one is accounted for: 990 applied, 10 late." in text
    save_plot(tmp_path / "plot.png", summary, watched())
    assert (tmp_path / "plot.png").stat().st_size > 20_000


@pytest.mark.parametrize("applied", [989, 991])
def test_a_record_lost_or_counted_twice_shows(applied: int) -> None:
    """One too few or too many among the outcomes, and the summary says so."""
    summary = summarise(progress(), watched(), {"applied": applied, "late": 10}, 7, 30)
    assert summary_json(summary)["accounted"] is False
    assert "not all are accounted for once" in drawn(render(summary, None, "orders.csv.gz"), 150)


@pytest.mark.parametrize(("missing", "kept"), [(0, True), (1, False)])
def test_a_whole_year_with_too_few_rules_firing_breaks_the_claim(missing: int, kept: bool) -> None:
    """One customer too few in one of the twelve rules, and the summary says so; a part of a year claims nothing."""
    seen = Watched()
    for rule in range(ENOUGH_RULES):
        for customer in range(ENOUGH_CUSTOMERS - (missing if rule == 0 else 0)):
            seen.observe("actions-x", action(f"c{customer}", 3, f"rule-{rule}"))
    accounts = {"applied": 1000}
    assert summarise(progress(), seen, accounts, 1, 30, whole=True).kept is kept
    assert summarise(progress(), seen, accounts, 1, 30).kept
    text = drawn(render(summarise(progress(), seen, accounts, 1, 30, whole=True), None, "orders.csv.gz"), 150)
    assert f"{ENOUGH_RULES - missing} of {ENOUGH_RULES} rules" in " ".join(text.split())


def test_a_rule_that_nobody_entered_is_shown_too() -> None:
    """All rules in force stand in the table, and those without anybody are named below it."""
    seen = Watched()
    seen.observe("actions-x", action("c1", 3, "rule-1"))
    summary = summarise(progress(), seen, {}, 1, 30, in_force=("rule-0", "rule-1", "rule-2"))
    assert [(count.rule, count.customers) for count in summary.rules] == [("rule-1", 1), ("rule-0", 0), ("rule-2", 0)]
    text = " ".join(drawn(render(summary, None, "orders.csv.gz"), 150).split())
    assert "0 of 3 rules in force had an action published" in text
    assert "Nobody entered rule-0, rule-2." in text


def test_the_summary_shows_an_action_and_says_why_one_is_there() -> None:
    """The last action is shown field by field, and the reasons of one that reads the score in words."""
    seen = watched()
    seen.observe("actions-high-propensity", action("17850", 9))
    text = " ".join(drawn(render(summarise(progress(), seen, {}, 1, 30), None, "orders.csv.gz"), 150).split())
    assert "One action, as it lies on actions-cart-abandoned" in text
    assert '"customer_id": "visitor-14950-03",' in text
    assert "Why customer 17850 on 2011-01-10?" in text
    assert "The chance to buy within 30 days was 61%, above 83% of all customers" in text


def test_quality_is_of_real_customers_only() -> None:
    """Examples of people without an order, invented here, do not enter any quality figure."""
    seen = watched()
    assert seen.prospects_judged == 1
    assert sum(month.scores for month in quality_by_month(seen.judged)) == 40


def test_a_month_of_warm_up_shows_no_brier_score() -> None:
    """A ranking before there is a model has an AUC, and no Brier score since it is no probability."""
    january, february = quality_by_month(watched().judged)
    assert january.warming_up
    assert january.brier != january.brier
    assert january.auc == pytest.approx(0.5, abs=0.2)
    assert not february.warming_up
    assert february.brier == february.brier


def test_a_record_that_cannot_be_read_is_counted() -> None:
    """Broken JSON on a topic does not end the view."""
    seen = Watched()
    seen.observe("scores", b"{")
    seen.observe("scores", None)
    seen.observe("models", b"\x00")
    assert (seen.unreadable, seen.models, seen.read["scores"]) == (2, 0, 2)


def test_only_orders_after_the_crossing_and_within_the_horizon_count() -> None:
    """An order at the crossing's own moment or beyond the horizon is no outcome; who never ordered is not judged."""
    at = START + 10 * DAY_MS

    def crossing(customer: str) -> Crossing:
        return Crossing(at, customer, "high-propensity", True, 0.9, 0.5, ())

    orders = {
        "same": [at],
        "first": [at + 1],
        "before": [at - 1],
        "within": [START, at + HORIZON_MS],
        "beyond": [START, at + HORIZON_MS + 1],
        "other": [at + 5],
    }
    crossings = [crossing(name) for name in ("same", "before", "within", "beyond", "first", "visitor-1")]
    outcome = crossed_and_bought(crossings, "high-propensity", orders, at + HORIZON_MS, HORIZON_MS)
    assert (outcome.crossed, outcome.bought, outcome.open) == (4, 1, 0)
    # Four had ordered at the start of the crossing's day, and one of them bought in time.
    assert outcome.base_rate == pytest.approx(1 / 4)
    early = crossed_and_bought(crossings, "high-propensity", orders, at + HORIZON_MS - 1, HORIZON_MS)
    assert (early.crossed, early.open) == (0, 4)


def test_auc_and_average_precision_agree_with_known_values() -> None:
    """Perfect, reversed, tied and mixed rankings give the values that the definitions give."""
    import numpy as np

    label = np.array([False, False, True, True])
    for score_, area, precision in [
        ([0.1, 0.2, 0.3, 0.4], 1.0, 1.0),
        ([0.4, 0.3, 0.2, 0.1], 0.0, (1 / 3 + 2 / 4) / 2),
        ([0.5, 0.5, 0.5, 0.5], 0.5, 0.5),
        ([0.1, 0.4, 0.35, 0.8], 0.75, (1 + 2 / 3) / 2),
    ]:
        assert auc(np.array(score_), label) == pytest.approx(area)
        assert average_precision(np.array(score_), label) == pytest.approx(precision)
    assert top_rate(np.array([0.1, 0.4, 0.35, 0.8]), label, 0.5) == 0.5
    assert np.isnan(top_rate(np.array([0.1]), label[:1], 0.5))
    one = Judged("2011-01")
    one.add(0.5, True, False)
    quality = one.quality()
    assert quality is not None
    assert quality.auc != quality.auc


def test_sparkline_and_rate() -> None:
    """A sparkline spans its range and cuts what is outside; a rate is counts over seconds."""
    assert sparkline([0, 0.5, 1, 2, -1]) == "▁▅██▁"
    rate = Rate()
    assert rate.per_second == 0
    rate.add(1.0, 100)
    rate.add(3.0, 500)
    assert rate.per_second == 200

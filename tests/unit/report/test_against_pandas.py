"""Every figure of the reports equals a plain computation with pandas on real orders, cancellations included."""

from io import StringIO

import numpy as np
import orjson
import pandas as pd
import pytest
from strategies.layouts import FULL

from schemas.adapters import ADAPTERS
from schemas.adapters.canonical import Canonical
from scoring.engine import Engine, EngineSettings
from scoring.learner import Learner, LearnerConfig
from scoring.profile import FAR
from scoring.retained import retained
from scoring.rules import RuleSet
from scoring.types import RFM_GROUPS, STAGES, TYPES, Terms, retention
from streams.backtest.history import History
from streams.backtest.run import Backtest
from streams.demo.source import DATA
from streams.loading import Ready
from streams.report.facts import known_at
from streams.report.observed import Observed, observe
from streams.report.periods import edges
from streams.report.retention import retention_report
from streams.report.sheet import Report, Sheet
from streams.report.terms import ReportTerms
from streams.report.trends import trends_report
from streams.report.types import types_report
from streams.report.value import value_report

DAY = pd.Timedelta(days=1)
SHARE = 12
"""One customer in so many is looked at; 1 takes them all, and a minute."""
TERMS = ReportTerms(retention_reference=90.0)


@pytest.fixture(scope="module")
def lines() -> pd.DataFrame:
    """Lines of some customers of Online Retail: all that sell or take back something."""
    table = pd.read_csv(DATA, dtype={"InvoiceNo": str, "StockCode": str})
    table = table[table.CustomerID.notna() & (table.CustomerID % SHARE == 0) & (table.UnitPrice > 0)]
    cancelled = table.InvoiceNo.str.startswith("C")
    table = table[(table.Quantity > 0) ^ cancelled]
    return table.assign(
        InvoiceDate=pd.to_datetime(table.InvoiceDate),
        cancelled=table.InvoiceNo.str.startswith("C"),
        amount=(table.Quantity * table.UnitPrice).abs(),
        customer=table.CustomerID.astype(int).astype(str),
    )


@pytest.fixture(scope="module")
def observed(lines: pd.DataFrame) -> Observed:
    """The same lines, as `recompra load` would send them and a report reads them."""
    return observe(orjson.dumps(event.value) for event in events_of(lines))


def events_of(lines: pd.DataFrame) -> list[Canonical]:
    """What `recompra load` makes of them."""
    columns = ["InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country"]
    text = StringIO(lines[columns].to_csv(index=False))
    return [event for event in ADAPTERS["online-retail"](text, options={}) if isinstance(event, Canonical)]


@pytest.fixture(scope="module")
def invoices(lines: pd.DataFrame) -> pd.DataFrame:
    """One row an invoice, with its first line's time."""
    return (
        lines.groupby(["InvoiceNo", "customer", "cancelled"])
        .agg(time=("InvoiceDate", "first"), worth=("amount", "sum"), country=("Country", "first"))
        .reset_index()
        .sort_values(["time", "InvoiceNo"], kind="stable")
    )


@pytest.fixture(scope="module")
def orders(invoices: pd.DataFrame) -> pd.DataFrame:
    """Invoices that are no cancellations."""
    return invoices[~invoices.cancelled]


def end_of(observed: Observed) -> pd.Timestamp:
    """The moment as of which a report speaks."""
    return pd.Timestamp(observed.end_ms, unit="ms")


def plain(invoices: pd.DataFrame, at: pd.Timestamp) -> pd.DataFrame:
    """Facts, scores, group, type and stage by customer as of a moment, the plain way."""
    past = invoices[invoices.time < at]
    bought = past[~past.cancelled]
    each = bought.groupby("customer").agg(orders=("InvoiceNo", "nunique"), last=("time", "max"), gross=("worth", "sum"))
    back = past[past.cancelled].groupby("customer").worth.sum()
    each["net"] = each.gross - back.reindex(each.index).fillna(0.0)
    each["since"] = (at - each["last"]) / DAY
    gaps = bought.assign(gap=bought.groupby("customer").time.diff() / DAY)
    gaps = gaps[gaps.gap > 0.5]
    each["gap"] = gaps.groupby("customer").gap.mean()
    each["before"] = gaps.groupby("customer").gap.last()
    cut = {name: each[name].quantile([0.2, 0.4, 0.6, 0.8]).tolist() for name in ("since", "orders", "net")}
    each["R"] = [5 - sum(value > edge for edge in cut["since"]) for value in each.since]
    each["F"] = [1 + sum(value > edge for edge in cut["orders"]) for value in each.orders]
    each["M"] = [1 + sum(value > edge for edge in cut["net"]) for value in each.net]
    each["group"] = [plain_group(r, (f + m) / 2) for r, f, m in zip(each.R, each.F, each.M, strict=True)]
    each["type"] = [
        "big" if m == 5 else "regular" if f >= 4 and n >= 3 else "occasional"
        for f, m, n in zip(each.F, each.M, each.orders, strict=True)
    ]
    median = each.gap.median()
    each["stage"] = [plain_stage(row, median) for row in each.itertuples()]
    return each


def plain_group(r: int, fm: float) -> str:
    """The table of docs/reports.md, line by line."""
    if r == 5:
        return "champions" if fm >= 4 else "active" if fm >= 2 else "new"
    if r == 4:
        return "loyal" if fm >= 4 else "active" if fm >= 2 else "promising"
    if r == 3:
        return "loyal" if fm >= 4 else "needs_attention" if fm >= 2 else "promising"
    if r == 2:
        return "at_risk" if fm >= 3 else "almost_lost"
    return "previously_loyal" if fm >= 4 else "at_risk" if fm >= 3 else "dormant"


def plain_stage(row: object, median: float) -> str:
    """The sentences of docs/reports.md, one after the other."""
    usual = median if np.isnan(row.gap) else row.gap  # type: ignore[attr-defined]
    since, before, orders = row.since, row.before, row.orders  # type: ignore[attr-defined]
    if since >= 180 and since >= 2 * usual:
        return "lapsed"
    if since >= 2 * usual:
        return "at_risk"
    if before >= 180:
        return "won_back"
    return "first_time" if orders == 1 else "loyal" if orders >= 4 else "repeat"


def sheet(report: Report, name: str) -> pd.DataFrame:
    """A sheet of a report as a frame by its first column."""
    found: Sheet = next(one for one in report.sheets if one.name == name)
    return pd.DataFrame(found.rows, columns=list(found.columns)).set_index(found.columns[0])


def test_facts_scores_groups_types_and_stages(observed: Observed, invoices: pd.DataFrame) -> None:
    """Orders, net worth, gaps, R, F, M, group, type and stage of every buyer, as of the end and in mid-year."""
    for at in (end_of(observed), pd.Timestamp("2011-06-01")):
        want = plain(invoices, at)
        known = known_at(observed, int(at.value // 1_000_000), TERMS.horizon_ms, Terms())
        names = np.array(observed.customers)
        buyers = known.facts.orders > 0
        assert set(names[buyers]) == set(want.index)
        want = want.loc[names[buyers]]
        facts = known.facts
        assert facts.orders[buyers].tolist() == want.orders.tolist()
        for found, name in ((facts.net, "net"), (facts.since_days, "since"), (facts.gap_days, "gap")):
            np.testing.assert_allclose(found[buyers], want[name], rtol=1e-9, atol=1e-6)
        np.testing.assert_allclose(facts.before_days[buyers], want.before, rtol=1e-9)
        assert known.scores[buyers].tolist() == want[["R", "F", "M"]].to_numpy().tolist()
        assert [RFM_GROUPS[code] for code in known.group[buyers]] == want.group.tolist()
        assert [TYPES[code] for code in known.type[buyers]] == want.type.tolist()
        assert [STAGES[code] for code in known.stage[buyers]] == want.stage.tolist()
        assert known.shop_gap_days == pytest.approx(want.gap.median())


def test_the_types_report_counts_them(observed: Observed, invoices: pd.DataFrame) -> None:
    """Customers by type and group, types at each month's begin, and the moves since the last of them."""
    report = types_report(observed, TERMS)
    want = plain(invoices, end_of(observed))
    types = sheet(report, "types")
    assert types.customers.drop("none").to_dict() == {name: (want.type == name).sum() for name in TYPES[1:]}
    assert types.net.drop("none").sum() == pytest.approx(want.net.sum())
    groups = sheet(report, "rfm_groups").customers.drop("prospects")
    assert groups.to_dict() == {name: (want.group == name).sum() for name in RFM_GROUPS[1:]}
    november, december = plain(invoices, pd.Timestamp("2011-11-01")), plain(invoices, pd.Timestamp("2011-12-01"))
    months = sheet(report, "by_month")
    assert months.loc["2011-11", "regular"] == (november.type == "regular").sum()
    moved = sheet(report, "moves")
    last = december.join(want.type.rename("after"))
    for before in TYPES[1:]:
        assert moved.loc[before].drop("none").tolist() == [
            ((last.type == before) & (last.after == after)).sum() for after in TYPES[1:]
        ]


def plain_retention(orders: pd.DataFrame, start: pd.Timestamp, stop: pd.Timestamp, who: set[str]) -> float:
    """((E - N) / B) x 100 with sets."""
    begin = set(orders[(orders.time >= start - 90 * DAY) & (orders.time < start)].customer) & who
    end = set(orders[(orders.time >= stop - 90 * DAY) & (orders.time < stop)].customer) & who
    first = orders.groupby("customer").time.min()
    new = end & set(first[(first >= start) & (first < stop)].index)
    return (len(end) - len(new)) / len(begin) * 100 if begin else float("nan")


def test_retention(observed: Observed, invoices: pd.DataFrame, orders: pd.DataFrame) -> None:
    """Of everybody, by country and by the type at each month's begin; beside the reference value."""
    report = retention_report(observed, TERMS)
    periods, countries = sheet(report, "periods"), sheet(report, "by_country")
    types = sheet(report, "by_type")
    assert periods.index.tolist() == pd.period_range("2010-12", "2011-11", freq="M").astype(str).tolist()
    home = orders.groupby("customer").country.first()
    for month in periods.index[1:]:
        start = pd.Timestamp(month)
        stop = start + pd.offsets.MonthBegin()
        rate = plain_retention(orders, start, stop, set(orders.customer))
        assert periods.retention[month] == pytest.approx(rate)
        assert periods.above_reference[month] == pytest.approx(rate - 90)
        british = plain_retention(orders, start, stop, set(home[home == "United Kingdom"].index))
        assert countries["United Kingdom"][month] == pytest.approx(british)
        was = plain(invoices, start).type
        big = plain_retention(orders, start, stop, set(was[was == "big"].index))
        assert types.big[month] == pytest.approx(big, nan_ok=True)


def test_retention_of_the_profiles_that_a_worker_keeps(observed: Observed, lines: pd.DataFrame) -> None:
    """Counted from the last orders in each customer's row, it is what all orders say, for those who order most too."""
    at = edges(int(observed.orders.time_ms[0]), observed.end_ms, "month")
    engine = Engine(EngineSettings(FULL, content=False), RuleSet([]))
    events = sorted(events_of(lines), key=lambda event: event.time_ms)
    ready = (Ready(one.topic, one.key.encode(), orjson.dumps(one.value), one.time_ms) for one in events)
    Backtest(engine, Learner(LearnerConfig()), every_ms=FAR).run(History(ready))
    rows = engine.profiles.rows[: len(engine.profiles)]
    assert (rows["fold_orders"] > 0).sum() > 3
    want = retention(observed.orders.customer, observed.orders.time_ms, at, TERMS.retention_window_ms)
    assert retained(rows, at, TERMS.retention_window_ms, TERMS.horizon_ms) == want


def test_cohorts(observed: Observed, orders: pd.DataFrame) -> None:
    """Which share of each month's new customers ordered in each month after."""
    found = sheet(retention_report(observed, TERMS), "cohorts")
    month = orders.time.dt.to_period("M")
    first = orders.customer.map(month.groupby(orders.customer).min())
    table = orders.assign(first=first, after=(month.astype("int64") - first.astype("int64")))
    want = table.groupby(["first", "after"]).customer.nunique().unstack(fill_value=0)
    want = want.div(want[0], axis=0)
    for name, row in zip(want.index.astype(str), want.to_numpy(), strict=True):
        line = next(found.loc[label] for label in found.index if label.startswith(name))
        told = pd.to_numeric(line).dropna().to_numpy()
        np.testing.assert_allclose(told, row[: len(told)])


def test_value(observed: Observed, invoices: pd.DataFrame) -> None:
    """Historic value, average order, usual gap, date of the next order, prediction; by source with its cost."""
    at = end_of(observed)
    want = plain(invoices, at)
    scores = {name: 0.05 + 0.9 * (i % 7) / 7 for i, name in enumerate(observed.customers)}
    terms = ReportTerms(campaign_costs={"unknown/autumn": 1000.0, "unknown": 500.0, "elsewhere": 10.0})
    report = value_report(observed, terms, scores)
    found = sheet(report, "customers").loc[want.index]
    assert found.net.tolist() == pytest.approx(want.net.tolist())
    assert found.average_order.tolist() == pytest.approx((want.net / want.orders).tolist())
    shop = want.net.clip(lower=0).sum() / want.orders.sum()
    usual = want.gap.fillna(want.gap.median())
    due = (want["last"] + usual * DAY).dt.strftime("%Y-%m-%d")
    assert found.expected_next_order.tolist() == due.tolist()
    chance = np.array([scores[name] for name in want.index])
    predicted = -np.log(1 - chance) * 365 / 30 * (want.net.clip(lower=0) + shop) / (want.orders + 1)
    assert found.predicted_12_months.tolist() == pytest.approx(predicted.tolist())
    source = sheet(report, "sources").loc["unknown"]
    assert source.buyers == len(want)
    assert source.ltv == pytest.approx(want.net.sum() / len(want) + predicted.mean())
    assert source.cac == pytest.approx(1500 / len(want))
    assert source.ltv_to_cac == pytest.approx(source.ltv / source.cac)
    assert sheet(report, "sources").loc["elsewhere", "cost"] == 10


def test_trends(observed: Observed, lines: pd.DataFrame, orders: pd.DataFrame) -> None:
    """First orders by week, country and product."""
    report = trends_report(observed)
    first = orders.drop_duplicates("customer")
    weeks = sheet(report, "weeks")
    monday = first.time.dt.to_period("W-SUN").dt.start_time.dt.strftime("%Y-%m-%d")
    want = monday.value_counts()
    assert weeks.first_orders[weeks.first_orders > 0].to_dict() == want.to_dict()
    countries = sheet(report, "countries").first_orders
    assert countries[countries > 0].to_dict() == first.country.value_counts().to_dict()
    held = lines[lines.InvoiceNo.isin(first.InvoiceNo)].drop_duplicates(["InvoiceNo", "StockCode"])
    products = sheet(report, "products").first_orders
    assert products[products > 0].to_dict() == held.StockCode.value_counts().to_dict()

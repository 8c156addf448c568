"""Reports: sales buyers, margins and costs, uplift, contacts; pages that need nothing and trust nothing."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import orjson
import pytest
from click.testing import CliRunner
from matplotlib.figure import Figure
from rich.console import Console

from schemas.timestamp import from_ms
from scoring.gates.holdout import held_out
from scoring.quality import measure
from scoring.types import Terms, shop_table
from streams.cli import main
from streams.report.crossings import Crossing, Judged
from streams.report.facts import known_at
from streams.report.gathered import Gathered, Gathering, judged_of
from streams.report.observed import Observed, observe
from streams.report.page import page_of, picture_of
from streams.report.quality import quality_report, reached
from streams.report.retention import retention_report
from streams.report.rules import rules_report
from streams.report.sheet import Report, Sheet
from streams.report.terminal import render
from streams.report.terms import ReportTerms
from streams.report.types import types_report
from streams.report.uplift import uplift_report
from streams.report.value import value_report
from streams.report.writing import REPORTS, write_all
from streams.settings import Settings

DAY = 86_400_000
NOW = 1_300_000_000_000
NASTY = "<script>alert(1)</script> $x^{ [red]"


def order(who: str, day: float, number: int = 0, **said: object) -> bytes:
    """An order of ten, a day or so after the start."""
    at = NOW + int(day * DAY)
    value = {"type": "track", "event": "Order Completed", "userId": who, "timestamp": from_ms(at)}
    said = {"order_id": f"{who}-{day}-{number}", "total": 10, **said}
    return orjson.dumps({"messageId": f"{who}-{day}-{number}", **value, "properties": said})


def shop() -> Observed:
    """A made-up shop: by source `mail` only sales buyers, by source `ads` big ones who cost much; margins are told."""
    values = [
        order(f"sale-{i}", 30 * k, coupon="X", source="mail", total=20, cost=15) for i in range(4) for k in range(3)
    ]
    values += [order(f"big-{i}", 30 * k, source="ads", total=500, cost=400) for i in range(2) for k in range(3)]
    values += [order(f"one-{i}", 60 + i, source="ads", total=30, margin=3) for i in range(6)]
    return observe(values)


def gathered_of(observed: Observed) -> Gathered:
    """What happened, and nothing that was told of it."""
    return Gathered(observed, [], judged_of(()), None)


def rows(report: Report, name: str) -> dict[str, dict[str, object]]:
    """A sheet of a report by its first column."""
    sheet = next(one for one in report.sheets if one.name == name)
    return {str(row[0]): dict(zip(sheet.columns, row, strict=True)) for row in sheet.rows}


def test_sales_buyers_are_told_from_big_and_occasional_ones() -> None:
    """Half of their orders with a coupon or discount make a sales buyer, however much or often they buy."""
    types = rows(types_report(shop(), ReportTerms()), "types")
    assert {name: row["customers"] for name, row in types.items()} == {
        "none": 0, "occasional": 6, "regular": 0, "big": 2, "sales": 4,
    }  # fmt: skip


def test_value_by_source_is_counted_in_margin_and_set_against_what_the_campaigns_cost() -> None:
    """LTV in margin, where the orders tell it; CAC is the campaign's cost by its buyers."""
    terms = ReportTerms(campaign_costs={"ads": 80, "mail/spring": 8})
    report = value_report(shop(), terms)
    sources = rows(report, "sources")
    worth = 4 * 3 * 20 + 2 * 3 * 500 + 6 * 30
    margin = (4 * 3 * 5 + 2 * 3 * 100 + 6 * 3) / worth
    assert sources["ads"]["cac"] == 10
    assert sources["ads"]["ltv"] == pytest.approx(margin * (2 * 3 * 500 + 6 * 30) / 8)
    assert sources["mail"]["cac"] == 2
    assert sources["mail"]["ltv_to_cac"] == pytest.approx(margin * 60 / 2)
    assert any("100% of orders tell their margin" in said for said in report.said)


def test_what_a_source_cost_adds_up_however_it_is_written() -> None:
    """Sources are compared in lower case, and so are those of the costs."""
    settings = Settings(campaign_costs={"Ads": 50, "ads": 30})
    terms = settings.report_terms(30 * DAY)
    assert rows(value_report(shop(), terms), "sources")["ads"]["cac"] == 10


def test_a_rule_is_judged_by_those_whose_days_have_passed_against_the_held_out() -> None:
    """Sent and held out count only once the horizon has passed; what another gate withheld is neither."""
    observed = observe([order("ada", 0), order("ada", 5), order("bob", 0), order("cyd", 0), order("end", 50)])
    crossings = [
        Crossing("r", "ada", NOW + DAY, True),
        Crossing("r", "bob", NOW + DAY, True),
        Crossing("r", "cyd", NOW + DAY, True, ("holdout",), "rule"),
        Crossing("r", "bob", NOW + 2 * DAY, True, ("no_consent", "holdout"), None),
        Crossing("r", "ada", NOW + 40 * DAY, True),
        Crossing("r", "ada", NOW + 41 * DAY, False),
    ]
    report = rules_report(observed, crossings, ReportTerms())
    row = rows(report, "rules")["r"]
    assert (row["entered"], row["left"], row["sent"], row["withheld"]) == (5, 1, 3, 2)
    assert (row["judged"], row["bought"], row["held_out"], row["held_out_bought"]) == (2, 0.5, 1, 0.0)
    assert row["uplift"] == 0.5
    withheld = next(sheet for sheet in report.sheets if sheet.name == "withheld")
    assert withheld.rows == [("r", "holdout", 1), ("r", "no_consent", 1)]


def test_what_was_told_again_with_its_id_counts_once() -> None:
    """Without transactions a crash repeats actions and examples; reports know them by their ids, as consumers do."""
    action = {"customer_id": "ada", "rule": "r", "crossing": "entered", "event_time": from_ms(NOW)}
    example = {"made_ms": NOW, "label": True, "score": 0.5, "model_version": 3}
    gathering = Gathering()
    gathering.take("models", orjson.dumps({"id": "m", "data": {"version": 3, "warming_up": False}}))
    for _ in range(2):
        gathering.take("actions-r", orjson.dumps({"id": "action/1", "data": action}))
        gathering.take("examples", orjson.dumps({"id": "example/1", "data": example}))
    gathering.take("actions-r", orjson.dumps({"id": "action/2", "data": {**action, "crossing": "left"}}))
    found = gathering.done()
    assert [one.entered for one in found.crossings] == [True, False]
    assert found.judged.bought.tolist() == [True]


def test_who_signs_in_after_an_action_is_judged_as_who_they_are_now() -> None:
    """An order under the id that is known now counts for the action to the visitor; contacted twice is once."""
    alias = {"messageId": "a", "type": "alias", "userId": "ada", "previousId": "v-1", "timestamp": from_ms(NOW)}
    observed = observe([orjson.dumps(alias), order("ada", 5), order("cyd", 1), order("end", 50)])
    crossings = [
        Crossing("r", "v-1", NOW + DAY, True),
        Crossing("r", "ada", NOW + 2 * DAY, True),
        Crossing("r", "cyd", NOW + 2 * DAY, True, ("holdout",), "rule"),
    ]
    row = rows(rules_report(observed, crossings, ReportTerms()), "rules")["r"]
    assert (row["judged"], row["bought"], row["held_out_bought"]) == (2, 1.0, 0.0)
    effect = rows(uplift_report(observed, crossings, ReportTerms()), "uplift")["r"]
    assert (effect["contacted"], effect["contacted_bought"], effect["held_out"]) == (1, 1.0, 1)


@pytest.mark.parametrize(("effect", "says"), [(0.25, "more bought"), (0.0, "none seen")])
def test_a_known_effect_is_found_and_none_is_told_as_none(effect: float, says: str) -> None:
    """Where contacting adds that much to a share of .3, the intervals hold it, that of the rule and that of all."""
    chance = np.random.default_rng(5)
    values, crossings = [order("last", 60)], []
    for number in range(2000):
        who = f"c{number}"
        control = held_out(who.encode(), "r", 0.2, 0.2, "")
        for day in (0, 1):  # the second entry counts no more
            withheld = () if control is None else ("holdout",)
            crossings.append(Crossing("r", who, NOW + day * DAY, True, withheld, control))
        crossings.append(Crossing("service", who, NOW, True, marketing=False))
        crossings.append(Crossing("capped", who, NOW, True, ("frequency_cap", "holdout")))
        if chance.random() < 0.3 + effect * (control is None):
            values.append(order(who, 5))
    found = rows(uplift_report(observe(values), crossings, ReportTerms()), "uplift")
    assert set(found) == {"all marketing", "r"}
    for row in found.values():
        assert row["contacted"] > 1000 > row["held_out"] > 200
    # Of all marketing those held out of one rule are on the side of the contacted: they dilute it.
    assert found["r"]["uplift_low"] < effect < found["r"]["uplift_high"]
    assert found["all marketing"]["uplift_low"] < 0.8 * effect < found["all marketing"]["uplift_high"]
    assert {row["says"] for row in found.values()} == {says}


def test_uplift_says_where_nothing_can_be_compared() -> None:
    """Without a control there is no estimate; whose days have not passed count on no side."""
    entries = [Crossing("r", "sale-0", NOW, True), Crossing("r", "big-0", NOW + 60 * DAY, True)]
    row = rows(uplift_report(shop(), entries, ReportTerms()), "uplift")["r"]
    assert (row["contacted"], row["held_out"], row["says"]) == (1, 0, "nobody was held out")
    assert row["uplift"] != row["uplift"]


def judged() -> Judged:
    """Made-up outcomes that follow the scores."""
    rng = np.random.default_rng(3)
    probability = rng.uniform(0.01, 0.9, 400)
    made = NOW + np.arange(400) * DAY // 4
    return Judged(made, probability, rng.random(400) < probability)


def test_contacts_reach_more_buyers_the_more_are_contacted() -> None:
    """The curve rises to all of them; lift is the tenth's share by everybody's; months are measured exactly."""
    some = judged()
    report = quality_report(some)
    curve = next(sheet for sheet in report.sheets if sheet.name == "contacts").rows
    reached = [float(row[2] or 0) for row in curve]
    assert reached == sorted(reached)
    assert curve[-1][1:3] == (1.0, 1.0)
    top = np.sort(some.probability)[::-1][19]
    assert curve[0][0] == pytest.approx(top)
    assert curve[0][3] == pytest.approx(some.bought[some.probability >= top].mean())
    first = np.argsort(-some.probability)[:40]
    lift = rows(report, "lift")["1"]
    assert lift["lift"] == pytest.approx(some.bought[first].mean() / some.bought.mean())
    assert rows(report, "months")["all"]["auc"] == measure(some.probability, some.bought).auc


def test_equal_scores_rank_nobody() -> None:
    """Where all have one score, no tenth is better than another, whatever the order in which they came."""
    same = Judged(np.full(100, NOW), np.full(100, 0.5), np.arange(100) < 50)
    report = quality_report(same)
    assert {row["lift"] for row in rows(report, "lift").values()} == {1.0}
    contacted, found = reached(same)
    assert found == pytest.approx(contacted)


def test_a_page_is_whole_and_takes_nothing_for_markup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names of customers, products and sources are escaped, in the page and in the terminal; nothing is fetched."""
    observed = observe([
        order(NASTY, day, source=NASTY, country=NASTY, products=[{"product_id": NASTY, "category": NASTY}])
        for day in range(0, 90, 30)
    ])  # fmt: skip
    gathered = Gathered(observed, [Crossing(NASTY, NASTY, NOW + DAY, True, (NASTY,))], judged(), {NASTY: 0.5})
    terms = ReportTerms(campaign_costs={NASTY: 1})
    monkeypatch.setattr("streams.report.writing.REPORTS", {"rules": REPORTS["rules"]})
    assert write_all(tmp_path / "all", gathered, terms) == [tmp_path / "all" / "rules.html"]
    assert "src='data:image/png;base64," in (tmp_path / "all" / "rules.html").read_text(encoding="utf-8")
    console = Console(record=True, width=200, file=(tmp_path / "terminal").open("w"))
    for make in REPORTS.values():
        report = make(gathered, terms)
        text = page_of(replace(report, pictures=()))
        assert "<script" not in text
        assert "http" not in text
        console.print(render(report))
        for picture in report.pictures:
            axis = Figure().subplots()
            picture.draw(axis)
            assert axis.has_data()


def test_names_that_the_plots_have_no_letters_for_are_no_warnings(recwarn: pytest.WarningsRecorder) -> None:
    """A shop in another script is not told of each letter, with a line of the program, for each plot."""
    observed = observe([order("ada", 0, products=[{"product_id": "灯", "category": "灯"}])])
    pictures = value_report(observed, ReportTerms()).pictures, REPORTS["trends"](gathered_of(observed), ReportTerms())
    for picture in (*pictures[0], *pictures[1].pictures):
        picture_of(picture)
    assert [str(one.message) for one in recwarn if "Glyph" in str(one.message)] == []


def test_a_shop_of_one_order_is_told_in_words() -> None:
    """What is not known yet is said to be, never as `nan`."""
    gathered = gathered_of(observe([order("ada", 0)]))
    for make in REPORTS.values():
        said = make(gathered, ReportTerms()).said
        assert not [sentence for sentence in said if re.search(r"\bnan\b", sentence)]


def test_an_order_is_worth_in_reports_what_it_is_in_scores() -> None:
    """Less what was given back; nobody who gave back more than they bought makes others' orders worth less."""
    cancelled = {"type": "track", "event": "Order Cancelled", "timestamp": from_ms(NOW + 40 * DAY)}
    values = [order("ada", day, total=60) for day in (0, 20)] + [order("bob", 30, total=30)]
    values.append(orjson.dumps({
        **cancelled, "messageId": "c", "userId": "bob", "properties": {"order_id": "bob-30-0", "total": 50}
    }))  # fmt: skip
    observed = observe(values)
    known = known_at(observed, observed.end_ms, 30 * DAY, Terms())
    facts = known.facts
    assert known.shop_order == shop_table(facts.since_days, facts.orders, facts.net, facts.gap_days).order == 40


def test_a_source_may_be_called_as_a_column_is() -> None:
    """Each row of JSON keeps its period."""
    report = retention_report(observe([order("ada", day, source="period") for day in (0, 40)]), ReportTerms())
    (by_source,) = [sheet.as_data() for sheet in report.sheets if sheet.name == "by_source"]
    assert [list(row) for row in by_source] == [["period", "source period"]] * len(by_source)
    assert by_source[0]["period"] == "2011-03"


def test_nothing_at_all_makes_reports_that_say_so() -> None:
    """No events, no crossings, no outcomes: each report is a sentence."""
    empty = Gathered(observe(()), [], judged_of(()), None)
    for make in REPORTS.values():
        report = make(empty, ReportTerms())
        assert report.said
        assert not report.sheets
        page_of(report)


def test_the_command_reads_files_and_prints_a_table_or_json(tmp_path: Path) -> None:
    """From a CSV of orders with country, source, coupon, discount and cost, under settings."""
    file = tmp_path / "orders.csv"
    lines = ["customer,date,order,total,country,source,coupon,discount,cost"]
    lines += [f"c{i},2011-0{1 + k}-03,{i}-{k},{10 + i},Peru,mail,,{k},5" for i in range(6) for k in range(5)]
    file.write_text("\n".join([*lines, "c1,when,x,1,,,,,"]))
    page = tmp_path / "types.html"
    runner = CliRunner()
    command = ["report", "types", "--from", str(file), "--format", "orders-csv"]
    done = runner.invoke(main, [*command, "--json", "--html", str(page)])
    assert done.exit_code == 3, done.output
    assert "when" in done.stderr
    found = json.loads(done.stdout)
    assert {row["type"]: row["customers"] for row in found["types"]}["sales"] == 6
    assert "<h1>Types</h1>" in page.read_text(encoding="utf-8")
    environment = {"RECOMPRA_RETENTION_REFERENCE": "80", "RECOMPRA_RETENTION_PERIOD": "quarter"}
    done = runner.invoke(main, ["report", "retention", *command[2:]], env=environment)
    assert "2011-Q1" in done.stdout
    assert "above_reference" in done.stdout
    done = runner.invoke(main, ["report", "trends", *command[2:], "--json"])
    assert json.loads(done.stdout)["countries"][0]["country"] == "Peru"
    done = runner.invoke(main, ["report", "all", *command[2:], "--html", str(tmp_path / "all")])
    assert done.exit_code == 3, done.output
    assert done.stdout.split() == [str(tmp_path / "all" / f"{name}.html") for name in REPORTS]
    assert all("<h1>" in (tmp_path / "all" / f"{name}.html").read_text(encoding="utf-8") for name in REPORTS)


def test_a_sheet_shows_what_is_not_known_as_null() -> None:
    """JSON has no number that is not one."""
    sheet = Sheet("s", "S", ("a", "b"), [("x", float("nan")), ("y", None)])
    assert sheet.as_data() == [{"a": "x", "b": None}, {"a": "y", "b": None}]

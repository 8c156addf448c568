"""A backtest scores from the past alone, says what it could not read, and writes what it found."""

import csv
import io
import json
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from schemas.timestamp import from_ms, to_ms
from streams.backtest import run as running
from streams.cli.backtest import monthly
from streams.cli.main import main

pytestmark = pytest.mark.xdist_group("backtest")

START = to_ms("2024-01-01T00:00:00.000Z")
HOUR = 3_600_000
DAY = 24 * HOUR
CUTOFF = "2024-04-01"
CUTOFF_MS = to_ms("2024-04-01T00:00:00.000Z")

Call = dict[str, Any]


def shop(customers: int = 150, days: int = 120, seed: int = 8) -> list[Call]:
    """Return the calls of a shop whose customers differ in how often they buy; most orders follow a visit."""
    rng = np.random.default_rng(seed)
    calls: list[Call] = []

    def say(who: str, at: int, event: str, **properties: Any) -> None:
        calls.append(
            {
                "type": "track", "event": event, "userId": who, "timestamp": from_ms(at),
                "messageId": f"m{len(calls)}", "properties": properties,
            }
        )  # fmt: skip

    for number in range(customers):
        who, pause = f"c{number:03d}", float(rng.gamma(2.0, 12.0)) + 1.0
        at = START + int(rng.random() * 60 * DAY)
        while at < START + days * DAY:
            if rng.random() < 0.7:
                say(who, at - HOUR // 2, "Product Viewed", product_id="p1")
            say(who, at, "Order Completed", order_id=f"o{len(calls)}", total=10.0 + float(rng.random()))
            at += int(rng.exponential(pause) * DAY) + HOUR
    calls.append({"type": "identify", "userId": "c000", "timestamp": from_ms(START + 70 * DAY), "messageId": "who",
                  "traits": {"email": "a@b.example"}})  # fmt: skip
    return calls


CALLS = shop()


Ran = tuple[Result, list[list[str]]]


def ran(directory: Path, lines: Sequence[Call | str], *options: str, name: str = "events.ndjson") -> Ran:
    """Run the command on calls; its result, and the rows of the scores."""
    file, scores = directory / name, directory / "scores.csv"
    file.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
    arguments = ["backtest", str(file), "--horizon", "10d", "--scores", str(scores), *options]
    result = CliRunner().invoke(main, arguments, catch_exceptions=False)
    rows = list(csv.reader(io.StringIO(scores.read_text()))) if scores.exists() else []
    return result, rows


@pytest.fixture
def backtest(tmp_path: Path) -> Callable[..., Ran]:
    """Run the command in a directory of the test's own."""
    return partial(ran, tmp_path)


@cache
def usual() -> Ran:
    """All calls, with the scores as of the cutoff: what a run that was altered is held against."""
    with TemporaryDirectory() as directory:
        return ran(Path(directory), CALLS, "--cutoff", CUTOFF)


def test_scores_have_everybody_seen_before_each_cutoff(backtest: Any) -> None:
    """The columns are as promised, and each cutoff lists each customer seen before it, once, and no other."""
    result, (header, *rows) = backtest(CALLS, "--cutoff", CUTOFF, "--cutoff", "2024-02-10T12:30:00Z")
    assert result.exit_code == 0, result.output
    assert header == ["customer_id", "cutoff", "score", "percentile"]
    for cutoff in ("2024-02-10T12:30:00.000Z", "2024-04-01T00:00:00.000Z"):
        listed = [row[0] for row in rows if row[1] == cutoff]
        assert sorted(listed) == sorted({c["userId"] for c in CALLS if c["timestamp"] < cutoff})
    assert all(0 <= float(row[2]) <= 1 and 0 <= float(row[3]) <= 1 for row in rows)


def test_what_comes_after_a_cutoff_does_not_reach_it(backtest: Any) -> None:
    """Events from the cutoff on may be altered or taken away: the scores as of it are the same bytes."""
    _, whole = usual()
    cutoff = from_ms(CUTOFF_MS)
    past = [c for c in CALLS if c["timestamp"] < cutoff]
    altered = [c if c["timestamp"] < cutoff else {**c, "userId": "c001"} for c in CALLS]
    late = {"type": "track", "event": "Order Completed", "userId": "c002", "timestamp": cutoff, "messageId": "at",
            "properties": {"order_id": "at", "total": 1.0}}  # fmt: skip
    for other in (past, altered, [*past, late]):
        _, rows = backtest(other, "--cutoff", CUTOFF)
        assert rows == whole
    _, rows = backtest([c for c in past if c["userId"] != "c003"], "--cutoff", CUTOFF)
    assert rows != whole


def test_other_cutoffs_change_nothing(backtest: Any) -> None:
    """The scores as of a cutoff are the same whatever other cutoffs are asked for."""
    _, alone = usual()
    _, among = backtest(CALLS, "--cutoff", "2024-03-03T03:03:03Z", "--cutoff", CUTOFF, "--cutoff", "2024-04-02")
    assert [row for row in among if row[1] == alone[1][1]] == alone[1:]


def test_scores_of_a_run_that_did_not_end_are_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a file looks like a whole one; that of an earlier run stays as it was."""
    (tmp_path / "scores.csv").write_text("earlier\n")

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("streams.cli.backtest._write", interrupted)
    result, rows = ran(tmp_path, CALLS[:200], "--cutoff", "2024-02-01")
    assert (result.exit_code, rows) == (1, [["earlier"]])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["events.ndjson", "scores.csv"]


def test_scores_stay_as_secret_as_the_file_was(tmp_path: Path) -> None:
    """Whoever let nobody else read an earlier run's has the same of the next."""
    (tmp_path / "scores.csv").touch(0o600)
    result, rows = ran(tmp_path, CALLS[:200], "--cutoff", "2024-02-01")
    assert (result.exit_code, len(rows) > 1) == (0, True)
    assert (tmp_path / "scores.csv").stat().st_mode & 0o777 == 0o600


def test_neither_the_order_of_lines_nor_cuts_matter(backtest: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines in any order, decoded in runs of any length, give the same scores of the same customers."""
    _, whole = usual()
    order = np.random.default_rng(2).permutation(len(CALLS))
    monkeypatch.setattr(running, "_RUN", 37)
    _, rows = backtest([CALLS[i] for i in order], "--cutoff", CUTOFF)
    assert sorted(rows) == sorted(whole)


def test_it_ranks_better_than_chance(backtest: Any) -> None:
    """On customers who differ, the scores as of a cutoff tell who buys next, and so do the figures."""
    result, (_, *rows) = backtest(CALLS, "--cutoff", CUTOFF, "--json")
    data = json.loads(result.stdout)
    assert data["quality"]["all"]["overall"]["auc"] > 0.6
    end = from_ms(CUTOFF_MS + 10 * DAY)
    bought = {
        c["userId"] for c in CALLS if c.get("event") == "Order Completed" and from_ms(CUTOFF_MS) <= c["timestamp"] < end
    }
    yes, no = ([float(row[2]) for row in rows if (row[0] in bought) == which] for which in (True, False))
    assert np.mean([(a > b) + 0.5 * (a == b) for a in yes for b in no]) > 0.6


def test_json_adds_up(backtest: Any) -> None:
    """Every event has one outcome, and the months' scores are all scores that were judged."""
    result, _ = backtest([*CALLS, CALLS[0]], "--json")
    data = json.loads(result.stdout)
    assert sum(data["counts"].values()) == data["events"] == len(CALLS) + 1
    assert data["counts"]["duplicate"] == 1
    for segment in data["quality"].values():
        assert sum(month["examples"] for month in segment["by_month"].values()) == segment["overall"]["examples"]
    assert [c["cutoff"][:10] for c in data["cutoffs"]] == ["2024-02-01", "2024-03-01", "2024-04-01"]
    assert data["examples"] >= data["quality"]["all"]["overall"]["examples"] > 0


def test_what_is_withheld_is_told_with_the_reason(backtest: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody agreed to anything: no marketing, and the way to say that they did; with it, the other gates decide."""
    strict, _ = usual()
    assert "RECOMPRA_CONSENT_UNKNOWN=yes" in " ".join(strict.stdout.split())
    found = json.loads(backtest(CALLS, "--cutoff", CUTOFF, "--json")[0].stdout)["rules"]["second-order"]
    assert (found["entered"], list(found["reasons"])) == (0, ["no_consent"])
    monkeypatch.setenv("RECOMPRA_CONSENT_UNKNOWN", "yes")
    free = json.loads(backtest(CALLS, "--cutoff", CUTOFF, "--json")[0].stdout)["rules"]["second-order"]
    assert free["entered"] > 0
    assert free["entered"] + free["withheld"] == found["withheld"]
    assert "no_consent" not in free["reasons"]


def test_bad_lines_are_told_and_the_rest_goes_on(backtest: Any) -> None:
    """A line that cannot be read is named by file and line with its remedy; the exit code is 3."""
    result, rows = backtest([*CALLS[:5], "{nonsense", *CALLS[5:]], "--cutoff", CUTOFF)
    assert result.exit_code == 3
    assert "events.ndjson:6: " in result.stderr
    _, whole = usual()
    assert rows == whole


def test_too_little_history_says_so(backtest: Any) -> None:
    """Where too few outcomes resolved, it says that customers are only ranked, and percentiles are their ranks."""
    result, (_, *rows) = backtest(CALLS[:60], "--cutoff", CUTOFF)
    assert result.exit_code == 0
    assert "too few for a model" in " ".join(result.stdout.split())
    assert {float(row[3]) for row in rows} != {0.0}


def test_the_report_is_one_page_and_trusts_nobody(backtest: Any, tmp_path: Path) -> None:
    """The page needs no network, and what stands in names and lines is shown as text."""
    report = tmp_path / "report"
    bad = {**CALLS[0], "timestamp": "<script>alert(1)</script>"}
    result, _ = backtest([*CALLS, bad], "--report", str(report), name="<b>shop.ndjson")
    assert result.exit_code == 3
    page = (report / "index.html").read_text()
    assert "<script" not in page
    assert "<b>" not in page
    assert "&lt;script&gt;" in page
    assert "http://" not in page
    assert "https://" not in page
    assert page.count("data:image/png;base64,") == 2


@pytest.mark.parametrize(
    ("options", "code", "told"),
    [
        (("--cutoff", "yesterday"), 2, "is not a date or time"),
        (("--horizon", "30"), 2, "horizon"),
        (("--format", "cdnow"), 3, "no event"),
    ],
)
def test_wrong_use_is_told(backtest: Any, options: tuple[str, ...], code: int, told: str) -> None:
    """What is wrong with an option is said in a sentence, with the exit code for it."""
    result, _ = backtest(CALLS[:3], *options)
    assert result.exit_code == code
    assert told in result.stderr


def test_an_unknown_river_model_is_told(backtest: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipeline with an unknown class ends it before anything is read, and names the nearest."""
    monkeypatch.setenv("RECOMPRA_MODEL", "river:StandardScalar() | LogisticRegression()")
    result, _ = backtest(CALLS[:3])
    assert result.exit_code == 2
    assert "did you mean 'StandardScaler'?" in result.stderr


def test_a_river_model_that_fails_on_an_example_is_told(backtest: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a sentence, without the traceback of the model's own code."""
    monkeypatch.setenv("RECOMPRA_MODEL", "river:naive_bayes.MultinomialNB()")
    result, _ = backtest(CALLS)
    assert result.exit_code == 2
    assert "river:MultinomialNB: fails on an example (" in result.stderr


def test_a_river_model_learns_too(backtest: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that is not linear learns and scores through the slow path."""
    monkeypatch.setenv("RECOMPRA_MODEL", "river:MinMaxScaler() | LogisticRegression(optim.SGD(.05))")
    monkeypatch.setenv("RECOMPRA_WARM_UP_POSITIVES", "50")
    monkeypatch.setenv("RECOMPRA_WARM_UP_NEGATIVES", "50")
    result, (_, *rows) = backtest(CALLS, "--cutoff", "2024-03-15")
    assert result.exit_code == 0, result.output
    assert len({row[2] for row in rows}) > 50


def test_monthly() -> None:
    """Cutoffs are the first moments of the months after the first event, up to the last, over a new year too."""
    found = monthly(to_ms("2023-11-01T00:00:00.000Z"), to_ms("2024-02-01T00:00:00.000Z"))
    assert [from_ms(at)[:10] for at in found] == ["2023-12-01", "2024-01-01", "2024-02-01"]

"""Rules at the command line beside a worker: previewed, applied, paused, and named by every action."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner
from kafka import KafkaProducer

from schemas.timestamp import from_ms, to_ms
from scoring.rules.shipped import BASIC
from streams.cli.main import main
from streams.ruling import publishing
from streams.settings import Settings
from streams.settings_sources import load
from streams.topics import create, rule_names, wanted
from tests.integration.test_worker import drained, values, worker

pytestmark = [pytest.mark.broker, pytest.mark.xdist_group("embedded")]

OPEN = {
    "RECOMPRA_CLOCK": "events",
    "RECOMPRA_HORIZON": "1d",
    "RECOMPRA_PARTITIONS": "2",
    "RECOMPRA_CONSENT_UNKNOWN": "yes",
    "RECOMPRA_MARKETING_CONTACTS": "-1",
    "RECOMPRA_HOLDOUT_GLOBAL": "0",
    "RECOMPRA_HOLDOUT_RULE": "0",
}
START = to_ms("2024-05-01T10:00:00.000Z")
DAY = 86_400_000
RULE = """\
name: quiet-buyer
sentence: Has not bought for {quiet} days.
parameters: {quiet: 2}
enter: days_since(order_completed) >= quiet
exit: days_since(order_completed) < quiet
"""


class Shop:
    """Buyers, and visitors by whom time goes on on both partitions."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._producer = KafkaProducer(bootstrap_servers=settings.broker, acks="all")
        self._made = 0
        self._day = 0.0

    def send(self, day: float, customer: str, event: str, **properties: Any) -> None:
        """Produce one event so many days after the start."""
        self._made += 1
        value = {
            "messageId": f"m{self._made}",
            "userId": customer,
            "type": "track",
            "event": event,
            "timestamp": from_ms(START + int(day * DAY)),
            "properties": properties,
        }
        topic = "orders" if event == "Order Completed" else "clickstream"
        self._producer.send(topic, orjson.dumps(value), key=customer.encode())

    def until(self, day: float) -> None:
        """Let visitors come, and wait until everything is counted."""
        self._day = day
        for number in range(8):
            self.send(day, f"visitor-{number}", "Page Viewed")
        self._producer.flush(30)
        drained(self.settings, patience_s=180)

    def until_in_force(self, rule: str) -> None:
        """Let a little time pass until both partitions use a version."""
        give_up = time.monotonic() + 180
        while {p["partition"] for p in values(self.settings, "progress") if rule in p["rules"]} != {0, 1}:
            assert time.monotonic() < give_up, f"{rule} is not in force"
            self.until(self._day + 0.001)

    def close(self) -> None:
        """Close the connection."""
        self._producer.close()


@pytest.fixture
def settings(fresh_broker: Any, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A broker without topics, and gates that are open."""
    for name, value in {**OPEN, "RECOMPRA_BROKER": fresh_broker.address}.items():
        monkeypatch.setenv(name, value)
    return load().settings


@pytest.fixture
def shop(settings: Settings) -> Iterator[Shop]:
    """A shop on that broker, with all topics."""
    create(settings, wanted(settings, rule_names(settings)))
    made = Shop(settings)
    yield made
    made.close()


def run(*arguments: str, code: int = 0, **environment: str) -> Any:
    """What a command prints, as JSON."""
    done = CliRunner(env=environment).invoke(main, ["rules", *arguments, "--json"], catch_exceptions=False)
    assert done.exit_code == code, done.output
    return json.loads(done.stdout) if done.stdout else done.stderr


def entered(settings: Settings, topic: str) -> set[tuple[str, int, tuple[str, ...]]]:
    """Customer, version and reasons of each entering of the rule."""
    told = (action["data"] for action in values(settings, topic))
    return {
        (data["customer_id"], data["rule_version"], tuple(data.get("withheld", ())))
        for data in told
        if data["rule"] == "quiet-buyer" and data["crossing"] == "entered"
    }


def test_a_rule_from_its_file_to_its_actions(shop: Shop, tmp_path: Path) -> None:
    """Listed, checked, previewed; applied, and as many enter as previewed; paused, and withheld; all in its history."""
    settings, file = shop.settings, tmp_path / "rules.yaml"
    file.write_text(RULE)
    for number in range(6):
        shop.send(0, f"buyer-{number}", "Order Completed", order_id=f"o{number}", total=5.0)
    shop.send(2.5, "buyer-0", "Order Completed", order_id="again", total=5.0)
    with worker(settings, **OPEN):
        shop.until(3.2)
        assert [rule["name"] for rule in run("list")["rules"]] == sorted(BASIC)
        assert run("check", str(file))["errors"] == []

        now = run("preview", str(file))
        assert (now["customers"], now["rules"][0]["entered"], now["rules"][0]["published"]) == (14, 5, 5)
        span = ("--from", from_ms(START), "--to", from_ms(START + 3 * DAY))
        # Some records at a time: the input that is ahead is left alone until the others have come as far.
        found = run("preview", str(file), *span, RECOMPRA_SLICE_RECORDS="2")
        assert found == run("preview", str(file), *span)
        [past] = found["rules"]
        assert (past["entered"], past["published"], past["left"]) == (6, 6, 1)
        assert past["bought"]["published"] == {"known": 6, "yes": 1}
        assert entered(settings, "actions-withheld") == set()

        applied = run("apply", str(file))
        assert applied["published"] == [{"name": "quiet-buyer", "version": 1}]
        assert applied["topics_created"] == ["actions-quiet-buyer"]
        assert START + 3.2 * DAY < to_ms(applied["effective_time"]) < START + 3.21 * DAY
        shop.until_in_force("quiet-buyer@1")
        shop.until(4.3)
        buyers = {(f"buyer-{number}", 1, ()) for number in range(1, 6)}
        assert entered(settings, "actions-quiet-buyer") == buyers
        times = {action["data"]["event_time"] for action in values(settings, "actions-quiet-buyer")}
        assert min(times) >= applied["effective_time"]

        assert "write version: 2" in run("apply", str(write(file, "{quiet: 3}")), code=1)
        assert run("pause", "quiet-buyer")["published"] == [{"name": "quiet-buyer", "version": 2}]
        shop.until_in_force("quiet-buyer@2")
        shop.until(5)
    assert entered(settings, "actions-quiet-buyer") == buyers
    assert entered(settings, "actions-withheld") == {("buyer-0", 2, ("rule_paused",))}
    assert [(step["version"], step["changes"].get("paused")) for step in run("history")] == [
        (1, None),
        (2, [None, True]),
    ]
    assert {rule["name"]: rule["paused"] for rule in run("list")["rules"]}["quiet-buyer"]


def test_what_is_missing_for_a_preview_is_told(settings: Settings, tmp_path: Path) -> None:
    """Topics that are not there, with the remedy; a state in which nobody is yet; files without an event."""
    (rules, nothing) = tmp_path / "rules.yaml", tmp_path / "nothing.ndjson"
    rules.write_text(RULE)
    nothing.write_text("")
    for arguments in ([], ["--from", "2024-05-01"]):
        done = CliRunner().invoke(main, ["rules", "preview", str(rules), *arguments])
        assert done.exit_code == 1
        assert "`recompra topics create` makes them" in done.stderr
    create(settings, wanted(settings, rule_names(settings)))
    done = CliRunner().invoke(main, ["rules", "preview", str(rules)])
    assert (done.exit_code, "no worker has stored anybody yet" in done.stderr) == (0, True)
    done = CliRunner().invoke(main, ["rules", "preview", str(rules), "--input", str(nothing)])
    assert (done.exit_code, "is --format segment right?" in done.stderr) == (1, True)


def test_of_two_who_publish_one_version_at_once_the_first_holds(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second is told so; and what lies last under that key, which compaction keeps, is what the first published."""
    real, file = publishing.create, tmp_path / "rules.yaml"

    def overtaken(*arguments: Any) -> Any:
        monkeypatch.setattr(publishing, "create", real)
        run("apply", str(write(tmp_path / "theirs.yaml", "{quiet: 4}")))
        return real(*arguments)

    monkeypatch.setattr(publishing, "create", overtaken)
    done = CliRunner().invoke(main, ["rules", "apply", str(write(file, "{quiet: 3}"))])
    assert (done.exit_code, done.stdout) == (1, "")
    assert "Error: quiet-buyer 1 was published by somebody else just before" in done.stderr
    quiets = [value["definition"]["parameters"]["quiet"] for value in values(settings, "rules")]
    assert quiets == [4, 3, 4]
    assert run("apply", str(file.with_name("theirs.yaml")))["unchanged"] == ["quiet-buyer"]


def write(file: Path, quiet: str) -> Path:
    file.write_text(RULE.replace("{quiet: 2}", quiet))
    return file

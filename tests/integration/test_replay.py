"""Replay on the embedded broker: what was told live is told again, and a mended rule differs where it should."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from itertools import islice
from operator import le
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from schemas.timestamp import from_ms
from scoring.profile import DAY_MS
from scoring.rules.book import RuleBook
from streams.changelog import changelog_topic
from streams.cli.main import main
from streams.cloud_event import CONTENT_TYPE
from streams.commit import Taken
from streams.connection import kafka_python_options, reader
from streams.ends import ends, records_to_end
from streams.engine_settings import checked_rules
from streams.living import Inputs
from streams.outbox import INPUTS
from streams.replay.plan import Plans
from streams.replay.processes import PartError
from streams.replay.starting import NoStartError
from streams.settings import Settings
from streams.settings_sources import load
from streams.snapshot_file import Header, write_snapshot
from streams.tailing import UnknownTopicError, tail
from streams.topics import create, found, rule_names, wanted
from streams.unit import Unit
from streams.worker import unit_options
from tests.family import alive, descendants
from tests.unit.worker.fetched import CLICKS, CUSTOMERS, ORDERS, Fetched, event

pytestmark = [pytest.mark.broker, pytest.mark.xdist_group("embedded")]

NOW = 1_700_000_000_000
PARTITIONS = 2


@pytest.fixture
def settings(fresh_broker: Any, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A broker with all topics; everybody may be written to."""
    given = {"BROKER": fresh_broker.address, "PARTITIONS": str(PARTITIONS), "EXACTLY_ONCE": "off"}
    given |= {"CONSENT_UNKNOWN": "yes", "HOLDOUT_GLOBAL": "0", "HOLDOUT_RULE": "0", "MARKETING_CONTACTS": "-1"}
    for name, value in given.items():
        monkeypatch.setenv(f"RECOMPRA_{name}", value)
    found = load().settings
    create(found, wanted(found, rule_names(found)))
    return found


def life(partition: int) -> list[list[Fetched]]:
    """Ten days of six customers: views, carts that are left, orders, and records that are none."""
    chance = random.Random(partition)
    inputs: list[list[Fetched]] = [[], [], []]
    for step in range(300):
        ms = NOW + step * DAY_MS // 30 + chance.randrange(60_000)
        who = f"c{partition}-{chance.randrange(6)}"
        source = chance.choice((CLICKS, CLICKS, ORDERS, CUSTOMERS))
        some = inputs[source]
        if source == CLICKS:
            name = chance.choice(("Product Viewed", "Product Added"))
            some.append(event(len(some), who, name, ms, product_id=f"p{step % 5}", quantity=1, price=3.0))
        elif source == ORDERS:
            some.append(event(len(some), who, "Order Completed", ms, order_id=f"o-{partition}-{step}", total=9.5))
        elif step % 7:
            some.append(event(len(some), who, "Subscribed", ms))
        else:
            some.append(Fetched(len(some), ms, who.encode(), b"{"))
    return inputs


def live(settings: Settings, saved: Path | None = None) -> int:
    """What workers would have done: inputs on their topics, and all that units told, in several commits.

    The state of each after its fifth is kept as a worker keeps it; until when that is, by event time, is returned.
    """
    come_ms = 0
    with KafkaProducer(**kafka_python_options(settings), max_in_flight_requests_per_connection=1,
                       enable_idempotence=False) as producer:  # fmt: skip
        for partition in range(PARTITIONS):
            inputs = life(partition)
            for source, records in enumerate(inputs):
                for r in records:
                    producer.send(INPUTS[source], r.value, key=r.key, partition=partition, timestamp_ms=r.timestamp)
            rules = checked_rules(settings)
            unit = Unit(partition, unit_options(settings, rules), timeline=RuleBook(rules.rules).timeline())
            unit.ready({CLICKS: -1, ORDERS: -1, CUSTOMERS: -1})
            for number, commit in enumerate(commits(unit, inputs, random.Random(7)), 1):
                for topic, key, value in () if commit is None else commit.outputs:
                    producer.send(topic, value, key=key, partition=0 if topic == "examples" else partition)
                for key, row in () if commit is None else commit.rows:
                    producer.send(changelog_topic(settings), row, key=key, partition=partition)
                if number == 5 and saved is not None:
                    come_ms = max(come_ms, int(unit.engine.clock.seen_ms.max()), unit.engine.clock.watermark_ms)
                    save(saved, unit)
        producer.flush(60)
    return come_ms


def save(directory: Path, unit: Unit) -> None:
    copy = unit.copy()
    assert copy is not None
    header = Header("recompra", unit.partition, PARTITIONS, unit.engine.profiles.fingerprint, "", 0, 0)
    path = directory / f"{unit.partition}.snapshot"
    write_snapshot(path, header, copy, lambda new, path: new.replace(path))


def commits(unit: Unit, inputs: Sequence[Sequence[Fetched]], chance: random.Random) -> Iterator[Taken | None]:
    streams = [iter(some) for some in inputs]
    given = [0, 0, 0]
    while any(n < len(some) for n, some in zip(given, inputs, strict=True)):
        source = chance.randrange(3)
        some = list(islice(streams[source], chance.randrange(1, 30)))
        given[source] += len(some)
        if some:
            unit.offer(source, some, len(inputs[source]))
        else:
            unit.idle(source, given[source], given[source])
        while unit.pump(NOW + 10 * DAY_MS):
            pass
        yield unit.take()


def run(*arguments: str, typed: str = "", **environment: str) -> tuple[int, Any]:
    done = CliRunner().invoke(main, [*arguments, "--json"], env=environment, input=typed, catch_exceptions=False)
    return done.exit_code, json.loads(done.stdout) if done.stdout.startswith(("{", "[")) else done.output


def test_the_past_is_told_again(settings: Settings) -> None:
    """As it was, all of it to the byte; by event time, the same in one run or two, interrupted or not."""
    live(settings)
    code, told = run("replay", "--into", "was", "--as-it-was")
    assert code == 0, told
    assert told["read"] == 2 * 300
    as_live = run("digest", "--scores")
    assert as_live[0] == 0
    assert {each["topic"] for each in as_live[1] if each["records"]} >= {"scores", "actions-cart-abandoned"}
    was = [each for each in run("digest", "was", "--scores")[1] if each["records"]]
    assert was == [each for each in as_live[1] if each["records"]]
    assert run("diff", "was", "--scores")[1]["first"] is None
    actions = [
        json.loads(r.value or b"") for r in tail(settings, "was-actions-cart-abandoned", "beginning", follow=False)
    ]
    assert actions
    assert all(action["data"]["replay"] for action in actions)

    assert run("replay", "--into", "one")[0] == 0
    assert run("replay", "--into", "two", "--partition", "1")[0] == 0
    code, told = run("replay", "--into", "two", RECOMPRA_SLICE_RECORDS="17")  # goes on, and reads in other pieces
    assert code == 0
    assert told["there_before"] > 0
    assert run("digest", "one", "--scores") == run("digest", "two", "--scores")
    code, told = run("replay", "--into", "late", "--from", "2023-11-20")
    assert 0 < told["written"] < len(list(tail(settings, "one-scores", "beginning", follow=False))) * 2


def test_processes_share_the_partitions(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two tell, count and say the same as one, and an error of one of them is its own words."""
    live(settings)
    asked = ("--from", "2023-11-16T01:02:03.123Z", "--topics", "clickstream", "--topics", "orders")
    code, told = run("replay", "--into", "one", *asked, "--processes", "1")
    assert code == 0, told
    code, shared = run("replay", "--into", "two", *asked, "--processes", "2")
    assert code == 0, shared
    assert shared == {**told, "shadow": "two"}
    assert told["written"] > 0
    assert run("digest", "one", "--scores") == run("digest", "two", "--scores")
    again = run("replay", "--into", "two", *asked, "--processes", "2")[1]
    assert again == {**shared, "written": 0, "there_before": shared["written"]}

    def refused(*_: object) -> None:
        raise PartError("begin with another state", 2)

    monkeypatch.setattr("streams.replay.processes.run_apart", refused)
    code, said = run("replay", "--into", "three", "--processes", "2")
    assert (code, said) == (2, "Error: begin with another state\n")


def mended_version() -> bytes:
    """A second version of a rule, in force from the third day on."""
    definition = {"sentence": "Left a cart.", "enter": "cart_items > 0 and hours_since(visited) >= 7"}
    at = from_ms(NOW + 2 * DAY_MS)
    rule = {"name": "cart-abandoned", "version": 2, "published_at": at, "effective_time": at, "definition": definition}
    return json.dumps(rule).encode()


def test_a_late_event_is_the_cause(settings: Settings) -> None:
    """What live told without it, by event time is told with it: the event is named."""
    clicks = [event(n, "c", "Product Viewed", NOW + n * DAY_MS, product_id="p") for n in range(5)]
    missed = event(0, "c", "Order Completed", NOW + DAY_MS // 2, received_ms=NOW + 9 * DAY_MS, order_id="o", total=9.0)
    with KafkaProducer(**kafka_python_options(settings), enable_idempotence=False) as producer:
        for source, r in (*((CLICKS, r) for r in clicks), (ORDERS, missed)):
            producer.send(INPUTS[source], r.value, key=r.key, partition=0, timestamp_ms=r.timestamp).get(60)
        rules = checked_rules(settings)
        unit = Unit(0, unit_options(settings, rules), timeline=RuleBook(rules.rules).timeline())
        unit.ready({})
        for source in (ORDERS, CUSTOMERS):
            unit.idle(source, 0, 0)
        for source, some in ((CLICKS, clicks), (ORDERS, [missed])):
            unit.offer(source, some, len(some))
            while unit.pump(NOW + 9 * DAY_MS):
                pass
        taken = unit.take()
        assert taken is not None
        for topic, key, value in taken.outputs:
            producer.send(topic, value, key=key, partition=0)
        producer.flush(60)
    assert run("replay", "--into", "whole", "--as-it-was")[0] == 0
    assert run("diff", "whole", "--scores")[0] == 0
    assert run("replay", "--into", "sorted")[0] == 0
    code, told = run("diff", "sorted", "--scores")
    assert code == 1
    assert told["first"]["cause"].startswith(
        f"a late event (Order Completed-c-0 of {from_ms(NOW + DAY_MS // 2)}, received"
    )


SLOWLY = """
import sys
from streams.cli.main import main
from streams.replay import processes
command = processes._command
processes._command = lambda *asked: [*command(*asked), "--speed", "10000"]  # 86 s for ten days: it is caught half-way
main(sys.argv[1:])
"""


@contextmanager
def in_processes(settings: Settings, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, int]]]:
    """A replay in two processes that has told something of each partition: who asks, and by partition who tells.

    None of them is left.
    """
    topic = f"{arguments[arguments.index('--into') + 1]}-scores"
    command = [sys.executable, "-c", SLOWLY, *arguments, "--processes", "2"]
    telling: dict[str, int] = {}
    with reader(settings) as consumer, subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as asks:
        try:
            before = counts(consumer, topic)
            while len(telling) < PARTITIONS or any(map(le, counts(consumer, topic), before)):
                assert asks.poll() is None
                time.sleep(0.1)
                telling = {one: pid for pid in descendants(asks.pid) if (one := partition_of(pid)) is not None}
            yield asks, telling
        finally:
            for pid in (asks.pid, *telling.values()):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def partition_of(pid: int) -> str | None:
    """Which partition a process tells; None if it tells none."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    except OSError:  # it has just ended
        return None
    return words[words.index("--partition") + 1] if "--as-part" in words else None


def counts(consumer: KafkaConsumer, topic: str) -> list[int]:
    """How many records are in each partition of a topic."""
    places = [TopicPartition(topic, partition) for partition in range(PARTITIONS)]
    if topic not in consumer.topics():
        return [0] * PARTITIONS
    consumer.assign(places)
    last = ends(consumer, places)
    return [last[place] for place in places]


def test_killed_half_way_it_goes_on(settings: Settings) -> None:
    """In two processes of which one is killed, then the one that was asked: in the end to the same, to the byte, as
    uninterrupted in one, whatever came to the topics meanwhile; then it is done.
    """
    live(settings)
    assert run("replay", "--into", "one")[0] == 0
    with in_processes(settings, "replay", "--into", "two") as (asks, telling):
        os.kill(telling["1"], signal.SIGKILL)
        _, said = asks.communicate(timeout=60)
        assert asks.returncode == 1
        assert said.endswith("Error: the process for partition 1 was ended by SIGKILL; the same command goes on\n")
        assert not alive(telling["0"])
    there = count(settings, "two-scores")
    assert "two is not done, as its replay was interrupted" in CliRunner().invoke(main, ["diff", "two"]).stderr
    with KafkaProducer(**kafka_python_options(settings), enable_idempotence=False) as producer:
        late = event(0, "c0-0", "Product Viewed", NOW + DAY_MS, product_id="p1")
        producer.send(INPUTS[CLICKS], late.value, key=late.key, partition=0).get(60)
    other, said = run("replay", "--into", "two", "--from", "2023-11-20")
    assert other == 1
    assert "asked for otherwise: --from was not given and is 2023-11-20T00:00:00.000Z. " in said
    with in_processes(settings, "replay", "--into", "two") as (asks, telling):
        asks.kill()
        eventually(lambda: not any(map(alive, telling.values())))
    further = count(settings, "two-scores")
    assert there < further < count(settings, "one-scores"), "it was done before it was killed"
    code, told = run("replay", "--into", "two")
    assert code == 0, told
    assert told["there_before"] >= further
    assert told["written"] > 0
    assert run("digest", "one", "--scores") == run("digest", "two", "--scores")
    assert run("replay", "--into", "two")[1] == {
        "shadow": "two",
        "read": 600,
        "written": 0,
        "there_before": told["written"] + told["there_before"],
    }
    assert run("replay", "--into", "three")[1]["read"] == 601


def test_one_that_goes_on_needs_what_it_began_with(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Interrupted, and begun anew when retention has removed some of its records, it says so and tells nothing."""
    live(settings)

    def interrupted(*_: object) -> None:
        raise NoStartError("interrupted")

    with monkeypatch.context() as first:
        first.setattr(Plans, "done", interrupted)
        assert run("replay", "--into", "late", "--processes", "1")[0] == 1
    told = count(settings, "late-scores")

    def shortened(settings: Settings, partition: int, *rest: Any) -> AbstractContextManager[Inputs]:
        inputs = Inputs(settings, partition, *rest)
        inputs.first[ORDERS] += 5 * partition
        return closing(inputs)

    monkeypatch.setattr("streams.replay.running.inputs_of", shortened)
    code, said = run("replay", "--into", "late", "--processes", "1")
    assert code == 1
    assert "partition 1: late was begun with records from offset 0 of an input on, which holds those from 5" in said
    assert count(settings, "late-scores") == told
    assert run("replay", "--into", "late", "--partition", "0", "--processes", "1")[0] == 0
    assert run("replay", "--into", "late2", "--processes", "1")[0] == 0


def eventually(holds: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < give_up
        time.sleep(0.05)


def test_it_begins_with_a_saved_state(settings: Settings, tmp_path: Path) -> None:
    """As it was, what is told from a time on is the same from a state before it; by event time, it is on any run."""
    come_ms = live(settings, tmp_path)
    since = from_ms(come_ms + 1)
    later, whole = ("--from", since, "--snapshot", str(tmp_path)), run("digest", "--scores", "--from", since)
    code, told = run("replay", "--into", "was", "--as-it-was", *later)
    assert code == 0, told
    assert 0 < told["read"] < 600
    assert run("digest", "was", "--scores") == whole
    assert sum(each["records"] for each in whole[1]) > 20
    assert run("replay", "--into", "one", *later)[0] == 0
    assert run("replay", "--into", "two", *later, RECOMPRA_SLICE_RECORDS="7")[0] == 0
    assert run("digest", "one", "--scores") == run("digest", "two", "--scores")
    code, said = run("replay", "--into", "early", "--from", from_ms(come_ms), "--snapshot", str(tmp_path))
    assert code == 1
    assert "say a later --from" in said


def test_topics_and_speed(settings: Settings) -> None:
    """Only some inputs are read, only some topics told; at a pace it tells the same."""
    live(settings)
    code, told = run("replay", "--into", "some", "--topics", "orders", "--topics", "scores")
    assert code == 0, told
    assert told["read"] == sum(len(life(partition)[ORDERS]) for partition in range(PARTITIONS))
    assert [each["topic"] for each in run("digest", "some", "--scores")[1]] == ["scores"]
    code, told = run("replay", "--into", "slow", "--speed", "20000000")
    assert code == 0, told
    code, told = run("replay", "--into", "was", "--as-it-was", "--speed", "1000")
    assert code == 0, told
    assert run("digest", "was", "--scores")[1] == run("digest", "--scores")[1]
    assert run("replay", "--into", "fast")[0] == 0
    assert run("digest", "slow", "--scores") == run("digest", "fast", "--scores")
    assert run("replay", "--into", "x", "--speed", "0")[0] == 2
    assert run("replay", "--into", "x", "--as-it-was", "--topics", "orders")[0] == 2
    assert "nothing is told on nowhere" in run("replay", "--into", "x", "--topics", "nowhere")[1]


def test_what_is_still_useful_is_published(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once the application's name is typed, and only what is neither there, expired nor over; nothing else, ever."""
    monkeypatch.setenv("RECOMPRA_CLOCK", "events")
    monkeypatch.setenv("RECOMPRA_RULE_PARAMETERS", '{"cart-abandoned": {"quiet": 12}}')
    live(load().settings)
    monkeypatch.setenv("RECOMPRA_RULE_PARAMETERS", "{}")
    before = live_records(settings)
    for clock in ("wall", "events"):
        assert run("replay", "--into", f"noon-{clock}", RECOMPRA_CLOCK=clock, RECOMPRA_HOLDOUT_RULE="0.5")[0] == 0
    asking = ("replay", "--into", "noon", "--publish-live")
    code, said = run(*asking, typed="another\n")
    assert code == 2, said
    assert run(*asking, "--confirm", "another")[0] == 2
    assert run("replay", "--into", "noon", "--confirm", "recompra")[0] == 2
    assert live_records(settings) == before

    code, told = run(*asking, typed="recompra\n")
    assert code == 0, told
    told = json.loads(told[told.index("{") :]) if isinstance(told, str) else told
    counts = told["actions"]["cart-abandoned"]
    assert counts.keys() >= {"publish", "there", "over", "expired"}
    assert sum(counts.values()) == count(settings, "noon-actions-cart-abandoned")
    after = live_records(settings)
    new = {topic: values[len(before[topic]) :] for topic, values in after.items() if values != before[topic]}
    assert (
        sum(map(len, new.values())) == told["published"] == sum(c.get("publish", 0) for c in told["actions"].values())
    )
    assert all(topic.startswith("actions-") and json.loads(v)["data"]["replay"] for topic in new for v in new[topic])
    with reader(settings) as consumer:
        places = [TopicPartition(topic, partition) for topic in new for partition in range(settings.partitions)]
        records = [record for place in places for record in records_to_end(consumer, place)]
    headers = [list(record.headers) for record in records if json.loads(record.value)["data"]["replay"]]
    assert headers == [[CONTENT_TYPE]] * told["published"]
    ids = [json.loads(value)["id"] for topic in after if topic.startswith("actions-") for value in after[topic]]
    assert len(ids) == len(set(ids))
    again = run(*asking, "--confirm", "recompra")[1]
    assert again["published"] == 0
    assert again["actions"]["cart-abandoned"]["there"] == counts["there"] + counts["publish"]


def live_records(settings: Settings) -> dict[str, list[Any]]:
    """All that lies on the topics that are not a replay's, in order."""
    names = [topic.name for topic in found(settings) if not topic.name.startswith("noon")]
    return {name: [record.value for record in tail(settings, name, "beginning", follow=False)] for name in names}


def count(settings: Settings, topic: str) -> int:
    try:
        return len(list(tail(settings, topic, "beginning", follow=False)))
    except UnknownTopicError:
        return 0


def test_another_rule_differs(settings: Settings) -> None:
    """What differs is counted by topic, and the first difference names its cause; the live topics stay as they were."""
    live(settings)
    before = run("digest", "--scores")[1]
    environment = {"RECOMPRA_RULE_PARAMETERS": '{"cart-abandoned": {"quiet": 12}}'}
    code, said = run("replay", "--into", "other", "--as-it-was", **environment)
    assert code == 1
    assert "start with the rules of then" in said
    code, said = run("replay", "--into", "capped", "--as-it-was", RECOMPRA_MARKETING_CONTACTS="0")
    assert code == 1
    assert "marketing_contacts was '-1' and is '0': set RECOMPRA_MARKETING_CONTACTS=-1;" in said
    assert count(settings, "capped-scores") == 0
    assert (
        run("replay", "--into", "capped", "--as-it-was", "--settings-of-now", RECOMPRA_MARKETING_CONTACTS="0")[0] == 0
    )
    cause = run("diff", "capped")[1]["first"]["cause"]
    assert cause == "other settings (marketing_contacts: -1 live, 0 in the shadow)"
    assert run("replay", "--into", "mended", **environment)[0] == 0
    code, told = run("diff", "mended", "live")
    assert code == 1
    assert run("diff", "mended", "capped")[0] == 2
    assert sum(told["topics"]["actions-cart-abandoned"].values()) > told["topics"]["actions-cart-abandoned"]["same"]
    assert told["first"]["cause"].startswith("other rules: not all were known live")
    assert run("digest", "--scores")[1] == before
    version = mended_version()
    with KafkaProducer(**kafka_python_options(settings), enable_idempotence=False) as producer:
        producer.send("rules", version, key=b"cart-abandoned@2", partition=0).get(60)
    assert run("replay", "--into", "newer", "--topics", "actions-cart-abandoned")[0] == 0
    cause = run("diff", "newer")[1]["first"]["cause"]
    assert cause == "another version of the rule (rule_version: 1 live, 2 in the shadow)"
    assert run("replay", "--into", "Wrong Name")[0] == 2
    assert "are live ones" in run("replay", "--into", "actions")[1]
    assert "are live ones" in run("replay", "--into", "actions-win")[1]
    assert run("replay", "--into", "x", "--from", "2024-01-01", "--to", "2023-01-01")[0] == 2

"""What a data engineer does to a running application, on Apache Kafka, with a real shop's orders.

One broker, worker and trainer for all tests here, which go on from one another in their order. Each command that writes
much is also killed half-way, and run again.
"""

import json
import os
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from schemas.adapters import ADAPTERS
from schemas.adapters.canonical import Canonical
from schemas.timestamp import from_ms, to_ms
from streams.brokers.kafka_local import KafkaLocal
from streams.cli.main import main
from streams.connection import admin_client
from streams.demo.clicks import clickstream
from streams.demo.history import history_of, orders_of
from streams.demo.messages import click_messages
from streams.demo.source import DATA
from streams.engine_settings import checked_rules
from streams.files import LineFile
from streams.loading import partition_of
from streams.operating.lag import lag
from streams.outbox import DELETIONS, INPUTS
from streams.settings import Settings
from streams.settings_sources import load
from streams.snapshot_file import SnapshotFile
from streams.tailing import Record, tail
from streams.unit import Unit
from streams.worker import unit_options
from tests.integration.faults.doomed import Call, ended, killed
from tests.integration.faults.programs import PATIENCE_S, Program

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.xdist_group("operations")]

ROOT = Path(__file__).resolve().parents[2]
LEARNED, NOON, THREE, END = (to_ms(f"2010-12-{time}:00:00Z") for time in ("14T00", "16T12", "16T15", "17T00"))
"""Until the first, the model has learned something; a rule is deployed at noon, and found to be wrong at three."""
HOUR_MS = 3_600_000
LINES = 45_000
"""Of the real shop's invoices: those of its first two weeks are among them."""
GIVEN = {
    "PARTITIONS": "2",
    "CLOCK": "events",
    "HORIZON": "7d",
    "SNAPSHOT_EVERY": "1d",
    "CONSENT_UNKNOWN": "yes",
    "COMMIT_INTERVAL_S": "0.2",
    "SESSION_TIMEOUT_S": "2",
    "WEB_PORT": "0",
    "ERASURE_KEY": "a key of the privacy desk",
}
HALF_WRITTEN = Call("streams.replay.shadow:Shadow.write", 2, after=True)
"""A replay has begun to write what the second commit tells, or the second partition."""
GOES, VISITOR = "13777", "visitor-2"
"""Who asks to be forgotten, and who they were before, on another partition."""
VIEWED: Mapping[str, Any] = {"type": "track", "event": "Product Viewed", "properties": {"product_id": "22423"}}
SMALL = 60
"""Products of an order beyond which it is refused at first: some dozen real ones have more."""


class Shop:
    """A worker and a trainer beside a shop of which ever more is loaded."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.settings: Settings = load().settings
        self.events = sorted(_events())
        self.programs: dict[str, Program] = {}
        self.given: dict[str, str] = {}

    def start(self, *names: str) -> None:
        """Start the worker, or the trainer."""
        self.programs |= {name: Program(name, {}) for name in names}

    def stop(self, name: str) -> None:
        """Ask it to end."""
        program = self.programs.pop(name)
        program.ask_to_end()
        code = program.ended()
        program.kill()
        assert code == 0

    def load(self, first_ms: int, stop_ms: int) -> int:
        """Load what happened in between, and wait until all of it is read; the number of events."""
        return self.say(*(value for ms, value in self.events if first_ms <= ms < stop_ms))

    def say(self, *some: bytes) -> int:
        """Load events, and wait until all of them are read; their number."""
        file = self.directory / "events.ndjson"
        file.write_bytes(b"\n".join(some) + b"\n")
        assert done("load", str(file))["events"] == len(some)
        self.read()
        return len(some)

    def read(self) -> None:
        """Wait until nothing is unread."""
        for program in self.programs.values():
            program.started()
        self.until(lambda: not any(each.records for each in lag(self.settings)))

    def in_force(self, rule: str) -> bool:
        """Whether both partitions told with their last commit that a version of a rule is in force."""
        told = (json.loads(each.value or b"") for each in tail(self.settings, "progress", "beginning", follow=False))
        last = {each["partition"]: each["rules"] for each in sorted(told, key=lambda each: each["sequence"])}
        return all(rule in rules for rules in last.values())

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait for something."""
        give_up = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < give_up, [each.last_lines() for each in self.programs.values()]
            time.sleep(0.1)


def _events() -> Iterator[tuple[int, bytes]]:
    """The real orders and the clicks made up for them, to the end."""
    with LineFile(str(DATA)) as file:
        lines = (line for _, line in zip(range(LINES), file, strict=False))
        found = [event for event in ADAPTERS["online-retail"](lines, options={}) if isinstance(event, Canonical)]
    history = history_of(orders_of(found))
    for event in found:
        if event.time_ms < END:
            yield event.time_ms, json.dumps(event.value).encode()
    first_ms = min(event.time_ms for event in found)
    for click in click_messages(history, clickstream(history, 7, first_ms, END)):
        yield click.time_ms, click.value
    for seed in range(6):  # a crowd about noon, so that the afternoon has carts enough
        for click in click_messages(history, clickstream(history, seed, NOON - HOUR_MS, THREE)):
            yield click.time_ms, click.value.replace(b'"synthetic-', b'"crowd-%d-' % seed)


@pytest.fixture(scope="module")
def shop(kafka_available: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A shop until noon of a Thursday; orders with many products are refused."""
    directory = tmp_path_factory.mktemp("operations")
    with KafkaLocal(data_dir=directory / "kafka", quiet=True) as broker, pytest.MonkeyPatch.context() as patch:
        for name, value in {**GIVEN, "BROKER": broker.address, "MAX_PRODUCTS": str(SMALL)}.items():
            patch.setenv(f"RECOMPRA_{name}", value)
        given = {name: value for name, value in os.environ.items() if name.startswith("RECOMPRA_")}
        done("topics", "create", json_too=False)
        made = Shop(directory)
        made.given = given
        made.start("worker", "trainer")
        try:
            made.load(0, LEARNED)
            made.until(lambda: any(tail(made.settings, "models", "beginning", follow=False)))
            made.load(LEARNED, NOON)
            yield made
        finally:
            for program in made.programs.values():
                program.kill()


@pytest.fixture(autouse=True)
def as_the_shop(shop: Shop, no_settings_from_outside: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test has the settings that the shop was started with."""
    for name, value in shop.given.items():
        monkeypatch.setenv(name, value)


def run(*arguments: str, typed: str = "", code: int = 0) -> Any:
    """Run a command, which must end so; its output."""
    result = CliRunner().invoke(main, list(arguments), input=typed, catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result


def done(*arguments: str, code: int = 0, json_too: bool = True) -> Any:
    """Run a command and return what it prints, as JSON."""
    result = run(*arguments, *(["--json"] if json_too else []), code=code)
    return json.loads(result.stdout) if json_too else result.stdout


def told(name: str = "", *span: str) -> dict[str, tuple[int, str]]:
    """Records and digest of each topic that has any."""
    lines = done("digest", *([name] if name else []), *span, "--scores")
    return {each["topic"]: (each["records"], each["digest"]) for each in lines if each["records"]}


def test_as_it_was(shop: Shop) -> None:
    """Followed step by step, killed half-way and run again, it is what was told live; a third run writes nothing."""
    assert done("lag", "--max", "0")["records"] == 0
    live = told()
    assert {"scores", "content", "audiences", "actions-second-order", "actions-cart-abandoned"} <= set(live)
    arguments = ("replay", "--into", "was", "--as-it-was")
    killed(arguments, HALF_WRITTEN)
    again = done(*arguments)
    assert min(again["written"], again["there_before"]) > 0
    assert again["written"] + again["there_before"] == sum(records for records, _ in live.values())
    assert told("was") == live
    assert done("diff", "was", "--scores")["first"] is None
    assert done(*arguments)["written"] == 0


def test_by_event_time(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Merged, killed half-way and gone on with in other pieces, it is the same as in one run of each partition."""
    done("replay", "--into", "one", "--partition", "0")
    done("replay", "--into", "one", "--partition", "1")
    one = told("one")
    killed(("replay", "--into", "two"), HALF_WRITTEN)
    monkeypatch.setenv("RECOMPRA_SLICE_RECORDS", "61")
    assert done("replay", "--into", "two")["there_before"] > 0
    assert told("two") == one


def test_a_part_of_the_past(shop: Shop) -> None:
    """Some days of some topics, killed half-way and gone on with at a pace, are the same as in one go."""
    part = ("--from", "2010-12-06", "--to", "2010-12-10", "--topics", "orders", "--topics", "scores")
    done("replay", "--into", "whole", *part)
    killed(("replay", "--into", "halves", *part), Call("streams.replay.shadow:Shadow.write", 2))
    again = done("replay", "--into", "halves", *part, "--speed", "1000000")
    assert min(again["written"], again["there_before"]) > 0
    whole = told("whole")
    assert told("halves") == whole == told("whole", "--from", "2010-12-06", "--to", "2010-12-10")
    assert set(whole) == {"scores"}


def test_moved(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exported while the worker runs, and imported as another application's, both killed half-way: the same state."""
    first, second = str(shop.directory / "first"), str(shop.directory / "second")
    killed(("export", first), Call("streams.operating.moving:write_snapshot", 2))
    manifest = done("export", first)
    customers = {json.loads(value).get("userId") or json.loads(value).get("anonymousId") for _, value in shop.events}
    assert 0.9 * len(customers) < manifest["customers"] <= len(customers)
    assert "holds an export already" in run("export", first, code=1).output
    assert "stop them first" in run("import", first, code=1).output
    before = held("17850")
    assert len(before["profile"]["orders"]) > 10

    monkeypatch.setenv("RECOMPRA_APP_ID", "moved")
    (shop.directory / "half").mkdir()
    assert "is no manifest" in run("import", str(shop.directory / "half"), code=1).output
    killed(("import", first), Call("streams.operating.moving:_write", 2))
    assert "holds state already" in run("import", first, code=1).output
    assert done("import", first, "--replace") == manifest
    assert held("17850") == before
    assert done("lag")["records"] == 0
    done("export", second)
    assert rows(second) == rows(first)


def held(customer: str) -> dict[str, Any]:
    """What is held of a customer; some of the topics that keep records are named after the application."""
    said = json.loads(run("whatis", customer).output)
    assert {"orders", "actions-withheld"} <= set(said.pop("also_on"))
    return said


def rows(directory: str) -> list[dict[bytes, bytes]]:
    """The rows of each partition of an export."""
    found = []
    for path in sorted(Path(directory).glob("*.rows")):
        with SnapshotFile(path) as file:
            own: dict[bytes, bytes] = {}
            while (piece := file.piece()) is not None:
                own.update(zip(*piece, strict=True))
            found.append(own)
    return found


def test_a_bad_deploy(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands of docs/bad-deploy.md: what was missed from noon to three is told, if it is still of use, once."""
    monkeypatch.chdir(shop.directory)
    page = (ROOT / "docs/bad-deploy.md").read_text()
    [rule] = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    Path("deployed.yaml").write_text(rule)
    Path("mended.yaml").write_text(rule.replace("version: 2", "version: 3").replace("quiet: 60", "quiet: 1"))
    before, noon, three, again, publish, after = (_commands(part, shop.directory) for part in page.split("\n## ")[1:])

    follow(before)
    preview = next(each for each in noon if "preview" in each)
    deployed, mended = (done(*preview[:2], f"{name}.yaml", *preview[3:]) for name in ("deployed", "mended"))
    reached, mended_reached = (found["rules"][0]["entered"] for found in (deployed, mended))
    assert mended_reached > reached > mended_reached * 0.8, (reached, mended_reached)
    follow(noon)
    for minute in range(10, 180, 10):
        shop.load(NOON + (minute - 10) * 60_000, NOON + minute * 60_000)
        if shop.in_force("cart-abandoned@2"):
            break
    shop.load(NOON + minute * 60_000, THREE)
    live = reminders(shop, "actions-cart-abandoned")

    assert "quiet" in follow(three)
    differences = follow(again, codes={"diff": 1})
    assert re.search(r"actions-cart-abandoned +\d+ +0 +\d+ +[1-9]", differences)
    assert "another version of the rule (rule_version: 2 live, 3 in the shadow)" in differences
    missed = reminders(shop, "mended-actions-cart-abandoned")
    assert missed.keys() - live.keys()
    assert all(told["replay"] and told["rule_version"] == 3 for told in missed.values())

    left = {told["customer_id"] for told in missed.values() if told["crossing"] == "left"}
    buys = min({told["customer_id"] for name, told in missed.items() if name not in live} - left)
    shop.say(
        said(buys, THREE + HOUR_MS, type="track", event="Order Completed", properties={"order_id": "late", "total": 9})
    )
    live = reminders(shop, "actions-cart-abandoned")
    assert "nothing was published" in run(*publish[0], typed="other\n", code=2).output
    assert reminders(shop, "actions-cart-abandoned") == live
    killed((*publish[0], "--confirm", "recompra"), Call("kafka:KafkaProducer.send", 2))
    follow(publish, typed="recompra\n")
    found = reminders(shop, "actions-cart-abandoned")
    published = found.keys() - live.keys()
    assert published
    assert published <= missed.keys()
    assert all(found[name]["replay"] and found[name]["expires_at"] > "2010-12-16T15" for name in published)
    entered = {found[name]["customer_id"] for name in published if found[name]["crossing"] == "entered"}
    assert not entered & {*left, buys}
    weighed = done(*publish[0])
    assert (weighed["published"], weighed["actions"]["cart-abandoned"]["there"] >= len(published)) == (0, True)
    assert weighed["actions"]["cart-abandoned"]["cart_emptied_since"] == 1
    follow(after, codes={"diff": 1})


def _commands(part: str, backup: Path) -> list[list[str]]:
    """The commands of a part of the page, as arguments."""
    lines = re.findall(r"^    recompra (.*)$", part, re.MULTILINE)
    return [line.replace("/backup", str(backup / "backup")).split() for line in lines]


def follow(commands: list[list[str]], typed: str = "", codes: Mapping[str, int] = {}) -> str:
    """Run commands one after the other, with these exit codes; all that they say."""
    return "\n".join(run(*each, typed=typed, code=codes.get(each[0], 0)).output for each in commands)


def read(shop: Shop, *topics: str) -> Iterator[Record]:
    """All that lies on some topics."""
    for topic in topics:
        yield from tail(shop.settings, topic, "beginning", follow=False)


def reminders(shop: Shop, topic: str) -> dict[str, dict[str, Any]]:
    """The data of each action on a topic, by id; each is there once."""
    records = [json.loads(record.value or b"") for record in read(shop, topic)]
    found = {record["id"]: record["data"] for record in records}
    assert len(found) == len(records)
    return found


def test_refused_orders_return(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Orders that were refused for a limit return once it is raised: in order, once, though killed in between."""
    large = [json.loads(value)["properties"]["order_id"] for ms, value in shop.events
             if ms < THREE and products(value) > SMALL]  # fmt: skip
    [kind] = done("dlq", "list")
    assert (kind["input"], kind["letters"], kind["waiting"]) == ("orders", len(large), len(large))
    letter = done("dlq", "show", kind["last_id"])
    assert "RECOMPRA_MAX_PRODUCTS" in letter["remedy"] or "max_products" in letter["remedy"]

    shop.stop("worker")
    monkeypatch.delenv("RECOMPRA_MAX_PRODUCTS")
    del shop.given["RECOMPRA_MAX_PRODUCTS"]
    killed(("dlq", "redrive"), Call("kafka:KafkaProducer.commit_transaction", 2))
    [kind] = done("dlq", "list")
    assert 0 < kind["waiting"] < len(large)
    assert done("dlq", "redrive") == {"records": {"orders": kind["waiting"]}, "cut": [], "erased": 0}
    assert done("dlq", "redrive")["records"] == {}
    assert done("lag")["records"] >= len(large)
    shop.start("worker")
    shop.read()
    [kind] = done("dlq", "list")
    assert (kind["letters"], kind["waiting"]) == (len(large), 0)
    returned = [json.loads(record.value or b"")["properties"]["order_id"]
                for record in read(shop, "orders")]  # fmt: skip
    assert sorted(order for order, count in Counter(returned).items() if count == 2) == sorted(large)


def products(value: bytes) -> int:
    return len(json.loads(value).get("properties", {}).get("products", ()))


def test_forgotten(shop: Shop) -> None:
    """Killed when it has asked and has no answer, and run again: each partition has one receipt.

    Of the customer and of the visitor that they were, on another partition, nothing is held but that they were erased
    and that marketing was refused; what comes later begins with nothing.
    """
    assert partition_of(GOES.encode(), 2) != partition_of(VISITOR.encode(), 2)
    shop.say(
        said(VISITOR, THREE, **VIEWED),
        said(GOES, THREE + 1, type="alias", previousId=VISITOR),
        said(GOES, THREE + 2, type="track", event="Consent Denied", properties={"channel": "email"}),
    )
    shop.until(lambda: held(GOES)["former_ids"] == [VISITOR])
    before = held(GOES)
    assert len(before["profile"]["orders"]) > 5
    forget = ("forget", GOES, "--yes", "--request-id", "r-1")
    killed(forget, Call("streams.operating.forgetting:_wait", 1))
    receipts = json.loads(run(*forget).output)
    partitions = [receipt["data"]["partition"] for receipt in receipts]
    assert partitions == [partition_of(each.encode(), 2) for each in (GOES, VISITOR)]
    assert json.loads(run(*forget).output) == receipts
    written = [json.loads(each.value or b"") for each in read(shop, "receipts")]
    assert sorted(each["id"] for each in written) == sorted(each["id"] for each in receipts)
    nothing = run("whatis", GOES, code=1).output
    assert nothing.startswith(f"Error: nothing is held of '{GOES}'; it was erased as asked at ")
    assert nothing.endswith("; that marketing was refused is remembered\n")
    own = Counter(each.topic for each in read(shop, *INPUTS) if each.key == GOES.encode())
    listed = json.loads(run("forget", GOES, "--purge-inputs").stdout)
    assert own.items() <= {each["topic"]: each["records"] for each in listed}.items()
    shop.say(said(GOES, THREE + HOUR_MS, **VIEWED))
    assert_new()


def said(customer: str, ms: int, **more: Any) -> bytes:
    return json.dumps({"messageId": f"{customer}-{ms}", "timestamp": from_ms(ms), "userId": customer, **more}).encode()


def assert_new() -> None:
    """Of who was forgotten and came again there is one event."""
    now = held(GOES)
    assert (now["former_ids"], now["profile"]["orders"], now["profile"]["events"]["any"]["count"]) == ([], [], 1)
    assert "nothing is held" in run("whatis", VISITOR, code=1).output


def test_begun_again(shop: Shop) -> None:
    """Killed between the old state and the new, no worker begins; run again, all is read anew, to the same orders.

    Who was forgotten stays so.
    """
    before = held("17850")
    assert "stop them first" in run("reset", "--to", "beginning", "--yes", code=1).output
    shop.stop("worker")
    killed(("reset", "--to", "beginning", "--yes"), Call("streams.operating.moving:_write", 1))
    assert "nothing is held" in run("whatis", "nobody", code=1).output
    code, said = ended(("worker",))
    assert code == 1
    assert "run `recompra reset`" in said
    done("reset", "--to", "beginning", "--yes")
    assert done("lag")["records"] > len(shop.events) // 2
    shop.start("worker")
    shop.read()
    after = held("17850")
    assert after["profile"]["orders"] == before["profile"]["orders"]
    assert after["profile"]["events"] == before["profile"]["events"]
    assert_new()


def test_over_more_partitions(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dealt out over three partitions, killed half-way and run again, every customer is the same, and in their own.

    No offset counts as applied, and the inputs are read on where it was said; an export of before an erasure leaves
    that customer out. Then a reset from a time on, killed and run again, reads what was received since.
    """
    shop.stop("worker")
    first, two, three = (str(shop.directory / name) for name in ("first", "two", "three"))
    done("export", two)
    before = units(two)
    with admin_client(shop.settings) as client:
        client.create_partitions(dict.fromkeys((*INPUTS, DELETIONS), 3))
    monkeypatch.setenv("RECOMPRA_APP_ID", "three")
    monkeypatch.setenv("RECOMPRA_PARTITIONS", "3")
    assert "say where to read on" in run("import", two, code=1).output
    killed(("import", first, "--from", "latest"), Call("streams.operating.moving:_write", 2))
    done("import", first, "--from", "latest", "--replace")
    left_out = held(GOES)
    assert (left_out["profile"], left_out["record"], left_out["erased"] is None) == (None, None, False)
    done("import", two, "--from", "latest", "--replace")
    assert unread() == 0
    done("export", three)
    after = units(three)
    for unit in after:
        profiles = unit.engine.profiles
        assert {partition_of(key, 3) for key in profiles.index} == {unit.partition}
        assert (profiles.rows["applied"][list(profiles.index.values())] == -1).all()
    assert stored(after) == stored(before)
    assert_new()

    records = list(read(shop, *INPUTS))
    since = sorted(each.timestamp_ms for each in records)[len(records) // 2]
    reset = ("reset", "--to", from_ms(since), "--yes")
    killed(reset, Call("streams.operating.moving:_write", 2))
    begun = done(*reset)["offsets"]
    before = [each.timestamp_ms for each in records if each.offset < begun[str(each.partition)][each.topic]]
    at = [each.timestamp_ms for each in records if each.offset == begun[str(each.partition)][each.topic]]
    assert 0 < len(before) < len(records)
    assert max(before) <= since <= min(at)
    assert 0 < unread() < len(records)


def unread() -> int:
    """Records of the inputs that are still to be read; requests to forget somebody are read again, too."""
    return sum(each["records"] for each in done("lag")["partitions"] if each["topic"] in INPUTS)


def units(directory: str) -> list[Unit]:
    """What workers with the settings of now would make of an export."""
    settings, found = load().settings, []
    for partition, own in enumerate(rows(directory)):
        unit = Unit(partition, unit_options(settings, checked_rules(settings)))
        unit.restore(list(own), list(own.values()))
        found.append(unit)
    return found


def stored(some: list[Unit]) -> dict[bytes, list[bytes]]:
    """What is stored of each customer's profile, but for offsets and the numbers of lists, which a partition gives."""
    found = {}
    for unit in some:
        profiles = unit.engine.profiles
        names = [name for name, *_ in profiles.layout._stored() if name not in ("applied", "inside")]
        for key, number in profiles.index.items():
            assert key not in found
            found[key] = [profiles.rows[number][name].tobytes() for name in names]
    return found

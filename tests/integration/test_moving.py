"""Export, import and reset, on the embedded broker and on Apache Kafka: what a worker would then find."""

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.structs import OffsetAndMetadata

from scoring.links import unread
from scoring.profile import DAY_MS
from scoring.stored import LINK
from streams.changelog import changelog_topic, read_changelog, transfers_topic
from streams.cli.main import main
from streams.connection import admin_client, kafka_python_options
from streams.engine_settings import checked_rules, engine_settings
from streams.loading import partition_of
from streams.operating import moving
from streams.operating.stopped import StillRunningError, check_stopped
from streams.outbox import INPUTS
from streams.settings import Settings
from streams.settings_sources import load
from streams.topics import create, rule_names, wanted
from streams.unit import Unit
from streams.unit_options import UnitOptions
from tests.unit.worker.fetched import CLICKS, CUSTOMERS, ORDERS, Fetched, event

pytestmark = pytest.mark.xdist_group("embedded")

NOW = 1_700_000_000_000
SHOPPERS = [f"c{n}" for n in range(12)]


def settings_of(address: str, app_id: str, partitions: int) -> Settings:
    return load(broker=address, app_id=app_id, partitions=partitions, exactly_once="off").settings


def options(settings: Settings) -> UnitOptions:
    rules = checked_rules(settings)
    home = partial(partition_of, partitions=settings.partitions)
    return UnitOptions(engine_settings(settings, rules), rules, 600_000, False, 1000, partition_of=home)


def lived(settings: Settings, days: int, *, empty: bool = True) -> list[Unit]:
    """Units that lived through so many days, their rows in the changelog, their offsets committed, records there.

    Not those without any records, unless `empty`.
    """
    units = []
    with KafkaProducer(**kafka_python_options(settings)) as producer:
        for partition in range(settings.partitions):
            unit = Unit(partition, options(settings))
            unit.ready({CLICKS: -1, ORDERS: -1, CUSTOMERS: -1})
            own = [who for who in SHOPPERS if partition_of(who.encode(), settings.partitions) == partition]
            records = of_shoppers(own, days)
            for source, name in enumerate(INPUTS):
                for record in records[source]:
                    producer.send(name, record.value, key=record.key, partition=partition)
            run(unit, records)
            taken = unit.take()
            if taken is None and not empty:
                continue
            assert taken is not None
            asyncio.run(moving._write(settings, partition, [row for row in taken.rows if row[1] is not None]))
            commit(settings, partition, taken.offsets)
            units.append(unit)
        producer.flush(30)
    return units


def of_shoppers(own: list[str], days: int, first: int = 0) -> list[list[Fetched]]:
    """By source: a view a day, and an order each third day; the ids of messages do not depend on what was before."""
    clicks: list[Fetched] = []
    orders: list[Fetched] = []
    for day in range(first, first + days):
        for who in own:
            ms = NOW + day * DAY_MS
            clicks.append(named(f"v-{who}-{day}", event(len(clicks), who, "Product Viewed", ms, product_id="p")))
            if day % 3 == 0:
                order = event(len(orders), who, "Order Completed", ms, order_id=f"{who}-{day}", total=10.0)
                orders.append(named(f"o-{who}-{day}", order))
    return [clicks, orders, []]


def named(message: str, record: Fetched) -> Fetched:
    return record._replace(value=orjson.dumps({**orjson.loads(record.value or b""), "messageId": message}))


def run(unit: Unit, records: list[list[Fetched]]) -> None:
    for source, some in enumerate(records):
        if some:
            unit.offer(source, some, len(some))
        else:
            unit.idle(source, 0, 0)
    while unit.pump(NOW):
        pass


def commit(settings: Settings, partition: int, offsets: dict[int, int]) -> None:
    consumer = KafkaConsumer(**kafka_python_options(settings), group_id=settings.app_id, enable_auto_commit=False)
    places = {TopicPartition(INPUTS[source], partition): offset for source, offset in offsets.items()}
    consumer.assign(list(places))
    consumer.commit({place: OffsetAndMetadata(offset, "", -1) for place, offset in places.items()})
    consumer.close()


def restored(settings: Settings) -> list[Unit]:
    """What workers would find."""
    units = []
    with admin_client(settings) as client:
        told = client.list_group_offsets({settings.app_id: None}).get(settings.app_id, {})
    for partition in range(settings.partitions):
        unit = Unit(partition, options(settings))
        asyncio.run(read_changelog(settings, partition, unit.restore, committed=False))
        places = [TopicPartition(name, partition) for name in INPUTS]
        unit.ready({n: told[place].offset if place in told else -1 for n, place in enumerate(places)})
        units.append(unit)
    return units


def rows(units: list[Unit]) -> dict[bytes, tuple[bytes, ...]]:
    """Of each customer what is stored, without the offsets."""
    found = {}
    for unit in units:
        profiles = unit.engine.profiles
        for key, number in profiles.index.items():
            row = profiles.rows[number : number + 1].copy()
            row["applied"], row["inside"] = -1, 0
            found[key] = tuple(row[name].tobytes() for name, *_ in profiles.layout._stored())
    return found


@pytest.mark.broker
def test_out_and_in_again(fresh_broker: Any, tmp_path: Path) -> None:
    """An export imported elsewhere is the same state at the same offsets; over more partitions, the same customers."""
    settings = settings_of(fresh_broker.address, "before", 2)
    create(settings, wanted(settings, rule_names(settings)))
    before = lived(settings, 7)

    def state(app: str, partitions: int, *arguments: str) -> tuple[int, str]:
        environment = {"RECOMPRA_APP_ID": app, "RECOMPRA_PARTITIONS": str(partitions), "RECOMPRA_EXACTLY_ONCE": "off"}
        command = [*arguments, "--broker", fresh_broker.address]
        done = CliRunner().invoke(main, command, env=environment)
        return done.exit_code, done.output

    code, said = state("before", 2, "export", str(tmp_path / "out"), "--json")
    assert (code, json.loads(said)["customers"]) == (0, len(SHOPPERS)), said
    assert "holds an export already" in state("before", 2, "export", str(tmp_path / "out"))[1]

    code, said = state("before", 2, "whatis", "c3")
    held = json.loads(said)
    assert (code, held["customer_id"], held["profile"]["revenue"], len(held["profile"]["orders"])) == (0, "c3", 30.0, 3)
    counts = {name: told["count"] for name, told in held["profile"]["events"].items()}
    assert counts == {"product_viewed": 7, "order_completed": 3, "visited": 7, "any": 10}
    assert {"orders", "actions-withheld"} <= set(held["also_on"])
    assert "nothing is held of 'nobody'" in state("before", 2, "whatis", "nobody")[1]

    chain = [(LINK + b"guest", unread(b"account")), (LINK + b"account", unread(b"c3"))]
    asyncio.run(moving._write(settings, partition_of(b"c3", 2), chain))
    assert json.loads(state("before", 2, "whatis", "c3")[1])["former_ids"] == ["account", "guest"]
    asyncio.run(moving._write(settings, partition_of(b"c3", 2), [(key, None) for key, _ in chain]))

    same = settings_of(fresh_broker.address, "same", 2)
    assert state("same", 2, "import", str(tmp_path / "out"))[0] == 0
    found = restored(same)
    assert rows(found) == rows(before)
    assert [unit._next for unit in found] == [unit._next for unit in before]
    assert "holds state already" in state("same", 2, "import", str(tmp_path / "out"))[1]
    assert state("same", 2, "import", str(tmp_path / "out"), "--replace")[0] == 0
    assert rows(restored(same)) == rows(before)

    assert "say where to read on" in state("other", 3, "import", str(tmp_path / "out"))[1]
    (tmp_path / "out" / "1.rows").write_bytes((tmp_path / "out" / "1.rows").read_bytes()[:-1])
    assert "cannot be used" in state("torn", 2, "import", str(tmp_path / "out"))[1]

    with KafkaProducer(**kafka_python_options(settings)) as producer:
        producer.send(transfers_topic(settings), b"", key=b"c1", partition=1).get(10)
    assert "on their way between partitions (1 transfers)" in state("before", 2, "export", str(tmp_path / "late"))[1]
    former, owner = (next(who.encode() for who in SHOPPERS if partition_of(who.encode(), 2) == p) for p in (0, 1))
    asyncio.run(moving._write(settings, 0, [(LINK + former, unread(owner))]))  # and its history is not sent yet
    assert "on their way between partitions (2 transfers)" in state("before", 2, "export", str(tmp_path / "later"))[1]


@pytest.mark.broker
def test_over_more_partitions(fresh_broker: Any, tmp_path: Path) -> None:
    """Customers dealt out over three partitions are the same, each on its own, and what is read again counts once."""
    settings = settings_of(fresh_broker.address, "before", 2)
    create(settings, wanted(settings, rule_names(settings)))
    before = lived(settings, 7)
    guest = next(guest for n in range(99) if partition_of(guest := b"g%d" % n, 3) == 1 == partition_of(guest, 2))
    owner = next(who.encode() for who in SHOPPERS if partition_of(who.encode(), 3) == 2)
    asyncio.run(moving._write(settings, 1, [(LINK + guest, unread(owner))]))
    moving.export_state(settings, tmp_path / "out")
    three = load(broker=fresh_broker.address, app_id="three", partitions=3, exactly_once="off").settings
    with admin_client(settings) as client:
        client.delete_topics(["deletions"])
    names = {changelog_topic(three), transfers_topic(three), "deletions"}
    specs = [spec for spec in wanted(three, rule_names(three)) if spec.name in names]
    create(three, specs)
    # The inputs of another cluster: three partitions, empty at first.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(moving, "offsets_at", lambda *_: {p: dict.fromkeys(INPUTS, 0) for p in range(3)})
        patch.setattr(moving, "_check_offsets", lambda *_: None)
        patch.setattr(moving, "check_partitions", lambda *_: None)
        moving.import_state(three, tmp_path / "out", place="beginning")
    found = restored(three)
    assert [unit.engine.links.owner for unit in found] == [{}, {guest: owner}, {guest: owner}]
    assert found[2].engine.profiles.index.pop(guest) == found[2].engine.profiles.find(owner)
    assert rows(found) == rows(before)
    for partition, unit in enumerate(found):
        assert all(partition_of(key, 3) == partition for key in unit.engine.profiles.index)
    own = [who for who in SHOPPERS if partition_of(who.encode(), 3) == 1]
    run(found[1], of_shoppers(own, 2, first=5))  # the last two days come again under other offsets, and count once
    assert own
    assert found[1].status().counts.duplicate == found[1].status().counts.total() == 3 * len(own)


@pytest.mark.broker
def test_beginning_again(fresh_broker: Any) -> None:
    """After a reset there is nobody, and reading begins where it was said; not while a worker runs, not unasked."""
    settings = settings_of(fresh_broker.address, "before", 2)
    create(settings, wanted(settings, rule_names(settings)))
    lived(settings, 4)

    def reset(*arguments: str, typed: str | None = None) -> tuple[int, str]:
        environment = {"RECOMPRA_APP_ID": "before", "RECOMPRA_PARTITIONS": "2", "RECOMPRA_EXACTLY_ONCE": "off"}
        command = ["reset", *arguments, "--broker", fresh_broker.address]
        done = CliRunner().invoke(main, command, env=environment, input=typed)
        return done.exit_code, done.output

    assert "nothing was done" in reset("--to", "beginning", typed="other\n")[1]
    assert rows(restored(settings))
    code, said = reset("--to", "latest", typed="before\n")
    assert code == 0, said
    found = restored(settings)
    assert rows(found) == {}
    records = [of_shoppers([w for w in SHOPPERS if partition_of(w.encode(), 2) == p], 4) for p in (0, 1)]
    assert [unit._next for unit in found] == [[*map(len, each), 0, 0] for each in records]
    code, said = reset("--to", "beginning", "--yes")
    assert code == 0, said
    assert [unit._next for unit in restored(settings)] == [[0] * 5, [0] * 5]


@pytest.mark.parametrize(
    "broker",
    [pytest.param("fresh_broker", marks=pytest.mark.broker), pytest.param("kafka_broker", marks=pytest.mark.kafka)],
)
def test_a_group_that_was_never_there_is_not_in_the_way(
    broker: str, request: pytest.FixtureRequest, unique: Callable[[str], str]
) -> None:
    """Where no worker has ever run, none runs, though the coordinator may only begin as it is asked."""
    check_stopped(load(broker=request.getfixturevalue(broker).address, app_id=unique("app")).settings)


@pytest.mark.kafka
def test_a_running_worker_is_in_the_way(kafka_broker: Any, unique: Callable[[str], str]) -> None:
    """While the group has a member, nothing is deleted."""
    settings = load(broker=kafka_broker.address, app_id=unique("app"), partitions=1).settings
    (spec,) = (spec for spec in wanted(settings, ()) if spec.name == "scores")
    topic = replace(spec, name=unique("input"), partitions=1)
    create(settings, [topic])
    options = {
        **kafka_python_options(settings),
        "metadata_max_age_ms": 500,
    }  # a topic just made may not be told at once
    member = KafkaConsumer(topic.name, **options, group_id=settings.app_id)
    try:
        give_up = time.monotonic() + 300
        while not member.assignment() and time.monotonic() < give_up:
            member.poll(timeout_ms=100)
        assert member.assignment()
        with pytest.raises(StillRunningError, match=r"workers of .* run .*; stop them first"):
            moving.reset_state(settings, "beginning")
    finally:
        member.close()


@pytest.mark.broker
def test_a_partition_on_which_nothing_ever_was_is_not_in_the_way(fresh_broker: Any, tmp_path: Path) -> None:
    """A small shop has few customers and more partitions: the others move; what was lost is not taken for that."""
    settings = settings_of(fresh_broker.address, "before", 16)
    create(settings, wanted(settings, rule_names(settings)))
    before = [unit for unit in lived(settings, 3, empty=False) if len(unit.engine.profiles)]
    assert 1 < len(before) < 16
    manifest = moving.export_state(settings, tmp_path / "out")
    assert manifest.customers == len(SHOPPERS)
    other = settings_of(fresh_broker.address, "same", 16)
    create(other, [spec for spec in wanted(other, ()) if spec.name in (changelog_topic(other), transfers_topic(other))])
    moving.import_state(other, tmp_path / "out")
    assert rows(restored(other)) == rows(before)
    moving.import_state(other, tmp_path / "out", replace=True, place="beginning")
    assert rows(restored(other)) == rows(before)

    empty = next(iter({*range(16)} - {partition_of(who.encode(), 16) for who in SHOPPERS}))
    commit(settings, empty, {CLICKS: 1})
    with pytest.raises(moving.MoveRefusedError, match=f"no state of partition {empty}, of which offsets"):
        moving.export_state(settings, tmp_path / "lost")

"""Topics on a real broker: created as described, checked, listed."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from kafka.admin import ConfigResource, ConfigResourceType

from schemas.topics import TopicSpec
from streams.cli.main import main
from streams.connection import admin_client
from streams.settings import Settings
from streams.settings_sources import load
from streams.topics import check, create, found, rule_names, wanted

BROKERS = [
    pytest.param("embedded_broker", marks=pytest.mark.broker),
    pytest.param("kafka_broker", marks=pytest.mark.kafka),
]
"""Every test here holds on both, on the same statements."""


@pytest.fixture(params=BROKERS)
def plan(request: pytest.FixtureRequest, unique: Callable[[str], str]) -> tuple[Settings, tuple[TopicSpec, ...]]:
    """Settings for a broker, and the topics of an application, under names of this test's own."""
    settings = load(broker=request.getfixturevalue(request.param).address, partitions=3).settings
    return settings, tuple(replace(spec, name=unique(spec.name)) for spec in wanted(settings, rule_names(settings)))


def test_created_topics_are_as_described(plan: tuple[Settings, tuple[TopicSpec, ...]]) -> None:
    """What `create` makes, `check` finds right: partitions, clean-up, retention, timestamp type."""
    settings, specs = plan
    done = create(settings, specs)
    assert (set(done.made), done.existed, done.without_configs) == ({spec.name for spec in specs}, (), ())
    there = found(settings, [spec.name for spec in specs])
    assert check(specs, there) == ()
    assert {topic.name: topic.partitions for topic in there} == {spec.name: spec.partitions for spec in specs}


def test_creating_again_leaves_what_is_there(plan: tuple[Settings, tuple[TopicSpec, ...]]) -> None:
    """A second `create` makes only what is missing, and changes no topic that differs."""
    settings, specs = plan
    create(settings, [replace(specs[0], partitions=1)])
    done = create(settings, specs[:3])
    assert (done.made, done.existed) == (tuple(spec.name for spec in specs[1:3]), (specs[0].name,))
    (difference,) = check(specs[:3], found(settings, [spec.name for spec in specs[:3]]))
    assert (difference.topic, difference.what, difference.found) == (specs[0].name, "partitions", "1")


@pytest.mark.kafka
def test_a_changed_configuration_is_found(kafka_broker: Any, unique: Callable[[str], str]) -> None:
    """A retention that somebody changed on Apache Kafka is told with both values."""
    settings = load(broker=kafka_broker.address).settings
    (spec,) = (replace(one, name=unique("orders")) for one in wanted(settings, ()) if one.name == "orders")
    create(settings, [spec])
    with admin_client(settings) as client:
        client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, spec.name, {"retention.ms": "60000"})])
    (difference,) = (one for one in check([spec], found(settings, [spec.name])) if one.what == "retention.ms")
    assert (difference.wanted, difference.found) == (str(spec.retention_ms), "60000")


@pytest.mark.broker
def test_the_commands(fresh_broker: Any) -> None:
    """`topics check` fails before `create` and not after; `create` may be run again; `list` tells what is there."""
    broker = ["--broker", fresh_broker.address]

    def run(*arguments: str) -> tuple[int, str, str]:
        done = CliRunner().invoke(main, ["topics", *arguments])
        return done.exit_code, done.stdout, done.stderr

    code, said, _ = run("check", *broker)
    assert code == 1
    assert "recompra topics create" in said
    code, said, aside = run("create", *broker, "--partitions", "2")
    assert (code, "orders" in said.splitlines(), "0 already there" in aside) == (0, True, True)
    code, said, aside = run("create", *broker, "--partitions", "2")
    assert (code, said, "0 created" in aside) == (0, "", True)
    code, said, aside = run("check", *broker, "--partitions", "2")
    assert (code, said, "as they should be" in aside) == (0, "", True)
    code, said, _ = run("check", *broker, "--json")
    assert code == 1
    assert {(one["topic"], one["wanted"], one["found"]) for one in json.loads(said)} >= {("orders", "4", "2")}
    code, said, _ = run("list", *broker, "--json")
    listed = {one["name"]: one for one in json.loads(said)}
    assert (code, listed["scores"]["on_broker"], listed["scores"]["cleanup"]) == (0, True, "compact")
    code, said, _ = run("list", "--no-broker")
    assert code == 0
    assert len(said.splitlines()) == len(listed) + 1, "a line a topic, and the heading"


OF_PARTITIONS = ["whatis c", "forget c --yes", "export DIR", "reset --to beginning --yes", "replay --into again",
                 "shop", "trainer"]  # fmt: skip


@pytest.mark.broker
def test_commands_want_the_topics_that_the_settings_say(fresh_broker: Any, tmp_path: Path) -> None:
    """With none, or of another number of partitions, a command ends at once: it would look for customers elsewhere."""

    def run(command: str, **environment: str) -> tuple[int, str]:
        arguments = [str(tmp_path / "out") if word == "DIR" else word for word in command.split()]
        done = CliRunner().invoke(main, [*arguments, "--broker", fresh_broker.address], env=environment)
        return done.exit_code, done.output

    for command in (*OF_PARTITIONS, "lag", "dlq list"):
        code, said = run(command)
        assert (code, "topics are missing on" in said, "recompra topics create" in said) == (1, True, True), said
    assert run("topics create", RECOMPRA_PARTITIONS="2")[0] == 0
    for command in OF_PARTITIONS:
        code, said = run(command, RECOMPRA_PARTITIONS="3")
        assert (code, "partitions is 3" in said, "RECOMPRA_PARTITIONS" in said) == (1, True, True), said
    for command in ("diff noon", "digest noon"):
        code, said = run(command, RECOMPRA_PARTITIONS="2")
        assert (code, "there is no replay 'noon'" in said) == (1, True), said
    code, said = run("replay --into noon --partition 0 --partition 2", RECOMPRA_PARTITIONS="2")
    assert (code, "2 is none of 0 to 1" in said) == (2, True), said
    assert not [topic for topic in found(load(broker=fresh_broker.address).settings) if topic.name.startswith("noon")]
    assert not (tmp_path / "out").exists()

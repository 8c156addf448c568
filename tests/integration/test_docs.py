"""The documents: what they show runs, and what they name exists."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaProducer

from schemas.topics import load_topics
from scoring.gates import GATES
from scoring.rules import shipped
from scoring.rules.carry import CARRY_WORDS
from scoring.rules.shipped import SHIPPED
from streams.cli.main import _COMMANDS
from streams.gate_settings import GateFields
from streams.settings import ENV_PREFIX, Settings
from streams.settings_sources import OUTSIDE, is_secret, load
from streams.topics import create, rule_names, wanted

ROOT = Path(__file__).resolve().parents[2]
DOCS = {path.name: path.read_text() for path in sorted((ROOT / "docs").glob("*.md"))}
EXAMPLES = ROOT / "schemas" / "examples" / "actions-rule" / "valid"


@pytest.mark.broker
def test_the_consumer_of_the_documents_gets_actions(fresh_broker: Any) -> None:
    """The Python program of docs/consumers.md, as it stands, acts on what is entered and on what is left."""
    (program,) = re.findall(r"```python\n(.*?)```", DOCS["consumers.md"], re.DOTALL)
    assert program.count("127.0.0.1:9092") == 1
    settings = load(broker=fresh_broker.address, partitions=1).settings
    create(settings, wanted(settings, rule_names(settings)))
    action = json.loads(sorted(EXAMPLES.glob("*.json"))[0].read_text())
    with KafkaProducer(bootstrap_servers=fresh_broker.address) as producer:
        for crossing in ("entered", "left"):
            action["data"]["crossing"] = crossing
            producer.send("actions-win-back", json.dumps(action).encode(), key=b"c-1042")
    code = program.replace("127.0.0.1:9092", fresh_broker.address)
    with subprocess.Popen([sys.executable, "-u", "-c", code], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            first, second = process.stdout.readline(), process.stdout.readline()
        finally:
            process.kill()
    customer = action["data"]["customer_id"]
    assert first.startswith(f"write to {customer} about")
    assert first.strip().endswith(action["id"])
    assert second == f"stop writing to {customer}\n"


@pytest.mark.parametrize("name", DOCS)
def test_documents_name_what_exists(name: str) -> None:
    """Every command, setting and topic that a document names is one."""
    text = DOCS[name]
    assert set(re.findall(r"\brecompra ([a-z]+)\b(?= |`|$)", text)) <= set(_COMMANDS)
    variables = {ENV_PREFIX + field.upper() for field in Settings.model_fields} | OUTSIDE
    files = {f"{ENV_PREFIX}{name.upper()}_FILE" for name in Settings.model_fields if is_secret(name)}
    assert set(re.findall(r"\bRECOMPRA_[A-Z_]+\b", text)) <= variables | files
    topics = {spec.name for spec in wanted(load().settings, rule_names(load().settings))}
    topics |= {f"{shadow}-{topic}" for shadow in re.findall(r"--into ([a-z-]+)", text) for topic in topics}
    for topic in re.findall(r"(?:recompra tail|kcat .*-t) ([a-z-]+)", text):
        assert topic in topics
    for path in re.findall(r"`((?:deploy|schemas|docs)/[^`]+)`", text):
        assert (ROOT / path).exists(), path


def test_every_field_and_reason_is_explained() -> None:
    """docs/consumers.md explains every field of an action, every gate and every rule that comes along."""
    text = DOCS["consumers.md"]
    schema = json.loads((ROOT / "schemas/json/action.v1.schema.json").read_text())
    fields = set(re.findall(r"`([a-z0-9_-]+)`", text))
    assert set(schema["properties"]["data"]["properties"]) <= fields
    content = json.loads((ROOT / "schemas/json/content.v1.schema.json").read_text())
    assert set(content["properties"]["data"]["properties"]) <= fields
    assert set(GATES) <= fields
    assert {f"actions-{rule}" for rule in SHIPPED} <= fields
    assert {spec.name for spec in load_topics() if spec.name in ("scores", "audiences", "content")} <= fields


def test_each_detail_names_the_rules_that_carry_it() -> None:
    """docs/consumers.md tells of each of the details which of the rules that come along ask for it."""
    (section,) = re.findall(r"^### Details$(.*?)^## ", DOCS["consumers.md"], re.MULTILINE | re.DOTALL)
    section = section.replace("`onboarding-1` to `-3`", "`onboarding-1`, `onboarding-2`, `onboarding-3`")
    rows = re.findall(r"^\| `([a-z]+)[a-z_`, ]* \|.* \| (.*) \|$", section, re.MULTILINE)
    told = {field: set(re.findall("`([a-z0-9-]+)`", rules)) - {"step"} for field, rules in rows}
    asked: dict[str, set[str]] = {field: set() for field in told}
    for rule in shipped().rules:
        for word in set(rule.carries) - {"products", "reasons", "favourite", "category"}:
            field = word.split("_")[0] if word in CARRY_WORDS - {"tier_rank", "worth_rank"} else "figures"
            asked[field].add(rule.name)
    assert told.pop("order") == set(), "in words"
    assert asked.pop("order") == {rule.name for rule in shipped().rules if rule.for_each == "order"}
    assert told == asked


def test_every_gate_and_its_settings_are_explained() -> None:
    """docs/gates.md has a row for each gate, in their order, names each setting, and the defaults that are in force."""
    text = DOCS["gates.md"]
    named = re.findall(r"^\| `([a-z_]+)` \|", text, re.MULTILINE)
    assert [code for code in named if code in GATES] == [code for code in GATES if code != "entry_withheld"]
    assert "`entry_withheld`" in text
    for field in GateFields.model_fields:
        assert f"`{field}`" in text, field
    told = re.findall(r"`([a-z_]+)` \((\d[\d.]*)\)", text)
    defaults = {field: float(default) for field, default in told if field in Settings.model_fields}
    assert len(defaults) >= 8
    assert {field: Settings.model_fields[field].default for field in defaults} == defaults

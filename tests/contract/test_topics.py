"""Topics, schemas, Structs and examples: nothing is missing, nothing is left over, and they say the same."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import click
import jsonschema
import orjson
import pytest
import yaml

from schemas.accepted import STRUCTS, refused
from schemas.documents import document, document_names
from schemas.timestamp import to_ms
from schemas.topics import TopicSpec, load_topics
from streams.cli.main import main
from streams.cloud_event import headers_of, is_event

EXAMPLES = Path(str(files("schemas") / "examples"))
TOPICS = {spec.file: spec for spec in load_topics()}
REFUSALS = yaml.safe_load((EXAMPLES / "refusals.yaml").read_text(encoding="utf-8"))
LEAST = 3
"""Examples of each sort that a topic must have."""


def calendar() -> jsonschema.FormatChecker:
    """Check `date-time` against the calendar, as a reader of times would."""
    checker = jsonschema.FormatChecker(formats=())

    @checker.checks("date-time", raises=ValueError)
    def _exists(value: object) -> bool:
        return not isinstance(value, str) or bool(to_ms(value) or True)

    return checker


def validator(name: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(document(name), format_checker=calendar())


def read(payload: bytes) -> Any:
    """Read JSON as RFC 8259 has it: no NaN, and no number that a double cannot hold."""

    def number(text: str) -> float:
        if abs(float(text)) == float("inf"):
            raise ValueError(text)
        return float(text)

    def constant(text: str) -> None:
        raise ValueError(text)

    return json.loads(payload, parse_float=number, parse_constant=constant)


def valid_by_schema(name: str, payload: bytes) -> bool:
    try:
        value = read(payload)
    except ValueError:
        return False
    return bool(validator(name).is_valid(value))


@dataclass(frozen=True)
class Found:
    """What lies in the repository: names of documents and Structs, and of examples by topic and sort."""

    documents: frozenset[str]
    structs: frozenset[str]
    examples: Mapping[str, Mapping[str, frozenset[str]]]
    refusals: Mapping[str, frozenset[str]]


def here() -> Found:
    examples = {
        folder.name: {
            sort.name: frozenset(file.name for file in sort.iterdir()) for sort in folder.iterdir() if sort.is_dir()
        }
        for folder in EXAMPLES.iterdir()
        if folder.is_dir() and not folder.name.startswith("__")
    }
    return Found(
        frozenset(document_names()),
        frozenset(STRUCTS),
        examples,
        {stem: frozenset(cases) for stem, cases in REFUSALS.items()},
    )


def faults(topics: Iterable[TopicSpec], found: Found) -> set[str]:
    """Return what is missing or left over, one line each."""
    topics = tuple(topics)
    stems = {spec.file for spec in topics}
    values = {spec.value for spec in topics}
    told = {f"topic {spec.file}: no schema {spec.value}" for spec in topics if spec.value not in found.documents}
    told |= {f"topic {spec.file}: no Struct for {spec.value}" for spec in topics if spec.value not in found.structs}
    told |= {f"schema {name}: on no topic" for name in found.documents - values}
    told |= {f"Struct for {name}: no such schema" for name in found.structs - found.documents}
    told |= {f"examples {stem}: no such topic" for stem in found.examples.keys() - stems}
    for stem in stems:
        sorts = found.examples.get(stem, {})
        for sort in ("valid", "invalid"):
            names = sorts.get(sort, frozenset())
            if len(names) < LEAST:
                told.add(f"topic {stem}: fewer than {LEAST} {sort} examples")
            told |= {f"example {stem}/{sort}/{n}: is not .json" for n in names if not n.endswith(".json")}
        told |= {f"examples {stem}/{sort}: neither valid nor invalid" for sort in sorts.keys() - {"valid", "invalid"}}
        invalid = {name.removesuffix(".json") for name in sorts.get("invalid", ())}
        expected = found.refusals.get(stem, frozenset())
        told |= {f"example {stem}/invalid/{name}: no expected refusal" for name in invalid - expected}
        told |= {f"refusal {stem}/{name}: no such example" for name in expected - invalid}
    return told


def test_nothing_is_missing_or_left_over() -> None:
    """Every topic has its schema, Struct and examples of both sorts, and nothing else lies about."""
    assert faults(TOPICS.values(), here()) == set()


@pytest.mark.parametrize("what", ["documents", "structs", "examples", "refusals"])
def test_orphans_are_found(what: str) -> None:
    """A schema, Struct, folder of examples or expected refusal that belongs to nothing is told."""
    found = here()
    extra = Found(
        found.documents | ({"orphan.v1"} if what == "documents" else set()),
        found.structs | ({"orphan.v1"} if what == "structs" else set()),
        {**found.examples, **({"orphan": {}} if what == "examples" else {})},
        {**found.refusals, **({"orders": found.refusals["orders"] | {"orphan"}} if what == "refusals" else {})},
    )
    assert len(faults(TOPICS.values(), extra)) == 1


@pytest.mark.parametrize("stem", sorted(TOPICS))
def test_gaps_are_found(stem: str) -> None:
    """A topic without its examples is told, for both sorts."""
    found = here()
    less = Found(
        found.documents,
        found.structs,
        {name: sorts for name, sorts in found.examples.items() if name != stem},
        {name: cases for name, cases in found.refusals.items() if name != stem},
    )
    assert len(faults(TOPICS.values(), less)) == 2


def examples(sort: str) -> list[Any]:
    return [
        pytest.param(stem, file, id=f"{stem}/{file.stem}")
        for stem in sorted(TOPICS)
        for file in sorted((EXAMPLES / stem / sort).iterdir())
    ]


@pytest.mark.parametrize(("stem", "file"), examples("valid"))
def test_a_valid_example_is_accepted_by_schema_and_struct(stem: str, file: Path) -> None:
    """The JSON Schema and the Struct both take what stands as valid."""
    payload = file.read_bytes()
    validator(TOPICS[stem].value).validate(read(payload))
    assert refused(TOPICS[stem].value, payload) is None


@pytest.mark.parametrize("stem", sorted(TOPICS))
def test_who_writes_and_reads_a_topic_is_somebody(stem: str) -> None:
    """Where it is one of our programs it is named by the command that runs it, each by itself."""
    told = [*TOPICS[stem].written_by, *TOPICS[stem].read_by]
    ours = [who.removeprefix("recompra ") for who in told if who.startswith("recompra ")]
    commands = set(main.list_commands(click.Context(main)))
    assert set(ours) <= commands
    assert not {who.split()[0] for who in told} & commands


def test_what_the_shop_reads_and_writes_says_so() -> None:
    """`recompra shop` runs for as long as the workers do, and has its own group."""
    reads = {stem for stem, spec in TOPICS.items() if "recompra shop" in spec.read_by}
    writes = {stem for stem, spec in TOPICS.items() if "recompra shop" in spec.written_by}
    assert (reads, writes) == (
        {"clickstream", "orders", "deletions", "products", "shop-state"},
        {"products", "shop-state"},
    )


def test_an_event_names_its_schema_by_a_uri_and_is_known_by_how_it_begins() -> None:
    """As CloudEvents' SDKs ask for; whatever else is written has no header that calls it one."""
    events = 0
    for stem, file in (each.values for each in examples("valid")):
        told = json.loads(file.read_bytes())
        written, name = orjson.dumps(told), f"urn:recompra:{TOPICS[stem].value}"
        assert is_event(written) == ("dataschema" in told) == bool(headers_of(written)), file
        assert told.get("dataschema", name) == name, file
        events += "dataschema" in told
    assert events > 50


@pytest.mark.parametrize(("stem", "file"), examples("invalid"))
def test_an_invalid_example_is_refused_by_schema_and_struct_for_its_reason(stem: str, file: Path) -> None:
    """The JSON Schema refuses it, and the Struct does with the field and code that the index expects."""
    payload = file.read_bytes()
    assert not valid_by_schema(TOPICS[stem].value, payload)
    refusal = refused(TOPICS[stem].value, payload)
    assert refusal is not None
    assert {"field": refusal.field, "code": refusal.code} == REFUSALS[stem][file.stem]


@pytest.mark.parametrize("name", document_names())
def test_a_schema_is_itself_valid(name: str) -> None:
    """Each JSON Schema is one of draft 2020-12, under its own name, and uses no keyword that is misspelt."""
    schema = document(name)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$id"] == name
    assert unknown_keywords(schema) == set()


def unknown_keywords(schema: Any) -> set[str]:
    """A misspelt keyword would enforce nothing and be seen by nobody."""
    if not isinstance(schema, dict):
        return set()
    found = set(schema) - KEYWORDS
    for keyword in ("properties", "$defs"):
        for each in schema.get(keyword, {}).values():
            found |= unknown_keywords(each)
    for keyword in ("anyOf", "oneOf", "allOf", "prefixItems"):
        for each in schema.get(keyword, ()):
            found |= unknown_keywords(each)
    for keyword in ("items", "additionalProperties", "if", "then", "else", "not"):
        found |= unknown_keywords(schema.get(keyword))
    return found


KEYWORDS = {
    *("$schema", "$id", "$ref", "$defs", "$comment", "title", "description", "type", "const", "enum"),
    *("required", "properties", "additionalProperties", "items", "prefixItems", "minItems", "maxItems"),
    *("minLength", "maxLength", "pattern", "format", "minimum", "maximum", "exclusiveMinimum"),
    *("anyOf", "oneOf", "allOf", "if", "then", "else", "not"),
}


def test_a_misspelt_keyword_is_found() -> None:
    """The check above sees a keyword that no validator knows, wherever it stands."""
    assert unknown_keywords({"properties": {"a": {"minLenght": 1}}}) == {"minLenght"}

"""JSON Schema and Struct accept and refuse the same values, whatever the values are."""

import copy
import json
from functools import cache
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from schemas import accepted
from schemas.accepted import refused
from schemas.documents import document, document_names
from schemas.names import CALL_KINDS, EVENT_KINDS
from schemas.timestamp import PATTERN, to_ms

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
TIMES = st.datetimes().map(lambda when: when.isoformat(timespec="milliseconds") + "Z")
# Whole numbers written with a point (`5.0`) are left out: JSON Schema calls them integers, decoders do not.
JUNK = st.sampled_from([None, "", "x", 0, -1, 7, 0.5, -0.25, True, False, [], {}, [None], {"x": 1}, "2024-02-30"])
EVENTS = st.sampled_from(sorted(EVENT_KINDS)).flatmap(
    lambda name: st.sampled_from([name, name.title(), name.upper(), f" {name}\t", f"{name}s"])
)
CALLS = st.sampled_from(["track", "track", "track", *CALL_KINDS, "group", "Track", ""])


def values(schema: Any, root: Any, place: str = "") -> st.SearchStrategy[Any]:
    """Values of a schema, conditions between fields aside."""
    if schema is True:
        return JSON
    if "$ref" in schema:
        return values(root["$defs"][schema["$ref"].rsplit("/", 1)[1]], root, place)
    if "const" in schema:
        return st.just(schema["const"])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if "type" not in schema:
        return st.one_of([values(each, root, place) for each in schema.get("anyOf") or schema["oneOf"]])
    if root["$id"] == "segment-event.v1" and place in ("event", "type"):
        return EVENTS if place == "event" else CALLS
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    return st.one_of([PLAIN[kind](schema, root) for kind in types])


def objects(schema: Any, root: Any) -> st.SearchStrategy[Any]:
    fields = {name: values(each, root, name) for name, each in schema.get("properties", {}).items()}
    required = set(schema.get("required", ()))
    more = schema.get("additionalProperties", True)
    known = st.fixed_dictionaries(
        {name: each for name, each in fields.items() if name in required},
        optional={name: each for name, each in fields.items() if name not in required},
    )
    if more is False:
        return known
    names = TEXT.filter(lambda name: name not in fields)
    others = st.dictionaries(names, JSON if more is True else values(more, root), max_size=2)
    return st.builds(lambda a, b: {**b, **a}, known, others)


def arrays(schema: Any, root: Any) -> st.SearchStrategy[Any]:
    if "prefixItems" in schema:
        return st.tuples(*(values(each, root) for each in schema["prefixItems"])).map(list)
    return st.lists(values(schema["items"], root), min_size=schema.get("minItems", 0), max_size=3)


def strings(schema: Any, root: Any) -> st.SearchStrategy[str]:
    if "pattern" in schema and (schema["pattern"] == PATTERN or "T[0-9]{2}" in schema["pattern"]):
        return TIMES
    if "pattern" in schema:
        return st.from_regex(schema["pattern"], fullmatch=True).filter(lambda text: not text.endswith("\n"))
    least, most = schema.get("minLength", 0), min(schema.get("maxLength", 8), 8)
    return st.text(st.characters(exclude_categories=["Cs"]), min_size=least, max_size=most)


def integers(schema: Any, root: Any) -> st.SearchStrategy[int]:
    return st.integers(schema.get("minimum", -(2**53)), schema.get("maximum", 2**53))


def numbers(schema: Any, root: Any) -> st.SearchStrategy[float]:
    least = schema.get("minimum", schema.get("exclusiveMinimum"))
    real = st.floats(
        least,
        schema.get("maximum"),
        exclude_min="exclusiveMinimum" in schema,
        allow_nan=False,
        allow_infinity=False,
    )
    return real | real.filter(lambda x: abs(x) < 2**53).map(int).filter(
        lambda x: "exclusiveMinimum" not in schema or x > schema["exclusiveMinimum"]
    )


PLAIN: dict[str, Any] = {
    "object": objects,
    "array": arrays,
    "string": strings,
    "integer": integers,
    "number": numbers,
    "boolean": lambda schema, root: st.booleans(),
    "null": lambda schema, root: st.none(),
}


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """All paths within a value, its own left out."""
    inner: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for step, each in inner for found in ((*path, step), *places(each, (*path, step)))]


@st.composite
def nearly(draw: st.DrawFn, plain: st.SearchStrategy[Any]) -> Any:
    """Values that were valid until something in them was taken away, added or replaced."""
    value = copy.deepcopy(draw(plain))
    for _ in range(draw(st.sampled_from([0, 1, 1, 1, 2]))):
        paths = places(value)
        if not paths:
            break
        path = draw(st.sampled_from(paths))
        parent = value
        for step in path[:-1]:
            parent = parent[step]
        change = draw(st.sampled_from(["drop", "replace", "replace", "add"]))
        if change == "drop":
            del parent[path[-1]]
        elif change == "replace":
            parent[path[-1]] = draw(JUNK)
        elif isinstance(parent, dict):
            parent[draw(TEXT)] = draw(JUNK)
    return value


@cache
def validator(name: str) -> jsonschema.Draft202012Validator:
    checker = jsonschema.FormatChecker(formats=())
    checker.checks("date-time", raises=ValueError)(lambda text: not isinstance(text, str) or to_ms(text) is not None)
    return jsonschema.Draft202012Validator(document(name), format_checker=checker)


def disagreement(name: str) -> set[bool]:
    """Fail where schema and Struct disagree on a value; return what they agreed on."""
    outcomes: set[bool] = set()

    # A disagreement is told as it was found: to shrink it takes ten times as long.
    @settings(
        max_examples=60,
        suppress_health_check=list(HealthCheck),
        database=None,
        phases=[Phase.explicit, Phase.generate],
    )
    @given(nearly(values(document(name), document(name))))
    def agree(value: Any) -> None:
        payload = json.dumps(value).encode()
        by_schema = validator(name).is_valid(value)
        refusal = refused(name, payload)
        assert by_schema == (refusal is None), f"schema {by_schema}, Struct {refusal}: {payload.decode()}"
        outcomes.add(by_schema)

    agree()
    return outcomes


@pytest.mark.parametrize("name", document_names())
def test_schema_and_struct_agree_on_any_value(name: str) -> None:
    """Values made from the schema, and such values changed, are accepted by both or refused by both."""
    assert disagreement(name) == {True, False}, "the values tell nothing apart"


def test_a_check_that_one_of_them_lacks_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the conditions between fields on the Struct's side, the two do not agree any more."""
    monkeypatch.setattr(accepted, "required", lambda kind, event: None)
    with pytest.raises(AssertionError, match="schema False, Struct None"):
        disagreement("segment-event.v1")


@pytest.mark.parametrize("name", document_names())
def test_what_the_schema_makes_it_accepts(name: str) -> None:
    """The values above start from valid ones: unchanged, they pass, but for conditions between fields."""
    accepted = 0
    tries = 120 if name == "segment-event.v1" else 30  # three of thirty met all its conditions

    @settings(max_examples=tries, suppress_health_check=list(HealthCheck), database=None)
    @given(values(document(name), document(name)))
    def passes(value: Any) -> None:
        nonlocal accepted
        accepted += validator(name).is_valid(value)
        if name != "segment-event.v1":
            validator(name).validate(value)

    passes()
    assert accepted > 3

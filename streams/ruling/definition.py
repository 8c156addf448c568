"""Definition: a rule as people write it, field by field, as it stands in YAML and in records of `rules`."""

from collections.abc import Mapping
from typing import Any

import yaml

from scoring.rules.reading import Overrides

__all__ = ["Definition", "as_yaml", "changes", "definitions_in", "with_parameters"]

Definition = dict[str, Any]
"""Fields by name, in the order in which they were written; `name` and `version` are among them."""

_WHOLE = ("version", "priority")
_TRUTHS = ("audience", "paused")
_WIDTH = 120


def definitions_in(text: str) -> list[Definition]:
    """The definitions of a file that `scoring.rules.read_rules` accepts, one a YAML document.

    Texts are kept as they are written, as the rules are read from them: `90m` stays `90m`.
    """
    # Only plain texts, lists and mappings are made: none of YAML's own types.
    documents = [document for document in yaml.load_all(text, Loader=yaml.BaseLoader) if document]
    return [{field: _typed(field, value) for field, value in document.items()} for document in documents]


def with_parameters(definition: Definition, overrides: Overrides) -> Definition:
    """The definition with parameters from the settings in place of its own."""
    given = overrides.get(str(definition["name"]), {})
    return {**definition, "parameters": {**definition["parameters"], **given}} if given else definition


def as_yaml(definition: Mapping[str, Any]) -> str:
    """The definition as one YAML document."""
    return yaml.dump(
        dict(definition), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDTH, default_flow_style=False
    )


def changes(before: Definition, after: Definition) -> dict[str, tuple[Any, Any]]:
    """What differs, by field and parameter (`parameters.quiet`), before and after; None is left out."""
    old, new = _flat(before), _flat(after)
    fields = [field for field in {**old, **new} if field not in ("name", "version")]
    return {field: (old.get(field), new.get(field)) for field in fields if old.get(field) != new.get(field)}


class _Dumper(yaml.SafeDumper):
    """Writes lists on one line, as in `carries: [reasons, cart]`."""


def _short_list(dumper: yaml.SafeDumper, items: list[Any]) -> yaml.Node:
    return dumper.represent_sequence("tag:yaml.org,2002:seq", items, flow_style=True)


_Dumper.add_representer(list, _short_list)


def _typed(field: str, value: Any) -> Any:
    if field == "parameters":
        return {name: _parameter(given) for name, given in value.items()}
    if field in _WHOLE:
        return int(value)
    if field in _TRUTHS:
        return value.strip() in ("true", "yes")
    return value.strip() if isinstance(value, str) else value


def _parameter(given: str | list[str]) -> Any:
    """The number or the numbers that stand there; durations stay as they are."""
    if isinstance(given, list):
        return [_parameter(each) for each in given]
    try:
        number = float(given)
    except ValueError:
        return given
    return int(number) if number.is_integer() else number


def _flat(definition: Definition) -> dict[str, Any]:
    flat = {field: value for field, value in definition.items() if field != "parameters"}
    return flat | {f"parameters.{name}": value for name, value in definition.get("parameters", {}).items()}

"""JSON Schemas: the documents that describe each topic's values, by name and version."""

import json
from functools import cache
from importlib.resources import files
from typing import Any

__all__ = ["document", "document_names"]

_SUFFIX = ".schema.json"


@cache
def document_names() -> tuple[str, ...]:
    """Return the names of all JSON Schemas, such as `score.v1`, sorted."""
    return tuple(
        sorted(
            entry.name.removesuffix(_SUFFIX)
            for entry in (files("schemas") / "json").iterdir()
            if entry.name.endswith(_SUFFIX)
        )
    )


def document(name: str) -> dict[str, Any]:
    """Return a JSON Schema (draft 2020-12) by name; each call reads it anew, so it may be changed.

    Raises
    ------
    KeyError
        If there is none of that name; the text lists those there are.
    """
    if name not in document_names():
        raise KeyError(f"no JSON Schema is named {name!r}; there are {', '.join(document_names())}")
    text = (files("schemas") / "json" / f"{name}{_SUFFIX}").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found

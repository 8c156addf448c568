"""Roles: what docs/data-engineers.md says that each must be allowed to do, as the ACLs of a broker."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from kafka.admin import (
    ACL,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    ResourcePattern,
    ResourceType,
)

__all__ = ["Right", "acls", "rights_of_roles"]

PAGE = Path(__file__).resolve().parents[2] / "docs" / "data-engineers.md"
COLUMNS = {1: ("read", ResourceType.TOPIC), 2: ("write", ResourceType.TOPIC)}


class Right(NamedTuple):
    """One operation on what has a name, or a beginning of names that ends with `*`."""

    operation: str
    kind: ResourceType
    name: str


def rights_of_roles(words: Mapping[str, Sequence[str]]) -> dict[str, list[Right]]:
    """The rights of each role of the page's table, by its first command; `words` says what stands for several names."""
    found: dict[str, list[Right]] = {}
    for line in re.findall(
        r"^\| (`.*) \|$", PAGE.read_text().partition("| role | reads |")[2].partition("\n\n")[0], re.M
    ):
        cells = [cell.strip() for cell in line.split("|")]
        role = re.findall(r"`([^`]+)`", cells[0])[0]
        more = found.get(role.split()[0], []) if "besides:" in line else []
        found[role] = [*more, *_rights(cells, words)]
    return found


def _rights(cells: Sequence[str], words: Mapping[str, Sequence[str]]) -> Iterator[Right]:
    for column, (operation, kind) in COLUMNS.items():
        yield from (Right(operation, kind, name) for name in _names(cells[column].removeprefix("besides:"), words))
    if cells[3]:
        operation, _, names = cells[3].partition(" ")
        yield from (Right(operation, ResourceType.GROUP, name) for name in _names(names, words))
    for part in filter(None, cells[4].split(";")):
        operation, kind, names = re.fullmatch(
            r"(create|delete|describe configs|describe|write)( transactional id|) (.*)", part.strip()
        ).groups()
        of = ResourceType.TRANSACTIONAL_ID if kind else ResourceType.TOPIC
        yield from (Right(operation, of, name) for name in _names(names, words))


def _names(cell: str, words: Mapping[str, Sequence[str]]) -> Iterator[str]:
    for part in filter(None, (part.strip() for part in cell.split(","))):
        quoted = re.fullmatch("`([^`]+)`", part)
        for name in [quoted[1]] if quoted else words[part]:
            yield re.sub("<([a-z_]+)>", lambda found: words[found[1]][0], name)


def acls(user: str, rights: Sequence[Right]) -> list[ACL]:
    """The same as the broker takes it."""
    return [
        ACL(
            f"User:{user}",
            "*",
            ACLOperation[operation.upper().replace(" ", "_")],
            ACLPermissionType.ALLOW,
            _pattern(kind, name),
        )
        for operation, kind, name in rights
    ]


def _pattern(kind: ResourceType, name: str) -> ResourcePattern:
    if name != "*" and name.endswith("*"):
        return ResourcePattern(kind, name[:-1], ACLResourcePatternType.PREFIXED)
    return ResourcePattern(kind, name)

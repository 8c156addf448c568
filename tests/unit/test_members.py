"""Members of enumerations are found without Python 3.11's detour."""

from enum import Enum, EnumType

import pytest

from scoring.gates.channel import Channel, Purpose
from scoring.kinds import Kind, Source
from scoring.rules.rule import ActionClass
from streams.members import find_members_directly


def _asked(_numbered: type[Enum], name: str) -> object:
    raise AttributeError(name)


@pytest.mark.parametrize("numbered", [Kind, Source, Channel, Purpose, ActionClass])
def test_each_member_stands_in_its_class(numbered: type[Enum], monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing asks the metaclass for a member: each is found by its name, and an unknown name by none."""
    monkeypatch.setattr(EnumType, "__getattr__", vars(EnumType).get("__getattr__", _asked), raising=False)
    find_members_directly()
    assert "__getattr__" not in vars(EnumType)
    assert [getattr(numbered, member.name) for member in numbered] == list(numbered)
    with pytest.raises(AttributeError, match="UNHEARD_OF"):
        numbered.UNHEARD_OF  # type: ignore[attr-defined]  # noqa: B018

"""Members of enumerations are found without Python 3.11's detour, in the program's own processes."""

import subprocess
import sys

TOLD = """
from enum import EnumType
from scoring.kinds import Kind, Source
from scoring.gates.channel import Channel
from scoring.rules.rule import ActionClass
from streams.members import find_members_directly

find_members_directly()
find_members_directly()
assert "__getattr__" not in vars(EnumType)
for numbered in (Kind, Source, Channel, ActionClass):
    assert [getattr(numbered, member.name) for member in numbered] == list(numbered)
    assert numbered(next(iter(numbered)).value) is next(iter(numbered))
    assert not hasattr(numbered, "UNHEARD_OF")
print("found")
"""


def test_each_member_stands_in_its_class() -> None:
    """Nothing asks the metaclass for a member: each is found by its name, and an unknown name by none."""
    done = subprocess.run([sys.executable, "-c", TOLD], capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("found\n", 0), done.stderr

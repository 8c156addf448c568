"""Which tests share a process: those of one `xdist_group`, as they share a broker, or go on from one another.

So do those of a file that sets something up for all of them: else up to each process would set it up for itself.

pytest-xdist 3.8 writes the mark into the ids of tests (`_nodeid`, in its remote.py), where pytest 9.2 looks no more,
and so splits each group over all processes without a word. Here files say it.
"""

import re
from functools import cache
from pathlib import Path

from xdist.scheduler import LoadScopeScheduling

__all__ = ["GroupScheduling", "group_of"]

_MARK = re.compile(r'^pytestmark = .*\bxdist_group\("(\w+)"\)', re.MULTILINE)
_SET_UP_ONCE = re.compile(r'^@pytest\.fixture\(.*\bscope="module"', re.MULTILINE)


@cache
def group_of(file: Path) -> str | None:
    """Return the group that a file of tests names for all of them, or that it is where it sets up something once."""
    text = file.read_text()
    names = set(_MARK.findall(text))
    assert len(names) < 2, f"{file} names more than one group: {sorted(names)}"
    if names:
        return names.pop()
    return str(file) if _SET_UP_ONCE.search(text) else None


class GroupScheduling(LoadScopeScheduling):  # type: ignore[misc]
    """Sends the tests of a group to one process, and the others one by one to whoever is free."""

    def _split_scope(self, nodeid: str) -> str:
        file = self.config.rootpath / nodeid.partition("::")[0]
        return (group_of(file) if file.is_file() else None) or nodeid

"""Tests that share a broker, or go on from one another, run in one process."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from strategies.grouping import GroupScheduling, group_of

ROOT = Path(__file__).parents[2]


def test_the_tests_of_a_group_have_one_scope() -> None:
    """Whatever file they are in; all others have scopes of their own."""
    scheduling: Any = GroupScheduling.__new__(GroupScheduling)
    scheduling.config = SimpleNamespace(rootpath=ROOT)
    shared = ["tests/integration/test_worker.py::test_a[1]", "tests/integration/test_replay.py::test_b"]
    alone = ["tests/unit/test_grouping.py::test_a", "tests/unit/test_grouping.py::test_b", "no/such/file.py::test_c"]
    assert [scheduling._split_scope(name) for name in shared + alone] == ["embedded", "embedded", *alone]


def test_what_is_set_up_once_is_set_up_by_one_process(tmp_path: Path) -> None:
    """A file with a fixture for all its tests is a group by itself; one whose fixtures are made anew is none."""
    once, anew = tmp_path / "test_once.py", tmp_path / "test_anew.py"
    once.write_text('@pytest.fixture(scope="module")\ndef made() -> None: ...\n')
    anew.write_text("@pytest.fixture\ndef made() -> None: ...\n")
    assert (group_of(once), group_of(anew)) == (str(once), None)


def test_the_tests_of_one_world_share_it() -> None:
    """A broker, a worker and a trainer are started for many faults, and twice so that no process has them all."""
    using = [file for file in (ROOT / "tests" / "integration").rglob("test_*.py") if "world: World" in file.read_text()]
    assert {group_of(file) for file in using if "live_world" not in file.read_text()} == {"faults", "disks"}


def test_this_run_keeps_groups_together(request: pytest.FixtureRequest) -> None:
    """The scheduler that pytest-xdist is given is the one that reads the files."""
    plugins = request.config.pluginmanager
    [ours] = [hook for hook in plugins.hook.pytest_xdist_make_scheduler.get_hookimpls()
              if (hook.plugin.__file__ or "").endswith("tests/conftest.py")]  # fmt: skip
    assert ours.function.__annotations__["return"] is GroupScheduling


def test_a_file_has_one_group(tmp_path: Path) -> None:
    """Two would be two processes, and one of them without what the other started."""
    file = tmp_path / "test_two.py"
    file.write_text("".join(f'pytestmark = pytest.mark.xdist_group("{name}")\n' for name in "ab"))
    with pytest.raises(AssertionError, match="more than one group"):
        group_of(file)

"""The distribution: its pinned packages, its files, and what the repository must not hold."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PINNED = {path.stem: path.read_text() for path in sorted((ROOT / "requirements").glob("*.txt"))}
EXTRAS = {"runtime": [], "demo": ["demo"], "dev": ["demo", "dev"], "bench": ["demo", "dev", "bench"]}


def names(lines: list[str]) -> set[str]:
    return {re.split(r"[ =<>~;\[]", line, maxsplit=1)[0].lower().replace("_", "-") for line in lines}


def pins(text: str) -> list[str]:
    return re.findall(r"^([a-z][^ ]*==[^ ;]+)", text, re.MULTILINE)


@pytest.mark.parametrize("name", PINNED)
def test_every_package_is_pinned_with_hashes(name: str) -> None:
    """Each requirement is one exact version, followed by hashes; nothing else stands in the file."""
    for block in re.split(r"\n(?=\S)", PINNED[name].strip()):
        if not block.startswith("#"):
            first, *hashes = (line.rstrip(" \\") for line in block.split("\n"))
            assert re.fullmatch(r"[a-z0-9-]+==[^ ]+( ; .+)?", first), first
            assert hashes, first
            assert all(re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}", line) for line in hashes), first


@pytest.mark.parametrize("name", EXTRAS)
def test_every_dependency_is_pinned(name: str) -> None:
    """Each list holds all that `pyproject.toml` asks for, so that nothing is fetched by the way."""
    project = PROJECT["project"]
    wanted = names([*project["dependencies"], *(d for e in EXTRAS[name] for d in project["optional-dependencies"][e])])
    assert wanted <= names(pins(PINNED[name]))


def test_the_lists_agree() -> None:
    """A package has one version in all lists, so that an environment can grow from one to the next."""
    widest = set(pins(PINNED["bench"]))
    for name in EXTRAS:
        assert set(pins(PINNED[name])) <= widest


def test_no_file_names_a_package_index() -> None:
    """No file of the repository holds the host of a registry: whoever installs says where from."""
    hosts = [f"{a}.{b}" for a, b in (("pypi", "org"), ("pythonhosted", "org"), ("repo.maven.apache", "org"))]
    hosts += [f"{a}.{b}" for a, b in (("repo1.maven", "org"), ("files.pythonhosted", "org"))]
    known = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if known.returncode != 0:
        pytest.skip("not a checkout")
    files = [ROOT / line for line in known.stdout.splitlines()]
    assert len(files) > 50
    for file in files:
        if file.is_file():
            text = file.read_bytes()
            assert not [host for host in hosts if host.encode() in text], file
    assert not (ROOT / "uv.lock").exists()


def test_make_lists_its_targets() -> None:
    """`make` by itself explains each target and does nothing."""
    said = subprocess.run(["make", "-C", str(ROOT)], capture_output=True, text=True, check=True).stdout
    for target in ("demo", "test", "check", "bench", "soak", "kafka", "clean"):
        assert re.search(rf"^  make {target} +\w", said, re.MULTILINE), target


def test_make_says_which_python_it_needs(tmp_path: Path) -> None:
    """Without a Python 3.11 or later the environment is not made, and the way out is named."""
    (tmp_path / "python3").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "python3").chmod(0o755)
    for tool in ("make", "sh", "printf", "test"):
        found = subprocess.run(["/bin/sh", "-c", f"command -v {tool}"], capture_output=True, text=True).stdout
        if found.startswith("/"):
            (tmp_path / tool).symlink_to(found.strip())
    done = subprocess.run(
        [
            str(tmp_path / "make"),
            "-C",
            str(ROOT),
            "VENV=" + str(tmp_path / "venv"),
            str(tmp_path / "venv/.made"),
        ],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0
    assert "needs Python 3.11 or later" in done.stderr
    assert "PYTHON_FOR_VENV=" in done.stderr
    assert not (tmp_path / "venv").exists()


@pytest.mark.parametrize(
    ("took", "given", "chosen"),
    [
        ({"a/python3.13": 100, "b/python3.12": 99}, (), "a/python3.13"),
        ({"a/python3.13": 100, "b/python3.12": 70}, (), "b/python3.12"),
        ({"a/python3.11": 100, "b c/python3.11": 70}, (), "b c/python3.11"),
        ({"a/python3.12": None, "b/python3.11": 100, "a/python3": 10}, (), "b/python3.11"),
        ({"a/python3": None, "b/python3": 100}, (), "b/python3"),
        ({"a/python3.13": 100, "b/python3.11": 70}, ("a/python3.13",), "a/python3.13"),
        ({"a/python3.13": None, "b/python3.11": 70}, ("a/python3.13",), "b/python3.11"),
    ],
)
def test_the_python_of_environments(
    took: dict[str, int | None], given: tuple[str, ...], chosen: str, tmp_path: Path
) -> None:
    """The newest is taken, or one that is clearly faster; what does not run or has no venv (None) is not."""
    for place, us in took.items():
        (tmp_path / place).parent.mkdir(exist_ok=True)
        (tmp_path / place).write_text("#!/bin/sh\n" + ("exit 1\n" if us is None else f"echo {us}\n"))
        (tmp_path / place).chmod(0o755)
    path = ":".join(str(tmp_path / directory) for directory in ("a", "b", "b c", "none"))
    done = subprocess.run(
        [ROOT / "requirements" / "find-python", *(tmp_path / each for each in given)],
        env={"PATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"{tmp_path / chosen}\n"


def test_what_a_wheel_takes_from_elsewhere_is_there() -> None:
    """The files that are put into the wheel exist, and every file beside the modules is of a kind that goes in."""
    wheel = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    for source in wheel["force-include"]:
        assert (ROOT / source).is_file(), source
    assert {Path(source).name for source in wheel["force-include"]} == {
        path.name for path in (ROOT / "deploy" / "kafka-local").iterdir() if path.is_file()
    }
    for package in wheel["packages"]:
        assert (ROOT / package / "py.typed").is_file()


def test_the_changelog_has_a_place_for_what_comes() -> None:
    """The changelog begins with what is not released yet, in the manner that it names."""
    text = (ROOT / "CHANGELOG.md").read_text()
    assert "## [Unreleased]" in text
    assert set(re.findall(r"^### (.*)$", text, re.MULTILINE)) <= {
        "Added", "Changed", "Deprecated", "Removed", "Fixed", "Security",
    }  # fmt: skip

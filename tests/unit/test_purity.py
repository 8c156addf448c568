"""The core is pure, and imports point one way: streams → scoring and schemas, never back."""

import ast
import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EDGES = (
    "aiokafka",
    "kafka",
    "confluent_kafka",
    "faust",
    "mode",
    "prometheus_client",
    "click",
    "rich",
    "pydantic_settings",
)
OUTSIDE = ("asyncio", "datetime", "http", "io", "logging", "os", "random", "requests", "secrets", "shutil", "signal",
           "socket", "sqlite3", "subprocess", "sys", "tempfile", "threading", "time", "urllib", "uuid")  # fmt: skip
FORBIDDEN = {
    "scoring": (*EDGES, *OUTSIDE, "streams", "schemas", "benchmarks", "tests"),
    "schemas": (*EDGES, "streams", "scoring", "benchmarks", "tests"),
    "streams": ("benchmarks", "tests"),
}
CALLS = ("open", "print", "input", "exec", "eval", "__import__")
READS = ("read_text", "read_bytes", "write_text", "write_bytes", "now", "utcnow", "today", "perf_counter")
ALLOWED = {
    (
        "scoring/rules/shipped.py",
        "calls read_text",
    ): "reads package data through importlib.resources, as an import does",
    ("scoring/packed.py", "calls read_bytes"): "reads package data through importlib.resources, as an import does",
    ("scoring/compiled.py", "imports sys"): "what numba finds to import as it is imported itself, and nothing else",
    ("scoring/packed.py", "imports threading"): "a compressor for each thread, as one must not serve two",
}


@pytest.fixture(autouse=True)
def _undisturbed() -> Iterator[None]:
    """Before 3.11.8 a search for garbage in `ast.parse` may let in another thread, as one that tells a traceback, whose
    own parsing makes this one fail (https://github.com/python/cpython/issues/106905).
    """
    gc.disable()
    yield
    gc.enable()


def imported(tree: ast.AST) -> Iterator[str]:
    """Every module that a file imports, at its top or inside a function."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield f"{'.' * node.level}{node.module or ''}"


def called(tree: ast.AST) -> Iterator[str]:
    """The name of everything that a file calls: `open`, and `read_text` in `path.read_text()`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name):
                yield node.func.id
            elif isinstance(node.func, ast.Attribute):
                yield f".{node.func.attr}"


def violations(text: str, package: str) -> set[str]:
    """What a file of a package does that the package must not do."""
    tree = ast.parse(text)
    found = {f"imports {name}" for name in imported(tree) if name.split(".")[0] in FORBIDDEN[package]}
    found |= {f"imports {name}" for name in imported(tree) if name.startswith(".")}
    if package == "scoring":
        names = set(called(tree))
        found |= {f"calls {name}" for name in CALLS if name in names}
        found |= {f"calls {name}" for name in READS if f".{name}" in names}
    return found


def files(package: str) -> list[Path]:
    """The modules of a package."""
    return sorted((ROOT / package).rglob("*.py"))


@pytest.mark.parametrize("package", FORBIDDEN)
def test_each_package_keeps_to_itself(package: str) -> None:
    """The core reads no clock, file, socket or log and knows nothing of Kafka; nothing imports against the flow."""
    found = {
        (file.relative_to(ROOT).as_posix(), violation)
        for file in files(package)
        for violation in violations(file.read_text("utf-8"), package)
    }
    assert len(files(package)) > 5
    assert found - ALLOWED.keys() == set()
    assert {place for place in ALLOWED if place[0].startswith(package)} <= found, "an exception that is not needed"


@pytest.mark.parametrize(
    ("package", "text", "violation"),
    [
        ("scoring", "import time", "imports time"),
        ("scoring", "from datetime import datetime", "imports datetime"),
        ("scoring", "def f():\n    import logging", "imports logging"),
        ("scoring", "from kafka.admin import KafkaAdminClient", "imports kafka.admin"),
        ("scoring", "import faust", "imports faust"),
        ("scoring", "from streams.settings import Settings", "imports streams.settings"),
        ("scoring", "import schemas.events", "imports schemas.events"),
        ("scoring", "with open('x') as file: pass", "calls open"),
        ("scoring", "text = path.read_text()", "calls read_text"),
        ("scoring", "at = clock.now()", "calls now"),
        ("scoring", "from . import kernel", "imports ."),
        ("schemas", "import scoring.kernel", "imports scoring.kernel"),
        ("streams", "from benchmarks import quality", "imports benchmarks"),
    ],
)
def test_a_planted_violation_is_found(package: str, text: str, violation: str) -> None:
    """The check can fail: each kind of violation is found in a file that holds it."""
    assert violation in violations(text, package)


def test_the_twin_needs_no_compiler() -> None:
    """The plain twin does not compile anything itself: it is the specification that the kernel is held to."""
    for file in files("scoring/twin"):
        assert not {"numba", "scoring.compiled"} & set(imported(ast.parse(file.read_text("utf-8"))))

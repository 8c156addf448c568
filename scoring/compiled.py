"""Compilation: one typed name for numba's decorator, so that the rest of the core stays typed."""

import importlib
import sys
from collections.abc import Callable
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
from numba.core import types

F = TypeVar("F", bound=Callable[..., object])

_FILES: dict[int, frozenset[str]] = {}
"""By identity of the compiled function: the files that its machine code comes from, its callees' among them."""


def _without_blas() -> None:
    """Let numba do without SciPy's linear algebra: no matrices are multiplied here, and it takes a sixth of a start."""
    modules: dict[str, Any] = sys.modules
    if "scipy.linalg" in modules:
        return
    modules["scipy.linalg"] = None  # not to be found
    try:
        importlib.import_module("numba.np.arraymath")
    finally:
        del modules["scipy.linalg"]


_without_blas()


def compiled(function: F) -> F:
    """Compile `function` to machine code at its first call, and keep it on disk for the next start.

    It works in the arrays that it is given and makes none, so that references to them need not be counted: that is a
    locked addition for each array of a tuple at each call, a third of the kernel's time. numba refuses to compile one
    that makes an array; it is for `compiled_allocating`.

    What was kept is used for as long as the files of the function and of all compiled functions that it calls are
    what they were: numba itself looks at the first only, and would go on with old code of the others.
    """
    return _compiled(function, counted=False)


def compiled_allocating(function: F) -> F:
    """Compile, as `compiled`, a function that makes arrays or calls one that returns them."""
    return _compiled(function, counted=True)


def _compiled(function: F, *, counted: bool) -> F:
    njit: Any = numba.njit  # `_nrt` and what wraps are not among the options that numba tells mypy of
    options = {"nogil": True, "error_model": "numpy", "_nrt": counted, "no_cfunc_wrapper": True}
    made = njit(cache=True, **options)(function)
    code = function.__code__
    called = (_FILES.get(id(function.__globals__.get(name)), frozenset()) for name in code.co_names)
    files = _FILES[id(made)] = frozenset({__file__, code.co_filename}).union(*called)
    if hasattr(made, "_cache"):  # not where NUMBA_DISABLE_JIT is set
        inside = njit(no_cpython_wrapper=True, **options)(function)
        made.get_call_template = partial(_of_any_value, inside.get_call_template)
        made.get_overload = inside.get_overload
        made._cache._cache_file._source_stamp = _stamp(files)
    return cast(F, made)


def _of_any_value(template: Any, args: tuple[Any, ...], kws: dict[str, Any]) -> Any:
    """What one compiled function calls another by: types alone, as numba would compile anew for each constant.

    `template` is that of a second compilation, without what Python would call it by and not kept by itself: most
    functions are called by compiled ones only, whose machine code has theirs in it.
    """
    return template(tuple(map(_unliteral, args)), {name: _unliteral(kind) for name, kind in kws.items()})


_unliteral: Any = types.unliteral


def _stamp(files: frozenset[str]) -> tuple[tuple[str, int, int], ...]:
    told = ((file, Path(file).stat()) for file in sorted(files))
    return tuple((file, stat.st_mtime_ns, stat.st_size) for file, stat in told)


def _mangled(record: types.Record) -> tuple[str, tuple[int, ...]]:
    """A name for a record type that says what it is made of.

    numba numbers them as they come up in a process and keeps those numbers in the names of what it writes to disk. Two
    layouts of a row, compiled in different processes, could so have one name, and a process with both would call one's
    machine code with the other's rows.
    """
    return type(record).__name__, (int.from_bytes(blake2b(record.name.encode(), digest_size=6).digest(), "big"),)


setattr(types.Record, "mangling_args", property(_mangled))  # noqa: B010 - mypy takes it for a method

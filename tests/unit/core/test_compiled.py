"""Compiled functions: each is compiled once for its types, and only those that may make arrays do."""

from typing import Any

import numpy as np
import pytest
from numba.core.errors import TypingError

from scoring.compiled import compiled, compiled_allocating


@compiled
def _times(x: int, factor: int) -> int:
    """A product."""
    return x * factor


@compiled
def _both(x: int) -> int:
    """Two products with constants, and one without."""
    return _times(x, 2) + _times(x, 3) + _times(x, x)


def test_constants_do_not_compile_anew() -> None:
    """Three calls of one function, two of them with constants, are one machine code."""
    assert _both(5) == 10 + 15 + 25
    inner: Any = _times
    outer: Any = _both
    outer.recompile()  # from the cache it came without its callee
    assert len(inner.get_overload.__self__.overloads) == 1
    assert not inner.overloads, "nothing is compiled that Python could call before Python calls it"
    assert _times(5, 3) == 15
    assert len(inner.overloads) == 1


@compiled_allocating
def _ones(n: int) -> Any:
    """An array of its own."""
    return np.ones(n)


@compiled
def _zeros(n: int) -> Any:
    """An array, where none may be made."""
    return np.zeros(n)


def test_only_what_may_make_arrays_can() -> None:
    """A function in which references are not counted must not make an array, as nobody would free it."""
    assert _ones(2).tolist() == [1.0, 1.0]
    with pytest.raises(TypingError):
        _zeros(2)

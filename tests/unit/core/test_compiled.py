"""Compiled functions: each is compiled once for its types, whatever constants others call it with."""

from typing import Any

from scoring.compiled import compiled


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
    assert len(inner.overloads) <= 1, "from the cache it comes without its callee"

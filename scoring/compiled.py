"""Compilation: one typed name for numba's decorator, so that the rest of the core stays typed."""

from collections.abc import Callable
from typing import TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., object])


def compiled(function: F) -> F:
    """Compile `function` to machine code at its first call, and keep it on disk for the next start."""
    return cast(F, numba.njit(cache=True, nogil=True, error_model="numpy")(function))

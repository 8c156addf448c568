"""Garbage: the collector of reference cycles, set for a process that makes millions of objects and hardly a cycle.

Records and decoded events are freed by their counts. Looking through all that wait for cycles, each time a few
hundred more have come, took a third of a worker's time.
"""

import gc
from typing import Final

__all__ = ["collect_seldom"]

_YOUNG: Final = 500_000
"""New objects between two looks at the young ones: more than wait in full slices."""


def collect_seldom() -> None:
    """Leave what is there by now out of all later looks, and look far less often; may be called again when more has come to stay."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, 10, 10)

"""Crossings: what a report needs of an action, sent or withheld, and of an outcome that was judged."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Crossing", "Judged"]


class Crossing(NamedTuple):
    """Someone entered or left a rule's list; `withheld` are the gates' reasons, none where the action was sent.

    `control` is the holdout that alone withheld it: `global`, `rule` or None; only from
    `marketing` is anybody held out.
    """

    rule: str
    customer: str
    time_ms: int
    entered: bool
    withheld: tuple[str, ...] = ()
    control: str | None = None
    marketing: bool = True


class Judged(NamedTuple):
    """Scores whose horizon has passed, one element each: when given, what was served, and whether they bought."""

    made_ms: NDArray[np.int64]
    probability: NDArray[np.float64]
    bought: NDArray[np.bool_]

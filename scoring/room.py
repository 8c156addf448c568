"""Room: where evaluation points are written between two looks at the rules."""

import numpy as np
from numpy.typing import NDArray

from scoring.features import N_FEATURES
from scoring.kernel import Points
from scoring.profile import VISIT_DAYS
from scoring.readings import FACTS
from scoring.recent import WITHIN

__all__ = ["ROOM", "room_for"]

ROOM = 8192
"""Evaluation points between two looks at the rules: few enough to stay in the processor's cache."""


def room_for(columns: int, views: int) -> Points:
    """Return room for `ROOM` points of so many columns and last views: some 5 MB with all rules."""

    def ints(n: int) -> NDArray[np.int64]:
        return np.zeros(n, np.int64)

    spare = ROOM + 8  # one tick may resolve several examples
    return Points(
        row=ints(ROOM),
        time_ms=ints(ROOM),
        event=ints(ROOM),
        cause=ints(ROOM),
        at=ints(ROOM),
        received_ms=ints(ROOM),
        X=np.zeros((ROOM, N_FEATURES)),
        logit=np.zeros(ROOM),
        columns=np.zeros((ROOM, columns)),
        facts=np.zeros((ROOM, FACTS)),
        viewed=np.zeros((ROOM, views + 2 + WITHIN), np.uint64),
        viewed_ms=np.zeros((ROOM, views), np.int64),
        bought=np.zeros(ROOM, np.uint64),
        bought_ms=ints(ROOM),
        coupons=ints(ROOM),
        visited=np.zeros((ROOM, VISIT_DAYS), np.uint32),
        resolved_row=ints(spare),
        resolved_made_ms=ints(spare),
        resolved_label=ints(spare),
        resolved_ms=ints(spare),
    )

"""Room: where evaluation points are written between two looks at the rules."""

import numpy as np
from numpy.typing import NDArray

from scoring.features import N_FEATURES
from scoring.kernel import Points
from scoring.profile import VISIT_DAYS, Layout
from scoring.readings import FACTS
from scoring.recent import WITHIN, seen_dtype

__all__ = ["ROOM", "room_for"]

ROOM = 8192
"""Evaluation points between two looks at the rules: few enough to stay in the processor's cache."""


def room_for(columns: int, layout: Layout) -> Points:
    """Return room for `ROOM` points of so many columns and the last views of a row: some 8 MB with all rules."""

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
        viewed=np.zeros((ROOM, layout.views + 2 + WITHIN), np.uint64),
        viewed_ms=np.zeros((ROOM, layout.views), np.int64),
        page=np.zeros((ROOM, layout.parts.pages), np.uint64),
        page_ms=np.zeros((ROOM, layout.parts.pages), np.int64),
        bought=np.zeros(ROOM, np.uint64),
        bought_ms=ints(ROOM),
        coupons=ints(ROOM),
        visited=np.zeros((ROOM, VISIT_DAYS), np.uint32),
        seen=np.zeros(ROOM, seen_dtype(layout.parts.listed)),
        gone=np.zeros(ROOM, np.uint64),
        gone_lists=ints(ROOM),
        resolved_row=ints(spare),
        resolved_made_ms=ints(spare),
        resolved_label=ints(spare),
        resolved_ms=ints(spare),
    )

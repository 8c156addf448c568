"""Reading: which columns, clocks and rings the kernel reads for a set of rules."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from scoring.kernel import Reading
from scoring.kinds import N_KINDS
from scoring.profile import Layout
from scoring.rules import RuleSet
from scoring.rules.columns import ITS_OPS, SERVED, Column, Op

__all__ = ["columns_of_rows", "reading_of"]


def reading_of(rules: RuleSet, layout: Layout) -> Reading:
    """Return what the kernel reads for these rules.

    Raises
    ------
    ValueError
        If a rule counts a kind that has no ring, or reads what the layout does not keep.
    """
    columns = columns_of_rows(rules.columns)
    clocks = np.array([tuple(c) for c in rules.clocks], np.int64).reshape(-1, 2)
    slots = []
    for kinds in (layout.day_kinds, layout.hour_kinds):
        slot = np.full(N_KINDS, -1, np.int64)
        slot[list(kinds)] = np.arange(len(kinds))
        slots.append(slot)
    needed = (("day_kinds", rules.day_kinds, slots[0]), ("hour_kinds", rules.hour_kinds, slots[1]))
    for ring, counted, slot in needed:
        for kind in sorted(counted):
            if slot[kind] < 0:
                raise ValueError(f"{ring}: a rule counts kind {kind}, which has no ring; add it to {ring}")
    if missing := layout.parts.missing(rules.parts):
        raise ValueError(f"parts: a rule reads what a row does not keep: {'; '.join(missing)}")
    hourly = any(column.op == Op.COUNT_HOURS for column in rules.columns)
    object_clocks = np.array([tuple(c) for c in rules.object_clocks], np.int64).reshape(-1, 2)
    return Reading(columns, clocks, slots[0], slots[1], hourly, object_clocks, rules.favourites, rules.most_category,
                   rules.asks_categories)  # fmt: skip


def columns_of_rows(columns: Sequence[Column]) -> NDArray[np.int64]:
    """(k, 4) the columns that a row tells: the place of each, its operation and its arguments."""
    told = [
        (place, *column)
        for place, column in enumerate(columns)
        if column.op not in ITS_OPS and not (column.op is Op.FIELD and column.a in SERVED)
    ]
    return np.array(told, np.int64).reshape(-1, 4)

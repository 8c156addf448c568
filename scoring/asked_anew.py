"""Asked anew: until when objects are looked at daily, as rules that changed read other ages of them.

The times ahead that rows keep (`scoring.moments`) are those of the rules in force at the event. Under another rule the
moments of what was known before are not among them, and are seen at the daily looks instead.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from scoring.kernel import OBJECTS, RESCORE
from scoring.profile import DAY_MS, NEVER

__all__ = ["Ages", "AskedAnew"]

Ages = Mapping[str, tuple[tuple[int, int], ...]]
"""By rule: the ages of objects that it reads (`scoring.rules.clocks.object_clocks_of`)."""

_AHEAD_MS = 366 * DAY_MS
"""How far ahead it is looked for what is to be expected, of which nothing says when that is."""


class AskedAnew:
    """What rules asked of objects up to now; kept with the state, so that a restart with other rules counts, too.

    Attributes
    ----------
    ages
        Of the rules in force last; None where that was not kept.
    until_ms
        Up to then objects are asked about at the daily looks.
    """

    def __init__(self, ages: Ages | None) -> None:
        self.ages = ages
        self.until_ms = NEVER

    def use(self, ages: Ages, now_ms: int) -> None:
        """Be told what the rules in force read: of an age that is new, the last moments lie so far ahead."""
        before, self.ages = self.ages, ages
        if before is None or before is ages or now_ms == NEVER:
            return
        new = [clock for rule, clocks in ages.items() for clock in clocks if clock not in before.get(rule, ())]
        ahead = [age + (_AHEAD_MS if kind < 0 else 0) for kind, age in new]
        if ahead:
            self.until_ms = max(self.until_ms, now_ms + max(*ahead, 0))

    def mark(self, points: Any, m: int) -> None:
        """Let objects be asked about at those of the first `m` points that are daily looks."""
        if self.until_ms == NEVER:
            return
        cause = points.cause[:m]
        cause[(cause & RESCORE > 0) & (points.time_ms[:m] - DAY_MS < self.until_ms)] |= np.int64(OBJECTS)

"""Clock: a partition's event time, told by three inputs of which each may be behind or caught up."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from scoring.kinds import N_INPUTS
from scoring.profile import NEVER

__all__ = ["Clock"]


@dataclass(slots=True)
class Clock:
    """The watermark of one partition number.

    It is the least of the newest event times of the inputs that are not caught up; once all are, the newest of
    all. It never goes back.

    Attributes
    ----------
    seen_ms
        Newest event time by source, (N_INPUTS,) int64.
    behind
        1 for each source that has records not yet read, (N_INPUTS,) int64.
    watermark
        The watermark, and when the record was received that moved it there: (2,), so that compiled code can move it.
    """

    seen_ms: npt.NDArray[np.int64] = field(default_factory=lambda: np.full(N_INPUTS, NEVER, np.int64))
    behind: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(N_INPUTS, np.int64))
    watermark: npt.NDArray[np.int64] = field(default_factory=lambda: np.full(2, NEVER, np.int64))

    @property
    def watermark_ms(self) -> int:
        """The watermark, `NEVER` before the first event."""
        return int(self.watermark[0])

    @property
    def received_ms(self) -> int:
        """When the record was received that moved the watermark to where it is."""
        return int(self.watermark[1])

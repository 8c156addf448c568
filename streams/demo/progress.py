"""Progress of a run: what the view shows besides what was read from the topics."""

from collections import deque
from dataclasses import dataclass, field

__all__ = ["Progress", "Rate"]


@dataclass(slots=True)
class Rate:
    """A rate over the last few seconds, from counts that only grow."""

    span_s: float = 5.0
    _points: deque[tuple[float, float]] = field(default_factory=deque)

    def add(self, now_s: float, count: float) -> None:
        """Take a reading: `now_s` on any steady clock, `count` so far."""
        self._points.append((now_s, count))
        while len(self._points) > 2 and self._points[0][0] < now_s - self.span_s:
            self._points.popleft()

    @property
    def per_second(self) -> float:
        """Count per second over the span; 0 until there are two readings."""
        if len(self._points) < 2:
            return 0.0
        (t0, c0), (t1, c1) = self._points[0], self._points[-1]
        return (c1 - c0) / (t1 - t0) if t1 > t0 else 0.0


@dataclass(slots=True)
class Progress:
    """How far the demo is: counts of records, event times in ms, and the phase in a word or two."""

    start_ms: int = 0
    end_ms: int = 0
    now_ms: int = 0
    """Event time up to which everything is produced."""
    phase: str = "starting"
    orders: int = 0
    synthetic: int = 0
    total: int = 0
    """Records that will be produced, real and synthetic together."""
    applied: int = 0
    customers: int = 0
    watermark_ms: int = 0
    elapsed_s: float = 0.0
    rate: Rate = field(default_factory=Rate)

    @property
    def produced(self) -> int:
        """Records produced so far."""
        return self.orders + self.synthetic

    @property
    def lag(self) -> int:
        """Records produced and not yet applied."""
        return max(0, self.produced - self.applied)

    @property
    def done(self) -> float:
        """Share of the records that were produced, 0 to 1."""
        return self.produced / self.total if self.total else 0.0

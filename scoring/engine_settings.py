"""Engine settings: sizes, times and limits of one partition's scoring, and what became of its records."""

from dataclasses import dataclass, field

from scoring.gates import GateSettings
from scoring.kernel import Config
from scoring.profile import DAY_MS, Layout
from scoring.types import Terms

__all__ = ["Counts", "EngineSettings"]


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """What the engine is told; times in ms.

    A customer with more than `automated_per_hour` events in a UTC hour is taken for a machine until an hour after it
    calms: counted and scored, but no example and no action comes of it. Of `gates`, those that ask for a customer's
    standing are open unless they are set. `content` says whether it is told what customers are shown.
    Of at most `products_remembered` products and categories, and of at most `pages_remembered` pages, it is known what
    they are called, of each partition.
    `tick_piece` is how many evaluation points of quiet time are dealt with at once where pieces are asked for.
    """

    layout: Layout = field(default_factory=Layout)
    tick_ms: int = 60_000
    window_ms: int = 90 * DAY_MS
    example_customers: int = 50_000
    publish_delta: float = 0.02
    bands: tuple[tuple[str, float], ...] = (("low", 0.0), ("medium", 0.5), ("high", 0.8))
    active_horizons: float = 3.0
    max_action_age_ms: int | None = DAY_MS
    cart_steps: int = 100
    orders_remembered: int = 1024
    products_remembered: int = 1_000_000
    pages_remembered: int = 10_000
    objects_kept: int = 16
    automated_per_hour: int = 1000
    replay: bool = False
    content: bool = False
    gates: GateSettings = field(default_factory=GateSettings.open)
    types: Terms = field(default_factory=Terms)
    tick_piece: int = 64

    def __post_init__(self) -> None:
        if self.tick_ms < 1000:
            raise ValueError(f"tick_ms: {self.tick_ms} is under a second; give at least 1000")
        if not 1 <= self.automated_per_hour < 65_535:
            raise ValueError(f"automated_per_hour: {self.automated_per_hour} is outside [1, 65534]")
        if self.tick_piece < 1:
            raise ValueError(f"tick_piece: {self.tick_piece} is under 1")
        if not 0 < self.publish_delta < 1:
            raise ValueError(f"publish_delta: {self.publish_delta} is outside (0, 1)")

    def kernel(self) -> Config:
        """The scalars that the kernel reads."""
        horizon = self.layout.horizon_ms
        every = max(horizon * 7 // 30 // self.tick_ms, 1) * self.tick_ms
        return Config(horizon, self.tick_ms, self.window_ms, every, int(self.active_horizons * horizon),
                      self.example_customers, self.automated_per_hour)  # fmt: skip


@dataclass(slots=True)
class Counts:
    """What became of every record read; they always add up to the records read."""

    applied: int = 0
    duplicate: int = 0
    late: int = 0
    ignored: int = 0
    dead_lettered: int = 0

    def total(self) -> int:
        """All records read."""
        return self.applied + self.duplicate + self.late + self.ignored + self.dead_lettered

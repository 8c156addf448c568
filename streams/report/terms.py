"""Terms: what is set of the reports."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from scoring.profile import DAY_MS
from scoring.types import Terms
from streams.report.periods import Period

__all__ = ["ReportTerms"]


@dataclass(frozen=True, slots=True)
class ReportTerms:
    """What is set of the reports; see the settings of the same names.

    Parameters
    ----------
    horizon_ms
        Within which a customer buys or does not; orders closer than a sixtieth of it are one visit.
    types
        Where one type or stage ends and the next begins.
    campaign_costs
        Money spent by source, or by `source/campaign`.
    """

    horizon_ms: int = 30 * DAY_MS
    types: Terms = field(default_factory=Terms)
    retention_period: Period = "month"
    retention_window_ms: int = 90 * DAY_MS
    retention_reference: float | None = None
    campaign_costs: Mapping[str, float] = field(default_factory=dict)

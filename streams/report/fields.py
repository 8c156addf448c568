"""Fields: the settings of types, stages and reports."""

import math
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, Field, model_validator
from pydantic_settings import NoDecode

from scoring.types import Terms
from streams.durations import Duration, milliseconds, parse_duration
from streams.report.terms import ReportTerms
from streams.setting_values import as_object

__all__ = ["ReportFields"]

_DAY_MS = 86_400_000


class ReportFields(BaseModel):
    """What can be set of types, stages and reports (docs/reports.md); a part of `streams.settings.Settings`."""

    sales_share: float = Field(
        0.5, gt=0, le=1, description="from this share of orders with a coupon or discount on: a sales buyer (fraction)"
    )
    sales_orders: int = Field(2, ge=1, description="fewer orders than this make no sales buyer (count)")
    regular_orders: int = Field(3, ge=1, description="fewer orders than this make no regular buyer (count)")
    loyal_orders: int = Field(4, ge=2, description="from so many orders on: loyal (count)")
    late_gaps: float = Field(
        2.0, gt=0, description="no order for so many usual gaps: at risk (times the usual gap between two orders)"
    )
    lapse: Duration = Field(
        parse_duration("180d"), description="no order for so long, nor for two usual gaps: lapsed (duration)"
    )
    retention_period: Literal["week", "month", "quarter"] = Field("month", description="the period of retention")
    retention_customer: Duration = Field(
        parse_duration("90d"), description="who ordered within this is a customer, for retention (duration)"
    )
    retention_reference: float | None = Field(
        None, ge=0, description="a retention to compare one's own with (0 to 100; default: none)"
    )
    campaign_costs: Annotated[dict[str, float], NoDecode, BeforeValidator(as_object)] = Field(
        {},
        description='money spent by source or source/campaign, as {"google": 1200, "mail/spring": 80} (JSON or TOML)',
    )

    @property
    def types(self) -> Terms:
        """Where one type or stage ends and the next begins, for the core."""
        return Terms(
            sales_share=self.sales_share,
            sales_orders=self.sales_orders,
            regular_orders=self.regular_orders,
            loyal_orders=self.loyal_orders,
            late=self.late_gaps,
            lapse_days=milliseconds(self.lapse) / _DAY_MS,
        )

    def report_terms(self, horizon_ms: int) -> ReportTerms:
        """What the reports are told."""
        costs: dict[str, float] = {}
        for name, cost in self.campaign_costs.items():  # sources go by lower case: `Google` and `google` are one
            costs[name.lower()] = costs.get(name.lower(), 0.0) + cost
        return ReportTerms(
            horizon_ms=horizon_ms,
            types=self.types,
            retention_period=self.retention_period,
            retention_window_ms=milliseconds(self.retention_customer),
            retention_reference=self.retention_reference,
            campaign_costs=costs,
        )

    @model_validator(mode="after")
    def _check_reports(self) -> Self:
        for name in ("lapse", "retention_customer"):
            if milliseconds(getattr(self, name)) <= 0:
                raise ValueError(f"{name}: must be longer than nothing")
        for name, cost in self.campaign_costs.items():
            if not 0 <= cost < math.inf:
                raise ValueError(f"campaign_costs: {name} = {cost} is no amount from 0 up")
        return self

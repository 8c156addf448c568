"""Gate settings: what can be set of the gates, in words and durations, and what the core is told of it."""

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_settings import NoDecode

from scoring.gates import Cap, GateSettings
from scoring.gates.channel import CHANNELS, ChannelTerms, Message
from streams.durations import Duration, milliseconds, parse_duration
from streams.setting_values import as_object, as_tuple, yes_no
from streams.zones import offset_ms, zone_of

__all__ = ["ChannelTable", "GateFields"]

_MESSAGES = {message.name.lower(): message for message in Message}
_MONTH = parse_duration("30d")


class ChannelTable(BaseModel):
    """What may be set of one channel; what is left out stays as it is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    permits: tuple[Literal["service", "marketing", "offer"], ...] | None = None
    contacts: int | None = Field(None, ge=-1, le=100)
    window: Duration | None = None
    weight: float | None = Field(None, ge=0, le=1000)

    def over(self, terms: ChannelTerms) -> ChannelTerms:
        """Return the terms with what is set in place of what was."""
        return ChannelTerms(
            permits=terms.permits if self.permits is None else frozenset(_MESSAGES[name] for name in self.permits),
            cap=terms.cap if self.contacts is None else _limit(self.contacts),
            window_ms=terms.window_ms if self.window is None else milliseconds(self.window),
            weight=terms.weight if self.weight is None else self.weight,
        )


class GateFields(BaseModel):
    """The settings of the gates (docs/gates.md); a part of `streams.settings.Settings`."""

    consent_unknown: Annotated[Literal["no", "yes"], BeforeValidator(yes_no)] = Field(
        "no", description="whether those who never said anything may be sent marketing: no, yes"
    )
    marketing_contacts: int = Field(
        2, ge=-1, le=100, description="most marketing contacts within marketing_window (count; -1 = without limit)"
    )
    marketing_window: Duration = Field(_MONTH, description="the span of marketing_contacts (duration)")
    service_contacts: int = Field(
        -1, ge=-1, le=100, description="most service contacts within service_window (count; -1 = without limit)"
    )
    service_window: Duration = Field(_MONTH, description="the span of service_contacts (duration)")
    channels: Annotated[dict[str, dict[str, Any]], NoDecode, BeforeValidator(as_object)] = Field(
        {},
        description='changes to channels by name, as {"sms": {"contacts": 2, "window": "14d"}} (JSON or TOML table)',
    )
    budget_window: Duration = Field(
        parse_duration("0d"),
        description="marketing contacts are kept this long for a better moment (duration; 0d = used at the first)",
    )
    budget_percentile: float = Field(
        0.7, ge=0, le=1, description="a moment is worth a contact from this customer's score on (percentile)"
    )
    complaint_weighs: Duration = Field(
        _MONTH, description="an open ticket or a missed promise withholds marketing for this long (duration)"
    )
    bought_anyway_probability: float = Field(
        0.5, ge=0, le=1, description="from this score on, no coupon: they would buy anyway (probability; 1 = never)"
    )
    bought_anyway_percentile: float = Field(
        0.9, ge=0, le=1, description="from this percentile on, no coupon either (fraction; 1 = never)"
    )
    coupon_share: float = Field(
        0.5, ge=0, le=1, description="from this share of orders with a coupon on, none: they wait for one (fraction)"
    )
    coupon_orders: int = Field(3, ge=1, description="fewer orders than this say nothing about coupons (count)")
    holdout_global: float = Field(0.05, ge=0, le=1, description="customers held out of all marketing (fraction)")
    holdout_rule: float = Field(
        0.05, ge=0, le=1, description="customers held out of the marketing of each rule (fraction)"
    )
    holdout_salt: str = Field("", max_length=100, description="another text draws other customers")
    quiet_from: int = Field(21, ge=0, le=23, description="marketing waits from this local hour on (hour)")
    quiet_until: int = Field(8, ge=0, le=23, description="and until this one; the same hour: never (hour)")
    time_zone: str = Field("UTC", description="the shop's time zone, for customers of whom none is known (IANA name)")
    usual_hours: Annotated[tuple[float, ...], NoDecode, BeforeValidator(as_tuple)] = Field(
        (),
        description="how much is done in the shop at each hour in UTC (24 numbers; none = as its orders tell)",
    )
    usual_weekdays: Annotated[tuple[float, ...], NoDecode, BeforeValidator(as_tuple)] = Field(
        (), description="and on each weekday, Monday first (7 numbers; none = as its orders tell)"
    )

    @property
    def gates(self) -> GateSettings:
        """What the core is told."""
        terms = dict(GateSettings().channels)
        for name, table in self.channels.items():
            channel = CHANNELS[name]
            terms[channel] = ChannelTable.model_validate(table).over(terms[channel])
        return GateSettings(
            consent_unknown=self.consent_unknown == "yes",
            marketing=Cap(_limit(self.marketing_contacts), milliseconds(self.marketing_window)),
            service=Cap(_limit(self.service_contacts), milliseconds(self.service_window)),
            channels=terms,
            budget_ms=milliseconds(self.budget_window),
            budget_percentile=self.budget_percentile,
            negative_ms=milliseconds(self.complaint_weighs),
            bought_anyway_probability=self.bought_anyway_probability,
            bought_anyway_percentile=self.bought_anyway_percentile,
            coupon_share=self.coupon_share,
            coupon_orders=self.coupon_orders,
            holdout_global=self.holdout_global,
            holdout_rule=self.holdout_rule,
            holdout_salt=self.holdout_salt,
            quiet_from_hour=self.quiet_from,
            quiet_until_hour=self.quiet_until,
            zone=self.time_zone,
            zone_offset_ms=offset_ms,
            usual_hours=self.usual_hours,
            usual_weekdays=self.usual_weekdays,
        )

    @model_validator(mode="after")
    def _check_gates(self) -> Self:
        for name, table in self.channels.items():
            if name not in CHANNELS:
                raise ValueError(f"channels: {name!r} is none of {', '.join(CHANNELS)}")
            _check_table(name, table)
        if zone_of(self.time_zone) is None:
            raise ValueError(f"time_zone: {self.time_zone!r} is not in the IANA database, as Europe/Berlin is")
        for name in ("marketing_window", "service_window"):
            if milliseconds(getattr(self, name)) <= 0:
                raise ValueError(f"{name}: must be longer than nothing")
        for name, n in (("usual_hours", 24), ("usual_weekdays", 7)):
            usual = getattr(self, name)
            if usual and (len(usual) != n or not all(0 <= much < math.inf for much in usual) or sum(usual) <= 0):
                raise ValueError(f"{name}: must be {n} numbers from 0 up, one of them above")
        return self


def _check_table(name: str, table: Mapping[str, Any]) -> None:
    try:
        checked = ChannelTable.model_validate(table)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, (name, *first["loc"])))
        raise ValueError(f"channels: {place}: {first['msg']}") from None
    if checked.window is not None and milliseconds(checked.window) <= 0:
        raise ValueError(f"channels: {name}.window: must be longer than nothing")


def _limit(contacts: int) -> int | None:
    return None if contacts < 0 else contacts

"""Fields: the settings of the shop's knowledge."""

from pydantic import BaseModel, Field

from scoring.shop.settings import ShopSettings
from streams.durations import Duration, milliseconds, parse_duration

__all__ = ["ShopFields"]


class ShopFields(BaseModel):
    """What can be set of the shop's knowledge; `shop` gives it to the core."""

    shop_every: Duration = Field(
        parse_duration("1h"), description="event time between versions of the shop's knowledge (duration)"
    )
    shop_lateness: Duration = Field(
        parse_duration("1h"),
        description="events older than the newest of their partition by more add nothing to it (duration)",
    )
    shop_half_life: Duration = Field(
        parse_duration("30d"), description="after this an order counts half in popularity and companions (duration)"
    )
    shop_products: int = Field(100_000, ge=10, description="most products of which the shop's knowledge tells (count)")
    shop_companions: int = Field(10, ge=1, le=100, description="most companions of a product that are told (count)")
    shop_pairs: int = Field(
        4_000_000, ge=1000, description="most pairs of products bought together that are counted (count)"
    )
    shop_purchases: int = Field(
        1_000_000,
        ge=1000,
        description="most last purchases remembered for usual gaps; of more, a sample (count)",
    )
    shop_quiet_s: float = Field(
        10.0,
        gt=0,
        le=3600,
        description="a partition read to its end is not waited for after this silence (seconds)",
    )
    shop_state_every_s: float = Field(
        3600.0,
        gt=0,
        description="time between copies of what the shop's knowledge is made of (seconds)",
    )
    shop_versions_kept: int = Field(
        24, ge=2, le=10_000, description="versions of the shop's knowledge kept on the topic products (count)"
    )

    @property
    def shop(self) -> ShopSettings:
        """The steps and bounds of the core."""
        return ShopSettings(
            every_ms=max(milliseconds(self.shop_every), 1000),
            lateness_ms=milliseconds(self.shop_lateness),
            half_life_ms=max(milliseconds(self.shop_half_life), 1000),
            products=self.shop_products,
            pairs=self.shop_pairs,
            companions=self.shop_companions,
            purchases=self.shop_purchases,
        )

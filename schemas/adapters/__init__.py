"""Adapters: formats of other systems, read as the same canonical events."""

from typing import Final

from schemas.adapters.cdnow import CDNOW
from schemas.adapters.ga4 import GA4
from schemas.adapters.online_retail import ONLINE_RETAIL
from schemas.adapters.options import Format
from schemas.adapters.orders_csv import ORDERS_CSV
from schemas.adapters.segment import SEGMENT
from schemas.adapters.snowplow import SNOWPLOW
from schemas.adapters.taobao import TAOBAO

__all__ = ["ADAPTERS"]

ADAPTERS: Final[dict[str, Format]] = {
    one.name: one for one in (SEGMENT, ORDERS_CSV, ONLINE_RETAIL, CDNOW, TAOBAO, SNOWPLOW, GA4)
}
"""Formats by the name that `--format` takes."""

"""Adapters: formats of other systems, read as the same canonical events."""

from typing import Final

from schemas.adapters.cdnow import CDNOW
from schemas.adapters.online_retail import ONLINE_RETAIL
from schemas.adapters.options import Format
from schemas.adapters.taobao import TAOBAO

__all__ = ["ADAPTERS"]

ADAPTERS: Final[dict[str, Format]] = {
    one.name: one
    for one in (
        ONLINE_RETAIL,
        CDNOW,
        TAOBAO,
    )
}
"""Formats by the name that `--format` takes."""

"""Limits: how large what an event says may be; whatever is larger is refused."""

from dataclasses import dataclass
from typing import Self

from schemas.refusal import Refusal, start
from streams.settings import Settings

__all__ = ["Limits", "too_large"]


@dataclass(frozen=True, slots=True)
class Limits:
    """The largest that is accepted, each a setting of the same name.

    Parameters
    ----------
    max_record_bytes
        Bytes of a record's value.
    max_id_bytes
        Bytes of UTF-8 of the id of a customer, an order or a product; each is kept in state.
    max_products
        Products of one order or cart.
    """

    max_record_bytes: int = 1_000_000
    max_id_bytes: int = 256
    max_products: int = 1000

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The limits that are set."""
        return cls(settings.max_record_bytes, settings.max_id_bytes, settings.max_products)


def too_large(payload: bytes, max_record_bytes: int) -> Refusal:
    """Why a value of so many bytes is refused."""
    remedy = f"send records of at most {max_record_bytes} bytes (max_record_bytes)"
    return Refusal("$", start(payload), f"is {len(payload)} bytes long", remedy, "size")

"""Taobao UserBehavior: views, carts, favourites and purchases of single products, as CSV."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from schemas.adapters.canonical import BadLine, Canonical, Customer, Outcome, track
from schemas.adapters.fields import FieldError, epoch, rows
from schemas.adapters.options import Format
from schemas.refusal import Refusal

__all__ = ["TAOBAO"]

_COLUMNS: Final = 5
_EVENTS: Final = {
    "pv": "Product Viewed",
    "cart": "Product Added",
    "fav": "Product Added to Wishlist",
    "buy": "Order Completed",
}


def read(lines: Iterable[str], options: Mapping[str, str]) -> Iterator[Outcome]:
    """Yield one event a line: user, item, category, behaviour, seconds; a line of names may be first.

    A purchase carries no order id: it is an order of its own, named after user, item and time. Prices
    are not told.
    """
    for line_number, row in rows(lines, ",", _COLUMNS):
        if isinstance(row, Refusal):
            yield BadLine(line_number, row)
            continue
        if line_number == 1 and len(row) == _COLUMNS and not any(cell.strip().isdigit() for cell in row):
            continue  # names of columns; a first event with one wrong cell is none
        try:
            yield _event(row)
        except FieldError as error:
            yield BadLine(line_number, error.refusal)


def _event(row: list[str]) -> Canonical:
    if len(row) != _COLUMNS:
        reason = f"has {len(row)} columns instead of {_COLUMNS} (user, item, category, behaviour, seconds)"
        raise FieldError(Refusal("line", ",".join(row), reason, "check that this is UserBehavior", "columns"))
    user, item, category, behaviour, seconds = (cell.strip() for cell in row)
    name = _EVENTS.get(behaviour)
    if name is None:
        raise FieldError(
            Refusal("behaviour", behaviour, "is not pv, cart, fav or buy", "write one of the four", "enum")
        )
    if not user or not item:
        field = "item" if user else "user"
        raise FieldError(Refusal(field, "", "is empty", "give an id", "missing"))
    when = epoch("timestamp", seconds, per_second=1)
    product = {"product_id": item, "category": category, "quantity": 1}
    if behaviour == "buy":
        return track(name, Customer(user), when, {"order_id": f"{user}-{item}-{seconds}", "products": [product]})
    return track(name, Customer(user), when, product)


TAOBAO: Final = Format(
    name="taobao",
    description="Taobao UserBehavior: CSV of user, item, category, behaviour (pv, cart, fav, buy), seconds",
    reader=read,
)

"""CDNOW: purchases of a music shop, 1997 and 1998, as columns of text."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from schemas.adapters.canonical import BadLine, Canonical, Customer, Outcome, track
from schemas.adapters.fields import FieldError, encodable, number, time_ms
from schemas.adapters.options import Format
from schemas.refusal import Refusal

__all__ = ["CDNOW"]


def read(lines: Iterable[str], options: Mapping[str, str]) -> Iterator[Outcome]:
    """Yield one order a line.

    Lines hold customer, date, number of CDs and dollars; in the well-known sample of a tenth also the
    customer's number within the sample, after the first, which is passed over. The customer is the id in
    the first column. Orders carry no ids: they get one from customer, date and place on that date.
    """
    previous, nth = ("", ""), 0
    for line_number, line in enumerate(lines, 1):
        cells = line.split()
        if not cells:
            continue
        try:
            encodable(line)
            customer, date, quantity, value = _columns(cells, line)
            nth = nth + 1 if (customer, date) == previous else 1
            previous = (customer, date)
            yield _order(customer, date, quantity, value, nth)
        except FieldError as error:
            yield BadLine(line_number, error.refusal)


def _columns(cells: list[str], line: str) -> tuple[str, str, str, str]:
    if len(cells) not in (4, 5):
        reason = f"has {len(cells)} columns instead of 4 (customer, date, CDs, dollars) or 5"
        raise FieldError(Refusal("line", line, reason, "check that this is a CDNOW file", "columns"))
    return cells[0], cells[-3], cells[-2], cells[-1]


def _order(customer: str, date: str, quantity: str, value: str, nth: int) -> Canonical:
    when = time_ms("date", date)
    properties = {
        "order_id": f"{customer}-{date}" + (f"-{nth}" if nth > 1 else ""),
        "total": number("dollars", value),
        "currency": "USD",
        "products": [{"product_id": "cd", "quantity": number("CDs", quantity)}],
    }
    return track("Order Completed", Customer(customer), when, properties)


CDNOW: Final = Format(
    name="cdnow",
    description="CDNOW: purchases as columns of customer, (sample's number,) date, CDs, dollars",
    reader=read,
)

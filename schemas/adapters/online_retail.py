"""Online Retail: the invoice lines of the UCI data sets I and II, as CSV."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from schemas.adapters.canonical import BadLine, Outcome, Skipped
from schemas.adapters.fields import FieldError, customer_number, header, number, rows, time_ms
from schemas.adapters.grouping import Line, order_events, orders
from schemas.adapters.options import Format
from schemas.refusal import Refusal

__all__ = ["ONLINE_RETAIL"]

_COLUMNS: Final = (
    ("invoice", ("InvoiceNo", "Invoice")),
    ("product", ("StockCode",)),
    ("name", ("Description",)),
    ("quantity", ("Quantity",)),
    ("time", ("InvoiceDate",)),
    ("price", ("UnitPrice", "Price")),
    ("customer", ("CustomerID", "Customer ID")),
)


def read(lines: Iterable[str], options: Mapping[str, str]) -> Iterator[Outcome]:
    """Yield one order an invoice, one cancellation an invoice whose number begins with C.

    Lines without a customer are skipped, and so are lines that sell nothing: of a price or, outside
    cancellations, of a quantity that is not positive. Invoices are in the shop's local time, taken as UTC.
    """
    yield from order_events(orders(_lines(lines)))


def _lines(lines: Iterable[str]) -> Iterator[Line | BadLine | Skipped]:
    places: list[int] = []
    country = -1
    times: tuple[str, int] = ("", 0)
    for line_number, row in rows(lines, ","):
        if isinstance(row, Refusal):
            yield BadLine(line_number, row)
            continue
        try:
            if not places:
                found = header(row, _COLUMNS)
                places = [found[name] for name, _ in _COLUMNS]
                country = row.index("Country") if "Country" in row else -1
                continue
            invoice, product, name, quantity, time, price, customer = _picked(row, places)
            if not customer or customer.isspace():
                yield Skipped(line_number, "no customer is named")
                continue
            if time != times[0]:
                times = (time, time_ms("InvoiceDate", time))
            said = _POUNDS if country < 0 or not row[country : country + 1] else _said(row[country])
            yield _line(line_number, invoice, product, name, quantity, times[1], price, customer, said)
        except FieldError as error:
            yield BadLine(line_number, error.refusal)
            if not places:
                return


def _picked(row: Sequence[str], places: Sequence[int]) -> list[str]:
    try:
        return [row[place] for place in places]
    except IndexError:
        reason = f"has {len(row)} columns, the first line {max(places) + 1} or more"
        raise FieldError(Refusal("line", ",".join(row), reason, "complete the line", "columns")) from None


def _line(
    line_number: int,
    invoice: str,
    product: str,
    name: str,
    quantity: str,
    when_ms: int,
    price: str,
    customer: str,
    said: Mapping[str, Any],
) -> Line | Skipped:
    invoice = invoice.strip()
    if not invoice:
        raise FieldError(Refusal("InvoiceNo", "", "is empty", "give the invoice's number", "missing"))
    cancelled = invoice[0] in "Cc"
    pieces = number("Quantity", quantity)
    each = number("UnitPrice", price)
    if each <= 0:
        return Skipped(line_number, "the price is not positive")
    if pieces == 0 or (pieces < 0) is not cancelled:
        return Skipped(line_number, "the quantity has the wrong sign for its invoice")
    item = {"product_id": product.strip(), "name": name.strip(), "price": each, "quantity": abs(pieces)}
    if not item["name"]:
        del item["name"]
    return Line(line_number, invoice, customer_number(customer), when_ms, item, said, cancelled)


_POUNDS: Final = {"currency": "GBP"}


@lru_cache(maxsize=1_000)
def _said(country: str) -> Mapping[str, Any]:
    return {**_POUNDS, "country": country.strip()} if country.strip() else _POUNDS


ONLINE_RETAIL: Final = Format(
    name="online-retail",
    description="Online Retail I and II (UCI): invoice lines as CSV; invoices with C are cancellations",
    reader=read,
)

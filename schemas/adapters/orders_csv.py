"""Orders CSV: any shop's orders as delimited text; options say what the columns are called."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from schemas.adapters.canonical import BadLine, Outcome, Skipped, content_id
from schemas.adapters.fields import (
    FieldError,
    customer_number,
    epoch,
    header,
    number,
    rows,
    strptime_ms,
    time_ms,
)
from schemas.adapters.grouping import Line, order_events, orders
from schemas.adapters.options import Format, OptionError
from schemas.refusal import Refusal

__all__ = ["ORDERS_CSV"]

_COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    "customer": ("customer_id", "customer", "user_id", "userId", "email", "customer email"),
    "time": ("time", "created_at", "order_date", "ordered_at", "date", "timestamp", "invoice date"),
    "order": ("order_id", "order", "order number", "order_no", "invoice", "invoice_no"),
    "total": ("total", "order_total", "revenue", "grand total"),
    "product": ("product_id", "sku", "lineitem sku", "item_id", "product", "stock code"),
    "product-name": ("product_name", "lineitem name", "item_name", "title", "description"),
    "category": ("category", "product_category", "product type"),
    "quantity": ("quantity", "lineitem quantity", "qty"),
    "price": ("price", "unit_price", "lineitem price"),
    "amount": ("amount", "line_total", "line amount"),
    "currency": ("currency",),
    "coupon": ("coupon", "discount code"),
    "discount": ("discount", "discount amount"),
    "cost": ("cost", "order_cost"),
    "country": ("country", "shipping country"),
    "source": ("source", "utm_source"),
    "campaign": ("campaign", "utm_campaign"),
}
_SAID: Final = ("currency", "coupon", "country", "source", "campaign")
_AMOUNTS: Final = ("total", "discount", "cost")
"""What a line says of the order as a whole, as text and as a number."""
_REQUIRED: Final = ("customer", "time")
_NAMED: Final = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|"}
_OTHER_FORM: Final = ", or say with the option time-pattern how times are written"
_EPOCHS: Final = {"epoch": 1, "epoch-ms": 1000, "epoch-us": 1_000_000}


def read(lines: Iterable[str], options: Mapping[str, str]) -> Iterator[Outcome]:
    """Yield one order for each order id; lines of the same id and customer are its items.

    Without a column for it each line is an order of its own, named after its content. Items of negative
    quantity or price become a refund. A line's `amount` stands for quantity times price where there is
    no price. Blank customers are skipped.
    """
    yield from order_events(orders(_lines(lines, options)))


def _lines(lines: Iterable[str], options: Mapping[str, str]) -> Iterator[Line | BadLine | Skipped]:
    delimiter = _delimiter(options)
    clock = _clock(options["time-pattern"])
    places: dict[str, int] | None = None
    width = 0
    for line_number, row in rows(lines, delimiter):
        if isinstance(row, Refusal):
            yield BadLine(line_number, row)
            continue
        try:
            if places is None:
                places = _places(row, options)
                width = max(places.values()) + 1
                continue
            if len(row) < width:
                reason = f"has {len(row)} columns, needs {width}"
                raise FieldError(Refusal("line", delimiter.join(row), reason, "complete the line", "columns"))
            cells = {column: row[place].strip() for column, place in places.items()}
            yield _line(line_number, cells, clock, options)
        except FieldError as error:
            yield BadLine(line_number, error.refusal)
            if places is None:
                return


def _places(names: list[str], options: Mapping[str, str]) -> dict[str, int]:
    """Columns that an option names must be there; of the others only customer and time.

    A column that was given one meaning gets no other by its name.
    """
    wanted: list[tuple[str, tuple[str, ...]]]
    wanted = [(column, (options[column],)) for column in _COLUMNS if options[column]]
    wanted += [(column, _COLUMNS[column]) for column in _REQUIRED if not options[column]]
    places = header(names, wanted, ", or say with an option how it is called")
    for column, aliases in _COLUMNS.items():
        if column in places:
            continue
        try:
            found = header(names, [(column, aliases)])
        except FieldError:
            continue
        if found[column] not in places.values():
            places |= found
    return places


def _line(
    line_number: int,
    cells: Mapping[str, str],
    clock: Callable[[str, str], int],
    options: Mapping[str, str],
) -> Line | Skipped:
    customer = customer_number(cells["customer"])
    if not customer:
        return Skipped(line_number, "no customer is named")
    when = clock("time", cells["time"])
    order_id = cells.get("order", "")
    if not order_id:
        if "order" in cells:
            raise FieldError(Refusal("order", "", "is empty", "give the order's id", "missing"))
        order_id = content_id(cells)
    said: dict[str, Any] = {column: cells[column] for column in _SAID if cells.get(column)}
    if options["currency-is"]:
        said.setdefault("currency", options["currency-is"])
    for column in _AMOUNTS:
        if cells.get(column):
            said[column] = number(column, cells[column])
    return Line(line_number, order_id, customer, when, _item(cells), said)


def _item(cells: Mapping[str, str]) -> dict[str, Any] | None:
    """Return what a line says was bought; None if it says nothing of the kind."""
    item: dict[str, Any] = {
        name: cells[column]
        for column, name in (("product", "product_id"), ("product-name", "name"), ("category", "category"))
        if cells.get(column)
    }
    for column in ("price", "quantity"):
        if cells.get(column):
            item[column] = number(column, cells[column])
    if cells.get("amount") and "price" not in item:
        amount = number("amount", cells["amount"])
        pieces = item["quantity"] = item.get("quantity") or 1  # fees are written as none of something, at an amount
        item["price"] = abs(amount / pieces)
        if amount < 0:
            item["quantity"] = -abs(pieces)
    return item or None


def _delimiter(options: Mapping[str, str]) -> str:
    return _NAMED.get(options["delimiter"], options["delimiter"])


def _clock(pattern: str) -> Callable[[str, str], int]:
    if pattern == "iso":
        return partial(time_ms, otherwise=_OTHER_FORM)
    if pattern in _EPOCHS:
        return partial(epoch, per_second=_EPOCHS[pattern], otherwise=_OTHER_FORM)
    return partial(strptime_ms, pattern=pattern, otherwise=_OTHER_FORM)


def check(options: Mapping[str, str]) -> None:
    """Raise `OptionError` where the delimiter or the form of times cannot be."""
    delimiter = _delimiter(options)
    if len(delimiter) != 1 or delimiter in '"\r\n\0':
        raise OptionError(
            f"option delimiter: {options['delimiter'][:80]!r} is not one character, nor tab, comma, semicolon, pipe"
        )
    pattern = options["time-pattern"]
    if pattern == "iso" or pattern in _EPOCHS:
        return
    sample = datetime(2001, 12, 31, 23, 58, 59, tzinfo=UTC)
    try:
        same = datetime.strptime(sample.strftime(pattern), pattern).date() == sample.date()  # noqa: DTZ007
    except ValueError:
        same = False
    if not same:
        known = ", ".join(("iso", *_EPOCHS))
        raise OptionError(
            f"option time-pattern: {pattern[:80]!r} is neither {known} nor a pattern that tells a day, "
            "such as %d.%m.%Y %H:%M"
        )


ORDERS_CSV: Final = Format(
    name="orders-csv",
    description="orders of any shop as CSV, one line an order or an item; options name the columns",
    reader=read,
    options={
        **{
            column: f"column of the {column.replace('-', ' ')}  [default: the first of {', '.join(aliases)}]"
            for column, aliases in _COLUMNS.items()
        },
        "delimiter": "what parts the columns: one character, or tab, comma, semicolon, pipe  [default: ,]",
        "time-pattern": "the form of times: iso, epoch, epoch-ms, epoch-us, or a pattern such as "
        "%d.%m.%Y %H:%M; UTC where no offset is told  [default: iso]",
        "currency-is": "the currency of all orders, such as EUR, where no column tells it",
    },
    defaults={**dict.fromkeys(_COLUMNS, ""), "delimiter": ",", "time-pattern": "iso", "currency-is": ""},
    check=check,
)

"""Online Retail: the published counts on the real file, and what becomes of each sort of line."""

from importlib.resources import files
from pathlib import Path

import pytest

from schemas.adapters import ADAPTERS
from schemas.adapters.canonical import BadLine, Canonical, Outcome, Skipped
from streams.files import LineFile

HEADER = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country"
DATA = Path(str(files("streams.demo") / "data" / "online_retail_2010_2011.csv.gz"))


def read(*lines: str, header: str = HEADER) -> list[Outcome]:
    return list(ADAPTERS["online-retail"]([header, *lines], options={}))


@pytest.fixture(scope="module")
def whole() -> list[Outcome]:
    with LineFile(str(DATA)) as file:
        return list(ADAPTERS["online-retail"](file, options={}))


def named(outcomes: list[Outcome], event: str) -> list[Canonical]:
    return [o for o in outcomes if isinstance(o, Canonical) and o.value["event"] == event]


def test_the_published_counts_hold_on_the_real_file(whole: list[Outcome]) -> None:
    """397,884 rows of 4,338 customers in 18,532 invoices, as the published protocol counts clean rows."""
    orders = named(whole, "Order Completed")
    assert len(orders) == 18_532
    assert len({order.key for order in orders}) == 4_338
    assert sum(len(order.value["properties"]["products"]) for order in orders) == 397_884
    assert len({order.value["properties"]["order_id"] for order in orders}) == 18_532


def test_every_line_of_the_real_file_is_accounted_for(whole: list[Outcome]) -> None:
    """Lines in orders, in cancellations and skipped add up to the 541,909 of the file; none is bad."""
    cancelled = named(whole, "Order Cancelled")
    skipped = [o for o in whole if isinstance(o, Skipped)]
    assert not [o for o in whole if isinstance(o, BadLine)]
    lines = sum(len(o.value["properties"]["products"]) for o in whole if isinstance(o, Canonical))
    assert lines + len(skipped) == 541_909
    assert sum(len(o.value["properties"]["products"]) for o in cancelled) == 8_905
    assert {o.why for o in skipped} == {"no customer is named", "the price is not positive"}


def test_the_real_file_yields_its_orders_in_the_order_of_time(whole: list[Outcome]) -> None:
    """So that it can be played at the pace of its events."""
    times = [o.time_ms for o in whole if isinstance(o, Canonical)]
    assert times == sorted(times)


def test_the_lines_of_an_invoice_are_one_order() -> None:
    """Products in the order of the lines, with name, price and quantity; the total is their sum."""
    [order] = read(
        "536365,85123A,WHITE HOLDER,6.0,2010-12-01 08:26:00,2.55,17850.0,United Kingdom",
        "536365,71053,,2.0,2010-12-01 08:27:00,3.39,17850.0,United Kingdom",
    )
    assert isinstance(order, Canonical)
    assert (order.key, order.value["timestamp"]) == ("17850", "2010-12-01T08:26:00.000Z")
    assert order.value["properties"] == {
        "order_id": "536365",
        "total": 22.08,
        "currency": "GBP",
        "country": "United Kingdom",
        "products": [
            {"product_id": "85123A", "name": "WHITE HOLDER", "price": 2.55, "quantity": 6},
            {"product_id": "71053", "price": 3.39, "quantity": 2},
        ],
    }


def test_invoices_entered_at_the_same_time_may_be_interleaved() -> None:
    """Two invoices, line by line, are two orders."""
    lines = [f"53636{i % 2},P{i},N,1,2010-12-01 08:26:00,2.5,1785{i % 2},UK" for i in range(6)]
    assert [len(o.value["properties"]["products"]) for o in named(read(*lines), "Order Completed")] == [3, 3]


def test_a_line_far_below_its_invoice_is_told() -> None:
    """Sixty-five invoices later the first has gone out: a stray line is bad, not lost and not a second order."""
    lines = [f"{536365 + i},P,N,1,2010-12-01 08:26:00,2.5,17850,UK" for i in range(66)]
    found = read(*lines, lines[0])
    [bad] = [o for o in found if isinstance(o, BadLine)]
    assert (bad.line_number, bad.refusal.code) == (68, "scattered")
    assert len(named(found, "Order Completed")) == 66


def test_an_invoice_with_c_is_a_cancellation() -> None:
    """Its figures are positive, as a cancelled order's are."""
    [event] = read("C536379,D,Discount,-2.0,2010-12-01 09:41:00,27.5,14527.0,UK")
    assert isinstance(event, Canonical)
    assert event.value["event"] == "Order Cancelled"
    assert event.value["properties"]["order_id"] == "C536379"
    assert event.value["properties"]["total"] == 55


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("536365,P,N,6,2010-12-01 08:26:00,2.55,,UK", "no customer is named"),
        ("536365,P,N,6,2010-12-01 08:26:00,0,17850,UK", "the price is not positive"),
        ("536365,P,N,6,2010-12-01 08:26:00,-11062.06,17850,UK", "the price is not positive"),
        ("536365,P,N,-6,2010-12-01 08:26:00,2.55,17850,UK", "the quantity has the wrong sign for its invoice"),
        ("536365,P,N,0,2010-12-01 08:26:00,2.55,17850,UK", "the quantity has the wrong sign for its invoice"),
        ("C536365,P,N,6,2010-12-01 08:26:00,2.55,17850,UK", "the quantity has the wrong sign for its invoice"),
    ],
)
def test_lines_that_sell_nothing_to_anybody_are_skipped(line: str, why: str) -> None:
    """They are in order and of no use, so they are counted by their reason and make no order."""
    assert read(line) == [Skipped(2, why)]


@pytest.mark.parametrize(
    ("line", "field", "code"),
    [
        ("536365,P,N,six,2010-12-01 08:26:00,2.55,17850,UK", "Quantity", "number"),
        ("536365,P,N,6,2010-12-01 08:26:00,nan,17850,UK", "UnitPrice", "number"),
        ("536365,P,N,6,2010-13-01 08:26:00,2.55,17850,UK", "InvoiceDate", "time"),
        (",P,N,6,2010-12-01 08:26:00,2.55,17850,UK", "InvoiceNo", "missing"),
        ("536365,P,N,6", "line", "columns"),
        ('536365,P,"N,6,2010-12-01 08:26:00,2.55,17850,UK', "line", "malformed"),
    ],
)
def test_bad_lines_name_the_field(line: str, field: str, code: str) -> None:
    """And the line, counted from the header as 1."""
    [bad] = read(line)
    assert isinstance(bad, BadLine)
    assert (bad.line_number, bad.refusal.field, bad.refusal.code) == (2, field, code)


def test_a_file_without_its_columns_is_told_once() -> None:
    """Not once for each of its lines."""
    [bad] = list(ADAPTERS["online-retail"](["a,b,c", "1,2,3", "4,5,6"], options={}))
    assert isinstance(bad, BadLine)
    assert (bad.line_number, bad.refusal.code) == (1, "header")
    assert "InvoiceNo" in bad.refusal.remedy


def test_the_second_edition_has_other_names() -> None:
    """`Invoice`, `Price` and `Customer ID`, as Online Retail II calls them, and dates as Excel writes them."""
    header = "\ufeffInvoice,StockCode,Description,Quantity,InvoiceDate,Price,Customer ID,Country"
    [order] = read("489434,85048,LIGHTS,12,12/1/2009 7:45,6.95,13085.0,UK", header=header)
    assert isinstance(order, Canonical)
    assert (order.key, order.value["timestamp"]) == ("13085", "2009-12-01T07:45:00.000Z")


def test_a_small_c_cancels_too() -> None:
    """Invoices are told by their first letter, however it is written."""
    [event] = read("c536379,D,Discount,-1,2010-12-01 09:41:00,27.5,14527,United Kingdom")
    assert isinstance(event, Canonical)
    assert event.value["event"] == "Order Cancelled"

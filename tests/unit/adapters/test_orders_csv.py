"""Orders CSV: columns by name or option, one line an order or several, times and delimiters of any kind."""

from typing import Any

import pytest

from schemas.adapters import ADAPTERS
from schemas.adapters.canonical import BadLine, Canonical, Outcome, Skipped
from schemas.adapters.options import OptionError


def read(*lines: str, **options: str) -> list[Outcome]:
    return list(ADAPTERS["orders-csv"](lines, options={k.replace("_", "-"): v for k, v in options.items()}))


def one(*lines: str, **options: str) -> Canonical:
    [event] = read(*lines, **options)
    assert isinstance(event, Canonical), event
    return event


def properties(*lines: str, **options: str) -> dict[str, Any]:
    found: dict[str, Any] = one(*lines, **options).value["properties"]
    return found


def test_one_line_is_an_order() -> None:
    """Customer, time, id and total are all it takes."""
    event = one("order_id,customer_id,created_at,total", "o1,c1,2024-05-01T09:30:00+02:00,53.40")
    assert (event.topic, event.key, event.value["event"]) == ("orders", "c1", "Order Completed")
    assert event.value["timestamp"] == "2024-05-01T07:30:00.000Z"
    assert event.value["properties"] == {"order_id": "o1", "total": 53.4}


def test_lines_of_one_id_are_one_order() -> None:
    """Items in the order of the lines; without a total it is their sum."""
    assert properties(
        "Order ID,Customer ID,Date,SKU,Product Name,Quantity,Unit Price,Currency",
        "o1,c1,2024-05-01,p1,Lamp,1,39.90,EUR",
        "o1,c1,2024-05-01,p2,,3,4.50,EUR",
    ) == {
        "order_id": "o1",
        "total": 53.4,
        "currency": "EUR",
        "products": [
            {"product_id": "p1", "name": "Lamp", "price": 39.9, "quantity": 1},
            {"product_id": "p2", "price": 4.5, "quantity": 3},
        ],
    }


def test_what_an_order_says_of_itself_wins_over_the_sum() -> None:
    """A total with shipping and discounts is the order's; it may stand on the first line alone."""
    said = properties(
        "order_id,customer,time,total,sku,price,quantity",
        "o1,c1,2024-05-01,10.99,p1,5,1",
        "o1,c1,2024-05-01,,p2,1,1",
    )
    assert said["total"] == 10.99
    assert len(said["products"]) == 2


def test_columns_may_have_any_name() -> None:
    """Options say what they are called; a column that has one meaning gets no other by its name."""
    said = properties(
        "Kunde;Bestellnummer;Bestellt;total;Artikel",
        "K1;B1;01.05.2024 09:30;7,90;A1".replace(",", "."),
        "K1;B1;01.05.2024 09:30;2.10;A2",
        customer="Kunde",
        order="bestellnummer",
        time="Bestellt",
        amount="total",
        product="Artikel",
        delimiter="semicolon",
        time_pattern="%d.%m.%Y %H:%M",
        currency_is="EUR",
    )
    assert said == {
        "order_id": "B1",
        "total": 10,
        "currency": "EUR",
        "products": [
            {"product_id": "A1", "quantity": 1, "price": 7.9},
            {"product_id": "A2", "quantity": 1, "price": 2.1},
        ],
    }


def test_without_ids_each_line_is_an_order_named_after_its_content() -> None:
    """The same line has the same id in any file."""
    header = "customer_id,date,amount"
    first = properties(header, "c1,2024-05-01,5")
    again = properties("\ufeffDate,Customer ID,Amount", "2024-05-01,c1,5")
    other = properties(header, "c1,2024-05-01,6")
    assert first["order_id"] == again["order_id"] != other["order_id"]
    assert first["total"] == 5


@pytest.mark.parametrize(("quantity", "kept"), [("", 1), ("0", 1), ("4", 4)])
def test_an_amount_counts_whatever_the_quantity(quantity: str, kept: int) -> None:
    """A fee of no pieces is one."""
    said = properties("order_id,customer_id,time,sku,quantity,amount", f"o1,c1,2024-05-01,fee,{quantity},10")
    assert (said["total"], said["products"]) == (10, [{"product_id": "fee", "quantity": kept, "price": 10 / kept}])


def test_items_taken_back_are_a_refund_of_their_own() -> None:
    """Of positive figures, beside what was bought."""
    lines = ["order_id,customer_id,time,sku,price,quantity", "o1,c1,2024-05-01,p1,5,2", "o1,c1,2024-05-01,p2,3,-1"]
    bought, back = read(*lines)
    assert isinstance(bought, Canonical)
    assert isinstance(back, Canonical)
    assert (bought.value["event"], bought.value["properties"]["total"]) == ("Order Completed", 10)
    assert (back.value["event"], back.value["properties"]["total"]) == ("Order Refunded", 3)
    assert back.value["properties"]["products"] == [{"product_id": "p2", "price": 3, "quantity": 1}]


@pytest.mark.parametrize(("said", "bought"), [("80", 100), ("86.5", 106.5), ("100", 100), ("104", 104)])
def test_what_is_taken_back_is_taken_off_once(said: str, bought: float) -> None:
    """A total is of all the order's lines or of what was bought, whichever comes nearer, with shipping or without."""
    header = "order_id,customer_id,time,sku,price,quantity,total"
    lines = [f"o1,c1,2024-05-01,p1,50,2,{said}", f"o1,c1,2024-05-01,discount,-20,1,{said}"]
    totals = [o.value["properties"]["total"] for o in read(header, *lines) if isinstance(o, Canonical)]
    assert totals == [bought, 20]


def test_an_order_of_a_negative_total_is_a_refund() -> None:
    """As shops without refunds of their own write them."""
    event = one("order_id,customer_id,time,total", "o1,c1,2024-05-01,-5")
    assert (event.value["event"], event.value["properties"]["total"]) == ("Order Refunded", 5)


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("iso", "2024-05-01", "2024-05-01T00:00:00.000Z"),
        ("iso", "20240501", "2024-05-01T00:00:00.000Z"),
        ("iso", "2024-05-01 09:30:00.25 UTC", "2024-05-01T09:30:00.250Z"),
        ("iso", "2024-05-01T09:30:00Z", "2024-05-01T09:30:00.000Z"),
        ("epoch", "1714555800", "2024-05-01T09:30:00.000Z"),
        ("epoch-ms", "1714555800123", "2024-05-01T09:30:00.123Z"),
        ("epoch-us", "1714555800123456", "2024-05-01T09:30:00.123Z"),
        ("%d/%m/%y %I:%M %p", "01/05/24 09:30 PM", "2024-05-01T21:30:00.000Z"),
        ("%Y-%m-%d %H:%M %z", "2024-05-01 09:30 +0200", "2024-05-01T07:30:00.000Z"),
    ],
)
def test_times_are_read_as_the_option_says(pattern: str, text: str, expected: str) -> None:
    """Without an offset they are UTC."""
    event = one("order_id,customer_id,time,total", f"o1,c1,{text},5", time_pattern=pattern)
    assert event.value["timestamp"] == expected


@pytest.mark.parametrize("delimiter", ["tab", "\\t", "\t", ";", "|", "pipe"])
def test_delimiters_have_names(delimiter: str) -> None:
    """One character, or the name of one."""
    found = {"tab": "\t", "\\t": "\t", "pipe": "|"}.get(delimiter, delimiter)
    lines = [found.join(line) for line in (["order", "customer", "date", "total"], ["o1", "c1", "2024-05-01", "5"])]
    assert properties(*lines, delimiter=delimiter) == {"order_id": "o1", "total": 5}


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"delimiter": "::"}, "option delimiter: '::' is not one character"),
        ({"delimiter": ""}, "option delimiter"),
        ({"delimiter": '"'}, "option delimiter"),
        ({"time-pattern": "soon"}, "option time-pattern: 'soon' is neither iso, epoch"),
        ({"time-pattern": "%H:%M"}, "a pattern that tells a day"),
        ({"time-pattern": "%Q"}, "option time-pattern"),
        ({"custmer": "x"}, "did you mean 'customer'"),
    ],
)
def test_wrong_options_are_told_before_any_line_is_read(options: dict[str, str], told: str) -> None:
    """The text names the option, its value and what is possible."""
    with pytest.raises(OptionError, match=told):
        ADAPTERS["orders-csv"]([], options=options)


@pytest.mark.parametrize(
    ("line", "field", "code"),
    [
        ("o1,c1,2024-02-30,5", "time", "time"),
        ("o1,c1,,5", "time", "time"),
        ("o1,c1,2024-05-01,five", "total", "number"),
        ('o1,c1,2024-05-01,"1.234,56"', "total", "number"),
        (",c1,2024-05-01,5", "order", "missing"),
        ("o1,c1", "line", "columns"),
    ],
)
def test_bad_lines_name_the_field(line: str, field: str, code: str) -> None:
    """The others of the file are read."""
    bad, good = read("order_id,customer_id,time,total", line, "o2,c2,2024-05-01,5")
    assert isinstance(bad, BadLine)
    assert (bad.line_number, bad.refusal.field, bad.refusal.code) == (2, field, code)
    assert isinstance(good, Canonical)


def test_orders_of_nobody_are_skipped() -> None:
    """They are in order, and tell nothing about anyone."""
    assert read("order_id,customer_id,time,total", "o1, ,2024-05-01,5") == [Skipped(2, "no customer is named")]


def test_an_order_of_too_many_lines_keeps_what_a_worker_takes() -> None:
    """A thousand lines; each beyond is told."""
    found = read("order_id,customer_id,time,sku,price", *["o1,c1,2024-05-01,p,1"] * 1002)
    bad = [o for o in found if isinstance(o, BadLine)]
    [order] = [o for o in found if isinstance(o, Canonical)]
    assert [b.line_number for b in bad] == [1002, 1003]
    assert len(order.value["properties"]["products"]) == 1000


@pytest.mark.parametrize("options", [{}, {"order": "number"}])
def test_a_column_that_is_not_there_is_told_with_those_that_are(options: dict[str, str]) -> None:
    """Whether it is one that all files have, or one that an option names."""
    [bad] = read("client,when,order_id", "c1,2024-05-01,o1", **options)
    assert isinstance(bad, BadLine)
    assert (bad.line_number, bad.refusal.code, bad.refusal.value) == (1, "header", "client, when, order_id")


def test_a_negative_amount_is_taken_back() -> None:
    """Where lines tell their amount and no price."""
    header = "order_id,customer_id,time,sku,quantity,amount"
    bought, back = read(header, "o1,c1,2024-05-01,p1,2,20", "o1,c1,2024-05-01,p2,2,-6")
    assert isinstance(bought, Canonical)
    assert isinstance(back, Canonical)
    assert (bought.value["event"], bought.value["properties"]["total"]) == ("Order Completed", 20)
    assert (back.value["event"], back.value["properties"]["total"]) == ("Order Refunded", 6)
    assert back.value["properties"]["products"] == [{"product_id": "p2", "quantity": 2, "price": 3}]


def test_an_order_says_what_it_was_reduced_by_and_cost_and_where_it_came_from() -> None:
    """Each under the name that reports read it by."""
    header = "order_id,customer_id,time,total,discount,coupon,cost,country,utm_source,utm_campaign"
    assert properties(header, "o1,c1,2024-05-01,20,5,MAY,8.5,DE,mail,may") == {
        "order_id": "o1",
        "total": 20,
        "discount": 5,
        "coupon": "MAY",
        "cost": 8.5,
        "country": "DE",
        "source": "mail",
        "campaign": "may",
    }

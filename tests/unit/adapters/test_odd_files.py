"""Odd files: whatever is wrong with a line or a file is told by line, and the rest is read."""

import gzip
from pathlib import Path

import pytest

from schemas.adapters import ADAPTERS
from streams.files import LineFile
from streams.loading import Bad, Loaded, Ready, events_of

LINES = {
    "online-retail": (
        "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country",
        "536365,85123A,LAMP,6,2010-12-01 08:26:00,2.55,17850,UK",
        "536366,85123A,LAMP,6,2010-12-01 08:28:00,2.55,17851,UK",
    ),
    "orders-csv": ("order_id,customer_id,time,total", "o1,c1,2024-05-01T09:30:00Z,5.5", "o2,c1,2024-05-02T09:30:00Z,6"),
    "cdnow": ("00001 19970101  1   11.77", "00002 19970102  1   12.00", "00002 19970103  2   20.00"),
    "taobao": ("1,22,25,pv,1511544070", "1,23,25,cart,1511544071", "1,23,25,buy,1511544072"),
    "segment": tuple(
        f'{{"messageId":"m{i}","timestamp":"2024-05-01T09:30:00Z","userId":"u","type":"page"}}' for i in range(3)
    ),
    "ga4": tuple(
        f'{{"event_name":"purchase","event_timestamp":171455580000000{i},"user_pseudo_id":"u","items":[],'
        f'"ecommerce":{{"transaction_id":"t{i}","purchase_revenue":5}}}}'
        for i in range(3)
    ),
}
HEADED = ("online-retail", "orders-csv")


def read(tmp_path: Path, form: str, data: bytes, name: str = "file") -> tuple[list[Ready], list[Bad]]:
    (tmp_path / name).write_bytes(data)
    bad: list[Bad] = []
    with LineFile(str(tmp_path / name)) as file:
        return list(events_of([file], ADAPTERS[form], {}, Loaded(), bad.append)), bad


def whole(form: str) -> bytes:
    return "".join(line + "\n" for line in LINES[form]).encode()


def told(bad: list[Bad]) -> list[tuple[int, str, str]]:
    return [(one.line_number, one.refusal.field, one.refusal.code) for one in bad]


@pytest.mark.parametrize("form", LINES)
@pytest.mark.parametrize("change", ["bom", "crlf", "no-last-end", "blank-lines", "gzip"])
def test_what_programs_add_changes_nothing(tmp_path: Path, form: str, change: str) -> None:
    """A byte-order mark, Windows line ends, blank lines, a last line without end, compression."""
    plain, bad = read(tmp_path, form, whole(form))
    assert len(plain) == len(LINES[form]) - (form in HEADED)
    assert bad == []
    data = {
        "bom": b"\xef\xbb\xbf" + whole(form),
        "crlf": whole(form).replace(b"\n", b"\r\n"),
        "no-last-end": whole(form).rstrip(),
        "blank-lines": whole(form).replace(b"\n", b"\n\n"),
        "gzip": gzip.compress(whole(form)),
    }[change]
    name = "file.gz" if change == "gzip" else "file"
    found, bad = read(tmp_path, form, data, name)
    assert (found, bad) == (plain, [])


@pytest.mark.parametrize("form", LINES)
@pytest.mark.parametrize("junk", [b"hello", b"\0\0\0", b"\xe9t\xe9", b"[" * 50_000, b'"', b"x" * 300_000])
def test_a_line_of_junk_is_told_and_the_rest_is_read(tmp_path: Path, form: str, junk: bytes) -> None:
    """By its number, in the second place and, where no header must be there, in the first."""
    lines = whole(form).splitlines(keepends=True)
    for place in (1,) if form in HEADED else (0, 1):
        data = b"".join([*lines[:place], junk + b"\n", *lines[place:]])
        found, bad = read(tmp_path, form, data)
        assert [one.line_number for one in bad] == [place + 1]
        assert all(one.refusal.reason and one.refusal.remedy for one in bad)
        assert len(found) == len(LINES[form]) - (form in HEADED)


@pytest.mark.parametrize("form", LINES)
def test_another_encoding_is_told_with_the_remedy(tmp_path: Path, form: str) -> None:
    """UTF-16 gives no events, and says which bytes are wrong."""
    found, bad = read(tmp_path, form, whole(form).decode().encode("utf-16"))
    assert found == []
    assert told(bad)[0] == (1, "line", "encoding")
    assert "UTF-8" in bad[0].refusal.remedy


@pytest.mark.parametrize("form", LINES)
def test_a_file_that_is_cut_short_is_told(tmp_path: Path, form: str) -> None:
    """A gzip file without its end; an empty file has nothing wrong with it."""
    _, bad = read(tmp_path, form, gzip.compress(whole(form))[:-6], "cut.gz")
    assert told(bad)[-1][1:] == ("file", "unreadable")
    assert read(tmp_path, form, b"", "empty") == ([], [])


@pytest.mark.parametrize(
    ("form", "old", "new", "field", "code"),
    [
        ("online-retail", "2.55", '"2,55"', "UnitPrice", "number"),
        ("online-retail", "2.55", "1e400", "UnitPrice", "number"),
        ("online-retail", "2010-12-01 08:26:00", "1st of December", "InvoiceDate", "time"),
        ("orders-csv", "5.5", '"5,50"', "total", "number"),
        ("orders-csv", "5.5", "NaN", "total", "number"),
        ("orders-csv", "2024-05-01T09:30:00Z", "01.05.2024", "time", "time"),
        ("cdnow", "19970101", "1997-1-1", "date", "time"),
        ("cdnow", "11.77", "11,77", "dollars", "number"),
        ("taobao", "1511544070", "2017-11-25", "timestamp", "time"),
        ("taobao", "1511544070", "-1", "timestamp", "time"),
        ("taobao", ",pv,", ",view,", "behaviour", "enum"),
        ("online-retail", "2010-12-01 08:26:00", "0001-01-01T00:00:00+01:00", "InvoiceDate", "time"),
        ("orders-csv", "2024-05-01T09:30:00Z", "9999-12-31T23:59:59-01:00", "time", "time"),
        ("cdnow", "19970101", "0001-01-01T00:00+01:00", "date", "time"),
        ("ga4", "1714555800000000", "-1", "event_timestamp", "time"),
        ("ga4", '"items":[]', '"items":"x"', "items", "type"),
    ],
)
def test_numbers_and_times_of_other_forms_are_told(
    tmp_path: Path, form: str, old: str, new: str, field: str, code: str
) -> None:
    """By field and line, even in the first line; all other lines are read."""
    data = whole(form).replace(old.encode(), new.encode(), 1)
    found, bad = read(tmp_path, form, data)
    assert told(bad) == [(2 if form in HEADED else 1, field, code)]
    assert len(found) == len(LINES[form]) - (form in HEADED) - 1


@pytest.mark.parametrize("form", HEADED)
def test_a_missing_column_is_told_with_those_that_are_there(tmp_path: Path, form: str) -> None:
    """Nothing can be read then."""
    found, bad = read(tmp_path, form, b"a,b\n" + whole(form))
    assert found == []
    assert [(one.line_number, one.refusal.code) for one in bad] == [(1, "header")]
    assert "a, b" in bad[0].refusal.value


def test_a_quoted_cell_may_hold_line_ends(tmp_path: Path) -> None:
    """The row is one, and those after it have their own numbers."""
    header, first, second = LINES["online-retail"]
    rows = [header, first.replace("LAMP", '"LAMP\nof ""glass"",\nred"'), second, second.replace("2.55", "x")]
    found, bad = read(tmp_path, "online-retail", "\n".join(rows).encode())
    assert len(found) == 2
    assert b'LAMP\\nof \\"glass\\",\\nred' in found[0].value
    assert told(bad) == [(6, "UnitPrice", "number")]


def test_the_header_may_hold_line_ends(tmp_path: Path) -> None:
    """As spreadsheets write it, where a column's name was broken in two."""
    header, first, second = LINES["orders-csv"]
    rows = [header.replace("customer_id", '"customer\nid"'), first, second.replace("6", "x")]
    found, bad = read(tmp_path, "orders-csv", "\n".join(rows).encode())
    assert [event.key for event in found] == [b"c1"]
    assert told(bad) == [(4, "total", "number")]


@pytest.mark.parametrize("after", [1, 40])
def test_a_quote_that_stays_open_spoils_its_own_line(tmp_path: Path, after: int) -> None:
    """However much follows, and whether or not another line has such a quote."""
    header, first, _ = LINES["orders-csv"]
    good = [first.replace("o1", f"o{i}") for i in range(after)]
    rows = [header, '"o,c1,2024-05-01T09:30:00Z,5', *good, '"o,c1,2024-05-01T09:30:00Z,5']
    found, bad = read(tmp_path, "orders-csv", "\n".join(rows).encode())
    assert len(found) == after
    assert told(bad) == [(2, "line", "malformed"), (3 + after, "line", "malformed")]

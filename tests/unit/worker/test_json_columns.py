"""JSON columns: each record is what its parts, encoded by themselves, would be put together to."""

from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from schemas.timestamp import from_ms
from streams.json_columns import UNKNOWN, Decimals, Named, Piece, Stamps, Where, Wholes, chosen, written
from streams.texts import Texts, either

DIGITS = st.sampled_from([0, 2, 3, 9])
NUMBERS = st.floats() | st.floats(-1000, 1000) | st.integers(-(10**15), 10**15).map(lambda k: k / 1e9)
COLUMNS = st.lists(st.binary(max_size=70) | st.tuples(st.sampled_from("tdnwso"), st.integers(0, 3), DIGITS), max_size=7)
"""What is the same in all records, or a kind of piece, which column it is of, and how many decimals are told."""


def piece(kind: str, column: list[Any], digits: int) -> Piece:
    numbers = np.array(column, np.float64)
    match kind:
        case "t":
            return Texts.of([b"%d" % hash(value) for value in column])
        case "d":
            return Decimals(numbers, digits)
        case "n":
            return Named(b"<", Decimals(numbers, digits), b">")
        case "w":
            return Wholes(np.array([hash(value) for value in column], np.int64))
        case "o":
            some = Where(np.abs(numbers) > 1, [Decimals(numbers, digits), piece("n", column, digits), b"|"])
            return Where(numbers > 0, [b"(", some, Wholes(np.array([hash(value) for value in column])), b")"])
        case _:
            return Stamps(np.array([time_of(value) for value in column], np.int64))


def time_of(value: float) -> int:
    return UNKNOWN if value != value else hash(value) % 10**13


def plain(kind: str, value: float, digits: int) -> bytes:
    rounded = float(np.round(value, digits))
    match kind:
        case "t" | "w":
            return b"%d" % hash(value)
        case "d":
            return orjson.dumps(rounded)
        case "n":
            return b"" if rounded == 0 else b"<" + orjson.dumps(rounded) + b">"
        case "o":
            some = orjson.dumps(rounded) + plain("n", value, digits) + b"|" if abs(value) > 1 else b""
            return b"(" + some + b"%d)" % hash(value) if value > 0 else b""
        case _:
            return orjson.dumps(None if time_of(value) == UNKNOWN else from_ms(time_of(value)))


@given(st.lists(st.tuples(*[NUMBERS] * 4), max_size=9), COLUMNS, st.integers(0, 9))
def test_written_is_each_joined(
    rows: list[tuple[float, ...]], parts: list[bytes | tuple[str, int, int]], some: int
) -> None:
    """Whatever the kinds, of all rows and of some, however often one is taken."""
    columns = [list(column) for column in zip(*rows, strict=True)] or [[]] * 4
    pieces = [part if isinstance(part, bytes) else piece(part[0], columns[part[1]], part[2]) for part in parts]
    with np.errstate(over="ignore"):
        expected = [
            b"".join(part if isinstance(part, bytes) else plain(part[0], row[part[1]], part[2]) for part in parts)
            for row in rows
        ]
    assert written(len(rows), pieces) == expected
    places = [place % len(rows) for place in range(some, 3 * some, 3)] if rows else []
    assert written(len(places), chosen(pieces, places)) == [expected[place] for place in places]


@given(st.lists(NUMBERS, max_size=40), DIGITS)
@example([1e-5, 9.999e-6, 1e-9, -1e-9, -4e-10, 4e-10, 0.0, -0.0, 999_999.999_999_999, 1e6, -1e15, 1e16, 1e22], 9)
@example([1e15, 999_999_999_999_999.0, 123.0, np.inf, -np.inf, np.nan, 5e-324, 1.7e308], 0)
@example([9_999_999_999_999.99, 1e13, 0.005, 0.015, -0.01, 10.1], 2)
def test_numbers_are_rounded_and_written_as_json_has_them(values: list[float], digits: int) -> None:
    """In the digits that orjson would choose: with an exponent or without, of fifteen digits and of more."""
    column = np.array(values, np.float64)
    with np.errstate(over="ignore"):
        expected = [orjson.dumps(value) for value in np.round(column, digits).tolist()]
    assert written(len(values), [Decimals(column, digits)]) == expected


def test_many_records_are_written_in_pieces() -> None:
    """One that is longer than all room for many has room of its own; numbers of many digits go with their records."""
    texts = [b"x" * length for length in (300_000, 1, 0, 150_000, 150_000, 7)]
    numbers = np.array([1e15, 0.5, 2e200, 3e15, 4e15, 5e15])
    told = written(6, [Texts.of(texts), Decimals(numbers, 3)])
    assert told == [text + orjson.dumps(number) for text, number in zip(texts, numbers.tolist(), strict=True)]


@pytest.mark.parametrize("values", [[], [1.5], [np.nan, -0.0, 1e-300, 1e22, 0.1], [1, -(2**63)]])
def test_numbers_are_those_of_json(values: list[float]) -> None:
    """As one by itself is encoded."""
    found = Texts.of_numbers(np.array(values))
    assert written(len(values), [found]) == [orjson.dumps(value) for value in values]
    assert len(found) == len(values)


def test_either_takes_each_from_its_own() -> None:
    """By the mask, and of none nothing."""
    mask = np.array([True, False, False, True])
    told = either(mask, Texts.of([b"y1", b"", b"", b"y2"]), Texts.of([b"", b"n1", b"n2", b""]))
    assert written(4, [told]) == [b"y1", b"n1", b"n2", b"y2"]
    assert written(0, [either(mask[:0], Texts.of([]), Texts.of([]))]) == []


@given(st.lists(st.text(max_size=9)))
def test_texts_within_quotes_are_those_of_json(texts: list[str]) -> None:
    """With what is written otherwise among them, or without."""
    told = written(len(texts), [b'"', Texts.within_quotes([text.encode() for text in texts]), b'"'])
    assert told == list(map(orjson.dumps, texts))

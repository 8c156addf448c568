"""Texts in one buffer: each is what a list of bytes would hold."""

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.texts import Texts, merged, woven

PIECES = st.lists(st.one_of(st.binary(max_size=70), st.integers(0, 3)), max_size=6)
"""What is the same in all texts, or which of the columns it is."""


@given(st.lists(st.tuples(*[st.binary(max_size=40)] * 4), max_size=9), PIECES)
def test_woven_is_each_joined(rows: list[tuple[bytes, ...]], pieces: list[bytes | int]) -> None:
    columns = [list(column) for column in zip(*rows, strict=True)] or [[]] * 4
    told = woven(len(rows), [Texts.of(columns[piece]) if isinstance(piece, int) else piece for piece in pieces])
    assert told.bytes() == [b"".join(row[p] if isinstance(p, int) else p for p in pieces) for row in rows]
    assert woven(len(rows), [b"<", told, b">"])[np.arange(len(rows))[::-1]].bytes() == [
        b"<" + one + b">" for one in reversed(told.bytes())
    ]


@pytest.mark.parametrize("values", [[], [1.5], [np.nan, -0.0, 1e-300, 1e22, 0.1], [1, -(2**63)]])
def test_numbers_are_those_of_json(values: list[float]) -> None:
    found = Texts.of_numbers(np.array(values))
    assert found.bytes() == [orjson.dumps(value) for value in values]
    assert len(found) == len(values)


def test_runs_may_be_empty() -> None:
    told = woven(4, [Texts.of([b"a", b"", b"bc", b"d"])])
    assert told.runs(np.array([0, 2, 0, 1, 1, 0])).bytes() == [b"", b"a", b"", b"bc", b"d", b""]


def test_merged_takes_each_from_its_own() -> None:
    mask = np.array([True, False, False, True])
    assert merged(mask, Texts.of([b"y1", b"y2"]), Texts.of([b"n1", b"n2"])).bytes() == [b"y1", b"n1", b"n2", b"y2"]
    assert merged(mask[:0], Texts.of([]), Texts.of([])).bytes() == []


def test_a_table_and_what_lies_within() -> None:
    table = np.frombuffer(b'"ab""cd"', np.uint8).reshape(2, 4)
    assert Texts.of_table(table).inner().bytes() == [b"ab", b"cd"]

"""Programs of compiled operations answer what the plain interpreter answers."""

import math

import numpy as np
import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from scoring.rules.columns import Column, Op
from scoring.rules.expression import All, Always, AnyOf, Arithmetic, Compare, Constant, Not, Number, Read, Truth, truth
from scoring.rules.program import Program

COLUMNS = [Column(Op.SINCE, 1), Column(Op.TOTAL, 2), Column(Op.FIELD, 0), Column(Op.FIELD, 14)]
VALUES = st.sampled_from([0.0, -0.0, 0.5, 1.0, 2.0, 3.0, -1.0, math.nan, 1e15]) | st.floats(-10, 10)
NUMBERS: st.SearchStrategy[Number] = st.recursive(
    st.builds(Constant, st.sampled_from([0.0, 0.5, 1.0, 2.0, -3.0])) | st.builds(Read, st.sampled_from(COLUMNS)),
    lambda part: st.builds(Arithmetic, st.sampled_from("+-*/"), part, part),
    max_leaves=4,
)
COMPARISONS = st.builds(Compare, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), NUMBERS, NUMBERS)
PREDICATES: st.SearchStrategy[Truth] = st.recursive(
    COMPARISONS | st.builds(Always, st.booleans()),
    lambda part: st.one_of(
        st.builds(Not, part),
        st.builds(All, st.lists(part, min_size=1, max_size=3).map(tuple)),
        st.builds(AnyOf, st.lists(part, min_size=1, max_size=3).map(tuple)),
    ),
    max_leaves=5,
)
POINTS = st.lists(st.tuples(*[VALUES] * len(COLUMNS)), min_size=1, max_size=6)
MANY = 150
"""More points than are worked on at once."""


def check(predicates: list[Truth], points: list[tuple[float, ...]]) -> None:
    """Evaluate the predicates together, and each for each point alone; assert that they agree."""
    program = Program(predicates)
    known = [dict(zip(COLUMNS, point, strict=True)) for point in points]
    columns = np.array([[values[column] for column in program.columns] for values in known])
    found = program.run(columns.reshape(len(points), len(program.columns)))
    assert found.tolist() == [[truth(node, values.__getitem__) for values in known] for node in predicates]


@settings(max_examples=200)
@given(predicates=st.lists(PREDICATES, min_size=1, max_size=4), points=POINTS)
def test_programs_equal_the_interpreter(predicates: list[Truth], points: list[tuple[float, ...]]) -> None:
    """Any predicates, shared parts and unknown values among them, over any points."""
    check(predicates, points)


def test_what_holds_of_a_point_holds_of_it_among_many() -> None:
    """Points are worked on a few at a time; columns may lie elsewhere than in the order in which they are read."""
    program = Program([Compare("<", Read(COLUMNS[0]), Read(COLUMNS[1])), Always(value=True)])
    columns = np.arange(3.0 * MANY).reshape(MANY, 3) % 7
    found = program.run(columns, np.array([2, 0]))
    assert found.tolist() == [(columns[:, 2] < columns[:, 0]).tolist(), [True] * MANY]


@settings(max_examples=100)
@given(predicate=PREDICATES)
def test_equal_parts_are_computed_once(predicate: Truth) -> None:
    """A predicate that is there twice costs nothing the second time."""
    assert Program([predicate, predicate]).steps == Program([predicate]).steps


def test_a_program_that_takes_the_unknown_for_a_value_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison fails where unequal is what is not equal, which holds for what is not a number."""
    step = Program._step

    def naive(self: Program, op: str, left: int, right: int) -> int:
        equal = step(self, "==" if op == "!=" else op, left, right)
        return step(self, "not", equal, equal) if op == "!=" else equal

    monkeypatch.setattr(Program, "_step", naive)

    @settings(max_examples=300, database=None, phases=[Phase.explicit, Phase.generate])
    @example([Compare("!=", Read(COLUMNS[0]), Constant(1.0))], [(math.nan, 0.0, 0.0, 0.0)])
    @given(predicates=st.lists(COMPARISONS, min_size=1, max_size=4), points=POINTS)
    def broken(predicates: list[Truth], points: list[tuple[float, ...]]) -> None:
        check(predicates, points)

    with pytest.raises((AssertionError, ExceptionGroup)):
        broken()

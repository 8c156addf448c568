"""Programs: the predicates of all rules as one list of operations, equal parts computed once."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scoring.rules.columns import Column
from scoring.rules.expression import (
    All,
    Always,
    AnyOf,
    Arithmetic,
    Compare,
    Constant,
    Not,
    Number,
    Read,
    Truth,
    columns_of,
)

__all__ = ["OPERATIONS", "Program", "Step"]

OPERATIONS = ("+", "-", "*", "/", "<", "<=", ">", ">=", "==", "!=", "and", "or", "not")


class Step(NamedTuple):
    """One operation: its name and the slots that it reads. Its result is the next slot."""

    op: str
    left: int
    right: int


class Program:
    """Evaluates predicates over columns.

    Slots hold values: first the columns, then the constants, then what each step computes.

    Parameters
    ----------
    predicates : sequence of Truth
        One for each row of what `run` gives.
    """

    def __init__(self, predicates: Sequence[Truth]) -> None:
        read: frozenset[Column] = frozenset().union(*map(columns_of, predicates))
        self.columns: tuple[Column, ...] = tuple(sorted(read))
        """What is read, in the order in which `run` wants it."""
        self.steps: list[Step] = []
        """The operations, each after those whose results it reads."""
        self._constants: list[float | bool] = []
        self._slots: dict[object, int] = {Read(column): i for i, column in enumerate(self.columns)}
        for constant in sorted({_key(c) for predicate in predicates for c in _constants(predicate)}):
            self._slots[constant] = len(self._slots)
            self._constants.append(constant[1] if constant[0] == "number" else bool(constant[1]))
        outputs = [self._place(predicate) for predicate in predicates]
        self._outputs = np.array(outputs, np.int64)
        self._coded = np.array([(OPERATIONS.index(step.op), step.left, step.right) for step in self.steps], np.int64)
        self._coded = self._coded.reshape(len(self.steps), 3)
        self._values = np.array(self._constants, np.float64)

    def run(self, columns: NDArray[np.float64], read: NDArray[np.int64] | None = None) -> NDArray[np.bool_]:
        """Which predicates hold for which points.

        `columns` is (m, C), float64, NaN where unknown; `read` says where among them those are that the program reads,
        None that they are these. The result is (predicates, m), bool. O(m * steps).
        """
        from scoring.rules.stepping import run_steps  # here, as who only reads rules need not wait for a compiler

        if read is None:
            read = np.arange(len(self.columns))
        holds = np.empty((len(self._outputs), len(columns)), np.bool_)
        run_steps(np.ascontiguousarray(columns), read, self._values, self._coded, self._outputs, holds)
        return holds

    def _place(self, node: Number | Truth) -> int:
        """The slot that holds the value of `node`, with the steps that lead to it appended where they are
        new.
        """
        match node:
            case Read():
                return self._slots[node]
            case Constant() | Always():
                return self._slots[_key(node)]
            case Not(part):
                slot = self._place(part)
                return self._step("not", slot, slot)
            case Arithmetic(op, left, right) | Compare(op, left, right):
                return self._step(op, self._place(left), self._place(right))
            case All(parts) | AnyOf(parts):
                slot = self._place(parts[0])
                for part in parts[1:]:
                    slot = self._step("and" if isinstance(node, All) else "or", slot, self._place(part))
                return slot

    def _step(self, op: str, left: int, right: int) -> int:
        step = Step(op, left, right)
        if step not in self._slots:
            self._slots[step] = len(self.columns) + len(self._constants) + len(self.steps)
            self.steps.append(step)
        return self._slots[step]


def _key(node: Constant | Always) -> tuple[str, float]:
    # Python holds True, 1 and 1.0 equal: the kind of constant goes into the key.
    return ("number" if isinstance(node, Constant) else "truth", node.value)


def _constants(node: Number | Truth) -> list[Constant | Always]:
    match node:
        case Constant() | Always():
            return [node]
        case Read():
            return []
        case Not(part):
            return _constants(part)
        case All(parts) | AnyOf(parts):
            return [constant for part in parts for constant in _constants(part)]
        case Arithmetic(_, left, right) | Compare(_, left, right):
            return _constants(left) + _constants(right)

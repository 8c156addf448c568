"""Stepping: the steps of a program over points, compiled."""

from typing import Any

import numpy as np

from scoring.compiled import compiled, compiled_allocating
from scoring.rules.program import OPERATIONS

__all__ = ["run_steps"]

_ADD, _SUBTRACT, _MULTIPLY, _DIVIDE, _LESS, _AT_MOST, _MORE, _AT_LEAST, _EQUAL, _UNEQUAL, _AND, _OR, _NOT = range(
    len(OPERATIONS)
)
_BLOCK = 64
"""Points that all steps go over before the next: what they compute stays in the processor's cache."""


@compiled_allocating
def run_steps(columns: Any, read: Any, constants: Any, steps: Any, outputs: Any, holds: Any) -> None:
    """Take all steps for a block of points, then for the next.

    A slot is a number or a truth, and has its place in an array of either kind.
    """
    known = read.shape[0] + constants.shape[0]
    numbers = np.empty((known + steps.shape[0], _BLOCK))
    truths = np.empty((known + steps.shape[0], _BLOCK), np.bool_)
    for k in range(constants.shape[0]):
        numbers[read.shape[0] + k] = constants[k]
        truths[read.shape[0] + k] = constants[k] != 0.0
    for start in range(0, columns.shape[0], _BLOCK):
        n = min(_BLOCK, columns.shape[0] - start)
        for j in range(n):
            for k in range(read.shape[0]):
                numbers[k, j] = columns[start + j, read[k]]
        for s in range(steps.shape[0]):
            op, left, right = steps[s]
            if op <= _DIVIDE:
                _calculate(op, numbers[left], numbers[right], numbers[known + s])
            elif op <= _UNEQUAL:
                _compare(op, numbers[left], numbers[right], truths[known + s])
            else:
                _combine(op, truths[left], truths[right], truths[known + s])
        for k in range(outputs.shape[0]):
            for j in range(n):
                holds[k, start + j] = truths[outputs[k], j]


@compiled
def _calculate(op: int, left: Any, right: Any, result: Any) -> None:
    """Of numbers a number; divided by zero it is unknown."""
    if op == _ADD:
        for j in range(_BLOCK):
            result[j] = left[j] + right[j]
    elif op == _SUBTRACT:
        for j in range(_BLOCK):
            result[j] = left[j] - right[j]
    elif op == _MULTIPLY:
        for j in range(_BLOCK):
            result[j] = left[j] * right[j]
    else:
        for j in range(_BLOCK):
            result[j] = np.nan if right[j] == 0.0 else left[j] / right[j]


@compiled
def _compare(op: int, left: Any, right: Any, result: Any) -> None:
    """Of numbers a truth; no comparison with what is unknown (NaN) holds."""
    if op == _LESS:
        for j in range(_BLOCK):
            result[j] = left[j] < right[j]
    elif op == _AT_MOST:
        for j in range(_BLOCK):
            result[j] = left[j] <= right[j]
    elif op == _MORE:
        for j in range(_BLOCK):
            result[j] = left[j] > right[j]
    elif op == _AT_LEAST:
        for j in range(_BLOCK):
            result[j] = left[j] >= right[j]
    elif op == _EQUAL:
        for j in range(_BLOCK):
            result[j] = left[j] == right[j]
    else:
        for j in range(_BLOCK):
            result[j] = (left[j] < right[j]) | (left[j] > right[j])


@compiled
def _combine(op: int, left: Any, right: Any, result: Any) -> None:
    """Of truths a truth."""
    if op == _AND:
        for j in range(_BLOCK):
            result[j] = left[j] & right[j]
    elif op == _OR:
        for j in range(_BLOCK):
            result[j] = left[j] | right[j]
    else:
        for j in range(_BLOCK):
            result[j] = not left[j]

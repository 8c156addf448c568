"""Slots: which bit of a customer's row says that they are in which rule's list, for as long as the state lives."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scoring.rules.rule import RuleError
from scoring.rules.ruleset import MAX_RULES

__all__ = ["Slots", "moved_bits"]


class Slots:
    """Rule names by bit; a name keeps its bit while other rules come and go.

    Attributes
    ----------
    names
        By bit, at most `most`; stored with the state.
    """

    def __init__(self, names: Sequence[str] = (), most: int = MAX_RULES) -> None:
        self.names = list(names)
        self._most = most

    def assign(self, rules: Sequence[str]) -> tuple[list[int], int]:
        """The bits of these rules, and the mask of bits that another rule had and that must be cleared in every row.

        Bits never used are given first; only when there are none left, those of rules no longer in force.

        Raises
        ------
        RuleError
            If there are more rules than bits.
        """
        most = self._most
        if len(rules) > most:
            reason = f"is rule {most + 1}, and there can be {most}"
            raise RuleError(rules[most], "name", rules[most], reason, "remove rules that are no longer used")
        cleared = 0
        for name in rules:
            if name in self.names:
                continue
            if len(self.names) < most:
                self.names.append(name)
                continue
            bit = next(i for i, old in enumerate(self.names) if old not in rules)
            self.names[bit] = name
            cleared |= 1 << bit
        return [self.names.index(name) for name in rules], cleared


def moved_bits(bits: NDArray[Any], before: Sequence[str], now: Sequence[str]) -> NDArray[Any]:
    """Bits that say which lists something is in, by their names before, as they are by the names now."""
    found = np.zeros_like(bits)
    for bit, name in enumerate(before):
        if name in now:
            found |= (bits >> bits.dtype.type(bit) & bits.dtype.type(1)) << bits.dtype.type(now.index(name))
    return found

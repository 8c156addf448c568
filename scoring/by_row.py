"""By row: something of many customers, in a list by the number of their row, None where there is nothing.

A dict of a million takes a tenth of a second to grow, now and then; a list is moved by the system.
"""

from typing import TypeVar

__all__ = ["ByRow"]

T = TypeVar("T")


class ByRow(list[T | None]):
    """As long as the highest row needs that something is kept of; a row that is not there is -1."""

    def of(self, row: int) -> T | None:
        """What is kept of a row."""
        return self[row] if 0 <= row < len(self) else None

    def keep(self, row: int, what: T) -> None:
        """Keep it in the place of what there was."""
        if row >= len(self):
            self.extend([None] * (row + 1 - len(self)))
        self[row] = what

    def drop(self, row: int) -> None:
        """Keep nothing of a row."""
        if 0 <= row < len(self):
            self[row] = None

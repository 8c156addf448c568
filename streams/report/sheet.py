"""Sheet: a table of a report, and the report that holds some with the plots beside them."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Cell", "Picture", "Report", "Sheet", "shown"]

Cell = str | int | float | None
"""A value of a table; None, or a number that is not one, is what is not known."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table.

    Parameters
    ----------
    name
        Its key in JSON.
    title
        A sentence above it.
    columns
        Names, the first of what a row is about; they are the keys of a row in JSON.
    rows
        One value a column.
    note
        What must be known to read it.
    most
        So many rows are shown; JSON has them all.
    """

    name: str
    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[Cell, ...]]
    note: str = ""
    most: int = 60

    def as_data(self) -> list[dict[str, Any]]:
        """The rows for JSON."""
        return [dict(zip(self.columns, map(_plain, row), strict=True)) for row in self.rows]


@dataclass(frozen=True, slots=True)
class Picture:
    """A plot: `draw` is given a matplotlib axis."""

    title: str
    draw: Callable[[Any], None]


@dataclass(frozen=True, slots=True)
class Report:
    """All that a report says; `said` are the sentences that it begins with."""

    name: str
    title: str
    said: Sequence[str]
    sheets: Sequence[Sheet]
    pictures: Sequence[Picture] = field(default=())

    def as_data(self) -> dict[str, Any]:
        """What `--json` prints."""
        return {"report": self.name, "said": list(self.said), **{sheet.name: sheet.as_data() for sheet in self.sheets}}


def shown(value: Cell) -> str:
    """A value as people read it."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "–"
    if isinstance(value, str):
        return value
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:,.1f}" if abs(value) >= 10 else f"{value:,.3f}"


def _plain(value: Cell) -> Cell:
    return None if isinstance(value, float) and not math.isfinite(value) else value

"""Terminal: a report as text."""

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from streams.report.sheet import Report, Sheet, shown

__all__ = ["render"]


def render(report: Report) -> RenderableType:
    """The sentences and the tables of a report."""
    parts: list[RenderableType] = [Text(report.title, style="bold"), *map(Text, report.said)]
    for sheet in report.sheets:
        parts += [Text(""), _table(sheet)]
    return Group(*parts)


def _table(sheet: Sheet) -> Table:
    table = Table(title=Text(sheet.title), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    numbers = [all(not isinstance(row[i], str) for row in sheet.rows) for i in range(len(sheet.columns))]
    for name, right in zip(sheet.columns, numbers, strict=True):
        table.add_column(Text(name), justify="right" if right else "left", overflow="fold")
    for row in sheet.rows[: sheet.most]:
        table.add_row(*(Text(shown(value)) for value in row))
    left_out = len(sheet.rows) - sheet.most
    notes = [sheet.note] if sheet.note else []
    notes += [f"{left_out:,} more rows with --json"] if left_out > 0 else []
    if notes:
        table.caption, table.caption_justify = Text("; ".join(notes)), "left"
    return table

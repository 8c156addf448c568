"""The live view: one screen that says what flows, how good the scores are and who crossed which line."""

from datetime import UTC, datetime

from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from streams.demo.judged import MonthQuality, quality_by_month
from streams.demo.progress import Progress
from streams.demo.tally import rule_counts
from streams.demo.watched import Crossing, Mover, Watched

__all__ = ["FULL", "LABEL", "day", "plain_line", "quality_table", "reasons", "screen", "sparkline"]

LABEL = "real orders (Online Retail, UCI) in a [bold magenta]synthetic life[/], on the events' own clock"
_BARS = "▁▂▃▄▅▆▇█"
FULL = (120, 32)
"""Columns and lines in which everything has its place; on fewer, less is shown."""
_HEADER_LINES = 4
_THREE_PANELS, _ALL_FIGURES = 120, 80
_RULE_COLOURS = {
    "high-propensity": "green",
    "cart-abandoned": "yellow",
    "second-order": "cyan",
    "win-back": "red",
    "browsing-prospect": "magenta",
}


def screen(progress: Progress, watched: Watched, size: tuple[int, int] = FULL) -> RenderableType:
    """Draw the whole view into `size` columns and lines. It renders on empty data too; about 5 ms."""
    columns, lines = size
    lower_lines = 12 if lines >= FULL[1] else 8
    upper_lines = max(6, min(16, lines - _HEADER_LINES - lower_lines))
    upper = Table.grid(expand=True, padding=(0, 1))
    panels = [
        _flow(progress, watched, upper_lines),
        _quality(watched, upper_lines, all_figures=columns >= _ALL_FIGURES),
    ]
    ratios = [30, 37]
    if columns >= _THREE_PANELS:
        panels.append(_movers(watched, upper_lines))
        ratios.append(33)
    for ratio in ratios:
        upper.add_column(ratio=ratio)
    upper.add_row(*panels)
    lower = Table.grid(expand=True, padding=(0, 1))
    lower.add_column(ratio=68)
    lower.add_column(ratio=32)
    lower.add_row(_crossings(watched, lower_lines), _counts(watched, lower_lines))
    return Group(_header(progress), upper, lower)


def plain_line(progress: Progress, watched: Watched) -> str:
    """Say where the run is in one line, for logs and pipes."""
    months = [m for m in quality_by_month(watched.judged) if m.auc == m.auc]
    quality = f"AUC {months[-1].auc:.3f} ({months[-1].month})" if months else "no score judged yet"
    crossed = sum(watched.entered.values())
    return (
        f"{day(progress.now_ms)}  {progress.produced:>7,} of {progress.total:,} events  "
        f"{progress.rate.per_second:>6,.0f}/s  lag {progress.lag:,}  {progress.customers:,} customers  "
        f"{quality}  {crossed:,} crossings, {watched.withheld_crossings:,} withheld"
    )


def day(time_ms: int) -> str:
    """A date in UTC, or a dash before there is one."""
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%Y-%m-%d") if time_ms > 0 else "—"


def sparkline(values: list[float], low: float = 0.0, high: float = 1.0) -> str:
    """Draw values as bars between `low` and `high`, one character each; what is outside is cut."""
    top = len(_BARS) - 1
    span = (high - low) or 1.0
    return "".join(_BARS[min(top, max(0, round((value - low) / span * top)))] for value in values)


def reasons(crossing: Crossing) -> str:
    """Say what moved the score: each group with its push on the log-odds."""
    parts = [f"{group.replace('_', ' ')} {push:+.2f}" for group, push in crossing.reasons]
    return ", ".join(parts)


def quality_table(months: list[MonthQuality], title: str | None = None, *, all_figures: bool = True) -> Table:
    """Quality by month; a month that was ranked by decayed orders alone is marked."""
    table = Table(
        box=None,
        expand=title is None,
        title=title,
        title_justify="left",
        header_style="dim",
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    table.add_column("month", min_width=8)
    for name in ("scores", "bought", "AUC", "AP", "Brier")[: 5 if all_figures else 3]:
        table.add_column(name, justify="right")
    for month in months:
        cells: list[str | Text] = [
            f"{month.scores:,}",
            _number(month.base_rate, ".0%"),
            Text(_number(month.auc), style="bold" if not month.warming_up else ""),
            _number(month.average_precision),
            _number(month.brier),
        ]
        name = month.month + ("*" if month.warming_up else " ")
        table.add_row(name, *cells[: 5 if all_figures else 3], style="dim" if month.warming_up else "")
    return table


def _number(value: float, form: str = ".3f") -> str:
    return format(value, form) if value == value else "—"


def _header(progress: Progress) -> RenderableType:
    line = Table.grid(expand=True, padding=(0, 1))
    line.add_column()
    line.add_column(ratio=1)
    line.add_column(justify="right")
    line.add_row(
        f"[bold]{day(progress.now_ms)}[/]",
        ProgressBar(total=1.0, completed=progress.done),
        f"{progress.done:.0%}  {progress.elapsed_s:.0f} s",
    )
    label = Text.from_markup(LABEL)
    label.no_wrap, label.overflow = True, "ellipsis"
    return Panel(
        Group(label, line),
        title=f"[bold]recompra demo[/] · {progress.phase}",
        title_align="left",
        border_style="blue",
        box=box.ROUNDED,
    )


def _panel(content: RenderableType, title: str, height: int) -> Panel:
    return Panel(
        content,
        title=title,
        title_align="left",
        height=height,
        border_style="dim",
        box=box.ROUNDED,
        padding=(0, 1),
    )


def _flow(progress: Progress, watched: Watched, lines: int) -> Panel:
    table = Table.grid(expand=True)
    table.add_column(style="dim")
    table.add_column(justify="right")
    actions = sum(count for topic, count in watched.read.items() if topic.startswith("actions-"))
    rows = [
        ("events/s", f"[bold]{progress.rate.per_second:,.0f}[/]"),
        ("lag", f"{progress.lag:,}"),
        ("real orders", f"{progress.orders:,}"),
        ("[magenta]synthetic events[/]", f"{progress.synthetic:,}"),
        ("customers", f"{progress.customers:,}"),
        ("watermark", day(progress.watermark_ms)),
        ("scores published", f"{watched.read['scores']:,}"),
        ("actions, withheld too", f"{actions:,}"),
        ("examples resolved", f"{watched.read['examples']:,}"),
        ("models", f"{watched.models:,}"),
        ("newest model from", day(watched.model_ms)),
    ]
    for row in rows:
        table.add_row(*row)
    return _panel(table, "flow", lines)


def _quality(watched: Watched, lines: int, *, all_figures: bool) -> Panel:
    months = quality_by_month(watched.judged)
    if not months:
        return _panel(Text("the first scores are judged after 30 days"), "quality as it learns", lines)
    note = Text("customers with real orders only; judged 30 days on\n* warming up: ranked by orders", style="dim")
    room = lines - 3  # without the border and the heading
    roomy = room > 10
    table = quality_table(months[-(room - 3 if roomy else room) :], all_figures=all_figures)
    content = Group(table, note) if roomy else table
    return _panel(content, "quality as it learns", lines)


def _movers(watched: Watched, lines: int) -> Panel:
    table = Table.grid(expand=True, padding=(0, 1))
    table.add_column()
    table.add_column(ratio=1, no_wrap=True, overflow="crop")
    table.add_column(justify="right")
    for mover in watched.shown_movers(lines - 4):
        table.add_row(mover.customer, _trace(mover), f"{mover.percentiles[-1]:.0%}")
    note = Text("percentile among all customers, newest right", style="dim")
    return _panel(Group(table, note), "scores moving", lines)


def _trace(mover: Mover) -> Text:
    colour = "green" if mover.moved > 0 else "red" if mover.moved < 0 else ""
    return Text(sparkline(list(mover.percentiles)[-22:]), style=colour)


def _crossings(watched: Watched, lines: int) -> Panel:
    table = Table(box=None, expand=True, header_style="dim", pad_edge=False)
    table.add_column("date", no_wrap=True)
    table.add_column("customer", no_wrap=True)
    table.add_column("entered", no_wrap=True)
    table.add_column("score", justify="right")
    table.add_column("because (change in log-odds)", ratio=1, no_wrap=True, overflow="ellipsis")
    for crossing in list(watched.latest)[::-1][: lines - 3]:
        colour = _RULE_COLOURS.get(crossing.rule, "white")
        table.add_row(
            day(crossing.time_ms),
            crossing.customer,
            Text(crossing.rule, style=colour),
            "—" if crossing.score is None else f"{crossing.score:.2f}",
            reasons(crossing),
        )
    return _panel(table, "latest crossings (actions-*)", lines)


def _counts(watched: Watched, lines: int) -> Panel:
    table = Table(box=None, expand=True, header_style="dim", pad_edge=False)
    table.add_column("rule", no_wrap=True, overflow="ellipsis")
    table.add_column("people", justify="right")
    table.add_column("told", justify="right")
    table.add_column("withheld", justify="right")
    counts = rule_counts(watched.tallies)
    for count in counts[: lines - 5]:
        name = Text(count.rule, style=_RULE_COLOURS.get(count.rule, "white"))
        table.add_row(name, f"{count.customers:,}", f"{count.reached:,}", f"{count.withheld:,}")
    reasons_text = ", ".join(f"{code} {count:,}" for code, count in watched.withheld.most_common(4)) or "none"
    note = Text(f"withheld: {reasons_text}", style="dim", no_wrap=True, overflow="ellipsis")
    return _panel(Group(table, note), f"by rule ({len(counts)} so far)", lines)

"""Backtest summary: what a run showed, as data and as a table for a terminal."""

import math
from collections.abc import Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from schemas.timestamp import from_ms
from scoring.learner import ALL
from scoring.quality import Quality
from streams.backtest.run import Backtest, Result
from streams.durations import format_duration
from streams.loading import Loaded
from streams.settings import Settings

__all__ = ["as_data", "render"]


def as_data(
    settings: Settings,
    files: Sequence[str],
    test: Backtest,
    result: Result,
    loaded: Loaded,
    cutoffs: list[dict[str, Any]],
) -> dict[str, Any]:
    """What `--json` prints; figures that need both outcomes are null where there is only one."""
    learner, counts = result.learner, test.engine.counts
    quality = learner.quality
    return {
        "files": list(files),
        "horizon": format_duration(settings.horizon),
        "model": settings.model,
        "first_event": from_ms(result.first_ms),
        "last_event": from_ms(result.last_ms),
        "lines": loaded.lines,
        "skipped": dict(loaded.skipped.most_common()),
        "bad": loaded.bad + len(result.refused),
        "events": result.events,
        "counts": {
            "applied": counts.applied,
            "duplicate": counts.duplicate,
            "late": counts.late,
            "ignored": counts.ignored,
            "dead_lettered": counts.dead_lettered,
        },
        "customers": len(test.engine.profiles),
        "examples": learner.seen,
        "bought": learner.positives,
        "warming_up": learner.warming_up,
        "quality": {
            segment: {
                "overall": _plain(quality.overall(segment)),
                "by_month": {month: _plain(found) for month, found in quality.by_month(segment).items()},
            }
            for segment in quality.segments()
        },
        "cutoffs": cutoffs,
        "rules": {
            name: {"entered": result.entered[name], "withheld": result.withheld[name]}
            for name in sorted({*result.entered, *result.withheld})
        },
    }


def _plain(quality: Quality) -> dict[str, Any]:
    return {
        name: value if isinstance(value, int) or math.isfinite(value) else None
        for name, value in quality._asdict().items()
    }


def render(data: dict[str, Any]) -> RenderableType:
    """The summary as a person reads it."""
    parts: list[RenderableType] = [
        Text(
            f"{data['events']:,} events of {data['customers']:,} customers, "
            f"{data['first_event'][:10]} to {data['last_event'][:10]}; "
            f"the chance to buy within {data['horizon']}, model {data['model']}"
        )
    ]
    told = [f"{data['counts'][name]:,} {name.replace('_', '-')}" for name in ("duplicate", "late", "ignored")]
    told += [f"{count:,} lines skipped: {why}" for why, count in list(data["skipped"].items())[:5]]
    told += [f"{data['bad']:,} bad lines"] if data["bad"] else []
    parts.append(Text("; ".join(told), style="dim"))
    if data["quality"]:
        parts.append(_months(data))
        parts += [
            Text(_sentence(name, data["quality"][name]["overall"]))
            for name in ("customers", "prospects")
            if name in data["quality"]
        ]
    parts.append(Text(_state(data)))
    if data["rules"]:
        parts.append(
            Text(
                "entered a rule's list: "
                + ", ".join(f"{name} {found['entered']:,}" for name, found in data["rules"].items())
            )
        )
    return Group(*parts)


def _state(data: dict[str, Any]) -> str:
    resolved = f"{data['examples']:,} examples resolved, {data['bought']:,} of them bought within {data['horizon']}"
    if data["warming_up"]:
        return f"{resolved}: too few for a model, customers are ranked by their past orders"
    if not data["quality"]:
        return f"{resolved}: enough for a model, but none of its own scores has resolved yet"
    return resolved


def _sentence(name: str, quality: dict[str, Any]) -> str:
    who = "had bought before" if name == "customers" else "had never bought"
    return (
        f"those who {who}: {quality['examples']:,} scores judged, "
        f"AUC {_figure(quality['auc'])}, AP {_figure(quality['average_precision'])}"
    )


def _months(data: dict[str, Any]) -> Table:
    table = Table(title="Scores given in each month, judged by what happened within the horizon", title_justify="left")
    table.add_column("month")
    for name in ("scores", "bought", "AUC", "AP", "log loss", "Brier", "calibration error"):
        table.add_column(name, justify="right")
    found = data["quality"][ALL]
    for month, quality in found["by_month"].items():
        table.add_row(month, *_cells(quality))
    table.add_section()
    table.add_row("all", *_cells(found["overall"]))
    return table


def _cells(quality: dict[str, Any]) -> list[str]:
    return [
        f"{quality['examples']:,}",
        _figure(quality["positives"] / quality["examples"] if quality["examples"] else None),
        *(_figure(quality[name]) for name in ("auc", "average_precision", "log_loss", "brier", "calibration_error")),
    ]


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"

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

_NO_CONSENT = (
    "no_consent: nobody is sent marketing who has not agreed to it; "
    "where a history does not say who did, set RECOMPRA_CONSENT_UNKNOWN=yes"
)


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
        "customers": test.engine.profiles.customers,
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
        "rules": _rules(result),
    }


def _rules(result: Result) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in sorted({*result.entered, *(rule for rule, _ in result.withheld)}):
        reasons = {code: count for (rule, code), count in result.withheld.most_common() if rule == name}
        found[name] = {"entered": result.entered[name], "withheld": sum(reasons.values()), "reasons": reasons}
    return found


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
        parts.append(_actions(data["rules"]))
        if any("no_consent" in found["reasons"] for found in data["rules"].values()):
            parts.append(Text(_NO_CONSENT, style="dim"))
    return Group(*parts)


def _actions(rules: dict[str, Any]) -> Table:
    table = Table(title="Actions on entering a rule's list, and why the others were withheld", title_justify="left")
    table.add_column("rule")
    for name in ("published", "withheld"):
        table.add_column(name, justify="right")
    table.add_column("first reason")
    for name, found in rules.items():
        reasons = ", ".join(f"{code} {count:,}" for code, count in found["reasons"].items())
        table.add_row(name, f"{found['entered']:,}", f"{found['withheld']:,}", reasons)
    return table


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

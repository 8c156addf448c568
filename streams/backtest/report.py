"""Backtest report: one HTML page with its plots in it."""

import html
from pathlib import Path
from typing import Any

import numpy as np

from scoring.learner import ALL
from streams.backtest.run import Result
from streams.report.page import STYLE, picture_of
from streams.report.sheet import Picture

__all__ = ["write_report"]

_STYLE = f"{STYLE}td:first-child {{ text-align: left }}\n"

_FIGURES = (
    ("auc", "AUC"),
    ("average_precision", "AP"),
    ("log_loss", "log loss"),
    ("brier", "Brier"),
    ("calibration_error", "calibration error"),
)


def write_report(directory: Path, data: dict[str, Any], result: Result) -> Path:
    """Write ``index.html`` into `directory`, which is made where it is missing; return its path.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    directory.mkdir(parents=True, exist_ok=True)
    page = directory / "index.html"
    page.write_text(_page(data, result), encoding="utf-8", errors="replace")
    return page


def _page(data: dict[str, Any], result: Result) -> str:
    e = html.escape
    files = ", ".join(e(name) for name in data["files"])
    said = (
        f"<p>{files}: {data['events']:,} events of {data['customers']:,} customers, "
        f"{e(data['first_event'])} to {e(data['last_event'])}. Scores are the chance to buy within "
        f"{e(data['horizon'])}; the model is {e(data['model'])}.</p>"
        "<p>Each score was given from what was known at its moment, by a model that had learned only outcomes "
        "already known then, and is judged here by what happened within the horizon.</p>"
    )
    parts = [
        "<!doctype html><html lang='en'><meta charset='utf-8'><title>recompra backtest</title>",
        f"<style>{_STYLE}</style><h1>Backtest</h1>",
        said,
    ]
    if ALL in data["quality"]:
        parts += [
            picture_of(Picture("Quality by month", lambda axis: _by_month(axis, data))),
            _table(data),
            picture_of(Picture("What was promised, and what happened", lambda axis: _reliability(axis, result))),
            _segments(data),
        ]
    else:
        parts.append(
            f"<p>{data['examples']:,} examples resolved, {data['bought']:,} bought: too little to judge a model; "
            "customers are ranked by their past orders.</p>"
        )
    if data["rules"]:
        rows = "".join(
            f"<tr><td>{e(name)}<td>{found['entered']:,}<td>{found['withheld']:,}"
            f"<td>{', '.join(f'{code} {count:,}' for code, count in found['reasons'].items())}"
            for name, found in data["rules"].items()
        )
        parts.append(
            f"<h2>Crossings by rule</h2><table><tr><th>rule<th>entered<th>entered, action withheld"
            f"<th>first reason{rows}</table>"
        )
    bad = data.get("bad_lines", [])
    if bad:
        rows = "".join(
            f"<tr><td>{e(one['file'])}:{one['line']}<td>{e(one['field'])}<td>{e(one['value'])}<td>{e(one['reason'])}"
            for one in bad
        )
        parts.append(f"<h2>{data['bad']:,} bad lines</h2><table><tr><th>line<th>field<th>value<th>reason{rows}</table>")
    return "\n".join(parts) + "</html>\n"


def _table(data: dict[str, Any]) -> str:
    head = "".join(f"<th>{name}" for name in ("month", "scores", "bought", *(shown for _, shown in _FIGURES)))
    found = data["quality"][ALL]
    rows = [_row(month, quality) for month, quality in found["by_month"].items()]
    return f"<table><tr>{head}{''.join(rows)}{_row('all', found['overall'])}</table>"


def _row(name: str, quality: dict[str, Any]) -> str:
    share = quality["positives"] / quality["examples"]
    figures = "".join(f"<td>{_figure(quality[field])}" for field, _ in _FIGURES)
    return f"<tr><td>{html.escape(name)}<td>{quality['examples']:,}<td>{share:.3f}{figures}"


def _segments(data: dict[str, Any]) -> str:
    rows = "".join(
        _row(name, found["overall"]) for name, found in data["quality"].items() if found["overall"]["examples"]
    )
    head = "".join(f"<th>{name}" for name in ("segment", "scores", "bought", *(shown for _, shown in _FIGURES)))
    return f"<h2>By segment</h2><p>Customers had bought before, prospects had not.</p><table><tr>{head}{rows}</table>"


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _by_month(axis: Any, data: dict[str, Any]) -> None:
    months = data["quality"][ALL]["by_month"]
    for name, label, colour in (
        ("auc", "AUC", "#2a9d8f"),
        ("average_precision", "average precision", "#457b9d"),
    ):
        values = [np.nan if found[name] is None else found[name] for found in months.values()]
        axis.plot(list(months), values, "o-", label=label, color=colour)
    share = [found["positives"] / found["examples"] for found in months.values()]
    axis.plot(list(months), share, ":", label="share that bought", color="grey")
    axis.set_ylim(0, 1)
    axis.tick_params(axis="x", rotation=45)
    axis.legend(frameon=False)


def _reliability(axis: Any, result: Result) -> None:
    count, bought, promised = result.learner.quality.reliability(ALL)
    some = count > 0
    axis.plot([0, 1], [0, 1], ":", color="grey")
    axis.plot(promised[some] / count[some], bought[some] / count[some], "o-", color="#2a9d8f")
    for x, y, n in zip(promised[some] / count[some], bought[some] / count[some], count[some], strict=True):
        axis.annotate(f"{int(n):,}", (x, y), textcoords="offset points", xytext=(6, -10), fontsize=7, color="grey")
    axis.set_xlabel("probability given (mean of each tenth)")
    axis.set_ylabel("share that bought")

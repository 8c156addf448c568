"""Writing: all reports of what was gathered, each a page of its own in one directory."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

from streams.report.gathered import Gathered
from streams.report.page import write_page
from streams.report.quality import quality_report
from streams.report.retention import retention_report
from streams.report.rules import rules_report
from streams.report.sheet import Report
from streams.report.terms import ReportTerms
from streams.report.trends import trends_report
from streams.report.types import types_report
from streams.report.uplift import uplift_report
from streams.report.value import value_report

__all__ = ["REPORTS", "SCORED", "made_of", "write_all"]

REPORTS: Final[dict[str, Callable[[Gathered, ReportTerms], Report]]] = {
    "trends": lambda gathered, _: trends_report(gathered.observed),
    "retention": lambda gathered, terms: retention_report(gathered.observed, terms),
    "types": lambda gathered, terms: types_report(gathered.observed, terms),
    "value": lambda gathered, terms: value_report(gathered.observed, terms, gathered.scores),
    "rules": lambda gathered, terms: rules_report(gathered.observed, gathered.crossings, terms),
    "uplift": lambda gathered, terms: uplift_report(gathered.observed, gathered.crossings, terms),
    "quality": lambda gathered, _: quality_report(gathered.judged),
}
"""By name, each from what was gathered."""

SCORED: Final = frozenset({"value", "rules", "uplift", "quality"})
"""Reports that need what was scored, not only what happened."""


def made_of(name: str, gathered: Gathered, terms: ReportTerms) -> Report:
    """Make the report of a name, which begins with what it says and ends that with what was left out."""
    report = REPORTS[name](gathered, terms)
    return replace(report, said=[*report.said, *gathered.left_out])


def write_all(directory: Path, gathered: Gathered, terms: ReportTerms) -> list[Path]:
    """Write every report's page into `directory`, which is made where it is missing; return their paths. Seconds.

    Raises
    ------
    OSError
        If one cannot be written.
    """
    directory.mkdir(parents=True, exist_ok=True)
    pages = []
    for name in REPORTS:
        pages.append(directory / f"{name}.html")
        write_page(pages[-1], made_of(name, gathered, terms))
    return pages

"""Page: a report as one HTML file that needs nothing else; whatever the data holds is escaped."""

import base64
import html
import io
import warnings
from pathlib import Path
from typing import Any

from streams.report.sheet import Picture, Report, Sheet, shown

__all__ = ["STYLE", "page_of", "picture_of", "write_page"]

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
table { border-collapse: collapse; margin: 1rem 0 } td, th { padding: .2rem .8rem; text-align: right }
td.text, th:first-child { text-align: left } tr:nth-child(even) { background: #f4f6f6 }
th { border-bottom: 2px solid #2a9d8f } img { max-width: 100% } .dim { color: #777 }
"""
"""Of every page."""


def write_page(path: Path, report: Report) -> None:
    """Write the page of a report.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    path.write_text(page_of(report), encoding="utf-8", errors="replace")


def page_of(report: Report) -> str:
    """The page's HTML. Half a second a plot."""
    parts = [
        "<!doctype html><html lang='en'><meta charset='utf-8'>",
        f"<title>{html.escape(report.title)}</title><style>{STYLE}</style><h1>{html.escape(report.title)}</h1>",
        *(f"<p>{html.escape(sentence)}</p>" for sentence in report.said),
        *map(picture_of, report.pictures),
        *map(_table, report.sheets),
    ]
    return "\n".join(parts) + "</html>\n"


def _table(sheet: Sheet) -> str:
    e = html.escape
    head = "".join(f"<th>{e(name)}" for name in sheet.columns)
    rows = "".join("<tr>" + "".join(map(_cell, row)) for row in sheet.rows[: sheet.most])
    note = f"<p class='dim'>{e(sheet.note)}</p>" if sheet.note else ""
    more = len(sheet.rows) - sheet.most
    note += f"<p class='dim'>{more:,} more rows with --json</p>" if more > 0 else ""
    return f"<h2>{e(sheet.title)}</h2><table><tr>{head}{rows}</table>{note}"


def _cell(value: object) -> str:
    text = html.escape(shown(value))  # type: ignore[arg-type]
    return f"<td class='text'>{text}" if isinstance(value, str) else f"<td>{text}"


def picture_of(picture: Picture) -> str:
    """A plot as HTML, the image in it; a sentence instead where matplotlib is not installed. Half a second."""
    title = html.escape(picture.title)
    try:
        import matplotlib as mpl
    except ImportError:
        return (
            f"<h2>{title}</h2><p class='dim'>No plot: matplotlib is not installed (pip install 'recompra[demo]').</p>"
        )
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    # Text is taken as it is: a dollar sign in a product's name is no formula.
    told: dict[Any, Any] = {
        "font.size": 9,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "text.parse_math": False,
    }
    with plt.rc_context(told), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from")  # a box in the plot; the tables have the name
        figure, axis = plt.subplots(figsize=(9, 4), layout="constrained")
        picture.draw(axis)
        image = io.BytesIO()
        figure.savefig(image, dpi=110, format="png")
        plt.close(figure)
    data = base64.b64encode(image.getvalue()).decode()
    return f"<h2>{title}</h2><img alt='{title}' src='data:image/png;base64,{data}'>"

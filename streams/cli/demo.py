"""`recompra demo`: a real shop's year through the whole pipeline, in two and a half minutes."""

import asyncio
import io
import os
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import click
from rich.console import Console
from rich.live import Live

from streams.brokers.embedded import EmbeddedBroker
from streams.children import ChildError
from streams.cli.exits import FAILURE
from streams.cli.options import json_option, print_json
from streams.demo.plan import Plan, plan
from streams.demo.plot import save_plot
from streams.demo.progress import Progress
from streams.demo.run import DemoStalledError, Run
from streams.demo.source import DATA
from streams.demo.summary import Summary, render, summarise, summary_json
from streams.demo.view import LABEL, plain_line, screen
from streams.demo.watched import Watched
from streams.instance import PARTS, Instance, started
from streams.interrupts import Interrupts
from streams.report.gathered import Gathering
from streams.report.writing import write_all
from streams.settings_sources import Loaded, load
from streams.topics import rule_names

__all__ = ["demo"]

_PLOT, _REPORTS = Path("recompra-demo.png"), Path("recompra-demo-reports")
_LINE_EVERY_S = 2.0
_PIPE_WIDTH, _PICTURE_WIDTH = 100, 120


def _writable(ctx: click.Context, parameter: click.Parameter, value: Path | None) -> Path | None:
    if value is not None and not os.access(value if value.exists() else value.parent, os.W_OK):
        raise click.BadParameter(f"{value} cannot be written")
    return value


_file = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.option("--seed", type=int, default=1, show_default=True, help="Of the synthetic life.")
@click.option(
    "--plot", type=_file, default=_PLOT, show_default=True, callback=_writable, metavar="FILE",
    help="Where the plot is saved.",
)  # fmt: skip
@click.option(
    "--reports", type=click.Path(file_okay=False, path_type=Path), default=_REPORTS, show_default=True,
    callback=_writable, metavar="DIR", help="Where the reports' pages are saved.",
)  # fmt: skip
@click.option("--days", type=click.IntRange(1), metavar="N", help="Only the first N days.  [default: all 374]")
@click.option(
    "--svg", type=_file, callback=_writable, metavar="FILE",
    help="Save the last screen and the summary as a picture, too.",
)  # fmt: skip
@click.option(
    "--everyone", is_flag=True, help="All 4,338 customers, not four in ten of them: takes more than twice as long."
)
@click.option(
    "--shop", is_flag=True, help="Learn what is bought together, too, for rules about it: takes half as long again."
)
@json_option
def demo(
    seed: int, plot: Path, reports: Path, days: int | None, svg: Path | None, everyone: bool, shop: bool, as_json: bool
) -> None:
    """Watch a real shop's orders being scored, live, by a model that learns from nothing.

    A year of real orders (Online Retail, UCI: those of four in ten customers) and a synthetic life
    around them (clicks, consents, newsletters, parcels, tickets, coupons …), labelled as such and drawn
    from each customer's past only, go through Kafka topics on an embedded broker. Scores move, all
    shipped rules act under the strict gates, what is withheld says why, and what the scores were worth
    is told month by month, once it is known who bought. At the end all reports are written as pages.
    Takes two and a half minutes, and longer on a busy machine.

    \b
    Examples:
      recompra demo
      recompra demo --days 120 --json
    """
    with Interrupts() as interrupts:
        try:
            summary = _demo(_Wanted(seed, plot, reports, days, svg, everyone, shop, as_json), interrupts)
        except KeyboardInterrupt:
            click.echo("stopped before the end", err=True)
            raise SystemExit(FAILURE) from None
        except (ChildError, DemoStalledError) as error:
            click.echo(f"Error: {error}", err=True)
            raise SystemExit(FAILURE) from None
    if not summary.kept:
        raise SystemExit(FAILURE)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What was asked for."""

    seed: int
    plot: Path
    reports: Path
    days: int | None
    svg: Path | None
    everyone: bool
    shop: bool
    as_json: bool

    def plan(self) -> Plan:
        return plan(self.seed, self.days, everyone=self.everyone)


def _demo(wanted: _Wanted, interrupts: Interrupts) -> Summary:
    if find_spec("matplotlib") is None:  # better now than at the end
        raise click.ClickException("the plot needs matplotlib: pip install 'recompra[demo]'")
    broker = EmbeddedBroker()
    loaded = _settings(broker.address)
    progress, watched, gathering = Progress(), Watched(), Gathering()
    with ThreadPoolExecutor(1) as pool, _view(progress, watched) as (say, show):
        planned = pool.submit(wanted.plan)  # read while the parts start, which are other processes
        parts = PARTS if wanted.shop else ("worker", "trainer")
        with started(broker, loaded, interrupts, say=say, parts=parts) as instance:
            say("reading the orders")
            run = _run(loaded, instance, planned.result(), progress, watched, gathering, show)
            with asyncio.Runner() as runner:
                runner.run(run.run())
            say("writing the reports")
            terms = loaded.settings.report_terms(loaded.settings.horizon_ms)
            written = pool.submit(write_all, wanted.reports, gathering.done(), terms)  # while the parts stop
        written.result()
    horizon_days = loaded.settings.horizon_ms // 86_400_000
    accounts = run.standing.outcomes()
    whole, in_force = wanted.days is None, rule_names(loaded.settings)
    summary = summarise(progress, watched, accounts, wanted.seed, horizon_days, whole=whole, in_force=in_force)
    save_plot(wanted.plot, summary, watched)
    final = render(summary, f"plot {wanted.plot}, reports {wanted.reports}/", _shown(DATA))
    if wanted.as_json:
        print_json({**summary_json(summary), "plot": str(wanted.plot), "reports": str(wanted.reports)})
    else:
        console = Console()
        Console(width=console.width if console.is_terminal else _PIPE_WIDTH).print(final)
    if wanted.svg:
        picture = Console(record=True, width=_PICTURE_WIDTH, file=io.StringIO(), force_terminal=True)
        picture.print(screen(progress, watched), render(summary, None, _shown(DATA), brief=True), sep="\n\n")
        picture.save_svg(str(wanted.svg), title="recompra demo")
    return summary


def _settings(broker: str) -> Loaded:
    """Settings of the demo: the events' own clock, and steps short enough that a year passes in a minute."""
    return load(
        broker=broker,
        security_protocol="PLAINTEXT",
        exactly_once="off",  # the embedded broker takes transactions and does not hold them
        app_id="recompra-demo",
        horizon="30d",
        clock="events",
        rules=("all",),
        publish_delta=0.04,
        commit_interval_s=0.4,
        snapshot_every="2d",
        shop_every="7d",
    )


def _run(
    loaded: Loaded,
    instance: Instance,
    planned: Plan,
    progress: Progress,
    watched: Watched,
    gathering: Gathering,
    show: Callable[[], None],
) -> Run:
    progress.start_ms, progress.end_ms, progress.total = planned.start_ms, planned.end_ms, planned.total
    return Run(
        loaded.settings,
        instance.topics,
        planned,
        check=instance.check,
        show=show,
        progress=progress,
        watched=watched,
        gathering=gathering,
    )


@contextmanager
def _view(progress: Progress, watched: Watched) -> Iterator[tuple[Callable[[str], None], Callable[[], None]]]:
    """Give what tells a step and what shows the state: a screen on a terminal, else a line now and then."""
    console = Console(stderr=True)
    if not console.is_terminal:
        console.print(LABEL, soft_wrap=True)
        yield lambda text: click.echo(text, err=True), _lines(progress, watched)
        return
    with Live(console=console, screen=True, auto_refresh=False) as live:

        def show() -> None:
            live.update(screen(progress, watched, console.size), refresh=True)

        def say(text: str) -> None:
            progress.phase = text
            show()

        yield say, show


def _lines(progress: Progress, watched: Watched) -> Callable[[], None]:
    told_s = -_LINE_EVERY_S

    def show() -> None:
        nonlocal told_s
        now_s = time.monotonic()
        if now_s - told_s >= _LINE_EVERY_S or progress.phase == "done":
            told_s = now_s
            click.echo(plain_line(progress, watched), err=True)
            sys.stderr.flush()

    return show


def _shown(path: Path) -> str:
    """Return a path as short as it can be typed from here."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)

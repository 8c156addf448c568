"""The summary: what the run showed, in figures that come from the topics."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import orjson
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from streams.demo.judged import MonthQuality, auc, average_precision, quality_by_month, top_rate
from streams.demo.outcomes import Outcome, crossed_and_bought
from streams.demo.progress import Progress
from streams.demo.shown import action_shown, why
from streams.demo.tally import ENOUGH_CUSTOMERS, ENOUGH_RULES, RuleCount, firing, rule_counts
from streams.demo.view import quality_table
from streams.demo.watched import Watched

__all__ = ["RULE", "Overall", "Summary", "render", "summarise", "summary_json"]

RULE = "high-propensity"
"""The rule whose crossings are judged by what was bought afterwards."""


@dataclass(frozen=True, slots=True)
class Overall:
    """Quality of all judged scores after the warm-up, pooled; `top_fifth` is the share that bought among it."""

    scores: int
    base_rate: float
    auc: float
    average_precision: float
    brier: float
    top_fifth: float


@dataclass(frozen=True, slots=True)
class Summary:
    """All that the end of a run says."""

    seed: int
    seconds: float
    whole: bool
    """Whether it was the whole year, of which the demo claims something."""
    orders: int
    synthetic: int
    customers: int
    horizon_days: int
    months: list[MonthQuality]
    overall: Overall | None
    rules: list[RuleCount]
    left: dict[str, int]
    withheld: dict[str, int]
    withheld_crossings: int
    outcome: Outcome
    prospects_judged: int
    accounts: dict[str, int]
    """What became of the records: as many as were produced, if nothing was lost or counted twice."""
    shown: dict[str, bytes]
    """The last published action of some rules, as it lay on its topic."""

    @property
    def accounted(self) -> bool:
        """Whether every record produced has exactly one outcome."""
        return sum(self.accounts.values()) == self.orders + self.synthetic

    @property
    def firing(self) -> int:
        """How many rules had an action published for enough customers."""
        return firing(self.rules)

    @property
    def kept(self) -> bool:
        """Whether what the demo claims holds: of every run that nothing is lost, of a whole year that rules fire."""
        return self.accounted and (not self.whole or self.firing >= ENOUGH_RULES)


def summarise(
    progress: Progress,
    watched: Watched,
    accounts: Mapping[str, int],
    seed: int,
    horizon_days: int,
    *,
    whole: bool = False,
    in_force: Iterable[str] = (),
) -> Summary:
    """Sum a run up from what a subscriber of its topics has read; `accounts` counts records by outcome.

    `whole` says that it was a run of the whole year, `in_force` are the names of the rules.
    """
    day_ms = 86_400_000
    outcome = crossed_and_bought(watched.crossings, RULE, watched.orders, progress.now_ms, horizon_days * day_ms)
    return Summary(
        seed=seed,
        seconds=progress.elapsed_s,
        whole=whole,
        orders=progress.orders,
        synthetic=progress.synthetic,
        customers=progress.customers,
        horizon_days=horizon_days,
        months=quality_by_month(watched.judged),
        overall=_overall(watched),
        rules=rule_counts(watched.tallies, in_force),
        left=dict(watched.left),
        withheld=dict(watched.withheld),
        withheld_crossings=watched.withheld_crossings,
        outcome=outcome,
        prospects_judged=watched.prospects_judged,
        accounts=dict(accounts),
        shown=dict(watched.shown),
    )


def summary_json(summary: Summary) -> dict[str, Any]:
    """Return the summary as plain values for JSON; what is not known is None."""
    record: dict[str, Any] = _known(asdict(summary))
    record["shown"] = {rule: orjson.loads(value) for rule, value in summary.shown.items()}
    record["outcome"]["rate"] = _known(summary.outcome.rate)
    record["outcome"]["rule"] = RULE
    record["accounted"] = summary.accounted
    record["firing"] = {"rules": summary.firing, "customers_each": ENOUGH_CUSTOMERS, "claimed": ENOUGH_RULES}
    record["quality_is_of"] = "customers with at least one real order, scored before the orders that judge them"
    return record


def render(summary: Summary, saved: str | None, data: str, *, brief: bool = False) -> RenderableType:
    """Draw the summary; `saved` is what was saved where, `data` the file of real orders.

    A `brief` one shows no action and no next steps.
    """
    parts: list[RenderableType] = [
        Text.from_markup(
            f"[bold]{summary.orders:,} real orders[/] and [magenta]{summary.synthetic:,} synthetic events[/] of "
            f"{summary.customers:,} people in {summary.seconds:.0f} s, scored online, learned from nothing\n"
        ),
        quality_table(summary.months, f"Bought within {summary.horizon_days} days?"),
        _overall_line(summary),
        _rules_table(summary),
        Text.from_markup(_firing_text(summary)),
        *([] if brief else _actions(summary)),
        Text.from_markup(_outcome_text(summary)),
        Text.from_markup(_accounts_text(summary) + "\n"),
    ]
    if saved:
        parts.append(Text(f"saved: {saved}\n", style="bold"))
    if not brief:
        parts.append(_next_steps(data))
    return Group(*parts)


def _overall(watched: Watched) -> Overall | None:
    learned = [month for month in watched.judged.values() if (q := month.quality()) and not q.warming_up]
    if not learned:
        return None
    score = np.concatenate([np.array(month.probability) for month in learned])
    label = np.concatenate([np.array(month.bought, dtype=np.bool_) for month in learned])
    return Overall(
        len(label),
        float(label.mean()),
        auc(score, label),
        average_precision(score, label),
        float(np.mean((score - label) ** 2)),
        top_rate(score, label, 0.2),
    )


def _overall_line(summary: Summary) -> Text:
    if summary.overall is None:
        return Text("* all of it was warm-up: the run was too short for a model\n", style="dim")
    o = summary.overall
    return Text.from_markup(
        f"after warm-up, pooled: AUC [bold]{o.auc:.3f}[/], AP [bold]{o.average_precision:.3f}[/] where "
        f"{o.base_rate:.0%} bought, Brier {o.brier:.3f}; of the top fifth by score [bold]{o.top_fifth:.0%}[/] bought"
        "  [dim](* warming up: ranked by decayed orders)[/]\n"
    )


def _rules_table(summary: Summary) -> Table:
    table = Table(box=None, title="The rules", title_justify="left", header_style="dim", pad_edge=False)
    table.add_column("rule", min_width=20)
    for name in ("customers entered", "contacted", "actions", "withheld"):
        table.add_column(name, justify="right")
    table.add_column("mostly for")
    for count in summary.rules:
        table.add_row(
            count.rule,
            f"{count.customers:,}",
            Text(f"{count.reached:,}", style="bold" if count.reached >= ENOUGH_CUSTOMERS else ""),
            f"{count.actions:,}",
            f"{count.withheld:,}",
            Text(count.reason or "", style="dim"),
        )
    withheld = ", ".join(f"{code} {n:,}" for code, n in sorted(summary.withheld.items(), key=lambda kv: -kv[1]))
    table.caption = f"all {summary.withheld_crossings:,} that were withheld, because: {withheld}" if withheld else None
    table.caption_justify = "left"
    return table


def _firing_text(summary: Summary) -> str:
    found = (
        f"\n{summary.firing} of {len(summary.rules)} rules in force had an action published for "
        f"{ENOUGH_CUSTOMERS} customers or more"
    )
    nobody = ", ".join(count.rule for count in summary.rules if not count.customers)
    entered_by_nobody = f" Nobody entered {nobody}." if nobody else ""
    if not summary.whole:
        return f"{found}.{entered_by_nobody}\n"
    if summary.firing >= ENOUGH_RULES:
        return f"[bold green]{found}[/]; the demo claims {ENOUGH_RULES}.{entered_by_nobody}\n"
    return f"[bold red]{found}; the demo claims {ENOUGH_RULES}.[/]{entered_by_nobody}\n"


def _actions(summary: Summary) -> list[RenderableType]:
    """One action as it lies on its topic, and in a marketer's words why it is there."""
    parts: list[RenderableType] = []
    for rule in ("first-order", "cart-abandoned"):
        if rule in summary.shown:
            parts += [action_shown(rule, summary.shown[rule]), Text()]
            break
    if RULE in summary.shown:
        parts.append(why(summary.shown[RULE]))
    return parts


def _outcome_text(summary: Summary) -> str:
    o = summary.outcome
    if not o.crossed:
        return f"\nNo {RULE} crossing is old enough to be judged by the {summary.horizon_days} days after it."
    lift = o.rate / o.base_rate if o.base_rate > 0 else float("nan")
    return (
        f"\nOf {o.crossed:,} who crossed into {RULE}, contacted or not, [bold]{o.bought:,} did buy[/] "
        f"within {summary.horizon_days} days: [bold green]{o.rate:.0%}[/], against {o.base_rate:.0%} of all "
        f"customers at the same moments ({lift:.1f} times). {o.open:,} are too recent to tell."
    )


def _accounts_text(summary: Summary) -> str:
    became = ", ".join(f"{count:,} {name.replace('_', '-')}" for name, count in summary.accounts.items() if count)
    produced = f"{summary.orders + summary.synthetic:,}"
    if summary.accounted:
        return f"Of {produced} records produced, every one is accounted for: {became or 'none'}."
    return f"[bold red]Of {produced} records produced, not all are accounted for once:[/] {became or 'none'}."


def _next_steps(data: str) -> RenderableType:
    """Commands that can be copied from a terminal of 80 columns."""
    steps = [
        (
            "the same orders without a broker",
            f"recompra backtest \\\n      {data} \\\n      --format online-retail --horizon 30d",
        ),
        ("the same parts, empty, for your own data", "RECOMPRA_CLOCK=events recompra up --broker-port 19092"),
        ("load it, in another terminal", "recompra load FILE --format orders-csv --broker 127.0.0.1:19092"),
        ("and see who crosses", "recompra tail actions-high-propensity --broker 127.0.0.1:19092"),
    ]
    lines = [Text("What to try next", style="bold")]
    for what, command in steps:
        lines += [Text(f"  # {what}", style="dim"), Text(f"  {command}", style="cyan")]
    return Group(*lines)


def _known(value: Any) -> Any:
    """Replace nan, which JSON does not have, by None."""
    if isinstance(value, dict):
        return {key: _known(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_known(one) for one in value]
    return None if isinstance(value, float) and value != value else value

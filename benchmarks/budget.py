"""Keeping a contact for a better moment, beside other ways to choose: Online Retail I, once through, in order of time.

    python -m benchmarks.budget [--json FILE]

Every entry into a marketing rule's list is a moment at which its customer could be contacted, twice in 30 days at
most. Whether somebody ordered within 30 days of a contact is known afterwards only; scores and prices are those of
the moment. For each setting of the gate the others make as many contacts: first come, first served until the week's
share of them is used up; moments drawn by lot; and, at each week's end, the likeliest of those who had a moment in
the week, and of all customers. This is targeting: nobody was contacted, and no effect is measured.
"""

import argparse
import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.quality import Orders, online_retail, read
from scoring.engine import Engine, EngineSettings
from scoring.gates import Asked, Cap, Gates, GateSettings, Standing
from scoring.gates.channel import Channel, Purpose
from scoring.kernel import Events
from scoring.learner import Learner, LearnerConfig
from scoring.outcome import Outcome
from scoring.profile import DAY_MS, NEVER
from scoring.rules import Rule, RuleSet, shipped
from scoring.rules.rule import ActionClass
from streams.backtest import Backtest, Cutoff, History

HORIZON_MS, WEEK_MS = 30 * DAY_MS, 7 * DAY_MS
CAPPED = replace(GateSettings.open(), marketing=Cap(2, 30 * DAY_MS))
GATES = [(days, percentile) for days in (14, 30, 90, 365) for percentile in (0.5, 0.7, 0.9)]
"""Windows in days, and percentiles, of which the gate is asked."""


class Moment(NamedTuple):
    """Somebody entered a list: the gates are asked whether to contact them."""

    time_ms: int
    customer: bytes
    rule: Rule
    score: float
    percentile: float
    prices: tuple[float, ...]


class Week(NamedTuple):
    """The end of a week, and everybody by their score then, likeliest first."""

    end_ms: int
    customers: list[bytes]


Contacts = list[tuple[bytes, int]]
Chooses = Callable[[int, Moment, int], bool]
"""Whether to use a moment, given its place and how many contacts there were before."""


def watched() -> tuple[list[Moment], list[Week], Orders]:
    """The moments and weeks in which the model had learned enough and the outcome is known, and all orders."""
    shop = online_retail()
    events = read(shop)
    rules = RuleSet(tuple(rule for rule in shipped().rules if rule.action_class is ActionClass.MARKETING))
    settings = EngineSettings()
    layout = replace(settings.layout, horizon_ms=HORIZON_MS, parts=rules.parts)
    engine = Engine(replace(settings, layout=layout, max_action_age_ms=None), rules)
    by_name = {rule.name: rule for rule in rules.rules}
    moments: list[Moment] = []

    def watch(_: Events, outcome: Outcome) -> None:
        prices = tuple(engine.versions.model.score_at(percentile) for _, percentile in GATES)
        for one in outcome.actions:
            if one.entered and not one.warming_up and not one.withheld:
                customer = engine.profiles.keys[one.row]
                moments.append(Moment(one.time_ms, customer, by_name[one.rule], one.score, one.percentile, prices))

    test = Backtest(engine, Learner(LearnerConfig(horizon_ms=HORIZON_MS)), watch=watch)
    first, last = events[0].time_ms, events[-1].time_ms
    weeks: list[Week] = []

    def look(cutoff: Cutoff) -> None:
        if not cutoff.warming_up:
            ranked = np.argsort(-cutoff.score, kind="stable").tolist()
            weeks.append(Week(cutoff.time_ms, [cutoff.customers[i] for i in ranked]))

    test.run(History(events), range((first // WEEK_MS + 1) * WEEK_MS, last - HORIZON_MS, WEEK_MS), look)
    moments.sort(key=lambda moment: moment.time_ms)
    start_ms, end_ms = weeks[0].end_ms - WEEK_MS, weeks[-1].end_ms
    return [moment for moment in moments if start_ms <= moment.time_ms < end_ms], weeks, Orders.of(events)


def contacts(
    moments: Sequence[Moment], settings: GateSettings, chooses: Chooses = lambda *_: True, column: int = 0
) -> Contacts:
    """Whom the gates let through of those chosen, in order of time."""
    gates = Gates(settings, None, replay=False)
    standings: dict[bytes, Standing] = defaultdict(Standing)
    made: Contacts = []
    for i, moment in enumerate(moments):
        standing = standings[moment.customer]
        asked = Asked(
            rule=moment.rule,
            customer=moment.customer,
            time_ms=moment.time_ms,
            age_ms=0,
            sent_ms=NEVER,
            automated=False,
            warming_up=False,
            score=moment.score,
            percentile=moment.percentile,
            best=[1.0] * len(Channel),
            price=moment.prices[column],
        )
        withheld = gates.judge(asked, standing).withheld
        if withheld == ("budget",):
            standing.kept_ms = standing.kept_ms or moment.time_ms
        elif not withheld and chooses(i, moment, len(made)):
            standing.contacted(Channel.EMAIL, Purpose.MARKETING, moment.time_ms, settings.contacts_kept)
            made.append((moment.customer, moment.time_ms))
    return made


def first_come(moments: Sequence[Moment], weeks: Sequence[Week], n: int) -> Contacts:
    """First come, first served, until the week's share is used up."""
    start_ms = weeks[0].end_ms - WEEK_MS

    def chooses(_: int, moment: Moment, made: int) -> bool:
        return made < n * ((moment.time_ms - start_ms) // WEEK_MS + 1) // len(weeks)

    return contacts(moments, CAPPED, chooses)


def by_lot(moments: Sequence[Moment], n: int) -> Contacts:
    """Moments drawn by lot, as many as give that many contacts."""
    drawn = np.random.default_rng(1).random(len(moments))
    low, high = 0.0, 1.0
    for _ in range(20):
        middle = (low + high) / 2
        made = contacts(moments, CAPPED, lambda i, *_, share=middle: bool(drawn[i] < share))  # type: ignore[misc]
        low, high = (middle, high) if len(made) < n else (low, middle)
    return made[:n]


def weekly(moments: Sequence[Moment], weeks: Sequence[Week], n: int, everybody: bool) -> Contacts:
    """The likeliest at each week's end: of those who had a moment in the week, or of everybody; twice in 30 days."""
    cap = CAPPED.marketing
    assert cap.count is not None
    seen: dict[int, set[bytes]] = defaultdict(set)
    for moment in moments:
        seen[(moment.time_ms - weeks[0].end_ms) // WEEK_MS + 1].add(moment.customer)
    standings: dict[bytes, Standing] = defaultdict(Standing)
    made: Contacts = []
    for number, week in enumerate(weeks):
        for customer in week.customers:
            if len(made) >= n * (number + 1) // len(weeks):
                break
            standing, since_ms = standings[customer], week.end_ms - cap.window_ms
            room = standing.contacts_since(since_ms, Purpose.MARKETING) < cap.count
            if room and (everybody or customer in seen[number]):
                standing.contacted(Channel.EMAIL, Purpose.MARKETING, week.end_ms, cap.count)
                made.append((customer, week.end_ms))
    return made


def ordered(made: Contacts, orders: Orders) -> float:
    """The share of contacts after which an order came within the horizon."""
    none = np.empty(0, np.int64)
    hits = 0
    for customer, ms in made:
        low, high = np.searchsorted(orders.times.get(customer, none), (ms, ms + HORIZON_MS), side="right")
        hits += bool(low < high)
    return hits / len(made)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the figures there, too")
    given = parser.parse_args()
    moments, weeks, orders = watched()
    all_of_them = contacts(moments, CAPPED)
    rows = []
    for column, (days, percentile) in enumerate(GATES):
        settings = replace(CAPPED, budget_ms=days * DAY_MS, budget_percentile=percentile)
        kept = contacts(moments, settings, column=column)
        n = len(kept)
        made_by = {
            "kept": kept,
            "first_come": first_come(moments, weeks, n),
            "by_lot": by_lot(moments, n),
            "week_of_moments": weekly(moments, weeks, n, everybody=False),
            "week_of_all": weekly(moments, weeks, n, everybody=True),
        }
        rows.append(
            {"window_days": days, "percentile": percentile, "contacts": n}
            | {name: ordered(made, orders) for name, made in made_by.items()}
            | {f"{name}_contacts": len(made) for name, made in made_by.items()}
        )
    customers, share = {moment.customer for moment in moments}, ordered(all_of_them, orders)
    ways = (
        "kept for a better moment",
        "first come",
        "by lot",
        "likeliest of a week's moments",
        "likeliest of all, weekly",
    )
    said = (
        f"{len(moments):,} moments of {len(customers):,} customers in {len(weeks)} weeks; without the gate "
        f"{len(all_of_them):,} contacts, {share:.3f} of which were followed by an order within 30 days"
    )
    lines = [
        said,
        "",
        "| " + " | ".join(("window", "percentile", "contacts", *ways)) + " |",
        "|---:" * 8 + "|",
    ]
    for row in rows:
        shares = [row[name] for name in ("kept", "first_come", "by_lot", "week_of_moments", "week_of_all")]
        first = f"| {row['window_days']} d | {row['percentile']} | {row['contacts']:,} | **{shares[0]:.3f}** | "
        lines.append(first + " | ".join(f"{share:.3f}" for share in shares[1:]) + " |")
    print("\n".join(lines))
    if given.json is not None:
        given.json.parent.mkdir(parents=True, exist_ok=True)
        given.json.write_text(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()

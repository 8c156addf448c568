"""Report on uplift: whether more of those who could be contacted bought than of those who were held out."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from scoring.gates.holdout import GLOBAL, RULE
from scoring.trials import ALL
from scoring.uplift import Arms, Uplift, uplift
from streams.report.crossings import Crossing
from streams.report.facts import DAY_MS
from streams.report.observed import Observed
from streams.report.rules import bought_after
from streams.report.sheet import Report, Sheet
from streams.report.terms import ReportTerms

__all__ = ["uplift_report"]

_COLUMNS = (
    "rule", "contacted", "contacted_bought", "held_out", "held_out_bought", "uplift", "uplift_low", "uplift_high",
    "says",
)  # fmt: skip


def uplift_report(observed: Observed, crossings: Sequence[Crossing], terms: ReportTerms) -> Report:
    """By rule, and of all marketing: buyers among those contacted and among those held out. O(crossings x log)."""
    days = terms.horizon_ms / DAY_MS
    found = _arms(observed, crossings, terms.horizon_ms)
    if not found:
        return Report("uplift", "Uplift", ["Nobody was contacted or held out whose days have passed."], [])
    rows = []
    for rule, arms in sorted(found.items()):
        effect = uplift(arms)
        shares = (arms.buyers / max(arms.customers, 1), arms.control_buyers / max(arms.control, 1))
        rows.append((
            "all marketing" if rule == ALL else rule, arms.customers, shares[0] if arms.customers else None,
            arms.control, shares[1] if arms.control else None, *effect, _says(arms, effect),
        ))  # fmt: skip
    said = [
        "Each customer counts once for a rule, from the first action that was sent, or withheld by the holdout alone.",
        f"Bought: ordered within {days:g} days after it; those whose days have not passed are left out.",
        "All marketing: the global control beside everybody else. A rule: its own control beside those contacted.",
        "None seen: the difference may be chance, as its interval holds zero.",
    ]
    note = "The interval is Newcombe's of 95 % (1998, method 10): of twenty, about one misses the truth."
    return Report("uplift", "Uplift", said, [Sheet("uplift", "By rule", _COLUMNS, rows, note)])


def _arms(observed: Observed, crossings: Sequence[Crossing], horizon_ms: int) -> dict[str, Arms]:
    counts: dict[str, list[int]] = defaultdict(lambda: [0] * len(Arms._fields))
    trials = list(_trials(crossings, observed.places()))
    bought = bought_after(observed, [entry for _, entry, _ in trials], horizon_ms)
    for (rule, _, held_out), after in zip(trials, bought, strict=True):
        if after is not None:
            counts[rule][2 * held_out] += 1
            counts[rule][2 * held_out + 1] += after
    return {rule: Arms(*found) for rule, found in counts.items()}


def _trials(crossings: Sequence[Crossing], places: Mapping[str, int]) -> Iterator[tuple[str, Crossing, bool]]:
    """The first entry of each customer into a rule's list, and into any, that counts, and whether it was held out."""
    begun: set[tuple[str, str | int]] = set()
    for entry in sorted(crossings, key=lambda one: one.time_ms):
        if not (entry.marketing and entry.entered and entry.withheld in ((), ("holdout",))):
            continue
        asked = [(ALL, entry.control == GLOBAL)]
        if entry.control != GLOBAL:
            asked.append((entry.rule, entry.control == RULE))
        who = places.get(entry.customer, entry.customer)
        for rule, held_out in asked:
            if (rule, who) not in begun:
                begun.add((rule, who))
                yield rule, entry, held_out


def _says(arms: Arms, effect: Uplift) -> str:
    if not arms.control:
        return "nobody was held out"
    if not arms.customers:
        return "nobody was contacted"
    if not effect.proven:
        return "none seen"
    return "more bought" if effect.low > 0 else "fewer bought"

"""Tally: of each rule, whom it concerned, who could be contacted, and why the others were not."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

__all__ = ["ENOUGH_CUSTOMERS", "ENOUGH_RULES", "RuleCount", "Tally", "firing", "rule_counts"]

ENOUGH_RULES, ENOUGH_CUSTOMERS = 12, 20
"""What the demo of a whole year claims: so many rules with a published action for so many customers each."""


@dataclass(slots=True)
class Tally:
    """What one rule did, as it is read: by customer, and by the reason that came first."""

    entered: set[str] = field(default_factory=set)
    reached: set[str] = field(default_factory=set)
    actions: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    def add(self, customer: str, withheld: tuple[str, ...]) -> None:
        """Take an entry in."""
        self.entered.add(customer)
        if withheld:
            self.reasons[withheld[0]] += 1
        else:
            self.actions += 1
            self.reached.add(customer)


@dataclass(frozen=True, slots=True)
class RuleCount:
    """One rule: customers who entered its list, those of whom an action was published, how many were, how many not.

    `reason` is the commonest first reason for withholding, None where nothing was withheld.
    """

    rule: str
    customers: int
    reached: int
    actions: int
    withheld: int
    reason: str | None


def rule_counts(tallies: Mapping[str, Tally], in_force: Iterable[str] = ()) -> list[RuleCount]:
    """Sum the rules up, those that reached most customers first; of those in force that nobody entered that, too."""
    counts = [
        RuleCount(
            rule,
            len(tally.entered),
            len(tally.reached),
            tally.actions,
            tally.reasons.total(),
            min(tally.reasons, key=lambda code: (-tally.reasons[code], code), default=None),
        )
        for rule, tally in {**dict.fromkeys(in_force, Tally()), **tallies}.items()
    ]
    return sorted(counts, key=lambda count: (-count.reached, -count.customers, count.rule))


def firing(counts: list[RuleCount]) -> int:
    """How many rules reached enough customers."""
    return sum(count.reached >= ENOUGH_CUSTOMERS for count in counts)

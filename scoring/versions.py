"""Versions: the model, the rules and the shop's knowledge in force, and those whose time is still to come."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

from scoring.in_force import blank_model, in_force
from scoring.model import Snapshot
from scoring.profile import DAY_MS, FAR
from scoring.rules import RuleSet
from scoring.rules.columns import Column, Expected, Op
from scoring.shop.snapshot import ShopSnapshot

__all__ = ["Versions"]


class Versions:
    """What one partition is scored by: each from its effective time on.

    Attributes
    ----------
    model, rules, shop
        Those in force.
    upcoming, upcoming_rules, upcoming_shop
        Those to come, in order of time.
    """

    def __init__(self, rules: RuleSet) -> None:
        self.model = blank_model()
        self.upcoming: list[Snapshot] = []
        self.upcoming_rules: list[tuple[int, RuleSet]] = []
        self.shop: ShopSnapshot | None = None
        self.upcoming_shop: list[ShopSnapshot] = []
        self._use(rules)

    def _use(self, rules: RuleSet) -> None:
        self.rules = rules
        self._gaps_asked = Column(Op.ITS_LATE, Expected.REPLENISHMENT) in rules.columns

    def swap(self, snapshot: Snapshot) -> None:
        """Use a model from its effective time on; one that is not newer than what is known changes nothing."""
        self.upcoming = _planned(self.upcoming, self.model.version, snapshot)

    def swap_shop(self, snapshot: ShopSnapshot) -> None:
        """Use what is known of all customers from its effective time on; what is not newer changes nothing."""
        self.upcoming_shop = _planned(self.upcoming_shop, self.shop_version, snapshot)

    @property
    def shop_version(self) -> int:
        """Version of the shop's knowledge in force; 0 before the first."""
        return 0 if self.shop is None else self.shop.version

    def usual_gap_ms(self, product: str, watermark_ms: int) -> int:
        """After how long a product is usually bought again, by the version in force once time is so far.

        0 where it is unknown, or no rule asks for it: a look-up costs about ten microseconds.
        """
        if not self._gaps_asked:
            return 0
        coming = (each for each in reversed(self.upcoming_shop) if each.effective_ms <= watermark_ms)
        shop = next(coming, self.shop)
        return 0 if shop is None else round((shop.usual_gap_days(product) or 0.0) * DAY_MS)

    def next_ms(self) -> int:
        """When the next of them takes effect, `FAR` for never."""
        return min(
            self.upcoming[0].effective_ms if self.upcoming else FAR,
            self.upcoming_rules[0][0] if self.upcoming_rules else FAR,
            self.upcoming_shop[0].effective_ms if self.upcoming_shop else FAR,
        )

    def plan_rules(self, timeline: Sequence[tuple[int, RuleSet]], now_ms: int) -> None:
        """Use each rule set from its time on; the last one whose time has passed, at once.

        `timeline` is in order of time and holds everything known (`scoring.rules.book`): a later call replaces what
        was planned, so that it does not matter how often or in which order versions were told.
        """
        past = [rules for at, rules in timeline if at <= now_ms]
        planned = [(at, rules) for at, rules in timeline if at > now_ms]
        if past and past[-1].rules != self.rules.rules:
            planned.insert(0, (now_ms, past[-1]))
        self.upcoming_rules = planned

    def rules_until(self, at_ms: int) -> Iterator[RuleSet]:
        """The rule sets whose time has come, in order, each in force by then."""
        while self.upcoming_rules and self.upcoming_rules[0][0] <= at_ms:
            self._use(self.upcoming_rules.pop(0)[1])
            yield self.rules

    def take_effect(self, at_ms: int) -> None:
        """Use the models and shop's knowledge whose time has come."""
        while self.upcoming and self.upcoming[0].effective_ms <= at_ms:
            self.model = in_force(self.upcoming.pop(0))
        while self.upcoming_shop and self.upcoming_shop[0].effective_ms <= at_ms:
            self.shop = self.upcoming_shop.pop(0)


Planned = TypeVar("Planned", Snapshot, ShopSnapshot)


def _planned(upcoming: list[Planned], in_force: int, snapshot: Planned) -> list[Planned]:
    """What is to come in force with one more version; one that is not newer than all that is known changes nothing."""
    newest = upcoming[-1].version if upcoming else in_force
    if snapshot.version <= newest:
        return upcoming
    return [each for each in upcoming if each.effective_ms < snapshot.effective_ms] + [snapshot]

"""Trials: what came of contacting and of holding out, counted while it happens.

A customer's trial of a rule begins with the first entry into its list that is published or withheld by the holdout
alone, and ends after the horizon; one of all marketing together begins with the first such entry into any list. Later
entries count no more: a customer was drawn once, and is one in the count.
"""

import msgspec

from scoring.uplift import Arms

__all__ = ["ALL", "Trial", "Trials"]

ALL = "*"
"""Stands for all marketing together, where else there is the name of a rule."""


class Trial(msgspec.Struct, array_like=True, gc=False):
    """When it began, whether the customer is in the control, and whether they bought within the horizon."""

    ms: int
    held_out: bool
    bought: bool = False


class Trials:
    """The tally of one partition: `arms` has for each rule, and for `ALL`, the four counts of `Arms`.

    Parameters
    ----------
    horizon_ms
        An order within so long after the entry counts.
    """

    def __init__(self, horizon_ms: int) -> None:
        self.horizon_ms = horizon_ms
        self.arms: dict[str, list[int]] = {}

    def begin(self, trials: dict[str, Trial], rule: str, ms: int, held_out: bool) -> None:
        """Begin a customer's trial of a rule, and count it, unless there was one."""
        if rule not in trials:
            trials[rule] = Trial(ms, held_out)
            self.add({rule: trials[rule]})

    def ordered(self, trials: dict[str, Trial], ms: int) -> None:
        """Count an order in each of a customer's trials in which it is the first within the horizon."""
        for rule, trial in trials.items():
            if not trial.bought and trial.ms < ms <= trial.ms + self.horizon_ms:
                trial.bought = True
                self._counts(rule)[2 * trial.held_out + 1] += 1

    def add(self, trials: dict[str, Trial]) -> None:
        """Count a customer's trials, as they stand."""
        for rule, trial in trials.items():
            counts = self._counts(rule)
            counts[2 * trial.held_out] += 1
            counts[2 * trial.held_out + 1] += trial.bought

    def stored(self) -> dict[str, list[int]]:
        """The counts as they are stored: by rule, in the order of names."""
        return dict(sorted(self.arms.items()))

    def _counts(self, rule: str) -> list[int]:
        return self.arms.setdefault(rule, [0] * len(Arms._fields))

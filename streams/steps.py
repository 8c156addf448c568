"""Steps: what a partition did since its last commit, in order, so that a replay can do the same."""

from collections.abc import Sequence
from typing import Any

from scoring.profile import stable_hash
from scoring.rules import RuleSet

__all__ = ["MODEL", "READY", "RULES", "SHOP", "START", "Steps", "timeline_id"]

MODEL, SHOP, RULES = "model", "shop", "rules"
"""What a unit is told between two records: the newest version of the model, or of the shop's knowledge, and a stamp of
all rules that are known."""
START, READY = "start", "ready"
"""Around what it is told when its state has been put in place: before, it knows nothing; afterwards, what has its time
takes effect at once."""


def timeline_id(timeline: Sequence[tuple[int, RuleSet]]) -> str:
    """Return sixteen letters that stand for the rules in force at each time, with all that they say."""
    said = [(at, [repr(rule) for rule in rules.rules]) for at, rules in timeline]
    return f"{stable_hash(repr(said).encode()):016x}"


class Steps:
    """Notes the steps of one commit; `drain` gives them and begins anew.

    Attributes
    ----------
    read
        Records read since the last commit.
    """

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self.read = 0
        self._runs: list[tuple[int, int]] = []
        self._behind: list[tuple[int, int]] = []
        self._ticks: list[tuple[int, int, int]] = []
        self._told: list[tuple[int, int, str, str]] = []

    def run(self, counts: Sequence[tuple[int, int]], behind: Sequence[int] | None) -> None:
        """Note records (input, count) in the order in which they were read, and the inputs that had more to come.

        None where that is of no meaning, as for transfers.
        """
        bits = None if behind is None else sum(1 << source for source in behind)
        if bits is not None and (not self._behind or self._behind[-1][1] != bits):
            self._behind.append((self.read, bits))
        for source, count in counts:
            before = self._runs.pop()[1] if self._runs and self._runs[-1][0] == source else 0
            self._runs.append((source, before + count))
        self.read += sum(count for _, count in counts)

    def tick(self, ms: int, received_ms: int) -> None:
        """Note that quiet time ran the ticks up to a time, and when."""
        self._ticks.append((self.read, ms, received_ms))

    def told(self, what: str, name: str) -> None:
        """Note what was told between two records."""
        self._told.append((self.read, len(self._ticks), what, name))

    def drain(self) -> dict[str, Any]:
        """Return the steps as they stand on `progress`."""
        steps = {"runs": self._runs, "behind": self._behind, "ticks": self._ticks, "told": self._told}
        self._begin()
        return steps

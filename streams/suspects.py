"""Suspects: which record makes the engine fail, found by halving what is applied at once."""

from collections.abc import Sequence

from schemas.refusal import Refusal

__all__ = ["POISON", "PoisonError", "Suspects"]

POISON = Refusal(
    "$",
    "",
    "applying the record fails, by a fault of this program",
    "report it with the record; what it says is not counted",
    "poison",
)

Place = tuple[int, int]
"""Input and offset of a record."""


class PoisonError(Exception):
    """Some record of a run makes the engine fail; the unit's state is of no use any more and must be restored."""


class Suspects:
    """What is known of the records of one partition number that the engine fails on; outlives the unit.

    A run that fails may have changed half of the state. So the state is restored, and the same records are applied in
    runs of half the size, until a run of one record fails: that one is refused from then on. It takes one restore a
    halving, thirteen at most.

    Attributes
    ----------
    limit
        Most events to apply at once, None while nothing is suspected.
    poison
        The records found.
    """

    def __init__(self) -> None:
        self.limit: int | None = None
        self.poison: set[Place] = set()

    def failed(self, run: Sequence[Place]) -> None:
        """Learn that applying these records failed."""
        if len(run) == 1:
            self.poison.add(run[0])
            self.limit = None
        else:
            self.limit = max(len(run) // 2, 1)

"""Faults: how likely each thing goes wrong in one schedule."""

from dataclasses import dataclass, field
from enum import Enum
from random import Random

__all__ = ["Fate", "Faults"]


class Fate(Enum):
    """What becomes of one request."""

    ANSWERED = "answered"
    REQUEST_LOST = "request lost"
    ANSWER_LOST = "answer lost"
    LATE = "late"  # it arrives after the sender has given it up


@dataclass(slots=True)
class Faults:
    """Probabilities, drawn anew for each schedule so that calm, wild and one-sided ones occur.

    Attributes
    ----------
    lost, late, dying
        Of each request: that it or its answer is lost, that it comes too late, that the worker is killed around it.
    repeated, skipped
        Of each fetch: that its slice is offered again later, that the next one is fetched from further on.
    chaos_s
        Mean seconds between two greater events (kill, pause, leave, join, expired transaction, compaction, new model).
    transactional
        Whether the broker has transactions.
    """

    chance: Random
    transactional: bool
    lost: float = 0.0
    late: float = 0.0
    dying: float = 0.0
    repeated: float = 0.0
    skipped: float = 0.0
    chaos_s: float = 1e9
    over: bool = field(default=False)

    @classmethod
    def drawn(cls, chance: Random, *, transactional: bool) -> "Faults":
        """Faults of one schedule. Without transactions nothing protects from what arrives after it was given up."""
        return cls(
            chance,
            transactional,
            lost=chance.choice((0.0, 0.01, 0.05) if transactional else (0.01, 0.05)),
            late=chance.choice((0.0, 0.02, 0.05)) if transactional else 0.0,
            dying=chance.choice((0.0, 0.005, 0.02)),
            repeated=chance.choice((0.0, 0.1, 0.3)),
            skipped=chance.choice((0.0, 0.05)),
            chaos_s=chance.choice((6.0, 12.0, 40.0)),
        )

    def happens(self, probability: float) -> bool:
        """Whether something of this probability happens now; nothing does once the faults are over."""
        return not self.over and self.chance.random() < probability

    def fate(self) -> Fate:
        """Draw what becomes of a request."""
        if self.happens(self.lost):
            return self.chance.choice((Fate.REQUEST_LOST, Fate.ANSWER_LOST))
        return Fate.LATE if self.happens(self.late) else Fate.ANSWERED

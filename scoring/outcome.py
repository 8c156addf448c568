"""Outcome: what the engine hands to the edges after a run of events, in order and ready to be encoded."""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from scoring.carried import Carried
from scoring.gates.best import NOTHING_KNOWN, Best
from scoring.model import Example
from scoring.transfer import Transfer
from scoring.types import Who

__all__ = ["Action", "Content", "Outcome", "PassedOn", "Scores"]


@dataclass(slots=True)
class Scores:
    """Scores to publish, one element each.

    `event` is the index of the causing event in the run, -1 for a tick; `previous` is NaN where none was told
    before; `who` is of the same customers at the same moments; `groups` is (k, G): what each group of features adds to
    the log-odds.
    """

    row: npt.NDArray[np.int64]
    time_ms: npt.NDArray[np.int64]
    event: npt.NDArray[np.int64]
    score: npt.NDArray[np.float64]
    percentile: npt.NDArray[np.float64]
    band: npt.NDArray[np.int64]
    previous: npt.NDArray[np.float64]
    groups: npt.NDArray[np.float64]
    who: Who
    model_version: int
    warming_up: bool
    shop_version: int


class Action(Struct, gc=False):
    """One crossing of a rule, and the codes of the gates that withheld it (none: it is published).

    Its score is element `place` of `scores`, with which it moves on. `language` comes with how sure it is; `control` is
    that of the holdout which alone withheld it; `before` is what each group of features added to the log-odds at the
    crossing before, as it is stored (`scoring.side.RuleState`).
    """

    scores: Scores
    place: int
    rule: str
    rule_version: int
    action_class: str
    audience: bool
    entered: bool
    number: int
    object: str | None
    carried: Carried
    expires_ms: int | None
    withheld: tuple[str, ...] = ()
    language: tuple[str, float] | None = None
    channel: str | None = None
    coupon: bool = False
    not_before_ms: int | None = None
    control: str | None = None
    before: bytes = b""
    best: Best = NOTHING_KNOWN

    @property
    def row(self) -> int:
        """Row of the customer."""
        return int(self.scores.row[self.place])

    @property
    def time_ms(self) -> int:
        """When it was."""
        return int(self.scores.time_ms[self.place])

    @property
    def event(self) -> int:
        """Index of the causing event in the run, -1 for a tick."""
        return int(self.scores.event[self.place])

    @property
    def score(self) -> float:
        """The score at that moment."""
        return float(self.scores.score[self.place])

    @property
    def percentile(self) -> float:
        """Its percentile, NaN while unknown."""
        return float(self.scores.percentile[self.place])

    @property
    def warming_up(self) -> bool:
        """Whether the model was."""
        return self.scores.warming_up


class PassedOn(NamedTuple):
    """Event `event` of the run is one of `origin`, whose profile went to the partition of `to`.

    `origin_ms` is when that id was forgotten last; 0 for never.
    """

    event: int
    to: bytes
    origin: bytes
    origin_ms: int


class Content(NamedTuple):
    """What one customer is shown from a moment on.

    `number` counts the customer's decisions, from 1; `band` is that of the score; `products` are to be shown in order.
    """

    row: int
    time_ms: int
    number: int
    stage: str
    band: int
    categories: list[str]
    products: list[str]
    coupon: bool
    model_version: int
    shop_version: int


@dataclass(slots=True)
class Outcome:
    """What one run of events led to; `transfers` and `passed_on` are for other partitions."""

    scores: list[Scores] = field(default_factory=list)
    actions: list[Action] = field(default_factory=list)
    examples: list[Example] = field(default_factory=list)
    content: list[Content] = field(default_factory=list)
    transfers: list[Transfer] = field(default_factory=list)
    passed_on: list[PassedOn] = field(default_factory=list)

    def extend(self, later: "Outcome", shift: int) -> None:
        """Add what a later part of the run led to, which begins at event `shift`."""
        for scores in later.scores:
            scores.event[scores.event >= 0] += shift
        self.scores += later.scores
        self.actions += later.actions
        self.examples += later.examples
        self.content += later.content
        self.transfers += later.transfers
        self.passed_on += [one._replace(event=one.event + shift) for one in later.passed_on]

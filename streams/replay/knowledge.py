"""Knowledge: the versions of model, rules and shop that lie on their topics, for a unit that lives through the past."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from scoring.rules import RuleError, RuleSet
from scoring.rules.book import RuleBook
from streams.live_rules import Timeline, rule_of
from streams.ruling.snapshots import Used
from streams.steps import timeline_id

__all__ = ["Knowledge", "Limited", "UnfollowableError"]


class UnfollowableError(RuntimeError):
    """What is to be done again cannot be done any more, or was not kept."""


class Knowledge:
    """What was published.

    Parameters
    ----------
    rules
        Those that the workers started with.
    used
        Versions of the model and of the shop's knowledge.
    published
        The values of `rules`, in order; what a worker would refuse is left out.

    Attributes
    ----------
    models, shop
        In order of version.
    timelines
        The rules in force at each time, by the stamp that `progress` has for them: one for each state of the topic.
    last
        The newest of these: everything that is known of rules.
    """

    def __init__(self, rules: RuleSet, used: Used, published: Iterable[bytes] = ()) -> None:
        self.models, self.shop = used
        self.timelines: dict[str, Timeline] = {}
        book = RuleBook(rules.rules)
        self._note(book)
        for value in published:
            try:
                if book.add(*rule_of(value)):
                    self._note(book)
            except RuleError:
                continue

    @property
    def names(self) -> frozenset[str]:
        """The names of all rules that are known, at whatever time."""
        return frozenset(name for timeline in self.timelines.values() for _, rules in timeline for name in rules.names)

    def _note(self, book: RuleBook) -> None:
        self.last: Timeline = book.timeline()
        self.timelines[timeline_id(self.last)] = self.last

    def limited(self, models: Sequence[int], shop: Sequence[int], rules: str) -> "Limited":
        """Return what was known when a replay was planned.

        Raises
        ------
        UnfollowableError
            If some of it is not there any more.
        """
        by_model = {each.version: each for each in self.models}
        by_shop = {each.version: each for each in self.shop}
        gone = [f"models@{each}" for each in models if each not in by_model]
        gone += [f"products@{each}" for each in shop if each not in by_shop]
        if gone or rules not in self.timelines:
            raise UnfollowableError(
                f"what the replay began with is not there any more: {', '.join(gone) or 'its rules'}; begin another, "
                "under another name"
            )
        return Limited(
            Used([by_model[each] for each in models], [by_shop[each] for each in shop]), self.timelines[rules]
        )


class Limited(NamedTuple):
    """Versions of model and shop, and the rules in force at each time."""

    used: Used
    timeline: Timeline

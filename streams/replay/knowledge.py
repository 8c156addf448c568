"""Knowledge: the versions of model, rules and shop that lie on their topics, for a unit that lives through the past."""

from collections.abc import Iterable

from scoring.rules import RuleError, RuleSet
from scoring.rules.book import RuleBook
from streams.live_rules import Timeline, rule_of
from streams.ruling.snapshots import Used
from streams.steps import timeline_id

__all__ = ["Knowledge"]


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

    def _note(self, book: RuleBook) -> None:
        self.last: Timeline = book.timeline()
        self.timelines[timeline_id(self.last)] = self.last

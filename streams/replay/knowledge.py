"""Knowledge: the versions of model, rules and shop that lie on their topics, for a unit that lives through the past."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from scoring.model import Snapshot, SnapshotRefused
from scoring.rules import RuleError, RuleSet
from scoring.rules.book import RuleBook
from scoring.shop.snapshot import ShopSnapshot, SnapshotPartError
from streams.live_rules import Timeline, rule_of
from streams.models import snapshot_of
from streams.settings import Settings
from streams.shop.snapshots import Assembly
from streams.shop.wire import read_part
from streams.steps import timeline_id

__all__ = ["Knowledge"]


@dataclass(slots=True)
class Knowledge:
    """What was published.

    Attributes
    ----------
    models, shop
        In order of version.
    timelines
        The rules in force at each time, by the stamp that `progress` has for them: one for each state of the topic.
    """

    models: list[Snapshot] = field(default_factory=list)
    shop: list[ShopSnapshot] = field(default_factory=list)
    timelines: dict[str, Timeline] = field(default_factory=dict)
    _last: str = ""

    @classmethod
    def of(
        cls,
        settings: Settings,
        rules: RuleSet,
        models: Iterable[bytes] = (),
        published: Iterable[bytes] = (),
        products: Iterable[bytes] = (),
    ) -> "Knowledge":
        """Read the values of `models`, `rules` and `products`, in order; what a worker would refuse is left out."""
        known = cls()
        for value in models:
            try:
                known.models.append(snapshot_of(value, settings))
            except SnapshotRefused:
                continue
        known.models = sorted({each.version: each for each in known.models}.values(), key=lambda each: each.version)
        known._read_rules(rules, published)
        known._read_shop(products)
        return known

    @property
    def last(self) -> Timeline:
        """Everything that is known of rules."""
        return self.timelines[self._last]

    def _read_rules(self, rules: RuleSet, published: Iterable[bytes]) -> None:
        book = RuleBook(rules.rules)
        self._note(book.timeline())
        for value in published:
            try:
                if book.add(*rule_of(value)):
                    self._note(book.timeline())
            except RuleError:
                continue

    def _note(self, timeline: Timeline) -> None:
        self._last = timeline_id(timeline)
        self.timelines[self._last] = timeline

    def _read_shop(self, products: Iterable[bytes]) -> None:
        assembly, known = Assembly(1_000_000), dict[int, ShopSnapshot]()
        for value in products:
            try:
                parts = assembly.add(read_part(value))
                if parts is not None:
                    version = parts[0].version
                    known[version] = ShopSnapshot(version, parts[0].effective_ms, [part.data for part in parts])
            except SnapshotPartError:
                continue
        self.shop = [known[version] for version in sorted(known)]

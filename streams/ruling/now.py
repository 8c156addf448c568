"""Now: whom rules would tell of entering if they were in force at this moment, from the workers' own state."""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from scoring.kernel import Events
from scoring.profile import FAR, NEVER
from scoring.rules import Rule, RuleSet
from scoring.rules.book import ALWAYS
from streams.changelog import changelog_topic, read_changelog
from streams.ruling.known import Known
from streams.ruling.reached import Reached, Watch, added
from streams.ruling.snapshots import partitions_to_read, read_used
from streams.settings import Settings
from streams.unit import Unit
from streams.unit_options import UnitOptions

__all__ = ["Now", "beside", "look", "preview_now"]

_NOBODY: Final = Events.blank(0)


@dataclass(frozen=True, slots=True)
class Now:
    """What would come of each rule at the next look at everybody.

    Parameters
    ----------
    customers
        Who was looked at.
    times_ms
        Event times of the look, the earliest and the latest of the partitions; None where nobody is known.
    """

    rules: dict[str, Reached]
    customers: int
    times_ms: tuple[int, int] | None


def preview_now(settings: Settings, options: UnitOptions, known: Known, rules: Sequence[Rule]) -> Now:
    """Restore each partition's state in turn, as a worker does, and look at everybody under these rules too.

    One partition is in memory at a time; nothing is written.

    Raises
    ------
    NoStateError
        If no worker has run under this `app_id`.
    LayoutMismatchError
        If the state was begun under other settings.
    BrokerUnreachableError, aiokafka.errors.KafkaError
        From the broker.
    """
    partitions = partitions_to_read(settings, [changelog_topic(settings)])
    return asyncio.run(_look_at_all(settings, options, known, rules, partitions))


async def _look_at_all(
    settings: Settings, options: UnitOptions, known: Known, rules: Sequence[Rule], partitions: int
) -> Now:
    used = await read_used(settings)
    parts, customers, times = [], 0, []
    for partition in range(partitions):
        unit = Unit(partition, options, used.models, shop=used.shop)
        await read_changelog(settings, partition, unit.restore, committed=True)
        unit.ready({})
        at_ms = unit.engine.clock.watermark_ms
        if at_ms != NEVER:
            parts.append(
                look(
                    unit,
                    beside([version.rule for version in known.in_force(at_ms)], rules),
                    [rule.name for rule in rules],
                )
            )
            times.append(unit.engine.clock.watermark_ms)
            customers += unit.status().customers
    return Now(added(parts), customers, (min(times), max(times)) if times else None)


def look(unit: Unit, rules: RuleSet, names: Collection[str]) -> dict[str, Reached]:
    """Let these rules be in force in a restored unit, and look at everybody; what comes of those named."""
    engine = unit.engine
    engine.plan_rules([(ALWAYS, rules)])
    engine.catch_up()
    watch = Watch(names, NEVER, FAR, 0)
    watch(_NOBODY, engine.look_at_everybody())
    return watch.reached(NEVER)


def beside(in_force: Sequence[Rule], rules: Sequence[Rule]) -> RuleSet:
    """The rules in force, with these in place of those of the same name."""
    by_name = {rule.name: rule for rule in (*in_force, *rules)}
    return RuleSet(by_name[name] for name in sorted(by_name))

"""Engine settings: what the engine of each partition is told, from the settings of all."""

from collections.abc import Set

from scoring.engine import EngineSettings
from scoring.profile import Layout
from scoring.rules import RuleSet
from scoring.rules.columns import KINDS
from streams.rule_files import rules_in_force
from streams.settings import ENV_PREFIX, Settings
from streams.settings_sources import BadSetting, SettingsError

__all__ = ["BAND_NAMES", "checked_rules", "engine_settings", "missing_rings"]

BAND_NAMES = {1: ("all",), 2: ("low", "high"), 3: ("low", "medium", "high")}
"""Names of bands, by how many there are; more are numbered."""


def engine_settings(settings: Settings, rules: RuleSet) -> EngineSettings:
    """Return the engine's settings; the customers that give examples are shared out over the partitions.

    `rules` are those in force at the start: rows keep what they read.
    """
    return EngineSettings(
        layout=Layout(
            horizon_ms=settings.horizon_ms,
            day_kinds=tuple(KINDS[name] for name in settings.day_ring_kinds),
            hour_kinds=tuple(KINDS[name] for name in settings.hour_ring_kinds),
            days=settings.window_days,
            orders=settings.orders_ring,
            messages=settings.deduplication_ring,
            parts=rules.parts,
        ),
        tick_ms=settings.tick_ms,
        window_ms=settings.window_ms,
        example_customers=max(settings.example_customers // settings.partitions, 1),
        publish_delta=settings.publish_delta,
        automated_per_hour=settings.automated_events_per_hour,
        objects_kept=settings.objects_kept,
        bands=_bands(settings.bands),
        max_action_age_ms=settings.max_action_age_ms if settings.clock == "wall" else None,
        gates=settings.gates,
        types=settings.types,
        content=settings.content,
    )


def _bands(edges: tuple[float, ...]) -> tuple[tuple[str, float], ...]:
    n = len(edges) + 1
    names = BAND_NAMES.get(n) or tuple(f"band-{i}" for i in range(1, n + 1))
    return tuple(zip(names, (0.0, *edges), strict=True))


def checked_rules(settings: Settings) -> RuleSet:
    """Return the rules in force, once it is sure that a row has the rings that they count in.

    Raises
    ------
    SettingsError
        If a rule counts a kind by the day or the hour that no ring is kept of.
    RuleError
        If a rule cannot be used.
    """
    rules = rules_in_force(settings)
    problems = [
        BadSetting(
            field,
            ENV_PREFIX + field.upper(),
            "settings",
            ",".join(getattr(settings, field)),
            f"a rule counts {kind}, which has no ring",
            f"add {kind}",
        )
        for field, kind in missing_rings(rules.day_kinds, rules.hour_kinds, settings)
    ]
    if problems:
        raise SettingsError(tuple(problems))
    return rules


def missing_rings(by_day: Set[int], by_hour: Set[int], settings: Settings) -> list[tuple[str, str]]:
    """Return the kinds that are counted and no ring is kept of, each with the setting that would keep one."""
    numbers = {number: name for name, number in KINDS.items()}
    counted = (("day_ring_kinds", by_day), ("hour_ring_kinds", by_hour))
    return [
        (field, numbers[kind])
        for field, kinds in counted
        for kind in sorted(kinds)
        if numbers[kind] not in getattr(settings, field)
    ]

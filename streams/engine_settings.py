"""Engine settings: what the engine of each partition is told, from the settings of all."""

from pathlib import Path

from scoring.engine import EngineSettings
from scoring.profile import Layout
from scoring.rules import RuleSet, shipped
from scoring.rules.columns import KINDS
from scoring.rules.reading import read_rules
from streams.settings import ENV_PREFIX, Settings
from streams.settings_sources import BadSetting, SettingsError

__all__ = ["BAND_NAMES", "engine_settings", "rules_in_force"]

BAND_NAMES = {1: ("all",), 2: ("low", "high"), 3: ("low", "medium", "high")}
"""Names of bands, by how many there are; more are numbered."""


def engine_settings(settings: Settings) -> EngineSettings:
    """Return the engine's settings; the customers that give examples are shared out over the partitions."""
    return EngineSettings(
        layout=Layout(
            horizon_ms=settings.horizon_ms,
            day_kinds=tuple(KINDS[name] for name in settings.day_ring_kinds),
            hour_kinds=tuple(KINDS[name] for name in settings.hour_ring_kinds),
            days=settings.window_days,
            orders=settings.orders_ring,
            messages=settings.deduplication_ring,
        ),
        tick_ms=settings.tick_ms,
        window_ms=settings.window_ms,
        example_customers=max(settings.example_customers // settings.partitions, 1),
        publish_delta=settings.publish_delta,
        bands=_bands(settings.bands),
        max_action_age_ms=settings.max_action_age_ms if settings.clock == "wall" else None,
    )


def _bands(edges: tuple[float, ...]) -> tuple[tuple[str, float], ...]:
    n = len(edges) + 1
    names = BAND_NAMES.get(n) or tuple(f"band-{i}" for i in range(1, n + 1))
    return tuple(zip(names, (0.0, *edges), strict=True))


def rules_in_force(settings: Settings) -> RuleSet:
    """Return the rules that the settings name, with their parameters, checked against the rings of a row.

    Raises
    ------
    SettingsError
        If a rule counts a kind by the day or the hour that no ring is kept of.
    RuleError
        If a rule cannot be used.
    """
    rules = shipped(settings.rule_parameters) if settings.rules_dir is None else _read(settings)
    numbers = {number: name for name, number in KINDS.items()}
    kept = (
        ("day_ring_kinds", rules.day_kinds, settings.day_ring_kinds),
        ("hour_ring_kinds", rules.hour_kinds, settings.hour_ring_kinds),
    )
    for field, counted, names in kept:
        for missing in sorted(numbers[kind] for kind in counted if numbers[kind] not in names):
            said, remedy = "a rule counts a kind that no ring is kept of", f"add {missing}"
            variable = ENV_PREFIX + field.upper()
            raise SettingsError((BadSetting(field, variable, "settings", ",".join(names), said, remedy),))
    return rules


def _read(settings: Settings) -> RuleSet:
    assert settings.rules_dir is not None
    rules = []
    for file in sorted(Path(settings.rules_dir).glob("*.y*ml")):
        rules += read_rules(file.read_text("utf-8"), file.name, settings.rule_parameters)
    return RuleSet(rules)

"""Settings of the gates: what is set is what the core is told, and what cannot be is refused by name."""

from pathlib import Path
from typing import Any

import pytest

from scoring.gates import Cap, GateSettings
from scoring.gates.channel import Channel, ChannelTerms, Message
from scoring.profile import DAY_MS
from scoring.rules import shipped
from streams.engine_settings import engine_settings
from streams.settings_sources import SettingsError, load
from streams.zones import offset_ms

Patch = pytest.MonkeyPatch


@pytest.fixture(autouse=True)
def in_an_empty_directory(monkeypatch: Patch, tmp_path: Path) -> None:
    """No `recompra.toml` of the person who runs the tests is found."""
    monkeypatch.chdir(tmp_path)


def test_defaults_are_those_of_the_core() -> None:
    """Where nothing is set, a worker's gates are the strict ones, with real time zones."""
    found = engine_settings(load().settings, shipped()).gates
    assert found == GateSettings(zone_offset_ms=offset_ms)
    assert not found.consent_unknown
    assert found.marketing == Cap(2, 30 * DAY_MS)
    assert min(found.holdout_global, found.holdout_rule) > 0


def test_what_is_set_reaches_the_gates(monkeypatch: Patch) -> None:
    """Counts, spans, hours and channels, as the environment writes them; -1 is without limit."""
    for name, value in {
        "CONSENT_UNKNOWN": "yes",
        "MARKETING_CONTACTS": "4",
        "MARKETING_WINDOW": "7d",
        "SERVICE_CONTACTS": "-1",
        "BUDGET_WINDOW": "14d",
        "BUDGET_PERCENTILE": "0.6",
        "QUIET_FROM": "20",
        "TIME_ZONE": "Europe/Berlin",
        "HOLDOUT_GLOBAL": "0.2",
        "USUAL_WEEKDAYS": "1,1,1,1,1,2,3",
        "CHANNELS": '{"sms": {"permits": ["service"], "contacts": -1, "window": "14d"}, "chat": {"permits": []}}',
    }.items():
        monkeypatch.setenv(f"RECOMPRA_{name}", value)
    gates = load().settings.gates
    assert gates.consent_unknown
    assert (gates.marketing, gates.service) == (Cap(4, 7 * DAY_MS), Cap(None, 30 * DAY_MS))
    assert (gates.budget_ms, gates.budget_percentile) == (14 * DAY_MS, 0.6)
    assert (gates.quiet_from_hour, gates.zone, gates.holdout_global) == (20, "Europe/Berlin", 0.2)
    assert gates.usual_weekdays == (1, 1, 1, 1, 1, 2, 3)
    assert gates.channels[Channel.SMS] == ChannelTerms(frozenset({Message.SERVICE}), None, 14 * DAY_MS, 1.0)
    assert gates.channels[Channel.CHAT].permits == frozenset()
    assert gates.channels[Channel.EMAIL] == GateSettings().channels[Channel.EMAIL]


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("channels", {"fax": {}}, "'fax' is none of email, push"),
        ("channels", {"sms": {"contacts": "many"}}, "sms.contacts"),
        ("channels", {"sms": {"permits": ["spam"]}}, "sms.permits"),
        ("channels", {"sms": {"window": "0d"}}, "sms.window"),
        ("time_zone", "Mars/Olympus", "IANA"),
        ("marketing_window", "0d", "longer than nothing"),
        ("usual_hours", (1.0, 2.0), "24 numbers"),
        ("holdout_rule", 1.5, "less than or equal to 1"),
        ("quiet_from", 24, "less than or equal to 23"),
    ],
)
def test_what_cannot_be_is_refused(field: str, value: Any, reason: str) -> None:
    """The refusal names the setting, and what is wrong with it."""
    with pytest.raises(SettingsError) as error:
        load(**{field: value})
    assert field in str(error.value)
    assert reason in str(error.value)

"""Settings of then: what `progress` says of them, and what a replay with others is told."""

import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from schemas.internals import Progress
from scoring.rules import RuleSet
from streams.fingerprint import Fingerprint, differing, fingerprint
from streams.replay.plan import settings_stamp
from streams.replay.then import OtherSettingsError, Then
from streams.settings import Settings
from streams.unit import Unit
from streams.unit_options import UnitOptions
from streams.worker import unit_options
from tests.unit.replay.test_following import OPTIONS
from tests.unit.worker.fetched import event

OWN: dict[str, Any] = {
    "channels": {"sms": {"contacts": 3}},
    "usual_hours": tuple(range(24)),
    "usual_weekdays": tuple(range(7)),
    "time_zone": "Europe/Berlin",
    "clock": "events",
    "consent_unknown": "yes",
    "bands": (0.5,),
    "day_ring_kinds": ("visited", "product_viewed", "product_added", "cart_viewed"),
    "hour_ring_kinds": ("product_viewed", "product_added"),
    "window_days": 80,
    "budget_window": timedelta(days=2),
    "example_customers": 10_000,
}
"""Other values of settings for which one more, or twice as much, will not do."""


def other(name: str, value: Any) -> Any:
    """Another value of a setting."""
    if name in OWN:
        return OWN[name]
    if isinstance(value, bool):
        return not value
    if isinstance(value, timedelta):
        return value * 2
    if isinstance(value, int | float):
        return value * 0.9 if isinstance(value, float) else value + 1
    return None if value is None else f"{value}x"


def test_what_decides_is_in_it_and_nothing_else() -> None:
    """A setting of the units is in the fingerprint, whatever its name; one of others is not."""
    was, rules = Settings(), RuleSet(())
    stamp, print_ = settings_stamp(unit_options(was, rules)), fingerprint(was)
    for name in Settings.model_fields:
        changed = was.model_copy(update={name: other(name, getattr(was, name))})
        decides = settings_stamp(unit_options(changed, rules)) != stamp
        assert decides == (fingerprint(changed) != print_), name


def test_secrets_are_not_in_it() -> None:
    """Nothing of it is more than what anybody may read."""
    assert not any(
        "SecretStr" in repr(Settings.model_fields[name].annotation) for name in fingerprint(Settings()).values
    )


def commits(options: UnitOptions, starts: int) -> list[Progress]:
    """What a unit says of itself in two commits after each start."""
    found: list[Progress] = []
    rows: dict[bytes, bytes | None] = {}
    for start in range(starts):
        unit = Unit(0, options)
        unit.restore(list(rows), list(rows.values()))
        unit.ready({})
        for n in (2 * start, 2 * start + 1):
            unit.offer(0, [event(n, "c", "Product Viewed", 1_700_000_000_000 + n)], n + 1)
            for source in (1, 2):
                unit.idle(source, 0, 0)
            while unit.pump(1_700_000_000_000):
                pass
            taken = unit.take()
            assert taken is not None
            rows.update(taken.rows)
            found += [
                msgspec.json.decode(v or b"", type=Progress) for topic, _, v in taken.outputs if topic == "progress"
            ]
    return found


def options(values: Mapping[str, str]) -> UnitOptions:
    return UnitOptions(OPTIONS.engine, OPTIONS.rules, 600_000, False, 1000, fingerprint=Fingerprint(values))


def test_progress_says_them() -> None:
    """The stamp with each commit, the values with the first after a start; none of what was not told of any."""
    its = options({"tick": "1m", "publish_delta": "0.02"})
    told = commits(its, 2)
    assert [each.settings for each in told] == [its.fingerprint.stamp] * 4
    assert [each.settings_values for each in told] == [its.fingerprint.values, {}] * 2
    assert [(each.settings, each.settings_values) for each in commits(OPTIONS, 1)] == [("", {})] * 2


def test_others_stop_a_replay(caplog: pytest.LogCaptureFixture) -> None:
    """Named with what they were, what they are and the remedy, if that is known; of older releases, it is warned."""
    told = commits(options({"tick": "1m", "publish_delta": "0.02"}), 1)
    then = Then()
    for progress in told:
        then.see(progress)
        then.check(progress, Fingerprint({"publish_delta": "0.02", "tick": "1m"}))
    with pytest.raises(
        OtherSettingsError, match=r"partition 0: commit 2 was made .*: tick was '1m' and is '5m': set RECOMPRA_TICK=1m;"
    ):
        then.check(told[1], Fingerprint({"tick": "5m", "publish_delta": "0.02"}))
    with pytest.raises(OtherSettingsError, match=r"bands was not there then, and is '0\.5'"):
        then.check(told[1], Fingerprint({"tick": "1m", "publish_delta": "0.02", "bands": "0.5"}))
    late = Then()
    late.see(told[1])
    with pytest.raises(OtherSettingsError, match="which ones is not on `progress` any more"):
        late.check(told[1], Fingerprint({"tick": "5m"}))
    with caplog.at_level(logging.WARNING):
        for older in commits(OPTIONS, 1):
            late.see(older)
            late.check(older, Fingerprint({"tick": "5m"}))
    assert len(caplog.records) == 1
    assert "do not say with which settings" in caplog.text
    assert differing({"tick": "1m", "gone": "1"}, {"tick": "1m", "new": "2"}) == ["gone", "new"]

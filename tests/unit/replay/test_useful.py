"""What of a replay is still useful: not there, not expired, not over, and passed by the gates of now."""

from collections.abc import Callable
from typing import Any

import pytest
from strategies.layouts import FULL

from schemas.timestamp import from_ms
from scoring.engine import EngineSettings
from scoring.gates import Cap, GateSettings
from scoring.profile import DAY_MS, FAR
from scoring.rules import shipped
from streams.living import live_through
from streams.replay.useful import Published, Useful, Weighed, counted
from streams.unit import Unit, UnitOptions
from tests.unit.replay.test_starting import Past
from tests.unit.worker.fetched import Fetched, event

NOW = 1_700_000_000_000
HOUR = 3_600_000
LATER = NOW + 5 * HOUR
RULES = {rule.name: rule for rule in shipped().rules}


@pytest.fixture(scope="module")
def state() -> Callable[..., Unit]:
    """A live state of a few customers, under some gates."""

    def made(customers: list[Fetched] | None = None, **gates: Any) -> Unit:
        open_ = {
            "holdout_global": 0,
            "holdout_rule": 0,
            "consent_unknown": True,
            "quiet_from_hour": 0,
            "quiet_until_hour": 0,
        }
        settings = EngineSettings(FULL, gates=GateSettings(**open_ | gates))
        unit = Unit(0, UnitOptions(settings, shipped(), 600_000, False, 1000))
        unit.ready({})
        clicks = [event(n, f"c{n}", "Product Viewed", NOW, product_id="p") for n in range(4)]
        live_through(unit, Past([clicks, [], customers or []], (0, 0, 0), 100), FAR)
        return unit

    return made


def action(number: int, customer: str = "c0", **data: Any) -> tuple[str, dict[str, Any]]:
    """A cart abandoned, told by a replay."""
    at = from_ms(data.pop("ms", NOW + number))
    told = {
        "customer_id": customer,
        "rule": "cart-abandoned",
        "crossing": "entered",
        "crossing_number": number,
        "object": None,
        "event_time": at,
        "expires_at": from_ms(NOW + DAY_MS),
        "action_class": "marketing",
        "score": 0.2,
        "percentile": None,
        "warming_up": True,
        "channel": "sms",
        "coupon": False,
        "not_before": None,
        "replay": True,
    } | data
    return "actions-cart-abandoned", {"id": f"action/{number}/{customer}/{told['crossing']}", "time": at, "data": told}


def weigh(unit: Unit, *actions: tuple[str, dict[str, Any]], published: Published | None = None) -> list[Weighed]:
    return Useful(unit.engine, RULES, published or Published(), LATER, DAY_MS).weigh(actions)


def why(*told: Weighed) -> list[tuple[str, ...]]:
    return [each.why for each in told]


def test_what_is_told_or_past_is_left(state: Callable[..., Unit]) -> None:
    """There already, expired, over, or about leaving what nobody was told of entering."""
    unit = state()
    told = action(1)[1]
    there = Published()
    there.note({**told, "data": {**told["data"], "replay": False}}, NOW)
    assert why(*weigh(unit, action(1), published=there)) == [("there",)]
    assert why(*weigh(unit, action(1, expires_at=from_ms(LATER)))) == [("expired",)]
    assert why(*weigh(unit, action(1, expires_at=from_ms(LATER + 1)), action(5, "c1"))) == [(), ()]
    over = weigh(unit, action(1), action(2, crossing="left"), action(3))
    assert why(*over) == [("over",), ("entry_withheld",), ()]
    assert why(*weigh(unit, action(2, crossing="left"), published=there)) == [()]
    assert counted(over) == {"cart-abandoned": {"over": 1, "entry_withheld": 1, "publish": 1}}


def test_the_gates_of_now_hold(state: Callable[..., Unit]) -> None:
    """Consent that was revoked since, holdout, age, rules that are gone, customers of whom nothing is held."""
    asked = [action(1)]
    revoked = event(0, "c0", "Consent Revoked", NOW + HOUR)
    assert why(*weigh(state(), *asked)) == [()]
    assert why(*weigh(state([revoked]), *asked)) == [("no_consent",)]
    assert why(*weigh(state(consent_unknown=False), *asked)) == [("no_consent",)]
    assert why(*weigh(state(holdout_global=1), *asked)) == [("holdout",)]
    assert why(*weigh(state(), action(1, ms=LATER - DAY_MS - 1))) == [("stale",)]
    assert why(*weigh(state(), action(1, rule="was-removed"))) == [("rule_gone",)]
    assert why(*weigh(state(), action(1, "was-forgotten"))) == [("unknown_customer",)]
    (one,) = weigh(state(), *asked)
    assert one.value["data"]["channel"] == "email"


def test_a_cap_counts_what_replays_published(state: Callable[..., Unit]) -> None:
    """What is published in this run, and in runs before, which live states do not know."""
    capped = state(marketing=Cap(1))
    two = [action(1), action(2, rule="browse-abandoned")]
    assert why(*weigh(capped, *two)) == [(), ("frequency_cap",)]
    before = Published()
    told = action(9, rule="welcome", crossing_number=9)[1]
    before.note(told, LATER - HOUR)
    assert why(*weigh(capped, *two, published=before)) == [("frequency_cap",), ("frequency_cap",)]
    assert why(*weigh(capped, action(3, "c1"), published=before)) == [()]


def test_a_night_is_waited_for(state: Callable[..., Unit]) -> None:
    """Until it ends, unless the action has expired by then."""
    hour = LATER // HOUR % 24
    night = state(quiet_from_hour=hour, quiet_until_hour=(hour + 2) % 24)
    (waits,) = weigh(night, action(1))
    assert waits.why == ()
    assert waits.value["data"]["not_before"] == from_ms((LATER // HOUR + 2) * HOUR)
    assert why(*weigh(night, action(1, expires_at=from_ms(LATER + HOUR)))) == [("quiet_hours",)]

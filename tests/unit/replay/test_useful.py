"""What of a replay is still useful: not there, not expired, not over, and passed by the gates of now."""

from collections.abc import Callable, Sequence
from typing import Any

import orjson
import pytest
from strategies.layouts import FULL

from schemas.timestamp import from_ms
from scoring.engine import EngineSettings
from scoring.gates import Cap, GateSettings
from scoring.profile import DAY_MS, FAR
from scoring.rules import shipped
from scoring.side import Crossed, RuleState
from streams.living import live_through
from streams.replay.useful import Published, Useful, Weighed, counted
from streams.unit import Unit
from streams.unit_options import UnitOptions
from tests.unit.replay.test_starting import Past
from tests.unit.worker.fetched import Fetched, event

NOW = 1_700_000_000_000
HOUR = 3_600_000
LATER = NOW + 5 * HOUR
RULES = {rule.name: rule for rule in shipped().rules}


@pytest.fixture(scope="module")
def state() -> Callable[..., Unit]:
    """A live state of a few customers, under some gates."""

    def made(
        customers: list[Fetched] | None = None,
        orders: list[Fetched] | None = None,
        later: Sequence[tuple[str, str, str]] = (),
        **gates: Any,
    ) -> Unit:
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
        clicks = [event(n, f"c{n}", "Product Added", NOW, product_id="p", quantity=1, price=2.0) for n in range(4)]
        clicks += [event(4 + n, *told, NOW + HOUR, product_id=p, quantity=1) for n, (p, *told) in enumerate(later)]
        live_through(unit, Past([clicks, orders or [], customers or []], (0, 0, 0), 100), FAR)
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
        "products": ["p"],
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


def test_what_does_not_hold_any_more_is_left(state: Callable[..., Unit]) -> None:
    """A cart that was bought, emptied or filled with something else since; a list, or an order, that is over by now."""
    asked = [action(1)]
    order = event(0, "c0", "Order Completed", NOW + HOUR, order_id="o", total=2.0)
    out, other = ("p", "c0", "Product Removed"), ("q", "c0", "Product Added")
    assert why(*weigh(state(later=[other]), *asked)) == [()]
    for changed in (state(orders=[order]), state(later=[out]), state(later=[out, other])):
        assert why(*weigh(changed, *asked, action(2, "c1"))) == [("cart_emptied_since",), ()]
    stalled = {"rule": "checkout-stalled", "action_class": "service"}  # begun, though nothing was told of a cart
    begins = state(later=[("", "c5", "Checkout Started")])
    begun = action(1, "c5", ms=NOW + HOUR, products=["q"], **stalled)
    assert why(*Useful(begins.engine, RULES, Published(), NOW + HOUR + 60_000, DAY_MS).weigh([begun])) == [()]
    looking = action(1, rule="browse-abandoned", products=["p"])
    assert why(*weigh(state(), looking)) == [("left_since",)]
    ordered = [
        action(n, rule="order-confirmed", object=name, action_class="service") for n, name in ((1, "o"), (2, "x"))
    ]
    placed = [event(n, "c0", "Order Completed", NOW, order_id=name, total=2.0) for n, name in enumerate("ox")]
    cancelled = event(2, "c0", "Order Cancelled", NOW + HOUR, order_id="o", total=2.0)
    assert why(*weigh(state(orders=placed), *ordered)) == [(), ()]
    assert why(*weigh(state(orders=[*placed, cancelled]), *ordered)) == [("left_since",), ()]


@pytest.mark.parametrize(("crossings", "left"), [(1, False), (2, True)])
def test_who_left_live_since_has_left(state: Callable[..., Unit], crossings: int, left: bool) -> None:
    """Though they may be in the list again by the rule of now; not who left before."""
    engine = state().engine
    row = engine.profiles.find(b"c0")
    last = Crossed(NOW + HOUR, -1, -1, crossings, False)
    engine.sides.touch(row).rules["cart-abandoned"] = RuleState(crossings=crossings, lately=(last,))
    told = Useful(engine, RULES, Published(), LATER, DAY_MS).weigh([action(1), action(2, ms=NOW + 2 * HOUR)])
    assert why(*told) == [("left_since",) if left else (), ()]


def test_nobody_is_told_who_was_forgotten_since(state: Callable[..., Unit]) -> None:
    """Though they came again, and something is held of them."""
    engine, (told, after) = state().engine, (action(1), action(1, ms=NOW + HOUR))
    useful = Useful(engine, RULES, Published(), LATER, DAY_MS, lambda who, ms: who == b"c0" and ms <= NOW + 1)
    assert why(*useful.weigh([told, after])) == [("forgotten",), ()]


def test_a_cap_counts_what_replays_published(state: Callable[..., Unit]) -> None:
    """What is published in this run, and in runs before, which live states do not know."""
    capped = state(marketing=Cap(1))
    two = [action(1), action(2, rule="high-propensity", warming_up=False)]
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


def test_nothing_is_published_to_a_former_id(state: Callable[..., Unit]) -> None:
    """Who is somebody else by now is nobody to send to, also where the former id's partition is the customer's."""
    said = {"messageId": "b", "type": "alias", "userId": "ada", "previousId": "c0", "timestamp": from_ms(NOW + HOUR)}
    signed_in = Fetched(0, NOW + HOUR, b"ada", orjson.dumps(said))
    unit = state([signed_in])
    assert unit.engine.profiles.find(b"c0") == unit.engine.profiles.find(b"ada") >= 0
    assert why(*weigh(unit, action(1), action(2, "ada"))) == [("unknown_customer",), ()]

"""The shipped rules do what their sentences say."""

from collections.abc import Sequence
from importlib.resources import files

import numpy as np
import pytest
from strategies.event_streams import DAY_MS, HOUR_MS
from strategies.layouts import FULL

from scoring.engine import Engine, EngineSettings
from scoring.features import BASELINE, FEATURE_VERSION, N_FEATURES
from scoring.kernel import Events
from scoring.kinds import Kind
from scoring.model import LinearScorer, Snapshot
from scoring.rules import RuleError, shipped
from scoring.rules.shipped import SHIPPED
from scoring.side import CartItem
from scoring.sides import Detail

START = 1_700_000_000_000 // DAY_MS * DAY_MS
LAMP = (CartItem("lamp", 1.0, 20.0),)


class Shop:
    """One customer of a shop with one rule in force; `at` is in hours since the start."""

    def __init__(self, rule: str, snapshot: Snapshot | None = None) -> None:
        self.engine = Engine(EngineSettings(FULL), shipped(only=[rule]))
        if snapshot is not None:
            self.engine.versions.swap(snapshot)
        self.offset = 0
        self.told: list[tuple[float, bool, str | None]] = []
        self.actions: list[object] = []

    def happens(self, kind: Kind, at: float, order: str = "", cart: Sequence[CartItem] = ()) -> None:
        """One event."""
        events = Events.blank(1)
        events.row[0] = self.engine.profiles.row(b"anna")
        events.time_ms[0] = events.received_ms[0] = START + round(at * HOUR_MS)
        events.kind[0], events.value[0] = kind, 30.0 if order else 0.0
        events.lines[0] = events.quantity[0] = float(bool(order))
        events.source[0] = 1 if order else 0
        events.offset[0] = self.offset
        events.message[0] = self.offset = self.offset + 1
        details = {0: Detail(order, tuple(cart))} if order or cart else {}
        self._tell(self.engine.apply(events, details))

    def waits(self, until: float) -> None:
        """Time passes, without an event."""
        ms = START + round(until * HOUR_MS)
        self._tell(self.engine.advance(ms, ms))

    def _tell(self, outcome: object) -> None:
        for action in outcome.actions:  # type: ignore[attr-defined]
            self.told.append(((action.time_ms - START) / HOUR_MS, action.entered, action.object))
            self.actions.append(action)


def test_cart_abandoned_is_told_an_hour_after_the_last_change() -> None:
    """A cart and then no input at all: one action, an hour after the second product was put in, with the cart."""
    shop = Shop("cart-abandoned")
    shop.happens(Kind.PRODUCT_ADDED, 10.0, cart=LAMP)
    shop.happens(Kind.PRODUCT_ADDED, 10.5, cart=(CartItem("mug", 2.0, 5.0),))
    shop.waits(100)
    assert shop.told == [(11.5, True, None)]
    assert shop.actions[0].carried.noted.cart == (*LAMP, CartItem("mug", 2.0, 5.0))  # type: ignore[attr-defined]


def test_cart_abandoned_is_told_once_a_cart() -> None:
    """Visits without a change do not tell it again; a change does, once the cart is quiet anew."""
    shop = Shop("cart-abandoned")
    shop.happens(Kind.PRODUCT_ADDED, 10.0, cart=LAMP)
    for hour in range(12, 60, 5):
        shop.happens(Kind.PAGE, hour)
        shop.happens(Kind.CART_VIEWED, hour + 0.1)
    assert shop.told == [(11.0, True, None)]
    shop.happens(Kind.PRODUCT_ADDED, 70.0, cart=LAMP)
    shop.waits(100)
    assert shop.told == [(11.0, True, None), (70.0, False, None), (71.0, True, None)]


@pytest.mark.parametrize("kind", [Kind.ORDER_COMPLETED, Kind.PRODUCT_REMOVED])
def test_cart_abandoned_ends_with_the_cart(kind: Kind) -> None:
    """An order or an emptied cart before the hour is over: nothing; after it: the customer leaves."""
    order = "order-1" if kind == Kind.ORDER_COMPLETED else ""
    for at, told in ((10.9, []), (20.0, [(11.0, True, None), (20.0, False, None)])):
        shop = Shop("cart-abandoned")
        shop.happens(Kind.PRODUCT_ADDED, 10.0, cart=LAMP)
        shop.happens(kind, at, order=order, cart=LAMP)
        shop.waits(100)
        assert shop.told == told


def test_cart_abandoned_waits_while_someone_checks_out() -> None:
    """A checkout that was started is not quiet: the hour counts from there."""
    shop = Shop("cart-abandoned")
    shop.happens(Kind.PRODUCT_ADDED, 10.0, cart=LAMP)
    shop.happens(Kind.CHECKOUT_STARTED, 10.8)
    shop.waits(100)
    assert [told[0] for told in shop.told] == [pytest.approx(11.8, abs=1 / 60)]


def test_win_back_is_told_180_days_after_the_last_order() -> None:
    """Not before, not for visits, and it ends with the next order."""
    shop = Shop("win-back")
    shop.happens(Kind.ORDER_COMPLETED, 0.0, order="order-1", cart=LAMP)
    shop.happens(Kind.PAGE, 24.0 * 100)
    shop.waits(24.0 * 179.99)
    assert shop.told == []
    shop.waits(24.0 * 200)
    shop.happens(Kind.ORDER_COMPLETED, 24.0 * 201, order="order-2", cart=LAMP)
    assert shop.told == [(24.0 * 180, True, None), (24.0 * 201, False, None)]


def test_win_back_is_not_for_those_who_never_bought() -> None:
    """Nobody can be won back who was never there."""
    shop = Shop("win-back")
    shop.happens(Kind.PAGE, 0.0)
    shop.waits(24.0 * 400)
    assert shop.told == []


def test_second_order_is_told_for_the_order() -> None:
    """Of four orders the second, by its id; a repeated message of it tells nothing."""
    shop = Shop("second-order")
    for number in (1, 2, 2, 3, 4):
        shop.happens(Kind.ORDER_COMPLETED, float(number), order=f"order-{number}", cart=LAMP)
    assert shop.told == [(2.0, True, "order-2")]


def test_second_order_is_taken_back_when_it_is_cancelled() -> None:
    """A cancelled second order leaves the list."""
    shop = Shop("second-order")
    shop.happens(Kind.ORDER_COMPLETED, 1.0, order="order-1", cart=LAMP)
    shop.happens(Kind.ORDER_COMPLETED, 2.0, order="order-2", cart=LAMP)
    shop.happens(Kind.ORDER_CANCELLED, 3.0, order="order-1", cart=LAMP)
    shop.happens(Kind.ORDER_CANCELLED, 4.0, order="order-2", cart=LAMP)
    assert shop.told == [(2.0, True, "order-2"), (4.0, False, "order-2")]


@pytest.mark.parametrize(("kind", "times"), [(Kind.PAGE, 3), (Kind.PRODUCT_VIEWED, 10)])
def test_browsing_prospect_came_often_or_looked_at_much(kind: Kind, times: int) -> None:
    """Three days with a visit, or ten products on one: then they are in; an order ends it."""
    shop = Shop("browsing-prospect")
    for number in range(times):
        assert shop.told == []
        shop.happens(kind, number * 24.0 if kind == Kind.PAGE else number * 0.1)
    assert [entered for _, entered, _ in shop.told] == [True]
    shop.happens(Kind.ORDER_COMPLETED, 80.0, order="order-1", cart=LAMP)
    assert shop.told[1:] == [(80.0, False, None)]


def test_browsing_prospect_leaves_after_a_quiet_window() -> None:
    """Whoever does not come for 14 days is out at their daily look at the score."""
    shop = Shop("browsing-prospect")
    for day in range(3):
        shop.happens(Kind.PAGE, 24.0 * day)
    shop.waits(24.0 * 30)
    assert [entered for _, entered, _ in shop.told] == [True, False]
    assert 24 * 16 <= shop.told[1][0] < 24 * 17


def test_browsing_prospect_is_not_for_customers() -> None:
    """Whoever has bought is none, however often they come."""
    shop = Shop("browsing-prospect")
    shop.happens(Kind.ORDER_COMPLETED, 0.0, order="order-1", cart=LAMP)
    for day in range(10):
        shop.happens(Kind.PAGE, 24.0 * day + 1)
    assert shop.told == []


def test_high_propensity_has_a_dead_band() -> None:
    """In at the 80th percentile, out below the 70th: the score falls with time and crosses each line once."""
    weight = np.zeros(N_FEATURES)
    weight[BASELINE] = 1.0
    scorer = LinearScorer(np.zeros(N_FEATURES), np.ones(N_FEATURES), weight, 0.0, 1e9)
    # Logits are log(decayed orders + 0.1): one order now is 0.095, and ranks run from -1 to 0.2.
    snapshot = Snapshot(1, 0, FEATURE_VERSION, 30 * DAY_MS, False, scorer, np.linspace(-1.0, 0.2, 13))
    shop = Shop("high-propensity", snapshot)
    shop.happens(Kind.ORDER_COMPLETED, 0.0, order="order-1", cart=LAMP)
    shop.waits(24.0 * 200)
    assert [entered for _, entered, _ in shop.told] == [True, False]
    entered, left = shop.actions
    assert entered.percentile >= 0.8  # type: ignore[attr-defined]
    assert 0.65 < left.percentile < 0.7  # type: ignore[attr-defined]


def test_names_are_those_of_the_files() -> None:
    """Each shipped rule is one file of its name, and there is no other file."""
    there = {file.name for file in files("scoring.rules").iterdir() if file.name.endswith(".yaml")}
    assert there == {f"{name}.yaml" for name in SHIPPED}
    assert shipped().names == SHIPPED


def test_sentences_are_written_for_people() -> None:
    """Each says in one sentence, with its numbers filled in, who is in the list."""
    for rule in shipped().rules:
        assert rule.sentence.endswith(".")
        assert "{" not in rule.sentence
        assert all(f"{value:g}" in rule.sentence for value in rule.parameters.values())


def test_no_shipped_action_is_of_use_for_ever() -> None:
    """Each says until when; nobody acts on last year's."""
    assert [rule.name for rule in shipped().rules if not rule.expires_after_ms] == []


def test_settings_change_parameters() -> None:
    """A duration in the settings reaches the predicate; a name that is not there is refused with the nearest one."""
    [cart] = shipped({"cart-abandoned": {"quiet": "2h"}}, only=["cart-abandoned"]).rules
    assert cart.parameters["quiet"] == 2.0
    with pytest.raises(RuleError, match="'cart-abandoned'"):
        shipped({"cart-abandonned": {"quiet": "2h"}})
    with pytest.raises(RuleError, match="'win-back'"):
        shipped(only=["win-bak"])

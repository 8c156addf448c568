"""Gates: what is withheld, and why."""

from strategies.layouts import SMALL

from scoring.engine import EngineSettings
from scoring.kinds import Kind
from scoring.profile import HOUR_MS
from tests.unit.core.shop import Shop, rule, snapshot

CART = rule("""
name: cart
sentence: A cart open and quiet for an hour.
enter: cart_items > 0 and hours_since(product_added) >= 1
exit: cart_items == 0 or hours_since(product_added) < 1
cooldown: 1d
carries: [cart]
""")
SCORED = rule("""
name: likely
sentence: Likely to buy.
enter: score >= 0.6
exit: score < 0.5
""")
NOVELTY = Kind.PAGE


def test_an_action_passes_every_gate() -> None:
    """A cart left for an hour is told once, at the tick, with what is in it."""
    shop = Shop(CART).does(0.5, Kind.PRODUCT_ADDED, item="hat", price=7.0).until(3)
    assert shop.told() == [("cart", "ann", "entered", "")]
    [action] = shop.actions
    assert (action.number, action.event) == (1, -1)
    assert [(item.product, item.quantity, item.price) for item in action.carried.noted.cart] == [("hat", 1.0, 7.0)]
    assert action.time_ms % 60_000 == 0
    assert action.time_ms - int(shop.engine.profiles.rows["last_ms"][0]) == HOUR_MS


def test_cooldown_withholds_the_second_entry() -> None:
    """Within the cooldown of what was sent, entering again is withheld, and leaving then says nothing either."""
    shop = Shop(CART).does(0, Kind.PRODUCT_ADDED).until(2)
    shop.does(3, Kind.PRODUCT_ADDED).until(5).does(6, Kind.PRODUCT_ADDED)
    assert shop.told() == [
        ("cart", "ann", "entered", ""),
        ("cart", "ann", "left", ""),
        ("cart", "ann", "entered", "cooldown"),
        ("cart", "ann", "left", "entry_withheld"),
    ]
    assert [action.number for action in shop.actions] == [1, 2, 3, 4]


def test_cooldown_counts_from_what_was_sent() -> None:
    """After the cooldown the customer is told again, although an entry in between was withheld."""
    shop = Shop(CART).does(0, Kind.PRODUCT_ADDED).until(2).does(3, Kind.PRODUCT_ADDED).until(5)
    shop.does(26, Kind.PRODUCT_ADDED).until(28)
    assert [why for _, _, crossing, why in shop.told() if crossing == "entered"] == ["", "cooldown", ""]


def test_leaving_is_told_to_whom_entering_was() -> None:
    """Whoever was told of entering is told of leaving, however late that is known; whoever was not, is not."""
    settings = EngineSettings(layout=SMALL, max_action_age_ms=24 * HOUR_MS)
    unseen = Shop(CART, settings).does(0, Kind.PRODUCT_ADDED, received_h=30).until(2, received_h=30)
    unseen.does(3, Kind.PRODUCT_ADDED)
    assert unseen.told() == [("cart", "ann", "entered", "stale"), ("cart", "ann", "left", "entry_withheld")]
    seen = Shop(CART, settings).does(0, Kind.PRODUCT_ADDED).until(2).does(3, Kind.PRODUCT_ADDED, received_h=40)
    assert seen.told() == [("cart", "ann", "entered", ""), ("cart", "ann", "left", "")]


def test_stale_history_is_withheld() -> None:
    """An action for a moment that was over a day old when its cause was received is stale."""
    settings = EngineSettings(layout=SMALL, max_action_age_ms=24 * HOUR_MS)
    old = Shop(CART, settings).does(0, Kind.PRODUCT_ADDED, received_h=30).until(2, received_h=30)
    assert old.told() == [("cart", "ann", "entered", "stale")]
    fresh = Shop(CART, settings).does(0, Kind.PRODUCT_ADDED, received_h=20).until(2, received_h=20)
    assert fresh.told() == [("cart", "ann", "entered", "")]


def test_history_of_a_known_customer_is_withheld() -> None:
    """Old events are no news of somebody who was here since: their moment is now, and they happened long ago."""
    settings = EngineSettings(layout=SMALL, max_action_age_ms=24 * HOUR_MS)
    for known in (Shop(CART, settings).does(50, Kind.PAGE), Shop(CART, settings).does(0, Kind.PAGE).until(50)):
        known.does(10, Kind.PRODUCT_ADDED, received_h=50)
        assert known.told() == [("cart", "ann", "entered", "stale")]
        known.does(51, Kind.PRODUCT_ADDED).until(53)  # what happens now is told as ever
        assert known.told()[1:] == [("cart", "ann", "left", "entry_withheld"), ("cart", "ann", "entered", "")]
    late = Shop(CART, settings).does(50, Kind.PAGE).does(30, Kind.PRODUCT_ADDED, received_h=50)
    assert late.told() == [("cart", "ann", "entered", "")]


def test_a_replay_publishes_nothing() -> None:
    """In a replay every crossing is withheld, whatever else applies."""
    settings = EngineSettings(layout=SMALL, max_action_age_ms=None, replay=True)
    shop = Shop(CART, settings).does(0, Kind.PRODUCT_ADDED).until(2).does(3, Kind.PRODUCT_ADDED)
    assert {why for *_, why in shop.told()} == {"replay"}
    assert len(shop.actions) == 2


def test_a_score_rule_waits_until_the_model_has_learned() -> None:
    """While the model warms up, what a score decides is withheld; afterwards it is not."""
    shop = Shop(SCORED).does(0, Kind.ORDER_COMPLETED, order="a")
    shop.does(1, Kind.ORDER_COMPLETED, order="b")
    shop.does(40, Kind.ORDER_COMPLETED, order="c")
    assert shop.told() == [("likely", "ann", "entered", "warming_up")]
    ready = Shop(SCORED)
    ready.engine.versions.swap(snapshot())
    ready.does(0, Kind.ORDER_COMPLETED, order="a").does(40, Kind.ORDER_COMPLETED, order="b")
    assert ("likely", "ann", "entered", "") in ready.told()


def test_percentiles_are_unknown_while_warming_up() -> None:
    """A model that warms up ranks nobody, even where its snapshot brings a table."""
    shop = Shop(SCORED)
    shop.engine.versions.swap(snapshot(warming_up=True))
    shop.does(0, Kind.ORDER_COMPLETED, order="a")
    assert shop.outcomes[-1].scores[0].percentile[0] != shop.outcomes[-1].scores[0].percentile[0]
    assert shop.outcomes[-1].scores[0].warming_up


def test_enter_and_leave_alternate_across_a_restart() -> None:
    """Numbers of crossings go on after a restart, and what was inside stays inside."""
    shop = Shop(CART).does(0, Kind.PRODUCT_ADDED).until(2)
    again = shop.restarted().until(3).does(4, Kind.ORDER_COMPLETED, order="a")
    assert again.told() == [("cart", "ann", "left", "")]
    assert again.actions[0].number == 2


def test_a_machine_is_counted_but_never_acted_on() -> None:
    """More events in an hour than a person makes: actions are withheld and no example is made; lifted when it calms."""
    seen = rule("{name: seen, sentence: Seen., enter: 'total(page) >= 4', exit: cart_items > 0}")
    settings = EngineSettings(layout=SMALL, max_action_age_ms=None, automated_per_hour=3)
    shop = Shop(seen, settings)
    for i in range(5):
        shop.does(i / 10, NOVELTY)
    assert shop.told() == [("seen", "ann", "entered", "automated")]
    assert shop.engine.counts.applied == 5
    calm = Shop(seen, settings)
    for i in range(5):
        calm.does(i, NOVELTY)
    assert calm.told() == [("seen", "ann", "entered", "")]


def test_a_machine_gives_no_examples() -> None:
    """Examples are neither made of a customer who is a machine at the time nor given of one who turned out to be."""
    every_day = [(24.0 * day + hour / 100, NOVELTY) for day in range(45) for hour in range(6)]
    settings = EngineSettings(layout=SMALL, max_action_age_ms=None, automated_per_hour=3)
    machine, person = (
        Shop(rule("{name: x, sentence: X., enter: never}"), settings),
        Shop(rule("{name: x, sentence: X., enter: never}")),
    )
    for shop in (machine, person):
        for hour, kind in every_day:
            shop.does(hour, kind)
    assert sum(len(outcome.examples) for outcome in person.outcomes) >= 1
    at_work = [example.made_ms for outcome in machine.outcomes for example in outcome.examples]
    assert all(ms % (24 * HOUR_MS) > 2 * HOUR_MS for ms in at_work)


def test_a_crossing_that_another_event_causes_after_a_crash_is_the_same() -> None:
    """The side record was written, the row was not: entering again, by another event, has the number it had."""
    seen = rule("{name: seen, sentence: Seen., enter: 'total(page) >= 1', exit: cart_items > 0}")
    shop = Shop(seen).does(0, NOVELTY)
    shop.engine.profiles.rows["inside"] = 0
    shop.does(1, NOVELTY).does(2, Kind.PRODUCT_ADDED)
    assert [(action.entered, action.number) for action in shop.actions] == [(True, 1), (True, 1), (False, 2)]

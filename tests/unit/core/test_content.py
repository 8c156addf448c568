"""Content: what a site shows a customer, decided when they are scored and told when it changes."""

from dataclasses import replace

import pytest
from strategies.layouts import SMALL

from scoring.content import MOST, Contents
from scoring.engine import EngineSettings
from scoring.gates import GateSettings
from scoring.gates.news import Ordered
from scoring.kinds import Kind
from scoring.outcome import Content
from scoring.profile import DAY_MS
from scoring.rules import RuleSet
from scoring.shop.observations import Bought, Line
from scoring.shop.settings import ShopSettings
from scoring.shop.shop import Shop as Knowing
from scoring.shop.snapshot import ShopSnapshot, parts_of
from tests.unit.core.shop import START, Shop, snapshot

SETTINGS = EngineSettings(layout=SMALL, max_action_age_ms=None, content=True)


def known() -> ShopSnapshot:
    """Hats go with scarfs and gloves; coats are worn too."""
    shop = Knowing(ShopSettings(every_ms=DAY_MS), ["p"])
    baskets = [["hat", "scarf"], ["hat", "scarf"], ["hat", "gloves"], ["coat"]]
    at = START - DAY_MS
    orders = [
        (at, Bought(at, f"m{n}", f"o{n}", n, tuple(Line(product, 1.0, "worn") for product in products)))
        for n, products in enumerate(baskets)
    ]
    shop.take("p", len(orders), [*orders, (START + DAY_MS, None)])
    [version] = shop.complete()
    return ShopSnapshot(version.version, version.effective_ms, parts_of(version.figures))


def shop_of(settings: EngineSettings = SETTINGS, *, knowing: bool = True) -> Shop:
    """A shop without rules, with a model and, where asked, with knowledge of its products."""
    shop = Shop(RuleSet(()), settings)
    shop.engine.versions.swap(snapshot())
    if knowing:
        shop.engine.versions.swap_shop(known())
    return shop


def told(shop: Shop) -> list[Content]:
    """All that was told so far."""
    return [content for outcome in shop.outcomes for content in outcome.content]


def test_who_only_looked_is_a_prospect_and_sees_that_and_what_sells_best_there() -> None:
    """What was looked at last comes first, then the best sellers of its category."""
    shop = shop_of().does(0, Kind.PRODUCT_VIEWED, item="coat")
    [first] = told(shop)
    assert (first.stage, first.number, first.shop_version) == ("prospect", 1, 1)
    assert (first.categories, first.products) == (["worn"], ["coat", "hat", "scarf", "gloves"])


def test_who_bought_is_a_customer_and_sees_what_goes_with_it() -> None:
    """The last purchase itself is not shown; what others bought with it is."""
    shop = shop_of().does(0, Kind.PAGE).does(1, Kind.ORDER_COMPLETED, order="a", item="hat")
    last = told(shop)[-1]
    assert (last.stage, last.number) == ("customer", 2)
    assert last.products == ["scarf", "gloves", "coat"]


def test_the_same_decision_is_told_once() -> None:
    """Looking again, being scored again and the daily looks tell nothing new; a purchase does."""
    shop = shop_of().does(0, Kind.PRODUCT_VIEWED, item="coat")
    for hour in range(1, 60, 7):
        shop.does(hour, Kind.PRODUCT_VIEWED, item="coat")
    assert len(told(shop)) == 1
    shop.does(61, Kind.ORDER_COMPLETED, order="a", item="coat")
    assert len(told(shop)) == 2


def test_what_is_looked_at_is_taken_over_at_the_daily_look() -> None:
    """Views alone change nothing at once."""
    shop = shop_of().does(0, Kind.PRODUCT_VIEWED, item="coat").does(1, Kind.PRODUCT_VIEWED, item="hat")
    assert [content.products[0] for content in told(shop)] == ["coat"]
    shop.until(26)
    assert [content.products[0] for content in told(shop)] == ["coat", "hat"]


def test_who_did_not_buy_for_long_has_lapsed() -> None:
    """After three horizons without an order, told at the next look at them."""
    shop = shop_of().does(0, Kind.ORDER_COMPLETED, order="a", item="hat").until(89 * 24)
    assert {content.stage for content in told(shop)} == {"customer"}
    assert told(shop.until(92 * 24))[-1].stage == "lapsed"


@pytest.mark.parametrize(("coupons", "allowed"), [((True, True, True), False), ((False, False, False), True)])
def test_no_coupon_for_who_learned_to_wait_for_one(coupons: tuple[bool, ...], allowed: bool) -> None:
    """The gates say it, of the customer's orders so far."""
    gates = replace(GateSettings.open(), coupon_orders=3, coupon_share=0.5)
    shop = shop_of(replace(SETTINGS, gates=gates))
    for hour, coupon in enumerate(coupons):
        shop.tells(hour, Ordered(coupon), kind=Kind.ORDER_COMPLETED)
    assert told(shop.until(30))[-1].coupon == allowed


def test_without_the_shop_s_knowledge_there_is_what_they_looked_at() -> None:
    """No category and no companion is known; nobody is shown more than so many products."""
    shop = shop_of(knowing=False).does(0, Kind.PRODUCT_VIEWED, item="coat")
    [first] = told(shop)
    assert (first.categories, first.products, first.shop_version) == ([], ["coat"], 0)
    assert len(first.products) <= MOST


def test_it_survives_a_restart() -> None:
    """A decision that was told is not told again by who takes over, and its number goes on."""
    shop = shop_of().does(0, Kind.PRODUCT_VIEWED, item="coat")
    again = shop.restarted()
    again.engine.versions.swap(snapshot())
    again.engine.versions.swap_shop(known())
    again.until(30)
    assert told(again) == []
    again.does(31, Kind.ORDER_COMPLETED, order="a", item="hat")
    assert [content.number for content in told(again)] == [2]


def test_what_is_not_decided_anew_would_be_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether or not it is remembered what a decision was made from, the same is told, there and back again."""

    def lived() -> list[Content]:
        shop = shop_of()
        for day, item in enumerate(("coat", "hat", "coat", "coat", "scarf", "coat")):
            for customer in ("ann", "bob"):
                shop.does(24 * day, Kind.PRODUCT_VIEWED, customer, item=item)
        shop.does(150, Kind.ORDER_COMPLETED, order="a", item="hat").until(180)
        return told(shop)

    def forgetful(self: Contents, *given: object) -> list[Content]:
        self._known[:] = 0
        return decide(self, *given)  # type: ignore[arg-type]

    remembered = lived()
    assert len({content.row for content in remembered}) == 2
    decide = Contents.decide
    monkeypatch.setattr(Contents, "decide", forgetful)
    assert lived() == remembered


def test_it_is_told_only_where_it_is_wanted() -> None:
    """Without the setting nothing is decided."""
    shop = shop_of(replace(SETTINGS, content=False)).does(0, Kind.PRODUCT_VIEWED, item="coat")
    assert told(shop) == []


def test_a_decision_that_is_not_compared_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The check of telling once fails where each decision is told."""

    def forgetful(self: Contents, rows: object, *rest: object) -> list[Content]:
        rows["content"] = 0  # type: ignore[index]
        return decide(self, rows, *rest)  # type: ignore[arg-type]

    decide = Contents.decide
    monkeypatch.setattr(Contents, "decide", forgetful)
    with pytest.raises(AssertionError):
        test_the_same_decision_is_told_once()

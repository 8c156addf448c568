"""Networks: which social network feedback came from, as an action tells it."""

import pytest

from scoring.engine import Engine
from scoring.gates.news import Network
from scoring.kinds import Kind
from scoring.outcome import Action
from scoring.profile import HOUR_MS
from scoring.stored import SIDE
from tests.unit.core.shop import START, Shop, rule

BAD = rule("name: bad\nsentence: Said something bad.\nenter: feedback_rating <= 2\nexit: never\ncarries: [opinions]")
LATER = rule(
    "name: later\nsentence: Looked after something bad.\nenter: feedback_rating <= 2 and days_since(page) < 1\n"
    "exit: days_since(page) >= 1\ncarries: [opinions]"
)
SILENT = rule("name: silent\nsentence: Said something bad.\nenter: feedback_rating <= 2\nexit: never")


def networks(shop: Shop) -> list[str | None]:
    """Of each action of entering that of the newest opinion."""
    return [of(action) for action in shop.actions if action.entered]


def of(action: Action) -> str | None:
    opinion = action.carried.opinions[0]
    assert opinion.source == "feedback"
    return opinion.network


def said(shop: Shop, hour: float, network: str | None, customer: str = "ann") -> Shop:
    """Feedback without stars."""
    news = () if network is None else (Network(network),)
    return shop.tells(hour, *news, customer=customer, kind=Kind.FEEDBACK)


def test_the_network_of_the_last_feedback_is_told() -> None:
    """Also where others came later than it did; of feedback that names none, none is."""
    assert networks(said(Shop(BAD), 1, "x")) == ["x"]
    shop = Shop(LATER)
    for hour, network in ((3, "y"), (2, "x"), (3, "a")):
        said(shop, hour, network)
    assert networks(shop.does(4, Kind.PAGE)) == ["y"], "of two at one time it is always the same"
    said(shop.until(40), 41, None)
    assert networks(shop.does(42, Kind.PAGE)) == ["y", None]


def test_who_becomes_another_brings_the_network() -> None:
    """That of the later feedback of both."""
    for guest, own, told in ((2, 1, "of-guest"), (1, 2, "own")):
        shop = said(said(Shop(LATER), guest, "of-guest", "guest"), own, "own").becomes(3, "guest")
        assert networks(shop.does(4, Kind.PAGE)) == [told]


def test_it_is_known_after_a_restart() -> None:
    """As what else is known of a customer's standing."""
    assert networks(said(Shop(LATER), 1, "x").restarted().does(2, Kind.PAGE)) == ["x"]


@pytest.mark.parametrize("rows", [SIDE, b""])
def test_what_is_told_again_after_a_crash_is_what_was_told(rows: bytes) -> None:
    """Also where the record was written and the profile was not, and knows of feedback that came later."""
    shop = said(said(Shop(BAD), 1, "x"), 2, "y")
    again = Shop(BAD)
    kept = [(key, value) for key, value in shop.engine.changes() if rows and key[:1] == rows]
    again.engine.load([key for key, _ in kept], [value for _, value in kept])
    again.engine.restored()
    said(said(again, 1, "x"), 2, "y")
    assert networks(again) == networks(shop) == ["x"]
    assert [action.number for action in again.actions] == [action.number for action in shop.actions]


def test_no_network_is_kept_where_no_rule_carries_opinions() -> None:
    """What nobody asks for is not remembered."""
    assert network(said(Shop(SILENT), 1, "x").engine) is None
    assert network(said(Shop(BAD), 1, "x").engine) == (START + HOUR_MS, "x")


def network(engine: Engine) -> tuple[int, str] | None:
    side = engine.sides.find(engine.profiles.find(b"ann"))
    return None if side is None else side.standing.network

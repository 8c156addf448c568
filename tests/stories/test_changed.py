"""Rules that change while customers are on their way into a list of products: nobody is lost."""

from dataclasses import replace

import pytest
from stories.story import START_MS, Player, Story, rule_named

from scoring.engine import Engine
from scoring.profile import DAY_MS
from scoring.rules import Rule, RuleSet
from scoring.rules.book import ALWAYS

WISHED = "10h  Product Added to Wishlist  product_id=lamp\n12d  ..."
WISHLIST = rule_named("wishlist")


def after(hours: float, version: int) -> RuleSet:
    """The rule for wishes that are so many hours old."""
    parameters = {**WISHLIST.parameters, "after": hours}
    return RuleSet([replace(WISHLIST, version=version, parameters=parameters)])


def entered(player: Player) -> list[tuple[int, int]]:
    """On which day each entered, and by which version."""
    return [((action.time_ms - START_MS) // DAY_MS, action.rule_version) for action in player.actions if action.entered]


@pytest.mark.parametrize(
    ("before", "now", "day"),
    [pytest.param(24, 72, 3, id="longer"), pytest.param(72, 24, 1, id="shorter"), pytest.param(240, 12, 1, id="over")],
)
def test_a_wish_of_before_is_seen_under_the_new_version(before: float, now: float, day: int) -> None:
    """The time of which the row keeps nothing is seen at the daily look, once."""
    player = Player("wishlist")
    player.engine.plan_rules([(ALWAYS, after(before, 2)), (START_MS + DAY_MS, after(now, 3))])
    player.play(Story.of(WISHED).steps)
    assert entered(player) == [(day, 3)]


def test_a_wish_of_before_is_seen_after_a_restart_with_other_parameters() -> None:
    """What rules asked is kept with the state: other settings count as a change, the same ones do not."""
    for hours, day in ((72, 3), (24, 1)):
        player = Player("wishlist")
        player.engine.plan_rules([(ALWAYS, after(24, 2))])
        player.play(Story.of("10h  Product Added to Wishlist  product_id=lamp\n1d  ...").steps)
        stored = player.engine.changes()
        again = player.engine = Engine(player.settings, after(hours, 2))
        again.load([key for key, _ in stored], [value for _, value in stored])
        again.restored()
        again.catch_up()
        assert (again.state.asked_anew.until_ms > 0) == (hours == 72)
        for half_days in range(3, 24):
            player.actions += again.advance(START_MS + half_days * DAY_MS // 2, 0).actions
        assert entered(player) == [(day, 2)]


def test_a_new_rule_sees_what_another_was_asked_of_long_ago() -> None:
    """Of the same ages as a rule that was there: those who had them before are asked about once more."""
    other = Rule(name="wished", sentence="Wished.", enter=WISHLIST.enter, exit=WISHLIST.exit,
                 parameters=WISHLIST.parameters, for_each=WISHLIST.for_each)  # fmt: skip
    player = Player("wishlist")
    player.engine.plan_rules([(START_MS + 5 * DAY_MS, RuleSet([WISHLIST, other]))])
    player.play(Story.of(WISHED).steps)
    assert [(action.rule, (action.time_ms - START_MS) // DAY_MS) for action in player.actions] == [
        ("wishlist", 1),
        ("wished", 5),
    ]

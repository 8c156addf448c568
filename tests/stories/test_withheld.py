"""Every shipped rule is withheld by each gate that applies to it: its story of entering with one thing changed.

The id of a case is the rule, and what is different from the story in which it enters.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from stories.story import CUSTOMER, SNAPSHOT, START_MS, Player, Step, Story, busy, read_stories, rule_named
from strategies.layouts import FULL

from scoring.engine import EngineSettings
from scoring.gates import GATES, GateSettings
from scoring.gates.settings import Cap
from scoring.outcome import Action
from scoring.profile import FAR, HOUR_MS
from scoring.rules import Rule
from scoring.rules.rule import ActionClass, Coupon, ForEach
from scoring.rules.shipped import SHIPPED
from scoring.side import RuleState


@dataclass(frozen=True)
class Cause:
    """What shuts a gate: who plays the story, and how it is changed; `of` are the rules that it applies to."""

    gate: str
    player: Callable[[Rule], Player]
    change: Callable[[Story], Story] = lambda story: story
    of: Callable[[Rule], bool] = lambda _: True


def told_to(engine: dict[str, Any] | None = None, **gates: Any) -> Callable[[Rule], Player]:
    """A player whose engine, or whose gates, have other settings."""
    settings = EngineSettings(FULL, gates=replace(GateSettings.open(), **gates), **(engine or {}))
    return lambda rule: Player(rule.name, settings)


def contacted(rule: Rule) -> Player:
    """A player of somebody who was told of this list a moment before."""
    player = Player(rule.name)
    side = player.engine.sides.touch(player.engine.profiles.row(CUSTOMER.encode()))
    told = read_stories(rule.name)["enters"].told[0]
    before_ms = told.ms - 1
    if rule.for_each is ForEach.CATEGORY:
        side.numbers[rule.name] = {str(told.object): (2, before_ms)}
    side.rules |= {each.list_name: RuleState(sent_ms=before_ms) for each in rule.of_marks}
    return player


def with_a_complaint(story: Story) -> Story:
    """The story of somebody who has opened a ticket before."""
    return replace(story, steps=[Step(START_MS, "Ticket Opened", {"ticket_id": "T0"}), *story.steps])


def without_consent(story: Story) -> Story:
    """The story of somebody who never said yes."""
    return replace(story, steps=[step for step in story.steps if step.name != "Subscribed"])


def is_marketing(rule: Rule) -> bool:
    """Whether the gates that protect from marketing apply."""
    return rule.action_class is ActionClass.MARKETING


KEEPING = EngineSettings(FULL, gates=replace(GateSettings.open(), marketing=Cap(9), budget_ms=FAR))
"""Settings under which a moment must be worth the contact."""
SEEN_DAILY = {"next-order-due", "next-order-overdue", "propensity-drop"}
"""Rules that hold before the daily look at them: the first of a machine's events would be seen before it is one."""
CAUSES = {
    "lived through again": Cause("replay", told_to({"replay": True})),
    "received two days later": Cause("stale", lambda rule: Player(rule.name, receipt_ms=48 * HOUR_MS)),
    "done by a machine": Cause(
        "automated", told_to({"automated_per_hour": 2}), busy, of=lambda rule: rule.name not in SEEN_DAILY
    ),
    "while the rule is paused": Cause("rule_paused", lambda rule: Player(rule.name, paused=True)),
    "before the model has learned": Cause(
        "warming_up",
        lambda rule: Player(rule.name, snapshot=replace(SNAPSHOT, warming_up=True)),
        of=lambda rule: rule.reads_score,
    ),
    "without consent": Cause("no_consent", told_to(consent_unknown=False), without_consent, is_marketing),
    "with a complaint open": Cause("negative_experience", told_to(negative_ms=FAR), with_a_complaint, is_marketing),
    "written to often enough": Cause("frequency_cap", told_to(marketing=Cap(0)), of=is_marketing),
    "while the contact is kept for a better moment": Cause(
        "budget", lambda rule: Player(rule.name, KEEPING, gain=0.001), of=is_marketing
    ),
    "told of it a moment before": Cause("cooldown", contacted, of=lambda rule: rule.cooldown_ms > 0),
    "in the control": Cause("holdout", told_to(holdout_global=1.0), of=is_marketing),
}
NOT_KNOWN_THEN = {
    "before the model has learned": {"high-interest-high-fit", "high-propensity", "propensity-drop"},
    "without consent": {"subscribed", "subscriber-engaged", "subscriber-silent"},
}
"""Rules that nobody enters then: they need a percentile, or a subscription."""


def played(rule: Rule, cause: Cause) -> list[Action]:
    """What the rule tells of entering in its story, changed."""
    player = cause.player(rule)
    player.play(cause.change(read_stories(rule.name)["enters"]).steps)
    return [action for action in player.actions if action.entered]


def cases(applies: bool) -> list[Any]:
    """Rules and causes that apply, or do not."""
    return [
        pytest.param(rule, cause, id=f"{rule.name}, {title}")
        for rule in map(rule_named, SHIPPED)
        for title, cause in CAUSES.items()
        if cause.of(rule) == applies and rule.name not in NOT_KNOWN_THEN.get(title, ())
    ]


@pytest.mark.parametrize(("rule", "cause"), cases(applies=True))
def test_the_gate_withholds(rule: Rule, cause: Cause) -> None:
    """They enter as in the story, and nothing is published; the reason is the gate, alone or with others."""
    entered = played(rule, cause)
    assert entered
    assert cause.gate in entered[0].withheld


@pytest.mark.parametrize(
    ("rule", "cause"), [case for case in cases(applies=False) if case.values[0].action_class is ActionClass.SERVICE]
)
def test_service_passes(rule: Rule, cause: Cause) -> None:
    """What a customer expects to be told is not held back by what protects from marketing."""
    if cause.of is is_marketing:
        assert [action.withheld for action in played(rule, cause)] == [()]
    else:
        assert cause.gate not in {code for action in played(rule, cause) for code in action.withheld}


@pytest.mark.parametrize(
    ("title", "rule"), [(title, rule) for title in NOT_KNOWN_THEN for rule in sorted(NOT_KNOWN_THEN[title])]
)
def test_nobody_enters_what_is_not_known(title: str, rule: str) -> None:
    """Without a percentile or a subscription there is nothing to withhold."""
    assert played(rule_named(rule), CAUSES[title]) == []


@pytest.mark.parametrize("rule", SHIPPED)
def test_quiet_hours_delay_marketing(rule: str) -> None:
    """An entry within the quiet hours is to be told of at their end, or not at all where it is of no use by then."""
    told = read_stories(rule)["enters"].told[0]
    hour = told.ms // HOUR_MS % 24
    quiet = {"quiet_from_hour": hour, "quiet_until_hour": (hour + 3) % 24}
    definition = rule_named(rule)
    [action] = played(definition, Cause("quiet_hours", told_to(**quiet)))
    if not is_marketing(definition):
        assert (action.not_before_ms, action.withheld) == (None, ())
        return
    assert action.not_before_ms == (told.ms // HOUR_MS + 3) * HOUR_MS
    too_late = action.expires_ms is not None and action.expires_ms <= action.not_before_ms
    assert action.withheld == (("quiet_hours",) if too_late else ())


@pytest.mark.parametrize("rule", [rule for rule in SHIPPED if rule_named(rule).coupon is not Coupon.NEVER])
def test_no_coupon_for_those_who_would_buy_anyway(rule: str) -> None:
    """Where the action may do without it goes without."""
    would_buy = Cause("discount_guard", told_to(bought_anyway_probability=0.0))
    assert rule_named(rule).coupon is Coupon.MAY
    assert [(action.coupon, action.withheld) for action in played(rule_named(rule), would_buy)] == [(False, ())]
    assert [action.coupon for action in played(rule_named(rule), Cause("", told_to()))] == [True]


@pytest.mark.parametrize("rule", [rule for rule in SHIPPED if rule_named(rule).exit != "never"])
def test_nobody_is_told_of_the_end_of_what_was_withheld(rule: str) -> None:
    """Whoever leaves unseen was in the list unseen."""
    stories = read_stories(rule)
    told = Player(rule, paused=True).play(
        next(s for s in stories.values() if "leaves" in [t.how for t in s.told]).steps
    )
    assert {each.how for each in told} == {"withheld rule_paused", "withheld entry_withheld"}


@pytest.mark.parametrize("rule", [rule for rule in SHIPPED if rule_named(rule).audience])
def test_a_list_says_what_is_against_its_members(rule: str) -> None:
    """Who may not be advertised to is on `audiences` with the reason, as the control is; the others without any."""
    for share, withheld in ((0.0, []), (1.0, ["holdout"])):
        player = told_to(holdout_global=share)(rule_named(rule))
        player.play(read_stories(rule)["enters"].steps)
        said = dict(player.published())["audiences"]["data"]
        assert (said["crossing"], said["withheld"]) == ("entered", withheld)


def test_every_gate_is_tried() -> None:
    """None is left out; `merged`, which needs two customers, is tried in `tests/unit/core/test_identity.py`."""
    elsewhere = {"quiet_hours", "discount_guard", "entry_withheld", "merged"}
    tried = {cause.gate for cause in CAUSES.values()} | elsewhere
    assert tried == set(GATES)

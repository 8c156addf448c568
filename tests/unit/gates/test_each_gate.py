"""Each gate, one by one: what it withholds, and what passes it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from strategies.layouts import SMALL

from scoring.engine import EngineSettings
from scoring.gates import GATES, Cap, Gates, GateSettings
from scoring.gates import gates as gates_module
from scoring.gates.channel import CHANNELS, Channel, ChannelTerms, Message, Purpose
from scoring.gates.holdout import held_out
from scoring.gates.news import Consent, Contacted, Ordered, Promised, Ticket, Zone
from scoring.gates.standing import Standing
from scoring.kinds import Kind
from scoring.profile import HOUR_MS
from scoring.rules import RuleSet
from tests.unit.core import test_gates as others
from tests.unit.core import test_identity as identity
from tests.unit.core.shop import START, Shop, rule, snapshot

DAY = 24.0
SEEN = "enter: total(page) >= 1\nexit: cart_items > 0"
YES = Consent(Channel.EMAIL, Purpose.MARKETING, True)
NO = Consent(Channel.EMAIL, Purpose.MARKETING, False)
OPEN = GateSettings.open()


def rules(extra: str = "", name: str = "seen") -> RuleSet:
    """A list that a customer enters with the first page."""
    return rule(f"name: {name}\nsentence: Seen.\n{SEEN}\n{extra}")


def shop(gates: GateSettings, extra: str = "", *, name: str = "seen", model: bool = False) -> Shop:
    """A shop with these gates."""
    made = Shop(rules(extra, name), EngineSettings(layout=SMALL, max_action_age_ms=None, gates=gates))
    if model:
        made.engine.versions.swap(snapshot())
    return made


def why(made: Shop) -> tuple[str, ...]:
    """Why the last entry was withheld; empty: it was published."""
    return [action for action in made.actions if action.entered][-1].withheld


def entry(made: Shop, hour: float = 12.0, customer: str = "ann") -> tuple[str, ...]:
    """Let somebody enter, and tell why that was withheld."""
    return why(made.does(hour, Kind.PAGE, customer))


def test_a_paused_rule_goes_on_unseen() -> None:
    """Of a paused rule crossings are worked out and withheld."""
    assert entry(shop(OPEN, "paused: true")) == ("rule_paused",)
    assert entry(shop(OPEN, "paused: false")) == ()


def test_marketing_needs_a_yes() -> None:
    """Who never said anything gets service and no marketing; who said yes gets both; who took it back, no marketing."""
    strict = replace(OPEN, consent_unknown=False)
    assert entry(shop(strict)) == ("no_consent",)
    assert entry(shop(strict, "action_class: service")) == ()
    assert entry(shop(strict).tells(1, YES)) == ()
    assert entry(shop(strict).tells(1, YES).tells(2, NO)) == ("no_consent",)
    assert entry(shop(OPEN).tells(1, *(Consent(one, Purpose.MARKETING, False) for one in Channel))) == ("no_consent",)
    assert entry(shop(strict, "action_class: service").tells(1, Consent(Channel.SMS, Purpose.SERVICE, False))) == ()


@pytest.mark.parametrize(("first", "second", "allowed"), [(YES, NO, False), (NO, YES, True)])
def test_consent_is_settled_by_its_own_time(first: Consent, second: Consent, allowed: bool) -> None:
    """What was said last holds, although it came first; of two at one moment the no holds."""
    strict = replace(OPEN, consent_unknown=False)
    assert (entry(shop(strict).tells(5, second).tells(4, first)) == ()) is allowed
    assert (entry(shop(strict).tells(4, first).tells(5, second)) == ()) is allowed
    assert entry(shop(strict).tells(4, first).tells(4, second)) == ("no_consent",)


def test_each_channel_has_its_own_consent() -> None:
    """Of the channels that are permitted, only one with a yes is used."""
    strict = replace(OPEN, consent_unknown=False)
    made = shop(strict).tells(1, Consent(Channel.SMS, Purpose.MARKETING, True))
    assert entry(made) == ()
    assert made.actions[-1].channel == "sms"
    only_service = {Channel.SMS: ChannelTerms(frozenset({Message.SERVICE}))}
    made = shop(replace(strict, channels=only_service)).tells(1, Consent(Channel.SMS, Purpose.MARKETING, True))
    assert entry(made) == ("no_consent",)


def test_formal_and_informal_messages_have_their_channels() -> None:
    """An offer goes by e-mail or SMS, never by a social network, which only takes what is none."""
    social = {Channel.SOCIAL: GateSettings().channels[Channel.SOCIAL]}
    assert entry(shop(replace(OPEN, channels=social))) == ()
    assert entry(shop(replace(OPEN, channels=social), "coupon: always")) == ("no_consent",)
    assert entry(shop(replace(OPEN, channels=social), "action_class: service")) == ("no_consent",)
    made = shop(replace(OPEN, channels=GateSettings().channels), "coupon: always")
    assert entry(made) == ()
    assert made.actions[-1].channel == "email"


def test_what_may_do_without_a_coupon_goes_by_channels_that_carry_none() -> None:
    """Where the channels of a yes, or those that are left, carry no offers, it comes without one."""
    strict = replace(OPEN, consent_unknown=False, channels=GateSettings().channels)
    pushed = Consent(Channel.PUSH, Purpose.MARKETING, True)
    made = shop(strict, "coupon: may").tells(1, pushed)
    assert entry(made) == ()
    assert (made.actions[-1].channel, made.actions[-1].coupon) == ("push", False)
    assert entry(shop(strict, "coupon: always").tells(1, pushed)) == ("no_consent",)
    assert entry(shop(strict, "coupon: may")) == ("no_consent",)
    made = shop(strict, "coupon: may").tells(1, pushed, YES)
    assert entry(made) == ()
    assert (made.actions[-1].channel, made.actions[-1].coupon) == ("email", True)
    texts = Consent(Channel.SMS, Purpose.MARKETING, True), Contacted(Channel.SMS, Purpose.MARKETING, True)
    made = shop(strict, "coupon: may").tells(1, pushed, *texts)
    assert entry(made) == ()
    assert (made.actions[-1].channel, made.actions[-1].coupon) == ("push", False)
    assert entry(shop(strict, "coupon: may").tells(1, *texts)) == ("frequency_cap",)


def test_a_complaint_withholds_offers_and_no_service() -> None:
    """While a ticket is open there is no marketing; once solved, or after long enough, there is."""
    gates = replace(OPEN, negative_ms=int(30 * DAY * HOUR_MS))
    assert entry(shop(gates).tells(1, Ticket("t", True))) == ("negative_experience",)
    assert entry(shop(gates, "action_class: service").tells(1, Ticket("t", True))) == ()
    assert entry(shop(gates).tells(1, Ticket("t", True)).tells(2, Ticket("t", False))) == ()
    assert entry(shop(gates).tells(2, Ticket("t", False)).tells(1, Ticket("t", True))) == ()
    assert entry(shop(gates).tells(1, Ticket("t", True)), 31 * DAY + 2) == ()
    again = shop(gates).tells(1, Ticket("t", True)).tells(2, Ticket("t", False)).tells(3, Ticket("t", True))
    assert entry(again) == ("negative_experience",)


def test_a_missed_promise_withholds_offers() -> None:
    """From the promised time until delivery there is no marketing."""
    gates = replace(OPEN, negative_ms=int(30 * DAY * HOUR_MS))
    promise = Promised("o", START + int(10 * HOUR_MS))
    assert entry(shop(gates).tells(1, promise), 9) == ()
    assert entry(shop(gates).tells(1, promise), 11) == ("negative_experience",)
    assert entry(shop(gates).tells(1, promise).tells(10.5, Promised("o", None)), 11) == ()
    later = shop(gates).tells(2, Promised("o", START + int(20 * HOUR_MS))).tells(1, promise)
    assert entry(later, 11) == ()


def visits(made: Shop, *days: float) -> Shop:
    """A customer who enters on each of these days and leaves soon after."""
    for day in days:
        made.does(day * DAY + 12, Kind.PRODUCT_VIEWED).until(day * DAY + 20)
    return made


LOOKING = "name: looking\nsentence: Looked within two hours.\nenter: hours_since(product_viewed) < 2\n"


def told(made: Shop) -> list[str]:
    """The first reason of each entry."""
    return [(action.withheld or ("",))[0] for action in made.actions if action.entered]


def test_no_more_than_two_contacts_a_month() -> None:
    """The third contact within thirty days is withheld; when the first is over thirty days old, there is room."""
    gates = replace(OPEN, marketing=Cap(2))
    made = Shop(rule(LOOKING), EngineSettings(layout=SMALL, max_action_age_ms=None, gates=gates))
    assert told(visits(made, 0, 10, 20, 29, 31, 32)) == ["", "", "frequency_cap", "frequency_cap", "", "frequency_cap"]


def test_service_has_no_cap() -> None:
    """Service contacts are neither capped nor counted against marketing."""
    gates = replace(OPEN, marketing=Cap(1))
    settings = EngineSettings(layout=SMALL, max_action_age_ms=None, gates=gates)
    service = Shop(rule(LOOKING + "action_class: service"), settings)
    assert told(visits(service, 0, 1, 2)) == ["", "", ""]
    capped = replace(settings, gates=replace(gates, service=Cap(1)))
    assert told(visits(Shop(rule(LOOKING + "action_class: service"), capped), 0, 1)) == ["", "frequency_cap"]


def test_deliveries_of_others_count_and_ours_do_not_count_twice() -> None:
    """A report with the action's id was counted when the action was published; another one is a contact."""
    gates = replace(OPEN, marketing=Cap(2))
    settings = EngineSettings(layout=SMALL, max_action_age_ms=None, gates=gates)
    ours = visits(Shop(rule(LOOKING), settings), 0).tells(21, Contacted(Channel.EMAIL, Purpose.MARKETING, False))
    assert told(visits(ours, 2)) == ["", ""]
    others = visits(Shop(rule(LOOKING), settings), 0).tells(21, Contacted(Channel.EMAIL, Purpose.MARKETING, True))
    assert told(visits(others, 2)) == ["", "frequency_cap"]
    service = visits(Shop(rule(LOOKING), settings), 0).tells(21, Contacted(Channel.EMAIL, Purpose.SERVICE, True))
    assert told(visits(service, 2)) == ["", ""]


def test_a_channel_that_is_full_gives_way() -> None:
    """Each channel has a cap of its own: another one is used, and where there is none, the cap withholds."""
    texts = {Channel.SMS: ChannelTerms(cap=1, weight=9.0), Channel.PUSH: ChannelTerms(cap=1)}
    settings = EngineSettings(layout=SMALL, max_action_age_ms=None, gates=replace(OPEN, channels=texts))
    made = visits(Shop(rule(LOOKING), settings), 0, 1, 2)
    assert told(made) == ["", "", "frequency_cap"]
    assert [action.channel for action in made.actions if action.entered] == ["sms", "push", "sms"]


def test_the_cap_survives_a_restart() -> None:
    """Contacts and consent are state like any other."""
    gates = replace(OPEN, consent_unknown=False, marketing=Cap(1))
    settings = EngineSettings(layout=SMALL, max_action_age_ms=None, gates=gates)
    made = visits(Shop(rule(LOOKING), settings).tells(1, YES), 0).restarted()
    assert told(visits(made, 1)) == ["frequency_cap"]
    fresh = Shop(rule(LOOKING), settings).tells(1, YES).restarted()
    assert told(visits(fresh, 1)) == [""]


KEPT = replace(OPEN, marketing=Cap(2), budget_ms=int(2 * DAY * HOUR_MS), budget_percentile=0.7)


def keeping(extra: str = "", gates: GateSettings = KEPT) -> Shop:
    """A shop whose customers' chance is 1 in 11, where the customer at the seventh tenth has one of 0.77."""
    made = Shop(rule(LOOKING + extra), EngineSettings(layout=SMALL, max_action_age_ms=None, gates=gates))
    made.engine.versions.swap(snapshot())
    return made


def test_a_contact_is_kept_for_a_better_moment() -> None:
    """A moment under the price passes by until the window is over; what comes then is taken, and the next is kept."""
    made = visits(keeping(), 0, 1)
    assert told(made) == ["budget", "budget"]
    assert told(visits(made, 2, 3, 4, 5)) == ["budget", "budget", "", "budget", "budget", ""]
    again = visits(keeping(), 0).restarted()
    again.engine.versions.swap(snapshot())
    assert told(visits(again, 1, 2)) == ["budget", ""]


def test_a_moment_that_is_worth_the_price_is_taken() -> None:
    """What a rule gains counts as much as the chance; service, no cap and no model know no price."""
    assert told(visits(keeping("gain: 8.5"), 0)) == [""]
    assert told(visits(keeping("gain: 8.4"), 0)) == ["budget"]
    assert told(visits(keeping(gates=replace(KEPT, budget_percentile=0.1)), 0)) == [""]
    assert told(visits(keeping("action_class: service"), 0)) == [""]
    assert told(visits(keeping(gates=replace(KEPT, marketing=Cap(None))), 0)) == [""]
    assert told(visits(keeping(gates=replace(KEPT, budget_ms=0)), 0)) == [""]
    assert told(visits(Shop(rule(LOOKING), keeping().settings), 0)) == [""]


def test_of_two_at_one_moment_the_weightier_has_the_contact() -> None:
    """Where one event enters two lists and one contact is left, the rule of the higher priority is asked first."""
    text = "---\n".join(f"name: {name}\nsentence: Seen.\n{SEEN}\npriority: {priority}\n" for name, priority in
                       (("light", 10), ("heavy", 20)))  # fmt: skip
    made = Shop(rule(text), EngineSettings(layout=SMALL, gates=replace(OPEN, marketing=Cap(1))))
    made.does(1, Kind.PAGE)
    assert [(one.rule, one.withheld) for one in made.actions] == [("heavy", ()), ("light", ("frequency_cap",))]


def test_told_again_after_a_crash_it_is_judged_as_it_was() -> None:
    """The record was written and the row was not: the contact that it was does not shut the cap against itself."""
    made = shop(replace(OPEN, consent_unknown=False, marketing=Cap(1))).tells(0, YES).does(1, Kind.PAGE)
    made.engine.profiles.rows["inside"] = 0
    made.does(2, Kind.PAGE)
    assert [(action.number, action.withheld) for action in made.actions] == [(1, ()), (1, ())]
    side = made.engine.sides.find(0)
    assert side is not None
    assert [len(times) for times in side.standing.contacts.values()] == [1]


def test_no_coupon_for_those_who_would_buy_anyway() -> None:
    """A likely buyer gets no coupon: an action that is one is withheld, one that may do without comes without."""
    sure = replace(OPEN, bought_anyway_probability=0.01)
    made = shop(sure, "coupon: always", model=True)
    assert entry(made) == ("discount_guard",)
    made = shop(sure, "coupon: may", model=True)
    assert entry(made) == ()
    assert made.actions[-1].coupon is False
    made = shop(replace(OPEN, bought_anyway_probability=0.99), "coupon: may", model=True)
    assert entry(made) == ()
    assert made.actions[-1].coupon is True
    assert entry(shop(replace(OPEN, bought_anyway_percentile=0.01), "coupon: always", model=True)) == (
        "discount_guard",
    )
    assert entry(shop(sure, "coupon: never", model=True)) == ()


def test_while_warming_up_nobody_would_buy_anyway() -> None:
    """A score that only ranks says nothing about who would buy without a coupon."""
    assert entry(shop(replace(OPEN, bought_anyway_probability=0.01), "coupon: always")) == ()


@pytest.mark.parametrize(("with_coupon", "without", "allowed"), [(2, 0, True), (3, 0, False), (1, 2, True)])
def test_no_coupon_for_those_who_wait_for_one(with_coupon: int, without: int, allowed: bool) -> None:
    """From half the orders with a coupon on, out of three at least, there is none."""
    made = shop(replace(OPEN, coupon_share=0.5, coupon_orders=3), "coupon: always")
    for number, coupon in enumerate([True] * with_coupon + [False] * without):
        made.tells(number, Ordered(coupon))
    assert (entry(made) == ()) is allowed


def names(wanted: str | None, salt: str = "") -> str:
    """A customer who is in that control."""
    numbers = (f"customer-{i}" for i in range(10_000))
    return next(name for name in numbers if held_out(name.encode(), "seen", 0.1, 0.1, salt) == wanted)


def test_the_control_is_withheld_and_marked() -> None:
    """Who is held out gets no marketing, and the action says of which control they are; service they get."""
    gates = replace(OPEN, holdout_global=0.1, holdout_rule=0.1)
    for control in ("global", "rule"):
        made = shop(gates)
        assert entry(made, customer=names(control)) == ("holdout",)
        assert made.actions[-1].control == control
        assert entry(shop(gates, "action_class: service"), customer=names(control)) == ()
    made = shop(gates)
    assert entry(made, customer=names(None)) == ()
    assert made.actions[-1].control is None


def test_a_control_of_one_rule_is_not_that_of_another() -> None:
    """Who is held out of one rule gets the actions of others."""
    gates = replace(OPEN, holdout_rule=0.1, holdout_global=0.0)
    held = [f"c{i}" for i in range(300) if held_out(f"c{i}".encode(), "seen", 0.0, 0.1, "")]
    others = [held_out(name.encode(), "other", 0.0, 0.1, "") for name in held]
    assert held
    assert others.count(None) > len(held) // 2
    assert entry(shop(gates, name="other"), customer=held[others.index(None)]) == ()


def test_the_held_out_use_cap_and_cooldown_as_if_sent() -> None:
    """The control holds whoever could have been contacted, as often as they could have been."""
    held = names("global")
    gates = replace(OPEN, holdout_global=0.1, marketing=Cap(2))
    settings = EngineSettings(layout=SMALL, max_action_age_ms=None, gates=gates)
    capped, cooled = Shop(rule(LOOKING), settings), Shop(rule(LOOKING + "cooldown: 7d"), settings)
    for day in (0, 1, 2):
        for made in (capped, cooled):
            made.does(day * DAY + 12, Kind.PRODUCT_VIEWED, held).until(day * DAY + 20)
    assert [a.withheld for a in capped.actions if a.entered] == [("holdout",)] * 2 + [("frequency_cap", "holdout")]
    assert [a.withheld for a in cooled.actions if a.entered] == [("holdout",)] + [("cooldown", "holdout")] * 2
    assert [a.control for a in capped.actions if a.entered] == ["global", "global", None]


def test_what_others_withhold_is_in_no_control() -> None:
    """A customer without consent could not have been contacted: their holdout is no control."""
    made = shop(replace(OPEN, consent_unknown=False, holdout_global=0.1))
    assert entry(made, customer=names("global")) == ("no_consent", "holdout")
    assert made.actions[-1].control is None


def zoned(zone: str, time_ms: int) -> int:
    """Two zones, one of which is ten hours ahead."""
    return 10 * HOUR_MS if zone == "Far/Away" else 0


NIGHT = replace(OPEN, quiet_from_hour=21, quiet_until_hour=8, zone_offset_ms=zoned)


@pytest.mark.parametrize(("hour", "until"), [(20.9, None), (21, 32), (23.5, 32), (24, 32), (31.9, 32), (32, None)])
def test_marketing_waits_for_the_morning(hour: float, until: float | None) -> None:
    """In the shop's night an action is published with the time before which it must not be sent."""
    made = shop(NIGHT)
    assert entry(made, hour) == ()
    assert made.actions[-1].not_before_ms == (None if until is None else START + int(until * HOUR_MS))
    service = shop(NIGHT, "action_class: service")
    assert entry(service, hour) == ()
    assert service.actions[-1].not_before_ms is None


def test_the_night_is_that_of_the_customer() -> None:
    """Where their zone is known, theirs counts, else the shop's."""
    made = shop(NIGHT).tells(1, Zone("Far/Away"))
    assert entry(made, 12) == ()
    assert made.actions[-1].not_before_ms == START + 22 * HOUR_MS
    elsewhere = shop(replace(NIGHT, zone="Far/Away"))
    assert entry(elsewhere, 12) == ()
    assert elsewhere.actions[-1].not_before_ms == START + 22 * HOUR_MS


def test_what_would_expire_in_the_night_is_withheld() -> None:
    """An action that expires before the quiet hours end is not sent at all."""
    assert entry(shop(NIGHT, "expires_after: 8h"), 22) == ("quiet_hours",)
    assert entry(shop(NIGHT, "expires_after: 11h"), 22) == ()


def test_all_reasons_are_told_in_order() -> None:
    """The first is the one that counts; those that also applied follow."""
    strict = replace(NIGHT, consent_unknown=False, holdout_global=1.0, negative_ms=int(DAY * HOUR_MS))
    made = shop(strict, "paused: true\nexpires_after: 1h")
    assert entry(made.tells(1, Ticket("t", True)), 22) == (
        "rule_paused",
        "no_consent",
        "negative_experience",
        "holdout",
        "quiet_hours",
    )


CASES: dict[str, Callable[[], Any]] = {
    "replay": others.test_a_replay_publishes_nothing,
    "stale": others.test_stale_history_is_withheld,
    "automated": others.test_a_machine_is_counted_but_never_acted_on,
    "rule_paused": test_a_paused_rule_goes_on_unseen,
    "warming_up": others.test_a_score_rule_waits_until_the_model_has_learned,
    "no_consent": test_marketing_needs_a_yes,
    "negative_experience": test_a_complaint_withholds_offers_and_no_service,
    "frequency_cap": test_no_more_than_two_contacts_a_month,
    "budget": test_a_contact_is_kept_for_a_better_moment,
    "cooldown": others.test_cooldown_counts_from_what_was_sent,
    "discount_guard": test_no_coupon_for_those_who_would_buy_anyway,
    "holdout": test_the_control_is_withheld_and_marked,
    "quiet_hours": test_what_would_expire_in_the_night_is_withheld,
    "entry_withheld": others.test_cooldown_withholds_the_second_entry,
    "merged": identity.test_nobody_enters_a_list_by_becoming_one,
}


@pytest.mark.parametrize("gate", GATES)
def test_a_gate_that_is_taken_away_is_found(gate: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the gate, its own test fails; with it, it does not."""
    CASES[gate]()
    codes = gates_module._codes
    monkeypatch.setattr(gates_module, "_codes", lambda shut: tuple(code for code in codes(shut) if code != gate))
    with pytest.raises(AssertionError):
        CASES[gate]()


def test_settings_that_cannot_be_are_refused() -> None:
    """Shares, hours and counts outside their range name themselves."""
    for wrong in (
        {"holdout_global": 1.5},
        {"budget_ms": -1},
        {"budget_percentile": 1.1},
        {"quiet_from_hour": 24},
        {"channels": {}},
        {"usual_hours": (1.0,)},
    ):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            GateSettings(**wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="count"):
        Cap(-1)
    with pytest.raises(ValueError, match="cap"):
        ChannelTerms(cap=101)
    assert set(CHANNELS.values()) == set(Channel)


@pytest.mark.parametrize("warming_up", [False, True])
def test_coupons_of_many_are_those_of_each(warming_up: bool) -> None:
    """What is said of many customers at once is what is said of each; ranks may be unknown."""
    settings = replace(GateSettings.open(), bought_anyway_probability=0.5, bought_anyway_percentile=0.9,
                       coupon_orders=3, coupon_share=0.5)  # fmt: skip
    gates = Gates(settings, None, False)
    rng = np.random.default_rng(1)
    orders, score = rng.integers(0, 8, 300), rng.random(300)
    coupons = (orders * rng.random(300)).round().astype(np.int64)
    percentile = np.where(rng.random(300) < 0.3, np.nan, rng.random(300))
    each = [
        gates.coupon_allowed(Standing(orders=n, coupons=c), s, p, warming_up)
        for n, c, s, p in zip(orders.tolist(), coupons.tolist(), score.tolist(), percentile.tolist(), strict=True)
    ]
    assert gates.coupons_allowed(orders.astype(float), coupons, score, percentile, warming_up).tolist() == each
    assert len(set(each)) == 2

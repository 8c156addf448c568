"""Two ids of one person: what becomes of lists, consent, contacts and examples when they turn out to be one."""

from dataclasses import replace

import pytest
from strategies.layouts import SMALL

from scoring.engine import EngineSettings
from scoring.gates import Cap, GateSettings
from scoring.gates.channel import Channel, Purpose
from scoring.gates.news import Consent, Contacted
from scoring.kinds import Kind
from scoring.profile import HOUR_MS
from scoring.rules import RuleSet
from tests.unit.core.shop import START, Shop, rule

DAY = 24.0
LOOKED = rule("name: looked\nsentence: Looked twice, and never bought.\nenter: total(page) >= 2 and orders == 0\n"
              "exit: orders > 0\naudience: true")  # fmt: skip
NEWSLETTER = rule("name: letter\nsentence: Looked at something.\nenter: total(product_viewed) >= 1\nexit: never")


def shop(rules: RuleSet, gates: GateSettings | None = None) -> Shop:
    """A shop whose gates are open unless said otherwise."""
    gates = gates or GateSettings.open()
    return Shop(rules, EngineSettings(layout=SMALL, max_action_age_ms=None, gates=gates))


def test_nobody_enters_a_list_by_becoming_one() -> None:
    """A page under either id make two: the list is entered on the ledger alone, and left as any other."""
    made = shop(LOOKED).does(1, Kind.PAGE, "guest").does(2, Kind.PAGE).becomes(3, "guest")
    assert made.told() == [("looked", "ann", "entered", "merged")]
    assert made.actions[0].number == 1
    made.does(4, Kind.ORDER_COMPLETED, order="a")
    assert made.told()[1:] == [("looked", "ann", "left", "entry_withheld")]
    assert made.actions[1].number == 2


def test_what_is_told_of_who_becomes_one_is_as_of_then() -> None:
    """An order of somebody else, later on, is not told of them: the room of points is used again."""
    made = shop(LOOKED).does(1, Kind.PAGE, "guest").does(2, Kind.PAGE).becomes(3, "guest")
    made.does(4, Kind.ORDER_COMPLETED, "bob", order="a")
    assert made.actions[0].scores.who.orders.tolist() == [0.0]


def test_whoever_was_told_of_the_guest_is_told_that_it_ends() -> None:
    """The former id leaves its lists; the customer is in them without having been told of."""
    made = shop(LOOKED).does(1, Kind.PAGE, "guest").does(2, Kind.PAGE, "guest").becomes(3, "guest")
    assert made.told() == [
        ("looked", "guest", "entered", ""),
        ("looked", "guest", "left", ""),
        ("looked", "ann", "entered", "merged"),
    ]


def test_later_events_of_the_former_id_are_the_customers() -> None:
    """They are counted there, after a restart too, and no row is left of the former id."""
    made = shop(LOOKED).does(1, Kind.PAGE, "guest").becomes(2, "guest").does(3, Kind.PAGE, "guest")
    assert made.told() == [("looked", "ann", "entered", "")]
    again = made.restarted().does(4, Kind.PAGE, "guest")
    profiles = again.engine.profiles
    assert len(profiles) == 1
    assert profiles.rows["total"][profiles.find(b"ann")][Kind.PAGE] == 3


def test_who_turned_out_to_be_another_is_no_customer_of_their_own() -> None:
    """There are as many customers before a restart as after it."""
    made = shop(LOOKED).does(1, Kind.PAGE, "guest").does(1, Kind.PAGE, "bob").does(2, Kind.PAGE)
    assert made.engine.profiles.customers == 3
    assert made.becomes(3, "guest").engine.profiles.customers == 2
    assert made.restarted().engine.profiles.customers == 2


def test_a_no_of_either_holds_until_the_next_yes() -> None:
    """Consent is the most restrictive of both, whichever came later."""
    yes, no = (Consent(Channel.EMAIL, Purpose.MARKETING, granted) for granted in (True, False))
    gates = replace(GateSettings.open(), consent_unknown=False)
    for first, second in (((yes, "guest"), (no, "ann")), ((no, "guest"), (yes, "ann"))):
        made = shop(NEWSLETTER, gates)
        for hour, (news, who) in enumerate((first, second)):
            made.tells(hour, news, customer=who)
        assert made.becomes(3, "guest").does(4, Kind.PRODUCT_VIEWED, item="mug").told()[-1][3] == "no_consent"
    made = shop(NEWSLETTER, gates).tells(1, yes, customer="guest").becomes(2, "guest")
    assert made.does(3, Kind.PRODUCT_VIEWED, item="mug").told()[-1][3] == ""


def test_contacts_of_both_count() -> None:
    """One to the guest and one to the customer make two: the cap is reached."""
    contacted = Contacted(Channel.EMAIL, Purpose.MARKETING, True)
    gates = replace(GateSettings.open(), marketing=Cap(2))
    made = shop(NEWSLETTER, gates).tells(1, contacted, customer="guest").tells(2, contacted).becomes(3, "guest")
    assert made.does(4, Kind.PRODUCT_VIEWED, item="mug").told()[-1][3] == "frequency_cap"


def test_an_order_told_under_both_ids_is_one() -> None:
    """By its id, time and worth: it is in both histories, and in that of the customer once."""
    made = shop(LOOKED).does(1, Kind.ORDER_COMPLETED, "guest", order="a").does(1, Kind.ORDER_COMPLETED, order="a")
    made.does(2, Kind.ORDER_COMPLETED, "guest", order="b").becomes(3, "guest")
    row = made.engine.profiles.rows[made.engine.profiles.find(b"ann")]
    assert (row["total"][Kind.ORDER_COMPLETED], row["ring_n"], row["revenue"]) == (2, 2, 20.0)


def test_examples_of_the_guest_resolve_as_the_customers() -> None:
    """What was known of the guest is learned from by what the customer did."""
    made = shop(RuleSet([])).does(0, Kind.PRODUCT_VIEWED, "guest", item="mug").until(8 * DAY)
    made.becomes(9 * DAY, "guest").does(10 * DAY, Kind.ORDER_COMPLETED, order="a").until(40 * DAY)
    examples = [example for outcome in made.outcomes for example in outcome.examples]
    assert {example.customer for example in examples} == {"ann"}
    early = [example for example in examples if example.made_ms <= START + 8 * DAY * HOUR_MS]
    assert early
    assert all(example.label for example in early)


@pytest.mark.parametrize("late", [False, True])
def test_an_alias_that_is_late_changes_nothing(late: bool) -> None:
    """Like any other event that is late."""
    made = shop(LOOKED).does(0, Kind.PAGE, "guest").does(100 * DAY, Kind.PAGE, "somebody")
    made.becomes(5 * DAY if late else 100 * DAY, "guest")
    assert (made.engine.profiles.find(b"guest") == made.engine.profiles.find(b"ann")) is not late


def test_whose_a_visitor_was_first_it_stays() -> None:
    """Two people on one device: the second to sign in does not become the first."""
    made = shop(LOOKED).does(0, Kind.PAGE, "guest").becomes(1, "guest").becomes(2, "guest", "bob")
    find = made.engine.profiles.find
    assert find(b"guest") == find(b"ann") != find(b"bob")

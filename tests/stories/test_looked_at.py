"""When the lines of a rule are looked at, as docs/rules.md says it."""

import pytest
from stories import story
from stories.story import Player, Story

from scoring.rules import Rule
from scoring.rules.rule import ForEach

TIMES = {
    "since an event, to the tick": (
        "hours_since(visited) >= 24",
        """
        1h30m    Page Viewed
        1d1h30m  -> enters
        """,
    ),
    "hours that are counted, at the full hour": (
        "count(product_viewed, hours=2) >= 2",
        """
        10h20m   Product Viewed  product_id=lamp
        11h59m   Product Viewed  product_id=lamp
        11h59m   -> enters
        12h      -> leaves
        13h30m   ...
        """,
    ),
    "of the hour, with an event": (
        "hour == 9",
        """
        1h       Page Viewed
        9h30m    Email Delivered
        9h30m    -> enters
        11h      Email Delivered
        11h      -> leaves
        """,
    ),
    "against what changes, at the daily look": (
        "days_since(order_completed) >= mean_gap_days",
        """
        0d       Order Completed  order_id=A products=[lamp]
        2d       Order Completed  order_id=B products=[lamp]
        4d19h31m -> enters
        """,
    ),
}
OF_TICKETS = {
    "by one who was it already": (
        """
        0d       Order Completed  order_id=A products=[lamp]
        1d       Ticket Opened    ticket_id=T1
        1d       -> enters T1
        """
    ),
    "by one who becomes it later": (
        """
        0d       Ticket Opened    ticket_id=T1
        1d       Order Completed  order_id=A products=[lamp]
        5d       ...
        """
    ),
}


def played(rule: Rule, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(story, "rule_named", lambda _: rule)
    written = Story.of(text)
    told = Player(rule.name).play(written.steps)
    assert [each.as_far_as(wanted) for each, wanted in zip(told, written.told, strict=True)] == written.told


@pytest.mark.parametrize("title", TIMES)
def test_what_time_alone_makes_true_is_seen(title: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """To the tick, at the full hour, with the next event or at the daily look."""
    enter, text = TIMES[title]
    played(Rule(name="mine", sentence="Mine.", enter=enter), text, monkeypatch)


@pytest.mark.parametrize("title", OF_TICKETS)
def test_a_ticket_is_asked_about_when_something_happens_to_it(title: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the lines say of the customer is what is so then: what becomes so later brings no ticket in."""
    rule = Rule(name="mine", sentence="Mine.", enter="total(its_ticket_opened) > 0 and orders > 0", exit="never",
                for_each=ForEach.TICKET)  # fmt: skip
    played(rule, OF_TICKETS[title], monkeypatch)

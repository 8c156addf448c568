"""Standing: bounded, the same in any order, and readable by later versions."""

import itertools

import msgspec
import pytest

from scoring.gates import Standing
from scoring.gates.channel import Channel, Purpose
from scoring.gates.news import Consent, Contacted, Language, News, Ordered, Promised, Responded, Ticket, Zone
from scoring.profile import DAY_MS
from scoring.side import Side

NOW = 1_700_000_000_000
TOLD: tuple[tuple[int, News], ...] = (
    (1, Consent(Channel.EMAIL, Purpose.MARKETING, True)),
    (1, Consent(Channel.EMAIL, Purpose.MARKETING, False)),
    (2, Ticket("t", True)),
    (3, Ticket("t", False)),
    (4, Promised("o", NOW + 9)),
    (5, Promised("o", NOW + 7)),
    (6, Language("de", 0.9)),
    (8, Language("fr", 0.6)),
    (7, Zone("Europe/Paris")),
)


def standing_of(told: tuple[tuple[int, News], ...]) -> Standing:
    standing = Standing()
    for ms, news in told:
        standing.learn(news, NOW + ms, 2)
    return standing


@pytest.mark.parametrize("part", [TOLD[:4], TOLD[2:6], TOLD[5:]])
def test_any_order_leaves_the_same_standing(part: tuple[tuple[int, News], ...]) -> None:
    """What was said last by its own time holds, however it arrives."""
    first, *others = [standing_of(order) for order in itertools.permutations(part)]
    assert all(other == first for other in others)


def test_the_surest_language_holds() -> None:
    """What was stated is not forgotten for a browser's that comes later, nor where two customers become one."""
    standing, other = standing_of(TOLD), standing_of(((9, Language("en", 0.6)),))
    assert standing.language == (NOW + 6, 0.9, "de")
    for one, two in ((standing, other), (standing_of(((9, Language("en", 0.6)),)), standing)):
        one.absorb(two, 2)
        assert one.language == (NOW + 6, 0.9, "de")
    standing.learn(Language("it", 0.9), NOW + 7, 2)
    assert standing.language == (NOW + 7, 0.9, "it")


def test_contacts_are_kept_in_order_and_few() -> None:
    """Of contacts in any order the newest are kept, as many as are asked for."""
    for order in itertools.permutations((1, 2, 3)):
        standing = standing_of(tuple((ms, Contacted(Channel.SMS, Purpose.MARKETING, True)) for ms in order))
        assert standing.contacts == {int(Channel.SMS): [NOW + 2, NOW + 3]}


def test_it_does_not_grow_without_end() -> None:
    """Whatever is sent about a customer for years, their standing stays under two kilobytes."""
    standing = Standing()
    for number in range(3_000):
        ms, channel = NOW + number * DAY_MS // 3, Channel(number % len(Channel))
        for news in (
            Consent(channel, Purpose(number % 2), number % 3 > 0),
            Contacted(channel, Purpose(number % 2), True),
            Responded(channel),
            Ordered(number % 2 == 0),
            Ticket(f"ticket-{number}", True),
            Promised(f"order-{number}", ms + DAY_MS),
            Language("de", 0.9),
            Zone("Europe/Berlin"),
        ):
            standing.learn(news, ms, 2)
    assert len(msgspec.msgpack.encode(standing)) < 2048


def test_a_record_of_before_is_read() -> None:
    """A side record that was stored without a standing has a blank one."""
    stored = msgspec.msgpack.encode([[-1, -1, -1], {}, [], 0, {"r": [3, True, 5, b"", [[1, 0, 2, 3, True]]]}, {}])
    side = msgspec.msgpack.decode(stored, type=Side)
    assert side.standing == Standing()
    assert side.states()["r"].lately[0].shut == 0

"""Best hour, weekday and channel."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from strategies.shop_known import Known, known_shop

from scoring.gates import GateSettings, Standing
from scoring.gates.best import Best, Deeds, Habits
from scoring.gates.channel import Channel
from scoring.gates.news import Ordered, Responded
from scoring.profile import DAY_MS, HOUR_MS, VISIT_DAYS

MONDAY = 1_700_438_400_000
"""Midnight of a Monday, UTC."""
NEVER_SEEN = np.zeros(VISIT_DAYS, np.uint32)


def opened(*moments: tuple[int, int], channel: Channel = Channel.EMAIL) -> Standing:
    """A customer who opened at these (day, hour)."""
    standing = Standing()
    for day, hour in moments:
        standing.learn(Responded(channel), MONDAY + day * DAY_MS + hour * HOUR_MS, 0)
    return standing


def best(standing: Standing, visited: np.ndarray = NEVER_SEEN, **usual: tuple[float, ...]) -> Best:
    return Habits(GateSettings(**usual)).best(standing, visited)  # type: ignore[arg-type]


def test_nothing_known_is_said() -> None:
    """Without a deed and without what is usual there is no best hour, and no channel is sure."""
    assert best(Standing())[:4] == (None, 0.0, None, 0.0)
    assert best(Standing()).channel is Channel.EMAIL
    assert best(Standing()).channel_confidence == 0.0


def test_own_habits_show() -> None:
    """Whoever opens on Tuesdays at seven in the evening is best reached then, the surer the more often they did."""
    often = [(7 * week + 1, 19) for week in range(10)]
    few, many = best(opened(*often[:2])), best(opened(*often))
    assert (few.hour, few.weekday) == (many.hour, many.weekday) == (19, 1)
    assert 0 < few.hour_confidence < many.hour_confidence < 1
    assert 0 < few.weekday_confidence < many.weekday_confidence < 1


def test_hours_side_by_side_belong_together() -> None:
    """Six, seven and eight are one habit, and outweigh two openings at three in the morning."""
    found = best(opened((0, 18), (1, 19), (2, 20), (3, 3)))
    assert found.hour == 19
    assert best(opened((0, 23), (1, 0), (2, 1))).hour == 0


def test_the_usual_counts_while_little_is_known() -> None:
    """One opening at night does not outweigh what is usual in the shop; twenty do."""
    evening = tuple(1.0 if hour == 20 else 0.0 for hour in range(24))
    sundays = (0.0,) * 6 + (1.0,)
    usual = {"usual_hours": evening, "usual_weekdays": sundays}
    nothing = best(Standing(), **usual)
    assert (nothing.hour, nothing.weekday, nothing.hour_confidence, nothing.weekday_confidence) == (20, 6, 0.0, 0.0)
    once = best(opened((0, 3)), **usual)
    assert (once.hour, once.weekday) == (20, 6)
    assert best(opened(*[(7 * week, 3) for week in range(20)]), **usual)[:3:2] == (3, 0)


def test_the_usual_is_that_of_the_shops_orders_where_none_is_set() -> None:
    """In a version of the shop's knowledge; hours that are set go before it, its weekdays hold beside them."""
    orders = [float(place in (14, 24 + 2)) for place in range(31)]
    shop = known_shop(1, 0, {"mug": Known(1.0)}, [9 * each for each in orders])
    assert sum(shop.usual) == pytest.approx(2.0)

    def of_nobody(usual: Sequence[float], **settings: Any) -> tuple[int | None, int | None]:
        habits, deeds = Habits(GateSettings(**settings)), Deeds([], [], [])
        deeds.add(Standing())
        [found] = habits.bests(deeds, [habits.answers(Standing())], NEVER_SEEN[None], usual)
        return found.hour, found.weekday

    assert of_nobody(shop.usual) == (14, 2)
    assert of_nobody(()) == (None, None)
    assert of_nobody(shop.usual, usual_hours=tuple(float(hour == 20) for hour in range(24))) == (20, 2)
    assert known_shop(1, 0, {"mug": Known(1.0)}).usual == ()


def test_visits_count_by_the_hour() -> None:
    """An hour of a day in which they were in the shop counts once, and its weekday with it."""
    visited = NEVER_SEEN.copy()
    for week in range(3):
        day = (MONDAY // DAY_MS + 4 + 7 * week) % VISIT_DAYS  # Fridays
        visited[day] = 1 << 12
    found = best(Standing(), visited)
    assert (found.hour, found.weekday) == (12, 4)


def test_orders_count_too() -> None:
    """When somebody orders is when they are there."""
    standing = Standing()
    for _ in range(3):
        standing.learn(Ordered(False), MONDAY + 2 * DAY_MS + 9 * HOUR_MS, 0)
    assert (best(standing).hour, best(standing).weekday) == (9, 2)


def test_the_channel_that_is_answered_wins() -> None:
    """E-mail is tried first; somebody who answers on their phone is reached there, and the surer the oftener."""
    push = [(day, 9) for day in range(12)]
    few, many = best(opened(*push[:1], channel=Channel.PUSH)), best(opened(*push, channel=Channel.PUSH))
    assert few.channel is Channel.EMAIL
    assert many.channel is Channel.PUSH
    assert best(opened(*push[:6], channel=Channel.PUSH)).channel_confidence < many.channel_confidence < 1


@pytest.mark.parametrize("years", [1, 3])
def test_old_habits_are_forgotten(years: int) -> None:
    """What was two half-years ago or more does not count any more, and takes no room."""
    standing = opened(*[(day, 3) for day in range(20)])
    for day in range(5):
        standing.learn(Responded(Channel.EMAIL), MONDAY + (years * 365 + day) * DAY_MS + 18 * HOUR_MS, 0)
    assert best(standing).hour == 18
    assert len(standing.habits) <= 2

"""Ids are remembered for exactly as long as is said: no fewer of them, and no more."""

from collections import deque

import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st
from strategies.layouts import SMALL

from scoring.engine import EngineSettings
from scoring.kinds import Kind
from scoring.rules import RuleSet
from tests.unit.core.shop import Shop

ORDERS = 3
MESSAGES = SMALL.messages
IDS = st.lists(st.sampled_from("abcdefg"), min_size=1, max_size=30)
PASSING = list("abcadefgdhijklh")
"""Ids that come again as the third, the fourth and the fifth after themselves."""


def repeated(ids: list[str], span: int) -> list[bool]:
    """Which are among the last `span` that counted."""
    counted: deque[str] = deque(maxlen=span)
    found = []
    for each in ids:
        found.append(each in counted)
        if each not in counted:
            counted.append(each)
    return found


def told(ids: list[str], kind: Kind) -> list[bool]:
    """Which of the events an engine takes for repeated: by their message, or by their order."""
    shop = Shop(RuleSet([]), EngineSettings(layout=SMALL, orders_remembered=ORDERS))
    found = []
    for hour, each in enumerate(ids):
        before = shop.engine.counts.duplicate
        if kind is Kind.PAGE:
            shop.does(hour, kind, message=each)
        else:
            shop.does(hour, kind, order=each)
        found.append(shop.engine.counts.duplicate > before)
    return found


@settings(max_examples=50)
@example(PASSING)
@given(ids=IDS)
def test_messages_are_remembered_as_long_as_is_said(ids: list[str]) -> None:
    """A message id among the last ones that counted is a duplicate, and no other."""
    assert told(ids, Kind.PAGE) == repeated(ids, MESSAGES)


@settings(max_examples=50)
@example(PASSING)
@given(ids=IDS)
def test_orders_are_remembered_as_long_as_is_said(ids: list[str]) -> None:
    """An order's id likewise."""
    assert told(ids, Kind.ORDER_COMPLETED) == repeated(ids, ORDERS)


@pytest.mark.parametrize(("kind", "span"), [(Kind.PAGE, MESSAGES), (Kind.ORDER_COMPLETED, ORDERS)])
@pytest.mark.parametrize("off", [-1, 1])
def test_a_memory_that_is_off_by_one_is_found(kind: Kind, span: int, off: int) -> None:
    """The check fails where one id more, or one fewer, was said to be remembered."""

    @settings(max_examples=50, database=None, phases=[Phase.explicit, Phase.generate])
    @example(PASSING)
    @given(ids=IDS)
    def broken(ids: list[str]) -> None:
        assert told(ids, kind) == repeated(ids, span + off)

    with pytest.raises((AssertionError, ExceptionGroup)):
        broken()

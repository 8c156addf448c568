"""The engine: models take effect in event time, examples wait for the whole horizon, state comes back."""

import dataclasses
import math
from itertools import pairwise

import numpy as np
import pytest
from strategies.layouts import SMALL

from scoring.engine import Engine, EngineSettings
from scoring.kinds import Kind
from scoring.outcome import Action, Scores
from scoring.profile import DAY_MS, LayoutMismatchError
from scoring.rules import RuleSet
from tests.unit.core.shop import START, Shop, rule, snapshot

NONE = RuleSet([])


def told(action: Action) -> str:
    """All that an action says, its element of the scores with it."""
    fields = {name: getattr(action, name) for name in action.__struct_fields__ if name not in ("scores", "place")}
    scores = (
        np.asarray(getattr(action.scores, each.name)) for each in dataclasses.fields(Scores) if each.name != "who"
    )
    point = [column[action.place].tolist() if column.ndim else column.item() for column in scores]
    return repr((fields, point, action.scores.who.some(np.array([action.place]))))


def test_a_model_takes_effect_at_its_time() -> None:
    """Scores before the effective time come from the former model, those from it on from the new one."""
    shop = Shop(NONE)
    shop.engine.versions.swap(snapshot(1, effective_h=50))
    versions = [
        shop.does(hour, Kind.ORDER_COMPLETED, order=str(hour)).outcomes[-1].scores[-1].model_version
        for hour in (1, 30, 60)
    ]
    assert versions == [0, 0, 1]


def test_models_late_twice_or_out_of_order_change_nothing() -> None:
    """A version that is not newer than what is known is left aside; one that is late holds at once."""
    shop = Shop(NONE).does(10, Kind.PAGE)
    for version, effective_h in ((3, 2), (3, 2), (2, 50), (1, 1)):
        shop.engine.versions.swap(snapshot(version, effective_h))
    shop.does(60, Kind.PAGE)
    assert shop.engine.versions.model.version == 3
    assert shop.engine.versions.upcoming == []


def test_an_example_is_given_with_its_label_after_the_whole_horizon() -> None:
    """Examples are made on a timer and come out when H has passed, labelled by the orders within it."""
    shop = Shop(NONE, EngineSettings(layout=SMALL)).does(0, Kind.ORDER_COMPLETED, order="a")
    shop.does(24 * 20, Kind.ORDER_COMPLETED, order="b").until(24 * 70)
    examples = [example for outcome in shop.outcomes for example in outcome.examples]
    assert len(examples) >= 4
    bought = START + 20 * DAY_MS
    for example in examples:
        assert example.resolved_ms == example.made_ms + 30 * DAY_MS
        assert example.label == (example.made_ms < bought <= example.resolved_ms)
        assert example.made_ms <= START + 70 * DAY_MS
    assert {example.label for example in examples} == {True, False}
    assert examples[0].orders == 1


def test_examples_are_made_weekly_of_whoever_is_active_each_at_a_time_of_their_own() -> None:
    """Every 7/30 of the horizon, at a phase that the id draws, until three horizons after the last event."""
    shop = Shop(NONE, EngineSettings(layout=SMALL))
    for name in ("ann", "bob", "cyd"):
        shop.does(0, Kind.PAGE, name)
    shop.until(24 * 150)
    made: dict[str, list[int]] = {}
    for example in (example for outcome in shop.outcomes for example in outcome.examples):
        made.setdefault(example.customer, []).append(example.made_ms - START)
    assert sorted(made) == ["ann", "bob", "cyd"]
    for times in made.values():
        assert {later - earlier for earlier, later in pairwise(times)} == {7 * DAY_MS}
        assert times[0] <= 7 * DAY_MS
        assert 83 * DAY_MS < times[-1] <= 90 * DAY_MS
    assert len({times[0] for times in made.values()}) == 3


def test_only_so_many_customers_give_examples() -> None:
    """Beyond the cap, customers with the smallest hashes are kept, and no more than the cap."""
    shop = Shop(NONE, EngineSettings(layout=SMALL, example_customers=8))
    for i in range(64):
        shop.does(i / 100, Kind.PAGE, f"c{i}")
    shop.until(24 * 8)
    with_examples = {row for row, _ in shop.engine.pending._waiting}
    assert 1 <= len(with_examples) <= 8


@pytest.mark.parametrize(("delta", "told"), [(0.001, [1, 1, 0]), (0.9, [1, 0, 0])])
def test_a_score_is_told_when_it_moves_by_as_much_as_is_set(delta: float, told: list[int]) -> None:
    """The first is told; an order moves it, the page that is looked at just after it does not."""
    shop = Shop(NONE, EngineSettings(layout=SMALL, publish_delta=delta, bands=(("all", 0.0),)))
    shop.engine.versions.swap(snapshot())
    shop.does(0, Kind.PAGE).does(0.1, Kind.ORDER_COMPLETED, order="a").does(0.1, Kind.PAGE)
    assert [sum(len(scores.row) for scores in outcome.scores) for outcome in shop.outcomes] == told


def test_a_score_is_told_when_it_comes_to_another_band() -> None:
    """However little it moved: here another model ranks the same score higher."""
    shop = Shop(NONE, EngineSettings(layout=SMALL, publish_delta=0.9))
    shop.engine.versions.swap(snapshot(1, quantiles=np.linspace(20.0, 30.0, 7)))
    shop.engine.versions.swap(snapshot(2, effective_h=1, quantiles=np.linspace(-30.0, -20.0, 7)))
    bands = [
        [band for scores in shop.does(hour, Kind.PAGE).outcomes[-1].scores for band in scores.band.tolist()]
        for hour in (0.0, 0.1, 1.0, 1.1)
    ]
    assert bands == [[0], [], [2], []]


def test_a_score_is_told_once_a_day() -> None:
    """A customer who does nothing more is told of once a day for as long as the horizon, then no more."""
    shop = Shop(NONE, EngineSettings(layout=SMALL, publish_delta=0.5)).does(0, Kind.PAGE).until(24 * 60)
    told = sum(len(scores.row) for outcome in shop.outcomes[1:] for scores in outcome.scores)
    assert 29 <= told <= 31


def test_state_comes_back_as_it_was() -> None:
    """An engine loaded from what was stored goes on exactly as the one that never stopped."""
    shop = Shop(rule("{name: seen, sentence: Seen twice., enter: total(page) >= 2}"))
    shop.engine.versions.swap(snapshot())
    shop.does(0, Kind.PRODUCT_ADDED, item="hat").does(1, Kind.ORDER_COMPLETED, order="a").does(2, Kind.PAGE).until(
        24 * 20
    )
    again = shop.restarted()
    again.engine.versions.swap(snapshot())
    for one in (shop, again):
        one.actions.clear()
        one.does(24 * 21, Kind.PAGE, message="p").does(24 * 22, Kind.ORDER_COMPLETED, order="a").until(24 * 60)
    assert list(map(told, shop.actions)) == list(map(told, again.actions))
    assert shop.engine.counts == again.engine.counts
    first, second = (dict(one.engine.changes()) for one in (shop, again))
    assert first == second


def test_a_foreign_layout_is_refused() -> None:
    """State written with other ring sizes stops the start, with what to do."""
    stored = Shop(NONE).does(0, Kind.PAGE).engine.changes()
    other = Engine(EngineSettings(), NONE)
    with pytest.raises(LayoutMismatchError, match="former settings"):
        other.load([key for key, _ in stored], [value for _, value in stored])


def test_a_rule_that_counts_what_has_no_ring_is_refused() -> None:
    """A window over a kind that the layout keeps no ring of is an error at start."""
    with pytest.raises(ValueError, match="day_kinds"):
        Engine(EngineSettings(), rule("{name: x, sentence: Searches., enter: 'count(searched, days=3) >= 1'}"))


def test_scoring_as_of_a_time_changes_nothing() -> None:
    """`score_at` gives everybody's score at a cutoff and leaves the state alone."""
    shop = Shop(NONE).does(0, Kind.ORDER_COMPLETED, order="a").does(1, Kind.PAGE, "bob")
    shop.engine.changes()
    before = shop.engine.profiles.rows.tobytes()
    rows, score, percentile = shop.engine.looking.score_at(START + 10 * DAY_MS)
    assert shop.engine.profiles.rows.tobytes() == before
    assert [shop.engine.profiles.keys[row] for row in rows] == [b"ann", b"bob"]
    assert score[0] > score[1]
    assert all(math.isnan(p) for p in percentile)


def test_nothing_is_a_number_that_is_none() -> None:
    """Whatever order events come in, features stay finite."""
    shop = Shop(NONE).does(500, Kind.ORDER_COMPLETED, order="a").does(1, Kind.ORDER_COMPLETED, order="b", price=0.0)
    shop.does(400, Kind.ORDER_CANCELLED, order="a", price=1e9)
    rows = np.arange(1)
    assert np.isfinite(shop.engine.looking.features_at(START + 600 * 3_600_000, rows)).all()

"""What is set reaches the engine and the learner: each setting that they have, under whatever name."""

from datetime import timedelta

import pytest

from scoring.kinds import Kind
from scoring.rules import RuleSet
from streams.engine_settings import engine_settings
from streams.learning import learner_config
from streams.limits import Limits
from streams.settings import Settings
from streams.worker import unit_options

SET = Settings(
    partitions=5,
    horizon=timedelta(days=14),
    tick=timedelta(minutes=2),
    window_days=60,
    orders_ring=8,
    deduplication_ring=12,
    day_ring_kinds=("visited", "searched"),
    hour_ring_kinds=("page",),
    publish_delta=0.05,
    bands=(0.4, 0.9),
    example_customers=1_000,
    automated_events_per_hour=50,
    objects_kept=4,
    max_action_age=timedelta(hours=1),
    content=False,
    allowed_skew=timedelta(minutes=3),
    slice_records=700,
    max_record_bytes=5_000,
    max_id_bytes=64,
    max_products=9,
    model="river:LogisticRegression()",
    forgetting_half_life=6.0,
    warm_up_positives=20,
    warm_up_negatives=30,
    calibration_examples=400,
    percentile_points=51,
    allow_pickled_models=True,
)
"""All unlike the defaults."""
DAY_MS = 86_400_000


def test_what_is_set_reaches_the_engine() -> None:
    """Sizes of rows, times, what is published; of the customers who give examples each partition has its share."""
    found = engine_settings(SET, RuleSet([]))
    layout = found.layout
    assert (layout.horizon_ms, layout.days, layout.orders, layout.messages) == (14 * DAY_MS, 60, 8, 12)
    assert (layout.hour_kinds, Kind.SEARCHED in layout.day_kinds) == ((Kind.PAGE,), True)
    assert (found.tick_ms, found.window_ms, found.max_action_age_ms) == (120_000, 60 * DAY_MS, 3_600_000)
    assert (found.publish_delta, found.bands) == (0.05, (("low", 0.0), ("medium", 0.4), ("high", 0.9)))
    assert (found.example_customers, found.automated_per_hour, found.objects_kept) == (200, 50, 4)
    assert found.content is False


def test_on_the_events_own_clock_no_action_is_too_old() -> None:
    """There is nothing that says how old an event was at its receipt."""
    own = SET.model_copy(update={"clock": "events"})
    assert engine_settings(own, RuleSet([])).max_action_age_ms is None
    assert [unit_options(each, RuleSet([])).own_clock for each in (SET, own)] == [False, True]


def test_what_is_set_reaches_each_partition() -> None:
    """What is accepted, how large, and how much at once."""
    found = unit_options(SET, RuleSet([]))
    assert (found.allowed_skew_ms, found.slice_records) == (180_000, 700)
    assert found.limits == Limits(max_record_bytes=5_000, max_id_bytes=64, max_products=9)
    assert found.engine == engine_settings(SET, RuleSet([]))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("model", "river:LogisticRegression()"),
        ("horizon_ms", 14 * DAY_MS),
        ("half_life", 6.0),
        ("warm_up_positives", 20),
        ("warm_up_negatives", 30),
        ("calibration_examples", 400),
        ("percentile_points", 51),
        ("allow_pickle", True),
    ],
)
def test_what_is_set_reaches_the_learner(name: str, value: object) -> None:
    """Under the name that it has there."""
    assert getattr(learner_config(SET), name) == value

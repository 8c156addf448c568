"""Types, stages and values live: every worker measures by the same table, which the trainer makes of outcomes."""

from dataclasses import replace

import numpy as np
import orjson
import pytest

from scoring.features import FEATURE_VERSION, N_FEATURES
from scoring.learner import Learner, LearnerConfig
from scoring.model import Example, Snapshot, SnapshotRefused
from scoring.profile import DAY_MS
from scoring.types import Facts, RfmCuts, ShopTable, Terms, shop_table, unknown_shop, who
from streams.customer_data import customers_of
from streams.json_columns import written
from streams.outbox import Outbox
from streams.trainer.wire import read_example

NAN = float("nan")


def examples(n: int) -> list[Example]:
    """Outcomes of customers with these facts, a fifth of whom never bought."""
    rng = np.random.default_rng(7)
    found = []
    for i in range(n):
        orders = int(rng.integers(0, 5))
        found.append(
            Example(
                id=f"c{i}/{i}",
                customer=f"c{i}",
                made_ms=i,
                resolved_ms=i + DAY_MS,
                label=bool(i % 3),
                features=np.zeros(N_FEATURES, np.float32),
                baseline=0.0,
                orders=orders,
                partition=0,
                feature_version=FEATURE_VERSION,
                since_days=float(rng.integers(0, 400)) if orders else NAN,
                net=float(rng.integers(-5, 300)) if orders else 0.0,
                gap_days=float(rng.integers(1, 90)) if orders > 1 else NAN,
            )
        )
    return found


def test_the_table_is_that_of_the_last_outcomes_of_buyers_however_they_were_learned() -> None:
    """Quantiles, median gap and mean order of the last thousand; cut into calls, resumed in between, it is the same."""
    told = examples(1300)
    whole, parts = Learner(LearnerConfig(horizon_ms=DAY_MS)), Learner(LearnerConfig(horizon_ms=DAY_MS))
    whole.learn(told)
    parts.learn(told[:700])
    parts = Learner.resume(Snapshot.from_bytes(parts.snapshot(10 * DAY_MS, 700 + DAY_MS - 1).to_bytes()), parts.config)
    parts.learn(told[700:])
    table = Snapshot.from_bytes(whole.snapshot(20 * DAY_MS, 5 * DAY_MS).to_bytes()).shop
    again = parts.snapshot(20 * DAY_MS, 5 * DAY_MS).shop
    assert table.to_array().tolist() == again.to_array().tolist()
    buyers = [one for one in told[-1000:] if one.orders]
    for cut, values in zip(
        table.cuts, zip(*((b.since_days, b.orders, b.net) for b in buyers), strict=True), strict=True
    ):
        np.testing.assert_allclose(cut, np.quantile(values, [0.2, 0.4, 0.6, 0.8]))
    assert table.gap_days == np.median([b.gap_days for b in buyers if b.orders > 1])
    assert table.order == pytest.approx(sum(max(b.net, 0) for b in buyers) / sum(b.orders for b in buyers))


def test_before_anybody_bought_nothing_is_known() -> None:
    """The table is then empty, on the wire too; one of another length is refused."""
    empty = shop_table(*(np.zeros(2) for _ in range(4)))
    assert len(ShopTable.of_array(empty.to_array()).cuts.orders) == 0
    taken = Learner(LearnerConfig(horizon_ms=DAY_MS)).snapshot(0, 0)
    assert len(Snapshot.from_bytes(taken.to_bytes()).shop.cuts.orders) == 0
    with pytest.raises(ValueError, match="3 numbers"):
        ShopTable.of_array(np.zeros(3))
    odd = replace(taken, shop=_Odd(RfmCuts(np.zeros(4), np.zeros(4), np.zeros(4)), 1.0, 1.0))
    with pytest.raises(SnapshotRefused):
        Snapshot.from_bytes(odd.to_bytes())


class _Odd(ShopTable):
    def to_array(self) -> np.ndarray:
        return np.zeros(3)


TABLE = ShopTable(
    RfmCuts(np.array([10.0, 20, 30, 40]), np.array([1.0, 2, 3, 4]), np.array([10.0, 20, 30, 40])), 30.0, 10.0
)
FACTS = Facts(*np.array([
    # never bought, looks; never bought, interested; first order; loyal and big; sales; at risk; lapsed; won back
    [0, 0, 1, 5, 2, 3, 3, 3],
    [NAN, NAN, 5, 5, 5, 61, 200, 5],
    [NAN, NAN, NAN, 20, 20, 20, 20, 190],
    [NAN, NAN, NAN, 20, 20, 30, 30, 100],
    [0, 0, 10, 50, 20, 25, 25, 25],
    [0, 0, 0, 0, 1, 0, 0, 0],
    [0, 1, 0, 0, 0, 0, 0, 0],
]))  # fmt: skip


def test_who_is_what_by_the_table() -> None:
    """One of each; without a table groups and types are unknown, stages are not."""
    found = who(FACTS, np.full(8, 0.5), TABLE, Terms(), 30.0)
    told = [orjson.loads(one) for one in written(8, customers_of(found, np.zeros(8, np.int64)))]
    assert [one["type"] for one in told] == [
        "none", "none", "occasional", "big", "sales", "occasional", "occasional", "occasional",
    ]  # fmt: skip
    assert [one["stage"] for one in told] == [
        "visitor", "prospect", "first_time", "loyal", "repeat", "at_risk", "lapsed", "won_back",
    ]  # fmt: skip
    assert [one["rfm_group"] for one in told][:4] == ["prospects", "prospects", "new", "champions"]
    assert told[2]["expected_next_order"] == "1970-01-26T00:00:00.000Z"
    orders = np.log(2) * 365 / 30
    assert told[3]["predicted_value"] == pytest.approx(orders * (50 + 10) / 6, abs=0.01)
    assert told[0]["average_order"] is None
    early = who(FACTS, np.full(8, NAN), unknown_shop(), Terms(), 30.0)
    told = [orjson.loads(one) for one in written(8, customers_of(early, np.zeros(8, np.int64)))]
    assert [one["rfm_group"] for one in told] == ["prospects", "prospects", *[None] * 6]
    assert [one["predicted_value"] for one in told] == [None] * 8
    assert [one["stage"] for one in told][3:] == ["loyal", "repeat", "at_risk", "lapsed", "won_back"]


def test_what_the_table_is_made_of_goes_over_the_topic() -> None:
    """An example read by the trainer is what the worker told, unknown numbers among it."""
    outbox = Outbox(0, DAY_MS, ("all",), [])
    for one in examples(20):
        outbox._example(one, 0)
        [(_, _, value)] = outbox.drain()
        read = read_example(value or b"")
        assert isinstance(read, Example)
        np.testing.assert_equal((read.since_days, read.net, read.gap_days), (one.since_days, one.net, one.gap_days))

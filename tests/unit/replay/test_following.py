"""Following: a unit led by `progress` tells what was told live, to the byte, however live was cut and interrupted."""

import random
from collections import defaultdict
from collections.abc import Sequence
from itertools import islice
from typing import Any

import msgspec
import numpy as np
import orjson
import pytest
from strategies.layouts import FULL

from schemas.internals import Progress
from schemas.timestamp import from_ms
from scoring.engine import EngineSettings
from scoring.features import FEATURE_VERSION, N_FEATURES
from scoring.gates import GateSettings
from scoring.model import LinearScorer, Snapshot
from scoring.profile import DAY_MS
from scoring.rules import shipped
from scoring.rules.book import RuleBook
from streams.commit import Record, Taken
from streams.live_rules import rule_of
from streams.replay.following import Follower
from streams.replay.knowledge import Knowledge, UnfollowableError
from streams.ruling.snapshots import Used
from streams.steps import timeline_id
from streams.unit import Unit
from streams.unit_options import UnitOptions
from tests.unit.worker.fetched import CLICKS, CUSTOMERS, ORDERS, Fetched, event

NOW = 1_700_000_000_000
HOUR = 3_600_000
OPTIONS = UnitOptions(
    EngineSettings(FULL, gates=GateSettings(consent_unknown=True, holdout_global=0.1)), shipped(), 600_000, False, 1000
)


def model(version: int) -> Snapshot:
    return Snapshot(
        version=version,
        effective_ms=NOW + version * DAY_MS,
        feature_version=FEATURE_VERSION,
        horizon_ms=30 * DAY_MS,
        warming_up=False,
        scorer=LinearScorer(np.zeros(N_FEATURES), np.ones(N_FEATURES), np.full(N_FEATURES, 0.1 * version), 0.1, 5.0),
        quantiles=np.linspace(-4.0, 4.0, 101),
    )


def rule(version: int, quiet: int) -> bytes:
    return orjson.dumps(
        {
            "name": "cart-abandoned",
            "version": version,
            "published_at": from_ms(NOW),
            "effective_time": from_ms(NOW + version * DAY_MS),
            "definition": {"sentence": "Left a cart.", "enter": f"cart_items > 0 and hours_since(visited) >= {quiet}"},
        }
    )


MODELS = [model(1), model(2)]
RULES = [rule(2, 2), rule(3, 5)]


def knowledge() -> Knowledge:
    return Knowledge(OPTIONS.rules, Used(MODELS, []), RULES)


def inputs(chance: random.Random, days: int) -> list[list[Fetched]]:
    """A few days of a few customers on three inputs, some repeated, some that are none."""
    found: list[list[Fetched]] = [[], [], []]
    for step in range(days * 40):
        ms = NOW + step * DAY_MS // 40 - chance.choice((0, 0, 0, HOUR))
        who, source = f"c{chance.randrange(5)}", chance.choice((CLICKS, CLICKS, ORDERS, CUSTOMERS))
        some = found[source]
        if chance.random() < 0.05:
            some.append(Fetched(len(some), ms, who.encode(), b"{"))
        elif source == CLICKS:
            name = chance.choice(("Product Viewed", "Product Added", "Page Read"))
            some.append(event(len(some), who, name, ms, product_id=f"p{chance.randrange(4)}", quantity=1, price=2.0))
        elif source == ORDERS:
            some.append(event(len(some), who, "Order Completed", ms, order_id=f"o{step}", total=9.5))
        else:
            some.append(event(len(some), who, "Subscribed", ms))
    return found


class Live:
    """Lives through the inputs as a worker would, in pieces and with crashes, and keeps what it commits."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.timeline = RuleBook(OPTIONS.rules.rules).timeline()
        self.book = RuleBook(OPTIONS.rules.rules)
        self.models: list[Snapshot] = []
        self.outputs: dict[str, list[bytes | None]] = defaultdict(list)
        self.progress: list[Progress] = []
        self.rows: dict[bytes, bytes | None] = {}
        self.offsets = {CLICKS: -1, ORDERS: -1, CUSTOMERS: -1}
        self.unit = self.start()

    def start(self) -> Unit:
        """A worker takes the partition over."""
        unit = Unit(0, OPTIONS, list(self.models), self.timeline)
        unit.restore(list(self.rows), list(self.rows.values()))
        unit.ready(self.offsets)
        return unit

    def crash(self) -> None:
        """What was not committed is lost."""
        self.unit = self.start()

    def learn(self) -> None:
        """Now and then, a version is published."""
        if len(self.models) < len(MODELS) and self.chance.random() < 0.1:
            self.models.append(MODELS[len(self.models)])
            self.unit.swap_model(self.models[-1])
        published = len(self.timeline) - 1
        if published < len(RULES) and self.chance.random() < 0.1:
            self.book.add(*rule_of(RULES[published]))
            self.timeline = self.book.timeline()
            self.unit.plan_rules(self.timeline)

    def commit(self) -> None:
        """Keep what a commit writes."""
        taken = self.unit.take()
        if taken is not None:
            keep(taken, self.outputs)
            self.progress.append(msgspec.json.decode(self.outputs["progress"][-1] or b"", type=Progress))
            self.rows.update(taken.rows)
            self.offsets.update(taken.offsets)

    def live(self, records: Sequence[Sequence[Record]]) -> None:
        """Live through the inputs, then through quiet hours."""
        now = NOW
        at = [0, 0, 0]
        while any(place < len(some) for place, some in zip(at, records, strict=True)):
            source = self.chance.randrange(3)
            some = records[source][at[source] : at[source] + self.chance.choice((1, 7, 40))]
            if some:
                self.unit.offer(source, some, len(records[source]) if self.chance.random() < 0.6 else at[source] + 1)
                at[source] += len(some)
                now = max(now, *(record.timestamp for record in some))
            else:
                self.unit.idle(source, at[source], at[source])
            for _ in range(self.chance.randrange(4)):
                self.learn()
                self.unit.pump(now)
            if self.chance.random() < 0.3:
                self.commit()
            if self.chance.random() < 0.05:
                self.crash()
                at = [max(self.offsets[n], 0) for n in range(3)]
        for source in range(3):
            self.unit.idle(source, 0, 0)
        for hours in range(30):
            while self.unit.pump(now + hours * HOUR):
                pass
            self.learn()
            self.commit()


def keep(taken: Taken | None, outputs: dict[str, list[bytes | None]]) -> None:
    for topic, _, value in () if taken is None else taken.outputs:
        outputs[topic].append(value)


def follow(progress: Sequence[Progress], records: Sequence[Sequence[Record]], known: Knowledge) -> dict[str, Any]:
    unit = Unit(0, OPTIONS)
    unit.ready({CLICKS: -1, ORDERS: -1, CUSTOMERS: -1})
    streams = [iter(some) for some in records]
    follower = Follower(unit, known, lambda source, count: list(islice(streams[source], count)))
    outputs: dict[str, Any] = defaultdict(list)
    for one in progress:
        keep(follower.follow(one), outputs)
    return outputs


@pytest.mark.parametrize("seed", range(6))
def test_what_was_told_is_told_again(seed: int) -> None:
    """Scores, actions, examples, dead letters, late ones: each topic the same bytes in the same order."""
    chance = random.Random(seed)
    records = inputs(chance, 5)
    live = Live(chance)
    live.live(records)
    again = follow(live.progress, records, knowledge())
    told = [what for one in live.progress for _, _, what, _ in one.told]
    assert {"model", "rules", "start", "ready"} <= set(told), "the schedule has nothing to follow"
    assert set(live.outputs) == set(again)
    assert len(live.outputs["scores"]) > 50
    assert any(topic.startswith("actions-") for topic in live.outputs)
    for topic in sorted(live.outputs.keys() - {"progress"}):
        assert again[topic] == live.outputs[topic], topic
    sequences = [msgspec.json.decode(value, type=Progress).sequence for value in again["progress"]]
    assert sequences == [one.sequence for one in live.progress]


def test_what_cannot_be_followed_is_told() -> None:
    """Records that are gone, and rules that nobody published, are named."""
    chance = random.Random(1)
    records = inputs(chance, 2)
    live = Live(chance)
    live.live(records)
    with pytest.raises(UnfollowableError, match="records of clickstream were read then, and 0 of them"):
        follow(live.progress, [[], [], []], knowledge())
    foreign = msgspec.structs.replace(live.progress[0], told=[(0, 0, "rules", "0" * 16)])
    with pytest.raises(UnfollowableError, match="start with the rules of then"):
        follow([foreign], records, knowledge())


def test_a_version_of_the_shop_that_is_gone_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    """The rest is told again all the same."""
    chance = random.Random(1)
    records = inputs(chance, 2)
    live = Live(chance)
    live.live(records)
    told = [msgspec.structs.replace(one, told=[*one.told, (0, 0, "shop", "7")]) for one in live.progress]
    again = follow(told, records, knowledge())
    (warning,) = [each.getMessage() for each in caplog.records if "products@7" in each.getMessage()]
    assert warning.startswith("partition 0: products@7, known then, is not there any more (shop_versions_kept)")
    assert again["scores"] == live.outputs["scores"]


def test_a_stamp_stands_for_rules_and_times() -> None:
    """Other versions or other times have another stamp."""
    book = RuleBook(OPTIONS.rules.rules)
    stamps = [timeline_id(book.timeline())]
    for value in RULES:
        book.add(*rule_of(value))
        stamps.append(timeline_id(book.timeline()))
    assert len(set(stamps)) == len(stamps)
    assert set(stamps) == set(knowledge().timelines)

"""The ledger: a plain count made straight from the topics, and what was told beside it.

Topics are read as `read_committed`, and nothing that comes twice is dropped. Inputs are counted in the order in which
`progress` says that they were read: after a stall a partition's clicks may all be read before its orders, and a message
id is promised to be recognised among the last few of its customer only.
"""

from collections import Counter, defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec
import orjson
from kafka import KafkaConsumer, TopicPartition

from scoring.kinds import Kind
from scoring.profile import Profiles
from scoring.stored import PROFILE
from streams.changelog import changelog_topic
from streams.cloud_event import headers_of
from streams.engine_settings import checked_rules, engine_settings
from streams.outbox import INPUTS, SOURCES
from streams.settings import Settings
from streams.topics import rule_names, wanted
from tests.integration.faults.programs import PATIENCE_S

__all__ = ["Customer", "Ledger"]

_PATIENCE_MS = PATIENCE_S * 1000


@dataclass(slots=True)
class Customer:
    """A plain count of one customer's input."""

    views: list[str] = field(default_factory=list)
    orders: dict[str, float] = field(default_factory=dict)


class _Said(NamedTuple):
    """What an input record says; `fate` is empty where that depends on what was read before."""

    fate: str
    customer: str = ""
    message: str = ""
    event: str = ""
    order: str = ""
    total: float = 0.0


class Ledger:
    """Reads inputs, outputs, changelog and progress to their ends, and holds one against the other."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._consumer = KafkaConsumer(
            bootstrap_servers=settings.broker,
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            check_crcs=False,  # in Python, it would be most of the time
        )
        specs = wanted(settings, rule_names(settings))
        there = {spec.name: spec.partitions or settings.partitions for spec in specs}
        self._places = [TopicPartition(name, number) for name, n in there.items() for number in range(n)]
        self._consumer.assign(self._places)
        self._consumer.seek_to_beginning(*self._places)
        self.customers: dict[str, Customer] = defaultdict(Customer)
        self.read: Counter[tuple[str, int]] = Counter()
        self.expected: Counter[str] = Counter()
        self.ids: Counter[tuple[str, str]] = Counter()
        self.crossings: dict[tuple[str, str, str | None], list[tuple[int, str, str, str]]] = defaultdict(list)
        self.progress: dict[int, list[dict[str, Any]]] = defaultdict(list)
        self.state: dict[bytes, bytes | None] = {}
        self.models: list[tuple[bytes, bytes]] = []
        self.examples: list[tuple[int, bytes]] = []
        self._said: dict[tuple[str, int], list[_Said]] = defaultdict(list)
        self._recent: dict[str, deque[str]] = defaultdict(lambda: deque(maxlen=settings.deduplication_ring))
        self._counted: Counter[int] = Counter()
        self._told: dict[int, Counter[str]] = defaultdict(Counter)
        self._differing: list[str] = []
        self._at: Counter[tuple[str, int]] = Counter()

    def close(self) -> None:
        """Close the connection."""
        self._consumer.close()

    def ends(self, places: list[TopicPartition]) -> dict[TopicPartition, int]:
        """Where they end now; a broker that was just started may not have leaders yet."""
        return dict(self._consumer.end_offsets(places, timeout_ms=_PATIENCE_MS))

    def catch_up(self) -> None:
        """Read all topics to where they end now."""
        ends = self.ends(self._places)
        while ends := {place: end for place, end in ends.items() if self._consumer.position(place, _PATIENCE_MS) < end}:
            for place, records in self._consumer.poll(timeout_ms=500, max_records=5000).items():
                for record in records:
                    self._take(place, record)
        for partition in range(self.settings.partitions):
            self._count_commits(partition)

    def all_told(self) -> bool:
        """Read on; whether the last commit seen of each partition tells of all of its inputs that were seen."""
        self.catch_up()
        for partition in range(self.settings.partitions):
            told = self.progress[partition]
            at = told[-1]["offsets"] if told else dict.fromkeys(INPUTS, 0)
            if any(at[topic] != self.read[topic, partition] for topic in INPUTS):
                return False
        return True

    def _take(self, place: TopicPartition, record: Any) -> None:
        topic = place.topic
        if topic in INPUTS:
            self.read[topic, place.partition] += 1
            self._said[topic, place.partition].append(_said(record.value))
        elif topic == changelog_topic(self.settings):
            self.state[record.key] = record.value
        elif topic == "progress":
            self.progress[place.partition].append(orjson.loads(record.value))
        elif topic == "models":
            self.models.append((record.key, record.value))
        elif topic.endswith("-late"):
            self.ids[topic, f"{place.partition}-{record.offset}"] += 1
        else:
            said = orjson.loads(record.value)
            assert list(record.headers) == headers_of(record.value)
            self.ids[topic, said["id"]] += 1
            if topic == "examples":
                self.examples.append((record.offset, record.value))
            elif topic.startswith("actions-"):
                data = said["data"]
                of = data["customer_id"], data["rule"], data["object"]
                told = data["crossing_number"], data["crossing"], data["event_time"], topic
                self.crossings[of].append(told)

    def _count_commits(self, partition: int) -> None:
        """Count what the commits of a partition read that were not counted yet, in their order."""
        for commit in self.progress[partition][self._counted[partition] :]:
            read: Counter[tuple[str, int]] = Counter()
            for source, n in commit["runs"]:
                read[SOURCES[source], partition] += n
            if any(self._at[of] + n > len(self._said[of]) for of, n in read.items() if of[0] in INPUTS):
                return  # of inputs that came after those which were read here
            before = self.expected.copy()
            again = [said for said in self._in_turn(partition, commit["runs"]) if self._count(said) == "duplicate"]
            self._compare(partition, commit, self.expected - before, again)
            self._counted[partition] += 1

    def _compare(self, partition: int, commit: dict[str, Any], plainly: Counter[str], again: list[_Said]) -> None:
        """Note of a commit that counted otherwise than its inputs say, which of them came again."""
        counters = Counter({fate: n for fate, n in commit["counters"].items() if fate != "read"})
        told, self._told[partition] = counters - self._told[partition], counters
        if told != plainly:
            place = f"partition {partition}, commit {commit['sequence']}"
            self._differing.append(f"{place}: counted {dict(told)}, plainly {dict(plainly)}; there again: {again}")

    def _in_turn(self, partition: int, runs: list[tuple[int, int]]) -> Iterator[_Said]:
        for source, n in runs:
            of = SOURCES[source], partition
            if SOURCES[source] in INPUTS:
                yield from self._said[of][self._at[of] : self._at[of] + n]
            self._at[of] += n

    def _count(self, said: _Said) -> str:
        """Count an input record as its sentence says it; what becomes of it."""
        if said.fate:
            self.expected[said.fate] += 1
            return said.fate
        counted, recent = self.customers[said.customer], self._recent[said.customer]
        known = said.message in recent
        if not known:
            recent.append(said.message)
        if said.event == "Order Completed":
            known = known or said.order in counted.orders
            counted.orders.setdefault(said.order, said.total)
        elif said.event == "Product Viewed" and not known:
            counted.views.append(said.message)
        fate = "duplicate" if known else "applied"
        self.expected[fate] += 1
        return fate

    # ---- what must hold

    def check(self) -> None:
        """All that is promised of a partition's inputs once they are read to their ends."""
        self.check_ids()
        self.check_counters()
        self.check_customers()
        self.check_crossings()
        self.check_second_orders()

    def check_ids(self) -> None:
        """No output is there twice, and nothing was late."""
        twice = {name: n for name, n in self.ids.items() if n > 1}
        assert not twice, f"{len(twice)} outputs are there more than once: {list(twice.items())[:5]}"
        late = [name for name in self.ids if name[0].endswith("-late")]
        assert not late, f"{len(late)} records were late"

    def check_counters(self) -> None:
        """Commits follow each other without a gap; the counters of the last add up to what was read."""
        total: Counter[str] = Counter()
        for partition in range(self.settings.partitions):
            told = self.progress[partition]
            sequence = [one["sequence"] for one in told]
            assert sequence == list(range(1, len(told) + 1)), f"partition {partition}: commits {sequence}"
            at = dict.fromkeys(SOURCES, 0)
            for one in told:
                read: Counter[str] = Counter()
                for source, count in one["runs"]:
                    read[SOURCES[source]] += count
                assert {topic: at[topic] + read[topic] for topic in SOURCES} == one["offsets"], (
                    f"partition {partition}, commit {one['sequence']}: from {at} by {one['runs']} to {one['offsets']}"
                )
                at = one["offsets"]
            there = {topic: self.read[topic, partition] for topic in INPUTS}
            assert {topic: at[topic] for topic in INPUTS} == there, f"partition {partition}: read {at} of {there}"
            if told:
                total.update(told[-1]["counters"])
        read = total.pop("read")
        assert read == sum(self.read.values()) == sum(total.values())
        assert +total == +self.expected, f"counted {dict(total)}, plainly {dict(self.expected)}; " + "; ".join(
            self._differing[:3]
        )
        letters = sum(n for (topic, _), n in self.ids.items() if topic.endswith("-dlq"))
        assert letters == self.expected["dead_lettered"]

    def check_customers(self) -> None:
        """Orders, views and revenue of each customer are those of a plain count."""
        profiles = Profiles(engine_settings(self.settings, checked_rules(self.settings)).layout)
        rows = [(key[1:], value) for key, value in self.state.items() if key[:1] == PROFILE and value is not None]
        profiles.load([key for key, _ in rows], [value for _, value in rows])
        numbers = {key.decode(): number for number, key in enumerate(profiles.keys)}
        known = {name for name, counted in self.customers.items() if counted.views or counted.orders}
        assert known <= numbers.keys()
        stored = profiles.rows
        wrong = []
        for name, counted in self.customers.items():
            row = stored[numbers[name]]
            plainly = len(counted.views), len(counted.orders), sum(counted.orders.values())
            kept = (
                int(row["total"][Kind.PRODUCT_VIEWED]),
                int(row["total"][Kind.ORDER_COMPLETED]),
                float(row["revenue"]),
            )
            if kept != plainly:
                wrong.append(f"{name}: (views, orders, revenue) {kept}, plainly {plainly}")
        assert not wrong, f"{len(wrong)} of {len(self.customers)} customers: " + "; ".join(wrong[:5])

    def check_crossings(self) -> None:
        """Each crossing is told once, in the order in which it happened, entering and leaving in turn."""
        for of, told in self.crossings.items():
            by_number = sorted(told)
            assert [one[0] for one in by_number] == list(range(1, len(told) + 1)), f"{of}: {by_number}"
            for number, crossing, _, _ in by_number:
                assert (crossing == "entered") == (number % 2 == 1), f"{of}: {by_number}"
            times = [one[2] for one in by_number]
            assert times == sorted(times), f"{of}: {by_number}"
            for topic in {one[3] for one in told}:
                numbers = [one[0] for one in told if one[3] == topic]
                assert numbers == sorted(numbers), f"{of}: {numbers} on {topic}"

    def check_second_orders(self) -> None:
        """Who ordered twice is told of once, for the second order; nobody else is."""
        told = {(customer, order) for customer, rule, order in self.crossings if rule == "second-order"}
        plainly = {(name, list(c.orders)[1]) for name, c in self.customers.items() if len(c.orders) > 1}
        assert told == plainly, f"missing {sorted(plainly - told)[:5]}, too many {sorted(told - plainly)[:5]}"

    def check_versions(self) -> None:
        """Versions of the model are consecutive from the first, and one that is there twice is the same."""
        by_version: dict[bytes, set[bytes]] = defaultdict(set)
        for key, value in self.models:
            by_version[key].add(msgspec.json.encode(orjson.loads(value)["data"]))
        differing = [key for key, values in by_version.items() if len(values) > 1]
        assert not differing, f"versions published with different contents: {differing}"
        numbers = sorted(int(key.rpartition(b"@")[2]) for key in by_version)
        assert numbers == list(range(1, len(numbers) + 1)), f"versions {numbers}"


def _said(value: bytes) -> _Said:
    try:
        said = orjson.loads(value)
        message, customer = said["messageId"], said["userId"]
    except (ValueError, KeyError, TypeError):
        return _Said("dead_lettered")
    event, properties = said.get("event", ""), said.get("properties", {})
    if properties.get("product_id") == "poison":
        return _Said("dead_lettered")
    if event == "Something Unheard Of":
        return _Said("ignored")
    return _Said("", customer, message, event, properties.get("order_id", ""), properties.get("total", 0.0))

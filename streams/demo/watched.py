"""What a downstream consumer knows after reading the output topics, record by record.

Nothing here asks the worker anything: it is what any subscriber of the same topics could count.
"""

from collections import Counter, defaultdict, deque
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

import msgspec

from schemas.events import Event, customer_id
from streams.demo.judged import Judged
from streams.demo.tally import Tally

__all__ = ["SHOWN", "Crossing", "Mover", "Watched", "at_ms"]

_LATEST = 14
_TRACE = 32
SHOWN = ("cart-abandoned", "first-order", "high-propensity")
"""Rules of which the last published action is kept, to be shown."""


class Reason(msgspec.Struct):
    """One group of features that moved a score."""

    group: str = ""
    contribution: float = 0.0
    change: float | None = None


class _Data(msgspec.Struct):
    """The fields of scores, actions and withheld actions that the demo shows."""

    customer_id: str
    event_time: str
    score: float | None = None
    percentile: float | None = None
    band: str | None = None
    warming_up: bool = False
    rule: str = ""
    crossing: str = ""
    object: str | None = None
    reasons: list[Reason] = []
    withheld: list[str] = []


class _Record(msgspec.Struct):
    data: _Data


class _ExampleData(msgspec.Struct):
    made_ms: int
    label: bool
    orders: int
    score: float
    model_version: int


class _ModelData(msgspec.Struct):
    version: int
    effective_time: str
    warming_up: bool


class _Model(msgspec.Struct):
    data: _ModelData


class _Example(msgspec.Struct):
    type: str
    data: msgspec.Raw


@dataclass(frozen=True, slots=True)
class Crossing:
    """Someone entered or left a rule's list, and why."""

    time_ms: int
    customer: str
    rule: str
    entered: bool
    percentile: float | None
    score: float | None
    reasons: tuple[tuple[str, float], ...]
    withheld: tuple[str, ...] = ()


@dataclass(slots=True)
class Mover:
    """A customer's scores as they came: the last percentiles, and the last score."""

    customer: str
    percentiles: deque[float]
    score: float = 0.0
    band: str = ""
    time_ms: int = 0

    @property
    def moved(self) -> float:
        """How far the percentile moved between the last two scores."""
        return self.percentiles[-1] - self.percentiles[-2] if len(self.percentiles) > 1 else 0.0


class Watched:
    """Reads records of any output topic (and the orders) and keeps what the view and the summary show.

    `observe` costs a few microseconds; memory is O(customers + judged scores).
    """

    def __init__(self) -> None:
        self.read: Counter[str] = Counter()
        self.entered: Counter[str] = Counter()
        self.left: Counter[str] = Counter()
        self.withheld: Counter[str] = Counter()
        self.withheld_crossings = 0
        self.tallies: defaultdict[str, Tally] = defaultdict(Tally)
        self.shown: dict[str, bytes] = {}
        """The last published action of some rules."""
        self.unreadable = 0
        self.latest: deque[Crossing] = deque(maxlen=_LATEST)
        self.crossings: list[Crossing] = []
        """All, those that were withheld too; but not what a score crossed that was warming up."""
        self.movers: dict[str, Mover] = {}
        self.recent: deque[str] = deque(maxlen=200)
        self.judged: dict[str, Judged] = {}
        self.prospects_judged = 0
        self.orders: dict[str, list[int]] = defaultdict(list)
        self.event_time_ms = 0
        self.models = 0
        self.model_ms = 0
        """Event time from which the newest model holds."""
        self._learned: set[int] = set()
        """Versions of the model that are past the warm-up."""
        self._record = msgspec.json.Decoder(_Record)
        self._example = msgspec.json.Decoder(_Example)
        self._model_decoder = msgspec.json.Decoder(_Model)
        self._event = msgspec.json.Decoder(Event)

    def observe(self, topic: str, value: bytes | None) -> None:
        """Take one record in; a record that cannot be read is counted, never raised."""
        self.read[topic] += 1
        if value is None:
            return
        try:
            if topic == "scores":
                self._score(self._record.decode(value).data)
            elif topic.startswith("actions-"):
                self._action(self._record.decode(value).data, value)
            elif topic == "examples":
                self._judge(self._example.decode(value))
            elif topic == "orders":
                self._order(self._event.decode(value))
            elif topic == "models":
                self._model(self._model_decoder.decode(value).data)
        except (msgspec.DecodeError, ValueError):
            self.unreadable += 1

    def shown_movers(self, count: int) -> list[Mover]:
        """Return the customers with the longest traces among those whose score changed lately."""
        lately = {self.movers[customer].customer: self.movers[customer] for customer in self.recent}
        return sorted(lately.values(), key=lambda m: (-len(m.percentiles), m.customer))[:count]

    def _score(self, data: _Data) -> None:
        time_ms = at_ms(data.event_time)
        self.event_time_ms = max(self.event_time_ms, time_ms)
        mover = self.movers.get(data.customer_id)
        if mover is None:
            mover = self.movers[data.customer_id] = Mover(data.customer_id, deque(maxlen=_TRACE))
        mover.score, mover.band, mover.time_ms = data.score or 0.0, data.band or "", time_ms
        if data.percentile is not None:
            mover.percentiles.append(data.percentile)
        if len(mover.percentiles) > 3 and not data.customer_id.startswith("visitor-"):
            self.recent.append(data.customer_id)

    def _action(self, data: _Data, value: bytes) -> None:
        entered = data.crossing == "entered"
        if entered:
            self.tallies[data.rule].add(data.customer_id, tuple(data.withheld))
        told = [reason for reason in data.reasons if reason.group != "intercept"]  # it is the same for everybody
        reasons = sorted(told, key=lambda r: -abs(r.change if r.change is not None else r.contribution))
        crossing = Crossing(
            at_ms(data.event_time),
            data.customer_id,
            data.rule,
            entered,
            data.percentile,
            data.score,
            tuple((r.group, r.change if r.change is not None else r.contribution) for r in reasons[:3]),
            tuple(data.withheld),
        )
        if crossing.withheld:
            self.withheld_crossings += 1
            self.withheld.update(crossing.withheld)
            if entered and "warming_up" not in crossing.withheld:
                self.crossings.append(crossing)
            return
        (self.entered if entered else self.left)[data.rule] += 1
        self.crossings.append(crossing)
        if entered:
            self.latest.append(crossing)
            if data.rule in SHOWN:
                self.shown[data.rule] = value

    def _judge(self, record: _Example) -> None:
        if record.type != "recompra.example":
            return  # a partition's watermark travels on the same topic
        data = msgspec.json.decode(record.data, type=_ExampleData)
        if data.orders == 0:
            self.prospects_judged += 1  # invented visitors say nothing about quality
            return
        month = _month(data.made_ms // 86_400_000)
        if month not in self.judged:
            self.judged[month] = Judged(month)
        self.judged[month].add(data.score, data.label, data.model_version not in self._learned)

    def _model(self, data: _ModelData) -> None:
        self.models += 1
        self.model_ms = max(self.model_ms, at_ms(data.effective_time))
        if not data.warming_up:
            self._learned.add(data.version)

    def _order(self, event: Event) -> None:
        who = customer_id(event)
        if event.event == "Order Completed" and who is not None:
            self.orders[who].append(at_ms(event.timestamp))


@lru_cache(maxsize=65_536)
def at_ms(text: str) -> int:
    """Milliseconds since the epoch of an RFC 3339 time."""
    return round(datetime.fromisoformat(text).timestamp() * 1000)


@lru_cache(maxsize=4_096)
def _month(day: int) -> str:
    return datetime.fromordinal(719_163 + day).strftime("%Y-%m")

"""Stories: what a customer does, line by line, and what a rule tells of it; played through decoder and engine.

A file `<rule>.yaml` holds the stories of one rule by title, each a text of lines:

    0d       Order Completed  order_id=A products=[lamp]
    180d     -> enters
    200d     Order Completed  order_id=B products=[mug]
    200d     -> leaves

A line begins with the time since the customer came, as 3d, 1d2h or 90m. It says what happened, as the event's name and
its properties, or after an arrow what is told: `enters`, `leaves` or `withheld` and the reason, then the order or
product that it is about, then in brackets what it carries: a category with a colon, and products; after a semicolon
some of its details, as `order.value=20`. `...` lets time pass. What others bought is the same in all stories, in which
the sofa becomes cheaper on day 22 (`SHOPS`). What is not told in the story must not be told in truth either. `as` names
a visitor who does it in place of the
customer, `guest` the visitor who the customer was; `Alias` says that in so many words.

Two titles are no stories but say in a sentence why there is none: `once`, where nobody can enter a second time, and
`never sooner`, where nobody can enter again within the cooldown.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import orjson
import yaml
from stories.shop import SHOPS, START_MS
from strategies.layouts import FULL

from schemas.names import CALL_KINDS, kind_name, topic_name
from schemas.timestamp import from_ms, to_ms
from scoring.engine import Engine, EngineSettings
from scoring.features import BASELINE, FEATURE_VERSION, FEATURES, N_FEATURES
from scoring.model import LinearScorer, Snapshot
from scoring.outcome import Action, Outcome
from scoring.profile import DAY_MS
from scoring.rules import Rule, RuleSet, shipped
from scoring.types import RfmCuts, ShopTable
from streams.commit import Record
from streams.decoding import Decoder
from streams.details import details_of
from streams.outbox import INPUTS, Outbox

__all__ = ["CUSTOMER", "SNAPSHOT", "START_MS", "Player", "Step", "Story", "Told", "busy",
           "read_stories", "rule_named", "rules_with_stories", "why_no_story"]  # fmt: skip

DIRECTORY = Path(__file__).parent
CUSTOMER = "c-1042"
SNAPSHOT = Snapshot(
    version=1,
    effective_ms=0,
    feature_version=FEATURE_VERSION,
    horizon_ms=30 * DAY_MS,
    warming_up=False,
    # By decayed orders: one order is the log-odds 0.1 now and -0.1 after a month; ranks run from -0.3 to 0.15. Who
    # never bought gets there by wishes, two of them.
    scorer=LinearScorer(
        np.zeros(N_FEATURES),
        np.ones(N_FEATURES),
        np.eye(N_FEATURES)[BASELINE] + 2.4 * np.eye(N_FEATURES)[FEATURES.index("wishes.3H")],
        0.0,
        1e9,
    ),
    quantiles=np.linspace(-0.3, 0.15, 13),
    # The best fifth has an order in 20 days, more than five, and paid more than 120: six products of 20 each.
    shop=ShopTable(
        RfmCuts(*np.array([[20.0, 45.0, 90.0, 180.0], [1.0, 2.0, 3.0, 5.0], [20.0, 40.0, 80.0, 120.0]])), 30.0, 20.0
    ),
    # A quarter of the balances of points in each 500; nobody has more than 2000.
    balances=np.linspace(0.0, 2000.0, 5),
    # So with what those who bought have spent.
    worths=np.linspace(0.0, 2000.0, 5),
)

_NO_STORIES = {"once", "never sooner"}
_UNITS_MS = {"d": DAY_MS, "h": 3_600_000, "m": 60_000, "s": 1_000}
_LINE = re.compile(r"(?P<when>(?:\d+[dhms])+)\s+(?P<what>\S.*)")
_TOLD = re.compile(r"-> (?P<how>enters|leaves|withheld (?P<reason>\w+))(?: (?P<object>[^\s(]+))?(?: \((?P<with>.*)\))?")
_DETAIL = re.compile(r"([^\s=]+)=(\[.*?\]|\S+)")
_PROPERTY = re.compile(r"(\w+)=(\[.*?\]|\S+)")


class Told(NamedTuple):
    """What a rule told, to the minute: of which object, whether it entered, and the first reason against it."""

    ms: int
    how: str
    object: str | None
    carried: str | None
    details: dict[str, Any]

    def as_far_as(self, wanted: "Told") -> "Told":
        """The same, without what a story leaves open."""
        carried = None if wanted.carried is None else self.carried
        return self._replace(carried=carried, details={path: _at(self.details, path) for path in wanted.details})


class Step(NamedTuple):
    """One thing that happens; without a name, time passes."""

    ms: int
    name: str
    properties: dict[str, Any]


@dataclass(frozen=True)
class Story:
    """What happens, and what is told, in order."""

    steps: list[Step]
    told: list[Told]

    @classmethod
    def of(cls, text: str) -> "Story":
        """Read the lines of a story."""
        steps: list[Step] = []
        told: list[Told] = []
        for line in filter(None, map(str.strip, text.splitlines())):
            match = _LINE.fullmatch(line)
            if match is None:
                raise ValueError(f"{line!r} does not begin with a time such as 3d or 1d2h")
            ms = START_MS + sum(int(n) * _UNITS_MS[unit] for n, unit in re.findall(r"(\d+)([dhms])", match["when"]))
            if match["what"].startswith("->"):
                told.append(_told(ms, match["what"]))
                steps.append(Step(ms, "", {}))
            else:
                steps.append(_step(ms, match["what"]))
        return cls(steps, told)


def read_stories(rule: str) -> dict[str, Story]:
    """The stories of a rule by title."""
    return {title: Story.of(text) for title, text in _texts(rule).items() if title not in _NO_STORIES}


def why_no_story(rule: str) -> set[str]:
    """Which stories a rule has not, with the reason."""
    return _NO_STORIES & _texts(rule).keys()


def _texts(rule: str) -> dict[str, str]:
    found: dict[str, str] = yaml.safe_load((DIRECTORY / f"{rule}.yaml").read_text("utf-8"))
    return found


def rule_named(name: str) -> Rule:
    """The shipped rule."""
    return shipped(only=[name]).rules[0]


@dataclass
class Player:
    """Plays stories through the decoder of a partition and a whole engine, one event a run.

    `receipt_ms` is how much later than its event each record is received.
    """

    rule: str
    settings: EngineSettings = field(default_factory=lambda: EngineSettings(FULL))
    snapshot: Snapshot = SNAPSHOT
    receipt_ms: int = 0
    paused: bool = False
    gain: float = 1.0

    def __post_init__(self) -> None:
        rule = replace(rule_named(self.rule), paused=self.paused, gain=self.gain)
        self.engine = Engine(self.settings, RuleSet([rule]))
        self.engine.versions.swap(self.snapshot)
        for shop in SHOPS:
            self.engine.versions.swap_shop(shop)
        state = self.engine.state
        self.decode = Decoder(self.engine.profiles.row, state.product, 300_000, own_clock=False, page=state.page)
        self.outbox = Outbox(0, self.settings.layout.horizon_ms, ("low", "medium", "high"), self.engine.profiles.keys,
                             replay=self.settings.replay)  # fmt: skip
        self.offsets = [0, 0, 0]
        self.actions: list[Action] = []

    def play(self, steps: list[Step]) -> list[Told]:
        """What the rule tells while the steps happen."""
        for step in steps:
            while (ms := max(self.engine.clock.watermark_ms, START_MS) + DAY_MS // 2) < step.ms:
                self.passes(ms)
            if step.name:
                self.happens(step)
            else:
                self.passes(step.ms)
        return [told_of(action) for action in self.actions]

    def passes(self, ms: int) -> None:
        """Time, without an event: at the pace of a clock, so that nothing is stale when it is told."""
        self._keep(self.engine.advance(ms, ms + self.receipt_ms), [])

    def happens(self, step: Step) -> None:
        """One event, as the record that a shop would send."""
        properties = dict(step.properties)
        visitor, guest = properties.pop("as", None), properties.pop("guest", None)
        whose = {"anonymousId": visitor} if visitor else {"userId": CUSTOMER, "anonymousId": guest}
        call = step.name.lower() if step.name.lower() in CALL_KINDS else "track"
        said = {"identify": {"traits": properties}, "alias": properties}.get(call, {"properties": properties})
        source = INPUTS.index(topic_name(kind_name(call, step.name)))
        offset = self.offsets[source]
        value = {
            "messageId": f"m-{source}-{offset}",
            **whose,
            "type": call,
            "event": step.name,
            "timestamp": from_ms(step.ms),
            **said,
        }
        record = _Record(offset, step.ms + self.receipt_ms, (visitor or CUSTOMER).encode(), orjson.dumps(value))
        self.offsets[source] += 1
        decoded = self.decode(source, [record])
        if decoded.refused or decoded.ignored:
            raise ValueError(f"{step.name!r} is no event that a shop can send: {decoded.refused}")
        self._keep(self.engine.apply(decoded.events, decoded.details), [(source, record)])

    def published(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Topic and value of each record that was put on a topic of actions or audiences since the last call."""
        for topic, _, value in self.outbox.drain():
            if value is not None and (topic.startswith("actions-") or topic == "audiences"):
                yield topic, orjson.loads(value)

    def _keep(self, outcome: Outcome, causes: list[tuple[int, Record]]) -> None:
        self.outbox.tell(outcome, causes, 0)
        self.actions += outcome.actions


class _Record(NamedTuple):
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


def told_of(action: Action) -> Told:
    """What an action says, as a story would tell it."""
    how = f"withheld {action.withheld[0]}" if action.withheld else "enters" if action.entered else "leaves"
    carried = action.carried
    what = (f"{carried.category}: " if carried.category else "") + ", ".join(carried.products)
    return Told(action.time_ms // 60_000 * 60_000, how, action.object, what or None, details_of(action))


def _at(details: Any, path: str) -> Any:
    """What lies in details at a path such as `order.value` or `seen.product`; times as a story tells them."""
    for name in path.split("."):
        details = [each.get(name) for each in details] if isinstance(details, list) else details.get(name)
    return [_since(each) for each in details] if isinstance(details, list) else _since(details)


def _since(value: Any) -> Any:
    """A time as 3d, 1d2h or 90m after the beginning; what is none stays."""
    try:
        left = to_ms(str(value)) - START_MS
    except ValueError:
        return value
    parts = []
    for unit, ms in _UNITS_MS.items():
        number, left = divmod(left, ms)
        parts += [f"{number}{unit}"] if number else []
    return "".join(parts) or "0d"


def busy(story: Story) -> Story:
    """The same story of somebody to whom a machine writes, in the minutes before each time they enter."""
    bursts = [
        Step(max(told.ms - 1_000 * n, START_MS), "Email Bounced", {})
        for told in story.told
        for n in range(3, 0, -1)
        if told.how == "enters"
    ]
    return replace(story, steps=sorted([*story.steps, *bursts], key=lambda step: step.ms))


def _told(ms: int, text: str) -> Told:
    match = _TOLD.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} says neither enters, leaves nor withheld")
    parts = (match["with"] or "").split("; ")
    wanted = {key: yaml.safe_load(value) for key, value in _DETAIL.findall(parts[-1])}
    products = parts[0] if parts[0] and not _DETAIL.match(parts[0]) else None
    return Told(ms, match["how"], match["object"], products, wanted)


def _step(ms: int, text: str) -> Step:
    if text == "...":
        return Step(ms, "", {})
    name = text.split("=", maxsplit=1)[0].rsplit(" ", 1)[0].strip() if "=" in text else text
    properties = {key: yaml.safe_load(value) for key, value in _PROPERTY.findall(text[len(name) :])}
    if "products" in properties:
        line = {"price": 20.0, "quantity": 1} | {k: properties.pop(k) for k in ("category",) if k in properties}
        properties["products"] = [{"product_id": product, **line} for product in properties["products"]]
    return Step(ms, name, properties)


def rules_with_stories() -> set[str]:
    """Names of the rules that a file of stories is there for."""
    return {path.stem for path in DIRECTORY.glob("*.yaml")}

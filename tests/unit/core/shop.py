"""A small shop for tests: events by name, one line each, put through a real engine."""

from dataclasses import dataclass, field, replace

import numpy as np
from strategies.layouts import SMALL

from scoring.engine import Engine, EngineSettings
from scoring.features import FEATURE_VERSION, FEATURES, N_FEATURES
from scoring.gates.news import News
from scoring.kernel import Events
from scoring.kinds import Kind, Source
from scoring.model import LinearScorer, Snapshot
from scoring.outcome import Action, Outcome
from scoring.profile import DAY_MS, HOUR_MS, stable_hash
from scoring.rules import RuleSet, read_rules
from scoring.side import CartItem
from scoring.sides import Detail

START = 1_700_000_000_000 // DAY_MS * DAY_MS
"""Midnight of a day; times of events are given in hours after it."""


def rule(text: str) -> RuleSet:
    """The rules of some YAML."""
    return RuleSet(read_rules(text, "test.yaml"))


def snapshot(version: int = 1, effective_h: float = 0.0, **changes: object) -> Snapshot:
    """A model that scores by decayed orders alone, with ranks from -3 to 3."""
    weight = np.zeros(N_FEATURES)
    weight[FEATURES.index("rhythm.visits_3H")] = 1.0
    scorer = LinearScorer(np.zeros(N_FEATURES), np.ones(N_FEATURES), weight, 0.0, 1e9)
    made = Snapshot(
        version=version,
        effective_ms=START + int(effective_h * HOUR_MS),
        feature_version=FEATURE_VERSION,
        horizon_ms=30 * DAY_MS,
        warming_up=False,
        scorer=scorer,
        quantiles=np.linspace(-3.0, 3.0, 7),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


@dataclass
class Shop:
    """An engine and what it said; each event is a run of its own unless `together` is used."""

    rules: RuleSet
    settings: EngineSettings = field(default_factory=lambda: EngineSettings(layout=SMALL, max_action_age_ms=None))
    actions: list[Action] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    events: Events = field(default_factory=lambda: Events.blank(0))

    def __post_init__(self) -> None:
        self.engine = Engine(self.settings, self.rules)
        self.offset = 0

    def does(
        self,
        hour: float,
        kind: Kind,
        customer: str = "ann",
        *,
        order: str = "",
        item: str = "",
        price: float = 10.0,
        message: str | None = None,
        received_h: float | None = None,
    ) -> "Shop":
        """One event, `hour` hours after the start."""
        return self.together([(hour, kind, customer, order, item, price, message, received_h)])

    def becomes(self, hour: float, former: str, customer: str = "ann") -> "Shop":
        """One event that says who the customer was before."""
        return self.tells(hour, customer=customer, kind=Kind.ALIAS, former=former)

    def tells(
        self, hour: float, *news: News, customer: str = "ann", kind: Kind = Kind.IDENTIFY, former: str = ""
    ) -> "Shop":
        """One event that says something of the customer's standing, or who they were before."""
        events = Events.blank(1)
        events.row[0] = self.engine.profiles.row(customer.encode())
        events.time_ms[0] = events.received_ms[0] = START + int(hour * HOUR_MS)
        events.kind[0], events.source[0], events.offset[0] = kind, Source.CUSTOMERS, self.offset
        events.message[0] = stable_hash(f"m{self.offset}".encode())
        self.offset += 1
        self.events = events
        return self._keep(self.engine.apply(events, {0: Detail(news=news, former=former.encode())}))

    def together(self, rows: list[tuple[float, Kind, str, str, str, float, str | None, float | None]]) -> "Shop":
        """Several events as one run."""
        events, details = Events.blank(len(rows)), {}
        for i, (hour, kind, customer, order, item, price, message, received_h) in enumerate(rows):
            ms = START + int(hour * HOUR_MS)
            events.row[i] = self.engine.profiles.row(customer.encode())
            events.time_ms[i] = ms
            events.received_ms[i] = ms if received_h is None else START + int(received_h * HOUR_MS)
            events.kind[i], events.source[i], events.offset[i] = kind, Source.CLICKSTREAM, self.offset
            events.message[i] = stable_hash((message or f"m{self.offset}").encode())
            events.value[i], events.lines[i], events.quantity[i] = price, 1, 1
            if item:
                number = stable_hash(item.encode())
                events.product[i] = number
                self.engine.state.product(number, item)
            if order or kind in (Kind.PRODUCT_ADDED, Kind.PRODUCT_REMOVED):
                details[i] = Detail(order, (CartItem(item or "shirt", 1.0, price),))
            self.offset += 1
        self.events = events
        return self._keep(self.engine.apply(events, details))

    def until(self, hour: float, received_h: float | None = None) -> "Shop":
        """Let time pass without an event."""
        ms = START + int(hour * HOUR_MS)
        received = ms if received_h is None else START + int(received_h * HOUR_MS)
        return self._keep(self.engine.advance(ms, received))

    def restarted(self) -> "Shop":
        """The same shop after a restart from what was stored."""
        stored = self.engine.changes()
        other = Shop(self.rules, self.settings)
        other.engine.load([key for key, _ in stored], [value for _, value in stored])
        other.engine.restored()
        other.offset = self.offset
        return other

    def told(self) -> list[tuple[str, str, str, str]]:
        """Rule, customer, crossing and the first reason it was withheld for, of each action so far."""
        keys = self.engine.profiles.keys
        return [
            (a.rule, keys[a.row].decode(), "entered" if a.entered else "left", (a.withheld or ("",))[0])
            for a in self.actions
        ]

    def _keep(self, outcome: Outcome) -> "Shop":
        self.outcomes.append(outcome)
        self.actions += outcome.actions
        return self

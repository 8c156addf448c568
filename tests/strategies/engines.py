"""Engines over generated streams: what they tell and what they hold, in a form that can be compared."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import msgspec
import numpy as np
from strategies.event_streams import CUSTOMERS, DAY_MS, HOUR_MS, START_MS, columns_of
from strategies.layouts import FULL
from strategies.shop_known import Known, known_shop

from scoring.carried import Carried, Noted
from scoring.engine import Engine, EngineSettings
from scoring.features import FEATURE_VERSION, N_FEATURES
from scoring.gates import Cap, GateSettings
from scoring.gates.channel import Channel, Purpose
from scoring.gates.news import Consent, Contacted, Language, Name, Network, News, Ordered, Responded, Ticket, Zone
from scoring.kinds import Kind
from scoring.model import Example, LinearScorer, Snapshot
from scoring.outcome import Action, Outcome, Scores
from scoring.rules import Rule, RuleSet, shipped
from scoring.shop.snapshot import ShopSnapshot
from scoring.side import CartItem
from scoring.sides import Detail
from scoring.twin import Event
from scoring.types import RfmCuts, ShopTable

HORIZON_MS = 3 * DAY_MS
GATES = GateSettings(
    consent_unknown=True,
    marketing=Cap(2, 5 * DAY_MS),
    budget_ms=3 * DAY_MS,
    budget_percentile=0.5,
    negative_ms=5 * DAY_MS,
    holdout_global=0.1,
    holdout_rule=0.2,
    zone_offset_ms=lambda zone, _: len(zone) * HOUR_MS,
)
"""Gates that are often shut, and as often open."""
SETTINGS = EngineSettings(replace(FULL, horizon_ms=HORIZON_MS), example_customers=3, gates=GATES, content=True)
ALL_GIVE_EXAMPLES = replace(SETTINGS, example_customers=1_000)
RESTLESS = Rule(name="restless", sentence="Looked at something within a day.", enter="hours_since(product_viewed) < 24")
LIKELY = Rule(name="likely", sentence="Is likely to buy.", enter="probability >= 0.3", exit="probability < 0.2")
TYPED = Rule(name="typed", sentence="Is big or loyal.", enter="type == big or stage == loyal or predicted_value > 900")
DUE = Rule(name="due", sentence="Is due.", enter="expected_next_order < 1 and rfm_group != champions", audience=True)
_SOONER = {
    "win-back": {"quiet": 4},
    "tier-up": {"marks": [10.0, 100.0]},
    "browsing-prospect": {"visits": 2},
    "category-interest": {"views": 2},
    "retarget-bought": {"after": 3, "until": 9},
    "retarget-complement": {"after": 1, "until": 9},
    "milestone": {"marks": [10.0, 100.0]},
    "nth-order": {"once": 3},
    "checkout-stalled": {"within": 20_000},
    "subscriber-silent": {"contacts": 1},
    "subscriber-engaged": {"opened": 1},
}
RULES = RuleSet((*shipped(_SOONER).rules, RESTLESS, LIKELY, TYPED, DUE))
SNAPSHOT = Snapshot(
    version=1,
    effective_ms=START_MS + 2 * DAY_MS,
    feature_version=FEATURE_VERSION,
    horizon_ms=HORIZON_MS,
    warming_up=False,
    scorer=LinearScorer(np.zeros(N_FEATURES), np.ones(N_FEATURES), np.linspace(-0.4, 0.4, N_FEATURES), 0.1, 5.0),
    quantiles=np.linspace(-4.0, 4.0, 101),
    shop=ShopTable(
        RfmCuts(np.array([1.0, 3.0, 6.0, 9.0]), np.array([1.0, 1.0, 2.0, 3.0]), np.linspace(10.0, 300.0, 4)), 4.0, 50.0
    ),
    balances=np.linspace(0.0, 150.0, 11),
    worths=np.linspace(0.0, 90.0, 11),
)
"""A model that takes effect two days after the start and gives every percentile."""

SHOPS = tuple(
    known_shop(
        version,
        START_MS + at_ms,
        {f"p{n}": Known(9.0 - n, (f"p{(n + version) % 5}",), n + 1.5 * version, f"c{n % 2}") for n in range(5)},
        [float((n * version) % 5) for n in range(31)],
    )
    for version, at_ms in enumerate((DAY_MS, 2 * DAY_MS + HOUR_MS, 6 * DAY_MS), 1)
)
"""The shop's knowledge of the products that orders are of, what goes with each and its usual gap, and of when customers
order: always others.
"""

JUDGED = ("withheld", "channel", "not_before_ms", "coupon", "control", "carried")
"""What the gates decide of an action and what it carries: the seventh of an action's tuple and those after it."""


@dataclass
class Told:
    """All that an engine told, in order; what is numbered by the run is named by customer and message instead."""

    scores: list[tuple[Any, ...]] = field(default_factory=list)
    actions: list[tuple[Any, ...]] = field(default_factory=list)
    examples: list[tuple[Any, ...]] = field(default_factory=list)
    content: list[tuple[Any, ...]] = field(default_factory=list)

    def add(self, outcome: Outcome, engine: Engine, events: Sequence[Event]) -> None:
        """Append an outcome of a run of `events`."""
        keys = engine.profiles.keys
        for scores in outcome.scores:
            self.scores += _score_tuples(scores, keys, events)
        self.actions += [_action_tuple(action, keys, events) for action in outcome.actions]
        self.examples += [_example_tuple(example) for example in outcome.examples]
        self.content += [(keys[each.row], *map(_plain, each[1:])) for each in outcome.content]


def new_engine(
    snapshots: Iterable[Snapshot] = (SNAPSHOT,),
    kind: type[Engine] = Engine,
    settings: EngineSettings = SETTINGS,
    shops: Iterable[ShopSnapshot] = SHOPS,
) -> Engine:
    """An engine that knows of the snapshots of the model and the shop from the start."""
    engine = kind(settings, RULES, secret=b"of a test")
    for snapshot in snapshots:
        engine.versions.swap(snapshot)
    for shop in shops:
        engine.versions.swap_shop(shop)
    return engine


def feed(engine: Engine, events: Sequence[Event], told: Told | None = None) -> Told:
    """Apply events as one run."""
    told = told or Told()
    rows = {event.customer: engine.state.row(event.customer) for event in events}
    for number in [number for event in events for number in (event.product, event.category) if number]:
        engine.state.product(number, f"p{number}")  # as decoding tells of both before anything is applied
    for number in [event.product for event in events if event.kind == Kind.PAGE]:
        engine.state.page(number, f"page {number}")
    # What is in the cart is the engine's to say.
    table = columns_of([event._replace(cart_items=-1, cart_value=0.0) for event in events], rows)
    told.add(engine.apply(table, details_of(events)), engine, events)
    return told


def let_pass(engine: Engine, until_ms: int, told: Told, piece: int = 0) -> Told:
    """Let event time pass without an event: at once, or in pieces of so many evaluation points."""
    if not piece:
        told.add(engine.advance(until_ms, until_ms), engine, ())
        return told
    engine.settings = replace(engine.settings, tick_piece=piece)
    for outcome in engine.advance_in_pieces(until_ms, until_ms):
        told.add(outcome, engine, ())
    return told


def details_of(events: Sequence[Event]) -> dict[int, Detail]:
    """By index, what cart and order events carry: `product` numbers the product, or the order."""
    details = {}
    for i, event in enumerate(events):
        if event.source == 1:
            news = (Ordered(event.message % 2 == 0),) if event.kind == Kind.ORDER_COMPLETED else ()
            details[i] = Detail(f"order-{event.product}", lines_of(event), news, event.promised_ms)
        elif event.kind == Kind.ALIAS:
            details[i] = Detail(former=CUSTOMERS[event.product - 1])
        elif event.source == 2:
            details[i] = Detail(news=news_of(event))
        elif event.kind in (Kind.PRODUCT_ADDED, Kind.PRODUCT_REMOVED):
            details[i] = Detail("", (CartItem(_product(event), 1.0 + event.message % 2, 9.5),))
        elif event.kind in (Kind.WISHLIST_ADDED, Kind.WISHLIST_REMOVED):
            details[i] = Detail(_product(event))
    return details


def lines_of(event: Event) -> tuple[CartItem, ...]:
    """What an order is of: one product always, another at times."""
    return tuple(CartItem(f"p{n}", event.quantity, event.value) for n in {1, event.product % 3})


def held(engine: Engine, before: dict[bytes, bytes] | None = None) -> dict[bytes, bytes]:
    """The changelog as a compacted topic has it, after what `changes` adds to it now."""
    rows = dict(before or {})
    for key, value in engine.changes():
        if value is None:
            rows.pop(key, None)
        else:
            rows[key] = value
    return rows


def restored(rows: dict[bytes, bytes], settings: EngineSettings = SETTINGS) -> Engine:
    """A new engine with the state of the rows, in whatever order compaction left them."""
    engine = new_engine(settings=settings)
    keys = sorted(rows, key=lambda key: (len(rows[key]), key))
    engine.load(keys, [rows[key] for key in keys])
    engine.restored()
    return engine


def news_of(event: Event) -> tuple[News, ...]:
    """What an event of the third topic tells of its customer's standing: made up from its message's number.

    Of tickets and networks those of their kinds tell, and no others.
    """
    number, channel = event.message, Channel(event.message % len(Channel))
    if event.kind == Kind.FEEDBACK:
        return (Network(f"n{number % 3}"),) if number % 4 else ()
    if event.kind in (Kind.TICKET_OPENED, Kind.TICKET_SOLVED):
        return (Ticket(f"t{number % 2}", event.kind == Kind.TICKET_OPENED),)
    told: tuple[tuple[News, ...], ...] = (
        (Consent(channel, Purpose.MARKETING, False), Consent(Channel.EMAIL, Purpose.MARKETING, False)),
        tuple(Consent(each, Purpose.MARKETING, False) for each in Channel),
        tuple(Consent(each, Purpose.MARKETING, True) for each in Channel),
        (Contacted(channel, Purpose.MARKETING, number % 3 > 0),),
        (Responded(channel),),
        (Language("de" if number % 2 else "fr", 0.9), Zone("ABCDEFGHIJ"[: number % 11]), Name(f"n{number}")),
    )
    return told[number // 3 % len(told)]


def _product(event: Event) -> str:
    return f"p{event.product}"


def _cause(event: int, events: Sequence[Event]) -> tuple[int, int] | None:
    return None if event < 0 else (events[event].source, events[event].offset)


def _score_tuples(scores: Scores, keys: list[bytes], events: Sequence[Event]) -> list[tuple[Any, ...]]:
    columns = scores.time_ms, scores.row, scores.event, scores.score, scores.percentile, scores.band, scores.previous
    who = scores.who.some(np.arange(len(scores.row)))
    return [
        (time_ms, keys[row], _cause(event, events), *map(_bits, (score, percentile, float(band), previous)),
         tuple(map(_bits, scores.groups[k])), tuple(map(_plain, who[k])), scores.model_version, scores.warming_up)
        for k, (time_ms, row, event, score, percentile, band, previous)
        in enumerate(zip(*(column.tolist() for column in columns), strict=True))
    ]  # fmt: skip


_FIRST = ("time_ms", "row", "rule", "object", "entered", "number", *JUDGED)
_FIELDS = (*_FIRST, "score", "percentile", "warming_up", *(n for n in Action.__struct_fields__ if n not in _FIRST))


def _action_tuple(action: Action, keys: list[bytes], events: Sequence[Event]) -> tuple[Any, ...]:
    scores, place = action.scores, action.place
    values = {name: getattr(action, name) for name in _FIELDS if name not in ("scores", "place")}
    values |= {name: getattr(scores, name)[place].tolist() for name in ("band", "previous", "groups")}
    values |= {name: getattr(scores, name) for name in ("model_version", "shop_version")}
    values["row"], values["event"] = keys[action.row], _cause(action.event, events)
    values["who"] = scores.who.some(np.array([place]))[0]
    return tuple(map(_plain, values.values()))


def _example_tuple(example: Example) -> tuple[Any, ...]:
    values = [getattr(example, each.name) for each in fields(example) if each.name != "features"]
    first = (example.made_ms, example.resolved_ms, example.customer, example.label)
    return (*first, *map(_plain, values), example.features.tobytes())


def _plain(value: Any) -> Any:
    kind = type(value)
    if kind in _AS_THEY_ARE:  # nearly all of them
        return value
    if kind is float:
        return value.hex()
    if kind is tuple or kind is list:
        return tuple(map(_plain, value)) if value else ()
    if isinstance(value, Carried | Noted | CartItem):
        return tuple(map(_plain, msgspec.structs.astuple(value)))
    if isinstance(value, float):
        return _bits(value)
    return tuple(map(_plain, value)) if isinstance(value, list | tuple) else value


_AS_THEY_ARE = frozenset((type(None), bool, int, str, bytes))


def _bits(value: float) -> str:
    # Equal to the bit, and NaN equal to itself.
    return float(value).hex()

"""What a preview says is what happens: live, in a backtest and in a preview the same rules tell the same."""

import io
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from click.testing import CliRunner
from rich.console import Console

from schemas.timestamp import from_ms, to_ms
from scoring.engine import Engine
from scoring.features import FEATURE_VERSION, FEATURES, N_FEATURES
from scoring.kernel import Events
from scoring.learner import Learner
from scoring.model import LinearScorer, Snapshot
from scoring.outcome import Outcome
from scoring.profile import DAY_MS, FAR
from scoring.rules import read_rules
from scoring.rules.book import ALWAYS
from streams.backtest.history import History
from streams.backtest.run import Backtest
from streams.cli.main import main
from streams.cli.preview_tables import past_table
from streams.engine_settings import engine_settings
from streams.learning import learner_config
from streams.living import live_through
from streams.loading import Ready
from streams.outbox import INPUTS
from streams.rule_files import definitions_in_force, rules_in_force
from streams.ruling.known import Known, Version
from streams.ruling.now import beside, look
from streams.ruling.past import Past, Span, preview_files, timeline
from streams.ruling.reached import Bought, Reached, Watch
from streams.settings import Settings
from streams.unit import Unit
from streams.worker import unit_options
from tests.unit.worker.fetched import CLICKS, CUSTOMERS, ORDERS, Fetched, event

START = 1_700_000_000_000 // DAY_MS * DAY_MS
HOUR = 3_600_000
DAYS = 30
FROM, TO = START + 10 * DAY_MS, START + 24 * DAY_MS
OPEN: dict[str, Any] = {"consent_unknown": "yes", "horizon": "3d", "holdout_global": 0.2, "partitions": 1,
                        "marketing_contacts": 3, "marketing_window": "6d", "warm_up_positives": 100_000}  # fmt: skip
LIVE, PAST = Settings(**OPEN), Settings(**OPEN, clock="events")
TEXT = """\
name: quiet-cart
sentence: Has a cart and was not there for half a day.
enter: cart_items > 0 and hours_since(visited) >= 12
cooldown: 3d
---
name: gone
version: 2
sentence: Has not bought for four days.
enter: days_since(order_completed) >= 4
exit: days_since(order_completed) < 4
---
name: each-order
sentence: An order of two days ago.
for_each: order
enter: order_number >= 2
action_class: service
"""
RULES = read_rules(TEXT, "previewed.yaml")
NAMES = [rule.name for rule in RULES]


def shop(customers: int = 40, seed: int = 5) -> tuple[list[Fetched], list[Fetched], list[Fetched]]:
    """Records by input, in order of time: visits, carts and orders of people who differ in how often they come."""
    rng = np.random.default_rng(seed)
    moments = []
    for number in range(customers):
        at = START + int(rng.random() * 10 * DAY_MS)
        while at < START + DAYS * DAY_MS:
            moments.append((at, f"c{number:02d}"))
            at += int(rng.exponential(1 + number % 5) * DAY_MS) + HOUR
    records: tuple[list[Fetched], ...] = ([], [], [])
    for at, who in sorted(moments):
        clicks, orders, said = records
        clicks.append(event(len(clicks), who, "Product Viewed", at, product_id="p"))
        if rng.random() < 0.6:
            clicks.append(event(len(clicks), who, "Product Added", at + 1000, product_id="p", price=5.0))
            if rng.random() < 0.6:
                orders.append(event(len(orders), who, "Order Completed", at + 2000, order_id=f"o{at}", total=5.0))
        if rng.random() < 0.15:
            said.append(event(len(said), who, "Consent Revoked", at + 3000))
    return records  # type: ignore[return-value]


RECORDS = shop()


def known(settings: Settings) -> Known:
    written = definitions_in_force(settings)
    return Known(tuple(Version(rule, written[rule.name]) for rule in rules_in_force(settings).rules))


class Inputs:
    """The records as a preview reads them from topics, some at a time."""

    end = tuple(map(len, RECORDS))

    def __init__(self, step: int) -> None:
        self._at, self._step = [0, 0, 0], step

    def position(self, source: int) -> int:
        """The next to give."""
        return self._at[source]

    def poll(self, sources: Sequence[int]) -> Iterator[tuple[int, list[Fetched]]]:
        """The next ones of some inputs."""
        for source in sources:
            records = RECORDS[source][self._at[source] : self._at[source] + self._step]
            self._at[source] += len(records)
            yield source, records


class Live:
    """A worker's unit that is given each record when it happens, and whose time goes on between."""

    def __init__(self, settings: Settings = LIVE) -> None:
        rules = rules_in_force(settings)
        self.unit = Unit(0, unit_options(settings, rules), timeline=[(ALWAYS, rules)])
        self.unit.ready({})
        self.outputs: list[dict[str, Any]] = []
        self.rows: dict[bytes, bytes | None] = {}

    def until(self, start_ms: int, stop_ms: int) -> "Live":
        """Live from one time to before another, some hours at once."""
        for start in range(start_ms, stop_ms, 3 * HOUR):
            for source in (CLICKS, ORDERS, CUSTOMERS):
                new = [record for record in RECORDS[source] if start <= record.timestamp - 1000 < start + 3 * HOUR]
                self.unit.offer(source, new, new[-1].offset + 1) if new else self.unit.idle(source, 0, 0)
            while self.unit.pump(start + 3 * HOUR - 1):
                pass
            self.keep()
        return self

    def keep(self) -> None:
        """Keep what is to be written since the last time."""
        taken = self.unit.take()
        if taken is not None:
            self.rows.update(taken.rows)
            self.outputs += [
                orjson.loads(value)["data"]
                for topic, _, value in taken.outputs
                if topic.startswith("actions-") and value is not None
            ]

    def told(self, names: Sequence[str], start_ms: int, stop_ms: int) -> set[tuple[Any, ...]]:
        """The crossings of some rules within a time."""
        spans = from_ms(start_ms), from_ms(stop_ms)
        return {
            (
                *(action[field] for field in ("rule", "rule_version", "event_time", "customer_id", "object")),
                *(action[field] for field in ("crossing", "crossing_number")),
                tuple(action.get("withheld", ())),
            )
            for action in self.outputs
            if action["rule"] in names and spans[0] <= action["event_time"] < spans[1]
        }


def history() -> History:
    """The same events, as they are read from files."""
    ready = [
        Ready(INPUTS[source], record.key or b"", record.value or b"", record.timestamp - 1000)
        for source in range(3)
        for record in RECORDS[source]
    ]
    return History(ready)


def rule_actions(engine: Engine, found: list[tuple[Any, ...]]) -> Callable[[Events, Outcome], None]:
    """What an engine tells, as `Live.told` has it."""

    def watch(_: Events, outcome: Outcome) -> None:
        for action in outcome.actions:
            customer, crossing = engine.profiles.keys[action.row].decode(), "entered" if action.entered else "left"
            place = action.rule, action.rule_version, from_ms(action.time_ms), customer, action.object
            found.append((*place, crossing, action.number, action.withheld))

    return watch


@pytest.fixture(scope="module")
def live() -> Live:
    """A worker to whose rules others are added at a time."""
    live = Live()
    live.unit.plan_rules(timeline(known(LIVE), RULES, FROM))
    return live.until(START, START + DAYS * DAY_MS)


@pytest.fixture(scope="module")
def lived(live: Live) -> set[tuple[Any, ...]]:
    """What it tells of those within a time."""
    return live.told(NAMES, FROM, TO)


def test_a_backtest_and_a_worker_tell_the_same_actions(live: Live) -> None:
    """The same rules cross for the same customers at the same moments, with the same gates, ticks included."""
    rules = rules_in_force(PAST)
    engine = Engine(engine_settings(PAST, rules), rules)
    engine.plan_rules(timeline(known(PAST), RULES, FROM))
    found: list[tuple[Any, ...]] = []
    Backtest(engine, Learner(learner_config(PAST)), watch=rule_actions(engine, found)).run(history())
    last_ms = max(record.timestamp for source in RECORDS for record in source) - 1000
    told = live.told((*rules.names, *NAMES), START, last_ms)
    assert {each for each in found if each[2] < from_ms(last_ms)} == told
    assert {each[0] for each in told} == {"browsing-prospect", "cart-abandoned", "second-order", *NAMES}
    assert {reason for each in told for reason in each[-1]} >= {"no_consent", "frequency_cap", "holdout", "cooldown"}


def bought_after(told: set[tuple[Any, ...]], *, withheld: bool, known_ms: int) -> Bought:
    """By a plain count over the records."""
    bought = Bought()
    for _, _, time, customer, _, crossing, _, reasons in told:
        at = to_ms(time)
        if crossing == "entered" and bool(reasons) == withheld and at + PAST.horizon_ms <= known_ms:
            theirs = (r.timestamp - 1000 for r in RECORDS[ORDERS] if r.key == customer.encode())
            bought.known += 1
            bought.yes += any(at < order <= at + PAST.horizon_ms for order in theirs)
    return bought


def expected(told: set[tuple[Any, ...]], known_ms: int) -> dict[str, Reached]:
    """What a preview should say of what was told live."""
    found = {}
    for name in NAMES:
        those = {each for each in told if each[0] == name}
        entered = [each for each in those if each[5] == "entered"]
        found[name] = Reached(
            entered=len(entered),
            left=len(those) - len(entered),
            customers=len({each[3] for each in entered}),
            withheld=Counter(each[-1][0] for each in entered if each[-1]),
            reasons=Counter(reason for each in entered for reason in each[-1]),
            bought_published=bought_after(those, withheld=False, known_ms=known_ms),
            bought_withheld=bought_after(those, withheld=True, known_ms=known_ms),
        )
    return found


@pytest.mark.parametrize("step", [1, 1000])
def test_a_preview_of_the_past_is_what_was_lived(lived: set[tuple[Any, ...]], step: int) -> None:
    """However the topics are read: crossings, customers, reasons and orders afterwards are those of the worker."""
    rules = rules_in_force(PAST)
    watch = Watch(NAMES, FROM, TO, PAST.horizon_ms)
    planned = timeline(known(PAST), RULES, FROM)
    unit = Unit(0, unit_options(PAST, rules), timeline=planned, watch=watch)
    unit.ready({})
    live_through(unit, Inputs(step), FAR)
    known_ms = unit.engine.clock.watermark_ms
    found = watch.reached(known_ms)
    assert found == expected(lived, known_ms)
    assert all(each.published > 0 for each in found.values())
    assert sum((each.withheld for each in found.values()), Counter()).keys() >= {
        "no_consent",
        "frequency_cap",
        "holdout",
    }
    assert all(each.bought_published.known > each.bought_published.yes > 0 for each in found.values())


def test_a_preview_stops_when_all_is_known() -> None:
    """Nothing is read beyond the horizon after the end."""
    unit = Unit(0, unit_options(PAST, rules_in_force(PAST)))
    unit.ready({})
    inputs = Inputs(5)
    live_through(unit, inputs, START + 2 * DAY_MS)
    assert unit.engine.clock.watermark_ms >= START + 2 * DAY_MS
    assert inputs.position(CLICKS) < len(RECORDS[CLICKS]) // 2


def test_a_preview_of_files_is_what_was_lived(
    lived: set[tuple[Any, ...]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`recompra rules preview --input` says the same of the same events in a file."""
    for name, value in OPEN.items():
        monkeypatch.setenv(f"RECOMPRA_{name.upper()}", str(value))
    events, rules = tmp_path / "events.ndjson", tmp_path / "rules.yaml"
    events.write_bytes(b"".join((r.value or b"") + b"\n" for source in RECORDS for r in source))
    rules.write_text(TEXT)
    span = ["--from", from_ms(FROM), "--to", from_ms(TO)]
    command = ["rules", "preview", str(rules), "--input", str(events), *span, "--json"]
    done = CliRunner().invoke(main, command, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    data = json.loads(done.stdout)
    want = expected(lived, to_ms(data["known_until"]))
    assert data["customers"] == 40
    for each in data["rules"]:
        one = want[each["name"]]
        assert (each["entered"], each["customers"], each["left"]) == (one.entered, one.customers, one.left)
        assert (each["published"], each["withheld"]) == (one.published, dict(one.withheld))
        assert each["bought"]["published"] == {"known": one.bought_published.known, "yes": one.bought_published.yes}


def test_who_bought_under_another_id_has_bought() -> None:
    """A visitor's cart was told of, and bought after signing in: one customer, who bought."""
    said = {"type": "track", "messageId": "a", "event": "Product Added", "properties": {"product_id": "p"}}
    signed_in = {"type": "identify", "messageId": "b", "userId": "ada", "anonymousId": "visitor"}
    bought = {"type": "track", "messageId": "c", "event": "Order Completed", "userId": "ada"}
    looked = {"type": "page", "messageId": "d", "userId": "bob"}
    events = [
        Ready(topic, who, orjson.dumps({**value, "timestamp": from_ms(START + hour * HOUR)}), START + hour * HOUR)
        for topic, who, hour, value in (
            ("clickstream", b"visitor", 0, said | {"anonymousId": "visitor"}),
            ("customers", b"ada", 24, signed_in),
            ("orders", b"ada", 25, bought | {"properties": {"order_id": "1", "total": 10}}),
            ("clickstream", b"bob", 240, looked),
        )
    ]
    settings = PAST.model_copy(update={"holdout_global": 0.0})
    versions = tuple(Version(rule, {}) for rule in RULES)
    past = preview_files(settings, History(events), Known(versions), RULES, Span())
    found = past.rules["quiet-cart"]
    assert (found.entered, found.customers, found.published) == (2, 1, 1)
    assert found.bought_published == Bought(1, 1)
    assert past.customers == 2


def test_a_table_says_why_and_what_was_bought() -> None:
    """A row a rule, also of one that nobody entered; what is not known yet is said to be so."""
    one = Reached(3000, 7, 2500, Counter(holdout=2, no_consent=30), Counter(), Bought(40, 10))
    table = past_table(RULES, Past({"gone": one}, 9000, START))
    console = Console(width=200, file=io.StringIO(), record=True)
    console.print(table)
    lines = [" ".join(line.split()) for line in console.export_text().splitlines()]
    assert lines[1] == "quiet-cart 1 0 0 0 0 not known yet not known yet"
    assert lines[2] == "gone 2 3,000 2,500 2,968 32 (no_consent 30, holdout 2) 10 of 40 (25%) not known yet"


STEADY = read_rules(
    "name: cart-open\nsentence: Has a cart.\nenter: cart_items > 0\n---\n"
    "name: twice\nsentence: Bought twice.\nenter: orders >= 2\n---\n"
    "name: win-back\nversion: 2\nsentence: Bought.\nenter: orders >= 1\n---\n"
    "name: likely\nsentence: Likely to buy.\nenter: percentile >= 0.5\nexit: percentile < 0.4\n",
    "steady.yaml",
)
"""What time alone does not change: whoever enters within a day would enter now."""


def model() -> Snapshot:
    """One that ranks by orders alone, which time does not change."""
    weight = np.zeros(N_FEATURES)
    weight[FEATURES.index("frequency.log_orders")] = 1.0
    scorer = LinearScorer(np.zeros(N_FEATURES), np.ones(N_FEATURES), weight, 0.0, 1e9)
    return Snapshot(
        version=1,
        effective_ms=START,
        feature_version=FEATURE_VERSION,
        horizon_ms=LIVE.horizon_ms,
        warming_up=False,
        scorer=scorer,
        quantiles=np.linspace(0.0, 2.0, 5),
    )


def test_who_would_enter_now_is_who_enters_when_the_rules_are_applied() -> None:
    """From the stored rows alone: as many enter, and as many are withheld for each reason, as live in the next day."""
    settings = LIVE.model_copy(update={"marketing_contacts": -1})
    names = [rule.name for rule in STEADY]
    live = Live(settings).until(START, FROM)
    live.unit.swap_model(model())
    stored = Unit(0, unit_options(settings, rules_in_force(settings)), [model()])
    stored.restore(list(live.rows), list(live.rows.values()))
    stored.ready({})
    found = look(stored, beside(rules_in_force(settings).rules, STEADY), names)
    live.unit.plan_rules(timeline(known(settings), STEADY, FROM))
    for hour in range(26):
        while live.unit.pump(FROM + hour * HOUR):
            pass
    live.keep()
    told = live.told(names, FROM, FROM + 2 * DAY_MS)
    for name in names:
        entered = [each for each in told if each[0] == name]
        assert found[name].entered == found[name].customers == len(entered) > 5
        assert found[name].withheld == Counter(each[-1][0] for each in entered if each[-1])
    assert found["twice"].withheld.keys() == {"no_consent", "holdout"}


def test_what_is_wrong_is_told_before_anything_is_read(tmp_path: Path) -> None:
    """Mistakes in the rules, and a time that ends before it begins."""
    rules = tmp_path / "rules.yaml"
    rules.write_text(TEXT.replace("cart_items", "kart_items"))
    done = CliRunner().invoke(main, ["rules", "preview", str(rules), "--input", str(rules)])
    assert done.exit_code == 1
    assert "nearest known: 'cart_items'" in done.stderr
    done = CliRunner().invoke(main, ["rules", "preview", str(rules), "--from", "2024-05-01", "--to", "2024-05-01"])
    assert done.exit_code == 2
    assert "--to must be later than --from" in done.stderr

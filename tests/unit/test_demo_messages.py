"""What the demo's synthetic clicks look like on the topic."""

import ast
from pathlib import Path

import msgspec
import numpy as np

import streams.demo
from schemas.adapters.canonical import Canonical
from schemas.events import Event
from schemas.names import kind_name
from streams.demo.clicks import Click, Clicks, clickstream
from streams.demo.history import DAY_MS, History, Order, history_of, orders_of
from streams.demo.messages import click_messages

START = 14_944 * DAY_MS


def stream(seed: int = 1) -> tuple[History, Clicks]:
    orders = [
        Order(f"{12_000 + i % 40}", START + i * DAY_MS // 6, ((f"P{i % 9}", f"TEA MUG {i % 9}", 1.25),))
        for i in range(240)
    ]
    history = history_of(orders)
    return history, clickstream(history, seed, START, START + 40 * DAY_MS)


def test_every_click_says_that_it_is_synthetic() -> None:
    """Each message carries `context.synthetic: true`, and its id says so too."""
    messages = list(click_messages(*stream()))
    assert len(messages) > 1_000
    for message in messages:
        value = msgspec.json.decode(message.value)
        assert value["context"]["synthetic"] is True
        assert value["messageId"].startswith("synthetic-")


def test_message_ids_are_unique_and_times_ascend() -> None:
    """A click has an id of its own, and the messages come in the order of event time."""
    messages = list(click_messages(*stream()))
    assert len({msgspec.json.decode(m.value)["messageId"] for m in messages}) == len(messages)
    assert [m.time_ms for m in messages] == sorted(m.time_ms for m in messages)


def test_clicks_are_events_that_the_pipeline_knows() -> None:
    """Each click decodes as an event whose kind is known, with the time it was made at and the key it has."""
    kinds = set()
    for message in click_messages(*stream()):
        event = msgspec.json.decode(message.value, type=Event)
        kind = kind_name(event.type, event.event)
        assert kind is not None, event
        kinds.add(kind)
        assert (event.userId or event.anonymousId or "") == message.key.decode()
    assert kinds >= {"PAGE", "LIST_VIEWED", "SEARCHED", "PRODUCT_VIEWED", "PRODUCT_ADDED", "PRODUCT_REMOVED"}


def test_prospects_are_anonymous_and_apart_from_customers() -> None:
    """A prospect's id begins with `visitor-`, is an anonymousId, and is no customer's."""
    history, clicks = stream()
    for message in click_messages(history, clicks):
        event = msgspec.json.decode(message.value, type=Event)
        if event.userId is None:
            assert str(event.anonymousId).startswith("visitor-")
        else:
            assert event.userId in history.customers


def test_some_carts_are_left_open_and_some_are_emptied() -> None:
    """Carts end in both ways, and what is removed was added before in the same visit."""
    _, clicks = stream()
    added = {(w, d, line) for w, d, line in _of(clicks, Click.ADD)}
    removed = {(w, d, line) for w, d, line in _of(clicks, Click.REMOVE)}
    assert removed
    assert removed < added


def test_the_same_seed_gives_the_same_clicks() -> None:
    """The seed decides everything, and another seed gives other clicks."""
    first, again, other = (list(click_messages(*stream(seed))) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_no_orders_give_no_customer_clicks() -> None:
    """A shop without orders has no customers and nothing to show, and that is not an error."""
    history = history_of([])
    clicks = clickstream(history, 1, START, START + 5 * DAY_MS)
    assert clicks.prospect.all()
    assert np.all(clicks.line == -1)
    assert len(list(click_messages(history, clicks))) > 0


def test_only_completed_orders_become_history() -> None:
    """Cancellations and lines without a price are left out."""
    lines = [{"product_id": "A", "price": 2.5}, {"product_id": "B", "price": 0}, {"product_id": "C"}]
    events = [
        Canonical("orders", "7", START, {"event": "Order Completed", "properties": {"products": lines}}),
        Canonical("orders", "7", START, {"event": "Order Cancelled", "properties": {"products": lines}}),
    ]
    assert orders_of(events) == [Order("7", START, (("A", "A", 2.5),))]


def test_the_generator_does_not_read_the_rules() -> None:
    """The modules that draw the clicks import nothing of the pipeline but the adapters' record."""
    folder = Path(streams.demo.__file__).parent
    for name in ("chance", "history", "visits", "clicks", "messages"):
        tree = ast.parse((folder / f"{name}.py").read_text())
        imported = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        ours = {module for module in imported if module.startswith(("streams", "scoring", "schemas"))}
        allowed = (
            "streams.demo.chance",
            "streams.demo.history",
            "streams.demo.visits",
            "streams.demo.clicks",
        )
        assert ours <= {"schemas.adapters.canonical", *allowed}, name


def _of(clicks: Clicks, click: Click) -> list[tuple[int, int, int]]:
    which = clicks.click == click
    return list(zip(clicks.who[which].tolist(), clicks.day[which].tolist(), clicks.line[which].tolist(), strict=True))

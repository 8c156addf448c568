"""What the demo's synthetic clicks and deeds look like on the topics."""

import ast
from pathlib import Path

import msgspec
import numpy as np

import streams.demo
from schemas.adapters.canonical import Canonical
from schemas.events import Event
from schemas.names import kind_name, topic_name
from streams.demo.clicks import Click, Clicks, clickstream
from streams.demo.coupons import with_coupons
from streams.demo.deed_messages import deed_messages
from streams.demo.deeds import HOUR_MS, Deed, in_order
from streams.demo.guests import as_guests, becoming_known
from streams.demo.history import DAY_MS, History, Order, history_of, orders_of
from streams.demo.messages import Message, click_messages
from streams.demo.plan import deeds_around

START = 14_944 * DAY_MS


def stream(seed: int = 1) -> tuple[History, Clicks]:
    orders = [
        Order(f"{12_000 + i % 40}", START + i * DAY_MS // 6, ((f"P{i % 9}", f"TEA MUG {i % 9}", 1.25),))
        for i in range(240)
    ]
    history = history_of(orders)
    return history, clickstream(history, seed, START, START + 40 * DAY_MS)


def deeds(seed: int = 1) -> list[Message]:
    """Those of 200 customers, half of whom come from Germany."""
    orders = [
        Order(f"{12_000 + i % 200}", START + i * DAY_MS // 10, ((f"P{i % 9}", "TEA MUG", 1.25),), f"N{i}", 200.0)
        for i in range(1500)
    ]
    history = history_of(orders)
    countries = {f"{12_000 + i}": "Germany" for i in range(0, 200, 2)}
    return list(deed_messages(history, deeds_around(history, seed, START, START + 200 * DAY_MS), countries))


def test_deeds_are_events_that_the_pipeline_knows_on_their_topics() -> None:
    """Each sort of deed happens, is marked as synthetic, has an id of its own, and lies where its kind belongs."""
    messages = deeds()
    values = [msgspec.json.decode(message.value) for message in messages]
    assert len({value["messageId"] for value in values}) == len(values)
    assert all(value["context"]["synthetic"] is True for value in values)
    assert [m.time_ms for m in messages] == sorted(m.time_ms for m in messages)
    for message in messages:
        event = msgspec.json.decode(message.value, type=Event)
        kind = kind_name(event.type, event.event)
        assert kind is not None, event
        assert topic_name(kind) == message.topic
        assert (event.userId or event.anonymousId or "") == message.key.decode()
    names = {deed.name.lower() for deed in Deed}
    told = {next(name for name in names if f"-{name}-" in value["messageId"]) for value in values}
    assert told == names


def test_deeds_follow_from_the_seed() -> None:
    """The same seed gives the same deeds to the byte, another seed others."""
    first = deeds()
    assert first == deeds()
    assert first != deeds(2)


def test_nobody_who_said_no_is_subscribed_and_letters_go_to_subscribers_only() -> None:
    """A newsletter is delivered between subscribing and leaving, and only after a yes."""
    subscribed: set[bytes] = set()
    letters = 0
    for message in deeds():
        name = msgspec.json.decode(message.value).get("event")
        if name == "Subscribed":
            subscribed.add(message.key)
        elif name in ("Unsubscribed", "Consent Revoked", "Consent Denied"):
            subscribed.discard(message.key)
        elif name == "Email Delivered":
            letters += 1
            assert message.key in subscribed
    assert letters > 100


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
    assert kinds >= {"WISHLIST_ADDED", "CHECKOUT_STARTED"}


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
    assert orders_of(events) == [Order("7", START, (("A", "A", 2.5),), worth=2.5)]


def test_some_customers_buy_with_coupons_and_most_do_not() -> None:
    """By customer and order alone: with another seed others, without later orders the same; nothing else differs."""
    orders = [
        Canonical("orders", f"{12_000 + i % 300}", START + i, {
            "event": "Order Cancelled" if i % 7 == 0 else "Order Completed", "properties": {"order_id": f"N{i}"},
        })
        for i in range(3_000)
    ]  # fmt: skip
    told = with_coupons(orders, 1)
    used = {order.value["properties"]["order_id"] for order in told if "coupon" in order.value["properties"]}
    share = {
        key: [e.value["properties"]["order_id"] in used for e in told if e.key == key] for key in {e.key for e in told}
    }
    hunters = sum(sum(each) >= 0.5 * len(each) for each in share.values())
    assert 10 <= hunters <= 40
    assert all(order.value["event"] == "Order Completed" for order in told if "coupon" in order.value["properties"])
    assert told[:500] == with_coupons(orders[:500], 1)
    assert told != with_coupons(orders, 2)
    without = [{k: v for k, v in order.value["properties"].items() if k != "coupon"} for order in told]
    assert without == [order.value["properties"] for order in orders]


def test_guests_order_first_and_are_known_afterwards() -> None:
    """The first order of a few customers is under another id, which an alias gives up within a week; no other order."""
    orders = [
        Canonical("orders", f"{12_000 + i % 200}", START + i * HOUR_MS, {
            "event": "Order Completed", "userId": f"{12_000 + i % 200}", "properties": {"order_id": f"N{i}"},
        })
        for i in range(600)
    ]  # fmt: skip
    history = history_of(orders_of(orders))
    told = as_guests(orders, history, 1)
    guests = {order.value["anonymousId"]: order for order in told if "anonymousId" in order.value}
    assert 5 <= len(guests) <= 25
    assert all(order == before for order, before in zip(told, orders, strict=True) if order.key not in guests)
    assert all(int(order.value["properties"]["order_id"][1:]) < 200 for order in guests.values())
    done = in_order([becoming_known(history, 1)], START, START + 900 * DAY_MS)
    aliases = [(m.time_ms, m.key.decode(), msgspec.json.decode(m.value)) for m in deed_messages(history, done, {})]
    assert {said["previousId"] for _, _, said in aliases} == set(guests)
    for time_ms, customer, said in aliases:
        order = guests[said["previousId"]]
        assert said["previousId"] == f"guest-{customer}" == f"guest-{said['userId']}"
        assert order.time_ms + HOUR_MS <= time_ms <= order.time_ms + HOUR_MS + 7 * DAY_MS


def test_the_generator_does_not_read_the_rules() -> None:
    """The modules that draw the clicks import nothing of the pipeline but the adapters' record."""
    folder = Path(streams.demo.__file__).parent
    generator = ("categories", "chance", "clicks", "coupons", "deed_messages", "deeds", "guests", "history",
                 "letters", "loyalty", "messages", "parcels", "visits")  # fmt: skip
    for name in generator:
        tree = ast.parse((folder / f"{name}.py").read_text())
        imported = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        ours = {module for module in imported if module.startswith(("streams", "scoring", "schemas"))}
        assert ours <= {"schemas.adapters.canonical", *(f"streams.demo.{other}" for other in generator)}, name


def _of(clicks: Clicks, click: Click) -> list[tuple[int, int, int]]:
    which = clicks.click == click
    return list(zip(clicks.who[which].tolist(), clicks.day[which].tolist(), clicks.line[which].tolist(), strict=True))

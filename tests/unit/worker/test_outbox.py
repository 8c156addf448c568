"""What a partition tells: valid by the JSON Schemas, with ids and reasons that follow from the input alone."""

import math
from collections import defaultdict
from typing import Any

import orjson
from jsonschema import Draft202012Validator
from strategies.layouts import FULL

from schemas.documents import document
from schemas.topics import expand
from scoring.engine import EngineSettings
from scoring.rules import shipped
from streams.commit import Taken
from streams.unit import Unit
from streams.unit_options import UnitOptions
from tests.unit.worker.fetched import CLICKS, CUSTOMERS, ORDERS, Fetched, event

NOW = 1_700_000_000_000
DAY = 86_400_000
RULES = shipped()
SCHEMAS = {spec.name: spec.value for spec in expand(RULES.names, 4)}


def lived(cut: int) -> list[tuple[str, bytes | None, bytes | None]]:
    """Forty days of a small shop, offered in slices of a size; what is told apart from watermarks and progress."""
    unit = Unit(
        2, UnitOptions(EngineSettings(FULL, max_action_age_ms=None, content=True), RULES, 600_000, True, 10_000)
    )
    unit.ready({CLICKS: -1, ORDERS: -1, CUSTOMERS: -1})
    clicks: list[Fetched] = []
    orders: list[Fetched] = []
    for day in range(40):
        for c in range(6):
            at = NOW + day * DAY + c * 3_600_000
            name = ("Product Viewed", "Product Added")[(day + c) % 2]
            clicks.append(event(len(clicks), f"c{c}/ä", name, at, product_id=f"p{c}", price=3.0, quantity=1))
            if c == 5:  # the cart is told of twice a day, the second time within its cooldown
                later = at + 6 * 3_600_000
                clicks.append(event(len(clicks), "c5/ä", "Product Added", later, product_id="p5", price=3.0))
            if (day + c) % 13 == 0:
                orders.append(
                    event(len(orders), f"c{c}/ä", "Order Completed", at + 1, order_id=f"o{day}-{c}", total=9.0)
                )
    clicks += [
        Fetched(len(clicks), NOW, None, b"\xff"),
        event(len(clicks) + 1, "c", "Product Viewed", NOW - 99 * DAY, product_id="x"),
    ]
    unit.idle(CUSTOMERS, 0, 0)
    for source, records in ((ORDERS, orders), (CLICKS, clicks)):
        for start in range(0, len(records), cut):
            unit.offer(source, records[start : start + cut], len(records))
    while unit.pump(NOW):
        pass
    taken: Taken | None = unit.take()
    assert taken is not None
    return taken.outputs


def by_topic(outputs: list[tuple[str, bytes | None, bytes | None]]) -> dict[str, list[Any]]:
    found = defaultdict(list)
    for topic, _, value in outputs:
        found[topic].append(orjson.loads(value or b""))
    return found


def test_everything_told_is_valid_by_its_schema() -> None:
    """Scores, actions, withheld ones, audiences, examples, watermarks, progress, dead letters and late records."""
    found = by_topic(lived(7))
    assert {
        "scores", "actions-cart-abandoned", "actions-second-order", "actions-withheld", "audiences", "content",
        "examples", "progress", "clickstream-dlq", "clickstream-late",
    } <= found.keys()  # fmt: skip
    for topic, values in found.items():
        validator = Draft202012Validator(document(SCHEMAS[topic]))
        for value in values:
            validator.validate(value)


def test_records_lie_under_the_customer_s_id() -> None:
    """The key of an output about a customer is their id, so that it lies with their input."""
    for topic, key, value in lived(50):
        said = orjson.loads(value or b"")
        if "data" in said and "customer_id" in said["data"]:
            assert key == said["data"]["customer_id"].encode(), topic


def test_ids_are_unique_and_do_not_depend_on_the_slices() -> None:
    """Two lives of the same input, cut differently, tell the same under the same ids, each id once a topic."""
    one, other = by_topic(lived(3)), by_topic(lived(100))
    for topic in one.keys() | other.keys():
        if topic == "progress":
            continue
        assert one[topic] == other[topic], topic
        if not topic.endswith("-late"):
            ids = [value["id"] for value in one[topic]]
            assert len(ids) == len(set(ids)), topic


def test_the_reasons_of_a_score_add_up_to_its_log_odds() -> None:
    """Contributions of the groups and the intercept sum to the log-odds."""
    for value in by_topic(lived(50))["scores"]:
        score = value["data"]["score"]
        total = sum(reason["contribution"] for reason in value["data"]["reasons"])
        assert math.isclose(total, math.log(score / (1 - score)), abs_tol=1e-7)

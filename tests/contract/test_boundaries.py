"""Boundaries: `schemas` stands alone, and names kinds as `scoring` does."""

import subprocess
import sys

from schemas.checks import NEEDS_ORDER, NEEDS_PRODUCT, NEEDS_TICKET
from schemas.names import CALL_KINDS, EVENT_KINDS, kind_name, topic_name
from scoring.kinds import Kind

EVERYTHING = """
import pkgutil, sys
import schemas
for module in pkgutil.walk_packages(schemas.__path__, "schemas."):
    __import__(module.name)
print(*sorted(sys.modules))
"""


def test_schemas_imports_neither_streams_nor_scoring() -> None:
    """A process that imports every module of `schemas` has no other package of ours, and no Kafka client."""
    ran = subprocess.run([sys.executable, "-c", EVERYTHING], capture_output=True, text=True, check=True)
    roots = {name.split(".")[0] for name in ran.stdout.split()}
    assert "schemas" in roots
    assert not roots & {"streams", "scoring", "faust", "aiokafka", "kafka", "numpy", "numba"}


def test_kinds_are_named_as_in_scoring() -> None:
    """Every kind has a name on the wire, and every name on the wire has a kind."""
    assert set(EVENT_KINDS.values()) | set(CALL_KINDS.values()) == {kind.name for kind in Kind}
    assert {*NEEDS_ORDER, *NEEDS_PRODUCT, *NEEDS_TICKET} <= {kind.name for kind in Kind}


def test_names_are_compared_without_case_and_blanks() -> None:
    """`PRODUCT VIEWED` and ` Product Viewed ` are one name; names of other alphabets are compared as they are."""
    assert kind_name("track", " PRODUCT viewed\t") == "PRODUCT_VIEWED"
    assert kind_name("track", "Product\u00a0Viewed") is None
    assert kind_name("track", None) is None
    assert kind_name("page", "Order Completed") == "PAGE"
    assert kind_name("Page", None) is None


def test_orders_and_people_have_their_own_inputs() -> None:
    """Orders go to `orders`, what is known of people to `customers`, all else to `clickstream`."""
    topics = {kind.name: topic_name(kind.name) for kind in Kind}
    assert {name for name, topic in topics.items() if topic == "orders"} == set(NEEDS_ORDER)
    assert topics["EMAIL_OPENED"] == topics["IDENTIFY"] == topics["TICKET_OPENED"] == "customers"
    assert topics["PAGE"] == topics["PRODUCT_ADDED"] == topic_name(None) == "clickstream"

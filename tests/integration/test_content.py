"""The example of a site: it holds `content` as key and value, and serves what changes."""

import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from kafka import KafkaProducer

from streams.settings_sources import load
from streams.topics import create, wanted

ROOT = Path(__file__).resolve().parents[2]
VALID = ROOT / "schemas" / "examples" / "content" / "valid" / "customer.json"


def shown(address: str, customer: str) -> dict[str, Any]:
    """What the site answers."""
    with urlopen(f"{address}/{customer}", timeout=30) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


def awaited(address: str, customer: str, field: str, value: object) -> object:
    """The field of what a customer is shown, once it has the value, or at last whatever it is."""
    for _ in range(120):
        if (found := shown(address, customer)[field]) == value:
            break
        time.sleep(0.25)
    return found


@pytest.mark.broker
def test_a_site_shows_the_latest_decision(fresh_broker: Any) -> None:
    """What was there at the start, what changes, what strangers see, and nothing of who was deleted."""
    settings = load(broker=fresh_broker.address, partitions=2).settings
    create(settings, wanted(settings, ()))
    event = json.loads(VALID.read_text())
    with KafkaProducer(bootstrap_servers=fresh_broker.address) as producer:
        producer.send("content", json.dumps(event).encode(), key=b"c-1042").get(30)
        program = [sys.executable, "-u", str(ROOT / "examples" / "content_site.py"), fresh_broker.address, "0"]
        with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                said = re.fullmatch(r"1 customers; (http://\S+)/CUSTOMER\n", process.stdout.readline())
                assert said is not None
                assert shown(said[1], "c-1042") == event["data"]
                assert shown(said[1], "nobody")["products"] == []
                event["data"] |= {"version": 4, "products": ["mug-3"]}
                producer.send("content", json.dumps(event).encode(), key=b"c-1042").get(30)
                assert awaited(said[1], "c-1042", "products", ["mug-3"]) == ["mug-3"]
                producer.send("content", None, key=b"c-1042").get(30)
                assert awaited(said[1], "c-1042", "segment", "unknown") == "unknown"
            finally:
                process.kill()

"""The naive way: a Faust agent an event, a table of dicts, a river pipeline. `python -m benchmarks.naive`

Written as the documentation of Faust and river shows it, with what costs nothing: orjson, a memory store, a
changelog, twenty records a poll instead of one. It de-duplicates, keeps state, computes the same features,
scores each event, publishes a score when it moved and the crossings that it can tell without timers.
"""

import argparse
import asyncio
import json
import os
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import faust
import numpy as np
import orjson
from river import compose, linear_model, optim, preprocessing

from benchmarks import dict_state
from schemas.timestamp import from_ms, to_ms
from scoring.features import FEATURES

__all__ = ["SETTINGS"]

SETTINGS: dict[str, Any] = {
    "store": "memory://",
    "processing_guarantee": "at_least_once",
    "broker_commit_interval": 1.0,
    "broker_max_poll_records": 4000,
    "stream_buffer_maxsize": 4096,
    "producer_linger": 0.01,
    "producer_max_batch_size": 524_288,
    "consumer_auto_offset_reset": "earliest",
    "topic_replication_factor": 1,
    "topic_disable_leader": True,
    "web_enabled": False,
}
_DELTA = 0.02
_EXAMPLES = 5_000


def learned(path: Path) -> tuple[Any, float, float]:
    """The river pipeline after a history's examples, and the scores at the ranks 0.8 and 0.7."""
    data = np.load(path)
    model = compose.Pipeline(
        preprocessing.StandardScaler(),
        linear_model.LogisticRegression(optim.SGD(0.001), intercept_lr=0.001),
    )
    kept = [(i, name) for i, name in enumerate(FEATURES) if not name.startswith("clock.")]
    for row, label in zip(data["X"][-_EXAMPLES:].tolist(), data["y"][-_EXAMPLES:].tolist(), strict=True):
        model.learn_one({name: row[i] for i, name in kept}, bool(label))
    scores = [model.predict_proba_one({name: row[i] for i, name in kept})[True] for row in data["X"][-1000:].tolist()]
    return model, float(np.quantile(scores, 0.8)), float(np.quantile(scores, 0.7))


class Progress:
    """How far the run has come, and what it cost."""

    def __init__(self, warm: int, events: int) -> None:
        self.warm, self.events = warm, warm + events
        self.seen = self.published = 0
        self.begun_s = self.begun_cpu_s = 0.0

    def count(self) -> None:
        """Count an event; the clock runs from the first after those that fill the state."""
        if self.seen == self.warm:
            self.published = 0
            self.begun_s, self.begun_cpu_s = time.perf_counter(), time.process_time()
        self.seen += 1

    def told(self) -> dict[str, float]:
        """What the run came to."""
        return {
            "events": self.seen - self.warm,
            "cpu_s": time.process_time() - self.begun_cpu_s,
            "wall_s": time.perf_counter() - self.begun_s,
            "published": self.published,
            "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }


def application(
    name: str, broker: str, partitions: int, model: tuple[Any, float, float], progress: Progress
) -> faust.App:
    """The Faust application."""
    pipeline, enter, leave = model
    app = faust.App(name, broker=f"kafka://{broker}", topic_partitions=partitions, **SETTINGS)
    events = app.topic(f"{name}-clickstream", f"{name}-orders", key_type=str, value_type=bytes, value_serializer="raw")
    table = app.Table("customers", partitions=partitions, key_type=str)
    scores = app.topic(f"{name}-scores", partitions=partitions, key_type=str, value_serializer="raw")
    actions = app.topic(f"{name}-actions", partitions=partitions, key_type=str, value_serializer="raw")

    def told(kind: str, event: dict[str, Any], data: dict[str, Any]) -> bytes:
        return orjson.dumps(
            {
                "specversion": "1.0",
                "id": f"{kind}/{event['messageId']}",
                "source": "/naive",
                "type": f"naive.{kind}",
                "subject": event["userId"],
                "time": event["timestamp"],
                "datacontenttype": "application/json",
                "data": data,
            }
        )

    @app.agent(events)
    async def score(stream: Any) -> None:
        async for value in stream:
            progress.count()
            event = orjson.loads(value)
            customer, now = event["userId"], to_ms(event["timestamp"])
            state = table.get(customer) or dict_state.blank(now)
            if dict_state.apply(state, event, now):
                x = dict_state.features(state, max(now, state["last"]))
                p = pipeline.predict_proba_one(x)[True]
                data = {"customer_id": customer, "score": p, "previous": state["published"], "event_time": from_ms(now)}
                crossings = _crossings(state, event, p, enter, leave)
                if state["published"] is None or abs(p - state["published"]) >= _DELTA or crossings:
                    state["published"] = p
                    progress.published += 1
                    await scores.send(key=customer, value=told("score", event, data))
                for rule, entered in crossings:
                    progress.published += 1
                    crossing = {**data, "rule": rule, "crossing": "entered" if entered else "left"}
                    await actions.send(key=customer, value=told("action", event, crossing))
            table[customer] = state
            if progress.seen == progress.events:
                asyncio.get_running_loop().create_task(_end(app, progress))

    return app


def _crossings(
    state: dict_state.State, event: dict[str, Any], p: float, enter: float, leave: float
) -> list[tuple[str, bool]]:
    found = []
    inside = state["inside"]
    if p >= enter and not inside.get("high-propensity"):
        inside["high-propensity"] = True
        found.append(("high-propensity", True))
    elif p < leave and inside.get("high-propensity"):
        inside["high-propensity"] = False
        found.append(("high-propensity", False))
    prospect = state["n_orders"] == 0 and len(state["days"]) >= 3
    if prospect != inside.get("browsing-prospect", False):
        inside["browsing-prospect"] = prospect
        found.append(("browsing-prospect", prospect))
    if event.get("event") == "Order Completed" and state["n_orders"] == 2:
        found.append(("second-order", True))
    return found


async def _end(app: faust.App, progress: Progress) -> None:
    """Commit what was applied, print what it cost, and end the process: nothing else is of interest."""
    await asyncio.sleep(0)
    await app.producer.flush()
    await app.consumer.commit()
    # Faust writes what is printed to its log.
    print(json.dumps(progress.told()), file=sys.__stdout__, flush=True)
    os._exit(0)


def main() -> None:
    """Run until so many events are applied, then print a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--broker", required=True)
    parser.add_argument("--id", default="naive", help="application id, and what its topics begin with")
    parser.add_argument("--events", type=int, required=True)
    parser.add_argument("--warm", type=int, default=0, help="events before those, which fill the state")
    parser.add_argument("--partitions", type=int, default=4)
    parser.add_argument("--examples", type=Path, required=True, help="npz with X and y to learn from first")
    options = parser.parse_args()
    app = application(
        options.id,
        options.broker,
        options.partitions,
        learned(options.examples),
        Progress(options.warm, options.events),
    )
    sys.argv = [sys.argv[0], "worker", "-l", "error", "--without-web"]
    with tempfile.TemporaryDirectory(prefix="naive-") as directory:
        app.conf.datadir = Path(directory)
        app.main()


if __name__ == "__main__":
    main()

"""Outbox: what one partition's engine told, as records to send, in order; CloudEvents in JSON.

Ids are functions of the input: whoever gets a record twice can tell.
"""

import math
from base64 import b64encode
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import repeat
from operator import attrgetter
from typing import Any, Final

import msgspec
import orjson
from msgspec import Struct

from schemas.refusal import Refusal
from schemas.timestamp import from_ms, receipt_ms
from scoring.kinds import Source
from scoring.model import Example
from scoring.outcome import Action, Content, Outcome, Scores
from scoring.transfer import Forward, Give, Transfer
from streams.action_records import CROSSING, ActionRecords
from streams.cloud_event import cloud_event, name_of
from streams.commit import Record
from streams.score_records import ScoreRecords
from streams.score_texts import ScoreTexts, score_texts
from streams.waiting import origins, values_of

__all__ = [
    "DELETIONS",
    "INPUTS",
    "KEY_LIMIT",
    "PAYLOAD_LIMIT",
    "SOURCES",
    "TRANSFERS",
    "TRANSFERS_DAYS",
    "Outbox",
    "Output",
]

INPUTS: Final = ("clickstream", "orders", "customers")
"""Input topics, in the order of `scoring.kinds.Source`."""
TRANSFERS: Final = "transfers"
"""Stands for the topic between partitions, which bears the application's name (`streams.changelog.transfers_topic`)."""
TRANSFERS_DAYS: Final = 400
"""How long the broker keeps what partitions tell each other."""
DELETIONS: Final = "deletions"
"""Requests to forget a customer."""
SOURCES: Final = (*INPUTS, TRANSFERS, DELETIONS)
"""All that a unit reads, in the order of `scoring.kinds.Source`."""
PAYLOAD_LIMIT: Final = 65_536
"""Bytes of a refused record that its dead letter keeps."""
KEY_LIMIT: Final = 4096
"""Bytes of a refused record's key that its dead letter keeps: it must be no larger than a broker takes."""

Output = tuple[str, bytes | None, bytes | None]
"""Topic, key, value."""

_NUMPY = orjson.OPT_SERIALIZE_NUMPY
_COUNTED = attrgetter("rule", "entered", "withheld")


class Outbox:
    """Turns outcomes into records and keeps them until they are taken.

    Parameters
    ----------
    partition
        The partition number whose inputs it is about.
    horizon_ms
        The horizon of the scores.
    bands
        Names of the bands, lowest first.
    customers
        Ids by row (`engine.profiles.keys`).
    replay
        Whether the input was lived through before.
    since_ms
        By row of somebody who was forgotten and came again, when that was: crossings are numbered anew, and their ids
        must be others (`engine.since_ms`).

    Attributes
    ----------
    told
        How many of what was told since the last look: `("scores",)`, `("crossing", rule, "entered")`,
        `("withheld", rule, reason)`, `("examples",)`, `("content",)`, `("transfers", kind)`.
    """

    def __init__(
        self,
        partition: int,
        horizon_ms: int,
        bands: Sequence[str],
        customers: Sequence[bytes],
        *,
        replay: bool = False,
        since_ms: Mapping[int, int] | None = None,
    ) -> None:
        self._partition = partition
        horizon_days = horizon_ms / 86_400_000
        self._bands = tuple(bands)
        self._customers = customers
        self._score_records = ScoreRecords([f"{topic}-{partition}" for topic in SOURCES], horizon_days, self._bands)
        self._since_ms = {} if since_ms is None else since_ms
        self._action_records = ActionRecords(horizon_days, self._bands, replay, self._since_ms)
        self._out: list[Output] = []
        self.told: Counter[tuple[str, ...]] = Counter()

    def __len__(self) -> int:
        return len(self._out)

    def drain(self) -> list[Output]:
        """Return all records since the last call, and forget them."""
        out, self._out = self._out, []
        return out

    def put(self, topic: str, key: bytes | None, value: Any) -> None:
        """Add a record whose value is encoded as JSON."""
        self._out.append((topic, key, orjson.dumps(value, option=_NUMPY)))

    # ---- what the engine said

    def tell(self, outcome: Outcome, causes: Sequence[tuple[int, Record]], told_ms: int) -> None:
        """Add scores, actions, examples and content of one run, in this order.

        Parameters
        ----------
        causes
            Input and record of each event of the run.
        told_ms
            The watermark that stands on `examples`: what is resolved later in the broker's order must not
            say that it was resolved before.
        """
        texts: dict[int, ScoreTexts] = {}
        for scores in outcome.scores:
            texts[id(scores)] = score_texts(scores, self._customers)
            self._scores(scores, texts[id(scores)], causes)
        self._actions(outcome.actions, texts, causes)
        for example in outcome.examples:
            self._example(example, told_ms)
        for content in outcome.content:
            self._content(content)

    def _scores(self, scores: Scores, texts: ScoreTexts, causes: Sequence[tuple[int, Record]]) -> None:
        records = self._score_records(scores, texts, lambda events: origins(causes, events))
        self._out += zip(repeat("scores"), texts.keys, records)
        self.told["scores",] += len(records)

    def _actions(
        self, actions: Sequence[Action], texts: Mapping[int, ScoreTexts], causes: Sequence[tuple[int, Record]]
    ) -> None:
        def texts_of(scores: Scores) -> ScoreTexts:
            return texts.get(id(scores)) or score_texts(scores, self._customers)  # not all are published themselves

        self._out += self._action_records(actions, texts_of, lambda events: _message_ids(values_of(causes, events)))
        for (rule, entered, withheld), n in Counter(map(_COUNTED, actions)).items():
            self.told["crossing", rule, CROSSING[entered]] += n
            for code in withheld:
                self.told["withheld", rule, code] += n

    def _content(self, content: Content) -> None:
        key = self._customers[content.row]
        customer, stamp = key.decode(), from_ms(content.time_ms)
        data = {
            "customer_id": customer,
            "version": content.number,
            "segment": f"{content.stage}-{self._bands[content.band]}",
            "stage": content.stage,
            "band": self._bands[content.band],
            "categories": content.categories,
            "products": content.products,
            "coupon": content.coupon,
            "event_time": stamp,
            "model_version": content.model_version,
            "shop_version": content.shop_version,
        }
        name = f"content/{content.number}/{name_of(key, self._since_ms.get(content.row))}"
        self.put("content", key, cloud_event(name, "recompra.content", "content.v1", customer, stamp, data))
        self.told["content",] += 1

    def _example(self, example: Example, told_ms: int) -> None:
        resolved_ms = max(example.resolved_ms, told_ms + 1)
        data = {
            "customer_id": example.customer,
            "made_ms": example.made_ms,
            "resolved_ms": resolved_ms,
            "label": example.label,
            "features": example.features,
            "feature_version": example.feature_version,
            "baseline": example.baseline,
            "score": example.probability or 0.0,
            "percentile": example.percentile,
            "model_version": example.model_version or 0,
            "orders": example.orders,
            "partition": example.partition,
            "since_days": example.since_days,
            "net": example.net,
            "gap_days": example.gap_days,
        }
        if not math.isnan(example.points):
            data["points"] = example.points
        stamp = from_ms(resolved_ms)
        value = cloud_event(example.id, "recompra.example", "example.v1", example.customer, stamp, data)
        self.put("examples", example.customer.encode(), value)
        self.told["examples",] += 1

    def watermark(self, watermark_ms: int) -> None:
        """Say on `examples` how far this partition has come."""
        name, stamp = str(self._partition), from_ms(watermark_ms)
        data = {"partition": self._partition, "watermark_ms": watermark_ms}
        value = cloud_event(f"watermark/{name}/{watermark_ms}", "recompra.watermark", "example.v1", name, stamp, data)
        self.put("examples", name.encode(), value)

    def delete(self, topic: str, key: bytes) -> None:
        """Delete the latest record of a key on a compacted topic."""
        self._out.append((topic, key, None))

    # ---- for other partitions

    def transfers(self, outcome: Outcome, causes: Sequence[tuple[int, Record]]) -> None:
        """Add what one run has for other partitions: what it asks for, and the events of those who are there."""
        for transfer in outcome.transfers:
            self.transfer(transfer)
        for event, to, origin, origin_ms in outcome.passed_on:
            source, record = causes[event]
            key, value, ms = record.key or b"", record.value or b"", record.timestamp
            self.transfer(Forward(to, origin, source, record.offset, ms, key, value, [origin], origin, origin_ms))

    def give(self, gives: Sequence[Give]) -> None:
        """Put what was known of customers before their later events, which are there already."""
        later, self._out = self._out, []
        for give in gives:
            self.transfer(give)
        self._out += later

    def transfer(self, transfer: Transfer) -> None:
        """Add a record for another partition, which its key chooses."""
        self._out.append((TRANSFERS, transfer.to, msgspec.msgpack.encode(transfer)))
        self.told["transfers", type(transfer).__name__.lower()] += 1

    # ---- records that were not applied

    def late(self, source: int, record: Record) -> None:
        """Set a late record aside as it came."""
        self._out.append((f"{INPUTS[source]}-late", record.key, record.value))

    def refuse(self, source: int, record: Record, refusal: Refusal) -> None:
        """Set a refused record aside, with why and what to do."""
        payload = record.value
        letter = {
            "id": self._place(source, record),
            "topic": SOURCES[source],
            "partition": self._partition,
            "offset": record.offset,
            "field": refusal.field or "$",
            "value": refusal.value,
            "reason": refusal.reason,
            "remedy": refusal.remedy,
            "code": refusal.code,
            "payload": None if payload is None else b64encode(payload[:PAYLOAD_LIMIT]).decode(),
            "received_at": from_ms(receipt_ms(record.timestamp)),
            "payload_bytes": None if payload is None else len(payload),
        }
        key = None if record.key is None else record.key[:KEY_LIMIT]
        topic = SOURCES[Source.CUSTOMERS if source == Source.TRANSFERS else source]  # transfers have none of their own
        self.put(f"{topic}-dlq", key, letter)
        self.told["refused", topic, refusal.code] += 1

    def _place(self, source: int, record: Record) -> str:
        return f"{SOURCES[source]}-{self._partition}-{record.offset}"


class _Named(Struct):
    messageId: str = ""  # noqa: N815 - as on the wire


_named = msgspec.json.Decoder(_Named).decode


def _message_ids(values: Sequence[bytes | None]) -> list[str | None]:
    """The message ids of records that were applied; decoded anew, as only a crossing asks for them."""
    return [_named(value or b"{}").messageId or None for value in values]

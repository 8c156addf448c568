"""Promises: what must hold after any schedule, checked from what is on the broker and in the last units."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec
from simulation.broker import Broker
from simulation.log import Entry
from simulation.units import POISON_ROW, RECORD, RecordingUnit, Replay, Step, UnfollowableError, options, rows_of
from simulation.workload import PlainCount, home, plain_count

from schemas.timestamp import to_ms
from scoring.erased import Erased
from scoring.kinds import Kind, Source
from scoring.model import Snapshot
from scoring.profile import NEVER
from scoring.stored import META
from streams.operating.answers import Answers
from streams.outbox import INPUTS, SOURCES
from streams.unit import StateLostError

__all__ = ["Promises"]

_steps = msgspec.json.Decoder(list[Step]).decode


class Promises:
    """What is checked of one schedule.

    Parameters
    ----------
    models
        All that were published.
    transactional
        Whether the broker had transactions: without them less is promised.
    renewing
        Whether it is tried, too, what a restore after each commit would change; that takes three times as long.
    """

    def __init__(
        self, broker: Broker, models: Sequence[Snapshot], *, transactional: bool, renewing: bool = False
    ) -> None:
        self.broker, self.exact, self.renewing = broker, transactional, renewing
        self.effective_ms = {snapshot.version: snapshot.effective_ms for snapshot in models}

    def broken(self, units: Mapping[int, RecordingUnit]) -> list[str]:
        """Return what was broken, a sentence each; `units` hold the partition numbers in the end, all committed."""
        back = [move for move in self.broker.moved if move.after < move.before]
        found = [f"committed offsets never go back: {move}" for move in back]
        checks = [_Check(self, partition, unit) for partition, unit in sorted(units.items())]
        for check in checks:
            found += [f"partition {check.partition}: {what}" for what in check.broken()]
        found += _answers([check.receipts for check in checks], [check.requests for check in checks])
        return [*found, *_customers([check.plain for check in checks], [check.most for check in checks], units)]


def _answers(receipts: Sequence[Sequence[Entry]], requests: Sequence[Sequence[tuple[str, Entry]]]) -> Iterator[str]:
    """Each request comes to all partitions that have an id of the same person: they have written a receipt."""
    for partition, asked in enumerate(requests):
        for request, entry in asked:
            answers = Answers(request, partition, _hash(entry.key or b""))
            for receipt in (receipt for told in receipts for receipt in told):
                answers.take(receipt.key, receipt.value)
            if not answers.complete:
                yield f"forgettable: {request} of {entry.key!r} has no receipt of {answers.missing or partition}"


def _customers(
    least: Sequence[PlainCount], most: Sequence[PlainCount], units: Mapping[int, RecordingUnit]
) -> Iterator[str]:
    """Orders, views and revenue of each customer equal a plain count of all ids that they came under.

    Where somebody was forgotten on several partitions, what was received after the request and read before it came is
    with their former self or with their new one.
    """
    ids = {customer.encode() for each in most for customer in each.views.keys() | each.orders.keys()}
    owners = {customer: _owner(customer, units) for customer in ids}
    for customer, owner in owners.items():
        if owner is None:
            yield f"one person: {customer!r} belongs to a circle of ids"
            return
    lower, upper = (_totals(plain, owners) for plain in (least, most))
    for customer in sorted(ids):
        engine = units[home(customer)].engine
        number = engine.profiles.find(customer)
        if owners[customer] != customer:
            if number >= 0 and engine.profiles.keys[number] == customer:
                yield f"one person: {customer!r} is {owners[customer]!r}, and is still a customer"
            continue
        row = None if number < 0 else engine.profiles.rows[number]
        found = (0, 0, 0.0)
        if row is not None:
            total = row["total"]
            found = int(total[Kind.ORDER_COMPLETED]), int(total[Kind.PRODUCT_VIEWED]), float(row["revenue"])
        bounds = [tuple(float(total[customer]) for total in totals) for totals in (lower, upper)]
        between = [sorted(pair) for pair in zip(*bounds, strict=True)]  # an order has the worth of its first record
        if any(not low <= n <= high for n, (low, high) in zip(found, between, strict=True)):
            yield f"counted once: {customer!r} has orders, views, revenue {found}, not {' to '.join(map(str, bounds))}"


def _totals(plain: Sequence[PlainCount], owners: Mapping[bytes, bytes | None]) -> tuple[Counter[bytes], ...]:
    """Orders, views and revenue by whom the ids belong to."""
    totals = Counter[bytes](), Counter[bytes](), Counter[bytes]()
    for each in plain:
        for total, counted in zip(totals, (each.orders, each.views, each.revenue), strict=True):
            for customer, n in counted.items():
                total[owners[customer.encode()] or b""] += n
    return totals


def _owner(customer: bytes, units: Mapping[int, RecordingUnit]) -> bytes | None:
    """Who a customer is, as the partitions pass on what comes of them; None where that goes round."""
    for _ in range(20):
        owner = units[home(customer)].engine.links.owner.get(customer)
        if owner is None:
            return customer
        customer = owner
    return None


class _Check:
    """One partition number."""

    def __init__(self, promises: Promises, partition: int, unit: RecordingUnit) -> None:
        broker = promises.broker
        self.partition, self._unit, self._promises, self._exact = partition, unit, promises, promises.exact
        self._inputs = [log.visible() for (_, p), log in sorted(broker.inputs.items()) if p == partition]
        self._inputs += [[]] * (len(SOURCES) - len(self._inputs))
        self._outputs = {topic: log.visible() for topic, log in broker.outputs(partition)}
        self._changelog = broker.changelog[partition].visible()
        self._committed = {s: o for (s, p), o in broker.group.offsets.items() if p == partition}

        inputs = self._inputs[: len(INPUTS)]
        records = [(source, entry) for source, entries in enumerate(inputs) for entry in entries]
        late = [(s, e.value) for s, name in enumerate(INPUTS) for e in self._outputs.get(f"{name}-late", ())]
        everything = plain_count(records, late)
        self.receipts = self._outputs.get("receipts", [])
        self.requests = list(_requests(self._inputs[Source.DELETIONS]))
        aliases = (log for (source, _), log in broker.inputs.items() if source == Source.CUSTOMERS)
        self._aliased = any(log.entries for log in aliases)
        requests = (log for (source, _), log in broker.inputs.items() if source == Source.DELETIONS)
        self._forgetting = any(log.entries for log in requests)
        self._forgotten = _forgotten(self.receipts, {entry.key or b"" for _, entry in records})
        kept = [(source, entry) for source, entry in records if not self._is_before(source, entry)]
        self.plain = replace(plain_count(kept, late), read=everything.read, refused=everything.refused)
        maybe = [(s, e) for s, e in records if self._aliased and not self._is_before(s, e, received=True)]
        self.most = plain_count(maybe, late) if self._aliased else self.plain

    def _is_before(self, source: int, entry: Entry, *, received: bool = False) -> bool:
        """Whether a record is of somebody forgotten since: received, or read, before the request; or received only."""
        at_ms, offsets = self._forgotten.get(entry.key or b"", (NEVER, ()))
        if at_ms == NEVER:
            return False
        return entry.timestamp <= at_ms or (not received and bool(offsets) and entry.offset < offsets[source])

    def broken(self) -> Iterator[str]:
        yield from self._forgets()
        yield from self._counters(self.plain)
        yield from self._dead_letters(self.plain)
        yield from self._crossings()
        yield from self._restored()
        yield from self._examples()
        if self._exact:
            yield from self._writers()
            yield from self._replayed()
        if self._exact and self._promises.renewing:
            yield from self._renewed()

    def _forgets(self) -> Iterator[str]:
        """Each request has a receipt, one where there are transactions; nobody is left of whom nothing came since."""
        asked = {f"{request}/{_hash(entry.key or b'')}" for request, entry in self.requests}
        told = [((entry.key or b"").decode(), json.loads(entry.value or b"")["time"]) for entry in self.receipts]
        if (not self._aliased and {key for key, _ in told} != asked) or (self._exact and len(told) != len(set(told))):
            yield f"forgettable: {sorted(asked)} were asked for, and {sorted(told)} have a receipt"
        profiles = self._unit.engine.profiles
        for customer in () if self._aliased else self._forgotten:
            records = [(s, e) for s in range(len(INPUTS)) for e in self._inputs[s] if e.key == customer]
            if all(self._is_before(*record) for record in records) and profiles.find(customer) >= 0:
                yield f"forgettable: {customer!r} is still there"

    def _counters(self, plain: PlainCount) -> Iterator[str]:
        """Every record is in exactly one of the five counters.

        Without transactions, a record that is read again after a crash and whose row says that it is known counts as
        applied, even if it was late or a duplicate at first: there only the sum is promised.
        """
        counts = self._unit.engine.counts
        found = {
            "read": counts.total(),
            "ignored": counts.ignored,
            "dead_lettered": counts.dead_lettered,
            "applied": counts.applied,
            "duplicate": counts.duplicate,
            "late": counts.late,
        }
        wanted = {
            "read": plain.read,
            "ignored": plain.ignored,
            "dead_lettered": len(plain.refused),
            "applied": plain.applied,
            "duplicate": plain.duplicate,
            "late": plain.late,
        }
        names = list(found) if self._exact else ["read", "ignored", "dead_lettered"]
        wanted["read"] += len(self._inputs[Source.DELETIONS])
        if self._forgetting:  # whether what came before was applied first depends on when it was read
            names = ["read"]
        if self._aliased:  # whether what is passed on is a duplicate is found out elsewhere
            names = [name for name in names if name not in ("applied", "duplicate")]
        wrong = [f"{name} is {found[name]}, not {wanted[name]}" for name in names if found[name] != wanted[name]]
        if wrong:
            yield f"counters add up: {', '.join(wrong)}"

    def _dead_letters(self, plain: PlainCount) -> Iterator[str]:
        """Each refused record is set aside, once."""
        wanted = Counter(f"{INPUTS[source]}-{self.partition}-{offset}" for source, offset in plain.refused)
        found = Counter(
            json.loads(entry.value or b"")["id"] for name in INPUTS for entry in self._outputs.get(f"{name}-dlq", ())
        )
        if not self._exact:
            found = Counter(dict.fromkeys(found, 1))
        if found != wanted:
            yield f"nothing disappears: dead letters are {sorted(found.elements())}, not {sorted(wanted.elements())}"

    def _crossings(self) -> Iterator[str]:
        """Each crossing is told once, after dropping equal ids where there are no transactions, and in order."""
        told: dict[tuple[str, str, str | None], list[int]] = defaultdict(list)
        told_at_all: dict[str, int] = {}
        for topic, entries in self._outputs.items():
            if not topic.startswith("actions-"):
                continue
            # What a crash undid without transactions may be told anew as what came of two customers being one.
            seen = told_at_all if self._aliased and not self._exact else {}
            last: dict[tuple[str, str, str | None], int] = defaultdict(int)
            for entry in entries:
                event = json.loads(entry.value or b"")
                data = event["data"]
                whose = event["id"].split("/")[3]  # who was forgotten and came again is somebody else
                place, number = (whose, data["rule"], data["object"]), data["crossing_number"]
                if event["id"] in seen:
                    if self._exact:
                        yield f"each crossing once: {event['id']} is told twice on {topic}"
                    continue
                seen[event["id"]] = number
                if (data["crossing"] == "entered") != (number % 2 == 1):
                    yield f"entered and left in turns: {event['id']} is {data['crossing']} on {topic}"
                if number <= last[place]:
                    yield f"crossings in order: {place} has {number} after {last[place]} on {topic}"
                last[place] = number
                told[place].append(number)
        for place, numbers in sorted(told.items(), key=str):
            if place[2] is not None and self._aliased:
                numbers = [*range(1, min(numbers)), *numbers]  # earlier ones were told under a former id
            if sorted(numbers) != list(range(1, len(numbers) + 1)):
                yield f"each crossing once: {place} has the numbers {sorted(numbers)}"
        yield from self._crossings_in_state(told)

    def _crossings_in_state(self, told: Mapping[tuple[str, str, str | None], list[int]]) -> Iterator[str]:
        """The state says how often each line was crossed, and so often was it told.

        Without transactions something may have been told that a crash undid: quiet time had made a customer leave, and
        an event that was read only afterwards kept them in. When they do leave, it has the same id.
        """
        engine = self._unit.engine
        for row, key in enumerate(engine.profiles.keys):
            side = engine.sides.find(row)
            for rule, state in ({} if side is None else side.states()).items():
                since_ms = engine.since_ms.get(row)
                whose = key.decode() if since_ms is None else f"{key.decode()}@{since_ms}"
                numbers = told.get((whose, rule, None), [])
                if state.crossings > len(numbers) or (self._exact and state.crossings < len(numbers)):
                    yield f"each crossing once: {key.decode()} crossed {rule} {state.crossings} times, told {numbers}"

    def _restored(self) -> Iterator[str]:
        """The changelog restores to what the last unit holds."""
        restored = self._unit.anew()
        restored.restore([e.key or b"" for e in self._changelog], [e.value for e in self._changelog])
        try:
            restored.ready(self._committed)
        except StateLostError as error:
            yield f"the changelog holds the state: {error}"
            return
        restored.engine.catch_up()
        self._unit.engine.catch_up()
        if not self._exact:  # a forgetful unit has changed more than it wrote
            restored.forget()
            self._unit.forget()
        found, wanted = rows_of(restored), rows_of(self._unit)
        for rows in (found, wanted):  # whoever finds out that the engine fails on a record has read it before
            rows.pop(POISON_ROW, None)
        yield from _differences("the changelog holds the state", found, wanted)

    def _examples(self) -> Iterator[str]:
        """No example waits but those that their customer's row waits for: nobody would let go of it."""
        engine = self._unit.engine
        for row, made_ms in engine.pending.copied():
            waits = engine.profiles.rows[row]
            if made_ms not in waits["pending_ms"][: waits["pending_n"]]:
                yield f"nothing is left: an example of {engine.profiles.keys[row]!r}, made at {made_ms}"

    def _writers(self) -> Iterator[str]:
        """Nothing that a fenced owner wrote after its successor is seen; commits follow each other without a gap."""
        epochs = [entry.transaction.epoch for entry in self._changelog if entry.transaction is not None]
        if epochs != sorted(epochs):
            yield f"a fenced owner writes nothing: the changelog's epochs are {epochs}"
        numbers = [json.loads(entry.value or b"")["sequence"] for entry in self._outputs.get("progress", ())]
        if numbers != list(range(1, len(numbers) + 1)):
            yield f"each commit once: progress has the numbers {numbers}"

    def _replayed(self) -> Iterator[str]:
        """An undisturbed unit that follows the record tells the same and holds the same, to the byte."""
        replay = Replay(self.partition, self._inputs)
        told: dict[str, list[Any]] = defaultdict(list)
        rows: dict[bytes, bytes | None] = {}
        version = 0
        for entry in self._outputs.get(RECORD, ()):
            steps = _steps(entry.value or b"[]")
            for step in steps:
                yield from _orderly(step, 0 if step.born else version)
                version = step.models[0]
            try:
                taken = replay.follow(steps)
            except UnfollowableError as error:
                yield f"repeatable: {error}"
                return
            version, watermark_ms = replay.engine.versions.model.version, replay.engine.clock.watermark_ms
            if version and watermark_ms < self._promises.effective_ms[version]:
                yield f"point in time: model {version} is in force at {watermark_ms}, before its time"
            if taken is not None:
                rows.update(taken.rows)
                yield from (f"each rule from its time on: {what}" for what in replay.misjudged)
                replay.misjudged.clear()
                for topic, _, value in taken.outputs:
                    told[topic].append(_comparable(topic, value))
        for topic, entries in self._outputs.items():
            live = [_comparable(topic, entry.value) for entry in entries]
            if topic != RECORD and live != told[topic]:
                first = next((i for i, (a, b) in enumerate(zip(live, told[topic], strict=False)) if a != b), None)
                yield f"repeatable: {topic} has {len(live)} records, a replay {len(told[topic])}; first other: {first}"
        live_rows = {entry.key or b"": entry.value for entry in self._changelog}
        live_rows.pop(POISON_ROW, None)
        yield from _differences("repeatable", _present(live_rows), _present(rows))

    def _renewed(self) -> Iterator[str]:
        """A unit that is restored after each commit tells and stores the same as one that lives on."""
        one, other = (Replay(self.partition, self._inputs) for _ in range(2))
        rows: dict[bytes, bytes] = {}
        for entry in self._outputs.get(RECORD, ()):
            steps = _steps(entry.value or b"[]")
            lived, restored = one.follow(steps), other.follow(steps)
            if lived is None or restored is None:
                if lived is not restored:
                    yield f"repeatable: {lived} is written without a restore, {restored} after one"
                continue
            told, again = ([(t, k, _comparable(t, v)) for t, k, v in taken.outputs] for taken in (lived, restored))
            if told != again:
                first = next((pair for pair in zip(told, again, strict=False) if pair[0] != pair[1]), None)
                yield f"repeatable: after a restore {len(again)} records for {len(told)}; first other: {first}"
            wanted = _present(dict(lived.rows))
            yield from _differences("repeatable: after a restore", _present(dict(restored.rows)), wanted)
            for key, _ in lived.rows:
                rows.pop(key, None)
            other = other.renewed(rows := {**rows, **wanted})


def _requests(entries: Iterable[Entry]) -> Iterator[tuple[str, Entry]]:
    """The requests, each by its first record; broken ones left out."""
    seen = set()
    for entry in entries:
        request = json.loads(entry.value or b"").get("request_id")
        if request is not None and (request, entry.key) not in seen:
            seen.add((request, entry.key))
            yield request, entry


def _forgotten(receipts: Iterable[Entry], customers: Iterable[bytes]) -> dict[bytes, tuple[int, Sequence[int]]]:
    """By customer: when the last request was received, and the next offset of each input when it was done."""
    names = {_hash(customer): customer for customer in customers}
    found: dict[bytes, tuple[int, Sequence[int]]] = {}
    for value in {entry.key: entry.value for entry in receipts}.values():  # of two without transactions the last
        data = json.loads(value or b"")["data"]
        offsets = [data["offsets"][name] for name in INPUTS]
        for whose in () if data["another"] else (data["customer"], *data["others"]):
            if (customer := names.get(whose)) is not None:
                at_ms, before = found.get(customer, (NEVER, offsets))
                found[customer] = max(at_ms, to_ms(data["received_at"])), list(map(max, offsets, before))
    return found


def _hash(customer: bytes) -> str:
    return Erased(options().erasure_key).hash(customer).hex()


def _orderly(step: Step, before: int) -> Iterator[str]:
    """A model that comes late, twice or out of order never brings an older one back."""
    version, upcoming = step.models
    versions = [version, *(number for number, _ in upcoming)]
    times = [effective_ms for _, effective_ms in upcoming]
    if version < before or versions != sorted(set(versions)) or times != sorted(times):
        yield f"models in order: version {version} after {before}, then {upcoming}"


def _comparable(topic: str, value: bytes | None) -> Any:
    """As it is; how `progress` cuts its runs depends on slices that nobody could tell apart otherwise."""
    if topic != "progress":
        return value
    said = json.loads(value or b"")
    read = Counter[int]()
    for source, count in said.pop("runs"):
        read[source] += count
    del said["behind"], said["told"]
    return said, read


def _present(rows: Mapping[bytes, bytes | None]) -> dict[bytes, bytes]:
    """Without those that are gone."""
    return {key: value for key, value in rows.items() if value is not None}


def _differences(promise: str, found: Mapping[bytes, bytes], wanted: Mapping[bytes, bytes]) -> Iterator[str]:
    other = sorted(key for key in found.keys() | wanted.keys() if found.get(key) != wanted.get(key))
    if other:
        metas = f"; {found.get(META)!r} for {wanted.get(META)!r}" if META in other else ""
        yield f"{promise}: rows {other} differ{metas}"

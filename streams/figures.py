"""Figures: what the worker knows of itself, brought to its metrics, and served."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, cast

from faust.types import TP

from scoring.engine import Counts
from scoring.kinds import Source
from scoring.uplift import Arms, uplift
from streams.binding import Binding
from streams.clock import now_ms
from streams.commit import BrokerClient, Taken
from streams.exposition import serve
from streams.metrics import Metrics
from streams.outbox import DELETIONS, INPUTS
from streams.retention import LiveRetention
from streams.settings import Settings
from streams.snapshots import LocalSnapshots
from streams.unit import Unit

__all__ = ["Figures", "Timed"]

_EVERY_S = 1.0


class Timed:
    """A broker client, with commits and restores measured; what is not measured is passed through."""

    def __init__(self, client: BrokerClient, metrics: Metrics) -> None:
        self._client = client
        self._metrics = metrics
        self._begun: dict[int, float] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def restore(self, partition: int, sink: Any, offset: int | None = None) -> int | None:
        """Count the rows and the time."""

        def counting(keys: Any, values: Any) -> None:
            self._metrics.restored_rows.inc(len(keys))
            sink(keys, values)

        start = time.perf_counter()
        end = await self._client.restore(partition, counting, offset)
        self._metrics.restore_seconds.inc(time.perf_counter() - start)
        return end

    async def begin(self, partition: int) -> None:
        """Start the clock."""
        self._begun[partition] = time.perf_counter()
        await self._client.begin(partition)

    async def end(self, partition: int) -> int | None:
        """Stop the clock."""
        after = await self._client.end(partition)
        self._metrics.commits.observe(time.perf_counter() - self._begun.pop(partition))
        return after

    async def close(self) -> None:
        """Close the client, if it has to be."""
        close = getattr(self._client, "close", None)
        if close is not None:
            await close()


class Figures:
    """Keeps a worker's metrics up to date and serves them at the web address of the settings."""

    def __init__(self, settings: Settings) -> None:
        self.metrics = Metrics()
        self._server, self.address = serve(settings, self.metrics.registry)
        self._failed = 0
        self._shown: set[int] = set()
        self._tried: set[str] = set()
        self.snapshots: LocalSnapshots | None = None
        self._retention = LiveRetention(settings.report_terms(settings.horizon_ms), self.metrics)

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()

    def timed(self, client: BrokerClient) -> Timed:
        """Return the client, with the time that its transactions and restores take measured."""
        return Timed(client, self.metrics)

    async def keep_retention(self, binding: Binding) -> None:
        """Count who stays, for ever, on a hundredth of a processor at most."""
        while True:
            spent_s = await self._retention.look([cast(Unit, unit) for _, unit in binding.protocol.units()])
            await asyncio.sleep(max(_EVERY_S, 100 * spent_s))

    async def keep(self, binding: Binding) -> None:
        """Bring the gauges up to date every second, for ever."""
        while True:
            self._look(binding)
            await asyncio.sleep(_EVERY_S)

    def _look(self, binding: Binding) -> None:
        metrics = self.metrics
        units = binding.protocol.units()
        metrics.partitions.set(len(units))
        failed, self._failed = binding.failed_commits - self._failed, binding.failed_commits
        metrics.failed_commits.inc(failed)
        # One that waits for the group to decide is still ours; one of which nothing was ever written is shown, too.
        for partition in self._shown - binding.protocol.partitions:
            self._forget(partition)
        for partition, unit in units:
            self._gauges(binding, partition, cast(Unit, unit))
        self._trials([cast(Unit, unit).status().trials for _, unit in units])

    def _gauges(self, binding: Binding, partition: int, unit: Unit) -> None:
        metrics, label, status = self.metrics, str(partition), unit.status()
        if partition not in self._shown:
            self._shown.add(partition)
            for outcome in asdict(Counts()):  # a counter that begins with its first count has no increase by that
                metrics.events.labels(label, outcome)
        metrics.customers.labels(label).set(status.customers)
        metrics.model_version.labels(label).set(status.model_version)
        metrics.shop_version.labels(label).set(status.shop_version)
        metrics.warming_up.labels(label).set(status.warming_up)
        age_s = None if self.snapshots is None else self.snapshots.age_s(partition)
        if age_s is not None:
            metrics.snapshot_age.labels(label).set(age_s)
        if status.watermark_ms is not None:
            metrics.watermark.labels(label).set(status.watermark_ms / 1000)
        if status.newest_ms is not None:
            metrics.freshness.labels(label).set(max(now_ms() - status.newest_ms, 0) / 1000)
        for source, topic in (*enumerate(INPUTS), (int(Source.DELETIONS), DELETIONS)):
            place = binding.consumer.thread.place(TP(topic, partition))
            if place is not None:
                lag = max(place[1] - place[0], 0) + status.waiting[source]
                metrics.lag.labels(topic, label).set(lag)

    def _trials(self, tallies: Sequence[Mapping[str, Sequence[int]]]) -> None:
        """Show what came of the holdout in all partitions that are read here; of a rule none of them knows, nothing."""
        metrics = self.metrics
        summed = {rule: [0] * len(Arms._fields) for rule in self._tried}
        for tally in tallies:
            for rule, counts in tally.items():
                before = summed.get(rule, [0] * len(counts))
                summed[rule] = [a + b for a, b in zip(before, counts, strict=True)]
        self._tried = set(summed)
        for rule, counts in summed.items():
            arms = Arms(*counts)
            metrics.trial_customers.labels(rule, "contacted").set(arms.customers)
            metrics.trial_customers.labels(rule, "held_out").set(arms.control)
            metrics.trial_buyers.labels(rule, "contacted").set(arms.buyers)
            metrics.trial_buyers.labels(rule, "held_out").set(arms.control_buyers)
            for bound, value in uplift(arms)._asdict().items():
                metrics.uplift.labels(rule, bound).set(value)

    def _forget(self, partition: int) -> None:
        """Another worker tells of it now."""
        self._shown.remove(partition)
        label = str(partition)
        metrics = self.metrics
        for gauge in (
            metrics.customers,
            metrics.model_version,
            metrics.shop_version,
            metrics.warming_up,
            metrics.watermark,
            metrics.freshness,
            metrics.snapshot_age,
            metrics.snapshot_bytes,
        ):
            gauge.remove_by_labels({"partition": label})
        metrics.lag.remove_by_labels({"partition": label})

    def written(self, binding: Binding, partition: int, taken: Taken) -> None:
        """Count what a commit wrote."""
        metrics, label = self.metrics, str(partition)
        metrics.committed_rows.inc(len(taken.rows))
        metrics.committed_bytes.inc(sum(len(value) for _, value in taken.rows if value is not None))
        unit = dict(binding.protocol.units()).get(partition)
        if unit is None:
            return
        for outcome, count in cast(Unit, unit).counted().items():
            metrics.events.labels(label, outcome).inc(count)
        for what, count in cast(Unit, unit).told().items():
            self._told(what, count)

    def _told(self, what: tuple[str, ...], count: int) -> None:
        metrics = self.metrics
        if what[0] == "scores":
            metrics.scores.inc(count)
        elif what[0] == "forgotten":
            metrics.forgotten.inc(count)
        elif what[0] == "examples":
            metrics.examples.inc(count)
        elif what[0] == "transfers":
            metrics.transfers.labels(*what[1:]).inc(count)
        elif what[0] == "crossing":
            metrics.crossings.labels(*what[1:]).inc(count)
        elif what[0] == "withheld":
            metrics.withheld.labels(*what[1:]).inc(count)
        elif what[0] == "refused":
            metrics.refused.labels(*what[1:]).inc(count)

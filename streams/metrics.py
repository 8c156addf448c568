"""Metrics of a worker: every one declared here, once; none carries a customer's id."""

import math
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

__all__ = ["Metrics"]

_COMMIT_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

_COPY_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)


class Metrics:
    """The metrics of one worker, in a registry of their own. Partition numbers are labels, as they are few."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        registry = self.registry
        self.events = Counter(
            "recompra_events",
            "Records read, by partition and what became of them: the five always add up to those read.",
            ["partition", "outcome"],
            registry=registry,
        )
        self.lag = Gauge(
            "recompra_lag_records",
            "Records of an input that are on the broker and not yet applied.",
            ["topic", "partition"],
            registry=registry,
        )
        self.watermark = Gauge(
            "recompra_watermark_seconds",
            "How far in event time a partition has come (seconds since the epoch).",
            ["partition"],
            registry=registry,
        )
        self.freshness = Gauge(
            "recompra_freshness_seconds",
            "Age of the newest event applied, by the wall clock.",
            ["partition"],
            registry=registry,
        )
        self.customers = Gauge("recompra_customers", "Customers in state.", ["partition"], registry=registry)
        self.partitions = Gauge("recompra_partitions", "Partitions that this worker reads.", registry=registry)
        self.scores = Counter("recompra_scores", "Scores published.", registry=registry)
        self.examples = Counter("recompra_examples", "Resolved examples published.", registry=registry)
        self.transfers = Counter("recompra_transfers", "Told to other partitions.", ["kind"], registry=registry)
        self.crossings = Counter(
            "recompra_crossings", "Crossings of a rule, withheld ones too.", ["rule", "crossing"], registry=registry
        )
        self.withheld = Counter(
            "recompra_crossings_withheld",
            "Reasons for which crossings were withheld; one may have several.",
            ["rule", "reason"],
            registry=registry,
        )
        self.trial_customers = Gauge(
            "recompra_holdout_customers",
            "Customers of this worker's partitions, each once a rule ('*': all marketing): contacted or held out.",
            ["rule", "arm"],
            registry=registry,
        )
        self.trial_buyers = Gauge(
            "recompra_holdout_buyers",
            "Those of recompra_holdout_customers who ordered within the horizon.",
            ["rule", "arm"],
            registry=registry,
        )
        self.uplift = Gauge(
            "recompra_uplift",
            "Share of buyers among the contacted less that among the held out, and its 95 % interval.",
            ["rule", "bound"],
            registry=registry,
        )
        self.retention = Gauge(
            "recompra_retention_customers",
            "Customers of this worker's partitions at a period's begin and its end, and those of its end who are new.",
            ["period", "moment"],
            registry=registry,
        )
        self.retention_reference = Gauge(
            "recompra_retention_reference", "The retention to compare with; NaN where none is set.", registry=registry
        )
        self.retention_reference.set(math.nan)
        self.refused = Counter(
            "recompra_dead_letters",
            "Records refused, by input and code of the reason.",
            ["topic", "code"],
            registry=registry,
        )
        self.forgotten = Counter(
            "recompra_customers_forgotten", "Requests to forget a customer that were done.", registry=registry
        )
        self.commits = Histogram(
            "recompra_commit_duration_seconds", "Time that a commit takes.", buckets=_COMMIT_S, registry=registry
        )
        self.committed_rows = Counter("recompra_changelog_rows", "Changelog rows written.", registry=registry)
        self.committed_bytes = Counter(
            "recompra_changelog_bytes", "Bytes of changelog rows written.", registry=registry
        )
        self.failed_commits = Counter(
            "recompra_commits_failed",
            "Commits that failed, and failures of the engine; the state is then read anew.",
            registry=registry,
        )
        self.restored_rows = Counter(
            "recompra_restored_rows", "Changelog rows read to restore state.", registry=registry
        )
        self.restored_snapshot_rows = Counter(
            "recompra_restored_snapshot_rows", "Rows read from local snapshots to restore state.", registry=registry
        )
        self.restore_seconds = Counter(
            "recompra_restore_seconds", "Time spent on reading changelog rows to restore state.", registry=registry
        )
        self.snapshot_age = Gauge(
            "recompra_snapshot_age_seconds",
            "Age of the local snapshot of a partition.",
            ["partition"],
            registry=registry,
        )
        self.snapshot_bytes = Gauge(
            "recompra_snapshot_bytes", "Size of the local snapshot of a partition.", ["partition"], registry=registry
        )
        self.snapshot_copies = Histogram(
            "recompra_snapshot_copy_seconds",
            "Time that a partition waits while its state is copied.",
            buckets=_COPY_S,
            registry=registry,
        )
        self.snapshots_written = Counter("recompra_snapshots_written", "Local snapshots written.", registry=registry)
        self.snapshots_refused = Counter(
            "recompra_snapshots_refused",
            "Local snapshots that were not used, by reason; the whole changelog was read instead.",
            ["reason"],
            registry=registry,
        )
        self.snapshots_failed = Counter(
            "recompra_snapshots_failed", "Local snapshots that could not be written.", ["reason"], registry=registry
        )
        self.shop_version = Gauge(
            "recompra_shop_version",
            "Version of the shop's knowledge in force; 0 for none.",
            ["partition"],
            registry=registry,
        )
        self.shop_refused = Counter(
            "recompra_shop_refused", "Versions of the shop's knowledge that could not be used.", registry=registry
        )
        self.model_version = Gauge(
            "recompra_model_version", "Version of the model in force.", ["partition"], registry=registry
        )
        self.warming_up = Gauge(
            "recompra_model_warming_up", "1 while the model has not learned enough.", ["partition"], registry=registry
        )
        self.models_refused = Counter("recompra_models_refused", "Snapshots that could not be used.", registry=registry)
        self.rules_refused = Counter(
            "recompra_rules_refused", "Rule versions that could not be used.", registry=registry
        )
        self.exactly_once = Gauge("recompra_exactly_once", "1 where commits are transactions.", registry=registry)

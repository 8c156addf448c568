"""Metrics of the trainer: every one declared here, once."""

import math

from prometheus_client import CollectorRegistry, Counter, Gauge

from scoring.model import Snapshot
from streams.trainer.training import Training

__all__ = ["TrainerMetrics"]


class TrainerMetrics:
    """The metrics of one trainer, in a registry of their own. Quality is of scores that were served."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        registry = self.registry
        self.learned = Gauge(
            "recompra_examples_learned", "Examples that the newest version has learned.", registry=registry
        )
        self.held = Gauge(
            "recompra_examples_held", "Examples that wait for a partition's watermark.", registry=registry
        )
        self.skipped = Gauge(
            "recompra_examples_skipped",
            "Examples left out since this start, because they had been learned or came after their time.",
            registry=registry,
        )
        self.foreign = Gauge(
            "recompra_examples_foreign",
            "Examples left out since this start, because other features made them.",
            registry=registry,
        )
        self.unreadable = Counter(
            "recompra_examples_unreadable", "Records of examples that could not be read.", registry=registry
        )
        self.base_rate = Gauge("recompra_base_rate", "Share of buyers among the examples learned.", registry=registry)
        self.quality = Gauge(
            "recompra_quality",
            "Quality of served scores, judged by their outcomes: auc, average_precision, log_loss, brier, "
            "calibration_error, by segment and month ('' is all); positives: how many of them bought.",
            ["figure", "segment", "month"],
            registry=registry,
        )
        self.version = Gauge(
            "recompra_newest_model_version", "The version published last; 0 for none.", registry=registry
        )
        self.warming_up = Gauge(
            "recompra_trainer_warming_up", "1 while too few outcomes have resolved for a model.", registry=registry
        )
        self.effective = Gauge(
            "recompra_newest_model_effective_seconds",
            "Event time from which the newest version is in force (seconds since the epoch).",
            registry=registry,
        )
        self.watermark = Gauge(
            "recompra_trainer_watermark_seconds",
            "Watermark of a partition, as told on the topic examples (seconds since the epoch).",
            ["partition"],
            registry=registry,
        )
        self.published = Counter("recompra_models_published", "Versions published.", registry=registry)
        self.warming_up.set(1)

    def look(self, training: Training) -> None:
        """Set what changes with every record read."""
        learner = training.learner
        self.held.set(training.held)
        self.skipped.set(learner.skipped)
        self.foreign.set(learner.foreign)
        for partition, watermark_ms in training.watermarks.items():
            self.watermark.labels(str(partition)).set(watermark_ms / 1000)

    def model(self, snapshot: Snapshot, training: Training) -> None:
        """Set what changes with a version."""
        learner = training.learner
        self.learned.set(snapshot.examples_seen)
        self.version.set(snapshot.version)
        self.warming_up.set(float(snapshot.warming_up))
        self.effective.set(snapshot.effective_ms / 1000)
        if not math.isnan(learner.base_rate):
            self.base_rate.set(learner.base_rate)
        self.quality.clear()
        for segment in learner.quality.segments():
            months = list(learner.quality.by_month(segment).items())[-2:]
            for month, found in [("", learner.quality.overall(segment)), *months]:
                for name in ("positives", "auc", "average_precision", "log_loss", "brier", "calibration_error"):
                    value = getattr(found, name)
                    if not math.isnan(value):
                        self.quality.labels(name, segment, month).set(value)

"""Metrics of the shop's knowledge: every one declared here, once. None names a customer."""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge

from scoring.profile import NEVER
from scoring.shop.shop import Shop

__all__ = ["ShopMetrics"]


class ShopMetrics:
    """The metrics of one process that computes the shop's knowledge, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        registry = self.registry
        self.products = Gauge("recompra_shop_products", "Products that are known.", registry=registry)
        self.pairs = Gauge(
            "recompra_shop_pairs", "Pairs of products bought together, in both directions.", registry=registry
        )
        self.pair_error = Gauge(
            "recompra_shop_pair_error_orders",
            "By how many decayed orders the count of a pair may be too low, at most; 0 while all are held.",
            registry=registry,
        )
        self.purchases = Gauge(
            "recompra_shop_purchases", "Last purchases remembered for the usual gaps.", registry=registry
        )
        self.sampled = Gauge(
            "recompra_shop_purchases_share",
            "Share of the customers whose purchases are remembered.",
            registry=registry,
        )
        self.open = Gauge(
            "recompra_shop_open", "Orders and products of intervals that are not complete.", registry=registry
        )
        self.late = Gauge(
            "recompra_shop_late", "Observations left out so far because they came too late.", registry=registry
        )
        self.repeated = Gauge(
            "recompra_shop_repeated",
            "Orders left out since this start because their id had been counted.",
            registry=registry,
        )
        self.left_out = Gauge(
            "recompra_shop_left_out",
            "Orders and products left out so far because an interval held too many, at least.",
            registry=registry,
        )
        self.refused = Counter(
            "recompra_shop_records_refused", "Records that could not be used; workers tell why.", registry=registry
        )
        self.read = Counter("recompra_shop_records_read", "Records read.", ["topic"], registry=registry)
        self.lag = Gauge(
            "recompra_shop_lag_records", "Records on the broker that are not yet read.", ["topic"], registry=registry
        )
        self.version = Gauge(
            "recompra_newest_shop_version", "The version published last; 0 for none.", registry=registry
        )
        self.effective = Gauge(
            "recompra_newest_shop_effective_seconds",
            "Event time from which the newest version is in force (seconds since the epoch).",
            registry=registry,
        )
        self.age = Gauge(
            "recompra_shop_age_seconds",
            "Event time that was read since the newest version came in force (seconds).",
            registry=registry,
        )
        self.published = Counter("recompra_shop_versions_published", "Versions published.", registry=registry)

    def look(self, shop: Shop, lag: Mapping[str, int]) -> None:
        """Set what changes with the records read."""
        self.open.set(shop.open_observations)
        self.late.set(shop.late)
        newest_ms = max(front.newest_ms for front in shop.fronts.values())
        self.age.set(max(newest_ms - shop.closed_ms, 0) / 1000 if shop.closed_ms != NEVER else 0)
        for topic, records in lag.items():
            self.lag.labels(topic).set(records)

    def known(self, shop: Shop) -> None:
        """Set what changes with a version, from the newest; at a start, from the one that is gone on from."""
        knowledge = shop.knowledge
        self.products.set(len(knowledge.products))
        self.pairs.set(len(knowledge.companions.code))
        self.pair_error.set(knowledge.pair_error)
        self.purchases.set(len(knowledge.purchases.key))
        self.sampled.set(knowledge.purchases.limit / 2**64)
        self.repeated.set(knowledge.repeated)
        self.left_out.set(shop.left_out)
        self.version.set(shop.version)
        if shop.closed_ms != NEVER:
            self.effective.set(shop.closed_ms / 1000)

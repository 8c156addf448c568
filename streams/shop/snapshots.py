"""Snapshots: the versions of the shop's knowledge, read whole by each worker with its own consumer."""

import logging
from collections.abc import Callable

from scoring.shop.snapshot import ShopSnapshot, SnapshotPartError
from streams.settings import Settings
from streams.shop.wire import Part, read_part
from streams.whole_topic import WholeTopic

__all__ = ["TOPIC", "Assembly", "ShopSnapshots"]

log = logging.getLogger(__name__)

TOPIC = "products"


class Assembly:
    """Puts parts together to versions; of those that stay in parts only the newest are kept.

    Parameters
    ----------
    most
        Versions in parts that are kept.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._parts: dict[int, dict[int, Part]] = {}

    def add(self, part: Part) -> list[Part] | None:
        """Take a part; return all of its version, in order, once they are there."""
        held = self._parts.setdefault(part.version, {})
        held[part.part] = part
        if len(held) == part.parts:
            del self._parts[part.version]
            return [held[number] for number in sorted(held)]
        if len(self._parts) > self._most:
            del self._parts[min(self._parts)]
        return None


class ShopSnapshots(WholeTopic):
    """The newest versions on the topic, in order.

    Parameters
    ----------
    found
        Told each new one that can be used.
    refused
        Told each that cannot.
    """

    def __init__(
        self,
        settings: Settings,
        found: Callable[[ShopSnapshot], None],
        refused: Callable[[SnapshotPartError], None],
    ) -> None:
        self._found, self._refused = found, refused
        self._kept = settings.shop_versions_kept
        self._assembly = Assembly(self._kept)
        super().__init__(settings, TOPIC)
        self.known: dict[int, ShopSnapshot] = {}

    def in_order(self) -> list[ShopSnapshot]:
        """Those known so far."""
        return [self.known[version] for version in sorted(self.known)]

    async def take(self, value: bytes) -> None:
        """Take a part in; with the last of its version, that, or tell why it cannot be used."""
        try:
            parts = self._assembly.add(read_part(value))
            if parts is None or parts[0].version in self.known:
                return
            snapshot = ShopSnapshot(parts[0].version, parts[0].effective_ms, [part.data for part in parts])
        except SnapshotPartError as error:
            log.warning("%s", error)
            self._refused(error)
            return
        self.known[snapshot.version] = snapshot
        for version in sorted(self.known)[: -self._kept]:
            del self.known[version]
        self._found(snapshot)

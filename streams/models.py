"""Models: the snapshots that the trainer publishes, read whole by each worker with its own consumer."""

import binascii
import logging
from base64 import b64decode
from collections.abc import Callable
from dataclasses import replace

import msgspec

from schemas.outputs import ModelEvent
from schemas.refusal import DECODE_ERRORS
from scoring.features import FEATURE_VERSION
from scoring.model import Snapshot, SnapshotRefused
from streams.settings import Settings
from streams.whole_topic import WholeTopic

__all__ = ["Models", "snapshot_of"]

log = logging.getLogger(__name__)

TOPIC = "models"


def snapshot_of(value: bytes, settings: Settings) -> Snapshot:
    """Return the snapshot in a record of `models`, without the learner's state, which a scorer never needs.

    Raises
    ------
    SnapshotRefused
        If it is none, or one of another feature version or horizon.
    """
    try:
        event = msgspec.json.decode(value, type=ModelEvent)
        data = b64decode(event.data.snapshot, validate=True)
    except (*DECODE_ERRORS, binascii.Error) as error:
        raise SnapshotRefused("value", value[:40], str(error), "check what writes to the topic") from None
    snapshot = Snapshot.from_bytes(data, feature_version=FEATURE_VERSION, allow_pickle=settings.allow_pickled_models)
    if snapshot.horizon_ms != settings.horizon_ms:
        raise SnapshotRefused(
            "horizon_ms",
            snapshot.horizon_ms,
            f"this worker scores a horizon of {settings.horizon_ms} ms",
            "give trainer and workers the same horizon, and another app_id where it changes",
        )
    return replace(snapshot, state=b"")


class Models(WholeTopic):
    """All snapshots on the topic, in order of version.

    Parameters
    ----------
    found
        Told each new one that can be used.
    refused
        Told each that cannot, once.
    """

    def __init__(
        self,
        settings: Settings,
        found: Callable[[Snapshot], None],
        refused: Callable[[SnapshotRefused], None],
    ) -> None:
        self._found = found
        self._refused = refused
        super().__init__(settings, TOPIC)
        self.known: dict[int, Snapshot] = {}

    def in_order(self) -> list[Snapshot]:
        """Those known so far."""
        return [self.known[version] for version in sorted(self.known)]

    async def take(self, value: bytes) -> None:
        """Take a snapshot in, or tell why it cannot be used."""
        try:
            snapshot = snapshot_of(value, self._settings)
        except SnapshotRefused as error:
            log.warning("%s", error)
            self._refused(error)
            return
        if snapshot.version not in self.known:
            self.known[snapshot.version] = snapshot
            self._found(snapshot)

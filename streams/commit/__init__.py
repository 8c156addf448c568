"""Commit: what each partition number applied reaches the broker once."""

from streams.commit.ports import (
    BrokerClient,
    CommitFailedError,
    Copy,
    Copying,
    FencedError,
    NoSnapshots,
    Record,
    Sink,
    Slice,
    SnapshotRefusedError,
    Snapshots,
    Taken,
    UnitState,
    UnitStatus,
)
from streams.commit.protocol import CommitProtocol, Offered, Stage

__all__ = [
    "BrokerClient",
    "CommitFailedError",
    "CommitProtocol",
    "Copy",
    "Copying",
    "FencedError",
    "NoSnapshots",
    "Offered",
    "Record",
    "Sink",
    "Slice",
    "SnapshotRefusedError",
    "Snapshots",
    "Stage",
    "Taken",
    "UnitState",
    "UnitStatus",
]

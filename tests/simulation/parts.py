"""Parts: what a schedule runs; the production classes, unless a mistake is planted in one of them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from simulation.clients import Acknowledged, SimulatedClient, Transactional
from simulation.units import RecordingUnit

from scoring.model import Snapshot
from streams.commit import CommitProtocol

__all__ = ["PRODUCTION", "Parts"]


@dataclass(frozen=True, slots=True)
class Parts:
    """The classes that a worker is made of."""

    protocol: type[CommitProtocol] = CommitProtocol
    unit: Callable[[int, Iterable[Snapshot]], RecordingUnit] = RecordingUnit
    transactional_client: type[SimulatedClient] = Transactional
    acknowledged_client: type[SimulatedClient] = Acknowledged


PRODUCTION = Parts()

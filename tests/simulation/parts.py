"""Parts: what a schedule runs; the production classes, unless a mistake is planted in one of them."""

from dataclasses import dataclass

from simulation.clients import Acknowledged, Transactional
from simulation.disks import SimulatedSnapshots
from simulation.rules import SimulatedRules
from simulation.units import RecordingUnit

from streams.commit import CommitProtocol
from streams.suspects import Suspects

__all__ = ["PRODUCTION", "Parts"]


@dataclass(frozen=True, slots=True)
class Parts:
    """The classes that a worker is made of."""

    protocol: type[CommitProtocol] = CommitProtocol
    unit: type[RecordingUnit] = RecordingUnit
    transactional_client: type[Transactional] = Transactional
    acknowledged_client: type[Acknowledged] = Acknowledged
    rules: type[SimulatedRules] = SimulatedRules
    snapshots: type[SimulatedSnapshots] = SimulatedSnapshots
    suspects: type[Suspects] = Suspects


PRODUCTION = Parts()

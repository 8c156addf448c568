"""Gates: what stands between a crossing and its publication, and when and where to send what passes."""

from scoring.gates.gates import GATES, STORED, Asked, Gates, Verdict
from scoring.gates.settings import Cap, GateSettings
from scoring.gates.standing import Standing

__all__ = ["GATES", "STORED", "Asked", "Cap", "GateSettings", "Gates", "Standing", "Verdict"]

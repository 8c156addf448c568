"""Unit options: what all units of a worker share."""

from collections.abc import Callable
from dataclasses import dataclass, field

from scoring.engine import EngineSettings
from scoring.rules import RuleSet
from streams.fingerprint import Fingerprint
from streams.limits import Limits

__all__ = ["UnitOptions"]


@dataclass(frozen=True, slots=True)
class UnitOptions:
    """What all units of a worker share.

    Parameters
    ----------
    engine, rules
        Settings of the engine, and the lists.
    allowed_skew_ms
        How far a timestamp may lie past its receipt, and how near to it counts as live.
    own_clock
        Whether time is the events' own; the watermark then never advances by itself.
    slice_records
        Records of one input that may wait before no more is asked for.
    limits
        How large what an event says may be.
    shadow
        Whether what is told is for topics of a replay, and says so; no examples are then.
    partition_of
        The partition number of a key; None: there is one partition only.
    erasure_key
        What the hashes of erased ids are keyed with; empty: requests to forget a customer wait.
    fingerprint
        The settings that decide what is told, for `progress`.
    """

    engine: EngineSettings
    rules: RuleSet
    allowed_skew_ms: int
    own_clock: bool
    slice_records: int
    limits: Limits = field(default_factory=Limits)
    shadow: bool = False
    partition_of: Callable[[bytes], int] | None = None
    erasure_key: bytes = field(default=b"", repr=False)
    fingerprint: Fingerprint = field(default_factory=Fingerprint)

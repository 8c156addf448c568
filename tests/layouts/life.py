"""The life of a few customers, kept as records and always the same, and the rows that releases wrote of it.

`inputs.json.gz` holds what the demo's shop sent about a dozen customers over a hundred days, and an alias; `rules.yaml`
the rules of the time, and `SIZES` the sizes of a row, as the defaults were then. None of it may change: `1.rows.gz`,
`2.rows.gz` … are the changelog of the first `SPLIT` records as releases of these layouts wrote it.
"""

import gzip
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from scoring.engine import EngineSettings
from scoring.features import BASELINE, FEATURE_VERSION, N_FEATURES
from scoring.gates import GateSettings
from scoring.kinds import N_SOURCES
from scoring.model import LinearScorer, Snapshot
from scoring.profile import DAY_MS, Layout
from scoring.rules import RuleSet
from scoring.rules.reading import read_rules
from streams.commit import Taken
from streams.unit import Unit
from streams.unit_options import UnitOptions

__all__ = ["SPLIT", "Sent", "begun", "lived", "options", "sent", "stored"]

HERE = Path(__file__).parent
SPLIT = 0.7
"""Share of the records that were applied when rows were kept; the others come after the upgrade."""
SIZES = {
    "horizon_ms": 30 * DAY_MS,
    "day_kinds": (-2, 1, 4),
    "hour_kinds": (1,),
    "days": 90,
    "hours": 24,
    "orders": 16,
    "messages": 32,
    "views": 8,
}
_AT_ONCE = 20
"""Records between two commits."""


class Sent(NamedTuple):
    """One record: which input it is on, and what a fetch gives of it."""

    source: int
    offset: int
    timestamp: int
    key: bytes
    value: bytes


def sent() -> tuple[list[Sent], list[Sent]]:
    """All records in order of time: those before the upgrade, and those after it."""
    records = msgspec.json.decode(gzip.decompress((HERE / "inputs.json.gz").read_bytes()), type=list[Sent])
    split = int(len(records) * SPLIT)
    return records[:split], records[split:]


def options() -> UnitOptions:
    """Settings and rules of the time."""
    rules = RuleSet(read_rules((HERE / "rules.yaml").read_text("utf-8"), "rules.yaml"))
    layout = replace(Layout(**SIZES), parts=rules.parts)
    return UnitOptions(
        EngineSettings(layout=layout, max_action_age_ms=None, gates=GateSettings()), rules, 600_000, True, 100_000
    )


def begun(rows: Sequence[tuple[bytes, bytes]] = ()) -> Unit:
    """A unit of one partition, restored from rows."""
    unit = Unit(0, options())
    unit.restore([key for key, _ in rows], [value for _, value in rows])
    unit.ready({})
    scorer = LinearScorer(np.zeros(N_FEATURES), np.ones(N_FEATURES), np.eye(N_FEATURES)[BASELINE], 0.0, 1e9)
    horizon_ms = options().engine.layout.horizon_ms
    unit.engine.versions.swap(Snapshot(1, 0, FEATURE_VERSION, horizon_ms, False, scorer, np.linspace(-0.3, 0.15, 13)))
    return unit


def lived(unit: Unit, records: Sequence[Sent]) -> list[Taken]:
    """Let a unit apply records, a few at a time; what each commit writes."""
    found = []
    for start in range(0, len(records), _AT_ONCE):
        piece = records[start : start + _AT_ONCE]
        for source in range(N_SOURCES):
            own = [each for each in piece if each.source == source]
            if own:
                unit.offer(source, own, own[-1].offset + 1)
            else:
                unit.idle(source, 0, 0)
        while unit.pump(0):
            pass
        taken = unit.take()
        assert taken is not None
        found.append(taken)
    return found


def stored(layout: int) -> list[tuple[bytes, bytes]]:
    """The rows that were kept of a layout, as the compacted changelog held them."""
    packed = gzip.decompress((HERE / f"{layout}.rows.gz").read_bytes())
    return msgspec.msgpack.decode(packed, type=list[tuple[bytes, bytes]])

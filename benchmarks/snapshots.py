"""A restart with a local snapshot and without one, and how long the copy stops everything else.

`python -m benchmarks.snapshots [--customers 200000]`: the state of so many customers is put on the changelog, and the
same worker starts three times: without `state_dir`, with an empty one, and with the snapshots that it left there.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from typing import Any

from benchmarks.cluster import Cluster
from benchmarks.measured import Worker
from benchmarks.memory import PARTITIONS, RULES, states

__all__ = ["restarts"]

_BATCH_BYTES = 524_288


def restarts(customers: int, said: Callable[[str], None]) -> dict[str, Any]:
    """Figures of the three starts, beside one of a worker that has no customers."""
    base, full = "bench-no-customers", "bench-snapshots"
    with Cluster(PARTITIONS, (base, full), **RULES) as cluster, tempfile.TemporaryDirectory() as directory:
        said("  a worker without customers")
        with Worker(cluster, base, exactly_once=True, **RULES) as worker:
            figures: dict[str, Any] = {"customers": customers, "start_of_nothing_s": round(worker.ready_after_s, 1)}
        said("  putting their state on the changelog")
        for piece in states(customers, cluster.partition_of):
            cluster.send({(f"{full}-profiles-changelog", place): pairs for place, pairs in piece.items()}, _BATCH_BYTES)
        for name, settings in (
            ("without_state_dir", {}),
            ("without_a_snapshot", {"state_dir": directory}),
            ("with_a_snapshot", {"state_dir": directory}),
        ):
            said(f"  {name}")
            with Worker(cluster, full, exactly_once=True, **RULES, **settings) as worker:
                figures[name] = _measured(worker)
    return figures


def _measured(worker: Worker) -> dict[str, Any]:
    return {
        "ready_after_s": round(worker.ready_after_s, 1),
        "changelog_rows": worker.metric("recompra_restored_rows_total"),
        "snapshot_rows": worker.metric("recompra_restored_snapshot_rows_total"),
        "snapshot_mb": round(worker.metric("recompra_snapshot_bytes") / 1e6),
        "refused": worker.metric("recompra_snapshots_refused_total"),
        "cpu_s": round(worker.cpu_s, 1),
        "peak_mb": round(worker.peak_mb),
    }


def main() -> None:
    """Start three times, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=200_000)
    options = parser.parse_args()
    print(json.dumps(restarts(options.customers, lambda text: print(text, file=sys.stderr, flush=True)), indent=2))


if __name__ == "__main__":
    main()

"""Regressions: seeds that found something, with a sentence each.

A seed is a schedule only together with the simulation's own code; so what was wrong is planted among the mistakes too
(`simulation.mistakes`), where it stays found when the seeds shift.
"""

__all__ = ["REGRESSIONS"]

REGRESSIONS: tuple[tuple[int, bool, str], ...] = (
    (22, False, "Counters restored from a row written before the offsets they count up to: records counted twice."),
    (202, False, "Rows were written, their offsets not: nobody committed these until something else was read."),
    (171, False, "A customer's leaving, told before a crash, stood on the ledger as withheld after it."),
    (3184, True, "Who is signed in was marked as applied where a slice began before it was known, and not elsewhere."),
    (3299, True, "The simulation's own replay did not hear of rules that were told after a commit's last record."),
)
"""Seed, whether with transactions, what was found."""

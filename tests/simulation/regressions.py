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
    (1120, True, "Somebody was forgotten between decoding and applying: who said anew who they are was not linked."),
    (1140, False, "What came for somebody forgotten was left by its time alone, though of another who joined since."),
    (
        1303,
        True,
        "Examples outlived a customer who was about to leave: their rows went after the one they are found by.",
    ),
    (
        1572,
        False,
        "Somebody whose owner was claimed by another was forgotten alone, and the owner's history then left.",
    ),
    (8946, False, "A request that was passed on was taken for an earlier one of the same id, and not done."),
    (10086, True, "The simulation's own replay did not hear of models that were told after a commit's last record."),
    (12682, False, "Whoever was forgotten and got themselves back was told of by the ids of before."),
    (17871, True, "Who claimed an id that was forgotten with somebody else was still known by it, until a restart."),
    (47265, True, "What was given away before its owner was forgotten came to who had come again, and stayed."),
    (48485, True, "Two became one, and had more examples than a row has room for: a copy had one of somebody gone."),
    (
        48959,
        True,
        "The ids in a receipt stood in the order in which they had become one, and otherwise after a restore.",
    ),
    (2030, True, "Two requests about one person had one id: the second receipt took the place of the first."),
    (591, True, "An example made after a customer's time had been put on was kept by another time than the row's."),
    (58417, False, "A request was done before the rest of a commit that says who was one by then: they stayed."),
    (59444, False, "A request received before another of an id, and done after it: what was sent between them stayed."),
    (60068, True, "Who came again after two requests, the older done last, was told of by the same ids twice."),
    (
        58163,
        False,
        "The simulation's own bounds were upside down where an order was told of twice, worth more at first.",
    ),
    (
        3591,
        False,
        "Who left after a crash took an order along that only the side record knew: it came again, as known.",
    ),
    (3299, True, "The simulation's own replay did not hear of rules that were told after a commit's last record."),
    (
        19494,
        False,
        "A message came again before the history that knew it, which went round in a circle: it counted twice.",
    ),
    (3155, False, "A record went round in a circle of links, was overtaken by a later one, and taken for known."),
)
"""Seed, whether with transactions, what was found."""

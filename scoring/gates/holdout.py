"""Holdout: who is kept out of all marketing, or out of that of one rule, so that its effect can be measured."""

from scoring.profile import stable_hash

__all__ = ["GLOBAL", "RULE", "held_out"]

GLOBAL, RULE = "global", "rule"


def held_out(customer: bytes, rule: str, share_global: float, share_rule: float, salt: str) -> str | None:
    """Which control a customer is in for a rule: `global`, `rule`, or None.

    A function of the id alone, with a hash of its own for the global control and for each rule, so that the controls
    do not depend on each other nor on what else is drawn by the id. O(1), about 2 µs.
    """
    if _drawn(b"all", customer, salt, share_global):
        return GLOBAL
    return RULE if _drawn(b"rule:" + rule.encode(), customer, salt, share_rule) else None


def _drawn(name: bytes, customer: bytes, salt: str, share: float) -> bool:
    if share <= 0:
        return False
    # Lengths first, so that no two different questions are one text.
    text = b"%d:%b:%d:%b:%b" % (len(salt.encode()), salt.encode(), len(name), name, customer)
    return stable_hash(b"holdout:" + text) < share * 2**64

"""Holdout: who is kept out of all marketing, or out of that of one rule, so that its effect can be measured."""

from functools import lru_cache

from scoring.profile import stable_hash

__all__ = ["GLOBAL", "RULE", "held_out"]

GLOBAL, RULE = "global", "rule"
_EVERYTHING = "all"


def held_out(customer: bytes, rule: str, share_global: float, share_rule: float, salt: str) -> str | None:
    """Which control a customer is in for a rule: `global`, `rule`, or None.

    A function of the id alone, with a hash of its own for the global control and for each rule, so that the controls
    do not depend on each other nor on what else is drawn by the id. O(1), about 2 µs.
    """
    if _drawn(_EVERYTHING, customer, salt, share_global):
        return GLOBAL
    return RULE if _drawn(f"rule:{rule}", customer, salt, share_rule) else None


def _drawn(name: str, customer: bytes, salt: str, share: float) -> bool:
    return share > 0 and stable_hash(_question(name, salt) + customer) < share * 2**64


@lru_cache(maxsize=1024)
def _question(name: str, salt: str) -> bytes:
    # Lengths first, so that no two different questions are one text.
    return b"holdout:%d:%b:%d:%b:" % (len(salt.encode()), salt.encode(), len(name.encode()), name.encode())

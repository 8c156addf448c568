"""Holdout: who is kept out of all marketing, or out of that of one rule, so that its effect can be measured."""

import math
from functools import lru_cache

from scoring.profile import stable_hash

__all__ = ["GLOBAL", "RULE", "held_out"]

GLOBAL, RULE = "global", "rule"
_EVERYTHING = "all"


def held_out(customer: bytes, rule: str, share_global: float, share_rule: float, salt: str) -> str | None:
    """Which control a customer is in for a rule: `global`, `rule`, or None.

    A function of the id alone, with a hash of its own for the global control and for each rule, so that the controls
    do not depend on each other nor on what else is drawn by the id. O(1), about 1 µs.
    """
    everything, most, of_rule, most_of_rule = _lots(rule, share_global, share_rule, salt)
    if most and stable_hash(everything + customer) < most:
        return GLOBAL
    return RULE if most_of_rule and stable_hash(of_rule + customer) < most_of_rule else None


@lru_cache(maxsize=1024)
def _lots(rule: str, share_global: float, share_rule: float, salt: str) -> tuple[bytes, int, bytes, int]:
    """The question of each control, and below which hash a customer is in it."""
    return (
        _question(_EVERYTHING, salt), math.ceil(share_global * 2**64),
        _question(f"rule:{rule}", salt), math.ceil(share_rule * 2**64),
    )  # fmt: skip


def _question(name: str, salt: str) -> bytes:
    # Lengths first, so that no two different questions are one text.
    return b"holdout:%d:%b:%d:%b:" % (len(salt.encode()), salt.encode(), len(name.encode()), name.encode())

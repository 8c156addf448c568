"""Traits: what was last said of a customer's person or company, as rules with a profile read it."""

from collections.abc import Collection, Mapping

__all__ = ["Traits", "fits", "joined_traits", "traits_by", "with_traits"]

_KEPT = 4

Traits = dict[str, tuple[tuple[int, str], ...]]
"""By trait: when it was said to be what, by time, the last few; values in lower case."""


def with_traits(before: Traits, ms: int, said: Mapping[str, str], kept: Collection[str]) -> Traits:
    """The traits with what one more event says of those that are kept; the same in whatever order events come."""
    found = dict(before)
    for name in kept:
        if name in said:
            found[name] = tuple(sorted({*before.get(name, ()), (ms, said[name])}))[-_KEPT:]
    return found


def joined_traits(one: Traits, other: Traits) -> Traits:
    """The traits of two customers who are the same."""
    names = sorted({*one, *other})
    return {name: tuple(sorted({*one.get(name, ()), *other.get(name, ())}))[-_KEPT:] for name in names}


def traits_by(told: Traits, now_ms: int) -> dict[str, str]:
    """What each trait was last said to be at a time."""
    last = {name: [value for ms, value in values if ms <= now_ms] for name, values in told.items()}
    return {name: values[-1] for name, values in last.items() if values}


def fits(traits: Mapping[str, str], profile: Mapping[str, tuple[str, ...]]) -> bool:
    """Whether each trait of a profile is one of those that it names, in capitals or not."""
    return all(traits.get(name) in {value.casefold() for value in values} for name, values in profile.items())

"""Layout number: how what is stored is laid out, counted up by each release that stores something otherwise."""

from typing import Final

__all__ = ["LAYOUT", "LayoutMismatchError", "number_of", "refusal", "stamp"]

LAYOUT: Final = 2
"""The layout that this release writes; `scoring.older` reads those before it."""

_MARK: Final = 0x5243
"""Tells a stamp with a number from one of layout 1, which is a bare hash."""


class LayoutMismatchError(ValueError):
    """A stored row is of a newer layout, or of other settings than this process was started with."""


def stamp(settings_hash: int) -> int:
    """64 bits that stand in each profile row: a mark, the layout's number, and 32 bits of a hash of its settings."""
    return _MARK << 48 | LAYOUT << 32 | settings_hash & 0xFFFF_FFFF


def number_of(found: int) -> int:
    """The number of the layout that a stamp tells; 1 where it tells none."""
    return found >> 32 & 0xFFFF if found >> 48 == _MARK else 1


def refusal(what: str, number: int, differs: str | None = None) -> LayoutMismatchError:
    """Why a row of a layout cannot be used, and what to do; it is of a known one only with other settings.

    `differs` says which, where that is known.
    """
    if number > LAYOUT:
        return LayoutMismatchError(
            f"{what} is of layout {number}, and this release knows layouts up to {LAYOUT}: a newer release wrote it; "
            "start that one, or import a state that was exported before the upgrade"
        )
    why = "" if differs is None else f": {differs}"
    return LayoutMismatchError(
        f"{what} is of another layout{why}; start under another app id or with the former settings: ring sizes, their "
        "kinds, the horizon and what the rules read are fixed for the life of a state"
    )

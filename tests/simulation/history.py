"""History: what happened in one schedule, in order, to be checked and to be read."""

from collections.abc import Callable
from typing import Any, NamedTuple

__all__ = ["Happened", "History"]


class Happened(NamedTuple):
    """At a virtual second, somebody did something."""

    at_s: float
    who: str
    what: str
    details: tuple[Any, ...]


class History:
    """Everything that happened, as short texts that are only put together when somebody reads them."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self.events: list[Happened] = []

    def note(self, who: str, what: str, *details: Any) -> None:
        """Add what happened now; `details` fill the places of `what`."""
        self.events.append(Happened(self._now_s(), who, what, details))

    def text(self, last: int | None = None) -> str:
        """A line for each event, or for the `last` ones."""
        events = self.events if last is None else self.events[-last:]
        lines = [f"{e.at_s:9.3f}s  {e.who:<10} {e.what.format(*e.details)}" for e in events]
        if last is not None and len(self.events) > last:
            lines.insert(0, f"… {len(self.events) - last} earlier")
        return "\n".join(lines)

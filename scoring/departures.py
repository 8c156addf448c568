"""Departures: customers whose history goes to another partition, from being asked for to being sent.

What is asked for leaves with the next commit: its link, and how far its records were dealt with, are stored first. Only
then, with the commit after that, is it sent and deleted here. So what is sent is always what is stored, whatever
records are read again after a crash.
"""

from collections.abc import Collection
from dataclasses import dataclass, field

from scoring.transfer import Give

__all__ = ["Departures"]


@dataclass(slots=True)
class Departures:
    """What is about to leave one partition.

    Attributes
    ----------
    asked
        By former id: who it belongs to, and the offset of the record that asked.
    closed
        Former ids and their rows, whose links are to be stored with the commit under way.
    packed
        What is to be sent with the next commit.
    """

    asked: dict[bytes, tuple[bytes, int]] = field(default_factory=dict)
    closed: list[tuple[bytes, int]] = field(default_factory=list)
    packed: list[Give] = field(default_factory=list)

    def owner(self, former: bytes) -> bytes | None:
        """Who asks for an id that has not left yet."""
        asked = self.asked.get(former)
        return None if asked is None else asked[0]

    def drop(self, customers: Collection[bytes]) -> None:
        """Let nothing leave of customers who are forgotten."""
        for each in customers:
            self.asked.pop(each, None)
        self.packed = [give for give in self.packed if give.origin not in customers]

    def sent(self) -> list[Give]:
        """What is to be sent now, by id, as after a restore nobody knows who asked first; it is forgotten here."""
        sent, self.packed = sorted(self.packed, key=lambda give: give.origin), []
        return sent

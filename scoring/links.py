"""Links: the ids that one customer came under before, and the row that stands for all of them."""

import numpy as np
import numpy.typing as npt

from scoring.profile import Profiles

__all__ = ["Links"]


class Links:
    """Which former ids belong to which customer; each is a few dozen bytes, and is kept for good.

    A former id is looked up like any other, and found is the row of the customer that it belongs to: later events of it
    need no more than that. Only rows that were looked up before the ids were linked have to be followed.

    Parameters
    ----------
    profiles
        The rows; their index learns the former ids.

    Attributes
    ----------
    owner
        By former id: the id that it was linked to, which may be a former one itself by now.
    fresh
        The former ids that are new since they were last stored.
    """

    def __init__(self, profiles: Profiles) -> None:
        self._profiles = profiles
        self.owner: dict[bytes, bytes] = {}
        self.fresh: list[bytes] = []
        self._formers: dict[int, list[bytes]] = {}
        self._at: npt.NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.owner)

    def is_former(self, customer: bytes) -> bool:
        """Whether the id was linked to another."""
        return customer in self.owner

    def link(self, former: bytes, row: int) -> None:
        """Let an id, and all that were linked to it, mean another customer's row; its own row is left to nobody."""
        index = self._profiles.index
        own = index.get(former)
        formers = self._formers.setdefault(row, [])
        formers.append(former)
        if own is not None:
            formers += self._formers.pop(own, ())
            self._moved(own, row)
        for each in formers:
            index[each] = row
        self.owner[former] = self._profiles.keys[row]
        self.fresh.append(former)

    def follow(self, rows: npt.NDArray[np.int64]) -> None:
        """Replace, in place, rows (n,) of customers who are another by now; -1 stays. Nothing while none moved."""
        if self._at is None:
            return
        places = np.flatnonzero((rows >= 0) & (rows < len(self._at)))
        while len(places):
            before = rows[places]
            rows[places] = self._at[before]
            places = places[rows[places] != before]

    def _moved(self, own: int, row: int) -> None:
        at = np.zeros(0, np.int64) if self._at is None else self._at
        if own >= len(at):
            at = np.concatenate([at, np.arange(len(at), len(self._profiles.rows))])
        at[own] = row
        self._at = at

    # ---- stored

    def load(self, former: bytes, owner: bytes | None) -> None:
        """Take a stored link; `restored` must follow the last."""
        if owner is None:
            self.owner.pop(former, None)
        else:
            self.owner[former] = owner

    def restored(self) -> None:
        """Let every former id mean the row of who it belongs to in the end."""
        for former in self.owner:
            last = former
            while (owner := self.owner.get(last)) is not None:
                last = owner
            row = self._profiles.row(last)
            self._profiles.index[former] = row
            self._formers.setdefault(row, []).append(former)

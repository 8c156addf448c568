"""Group: what the broker clients need of the consumer group, whoever is its member."""

from collections.abc import Mapping
from typing import Protocol

__all__ = ["Group"]


class Group(Protocol):
    """The consumer group, by input and partition number."""

    async def committed(self, partition: int) -> Mapping[int, int]:
        """Return the committed offset of each input, -1 where there is none."""

    async def commit_offsets(self, partition: int, offsets: Mapping[int, int]) -> None:
        """Commit offsets as a member.

        Raises
        ------
        FencedError
            If the group no longer knows us, or the partition is not ours.
        CommitFailedError
            If the broker did not answer.
        """

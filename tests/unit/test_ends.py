"""Reading a partition to its end."""

from typing import Any

import pytest
from kafka import TopicPartition

from streams import ends
from streams.connection import BrokerUnreachableError


class Silent:
    """A consumer whose broker has gone: there are ten records, and none comes."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: {}

    def position(self, _: TopicPartition) -> int:
        """Where it stays."""
        return 3


def test_a_broker_that_goes_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is there and does not come is an error, which says where the reading stood."""
    place = TopicPartition("scores", 2)
    monkeypatch.setattr(ends, "ends", lambda *_: {place: 10})
    monkeypatch.setattr(ends, "_PATIENCE_S", 0.0)
    with pytest.raises(BrokerUnreachableError, match="scores/2 for 0 s, at offset 3 of 10"):
        list(ends.records_to_end(Silent(), place))

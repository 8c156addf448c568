"""A worker's end: what is logged of its reason."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from scoring.erased import KeyMismatchError
from scoring.layout_number import LayoutMismatchError
from streams.binding import TopicChangedError
from streams.unit import StateLostError
from streams.worker import _Worker


@pytest.mark.parametrize(
    ("error", "traced"),
    [
        (LayoutMismatchError("x"), False),
        (KeyMismatchError("x"), False),
        (TopicChangedError("x"), False),
        (StateLostError("x"), False),
        (ValueError("x"), True),
    ],
)
def test_only_faults_of_the_program_are_logged_with_a_traceback(
    error: Exception, traced: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Settings and topics that do not fit the state are told in a sentence, with what to do."""
    worker = cast("Any", SimpleNamespace(failure=None, over=asyncio.Event()))
    _Worker._failed(worker, error)
    [record] = caplog.records
    assert (record.getMessage(), record.exc_info is not None) == ("the worker ends: x", traced)
    assert (worker.failure, worker.over.is_set()) == (error, True)


def test_partitions_that_an_input_got_meanwhile_end_a_worker() -> None:
    """As at a start, where there are more than set: it tried to take them for ever, and nobody read what came there."""
    worker = cast("Any", SimpleNamespace(settings=SimpleNamespace(partitions=4)))
    with pytest.raises(TopicChangedError, match="has a partition 4, and the setting partitions is 4"):
        _Worker._unit(worker, 4)

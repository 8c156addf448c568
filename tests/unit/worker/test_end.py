"""A worker's end: what is logged of its reason."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from scoring.erased import KeyMismatchError
from scoring.layout_number import LayoutMismatchError
from streams.worker import _Worker


@pytest.mark.parametrize(
    ("error", "traced"), [(LayoutMismatchError("x"), False), (KeyMismatchError("x"), False), (ValueError("x"), True)]
)
def test_only_faults_of_the_program_are_logged_with_a_traceback(
    error: Exception, traced: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Settings that do not fit the state are told in a sentence, with what to do."""
    worker = cast("Any", SimpleNamespace(failure=None, over=asyncio.Event()))
    _Worker._failed(worker, error)
    [record] = caplog.records
    assert (record.getMessage(), record.exc_info is not None) == ("the worker ends: x", traced)
    assert (worker.failure, worker.over.is_set()) == (error, True)

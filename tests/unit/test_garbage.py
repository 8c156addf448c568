"""Garbage: cycles are looked for by the clock while much is done, and as before afterwards."""

import gc
import time
import weakref

import pytest

from streams import garbage


class _Cycle:
    def __init__(self) -> None:
        self.itself = self


@pytest.fixture
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(garbage, "_EVERY_S", 0.01)


@pytest.mark.usefixtures("_often")
def test_a_cycle_is_collected_by_the_clock() -> None:
    with garbage.collected_by_the_clock():
        assert not gc.isenabled()
        cycle = weakref.ref(_Cycle())
        until = time.monotonic() + 30
        while cycle() is not None and time.monotonic() < until:
            time.sleep(0.01)
        assert cycle() is None


@pytest.mark.parametrize("usual", [True, False])
def test_afterwards_all_is_as_before(usual: bool) -> None:
    before = gc.isenabled()
    (gc.enable if usual else gc.disable)()
    try:
        with pytest.raises(ValueError, match="broken"), garbage.collected_by_the_clock():
            raise ValueError("broken")
        assert gc.isenabled() is usual
    finally:
        (gc.enable if before else gc.disable)()

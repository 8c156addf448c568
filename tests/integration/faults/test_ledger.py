"""The ledger finds what it is there to find."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from scoring.stored import PROFILE
from tests.integration.faults.ledger import Ledger
from tests.integration.faults.world import World

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.xdist_group("faults")]


def _told_twice(ledger: Ledger) -> None:
    ledger.ids[next(name for name in ledger.ids if name[0] == "scores")] += 1


def _crossing_lost(ledger: Ledger) -> None:
    next(told for told in ledger.crossings.values() if len(told) > 1).pop(0)


def _crossings_swapped(ledger: Ledger) -> None:
    told = next(told for told in ledger.crossings.values() if len(told) > 1)
    told[0], told[1] = (told[1][0], *told[0][1:]), (told[0][0], *told[1][1:])


def _second_order_lost(ledger: Ledger) -> None:
    del ledger.crossings[next(of for of in ledger.crossings if of[1] == "second-order")]


def _record_not_counted(ledger: Ledger) -> None:
    ledger.read["orders", 0] += 1


def _commit_lost(ledger: Ledger) -> None:
    del ledger.progress[0][len(ledger.progress[0]) // 2]


def _duplicate_counted(ledger: Ledger) -> None:
    ledger.expected["duplicate"] -= 1
    ledger.expected["applied"] += 1


def _order_counted_twice(ledger: Ledger) -> None:
    next(counted for counted in ledger.customers.values() if counted.orders).orders.popitem()


def _view_lost(ledger: Ledger) -> None:
    next(counted for counted in ledger.customers.values() if counted.views).views.append("one more")


def _customer_lost(ledger: Ledger) -> None:
    del ledger.state[next(key for key in ledger.state if key[:1] == PROFILE)]


def _letter_lost(ledger: Ledger) -> None:
    del ledger.ids[next(name for name in ledger.ids if name[0].endswith("-dlq"))]


def _version_changed(ledger: Ledger) -> None:
    key, value = ledger.models[0]
    ledger.models.append((key, value.replace(b'"version":1', b'"version":2')))


PLANTED = [
    _told_twice, _crossing_lost, _crossings_swapped, _second_order_lost, _record_not_counted, _commit_lost,
    _duplicate_counted, _order_counted_twice, _view_lost, _customer_lost, _letter_lost, _version_changed,
]  # fmt: skip


@pytest.fixture(scope="module")
def whole(world: World) -> dict[str, Any]:
    """What the ledger holds once there is some of everything, and all of it is right."""
    world.running("worker", 1)
    world.running("trainer", 1)
    with world.load(1000):
        world.until(lambda: world.versions() >= 1)
    world.checked()
    world.ledger.check_versions()
    kept = ("customers", "read", "expected", "ids", "crossings", "progress", "state", "models")
    return {name: getattr(world.ledger, name) for name in kept}


@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.__name__.strip("_"))
def test_what_is_wrong_is_found(
    world: World, whole: dict[str, Any], plant: Callable[[Ledger], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One thing lost, told twice, miscounted or out of order among all that is right: the check fails."""
    for name, value in whole.items():
        monkeypatch.setattr(world.ledger, name, copy.deepcopy(value))
    plant(world.ledger)
    with pytest.raises(AssertionError):
        _all_checked(world.ledger)


def _all_checked(ledger: Ledger) -> None:
    ledger.check()
    ledger.check_versions()

"""Former sizes: a state of other settings is refused with the setting that differs."""

from dataclasses import replace

import numpy as np
import pytest

from scoring.former_sizes import former_sizes
from scoring.layout_number import LayoutMismatchError
from scoring.layout_stamps import first_stamp
from scoring.older import Older
from scoring.profile import DAY_MS, Layout, Profiles
from scoring.rules import shipped
from scoring.rules.columns import KINDS
from scoring.rules.parts import parts_for
from scoring.rules.shipped import BASIC

VIEWED, ADDED, SEARCHED = KINDS["product_viewed"], KINDS["product_added"], KINDS["searched"]
NOW = Layout(hour_kinds=(VIEWED,), parts=shipped(only=BASIC).parts)


@pytest.mark.parametrize(
    ("former", "told"),
    [
        (replace(NOW, orders=8), "orders_ring = 8, and this process has 16"),
        (replace(NOW, messages=1024), "deduplication_ring = 1024, and this process has 32"),
        (replace(NOW, days=30), "window_days = 30, and this process has 90"),
        (replace(NOW, horizon_ms=14 * DAY_MS), "horizon = 14d, and this process has 30d"),
        (replace(NOW, horizon_ms=DAY_MS // 4), "horizon = 6h, and this process has 30d"),
        (
            replace(NOW, hour_kinds=(VIEWED, SEARCHED)),
            "hour_ring_kinds = product_viewed,searched, and this",
        ),
        (replace(NOW, day_kinds=(ADDED, VIEWED)), None),
        (NOW, None),
    ],
)
def test_the_setting_that_differs_is_named(former: Layout, told: str | None) -> None:
    """With what it was and what it is; of more than one that differ none is guessed at."""
    found = former_sizes(NOW, former.fingerprint())
    assert found == former_sizes(NOW, first_stamp(former))
    assert told is None if found is None else told is not None and told in found


@pytest.mark.parametrize("rules", [("tier-up",), ("category-interest", "cart-abandoned"), None])
def test_what_other_rules_read_is_named(rules: tuple[str, ...] | None) -> None:
    """In the words of what is kept, whichever way the rules changed."""
    then = replace(NOW, parts=shipped(only=rules).parts)
    less = former_sizes(NOW, then.fingerprint())
    more = former_sizes(then, replace(NOW, parts=parts_for(())).fingerprint())
    assert less is not None
    assert "written under other rules (kept then and not now: " in less
    assert more is not None
    assert "written under other rules (asked for now and not kept then: " in more


def test_a_row_that_is_cut_off_is_refused() -> None:
    """Its stamp is that of the first layout with the present sizes: nothing differs, and it is refused all the same."""
    with pytest.raises(LayoutMismatchError, match="is of another layout; start"):
        Older(NOW).brought([b"ca"], [first_stamp(NOW).to_bytes(8, "little") + b"cut"])


def test_a_row_is_refused_with_it() -> None:
    """A worker's start, an import and whoever looks into a state are told of it."""
    there = Profiles(replace(NOW, orders=8))
    there.row(b"a")
    with pytest.raises(LayoutMismatchError, match=r"orders_ring = 8, .* 16; start under another app id or with"):
        Older(NOW).brought([b"ca"], there.stored(np.array([0])))

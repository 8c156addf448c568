"""Parts of a row: as much as the rules in force read, and a row that lacks what a rule reads is never used."""

from pathlib import Path

import numpy as np
import pytest

from scoring.engine import Engine, EngineSettings
from scoring.profile import Layout, LayoutMismatchError, Profiles
from scoring.rules import shipped
from scoring.rules.parts import Parts, parts_for
from scoring.rules.shipped import BASIC, SHIPPED

LEAST = parts_for(())


def test_the_basic_rules_need_the_least_row() -> None:
    """It is as small as before there were further rules: at most 2,576 bytes."""
    basic = shipped(only=BASIC)
    assert basic.parts == LEAST
    assert Profiles(Layout(parts=basic.parts)).rows.dtype.itemsize <= 2576


def test_the_page_says_how_large_a_row_is() -> None:
    """docs/rules.md has the bytes of a row with the basic rules and with all."""
    basic, every = (Layout(parts=rules.parts).dtype().itemsize for rules in (shipped(only=BASIC), shipped()))
    page = (Path(__file__).parents[3] / "docs" / "rules.md").read_text("utf-8")
    assert f"{basic:,} bytes with the basic ones, {every:,} with all that are shipped" in page


@pytest.mark.parametrize("name", SHIPPED)
def test_a_row_without_what_a_rule_reads_is_refused(name: str) -> None:
    """Each shipped rule runs on a row with its own parts; a row with less of one of them is no use to it."""
    rules = shipped(only=[name])
    Engine(EngineSettings(Layout(parts=rules.parts)), rules)
    assert Parts().missing(rules.parts) == ()
    if rules.parts != LEAST:
        with pytest.raises(ValueError, match="parts: a rule reads what a row does not keep"):
            Engine(EngineSettings(Layout(parts=LEAST)), rules)


def test_all_of_the_parts_are_read_by_some_shipped_rule() -> None:
    """The full row has nothing that nobody asks for, but for room for kinds to come."""
    parts = shipped().parts
    assert (parts.seen, parts.lately, parts.told, parts.moments, parts.peak, parts.pages) == (12, 5, 5, 8, 1, 3)
    assert LEAST.kinds < parts.kinds <= Parts().kinds


def test_rows_of_other_parts_are_refused() -> None:
    """A state written with what other rules read is not taken for one's own."""
    full, least = Profiles(Layout()), Profiles(Layout(parts=LEAST))
    full.row(b"a")
    assert full.fingerprint != least.fingerprint
    with pytest.raises(LayoutMismatchError, match="what the rules read"):
        least.load([b"a"], full.stored(np.array([0])))

"""Layouts: state that a former release stored is read on by this one, and what a newer one stored is refused."""

from collections.abc import Callable
from hashlib import blake2b
from typing import Any

import msgspec
import numpy as np
import pytest

from scoring.layout_number import LAYOUT, LayoutMismatchError, number_of
from scoring.layout_stamps import stamps
from scoring.older import Older
from scoring.open_object import OpenObject
from scoring.packed import DICTIONARY, packed, plain, unpacked
from scoring.pending import _Waiting
from scoring.profile import Layout, Profiles
from scoring.side import RuleState, Side
from scoring.stored import Meta
from scoring.trials import Trial
from streams.commit import Taken
from streams.unit import Unit
from streams.unit_row import UnitRow
from tests.layouts.life import HERE, begun, lived, options, sent, stored

RELEASED = sorted(int(path.name.split(".")[0]) for path in HERE.glob("*.rows.gz"))
SHAPES = {2: "27bcd4d8c8657239"}
"""By layout: what `shape` was of it."""


def shape() -> str:
    """A digest of all that decides how state is stored: fields of rows, of records, and what compresses them."""
    kinds = Side, RuleState, OpenObject, Trial, Meta, _Waiting, UnitRow
    records = [undescribed(msgspec.json.schema(kind)) for kind in kinds]
    told = repr((Layout()._stored(), records)).encode() + DICTIONARY
    return blake2b(told, digest_size=8).hexdigest()


def undescribed(schema: Any) -> Any:
    """A schema without the words of docstrings."""
    if isinstance(schema, list):
        return [undescribed(each) for each in schema]
    if isinstance(schema, dict):
        return {name: undescribed(each) for name, each in schema.items() if name != "description"}
    return schema


def test_what_is_stored_has_a_number_of_its_own() -> None:
    """Whoever stores something otherwise counts the layout up (docs/developers.md says what else is to be done)."""
    assert SHAPES.get(LAYOUT) == shape(), (
        f"state is stored otherwise than layout {LAYOUT} says: if a release wrote that layout, count `LAYOUT` up, keep "
        f"its rows (`python -m tests.layouts.make`, run on the code of that release) and teach `scoring.older` to read "
        f"them; the shape is now {shape()!r}"
    )
    assert list(range(1, LAYOUT)) == [layout for layout in RELEASED if layout < LAYOUT]


def told(taken: list[Taken]) -> list[tuple[str, bytes | None, bytes | None]]:
    """What was told, but for `progress`, where a restart is written down."""
    return [each for one in taken for each in one.outputs if each[0] != "progress"]


def written(taken: list[Taken]) -> dict[bytes, bytes | None]:
    return {key: value for one in taken for key, value in one.rows}


def unnumbered(records: list[tuple[str, bytes | None, bytes | None]]) -> list[Any]:
    """What was told, without the numbers of crossings of objects: layout 1 forgot those of objects that gave way."""
    found: list[Any] = []
    for topic, key, value in records:
        record = msgspec.json.decode(value) if value and topic.startswith(("actions-", "audiences")) else value
        if isinstance(record, dict) and record["data"]["object"] is not None:
            what, rule, _, *whose = record["id"].split("/")
            record["id"], record["data"]["crossing_number"] = (what, rule, *whose), None
        found.append((topic, key, record))
    return found


def without_numbers(rows: dict[bytes, bytes | None]) -> dict[bytes, Any]:
    """Rows, of side records without the numbers of crossings of objects."""
    return {key: _without_numbers(value) if value and key[:1] == b"s" else value for key, value in rows.items()}


def _without_numbers(value: bytes) -> bytes:
    side = unpacked(value)
    side.numbers = {}
    for state in side.states().values():
        if any(told.object for told in state.lately):
            state.crossings = 0
            state.lately = tuple(msgspec.structs.replace(told, number=0) for told in state.lately)
    for of in side.open:
        for thing in side.things(of).values():
            thing.crossed = {}
    return msgspec.msgpack.encode(side)


@pytest.fixture(scope="module")
def all_along() -> tuple[list[Taken], list[Taken]]:
    """What a process tells that had the present layout from the beginning: before and after the split."""
    unit = begun()
    before, after = sent()
    return lived(unit, before), lived(unit, after)


@pytest.mark.parametrize("layout", RELEASED)
def test_what_a_former_release_stored_is_read_on(layout: int, all_along: tuple[list[Taken], list[Taken]]) -> None:
    """A state that was written by it tells of later events what one tells that was never upgraded, and is the same."""
    unit = begun(stored(layout))
    after = lived(unit, sent()[1])
    assert unnumbered(told(after)) == unnumbered(told(all_along[1]))
    assert len(told(after)) > 400
    assert without_numbers(written(after)) == without_numbers(written(all_along[1]))


@pytest.mark.parametrize("layout", RELEASED)
def test_brought_rows_are_those_of_this_layout(layout: int, all_along: tuple[list[Taken], list[Taken]]) -> None:
    """Row by row they are what this release would have written, and bringing them once more changes nothing."""
    rows = dict(stored(layout))
    older = Older(options().engine.layout)
    values = older.brought(list(rows), list(rows.values()))
    own = {key: value for key, value in written(all_along[0]).items() if value is not None}
    assert {key for key in rows if key[:1] in b"cslm"} == {key for key in own if key[:1] in b"cslm"}
    brought = without_numbers(dict(zip(rows, values, strict=True)))
    own = without_numbers(own)
    for key, value in brought.items():
        if key[:1] == b"m" and layout < 2:  # did not keep what rules asked
            own[key] = msgspec.msgpack.encode(
                msgspec.structs.replace(msgspec.msgpack.decode(own[key], type=Meta), object_ages=None)
            )
        if key[:1] in b"cslm":
            assert value == own[key], key
    assert older.brought(list(rows), values) is values


def test_rows_of_layouts_may_stand_side_by_side(all_along: tuple[list[Taken], list[Taken]]) -> None:
    """After an upgrade a changelog holds rows that were written since, and those that were not touched."""
    rows = dict(stored(1))
    first = [key for key in rows if key[:1] in b"cs"][::2]
    own = written(all_along[0])
    mixed = [(key, own[key] or b"" if key in first else value) for key, value in rows.items()]
    assert unnumbered(told(lived(begun(mixed), sent()[1]))) == unnumbered(told(all_along[1]))


def newer_profile(value: bytes) -> bytes:
    return (int.from_bytes(value[:8], "little") + (1 << 32)).to_bytes(8, "little") + value[8:]


def newer_side(value: bytes) -> bytes:
    return bytes([value[0] + 1]) + value[1:]


def newer_meta(value: bytes) -> bytes:
    meta = msgspec.msgpack.decode(value, type=Meta)
    return msgspec.msgpack.encode(msgspec.structs.replace(meta, layout=meta.layout + (1 << 32)))


@pytest.mark.parametrize(("letter", "newer"), [(b"c", newer_profile), (b"s", newer_side), (b"m", newer_meta)])
def test_a_newer_layout_is_refused(
    letter: bytes, newer: Callable[[bytes], bytes], all_along: tuple[list[Taken], list[Taken]]
) -> None:
    """What a newer release wrote is not guessed at: what, where, and what to do."""
    rows = {key: value for key, value in written(all_along[0]).items() if value is not None}
    key = next(key for key in rows if key[:1] == letter)
    rows[key] = newer(rows[key])
    with pytest.raises(LayoutMismatchError, match=rf"partition 0: .*layout {LAYOUT + 1}.*start that one, or import"):
        Unit(0, options()).restore(list(rows), list(rows.values()))


def test_other_settings_are_refused_whatever_the_layout() -> None:
    """Rows of a former layout are brought to this one only where sizes are what they were."""
    rows = stored(1)
    with pytest.raises(LayoutMismatchError, match="former settings"):
        Older(Layout(orders=8)).brought([key for key, _ in rows], [value for _, value in rows])


def test_a_stamp_tells_its_number() -> None:
    """Of two stamps of one layout the number is the same; a bare hash is of layout 1."""
    assert {number_of(stamp) for stamp in stamps(Layout())} == {1, LAYOUT}
    assert number_of(Layout(orders=8).fingerprint()) == LAYOUT


def test_packed_records_are_as_they_were() -> None:
    """Short and long records come back; the long ones take less room."""
    short = Side()
    long = unpacked(max((value for key, value in stored_now() if key[:1] == b"s"), key=len))
    for side in (short, long):
        assert msgspec.msgpack.encode(unpacked(packed(side))) == msgspec.msgpack.encode(side)
    assert plain(packed(short)) == packed(short)[1:]
    assert len(packed(long)) < len(plain(packed(long))) / 2


def stored_now() -> list[tuple[bytes, bytes]]:
    rows = stored(1)
    values = Older(options().engine.layout).brought([key for key, _ in rows], [value for _, value in rows])
    return [(key, value or b"") for (key, _), value in zip(rows, values, strict=True)]


def test_a_row_takes_its_bytes_along() -> None:
    """What is stored of a row is what is loaded: nothing of it is lost on the way through an older layout."""
    profiles = Profiles(options().engine.layout)
    rows = [(key[1:], value) for key, value in stored_now() if key[:1] == b"c"]
    profiles.load([key for key, _ in rows], [value for _, value in rows])
    assert profiles.stored(np.arange(len(rows))) == [value for _, value in rows]

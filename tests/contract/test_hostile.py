"""Hostile records: each ends as the corpus says, and none raises."""

from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from schemas.accepted import refused
from schemas.hostile import Case, hostile_cases
from schemas.refusal import VALUE_LIMIT, Refusal
from streams import examining
from streams.decoding import Decoder, kinds

CASES = [pytest.param(case, id=case.name) for case in hostile_cases()]
SOURCES = {"clickstream": 0, "orders": 1, "customers": 2}
BY_WORKER = {"key", "future", "range"}
"""Codes of refusals that need the record's key, its receipt, or limits that no schema states."""


class Fetched(NamedTuple):
    """A record as a decoder takes it."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


def fetched(case: Case, offset: int = 0) -> Fetched:
    return Fetched(offset, case.received_ms, case.key, case.payload)


def decoder(allowed_skew_ms: int = 600_000) -> Decoder:
    return Decoder(lambda customer: 0, lambda number, name: None, allowed_skew_ms, own_clock=False)


def test_the_corpus_is_wide() -> None:
    """At least 150 records of distinct names, with every outcome among them."""
    cases = hostile_cases()
    assert len({case.name for case in cases}) == len(cases) >= 150
    assert set(Counter(case.outcome for case in cases)) == {
        "applied",
        "ignored",
        "duplicate",
        "late",
        "dead-lettered",
    }
    assert all((case.outcome == "dead-lettered") == (case.code is not None) for case in cases)


@pytest.mark.parametrize("case", CASES)
def test_a_hostile_record_ends_as_told(case: Case) -> None:
    """Decoded alone, it is applied, ignored or refused with the field and the code that the corpus names."""
    assert_ends_as_told(case, decoder())


def assert_ends_as_told(case: Case, decode: Decoder) -> None:
    decoded = decode(SOURCES[case.topic], [fetched(case)])
    if case.outcome == "dead-lettered":
        [(index, refusal)] = decoded.refused
        assert (index, refusal.field, refusal.code) == (0, case.field, case.code)
        assert well_told(refusal)
    else:
        assert not decoded.refused
        assert decoded.ignored == (case.outcome == "ignored")
    assert len(decoded.places) + decoded.ignored + len(decoded.refused) == 1


def assert_all_end_as_told(decode: Decoder) -> None:
    for case in hostile_cases():
        assert_ends_as_told(case, decode)


@pytest.mark.parametrize("off_ms", [-1, 1])
def test_a_skew_that_is_off_by_one_is_found(off_ms: int) -> None:
    """A decoder that allows a millisecond more or less of the future does not end every record as told."""
    with pytest.raises((AssertionError, ValueError)):
        assert_all_end_as_told(decoder(600_000 + off_ms))


@pytest.mark.parametrize(
    ("module", "check", "nothing"),
    [
        (examining, "required", lambda kind, event: None),
        (examining, "_whose_refused", lambda event, key, limits: None),
        (examining, "amount_refused", lambda said, kind, limits: None),
        (kinds, "kind_name", lambda call, event: "PAGE"),
    ],
    ids=lambda said: said if isinstance(said, str) else "",
)
def test_a_check_that_is_left_out_is_found(
    monkeypatch: pytest.MonkeyPatch, module: Any, check: str, nothing: Callable[..., Any]
) -> None:
    """Without one check of the decoder, or where any name is that of an event, some record ends as it should not."""
    monkeypatch.setattr(module, check, nothing)
    with pytest.raises((AssertionError, ValueError)):
        assert_all_end_as_told(decoder())


def test_hostile_records_do_not_change_the_outcome_of_their_neighbours() -> None:
    """All of them in one slice end as each does alone, and every one ends."""
    for topic, source in SOURCES.items():
        cases = [case for case in hostile_cases() if case.topic == topic]
        decoded = decoder()(source, [fetched(case, i) for i, case in enumerate(cases)])
        told = {index: (refusal.field, refusal.code) for index, refusal in decoded.refused}
        wanted = {i: (c.field, c.code) for i, c in enumerate(cases) if c.outcome == "dead-lettered"}
        assert told == wanted
        assert decoded.ignored == sum(case.outcome == "ignored" for case in cases)
        assert len(decoded.places) + decoded.ignored + len(told) == len(cases)


@pytest.mark.parametrize("case", [c for c in CASES if c.values[0].payload is not None])  # type: ignore[union-attr]
def test_schema_tools_refuse_the_same(case: Case) -> None:
    """`refused`, for tools, says what the decoder says wherever key, receipt and limits play no part."""
    if case.outcome == "ignored" or case.code == "size":
        return  # what an unknown event lacks is told by tools, and is nothing to a worker; sizes are the worker's
    refusal = refused("segment-event.v1", case.payload or b"")
    if refusal is None:
        assert case.outcome != "dead-lettered" or case.code in BY_WORKER
    else:
        assert (refusal.field, refusal.code) == (case.field, case.code)


def well_told(refusal: Refusal) -> bool:
    return (
        len(refusal.value) <= VALUE_LIMIT
        and len(refusal.field) <= VALUE_LIMIT
        and bool(refusal.reason and refusal.remedy and refusal.code)
        and all(text.isprintable() for text in (refusal.field, refusal.value))
        and refusal.reason.encode() != b""
    )

"""What waits is merged by event time, each input in its own order, and every record is counted once."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streams.decoding import Decoder
from streams.waiting import Run, Waiting, origins
from tests.unit.worker.fetched import Fetched, event

NOW = 1_700_000_000_000

Kinds = st.sampled_from(["Product Viewed", "Something Unheard Of", "bad"])
Inputs = st.lists(st.lists(st.tuples(st.integers(0, 20), Kinds), max_size=12), min_size=3, max_size=3)


def records(made: list[tuple[int, str]]) -> list[Fetched]:
    found = []
    for i, (minute, kind) in enumerate(made):
        whole = event(2 * i, "c", kind, NOW + minute * 60_000, product_id="p")  # every second offset
        found.append(whole._replace(value=b"{") if kind == "bad" else whole)
    return found


def runs(inputs: list[list[Fetched]], cut: int, limit: int) -> list[Run]:
    decode = Decoder(lambda _: 0, lambda _number, _name: None, 10**9, own_clock=False)
    waiting = Waiting()
    for source, some in enumerate(inputs):
        for start in range(0, len(some), cut):
            piece = some[start : start + cut]
            waiting.add(source, piece, decode(source, piece))
    found = []
    while (run := waiting.next_run([], limit)) is not None:
        found.append(run)
    assert len(waiting) == 0
    return found


@given(Inputs, st.integers(1, 5), st.integers(1, 7))
def test_every_record_is_read_once_whatever_the_slices(made: list[list[tuple[int, str]]], cut: int, limit: int) -> None:
    """Events, ignored and refused ones add up; offsets end behind the last record; runs say what was read."""
    inputs = [records(some) for some in made]
    found = runs(inputs, cut, limit)
    total = sum(map(len, inputs))
    assert sum(len(run.causes) + run.ignored + len(run.refused) for run in found) == total
    assert sum(count for run in found for _, count in run.counts) == total
    assert all(count > 0 for run in found for _, count in run.counts)
    ends = {source: offset for run in found for source, offset in run.next.items()}
    assert ends == {source: some[-1].offset + 1 for source, some in enumerate(inputs) if some}
    for run in found:
        assert [record.offset for _, record in run.causes] == run.events.offset.tolist()
        assert [source for source, _ in run.causes] == run.events.source.tolist()
        some = np.arange(len(run.causes))[::-2]
        for causes in (run.causes, list(run.causes)):
            of_source, offset = origins(causes, some)
            assert [*zip(of_source, offset, strict=True)] == [(run.causes[i][0], run.causes[i][1].offset) for i in some]


@given(Inputs, st.integers(1, 5), st.integers(1, 7))
def test_what_was_read_in_turn_is_the_order_of_the_events(
    made: list[list[tuple[int, str]]], cut: int, limit: int
) -> None:
    """Records taken from the inputs as the counts say bring the events in the order in which they were applied."""
    inputs = [records(some) for some in made]
    rest = [iter(some) for some in inputs]
    for run in runs(inputs, cut, limit):
        read = [(source, next(rest[source])) for source, count in run.counts for _ in range(count)]
        events = [(source, record.offset) for source, record in read if b"Product Viewed" in record.value]
        assert events == [(source, record.offset) for source, record in run.causes]


@given(Inputs, st.integers(1, 5))
def test_the_order_is_by_event_time_and_by_offset_within_an_input(made: list[list[tuple[int, str]]], cut: int) -> None:
    """An event comes no earlier than those before it in its input, and otherwise by its time."""
    keyed = []
    for run in runs([records(some) for some in made], cut, 5):
        keyed += list(
            zip(run.events.source.tolist(), run.events.offset.tolist(), run.events.time_ms.tolist(), strict=True)
        )
    newest, at, keys = [0, 0, 0], [-1, -1, -1], []
    for source, offset, time_ms in keyed:
        assert offset > at[source]
        at[source], newest[source] = offset, max(newest[source], time_ms)
        keys.append(newest[source])
    assert keys == sorted(keys)


def test_who_has_a_row_by_now_is_found() -> None:
    """Whoever was new when their events were decoded is looked up once those are applied, in whatever slice."""
    index: dict[bytes, int] = {}
    decode = Decoder(lambda name: index.get(name, -1), lambda _number, _name: None, 10**9, own_clock=False)
    waiting = Waiting(index)
    clicks = [event(i, "ab"[i % 2], "Product Viewed", NOW + i * 60_000, product_id="p") for i in range(6)]
    orders = [event(i, "bc"[i % 2], "Order Completed", NOW + i * 90_000, order_id=str(i)) for i in range(4)]
    for source, some in ((0, clicks[:3]), (0, clicks[3:]), (1, orders)):
        waiting.add(source, some, decode(source, some))
    first = waiting.next_run([], 3)
    index |= {b"a": 7, b"c": 9}
    second = waiting.next_run([], 100)
    assert first is not None
    assert second is not None
    assert set(first.events.row.tolist()) == {-1}
    assert second.events.row.tolist() == [index.get(record.key or b"", -1) for _, record in second.causes]
    assert set(second.events.row.tolist()) == {7, 9, -1}

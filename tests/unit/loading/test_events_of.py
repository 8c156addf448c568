"""Reading for a load: what files hold is produced, counted or told."""

import gzip
import json
from pathlib import Path

import pytest

from schemas.adapters import ADAPTERS
from schemas.adapters.options import OptionError
from streams import loading
from streams.files import LineFile
from streams.loading import Bad, Loaded, Ready, events_of, partition_of


def call(message: str, minute: int, **more: object) -> str:
    return json.dumps(
        {"messageId": message, "timestamp": f"2024-05-01T09:{minute:02}:00Z", "userId": "u", "type": "page", **more}
    )


def read(*paths: Path, by_time: bool = False) -> tuple[list[Ready], Loaded, list[Bad]]:
    loaded, bad = Loaded(), list[Bad]()
    sources = [LineFile(str(path)) for path in paths]
    found = events_of(sources, ADAPTERS["segment"], {}, loaded, bad.append, by_time=by_time)
    events = list(found)
    for source in sources:
        source.__exit__()
    return events, loaded, bad


def message(event: Ready) -> str:
    return str(json.loads(event.value)["messageId"])


def test_files_are_read_one_after_the_other(tmp_path: Path) -> None:
    """In the order given; keys, topics and values are ready to be sent."""
    (tmp_path / "a").write_text("\n".join([call("a1", 5), call("a2", 9, type="identify")]))
    (tmp_path / "b").write_text(call("b1", 1))
    events, loaded, bad = read(tmp_path / "a", tmp_path / "b")
    assert [message(event) for event in events] == ["a1", "a2", "b1"]
    assert [(event.topic, event.key) for event in events] == [
        ("clickstream", b"u"),
        ("customers", b"u"),
        ("clickstream", b"u"),
    ]
    assert (loaded.lines, loaded.bad, bad) == (3, 0, [])


def test_files_are_merged_by_event_time_where_asked(tmp_path: Path) -> None:
    """As their events came."""
    (tmp_path / "a").write_text("\n".join([call("a1", 5), call("a2", 9)]))
    (tmp_path / "b").write_text("\n".join([call("b1", 1), call("b2", 7)]))
    events, _, _ = read(tmp_path / "a", tmp_path / "b", by_time=True)
    assert [message(event) for event in events] == ["b1", "a1", "b2", "a2"]


def test_bad_lines_are_told_with_file_and_number(tmp_path: Path) -> None:
    """Those of each file by its own numbers, and all others are read."""
    (tmp_path / "a").write_text("\n".join([call("a1", 5), "oops", call("a2", 9)]))
    (tmp_path / "b").write_text("\n\n{}")
    events, loaded, bad = read(tmp_path / "a", tmp_path / "b")
    assert [message(event) for event in events] == ["a1", "a2"]
    assert [(Path(one.file).name, one.line_number, one.refusal.code) for one in bad] == [
        ("a", 2, "malformed"),
        ("b", 3, "missing"),
    ]
    assert (loaded.bad, loaded.lines) == (2, 6)


def test_a_damaged_file_is_told_and_the_next_is_read(tmp_path: Path) -> None:
    """What could be read of it is loaded."""
    packed = gzip.compress("\n".join(call(f"a{i}", i % 60) for i in range(5000)).encode())
    (tmp_path / "a.gz").write_bytes(packed[: len(packed) - 2000])
    (tmp_path / "b").write_text(call("b1", 1))
    events, _, bad = read(tmp_path / "a.gz", tmp_path / "b")
    assert [one.refusal.code for one in bad] == ["malformed", "unreadable"] or [one.refusal.code for one in bad] == [
        "unreadable"
    ]
    assert "load it again" in bad[-1].refusal.remedy
    assert message(events[-1]) == "b1"
    assert len(events) > 1000


def test_an_event_too_large_for_the_broker_is_told(tmp_path: Path) -> None:
    """Before the broker refuses it and everything that travels with it."""
    (tmp_path / "a").write_text("\n".join([call("a1", 1, extra="x" * 1_000_000), call("a2", 2)]))
    events, _, bad = read(tmp_path / "a")
    assert [message(event) for event in events] == ["a2"]
    assert [(one.line_number, one.refusal.reason) for one in bad] == [(1, "is 1000091 bytes long")]


def test_an_event_of_no_time_that_can_be_is_told(tmp_path: Path) -> None:
    """Of the future, as no worker would take it, or of the begin of 1970 or before: some mark so that there is none."""
    none = [call("a4", 1).replace("2024-05-01T09:01", day) for day in ("0001-01-01T00:00", "1970-01-01T00:00")]
    (tmp_path / "a").write_text("\n".join([call("a1", 1), call("a2", 3), call("a3", 2), *none]))
    bad: list[Bad] = []
    with LineFile(str(tmp_path / "a")) as file:
        until_ms = next(events_of([file], ADAPTERS["segment"], {}, Loaded(), bad.append)).time_ms + 60_000
    with LineFile(str(tmp_path / "a")) as file:
        found = events_of([file], ADAPTERS["segment"], {}, Loaded(), bad.append, until_ms=lambda: until_ms)
        assert [message(event) for event in found] == ["a1", "a3"]
    assert [(one.line_number, one.refusal.code) for one in bad] == [(2, "future"), (4, "range"), (5, "range")]


def test_an_order_that_is_refused_is_told_at_its_first_line(tmp_path: Path) -> None:
    """It comes out of its file only once others have begun, or at the end."""
    (tmp_path / "a").write_text(
        "customer,time,order,sku\nc1,2024-05-01,1,x\nc2,9999-12-31,2,x\nc2,,2,y\nc3,2024-05-02,3,x\n"
    )
    bad: list[Bad] = []
    with LineFile(str(tmp_path / "a")) as file:
        found = list(events_of([file], ADAPTERS["orders-csv"], {}, Loaded(), bad.append, until_ms=lambda: 2**41))
    assert [event.key for event in found] == [b"c1", b"c3"]
    assert [(one.line_number, one.refusal.code) for one in bad] == [(4, "time"), (3, "future")]


def test_reasons_for_skipping_are_counted_within_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reasons made of the file's own words do not grow the summary without end."""
    monkeypatch.setattr(loading, "_REASONS", 2)
    rows = [json.dumps({"event_name": name, "event_timestamp": 1}) for name in ("a", "b", "c", "d", "a")]
    (tmp_path / "ga4").write_text("\n".join(rows))
    loaded = Loaded()
    with LineFile(str(tmp_path / "ga4")) as file:
        assert list(events_of([file], ADAPTERS["ga4"], {}, loaded, lambda bad: None)) == []
    assert loaded.skipped == {"a events are not used": 2, "b events are not used": 1, "other reasons": 2}


def test_a_wrong_option_is_told_at_once() -> None:
    """Before a line is read."""
    with pytest.raises(OptionError):
        events_of([], ADAPTERS["segment"], {"colour": "red"}, Loaded(), lambda bad: None)


@pytest.mark.parametrize(
    ("key", "hashed"),
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
@pytest.mark.parametrize("partitions", [1, 4, 10, 997])
def test_a_key_lies_where_kafka_s_own_clients_put_it(key: bytes, hashed: int, partitions: int) -> None:
    """The numbers are the ones that Apache Kafka's own tests of its hash state."""
    assert partition_of(key, partitions) == (hashed & 0x7FFFFFFF) % partitions

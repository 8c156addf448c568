"""Bred records: some hundreds of inputs break nothing, and what is wrong on purpose is found by such."""

import pytest
from strategies.breeding import STEPS_MS, inputs, written
from strategies.fuzzing import Fuzz
from strategies.partitions import SOURCES
from strategies.planted import PLANTS

from schemas.timestamp import from_ms


@pytest.mark.parametrize("seed", range(2))
def test_bred_records_break_nothing(seed: int) -> None:
    """Each ends in one counter, nothing raises, and the state is finite, within its limits and what is restored."""
    fuzz = Fuzz(life=150)
    fuzz.all(inputs(seed, 300))
    assert fuzz.inputs == 300
    assert min(fuzz.counts.values()) > 0, "some way for a record to end was not tried"


def test_old_records_whose_receipt_lies_before_that_of_others_are_counted() -> None:
    """What is of a load waits until nothing has come for a while, and that begins with the newest receipt."""
    fuzz = Fuzz()
    steps = (("customers", 3 * 86_400_000, b"@r-172800000"),) * 20
    for topic, step_ms, time in (*steps, ("clickstream", 0, b"@w-4320000000"), ("customers", -3_600_000, b"@w+1")):
        how = bytes([SOURCES[topic] + 24 * STEPS_MS.index(step_ms)])
        fuzz(how + b'{"messageId":"m@n","timestamp":"%b","userId":"u","type":"identify"}' % time)
    assert fuzz._partition.counts["applied"] == 23


@pytest.mark.parametrize("name", PLANTS)
def test_a_planted_mistake_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a check left out or a count forgotten, some input breaks something within the stated number."""
    PLANTS[name].put(monkeypatch.setattr)
    fuzz = Fuzz()
    with pytest.raises(Exception):  # noqa: B017, PT011 - whatever comes of it
        fuzz.all(inputs(0, PLANTS[name].within))


def test_what_stands_for_other_texts_is_replaced() -> None:
    """Numbers, times, lengths and bare values are written when a record is sent; all else stays as it is."""
    said = b'{"a":"m@n","b":"@w-1","c":"@r+5","d":"@x3","e":"@=1e400","f":"@home"}'
    wanted = f'{{"a":"m7","b":"{from_ms(999)}","c":"{from_ms(2005)}","d":"xxx","e":1e400,"f":"@home"}}'
    assert written(said, 7, 1000, 2000) == wanted.encode()

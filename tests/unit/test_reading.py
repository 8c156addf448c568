"""Files of events named on a command line: bad lines told, the first ones one by one, and bars that move."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from streams.cli.reading import Reading
from streams.settings import Settings

GOOD = (
    '{"messageId": "%d", "type": "track", "event": "Page Viewed", "userId": "c", "timestamp": "2024-01-01T00:00:00Z"}\n'
)


class Bars:
    """Bars that nobody sees: name, length and how far each came."""

    def __init__(self) -> None:
        self.seen: dict[str, tuple[int, int]] = {}

    @contextmanager
    def __call__(self, name: str, total: int) -> Iterator[Callable[[int], None]]:
        """Give one."""

        def moved(done: int) -> None:
            self.seen[name] = total, done

        moved(0)
        yield moved


def test_a_hundred_bad_lines_are_told_and_the_others_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file of another format does not fill the terminal, and how many lines were bad is said at the end."""
    file = tmp_path / "events.ndjson"
    file.write_text("no event\n" * 150 + GOOD % 1)
    reading, bars = Reading(Settings(), [str(file)], "segment", {}), Bars()
    assert len(list(reading.events(bars))) == 1
    reading.tell_rest()
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 101
    assert said[0].startswith(f"{file}:1: ")
    assert said[-1] == "150 bad lines, the first 100 told above"
    assert reading.loaded.bad == 150
    assert reading.bad_lines()[99]["line"] == 100
    assert bars.seen["reading"][0] == file.stat().st_size


def test_the_bar_follows_the_files_and_good_ones_say_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of two files the bar is as long as both; after thousands of events it has come far into the second."""
    files = [tmp_path / "one.ndjson", tmp_path / "two.ndjson"]
    for start, file in enumerate(files):
        file.write_text("".join(GOOD % (5000 * start + i) for i in range(5000)))
    reading, bars = Reading(Settings(), [str(file) for file in files], "segment", {}), Bars()
    assert len(list(reading.events(bars))) == 10_000
    reading.tell_rest()
    total, done = bars.seen["reading"]
    assert total == sum(file.stat().st_size for file in files)
    assert files[0].stat().st_size < done <= total
    assert capsys.readouterr().err == ""


def test_files_without_an_event_end_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The error names the files and the format; the exit code tells bad lines from nothing at all."""
    for text, code in (("", 1), ("no event\n", 3)):
        file = tmp_path / "events.ndjson"
        file.write_text(text)
        reading = Reading(Settings(), [str(file)], "segment", {})
        assert list(reading.events(Bars())) == []
        with pytest.raises(SystemExit) as end:
            reading.end_with_nothing()
        assert end.value.code == code
        assert "is --format segment right?" in capsys.readouterr().err

"""Files: plain, gzipped and damaged ones, and standard input, line by line."""

import gzip
from pathlib import Path

import pytest

from streams import files
from streams.files import LineFile, UnreadableError


def lines(path: Path) -> list[str]:
    with LineFile(str(path)) as file:
        return list(file)


def test_a_plain_and_a_gzipped_file_have_the_same_lines(tmp_path: Path) -> None:
    """Gzip is known by its content, whatever the name; the last line needs no end."""
    text = "first\r\nzweité\n\nlast"
    plain, packed = tmp_path / "a.gz", tmp_path / "b.csv"
    plain.write_bytes(text.encode())
    packed.write_bytes(gzip.compress(text.encode()))
    assert lines(plain) == lines(packed) == ["first\n", "zweité\n", "\n", "last"]


@pytest.mark.parametrize("content", [b"", gzip.compress(b"", mtime=0)])
def test_an_empty_file_has_no_lines(tmp_path: Path, content: bytes) -> None:
    """Plain or gzipped."""
    (tmp_path / "empty").write_bytes(content)
    assert lines(tmp_path / "empty") == []


def test_bytes_that_are_not_utf_8_reach_the_reader_as_surrogates(tmp_path: Path) -> None:
    """So that one such line is refused, not the file."""
    (tmp_path / "latin").write_bytes(b"Andr\xe9\nfine\n")
    assert lines(tmp_path / "latin") == ["Andr\udce9\n", "fine\n"]


def test_a_gzip_that_is_cut_off_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    """Then an error says so, and the line's number tells where."""
    packed = gzip.compress(b"".join(b"%d\n" % (i * 7919 % 10007) for i in range(20_000)))
    (tmp_path / "cut.gz").write_bytes(packed[: len(packed) // 2])
    found = []
    with LineFile(str(tmp_path / "cut.gz")) as file:
        with pytest.raises(UnreadableError, match="cannot be read further"):
            found.extend(file)
        assert file.line_number == len(found) or not found


def test_a_file_without_line_ends_does_not_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line is cut at the limit and counts as one; the next begins after its end."""
    monkeypatch.setattr(files, "_LINE_LIMIT", 10)
    (tmp_path / "long").write_bytes(b"x" * 95 + b"\nnext\n" + b"y" * 9 + b"\n")
    with LineFile(str(tmp_path / "long")) as file:
        assert list(file) == ["x" * 10, "next\n", "y" * 9 + "\n"]
        assert file.line_number == 3


def test_position_and_size_tell_how_far_it_is(tmp_path: Path) -> None:
    """In bytes as the file lies on disk."""
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(b"line\n" * 1000))
    with LineFile(str(path)) as file:
        assert file.size == path.stat().st_size
        list(file)
        assert file.position == file.size

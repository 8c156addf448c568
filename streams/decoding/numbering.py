"""Numbers of names: of products, categories and pages."""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from schemas.events import text_id
from scoring.profile import stable_hash
from streams.byte_table import ByteTable

__all__ = ["Numbers"]


class Numbers(dict[str | int | None, int]):
    """The number of a product, a category or a page by its id, 0 for none and for one too long to keep.

    Of one that is new it is told once it is known that its event is not refused, and then put into the table. Beyond
    `most` all are forgotten here, and each is new again.
    """

    def __init__(self, told: Callable[[int, str], None], max_id_bytes: int, most: int) -> None:
        super().__init__()
        self._most = most
        self.table = ByteTable()
        self._told = told
        self._max_id_bytes = max_id_bytes
        self._new: dict[str | int | None, int] = {}

    def __missing__(self, product: str | int | None) -> int:
        name = text_id(product)
        try:
            encoded = b"" if name is None else name.encode()
        except UnicodeEncodeError:  # a lone surrogate
            encoded = b""
        if name is None or not 0 < len(encoded) <= self._max_id_bytes:
            return 0
        number = stable_hash(encoded) or 1
        if len(self) >= self._most:
            self.clear()
            self.table.clear()
        self[product] = self._new[product] = number
        return number

    def tell(self, *numbers: npt.NDArray[np.uint64]) -> None:
        """Tell of the new ones among these; forget the other new ones."""
        if not self._new:
            return
        kept = {number for column in numbers for number in column.tolist()}
        told: dict[bytes, int] = {}
        for product, number in self._new.items():
            if number in kept:
                name = text_id(product) or ""
                self._told(number, name)
                told[name.encode()] = number
            else:
                self.pop(product, None)
        self._new.clear()
        self.table.put_all(list(told), list(told.values()))

    def ask(self, names: Sequence[bytes]) -> list[int]:
        """The numbers of names in UTF-8 that can be kept, and whose events are not refused."""
        numbers = [self[name.decode()] for name in names]
        self.tell(np.array(numbers, np.uint64))
        return numbers

"""A made-up shop that never closes: mixed clickstream and orders with known ids, some twice, some bad."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any, NamedTuple

import orjson

from schemas.timestamp import from_ms

__all__ = ["Made", "Shop"]

_CLICKS = (
    ("Product Viewed", 55),
    ("Product Added", 12),
    ("Product Removed", 3),
    ("Cart Viewed", 5),
    ("Checkout Started", 4),
    ("Products Searched", 8),
    ("Something Unheard Of", 2),
)
_BAD = (b"", b"{", b"[1]", b'{"event":"Order Completed"}', b"\xff\xfe", b'{"userId":"c","type":"track"}')


class Made(NamedTuple):
    """A record to produce."""

    topic: str
    key: bytes
    value: bytes


@dataclass(slots=True)
class Shop:
    """Makes records without end, the same ones for the same seed; each is `step_ms` later than the one before.

    One in thirty is sent twice, some orders come once more under another message id, one in a hundred is bad.
    """

    seed: int
    customers: int
    now_ms: int
    step_ms: int
    made: int = 0
    chance: Random = field(init=False)
    again: list[Made] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.chance = Random(self.seed)

    def records(self, count: int, now_ms: int | None = None) -> Iterator[Made]:
        """Yield the next records, at least `count`; with `now_ms` all of that time."""
        for _ in range(count):
            self.now_ms = self.now_ms + self.step_ms if now_ms is None else max(now_ms, self.now_ms)
            yield self._record()
            while self.again and self.chance.random() < 0.5:
                yield self.again.pop()

    def everyone(self) -> Iterator[Made]:
        """Yield one visit of each customer, after which their number is constant."""
        for number in range(self.customers):
            self.now_ms += self.step_ms
            yield self._click(self._name(number), "Product Viewed")

    def _record(self) -> Made:
        chance = self.chance
        # Some customers come often, most seldom.
        customer = self._name(int(self.customers * chance.random() ** 2))
        drawn = chance.random()
        if drawn < 0.01:
            return Made(chance.choice(("clickstream", "orders")), customer.encode(), chance.choice(_BAD))
        if drawn < 0.12:
            made = self._order(customer, f"o{self.made}")
        elif drawn < 0.14:
            made = self._made("customers", customer, {"type": "identify", "traits": {"city": "Bern"}})
        else:
            made = self._click(customer, chance.choices(*zip(*_CLICKS, strict=True))[0])
        if chance.random() < 0.03:
            self.again.append(made)
        return made

    def _click(self, customer: str, event: str) -> Made:
        properties: dict[str, Any] = {"product_id": f"p{self.chance.randrange(50)}", "price": 2.5, "quantity": 1}
        return self._made("clickstream", customer, {"type": "track", "event": event, "properties": properties})

    def _order(self, customer: str, order: str) -> Made:
        total = self.chance.randrange(1, 400) / 4  # quarters add up exactly
        lines = [{"product_id": f"p{self.chance.randrange(50)}", "price": total, "quantity": 1}]
        properties = {"order_id": order, "total": total, "products": lines}
        said = {"type": "track", "event": "Order Completed", "properties": properties}
        if self.chance.random() < 0.05:
            self.again.append(self._made("orders", customer, said))
        return self._made("orders", customer, said)

    def _made(self, topic: str, customer: str, said: dict[str, Any]) -> Made:
        self.made += 1
        value = {"messageId": f"m{self.made}", "timestamp": from_ms(self.now_ms), "userId": customer, **said}
        return Made(topic, customer.encode(), orjson.dumps(value))

    def _name(self, number: int) -> str:
        return f"c{number}"

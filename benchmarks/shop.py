"""Shop: seeded events of made-up customers, as a site's and an order system's Segment calls.

Visits come as sessions: pages, lists, searches and products, at times something put in the cart, at times an
order. Some customers come and buy far more often than others, so that there is something to learn; a few
messages are sent twice, as clients that do not hear an acknowledgement do.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from schemas.timestamp import from_ms

__all__ = ["CLICKSTREAM", "ORDERS", "Made", "Shop"]

CLICKSTREAM, ORDERS = "clickstream", "orders"

_DAY_MS = 86_400_000
_SECONDS_BETWEEN = 25.0
"""Mean time between two events of a session."""
_LENGTH = 12.0
"""Mean number of events before anybody thinks of an order."""
_REPEATED = 0.003
"""Share of messages that are sent twice."""
_PRODUCTS = 5_000

_PAGE, _LIST, _SEARCH, _VIEW, _ADD, _REMOVE, _CART, _CHECKOUT, _ORDER = range(9)
_BROWSING = (("page", _PAGE, 0.14), ("list", _LIST, 0.18), ("search", _SEARCH, 0.09), ("view", _VIEW, 0.56),
             ("add", _ADD, 0.025), ("remove", _REMOVE, 0.005))  # fmt: skip
_BUYING = (_ADD, _CART, _CHECKOUT, _ORDER)
"""What a session that buys ends with."""


class Made(NamedTuple):
    """One record to be produced: where, when it happened, whose it is, and the JSON."""

    topic: str
    time_ms: int
    key: bytes
    value: bytes


class Shop:
    """Customers with habits of their own, and what they do.

    Parameters
    ----------
    customers
        How many there are.
    seed
        Two shops of one seed are the same.
    """

    def __init__(self, customers: int, seed: int) -> None:
        rng = self._rng = np.random.default_rng(seed)
        self.keys = [f"customer-{i:06d}" for i in range(customers)]
        self._visits_a_day = 0.03 * rng.lognormal(-0.5, 1.0, customers)
        self._buys = np.clip(rng.beta(1.2, 6.0, customers), 0.0, 0.9)
        self._contexts = [self._context(i) for i in range(997)]
        price = np.round(rng.lognormal(3.2, 0.7, _PRODUCTS), 2)
        self._products = [self._product(i, float(price[i])) for i in range(_PRODUCTS)]
        self._price = price
        self._orders = 0

    @staticmethod
    def _context(i: int) -> str:
        agent = f"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.{i % 40} Chrome/{100 + i % 30}.0 Safari/537.36"
        return f'"context":{{"ip":"203.0.113.{i % 250}","locale":"en-GB","userAgent":"{agent}"}}'

    @staticmethod
    def _product(i: int, price: float) -> str:
        return (
            f'"product_id":"sku-{i:05d}","name":"Product number {i}","category":"category-{i % 40}",'
            f'"brand":"brand-{i % 90}","price":{price}'
        )

    def history(self, start_ms: int, end_ms: int) -> list[Made]:
        """What all customers did in `[start_ms, end_ms)`, in order of time, as often as each of them comes."""
        expected = self._visits_a_day * ((end_ms - start_ms) / _DAY_MS)
        counts = self._rng.poisson(expected)
        counts[counts == 0] = 1  # whoever never came is no customer
        who = np.repeat(np.arange(len(self.keys)), counts)
        begun = start_ms + self._rng.integers(0, max(end_ms - start_ms - 3_600_000, 1), len(who))
        return self._made(who, begun)

    def busy(self, events: int, start_ms: int, end_ms: int) -> list[Made]:
        """Give exactly `events` events in a busy time, in order: those come who come often."""
        share = self._visits_a_day / self._visits_a_day.sum()
        sessions = int(events / _LENGTH * 1.1) + 10
        who = self._rng.choice(len(self.keys), sessions, p=share * 0.5 + 0.5 / len(share))
        last = max(end_ms - start_ms - 600_000, 1)
        made = self._made(who, start_ms + self._rng.integers(0, last, sessions))
        assert len(made) >= events
        return [record for record in made[:events] if record.time_ms < end_ms]

    def _made(self, who: npt.NDArray[np.int64], begun: npt.NDArray[np.int64]) -> list[Made]:
        made = [record for session in self._sessions(who, begun) for record in session]
        again = np.flatnonzero(self._rng.random(len(made)) < _REPEATED)
        made += [made[i] for i in again.tolist()]
        made.sort(key=lambda record: record.time_ms)
        return made

    def _sessions(self, who: npt.NDArray[np.int64], begun: npt.NDArray[np.int64]) -> Iterator[list[Made]]:
        rng = self._rng
        n = len(who)
        lengths = 1 + rng.geometric(1.0 / (_LENGTH - 1.0), n)
        buys = rng.random(n) < self._buys[who]
        kinds = np.array([kind for _, kind, _ in _BROWSING])
        shares = [share for _, _, share in _BROWSING]
        drawn = rng.choice(kinds, int(lengths.sum()), p=shares).tolist()
        total = int(lengths.sum()) + len(_BUYING) * n
        product = rng.integers(0, _PRODUCTS, total).tolist()
        gap = (rng.exponential(_SECONDS_BETWEEN, total) * 1000).astype(np.int64).tolist()
        ids = rng.bytes(16 * total).hex()
        at = place = 0
        for customer, begin, length, buy in zip(who.tolist(), begun.tolist(), lengths.tolist(), buys, strict=True):
            steps = drawn[at : at + length]
            at += length
            if buy:
                steps += _BUYING
            session, now = [], begin
            for step in steps:
                now += gap[place]
                message = ids[32 * place : 32 * place + 32]
                session.append(self._event(customer, step, now, message, product[place]))
                place += 1
            yield session

    def _event(self, customer: int, step: int, now: int, message: str, product: int) -> Made:
        key = self.keys[customer]
        call, event, said = "track", "", self._products[product]
        topic = CLICKSTREAM
        if step == _VIEW:
            event = "Product Viewed"
        elif step == _LIST:
            event, said = "Product List Viewed", f'"list_id":"list-{product % 60}","category":"category-{product % 40}"'
        elif step == _SEARCH:
            event, said = "Products Searched", f'"query":"something like number {product}"'
        elif step == _ADD:
            event, said = "Product Added", f'{said},"quantity":{1 + product % 3},"cart_id":"cart-{key}"'
        elif step == _REMOVE:
            event, said = "Product Removed", f'{said},"quantity":1,"cart_id":"cart-{key}"'
        elif step == _CART:
            event, said = "Cart Viewed", f'"cart_id":"cart-{key}"'
        elif step == _CHECKOUT:
            event, said = "Checkout Started", f'"cart_id":"cart-{key}","currency":"GBP"'
        elif step == _ORDER:
            topic, event, said = ORDERS, "Order Completed", self._order(product)
        else:
            call, said = "page", f'"path":"/page/{product % 200}","title":"Page number {product % 200}"'
        name = f'"event":"{event}",' if event else ""
        value = (
            f'{{"messageId":"{message[:8]}-{message[8:12]}-{message[12:16]}-{message[16:20]}-{message[20:]}",'
            f'"type":"{call}",{name}"timestamp":"{from_ms(now)}","userId":"{key}",'
            f'"properties":{{{said},"url":"https://shop.example/{call}/{product}"}},'
            f"{self._contexts[customer % 997]}}}"
        )
        return Made(topic, now, key.encode(), value.encode())

    def _order(self, product: int) -> str:
        self._orders += 1
        chosen = [(product * 7 + i * 13) % _PRODUCTS for i in range(1 + product % 3)]
        revenue = round(float(self._price[chosen].sum()), 2)
        lines = ",".join(f'{{{self._products[i]},"quantity":1}}' for i in chosen)
        return f'"order_id":"order-{self._orders}","revenue":{revenue},"currency":"GBP","products":[{lines}]'

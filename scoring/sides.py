"""Sides: the side records of one partition's customers, and what order and cart events do to them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from scoring.by_row import ByRow
from scoring.gates.news import Name, Network, News, Ordered, Ticket
from scoring.gates.standing import Standing
from scoring.kernel import APPLIED, DUPLICATE, Events
from scoring.kinds import Kind
from scoring.open_object import KINDS_OF_OBJECTS, OpenObject, bought_with, objects_of, used_up_ms
from scoring.packed import packed, unpacked
from scoring.profile import FAR, NEVER, stable_hash
from scoring.side import CartItem, CartStep, Limits, Side, cart_items, cart_worth
from scoring.traits import Traits, traits_by, with_traits
from scoring.trials import Trials
from scoring.where import Moved, Where, moved, where_by

__all__ = ["Detail", "Sides"]

_ADDED, _REMOVED = int(Kind.PRODUCT_ADDED), int(Kind.PRODUCT_REMOVED)
_COMPLETED, _CANCELLED = int(Kind.ORDER_COMPLETED), int(Kind.ORDER_CANCELLED)
_OF_CARTS = (_ADDED, _REMOVED, _COMPLETED)
_NO_GAPS: Mapping[str, int] = {}
_NO_OBJECTS: Mapping[str, Mapping[str, OpenObject]] = {}

_ELSEWHERE = -2
"""Source and offset of what is at home on another partition."""


class Detail(NamedTuple):
    """What an event says beside the columns: the order's id, the lines, the promised delivery, and what is news of the
    customer's standing.

    `object_id` is the order's, ticket's or code's, or the wished product's, or the place's; `reason` is why an order
    goes back, `where` is where the customer is, `former` another id of the same person, `traits` what is said of them.
    """

    object_id: str = ""
    items: tuple[CartItem, ...] = ()
    news: tuple[News, ...] = ()
    promised_ms: int = 0
    reason: str = ""
    where: Where | None = None
    former: bytes = b""
    traits: dict[str, str] = {}  # noqa: RUF012 - never changed

    def products(self) -> list[str]:
        """The product of each line."""
        return [item.product for item in self.items]


class _About(NamedTuple):
    """What an event says of objects: which, kind, time, worth, and by product bought its usual gap, if known."""

    objects: list[tuple[str, str]]
    kind: int
    ms: int
    worth: float
    detail: Detail
    usual_ms: Mapping[str, int]


class Sides:
    """Side records by row; a customer who never bought nor filled a cart nor crossed a line has none.

    Parameters
    ----------
    cart_steps
        Changes of an open cart that are kept, the last ones.
    orders_remembered
        Order ids by which a repeated order is recognised, for each customer.
    objects_watched
        Objects (orders) that each rule keeps in the list of one customer.
    contacts_kept
        Contacts that are remembered of one customer, for each purpose and channel.
    objects_kept
        Objects of each sort (orders, products …) that something is known of, for each customer.
    horizon_ms
        An order within so long after a contact is counted as coming after it.
    """

    def __init__(
        self,
        cart_steps: int,
        orders_remembered: int,
        objects_watched: int = 64,
        contacts_kept: int = 0,
        objects_kept: int = 16,
        horizon_ms: int = 0,
    ) -> None:
        self._cart_steps = cart_steps
        self._orders_remembered = orders_remembered
        self._limits = Limits(orders_remembered, cart_steps, contacts_kept, objects_kept, objects_watched)
        self.objects_watched = objects_watched
        self.contacts_kept = contacts_kept
        self.objects_kept = objects_kept
        self._by_row: ByRow[bytes] = ByRow()
        self._open: dict[int, Side] = {}
        self._changed: dict[int, bytes] = {}
        self._carts: dict[int, list[tuple[int, tuple[CartStep, ...]]]] = {}
        self._again: dict[int, int] = {}
        self._news: dict[int, list[tuple[int, int, tuple[News, ...]]]] = {}
        self._bought: dict[tuple[int, str], tuple[int, ...]] = {}
        self._moved: dict[int, list[tuple[int, Moved]]] = {}
        self._traits: dict[int, list[tuple[int, Traits]]] = {}
        self._open_tickets: ByRow[int] = ByRow()
        """Of customers whose record was not touched since they were counted."""
        self.about_objects: dict[int, _About] = {}
        """By index in the run: each event that is about objects and not yet taken in."""
        self.names_kept = self.networks_kept = False
        """Whether names are kept: only where a rule carries them."""
        self.places_kept = False
        """Whether it is kept where customers are: only where a rule asks for it."""
        self.traits_kept: frozenset[str] = frozenset()
        """Traits that are kept: those that a rule asks for."""
        self.trials = Trials(horizon_ms)

    def __len__(self) -> int:
        kept = {row for row, value in enumerate(self._by_row) if value is not None}
        return len(kept | self._open.keys())

    def begin(self) -> None:
        """Forget the carts of the last run."""
        self._carts.clear()
        self._again.clear()
        self._bought.clear()
        self._moved.clear()
        self._traits.clear()
        self.about_objects.clear()

    def find(self, row: int) -> Side | None:
        """The customer's side record, to be read only; None if there is none."""
        side = self._open.get(row)
        if side is None and (stored := self._by_row.of(row)) is not None:
            return unpacked(stored)
        return side

    def touch(self, row: int) -> Side:
        """The customer's side record, to be changed and stored; a new one if there was none."""
        side = self._open.get(row)
        return self._opened(row, self.find(row) or Side()) if side is None else side

    def _opened(self, row: int, side: Side) -> Side:
        self._open[row] = side
        self._open_tickets.drop(row)
        return side

    def read(self, value: bytes) -> Side:
        """A record from another partition, an empty one for no bytes; where its orders stood means nothing here."""
        side = unpacked(value) if value else Side()
        side.orders = dict.fromkeys(side.orders, (_ELSEWHERE, _ELSEWHERE))
        return side

    @staticmethod
    def write(side: Side) -> bytes:
        """A record as it travels."""
        return packed(side)

    def holds(self, row: int, source: int, offset: int) -> bool:
        """Whether a record is applied here already: it is read again, and the profile is behind."""
        side = self.find(row)
        return side is not None and offset <= side.applied[source]

    def absorb(self, row: int, other: Side) -> int:
        """Add a record to that of `row`: they are of one person; return how many orders both knew."""
        return self.touch(row).absorb(other, self._limits)

    def join_applied(self, row: int, other: Side) -> None:
        """What was applied to a record of the same partition is applied here with it."""
        side = self.touch(row)
        side.applied = [max(pair) for pair in zip(side.applied, other.applied, strict=True)]

    def cart_worth(self, row: int, until_ms: int) -> tuple[int, float]:
        """Products in the cart and their worth, up to a time where the record has run ahead."""
        side = self.find(row)
        return cart_worth(() if side is None else tuple(step for step in side.cart if step.ms <= until_ms))

    def forget(self, row: int) -> None:
        """Keep nothing of a customer."""
        self._open.pop(row, None)
        self._changed.pop(row, None)
        self._by_row.drop(row)
        self._open_tickets.drop(row)

    def apply(
        self,
        events: Events,
        details: Mapping[int, Detail],
        rows: Any,
        usual_ms: Callable[[str, int], int] = lambda *_: 0,
    ) -> None:
        """Apply what details say of the events of a run that count, in order: order ids, then the cart.

        `events.cart_items` and the value are filled where the cart changed. `usual_ms` gives after how long a product
        is usually bought again, as is known at a watermark; 0 for unknown. What is news of the standing waits until
        somebody asks for it as of a later point, or the run has ended.

        An order whose id is known gets the status `DUPLICATE`. What is already here by its offset (a record read
        again after a crash) changes nothing; its cart is then that of its own time, as the record has run ahead of
        the profile in `rows`. O(steps of the cart).
        """
        at = np.array(sorted(details), np.int64)
        at = at[events.status[at] == APPLIED]
        columns = (events.row, events.kind, events.source, events.offset, events.time_ms)
        carts: list[tuple[int, int, float]] = []
        for i, row, kind, source, offset, ms in zip(
            at.tolist(), *(column[at].tolist() for column in columns), strict=True
        ):
            detail, side = details[i], self.touch(row)
            known = offset <= side.applied[source]
            if not known:
                side.applied[source] = offset
            if kind in (_COMPLETED, _CANCELLED) and not self._is_first(side, kind, source, offset, detail):
                events.status[i] = DUPLICATE
                continue
            newest = max(ms, int(rows["last_ms"][row]), self._again.get(row, NEVER)) if known else None
            gaps = _NO_GAPS
            if kind == _COMPLETED:
                gaps = self._foresee(events, i, row, ms, detail, newest, usual_ms)
            if not known:
                self._hear(side, row, i, ms, detail)
                if kind in KINDS_OF_OBJECTS and (about := objects_of(kind, detail.object_id, detail.products())):
                    self.about_objects[i] = _About(about, kind, ms, float(events.value[i]), detail, gaps)
            if kind in _OF_CARTS:
                if newest is not None:
                    self._again[row] = newest
                    cart = tuple(step for step in side.cart if step.ms <= newest)
                else:
                    cart = self._change_cart(side, row, i, kind, ms, detail.items)
                carts.append((i, *cart_worth(cart)))
        if carts:
            changed, *worth = map(list, zip(*carts, strict=True))
            events.cart_items[changed], events.cart_value[changed] = worth

    def _is_first(self, side: Side, kind: int, source: int, offset: int, detail: Detail) -> bool:
        """Whether an order, or its end, was not told before by another record; one without an id never was."""
        if not detail.object_id:
            return True
        name = f"{kind}:{detail.object_id}".encode("utf-8", "surrogatepass")
        return side.remember_order(stable_hash(name), source, offset, self._orders_remembered)

    def _hear(self, side: Side, row: int, i: int, ms: int, detail: Detail) -> None:
        """Take in what is said of the customer: news of the standing later, where they are and their traits now."""
        if detail.news:
            self._news.setdefault(row, []).append((i, ms, detail.news))
        if detail.where is not None and self.places_kept:
            versions = self._moved.setdefault(row, [(-1, side.moved)])
            side.moved = moved(side.moved, ms, detail.where)
            versions.append((i, side.moved))
        if self.traits_kept and self.traits_kept & detail.traits.keys():
            told = self._traits.setdefault(row, [(-1, side.traits)])
            side.traits = with_traits(side.traits, ms, detail.traits, self.traits_kept)
            told.append((i, side.traits))

    def _change_cart(
        self, side: Side, row: int, i: int, kind: int, ms: int, items: Sequence[CartItem]
    ) -> tuple[CartStep, ...]:
        versions = self._carts.setdefault(row, [(-1, side.cart)])
        if kind == _COMPLETED:
            side.empty_cart(ms)
        else:
            sign = 1.0 if kind == _ADDED else -1.0
            for item in items:
                side.add_cart_step(CartStep(ms, item.product, sign * item.quantity, item.price), self._cart_steps)
        versions.append((i, side.cart))
        return side.cart

    def _foresee(
        self,
        events: Events,
        i: int,
        row: int,
        ms: int,
        detail: Detail,
        newest: int | None,
        usual_ms: Callable[[str, int], int],
    ) -> dict[str, int]:
        """Say of an order whether a coupon came with it, and when its products will be used up.

        Up to `newest` where the record has run ahead. Returns the usual gaps of its products, where they are known.
        """
        events.coupon[i] = any(isinstance(news, Ordered) and news.coupon for news in detail.news)
        products, known_ms, found = detail.products(), int(events.watermark_ms[i]), []
        gaps = {product: gap for product in products if (gap := usual_ms(product, known_ms))}
        for product in set(products):
            times = self._bought.get((row, product))
            if times is None:
                thing = self.touch(row).things("product").get(product)
                times = () if thing is None else thing.bought
            if newest is None:
                times = self._bought[row, product] = bought_with(times, ms)
            until = used_up_ms([at for at in times if newest is None or at <= newest], gaps.get(product, 0))
            if until is not None:
                found.append(until)
        if found:
            events.replenish_ms[i], events.replenish_last_ms[i] = min(found), max(found)
        return gaps

    def objects_at(
        self, row: int, event: int, now_ms: int, whole: bool = False
    ) -> Mapping[str, Mapping[str, OpenObject]]:
        """What there is to be asked at a point: what its event is about, which is taken in; by time alone (-1), all.

        By what they are, then by id. `whole`: an order is about all products, also about those that it is not of.
        """
        told = self.about_objects.pop(event, None)
        if told is None:
            side = self.find(row)
            if event >= 0 or side is None or not side.open or now_ms <= side.looked_ms:
                return _NO_OBJECTS
            self._opened(row, side).looked_ms = now_ms
            return {of: side.things(of) for of in side.open}
        side = self.touch(row)
        side.looked_ms = max(side.looked_ms, now_ms)
        about, kind, ms, worth, detail, gaps = told
        products, kept = detail.products(), self.objects_kept
        found = side.learn(about, kind, ms, detail.promised_ms, products, worth, detail.reason, gaps, kept)
        if kind == _COMPLETED:  # an order may be what a code was waiting for
            found["code"] = side.things("code")
            if whole:
                ordered = found.get("product", {})
                others = side.things("product").items()
                found["product"] = ordered | {name: thing for name, thing in others if name not in ordered}
        return found

    def purchases(self, row: int, limit: int) -> list[tuple[str, int]]:
        """The products bought last, of those that were taken in, each with its time, newest first."""
        side = self.find(row)
        return [] if side is None else side.purchases(limit)

    def listed(self, row: int, rule: str) -> dict[str, bool]:
        """The objects that are in a rule's list, to be read only."""
        side = self.find(row)
        return {} if side is None else side.objects.get(rule, {})

    def cart_at(self, row: int, applied: int) -> list[CartItem]:
        """What was in the cart when the first `applied` events of the run had been applied."""
        versions = self._carts.get(row)
        if versions is None:
            side = self.find(row)
            return [] if side is None else cart_items(side.cart)
        return cart_items(next(cart for index, cart in reversed(versions) if index < applied))

    def traits_at(self, row: int, applied: int, now_ms: int) -> dict[str, str]:
        """The customer's traits when the first `applied` events of the run had been applied."""
        versions = self._traits.get(row)
        if versions is None:
            side = self.find(row)
            return {} if side is None else traits_by(side.traits, now_ms)
        return traits_by(next(told for index, told in reversed(versions) if index < applied), now_ms)

    def where_at(self, row: int, applied: int, now_ms: int) -> Where:
        """Where the customer was told to be when the first `applied` events of the run had been applied."""
        versions = self._moved.get(row)
        if versions is None:
            side = self.find(row)
            return Where() if side is None else where_by(side.moved, now_ms)
        return where_by(next(told for index, told in reversed(versions) if index < applied), now_ms)

    def open_tickets_at(self, row: int, applied: int, now_ms: int) -> int:
        """How many tickets of the customer were open when the first `applied` events of the run had been applied."""
        if row not in self._open:
            found = self._open_tickets.of(row)
            if found is None:
                side = self.find(row)
                standing = Standing() if side is None else side.standing
                found = len(standing.open_tickets(now_ms))
                if all(ms <= now_ms for ticket in standing.tickets.values() for ms in ticket):
                    self._open_tickets.keep(row, found)
            return found
        standing = self._open[row].standing
        waiting = [(ms, news) for index, ms, told in self._news.get(row, ()) if index < applied for news in told]
        if any(isinstance(news, Ticket) for _, news in waiting):
            standing = Standing(tickets=standing.tickets.copy())
            for ms, news in waiting:
                if isinstance(news, Ticket):
                    standing.learn(news, ms, 0)
        return len(standing.open_tickets(now_ms))

    def standing_at(self, row: int, applied: int) -> Standing:
        """The customer's standing when the first `applied` events of the run had been applied, to be changed.

        Asked for in the order of the run: what was news before then is taken in for good.
        """
        standing = self.touch(row).standing
        waiting = self._news.get(row)
        while waiting and waiting[0][0] < applied:
            _, ms, told = waiting.pop(0)
            for news in told:
                if isinstance(news, Network) and not self.networks_kept:
                    continue
                if self.names_kept or not isinstance(news, Name):
                    standing.learn(news, ms, self.contacts_kept)
                if isinstance(news, Ordered):
                    self.trials.ordered(standing.tried(), ms)
        return standing

    def settle(self) -> None:
        """Take in all that is news: the run has ended."""
        for row in self._news:
            self.standing_at(row, FAR)
        self._news.clear()

    def changes(self) -> list[tuple[int, bytes]]:
        """The records changed since the last call, by row, as bytes; between calls they are kept in that small form."""
        self.pack()
        changed, self._changed = [*self._changed.items()], {}
        return changed

    def pack(self) -> None:
        """Turn the records that are open into bytes, so that `changes` has less to do at once."""
        for row in [*self._open]:
            value = self._changed[row] = packed(self._open.pop(row))  # freed while the processor has it at hand
            self._by_row.keep(row, value)

    @property
    def waiting(self) -> bool:
        """Whether a record has changed since `changes`."""
        return bool(self._open or self._changed)

    def copied(self) -> list[bytes | None]:
        """The records by row, as bytes, None for none; those changed since `changes` as they were then."""
        return self._by_row.copy()

    def load(self, row: int, value: bytes | None) -> None:
        """Put a stored record in place; None removes it, also of a row that is not there (-1)."""
        self._open_tickets.drop(row)
        if value is None:
            self._by_row.drop(row)
        else:
            self._by_row.keep(row, value)

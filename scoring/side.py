"""Side record: what of a customer is variable in size, kept beside the row and stored only when it changed.

What is most of it, the states of rules, objects and trials, stays as the bytes that it was stored as until it is asked
for: few of its parts are, each time.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from scoring.gates.standing import Standing
from scoring.kinds import N_SOURCES
from scoring.open_object import OpenObject
from scoring.profile import NEVER
from scoring.traits import Traits, joined_traits
from scoring.where import Moved, joined

__all__ = ["CartItem", "CartStep", "Crossed", "Limits", "RuleState", "Side", "cart_items", "cart_worth", "put_in"]


_FORMERS = 64
"""Former ids of other partitions by which is known what came from there; with transactions it comes once anyway."""
_WENT_ROUND = 64
"""Records of one such id that are known each by itself, where they need not come in order."""
_NOTHING_CAME = (0, *[-1] * N_SOURCES)


class CartStep(msgspec.Struct, array_like=True, frozen=True, gc=False, order=True):
    """One change of the cart: pieces put in (positive) or taken out (negative) at a time."""

    ms: int
    product: str
    quantity: float
    price: float


class CartItem(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One product of a cart or an order; `price` is for one piece."""

    product: str
    quantity: float
    price: float


class Crossed(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One crossing as it was told: its cause (source and offset, -1 for a tick), its number, whether it was sent.

    And the verdict of the gates: `shut` has one bit a gate, `channel` is -1 for none, `not_before_ms` 0 for at once.
    `object` is empty where the customer crossed; `noted` is what the action carried of the side record
    (`scoring.carried.Noted`).
    """

    ms: int
    source: int
    offset: int
    number: int
    sent: bool
    shut: int = 0
    channel: int = -1
    coupon: bool = False
    not_before_ms: int = 0
    object: str = ""
    noted: bytes = b""


class RuleState(msgspec.Struct, array_like=True, gc=False):
    """What one rule did with one customer: crossings so far, the last few, and when one was last sent.

    `lately` lets a crossing that is computed again after a crash have the number and the verdict that it had, although
    the record has run ahead. `sent_ms` is also that of an entry which was held out, as if it had been sent.
    `contributions` are those of the groups of features at the last crossing, in single precision: every list that a
    customer was ever in keeps them.
    """

    crossings: int = 0
    entry_sent: bool = False
    sent_ms: int = NEVER
    contributions: bytes = b""
    lately: tuple[Crossed, ...] = ()


if TYPE_CHECKING:
    KeptState = RuleState | msgspec.Raw
    KeptObjects = dict[str, OpenObject] | msgspec.Raw
else:
    KeptState = KeptObjects = msgspec.Raw  # as what it is read; msgspec writes whatever is there

_state = msgspec.msgpack.Decoder(RuleState).decode
_objects = msgspec.msgpack.Decoder(dict[str, OpenObject]).decode


class Limits(NamedTuple):
    """How much a side record keeps: order ids, steps of the cart, contacts, objects of each sort, objects in a list."""

    orders: int
    cart_steps: int
    contacts: int
    objects: int
    watched: int


class Side(msgspec.Struct, array_like=True, gc=False):
    """The side record of one customer.

    Every part is bounded by the limits given to `add_cart_step`, `remember_order`, `learn` and `enter`.

    Attributes
    ----------
    applied
        Offset of the last record applied here, by source; it moves apart from the row's own.
    orders
        What is known by an id (order, cancellation): stable hash of the id -> (source, offset) that came first.
    cart
        Steps since the cart was last emptied, sorted, so that their order of arrival does not matter.
    emptied_ms
        When an order last emptied the cart; earlier steps are void.
    rules
        By rule name; read with `state` and `states`.
    objects
        By rule name: the orders (or other objects) that are in the list, each with whether entering was sent.
    standing
        How the customer may be contacted.
    open
        By what they are (order, product …), then by id: the objects that something is known of; read with `things`.
    looked_ms
        When rules were last asked about objects: what is read again after a crash is not asked again.
    moved
        Where the customer was told to be, where a rule asks for it.
    traits
        What was said of the customer's traits, of those that a rule asks for.
    absorbed
        By former id that is at home on another partition: whether its profile has come (1), then up to which offsets
        there all is dealt with, by source, then the later records that are, by offset and source in one number.
    numbers
        By rule for each category, order, product and so on, then by which, the one that crossed last at the end: its
        crossings so far, and when entering was last sent (0 for never, and where a cooldown is one for all). They stay
        when nothing else is known of an order or a product any more, so that no number comes twice.
    """

    applied: list[int] = msgspec.field(default_factory=lambda: [-1] * N_SOURCES)
    orders: dict[int, tuple[int, int]] = msgspec.field(default_factory=dict)
    cart: tuple[CartStep, ...] = ()
    emptied_ms: int = NEVER
    rules: dict[str, KeptState] = msgspec.field(default_factory=dict)
    objects: dict[str, dict[str, bool]] = msgspec.field(default_factory=dict)
    standing: Standing = msgspec.field(default_factory=Standing)
    open: dict[str, KeptObjects] = msgspec.field(default_factory=dict)
    looked_ms: int = NEVER
    moved: Moved = ()
    traits: Traits = msgspec.field(default_factory=dict)
    absorbed: dict[bytes, list[int]] = msgspec.field(default_factory=dict)
    numbers: dict[str, dict[str, tuple[int, int]]] = msgspec.field(default_factory=dict)

    def state(self, rule: str) -> RuleState | None:
        """What a rule did with the customer, to be changed; None if nothing."""
        kept = self.rules.get(rule)
        if isinstance(kept, msgspec.Raw):
            kept = self.rules[rule] = _state(kept)
        return kept

    def states(self) -> dict[str, RuleState]:
        """What each rule did with the customer, to be changed."""
        return {rule: state for rule in self.rules if (state := self.state(rule)) is not None}

    def things(self, of: str) -> dict[str, OpenObject]:
        """The objects of one sort by id, to be changed; none where `open` has none of it."""
        kept = self.open.get(of)
        if isinstance(kept, msgspec.Raw):
            kept = self.open[of] = _objects(kept)
        return {} if kept is None else kept

    def add_cart_step(self, step: CartStep, limit: int) -> None:
        """Put a step in its place by time; one from before the last emptying is void; keep the last `limit`."""
        if step.ms > self.emptied_ms:
            self.cart = tuple(sorted((*self.cart, step)))[-limit:]

    def empty_cart(self, ms: int) -> None:
        """Void every step up to `ms`: an order took what was in the cart."""
        if ms > self.emptied_ms:
            self.emptied_ms = ms
            self.cart = tuple(step for step in self.cart if step.ms > ms)

    def remember_order(self, order: int, source: int, offset: int, limit: int) -> bool:
        """Whether the id is new, or came with this very record before; forget the oldest beyond `limit`."""
        known = self.orders.get(order)
        if known is not None:
            return known == (source, offset)
        self.orders[order] = (source, offset)
        if len(self.orders) > limit:
            del self.orders[next(iter(self.orders))]
        return True

    def learn(
        self,
        about: Sequence[tuple[str, str]],
        kind: int,
        ms: int,
        promised_ms: int,
        products: Sequence[str],
        worth: float,
        reason: str,
        usual_ms: Mapping[str, int],
        limit: int,
    ) -> dict[str, dict[str, OpenObject]]:
        """Take in an event about objects, and say which, as they are then: by what they are, then by id.

        Of each sort those with the oldest news go beyond `limit`. What it says of `products`, `worth` and `reason` is
        kept with the order alone; `usual_ms` has the usual gaps of products that are bought, where they are known.
        """
        told: dict[str, dict[str, OpenObject]] = {}
        for of, name in about:
            there = self.open[of] = self.things(of)
            known = there.get(name)
            thing = there[name] = OpenObject() if known is None else known.changing()
            if of == "order":
                thing.learn(kind, ms, promised_ms, products, worth, reason)
            else:
                thing.learn(kind, ms, promised_ms, usual_ms=usual_ms.get(name, 0) if of == "product" else 0)
            told.setdefault(of, {})[name] = thing
            if len(there) > limit:
                del there[min(there, key=lambda each: (there[each].last_ms(), each))]
        return told

    def absorb(self, other: "Side", limits: Limits) -> int:
        """Take in the side record of another customer, who is the same person; return how many orders both knew.

        Crossings are those of this one; what else counts once counts once.
        """
        repeated = sum(order in self.orders for order in other.orders)
        for order, cause in other.orders.items():
            self.orders.setdefault(order, cause)
        while len(self.orders) > limits.orders:
            del self.orders[next(iter(self.orders))]
        self.emptied_ms = max(self.emptied_ms, other.emptied_ms)
        steps = (step for step in (*self.cart, *other.cart) if step.ms > self.emptied_ms)
        self.cart = tuple(sorted(steps))[-limits.cart_steps :]
        for rule, state in other.states().items():
            mine = self.rules[rule] = self.state(rule) or RuleState()
            mine.sent_ms = max(mine.sent_ms, state.sent_ms)
        for rule, inside in other.objects.items():
            listed = self.objects.setdefault(rule, {})
            for name, sent in inside.items():
                put_in(listed, name, sent or listed.get(name, False), limits.watched)
        self._absorb_numbers(other, limits.objects)
        self.standing.absorb(other.standing, limits.contacts)
        for of in other.open:
            there = self.open[of] = self.things(of)
            for name, thing in other.things(of).items():
                there.setdefault(name, OpenObject()).absorb(thing)
            while len(there) > limits.objects:
                del there[min(there, key=lambda each: (there[each].last_ms(), each))]
        self.looked_ms = max(self.looked_ms, other.looked_ms)
        self.moved = joined(self.moved, other.moved)
        self.traits = joined_traits(self.traits, other.traits)
        for former, told in other.absorbed.items():
            self.deal_with(former, told)
        return repeated

    def _absorb_numbers(self, other: "Side", limit: int) -> None:
        """Go on from the higher number of each object, an odd one of those that are in the list."""
        for rule, theirs in other.numbers.items():
            mine, inside = self.numbers.setdefault(rule, {}), self.objects.get(rule, {})
            state, more = self.state(rule), other.state(rule)
            if state is not None and more is not None:
                state.crossings = max(state.crossings, more.crossings)
            for name, told in theirs.items():
                number, sent_ms = map(max, mine.pop(name, (0, 0)), told)
                mine[name] = number + (number % 2 != (name in inside)), sent_ms
            while len(mine) > limit and self._forget_number(rule):
                pass

    def deal_with(self, former: bytes, told: Sequence[int]) -> None:
        """Note how far a former id of another partition is dealt with; the oldest of too many is forgotten."""
        before, later = self.absorbed.get(former, _NOTHING_CAME), len(_NOTHING_CAME)
        upto, went_round = [*map(max, before[:later], told[:later])], sorted({*before[later:], *told[later:]})
        for record in went_round[:-_WENT_ROUND]:
            offset, source = divmod(record, N_SOURCES)
            upto[1 + source] = max(upto[1 + source], offset)
        self.absorbed[former] = [*upto, *went_round[-_WENT_ROUND:]]
        if len(self.absorbed) > _FORMERS:
            del self.absorbed[next(iter(self.absorbed))]

    def came(self, former: bytes, source: int, offset: int, *, in_order: bool) -> bool:
        """Note a record of a former id of another partition; False if it was dealt with before.

        Such records come in the order in which they lie there, but for those that went round in a circle while their
        customer was away: who is back knows each by itself.
        """
        told = self.absorbed.get(former, _NOTHING_CAME)
        record = offset * N_SOURCES + source
        if offset <= told[1 + source] or record in told[len(_NOTHING_CAME) :]:
            return False
        upto = [*_NOTHING_CAME]
        if in_order:
            upto[1 + source] = offset
        else:
            upto.append(record)
        self.deal_with(former, upto)
        return True

    def purchases(self, limit: int) -> list[tuple[str, int]]:
        """The products bought last, each with its time, newest first."""
        bought = ((-thing.bought[-1], name) for name, thing in self.things("product").items() if thing.bought)
        return [(name, -ms) for ms, name in sorted(bought)[:limit]]

    def crossed(self, rule: str, object_id: str, entered: bool, limit: int, thing: OpenObject | None = None) -> int:
        """The number of one more crossing of an object, of which `thing` is known: odd where it entered.

        Of too many the one that is out longest is forgotten. No object's number comes again: the state of the rule
        keeps the highest of those that are forgotten, and one that is not known goes on from there.
        """
        known, state = self.numbers.setdefault(rule, {}), self.state(rule)
        floor = 0 if state is None or object_id in known else state.crossings
        number = max(self.number_of(rule, object_id, thing), floor) + 1
        number += (number % 2 == 1) != entered
        _, sent_ms = known.pop(object_id, (0, 0))
        known[object_id] = number, sent_ms
        if len(known) > limit:
            self._forget_number(rule, object_id if entered else "")
        return number

    def number_of(self, rule: str, object_id: str, thing: OpenObject | None = None) -> int:
        """The number of an object's last crossing; 0 where none is known. In earlier state `thing` has it."""
        number, _ = self.numbers.get(rule, {}).get(object_id, (0, 0))
        return number if thing is None else max(number, thing.crossed.get(rule, 0))

    def _forget_number(self, rule: str, but: str = "") -> bool:
        """Whether an object, other than `but`, was out, or is watched no more, and its number is forgotten."""
        known, inside, state = self.numbers[rule], self.objects.get(rule, {}), self.state(rule)
        told = known.items()
        out = next((name for name, (n, _) in told if name != but and (n % 2 == 0 or name not in inside)), None)
        if out is None or state is None:
            return False
        state.crossings = max(state.crossings, known.pop(out)[0])
        return True

    def sent_ms(self, rule: str, category: str | None) -> int:
        """When entering a list was last sent, which a cooldown counts from; of a category by itself."""
        if category is not None:
            return self.numbers.get(rule, {}).get(category, (0, 0))[1] or NEVER
        state = self.state(rule)
        return NEVER if state is None else state.sent_ms

    def sent(self, rule: str, category: str, ms: int) -> None:
        """Note that entering was sent of a category."""
        known = self.numbers.get(rule, {})
        if category in known:
            number, sent_ms = known[category]
            known[category] = number, max(sent_ms, ms)

    def enter(self, rule: str, object_id: str, sent: bool, limit: int) -> None:
        """Put an object in a rule's list; the oldest beyond `limit` is no longer watched."""
        put_in(self.objects.setdefault(rule, {}), object_id, sent, limit)

    def leave(self, rule: str, object_id: str) -> None:
        """Take an object out of a rule's list, if it is there."""
        inside = self.objects.get(rule, {})
        inside.pop(object_id, None)
        if not inside:
            self.objects.pop(rule, None)


def put_in(inside: dict[str, bool], object_id: str, sent: bool, limit: int) -> None:
    """Put an object in a list; the oldest goes beyond `limit`."""
    inside[object_id] = sent
    if len(inside) > limit:
        del inside[next(iter(inside))]


def cart_items(cart: tuple[CartStep, ...]) -> list[CartItem]:
    """What is in the cart after its steps: by product, in the order put in; never less than nothing."""
    return [CartItem(product, *held) for product, held in _held(cart).items() if held[0] > 0.0]


def cart_worth(cart: tuple[CartStep, ...]) -> tuple[int, float]:
    """Products in the cart and what they are worth."""
    worth = [quantity * price for quantity, price in _held(cart).values() if quantity > 0.0]
    return len(worth), sum(worth)


def _held(cart: tuple[CartStep, ...]) -> dict[str, tuple[float, float]]:
    """Of each product that was ever in the cart the quantity that is in it now, and the price of one piece."""
    held: dict[str, tuple[float, float]] = {}
    for step in cart:
        quantity, price = held.get(step.product, _NOTHING)
        held[step.product] = (max(quantity + step.quantity, 0.0), step.price if step.price > 0.0 else price)
    return held


_NOTHING = (0.0, 0.0)

"""Forgetting: everything that one partition holds of a person, under whatever ids, is removed."""

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from scoring.absorb import leave
from scoring.erased import Removed, Request
from scoring.gates.channel import Channel, Purpose
from scoring.profile import NEVER
from scoring.rules import Rule
from scoring.rules.rule import ForEach
from scoring.side import Side
from scoring.state import State
from scoring.transfer import Forget, Forward, Give
from scoring.versions import Versions

__all__ = ["Forgetting", "Forgotten", "Left"]


class Left(NamedTuple):
    """An audience that the customer was in, or an object of theirs, and the number of leaving it.

    `since_ms` is when the customer was forgotten before; None for never.
    """

    customer: bytes
    rule: str
    rule_version: int
    number: int
    object: str | None
    since_ms: int | None = None


class Forgotten(NamedTuple):
    """What one request led to.

    Attributes
    ----------
    ids
        Those of the person that are at home here, the one that was named first.
    elsewhere
        What must be told to the partitions of those that are at home on others.
    left
        The audiences that must be told.
    request
        What is remembered of it.
    refused
        Whether a refusal of marketing is remembered.
    """

    ids: tuple[bytes, ...]
    elsewhere: tuple[Forget, ...]
    left: tuple[Left, ...]
    request: Request
    refused: bool


class Forgetting:
    """Removes persons from the parts of a partition's state."""

    def __init__(self, state: State, versions: Versions) -> None:
        self._state, self._versions = state, versions
        self._profiles, self._sides, self._pending, self._links = (
            state.profiles,
            state.sides,
            state.pending,
            state.links,
        )
        self._departures, self._stored, self._erased = state.departures, state.stored, state.erased
        self._choice, self._home = state.choice, state.home
        self._since_ms, self._returned = state.since_ms, state.returned

    def forget(
        self, customer: bytes, request: str, place: tuple[int, int], at_ms: int, offsets: list[int],
        dealt_with: Sequence[bytes] = (), *, refused: bool = False,
    ) -> Forgotten:  # fmt: skip
        """Remove a person, as a request says whose record at `place` (source, offset) was received at `at_ms`.

        `offsets` are the next of each input: what was read so far is of somebody forgotten. Other partitions have
        `dealt_with` these ids already, and know that marketing was `refused`. Nothing leaves for other partitions any
        more.
        """
        erased, row = self._erased, self._profiles.find(customer)
        everybody = self._everybody(customer)
        home = tuple(filter(self._home, everybody))
        owned = [self.owner(each) is not None for each in everybody]
        ids = list(dict.fromkeys((*dealt_with, *everybody)))
        elsewhere = [
            (each, self._is_claimed(each, everybody)) for each in everybody if each not in {*home, *dealt_with}
        ]
        sure = [each for each in everybody[1:] if self._home(each) or not self._is_claimed(each, everybody)]
        side = self._sides.find(row) if row >= 0 else None
        left = tuple(self._audiences(row, side)) if row >= 0 else ()
        profile = row >= 0 and bool(self._profiles.rows["first_ms"][row] != NEVER)
        links = sum(each in self._links.owner for each in everybody)
        examples = self._remove(row, everybody)
        removed = Removed(tuple(map(erased.hash, sure)), profile, side is not None, examples, links, len(left))
        says = True if refused else None if side is None else _refused(side)
        for each, former in zip(everybody, owned, strict=True):
            last_ms, read = at_ms, [0] * len(offsets)
            if self._home(each):  # who came again since a later request must not be told of by the ids of then
                last_ms, read = max(at_ms, erased.at_ms(each) + 1), offsets
            erased.add(each, last_ms, read, refused=says).owned = former
        done = erased.note(customer, request, place, removed)
        for each in home:
            if each != customer:
                erased.note(each, request, place, Removed())
        self._departures.drop(home)
        no = erased.known[erased.hash(customer)].refused
        others = tuple(Forget(each, request, at_ms, ids, claimed, no) for each, claimed in elsewhere)
        return Forgotten(home, others, left, done, no)

    def refuse(self, customer: bytes) -> None:
        """Remember that somebody forgotten had refused marketing, under an id that is at home on another partition."""
        erasure, row = self._erased.find(customer), self._profiles.find(customer)
        if erasure is None:
            return
        self._erased.add(customer, erasure.at_ms, erasure.offsets, refused=True)
        if row >= 0:  # who came again meanwhile
            self._state.sides.touch(row).standing.refuse_marketing(erasure.at_ms)

    def owner(self, customer: bytes) -> bytes | None:
        """Whose former id it is, or is about to be."""
        return self._links.owner.get(customer) or self._departures.owner(customer)

    def _is_claimed(self, customer: bytes, everybody: Collection[bytes]) -> bool:
        """Whether an id was only asked for by one of a person: its own partition may know whose it was before."""
        return self._links.owner.get(customer) in everybody

    def _everybody(self, customer: bytes) -> tuple[bytes, ...]:
        """All ids of a person that are known here; whoever asks for one of them is one."""
        known = (customer, *self._links.of(customer))
        asking = [owner for each in known if (owner := self._departures.owner(each)) is not None]
        return tuple(dict.fromkeys((*known, *asking)))

    def voids(self, sent: Give | Forward) -> bool:
        """Whether what another partition sends is of somebody who was forgotten while it was under way.

        That is what it sent by the link of an id before it had done the request that was done here.
        """
        return self._erased.at_ms(sent.by or sent.origin) > sent.by_ms

    def is_same(self, told: Forget) -> bool:
        """Whether a request that another partition passes on is about the person whose id it names."""
        owner = self.owner(told.to)
        return not told.claimed or owner is None or owner in told.ids

    def sent_since(self, told: Forget) -> Forget | None:
        """What is to be told to whom an id went, as a request comes that is older than the last one of the id.

        By its time alone (`voids`) nobody there can tell what was sent before this partition knew of it.
        """
        owner, at_ms = self._links.owner.get(told.to), self._erased.at_ms(told.to)
        if owner is None or owner not in told.ids or self._home(owner) or at_ms <= told.at_ms:
            return None
        return Forget(owner, told.request, at_ms, [told.to], claimed=False)

    def finish(self, source: int, next_offset: int) -> None:
        """After a restore: remove what a crash left of those whose requests were not committed; O(customers)."""
        profiles, erased, undone = self._profiles, self._erased, set(self._erased.undone(source, next_offset))
        names = [*profiles.index, *self._links.owner] if undone else ()
        left = [name for name in dict.fromkeys(names) if erased.hash(name) in undone]
        for each in left:
            self._remove(profiles.find(each), (each, *self._links.of(each)))
        self._departures.drop(left)
        for name, row in profiles.index.items() if len(erased) else ():
            if (erasure := erased.find(name)) is not None:
                self._returned.add(row)
                if profiles.keys[row] == name:
                    self._since_ms[row] = erasure.at_ms

    def _remove(self, row: int, everybody: Sequence[bytes]) -> int:
        """Let nothing be left of a row (-1: none) and of the ids that lead to it; return the examples that waited."""
        profiles, waiting = self._profiles, 0
        owner, times_ms = b"", list[int]()
        if row >= 0:
            owner = profiles.keys[row]
            times_ms, waiting = self._pending.forget(row)
            self._stored.discard(row)
            self._sides.forget(row)
            leave(profiles.rows[row], self._choice)
            profiles.vacate(row)
            profiles.keys[row] = b""
            self._links.vacate(row)
            self._since_ms.pop(row, None)
            self._returned.discard(row)
        for each in everybody:
            self._links.drop(each)
            profiles.index.pop(each, None)
        self._stored.erase(filter(self._home, everybody), owner, times_ms)
        return waiting

    def _audiences(self, row: int, side: Side | None) -> Iterator[Left]:
        """The audiences of rules in force that the customer is in, or an object of theirs."""
        bits = self._state.slots.names
        customer, inside = self._profiles.keys[row], int(self._profiles.rows["inside"][row])
        for rule in self._versions.rules.rules:
            if not rule.audience:
                continue
            for name, number in (
                _objects(rule, side) if rule.for_each is not ForEach.NONE else _lists(rule, side, inside, bits)
            ):
                yield Left(customer, rule.name, rule.version, number, name, self._since_ms.get(row))


def _lists(rule: Rule, side: Side | None, inside: int, bits: Sequence[str]) -> Iterator[tuple[str | None, int]]:
    """The rule's lists that the customer is in: the mark, and the number of one more crossing."""
    for each in rule.of_marks:
        if inside >> bits.index(each.list_name) & 1:
            state = None if side is None else side.state(each.list_name)
            yield None if each.mark is None else f"{each.mark:g}", 1 if state is None else state.crossings + 1


def _objects(rule: Rule, side: Side | None) -> Iterator[tuple[str, int]]:
    """The customer's objects in the rule's list, and the number of one more crossing; 2 where little is known."""
    if side is None:
        return
    for name in side.objects.get(rule.name, {}):
        thing = None if rule.for_each is ForEach.CATEGORY else side.things(rule.for_each).get(name)
        yield name, (side.number_of(rule.name, name, thing) or 1) + 1


def _refused(side: Side) -> bool:
    """Whether marketing is refused, on any channel."""
    said = (side.standing.consent.get(2 * channel + Purpose.MARKETING) for channel in Channel)
    return any(each is not None and not each[1] for each in said)

"""Processes: the partitions of a replay shared out over several of this machine, each of which says how far it is."""

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec

from schemas.timestamp import from_ms
from scoring.profile import FAR, NEVER
from streams.children import Child, Children, how_it_ended, part
from streams.interrupts import Interrupts
from streams.orphans import ended_with_us
from streams.replay.running import Asked, Replayed

__all__ = ["PartError", "commands", "run_apart", "shares"]

_LOOK_S: Final = 0.1
_READ_S: Final = 30.0
"""How long it is waited for the last lines of a process that has ended; something else may hold its output."""


class PartError(RuntimeError):
    """A process of a replay failed; the others are ended.

    Attributes
    ----------
    exit_code
        With which the whole ends.
    """

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def commands(asked: Asked, records: Mapping[int, int], processes: int) -> dict[str, list[str]]:
    """The command lines of the processes that do a replay's partitions, by what each is called in messages.

    Parameters
    ----------
    records
        How many are to be read of each partition that is to be done.
    processes
        How many at most. At a pace it is one in any case, as all partitions go by one clock.
    """
    parts = shares(records, 1 if asked.speed is not None else processes)
    return {_name(partitions): _command(asked, partitions) for partitions in parts}


def _name(partitions: Sequence[int]) -> str:
    several = "s" if len(partitions) > 1 else ""
    return f"process for partition{several} {', '.join(map(str, sorted(partitions)))}"


def shares(records: Mapping[int, int], processes: int) -> list[list[int]]:
    """Which partitions each process does: the largest that is left goes to whoever has the fewest records."""
    found: list[list[int]] = [[] for _ in range(min(processes, len(records)))]
    load = [0] * len(found)
    for partition in sorted(records, key=lambda each: (-records[each], each)):
        least = min(range(len(found)), key=lambda each: (load[each], len(found[each])))
        found[least].append(partition)
        load[least] += records[partition]
    return found


def _command(asked: Asked, partitions: Sequence[int]) -> list[str]:
    first_ms, stop_ms = asked.span_ms
    options = ["--into", asked.name, "--as-it-was" if asked.as_it_was else "--merged", "--as-part"]
    options += [] if first_ms == NEVER else ["--from", from_ms(first_ms)]
    options += [] if stop_ms == FAR else ["--to", from_ms(stop_ms)]
    options += [] if asked.snapshot is None else ["--snapshot", str(asked.snapshot)]
    options += ["--settings-of-now"] if asked.settings_of_now else []
    options += [word for topic in sorted(asked.topics) for word in ("--topics", topic)]
    return part("replay", *options, *(word for each in partitions for word in ("--partition", str(each))))


def run_apart(
    parts: Mapping[str, Sequence[str]],
    environment: Mapping[str, str],
    before: Replayed,
    show: Callable[[Replayed], None],
    say: Callable[[str], None],
) -> Replayed:
    """Run all commands at once, to their ends; none outlives us.

    Parameters
    ----------
    parts
        Command lines, by what each is called in messages. Each writes `Replayed` as lines of JSON, the last when
        all is told.
    environment
        Variables added to our own.
    before
        What there is to do in all, and what was done before.
    show
        Told how far all are together.
    say
        Told what else they write, such as warnings, line by line.

    Raises
    ------
    PartError
        Once one of them fails, with what it says.
    """
    heard = _Heard(before, say)
    with Interrupts() as interrupts, Children(interrupts, heard.error, heard.line) as children:
        for name, command in parts.items():
            children.start(name, command, environment)
        with ended_with_us([child.pid for child in children.all]):
            running = list(children.all)
            while running:
                time.sleep(_LOOK_S)
                running = [child for child in running if not _done(child, heard)]
                if heard.parts:
                    show(heard.all())
    return heard.all()


class _Heard:
    """What the processes say: how far they are, and what went wrong; other lines are handed on."""

    def __init__(self, before: Replayed, say: Callable[[str], None]) -> None:
        self._before, self._say = before, say
        self.parts: dict[str, Replayed] = {}
        self.errors: defaultdict[str, list[str]] = defaultdict(list)

    def line(self, name: str, line: str) -> None:
        try:
            # Put there in one step: each process is heard by a thread of its own.
            self.parts[name] = msgspec.json.decode(line, type=Replayed)
        except msgspec.DecodeError:
            self._say(line)

    def error(self, name: str, line: str) -> None:
        if line.startswith("Error: ") or name in self.errors:
            self.errors[name].append(line.removeprefix("Error: "))
        else:
            self._say(line)

    def all(self) -> Replayed:
        before, parts = self._before, list(self.parts.values())
        read = before.read + sum(each.read for each in parts)
        written = before.written + sum(each.written for each in parts)
        skipped = before.skipped + sum(each.skipped for each in parts)
        return Replayed(read, max(before.of, read), written, skipped)


def _done(child: Child, heard: _Heard) -> bool:
    """Whether a process has done its part; False while it runs."""
    code = child.returncode
    if code is None:
        return False
    child.read_out(_READ_S)
    if code == 0 and child.name in heard.parts:
        return True
    said = "\n".join(heard.errors.get(child.name, ()))
    raise PartError(said or f"the {child.name} {how_it_ended(code)}; the same command goes on", max(code, 1))

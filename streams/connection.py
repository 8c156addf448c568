"""Connections to the broker: what each Kafka client calls the same settings."""

import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.errors import KafkaError

from streams.settings import Settings

__all__ = ["BrokerUnreachableError", "admin_client", "aiokafka_options", "kafka_python_options", "ordered_producer",
           "reader"]  # fmt: skip

_PATIENCE_MS = 10_000
"""How long a command waits for a broker that does not answer."""
_HANDSHAKE_S = 10.0
"""How long a secured broker that did not let us in has to say why."""


class BrokerUnreachableError(RuntimeError):
    """No broker answers at the address, or it refuses who asks."""


@contextmanager
def admin_client(settings: Settings) -> Iterator[Any]:
    """Give kafka-python's admin client, closed afterwards.

    Raises
    ------
    BrokerUnreachableError
        If nobody answers within ten seconds.
    """
    with _connected(settings, KafkaAdminClient) as client:
        yield client


@contextmanager
def reader(settings: Settings) -> Iterator[KafkaConsumer]:
    """Give kafka-python's consumer outside of every group, of what is committed, closed afterwards.

    Raises
    ------
    BrokerUnreachableError
        If nobody answers within ten seconds.
    """
    options = {
        "group_id": None,
        "auto_offset_reset": "earliest",
        "enable_auto_commit": False,
        "isolation_level": "read_committed",
        "allow_auto_create_topics": False,
    }
    with _connected(settings, KafkaConsumer, **options) as consumer:
        yield consumer


@contextmanager
def _connected(settings: Settings, kind: Callable[..., Any], **options: Any) -> Iterator[Any]:
    """Give one of kafka-python's clients, closed afterwards; it asks the broker who it is when it is made."""
    try:
        client = kind(**kafka_python_options(settings), **options, bootstrap_timeout_ms=_PATIENCE_MS)
    except (KafkaError, OSError) as error:
        raise unreachable(settings, error) from None
    try:
        yield client
    finally:
        client.close()


def unreachable(settings: Settings, error: BaseException) -> BrokerUnreachableError:
    """Return the error that says who did not answer, or did not let us in, and what to do."""
    said = " ".join(str(error).split())[:160] or type(error).__name__
    if settings.security_protocol != "PLAINTEXT" and (refused := _refused(settings)):
        return BrokerUnreachableError(f"the broker at {settings.broker} does not let us in: {refused}")
    return BrokerUnreachableError(
        f"no broker answers at {settings.broker} ({said}); start one (`recompra up`), "
        "or name it with --broker or RECOMPRA_BROKER"
    )


def _refused(settings: Settings) -> str | None:
    """Why a secured broker that can be reached ends the connection; the client only sees it ended."""
    host, _, port = settings.broker.split(",")[0].strip().rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=_HANDSHAKE_S) as plain:
            if settings.security_protocol.endswith("SSL"):
                ssl_context(settings).wrap_socket(plain, server_hostname=host.strip("[]")).close()
    except ssl.SSLCertVerificationError as error:
        return f"its certificate is not trusted ({error.verify_message}); name its authority with tls_ca_file"
    except ssl.SSLError as error:
        return f"it does not speak TLS as we do ({error.reason}); check security_protocol and the port"
    except OSError:
        return None
    if settings.security_protocol.startswith("SASL"):
        who = f"{settings.sasl_mechanism} for {settings.sasl_username!r}"
        return f"it ended the connection at {who}; check sasl_mechanism, sasl_username and sasl_password"
    return "it ended the connection after TLS; check tls_cert_file and tls_key_file"


def kafka_python_options(settings: Settings) -> dict[str, Any]:
    """Return the connection's settings under kafka-python's names."""
    options: dict[str, Any] = {
        "bootstrap_servers": [part.strip() for part in settings.broker.split(",")],
        "client_id": settings.app_id,
        "security_protocol": settings.security_protocol,
    }
    if settings.security_protocol.startswith("SASL"):
        options["sasl_mechanism"] = settings.sasl_mechanism
        options["sasl_plain_username"] = settings.sasl_username
        options["sasl_plain_password"] = _password(settings)
    if settings.security_protocol.endswith("SSL"):
        options["ssl_context"] = ssl_context(settings)
    return options


def ordered_producer(settings: Settings, *, transactions: bool, **options: Any) -> KafkaProducer:
    """Return kafka-python's producer, whose records come in the order in which they were sent, each acknowledged.

    `transactions` says whether the broker has them: such a one tells a record that is sent twice. Without, one request
    is under way at a time.
    """
    if not transactions:
        options |= {"enable_idempotence": False, "max_in_flight_requests_per_connection": 1}
    return KafkaProducer(**kafka_python_options(settings), acks="all", max_request_size=2**27, **options)


def aiokafka_options(settings: Settings) -> dict[str, Any]:
    """Return the connection's settings under aiokafka's names, which are nearly the same."""
    options = kafka_python_options(settings)
    options["bootstrap_servers"] = settings.broker
    return options


def ssl_context(settings: Settings) -> ssl.SSLContext:
    """Return a TLS context that verifies the broker by the authorities given, else by the system's."""
    context = ssl.create_default_context(cafile=_text(settings.tls_ca_file))
    if settings.tls_cert_file is not None:
        password = settings.tls_key_password
        context.load_cert_chain(
            str(settings.tls_cert_file),
            _text(settings.tls_key_file),
            password.get_secret_value() if password else None,
        )
    return context


def _password(settings: Settings) -> str | None:
    return settings.sasl_password.get_secret_value() if settings.sasl_password else None


def _text(path: object) -> str | None:
    return None if path is None else str(path)

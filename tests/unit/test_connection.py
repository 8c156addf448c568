"""Connections: what each Kafka client is told of the settings for security."""

import ssl
from pathlib import Path

import pytest

from streams.connection import aiokafka_options, kafka_python_options
from streams.settings_sources import load


def test_plain_by_default() -> None:
    """Without security settings there is no TLS and no password; kafka-python takes the addresses as a list."""
    settings = load(broker="a:1, b:2").settings
    assert kafka_python_options(settings) == {
        "bootstrap_servers": ["a:1", "b:2"],
        "client_id": "recompra",
        "security_protocol": "PLAINTEXT",
    }
    assert aiokafka_options(settings)["bootstrap_servers"] == "a:1, b:2"


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_user_and_password_are_passed_on(mechanism: str) -> None:
    """SASL settings reach both clients, the password as it is and not its mask."""
    settings = load(
        security_protocol="SASL_PLAINTEXT", sasl_mechanism=mechanism, sasl_username="anna", sasl_password="pw"
    ).settings
    for options in (kafka_python_options(settings), aiokafka_options(settings)):
        assert options["sasl_mechanism"] == mechanism
        assert (options["sasl_plain_username"], options["sasl_plain_password"]) == ("anna", "pw")
        assert "ssl_context" not in options


def test_tls_verifies_the_broker() -> None:
    """TLS checks the certificate and the host's name."""
    context = kafka_python_options(load(security_protocol="SSL").settings)["ssl_context"]
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


def test_an_authority_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    """A file of authorities that cannot be read is not passed over in silence."""
    settings = load(security_protocol="SSL", tls_ca_file=tmp_path / "ca.pem").settings
    with pytest.raises(FileNotFoundError):
        kafka_python_options(settings)

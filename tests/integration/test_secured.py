"""A cluster that asks who one is: every client over TLS, with PLAIN, SCRAM and certificates, on Apache Kafka."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner
from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import ScramMechanism, UserScramCredentialUpsertion

from schemas.timestamp import from_ms
from streams import connection
from streams.brokers.kafka_local import KafkaLocal
from streams.brokers.process import free_port
from streams.children import Child, part
from streams.cli.main import main
from streams.connection import kafka_python_options
from streams.settings_sources import load
from streams.tailing import tail
from streams.topics import create, wanted

pytestmark = pytest.mark.kafka

PASSWORD = "correct-horse-battery"
PROTOCOLS = {
    "scram": {"RECOMPRA_SECURITY_PROTOCOL": "SASL_SSL", "RECOMPRA_SASL_MECHANISM": "SCRAM-SHA-512"},
    "plain": {"RECOMPRA_SECURITY_PROTOCOL": "SASL_SSL", "RECOMPRA_SASL_MECHANISM": "PLAIN"},
    "certificate": {"RECOMPRA_SECURITY_PROTOCOL": "SSL"},
}


def openssl(directory: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True)


def certificates(directory: Path) -> None:
    """An authority, and signed by it a certificate for the broker and one for a client, each with its key."""
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    extensions = ("-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign")
    days = ("-days", "2")
    openssl(
        directory, "req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", *days, "-subj", "/CN=ca", *extensions
    )
    (directory / "names").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
    for name in ("broker", "client"):
        openssl(directory, "req", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        openssl(directory, "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
                "-CAcreateserial", "-out", f"{name}.pem", *days, "-extfile", "names")  # fmt: skip
    (directory / "broker-store.pem").write_text(
        (directory / "broker.key").read_text() + (directory / "broker.pem").read_text()
    )


@dataclass(frozen=True)
class Secured:
    """A broker that lets nobody in unasked but at one address, which the test uses to make users."""

    files: Path
    sasl: str
    certificate: str

    def environment(self, how: str) -> dict[str, str]:
        """What a process needs in its environment to be let in."""
        common = {**PROTOCOLS[how], "RECOMPRA_TLS_CA_FILE": str(self.files / "ca.pem"), "RECOMPRA_PARTITIONS": "1",
                  "RECOMPRA_APP_ID": f"app-{how}", "RECOMPRA_COMMIT_INTERVAL_S": "0.2"}  # fmt: skip
        if how == "certificate":
            return {
                **common,
                "RECOMPRA_BROKER": self.certificate,
                "RECOMPRA_TLS_CERT_FILE": str(self.files / "client.pem"),
                "RECOMPRA_TLS_KEY_FILE": str(self.files / "client.key"),
            }
        return {
            **common,
            "RECOMPRA_BROKER": self.sasl,
            "RECOMPRA_SASL_USERNAME": f"recompra-{how}",
            "RECOMPRA_SASL_PASSWORD_FILE": str(self.files / "password"),
        }


@pytest.fixture(scope="module")
def secured(kafka_available: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """Apache Kafka with a listener for SASL over TLS and one for client certificates."""
    if shutil.which("openssl") is None:
        pytest.skip("TLS NOT TESTED: openssl is missing on this machine")
    files = tmp_path_factory.mktemp("secured")
    certificates(files)
    (files / "password").write_text(f"{PASSWORD}\n")
    port, controller, sasl, ssl = (free_port() for _ in range(4))
    addresses = f"PLAINTEXT://127.0.0.1:{port},SASL_SSL://127.0.0.1:{sasl},SSL://127.0.0.1:{ssl}"
    login = "org.apache.kafka.common.security"
    properties = {
        "listeners": f"{addresses},CONTROLLER://127.0.0.1:{controller}",
        "advertised.listeners": addresses,
        "controller.quorum.voters": f"1@127.0.0.1:{controller}",
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL,SSL:SSL",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(files / "broker-store.pem"),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(files / "ca.pem"),
        "listener.name.ssl.ssl.client.auth": "required",
        "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-512",
        "listener.name.sasl_ssl.plain.sasl.jaas.config": (
            f'{login}.plain.PlainLoginModule required user_recompra-plain="{PASSWORD}";'
        ),
        "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": f"{login}.scram.ScramLoginModule required;",
    }
    with KafkaLocal(port, files / "kafka", properties=properties, quiet=True) as broker:
        admin = KafkaAdminClient(bootstrap_servers=broker.address)
        user = UserScramCredentialUpsertion("recompra-scram", ScramMechanism.SCRAM_SHA_512, PASSWORD)
        admin.alter_user_scram_credentials([user])
        admin.close()
        yield Secured(files, f"127.0.0.1:{sasl}", f"127.0.0.1:{ssl}")


@pytest.mark.parametrize("how", ["plain", "certificate"])
def test_topics_are_made_and_read(secured: Secured, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a password that is told, and with a certificate: made, written and read."""
    for name, value in secured.environment(how).items():
        monkeypatch.setenv(name, value)
    settings = load().settings
    create(settings, [spec for spec in wanted(settings, ()) if spec.name == "orders"])
    with KafkaProducer(**kafka_python_options(settings)) as producer:
        producer.send("orders", b"{}", key=how.encode(), partition=0).get(30)
    assert how.encode() in [record.key for record in tail(settings, "orders", "beginning", follow=False)]


def test_a_worker_scores(secured: Secured, monkeypatch: pytest.MonkeyPatch) -> None:
    """Topics are made, a worker scores an order, and its score is read; no secret on a command line or in a log."""
    how = "scram"
    environment = secured.environment(how)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    done = CliRunner().invoke(main, ["topics", "create"])
    assert done.exit_code == 0, done.output
    settings = load().settings
    worker = Child("worker", part("worker"), {**environment, "RECOMPRA_LOG_LEVEL": "debug"})
    try:
        give_up = time.monotonic() + 180
        while not worker.wait_ready(0.2):
            assert worker.returncode is None, worker.last_lines()
            assert time.monotonic() < give_up, worker.last_lines()
        customer = f"anna-{how}"
        with KafkaProducer(**kafka_python_options(settings)) as producer:
            producer.send("orders", order(customer), key=customer.encode(), partition=0).get(30)
        found: Any = None
        while found is None:
            assert time.monotonic() < give_up, worker.last_lines()
            records = tail(settings, "scores", "beginning", follow=False)
            found = next((record for record in records if record.key == customer.encode()), None)
        assert orjson.loads(found.value or b"")["data"]["customer_id"] == customer
        command = Path(f"/proc/{worker.pid}/cmdline")
        assert not command.exists() or PASSWORD.encode() not in command.read_bytes()
        assert PASSWORD not in "\n".join(worker.last_lines().splitlines())
        assert PASSWORD not in CliRunner().invoke(main, ["settings"]).output
    finally:
        worker.kill()


def order(customer: str) -> bytes:
    return orjson.dumps(
        {
            "messageId": f"m-{customer}",
            "userId": customer,
            "type": "track",
            "event": "Order Completed",
            "timestamp": from_ms(time.time_ns() // 1_000_000),
            "properties": {"order_id": f"o-{customer}", "total": 12.5},
        }
    )


@pytest.mark.parametrize(
    ("how", "change", "reason"),
    [
        ("scram", {"RECOMPRA_SASL_PASSWORD": "wrong"}, "at SCRAM-SHA-512 for 'recompra-scram'; check sasl_mechanism"),
        ("certificate", {"RECOMPRA_TLS_CERT_FILE": "", "RECOMPRA_TLS_KEY_FILE": ""}, "check tls_cert_file"),
        ("plain", {"RECOMPRA_TLS_CA_FILE": ""}, "name its authority with tls_ca_file"),
    ],
)
def test_whoever_is_not_let_in_is_told_why(
    secured: Secured, how: str, change: dict[str, str], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong password, no certificate, an authority that is not trusted: a sentence with the remedy, and no secret."""
    monkeypatch.setattr(connection, "_PATIENCE_MS", 1000)
    for name, value in {**secured.environment(how), **change}.items():
        monkeypatch.setenv(name, value)
    done = CliRunner().invoke(main, ["topics", "list"])
    assert done.exit_code == 1, done.output
    assert f"Error: the broker at {os.environ['RECOMPRA_BROKER']} does not let us in: " in done.output
    assert reason in done.output
    assert PASSWORD not in done.output

"""A cluster that asks who one is: every client over TLS, with PLAIN, SCRAM and certificates, on Apache Kafka."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner
from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import ScramMechanism, UserScramCredentialUpsertion

from schemas.timestamp import from_ms
from scoring.rules.shipped import SHIPPED
from streams import connection
from streams.brokers.kafka_local import KafkaLocal
from streams.brokers.process import free_port
from streams.cli.main import main
from streams.connection import kafka_python_options
from streams.outbox import INPUTS
from streams.settings_sources import load
from streams.tailing import tail
from streams.topics import create, wanted
from tests.integration.faults.programs import PATIENCE_S, Program
from tests.integration.roles import acls, rights_of_roles

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
    open: str
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
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS;User:recompra-plain;User:CN=client",
    }
    with KafkaLocal(port, files / "kafka", properties=properties, quiet=True) as broker:
        yield Secured(files, broker.address, f"127.0.0.1:{sasl}", f"127.0.0.1:{ssl}")


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


APP = "roles"
GIVEN = {"APP_ID": APP, "CLOCK": "events", "HORIZON": "1h", "SNAPSHOT_EVERY": "1h", "SESSION_TIMEOUT_S": "2",
         "SHOP_VERSIONS_KEPT": "100", "WEB_PORT": "0", "LOG_LEVEL": "debug",
         "ERASURE_KEY": "a key of the privacy desk"}  # fmt: skip
PARTS = ("worker", "trainer", "shop")


def test_each_role_may_do_what_the_page_says_and_needs_no_more(
    secured: Secured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the ACLs of docs/data-engineers.md and no others each command does its work, on real Kafka.

    Who lacks one is told which; no password on a command line, in a log or among the settings.
    """
    environment = secured.environment("scram") | {f"RECOMPRA_{name}": value for name, value in GIVEN.items()}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    roles, seen = let_in(secured), set(PARTS)

    def run(role: str, *arguments: str, code: int = 0) -> str:
        seen.add(role)
        monkeypatch.setenv("RECOMPRA_SASL_USERNAME", user_of(role))
        done = CliRunner().invoke(main, arguments, catch_exceptions=False)
        assert done.exit_code == code, f"{role}: {done.output}"
        return done.output

    def until(condition: Callable[[], bool]) -> None:
        give_up = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < give_up, [(each.name, each.last_lines()) for each in programs]
            time.sleep(0.2)

    run("topics", "topics", "create")
    (tmp_path / "events").write_bytes(b"\n".join(events()))
    run("load", "load", str(tmp_path / "events"))
    with KafkaProducer(**kafka_python_options(load().settings)) as producer:
        producer.send("orders", b"{", key=b"carl", partition=0).get(30)
    assert f"does not let {user_of('load')} see {APP}-profiles-changelog" in run("load", "whatis", "anna", code=1)
    assert f"does not let rules write with the transactional id {APP}-probe" in run("rules", "whatis", "anna", code=1)
    assert "does not let tail see clickstream, customers, orders" in run(
        "tail", "load", str(tmp_path / "events"), code=1
    )

    programs = [Program(each, {"RECOMPRA_SASL_USERNAME": each}) for each in PARTS]
    try:
        for each in programs:
            each.started()
        until(lambda: orjson.loads(run("lag", "lag", "--json"))["records"] == 0)
        for topic in ("scores", "models", "products"):
            until(lambda topic=topic: bool(run("tail", "tail", topic, "--from", "beginning", "--no-follow")))
        assert orjson.loads(run("whatis", "whatis", "anna"))["profile"] is not None
        assert orjson.loads(run("dlq", "dlq", "redrive", "--json"))["records"]["orders"] > 0
        run("export", "export", str(tmp_path / "out"))
        run("replay", "replay", "--into", "past", "--as-it-was")
        run("diff", "diff", "past")
        run("replay --publish-live", "replay", "--into", "past", "--as-it-was", "--publish-live", "--confirm", APP)
        run("rules apply", "rules", "pause", "cart-abandoned")
        run("rules", "rules", "history")
        run("rules", "report", "rules")
        assert orjson.loads(run("forget", "forget", "anna", "--yes", "--request-id", "r-1"))[0]["data"]["removed"]
        run("forget --purge-inputs", "forget", "anna", "--purge-inputs")
        for each in programs:
            command = Path(f"/proc/{each.pid}/cmdline")
            assert not command.exists() or PASSWORD.encode() not in command.read_bytes()
            each.ask_to_end()
        assert [each.ended() for each in programs] == [0, 0, 0], [each.last_lines() for each in programs]
        assert not any(secret in line for each in programs for line in each.errors for secret in SECRETS)
    finally:
        for each in programs:
            each.kill()
    run("import", "import", str(tmp_path / "out"), "--replace")
    run("import", "reset", "--to", "beginning", "--yes")
    assert not any(secret in run("load", "settings") for secret in SECRETS)
    assert seen == roles


SECRETS = (PASSWORD, GIVEN["ERASURE_KEY"])


def user_of(role: str) -> str:
    return role.replace(" ", "-")


def let_in(secured: Secured) -> set[str]:
    """Make a user for each role, who may do what the page says of it; the roles."""
    records = [spec.name for spec in wanted(load().settings, SHIPPED) if spec.cleanup == "delete"]
    rights = rights_of_roles({
        "app_id": [APP], "shadow": ["past"], "the inputs": INPUTS, "their own": ["audit"],
        "the state": [f"{APP}-profiles-changelog", f"{APP}-transfers"],
        "what they read": ["scores", "models", "products"], "all that keeps records for a time": records,
    })  # fmt: skip
    with closing(KafkaAdminClient(bootstrap_servers=secured.open)) as admin:
        admin.alter_user_scram_credentials(
            [UserScramCredentialUpsertion(user_of(role), ScramMechanism.SCRAM_SHA_512, PASSWORD) for role in rights]
        )
        admin.create_acls([acl for role, some in rights.items() for acl in acls(user_of(role), some)])
    return set(rights)


def events() -> Iterator[bytes]:
    """Two customers for two days: a cart each hour, an order each fifth."""
    for hour in range(40):
        for who in ("anna", "bob"):
            at = from_ms(1_700_000_000_000 + hour * 3_600_000)
            common = {"userId": who, "type": "track", "timestamp": at}
            cart = {"product_id": "p", "price": 3.0, "quantity": 1}
            yield orjson.dumps({**common, "messageId": f"c-{who}-{hour}", "event": "Product Added", "properties": cart})
            if hour % 5 == 0:
                order = {"order_id": f"{who}-{hour}", "total": 12.5}
                message = {"messageId": f"o-{who}-{hour}", "event": "Order Completed", "properties": order}
                yield orjson.dumps({**common, **message})


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

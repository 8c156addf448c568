"""Rights: what the broker does not let our user do, told apart from what is not there."""

from collections.abc import Iterable
from typing import Any

from kafka import KafkaAdminClient, KafkaConsumer
from kafka.errors import TopicAuthorizationFailedError

from streams.connection import BrokerUnreachableError, admin_client
from streams.settings import Settings

__all__ = ["NotAllowedError", "check_known", "check_readable"]


class NotAllowedError(BrokerUnreachableError):
    """The broker knows who we are, and does not let us do something.

    Parameters
    ----------
    broker, user
        Who does not let whom.
    what
        What is not allowed, as `see scores`.
    """

    def __init__(self, broker: object, user: object, what: str) -> None:
        super().__init__(
            f"the broker at {broker} does not let {user or 'us'} {what}; what each command needs is listed in "
            "docs/data-engineers.md, A secured cluster"
        )


def check_readable(settings: Settings, topics: Iterable[str]) -> None:
    """Make sure that no topic is kept from us; one that is not there is none of its matter.

    Raises
    ------
    NotAllowedError
        If one is: the broker does not tell whether it is there.
    BrokerUnreachableError
        If no broker answers.
    """
    asked = list(topics)
    if asked and settings.security_protocol != "PLAINTEXT":
        with admin_client(settings) as client:
            _check(client, asked, settings.broker, settings.sasl_username)


def check_known(consumer: KafkaConsumer, missing: Iterable[str]) -> None:
    """Make sure that topics which a consumer was not told of are not there, and not kept from it.

    Raises
    ------
    NotAllowedError
        If one is kept from it.
    """
    asked, options = list(missing), consumer.config
    if asked and options["security_protocol"] != "PLAINTEXT":
        client = KafkaAdminClient(
            **{name: options[name] for name in KafkaAdminClient.DEFAULT_CONFIG if name in options}
        )
        try:
            _check(client, asked, ",".join(options["bootstrap_servers"]), options["sasl_plain_username"])
        finally:
            client.close()


def _check(client: Any, topics: Iterable[str], broker: object, user: object) -> None:
    told = client.describe_topics(list(topics))
    refused = sorted(topic["name"] for topic in told if topic["error_code"] == TopicAuthorizationFailedError.errno)
    if refused:
        raise NotAllowedError(broker, user, f"see {', '.join(refused)}")

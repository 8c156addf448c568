"""Group state: what a group's coordinator says of the group."""

import asyncio
from typing import Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupAuthorizationFailedError, KafkaError, for_code

from streams.connection import BrokerUnreachableError, aiokafka_options, unreachable
from streams.rights import NotAllowedError
from streams.settings import Settings

__all__ = ["GroupUnknownError", "group_state"]

_PATIENCE_S: Final = 20.0
"""How long the coordinator is looked for: one that moves, or whose topic is made as it is asked for, takes a while."""
_PAUSE_S: Final = 0.2
_UNANSWERED: Final = (KafkaError, OSError, TimeoutError, AssertionError)
"""What aiokafka fails with; it asserts that it knows the address of the broker that it is sent to."""


class GroupUnknownError(BrokerUnreachableError):
    """The group's coordinator does not answer."""


async def group_state(settings: Settings) -> str:
    """Ask the coordinator for the state of the application's group: `Dead`, or `Empty`, if there is none.

    A list of the groups would not do: it lacks, without a word, those of a broker that is down. kafka-python's
    `describe_groups` always asks for our rights as well, and cannot read what the embedded broker says of them.

    Raises
    ------
    GroupUnknownError
        If the coordinator has not answered for a while.
    streams.rights.NotAllowedError
        If it keeps the group from us.
    BrokerUnreachableError
        If no broker answers.
    """
    client = AIOKafkaAdminClient(**aiokafka_options(settings))
    try:
        try:
            await client.start()
        except (KafkaError, OSError) as error:
            raise unreachable(settings, error) from None
        return await _patiently_asked(client, settings)
    finally:
        await client.close()


async def _patiently_asked(client: AIOKafkaAdminClient, settings: Settings) -> str:
    loop = asyncio.get_running_loop()
    give_up = loop.time() + _PATIENCE_S
    while True:
        try:
            return await _asked(client, settings.app_id)
        except GroupAuthorizationFailedError:
            what = f"describe the group {settings.app_id}"
            raise NotAllowedError(settings.broker, settings.sasl_username, what) from None
        except _UNANSWERED as error:
            if loop.time() >= give_up:
                raise GroupUnknownError(
                    f"the broker that coordinates the group {settings.app_id} does not answer "
                    f"({type(error).__name__}), so that nobody can say whether workers run: try again when all "
                    "brokers are up"
                ) from None
        await asyncio.sleep(_PAUSE_S)


async def _asked(client: AIOKafkaAdminClient, name: str) -> str:
    (answer,) = await client.describe_consumer_groups([name])
    (group,) = answer.to_object()["groups"]
    if group["error_code"]:
        raise for_code(group["error_code"])
    return str(group["state"])

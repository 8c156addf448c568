"""Snapshots: the models and the shop's knowledge that workers use, read whole for a preview."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from aiokafka.errors import KafkaError

from scoring.model import Snapshot
from scoring.shop.snapshot import ShopSnapshot
from streams.connection import unreachable
from streams.models import TOPIC as MODELS
from streams.models import Models
from streams.settings import Settings
from streams.shop.snapshots import TOPIC as PRODUCTS
from streams.shop.snapshots import ShopSnapshots
from streams.topics import found

__all__ = ["NoStateError", "Used", "partitions_to_read", "read_used"]

_USED: Final = (MODELS, PRODUCTS)


class NoStateError(LookupError):
    """There is nothing to look at."""


class Used(NamedTuple):
    """Versions of the model and of the shop's knowledge, each in order."""

    models: list[Snapshot]
    shop: list[ShopSnapshot]


def partitions_to_read(settings: Settings, topics: Sequence[str]) -> int:
    """The number of partitions of some topics, once it is sure that these and all that a preview reads are there.

    Raises
    ------
    NoStateError
        If one is missing.
    """
    there = {topic.name: topic.partitions for topic in found(settings, [*topics, *_USED])}
    missing = [name for name in (*topics, *_USED) if name not in there]
    if missing:
        raise NoStateError(
            f"no worker of the app_id {settings.app_id} has run on {settings.broker}, as topics are missing: "
            f"{', '.join(missing)}; `recompra topics create` makes them"
        )
    return max(there[name] for name in topics)


async def read_used(settings: Settings) -> Used:
    """Read what is on `models` and `products`; what a worker refuses is left out.

    Raises
    ------
    BrokerUnreachableError
        If no broker answers.
    """
    models = Models(settings, lambda _: None, lambda _: None)
    shop = ShopSnapshots(settings, lambda _: None, lambda _: None)
    try:
        await models.start()
        await shop.start()
    except (KafkaError, OSError) as error:
        raise unreachable(settings, error) from None
    finally:
        await models.stop()
        await shop.stop()
    return Used(models.in_order(), shop.in_order())

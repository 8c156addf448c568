"""Snapshots: the models and the shop's knowledge that workers use, read whole for a preview."""

from typing import NamedTuple

from aiokafka.errors import KafkaError

from scoring.model import Snapshot
from scoring.shop.snapshot import ShopSnapshot
from streams.connection import unreachable
from streams.models import Models
from streams.settings import Settings
from streams.shop.snapshots import ShopSnapshots

__all__ = ["Used", "read_used"]


class Used(NamedTuple):
    """Versions of the model and of the shop's knowledge, each in order."""

    models: list[Snapshot]
    shop: list[ShopSnapshot]


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

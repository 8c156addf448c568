"""Plain records of our own: dead letters, progress, deletions and rules as they travel."""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from schemas.outputs.event import Count, Text, Time

__all__ = ["Counters", "DeadLetter", "Deletion", "Progress", "Rule"]


class DeadLetter(Struct, forbid_unknown_fields=True):
    """A record that was refused, on `<input>-dlq`.

    `id` is `topic-partition-offset`; `payload` the original bytes in base64, cut at a limit
    (`payload_bytes` is their whole number), null where the record had none.
    """

    id: Text
    topic: Text
    partition: Count
    offset: Count
    field: Text
    value: Annotated[str, Meta(max_length=80)]
    reason: Text
    remedy: Text
    code: Text
    payload: str | None
    received_at: Time
    payload_bytes: Count | None = None


class Counters(Struct, forbid_unknown_fields=True):
    """What became of the records read so far; the five always add up to `read`."""

    read: Count
    applied: Count
    duplicate: Count
    late: Count
    ignored: Count
    dead_lettered: Count


class Progress(Struct, forbid_unknown_fields=True):
    """What a partition did with one commit, on `progress`.

    `offsets` are the next to read, by input topic, and of transfers and deletions; `runs` the interleaving since the
    commit before, as [input, count] pairs where input is 0 clickstream, 1 orders, 2 customers, 3 transfers, 4
    deletions. `behind` says from which number of records on which inputs had more to come (bits, 1 << input), as time
    then waits for those; `ticks` are those that quiet time ran, each with the number of records before it and the wall
    time; `told` are versions (`model`, `shop`: the newest known; `rules`: a stamp of all known) and starts, each with
    the numbers of records and ticks before it. `settings` is a stamp of those that decide what is told, empty where it
    is not known; the values are with the first commit after each start (`streams.fingerprint`).
    """

    partition: Count
    sequence: Count
    watermark_ms: int | None
    offsets: dict[str, Count]
    runs: list[tuple[Annotated[int, Meta(ge=0, le=4)], Annotated[int, Meta(ge=1)]]]
    ticks: list[tuple[Count, int, int]]
    model_version: Count
    rules: list[Text]
    counters: Counters
    shop_version: Count = 0
    behind: list[tuple[Count, Annotated[int, Meta(ge=0, le=7)]]] = []
    told: list[tuple[Count, Count, Literal["model", "shop", "rules", "start", "ready"], str]] = []
    settings: Annotated[str, Meta(pattern=r"^([0-9a-f]{16})?$")] = ""
    settings_values: dict[str, str] = {}


class Deletion(Struct, forbid_unknown_fields=True):
    """A request to forget a customer, on `deletions`."""

    request_id: Text
    customer_id: Text
    requested_at: Time
    reason: Text | None = None


class Rule(Struct, forbid_unknown_fields=True):
    """One version of a rule, on `rules`; `definition` is what stands in the rule's YAML.

    It holds from the event time `effective_time` on, from `published_at` on where that is null or absent.
    """

    name: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    version: Annotated[int, Meta(ge=1)]
    published_at: Time
    definition: dict[str, Any]
    effective_time: Time | None = None

"""Topics on the broker: made from their descriptions, listed, and compared with what they should be."""

import difflib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import InvalidConfigurationError, TopicAlreadyExistsError

from schemas.topics import FOREVER, TopicSpec, expand
from streams.changelog import changelog_topic, transfers_topic
from streams.connection import admin_client
from streams.outbox import TRANSFERS_DAYS
from streams.rights import check_readable
from streams.rule_files import rules_in_force
from streams.settings import Settings

__all__ = ["Created", "Difference", "Found", "UnfitTopicsError", "check", "check_partitions", "check_there", "create",
           "found", "nearest", "rule_names", "wanted"]  # fmt: skip

_WAIT_MS = 30_000
_WAIT_MS_PER_PARTITION = 100
"""So long, at the most, it is waited for topics that are made: for many partitions a busy broker needs longer."""


@dataclass(frozen=True, slots=True)
class Found:
    """A topic as it is on the broker; `configs` holds only what the broker tells."""

    name: str
    partitions: int
    configs: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Difference:
    """One way in which a topic on the broker is not as described; `found` None: it does not say."""

    topic: str
    what: str
    wanted: str
    found: str | None
    remedy: str

    @property
    def untold(self) -> bool:
        """Whether the broker does not say, as the embedded one; it is then no fault."""
        return self.found is None


class UnfitTopicsError(RuntimeError):
    """Topics that a command needs are missing, or have other partitions than the settings say."""


class Created(NamedTuple):
    """What `create` did: topics made, topics that were there, topics made without their configuration."""

    made: tuple[str, ...]
    existed: tuple[str, ...]
    without_configs: tuple[str, ...]


def rule_names(settings: Settings) -> tuple[str, ...]:
    """Return the names of the rules in force: those that the setting `rules` names.

    Raises
    ------
    RuleError
        If a rule cannot be used: its topic must not be made either.
    """
    return rules_in_force(settings).names


def wanted(settings: Settings, rules: Sequence[str]) -> tuple[TopicSpec, ...]:
    """Return the topics that an application with these rules needs, its changelog included."""
    specs = expand(rules, settings.partitions)
    own = (_changelog(changelog_topic(settings), settings.partitions), _transfers(settings))
    return (*specs, *own)


def create(settings: Settings, specs: Iterable[TopicSpec]) -> Created:
    """Create the topics that are missing and leave the others as they are; may be run again at any time.

    Raises
    ------
    BrokerUnreachableError
        If no broker answers.
    kafka.errors.KafkaError
        If the broker refuses a topic, for instance more replicas than it has nodes.
    """
    specs = tuple(specs)
    with admin_client(settings) as client:
        there = set(client.list_topics())
        missing = [spec for spec in specs if spec.name not in there]
        plain = [spec.name for spec in missing if not _make(client, spec, settings.replication)]
        if missing:
            partitions = sum(spec.partitions or 1 for spec in missing)
            client.wait_for_topics(
                [spec.name for spec in missing], timeout_ms=_WAIT_MS + _WAIT_MS_PER_PARTITION * partitions
            )
    made = tuple(spec.name for spec in missing)
    return Created(made, tuple(spec.name for spec in specs if spec.name in there), tuple(plain))


def found(settings: Settings, names: Iterable[str] | None = None) -> tuple[Found, ...]:
    """Return the topics of the broker (those named, or all but internal ones), by name.

    Raises
    ------
    BrokerUnreachableError
        If no broker answers, or one of those named is kept from us (`streams.rights.NotAllowedError`).
    """
    with admin_client(settings) as client:
        chosen = None if names is None else set(names)
        topics = {
            topic["name"]: len(topic["partitions"])
            for topic in client.describe_topics()
            if not topic["is_internal"] and not topic["error_code"] and (chosen is None or topic["name"] in chosen)
        }
        configs = _configs(client, topics)
    check_readable(settings, (chosen or set()).difference(topics))
    return tuple(Found(name, topics[name], configs.get(name, {})) for name in sorted(topics))


def check(specs: Iterable[TopicSpec], there: Iterable[Found]) -> tuple[Difference, ...]:
    """Compare descriptions with what is on the broker; empty if it is as it should be. Pure."""
    by_name = {topic.name: topic for topic in there}
    differences: list[Difference] = []
    for spec in specs:
        topic = by_name.get(spec.name)
        if topic is None:
            differences.append(Difference(spec.name, "topic", "present", "missing", "run `recompra topics create`"))
            continue
        if topic.partitions != spec.partitions:
            differences.append(_partitions_differ(spec, topic))
        differences += [
            Difference(
                spec.name,
                name,
                value,
                topic.configs.get(name),
                f"kafka-configs.sh --alter --topic {spec.name} --add-config {name}={value}",
            )
            for name, value in spec.configs.items()
            if topic.configs.get(name) != value
        ]
    return tuple(differences)


def check_partitions(settings: Settings, names: Sequence[str], also: Sequence[str] = ()) -> None:
    """Make sure that topics are there, those of `names` with as many partitions as the settings say.

    Which partition a customer is at home on is told by that number: with another one a command would look for them
    elsewhere, and leave out what lies on the rest.

    Raises
    ------
    UnfitTopicsError
        If one is missing, or has more or fewer.
    BrokerUnreachableError
        If no broker answers, or one is kept from us (`streams.rights.NotAllowedError`).
    """
    asked = (*names, *also)
    there = {topic.name: topic.partitions for topic in found(settings, asked)}
    check_there(settings, asked, there)
    other = [name for name in names if there[name] != settings.partitions]
    if other:
        raise UnfitTopicsError(
            f"the setting partitions is {settings.partitions}, and on {settings.broker} "
            f"{', '.join(f'{name} has {there[name]}' for name in other)}: set RECOMPRA_PARTITIONS to what the workers "
            "have (`recompra topics check` tells each topic)"
        )


def check_there(settings: Settings, names: Iterable[str], there: Collection[str]) -> None:
    """Make sure that topics are among those that are there.

    Raises
    ------
    UnfitTopicsError
        If one is missing.
    """
    if missing := [name for name in names if name not in there]:
        raise UnfitTopicsError(
            f"topics are missing on {settings.broker}: {', '.join(missing)}; run "
            f"`recompra topics create --broker {settings.broker}`, or name another broker"
        )


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name most like a misspelt one; None if none is like it."""
    return next(iter(difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.5)), None)


def _make(client: Any, spec: TopicSpec, replication: int) -> bool:
    """Create one topic; return whether its configuration was taken."""
    plan = {"num_partitions": spec.partitions, "replication_factor": replication}
    try:
        client.create_topics({spec.name: {**plan, "configs": spec.configs}})
    except TopicAlreadyExistsError:  # another process was faster, which is as good
        return True
    except InvalidConfigurationError:
        client.create_topics({spec.name: plan})
        return False
    return True


def _configs(client: Any, names: Iterable[str]) -> dict[str, dict[str, str]]:
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    if not resources:
        return {}
    told = client.describe_configs(resources, config_filter="all").get("topic", {})
    return {
        name: {key: str(item["value"]) for key, item in values.items() if item["value"] is not None}
        for name, values in told.items()
    }


def _partitions_differ(spec: TopicSpec, topic: Found) -> Difference:
    if spec.partitions is not None and topic.partitions < spec.partitions:
        # Adding partitions moves keys to other partitions, away from their customers' state.
        remedy = (
            "set RECOMPRA_PARTITIONS to what is there; or, if nothing on the topic is needed, delete and create it anew"
        )
    else:
        remedy = "set RECOMPRA_PARTITIONS to what is there, for all inputs alike"
    return Difference(spec.name, "partitions", str(spec.partitions), str(topic.partitions), remedy)


def _transfers(settings: Settings) -> TopicSpec:
    return TopicSpec(
        file="transfers",
        name=transfers_topic(settings),
        role="internal",
        purpose="What partitions tell each other of customers who are one, and are at home on different ones.",
        key="customer id, of who it is for",
        value="transfer.v1",
        partitions=settings.partitions,
        cleanup="delete",
        retention_ms=TRANSFERS_DAYS * 86_400_000,
        timestamp_type="CreateTime",
        written_by=("recompra worker",),
        read_by=("recompra worker",),
    )


def _changelog(name: str, partitions: int) -> TopicSpec:
    return TopicSpec(
        file="profiles-changelog",
        name=name,
        role="internal",
        purpose="The state of each customer, for a worker that takes a partition over.",
        key="customer id",
        value="profile.v1",
        partitions=partitions,
        cleanup="compact",
        retention_ms=FOREVER,
        timestamp_type="CreateTime",
        written_by=("recompra worker",),
        read_by=("recompra worker",),
    )

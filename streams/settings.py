"""Settings: everything that can be set, in one class, with its unit and its default."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args, get_origin

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from scoring.rules.columns import KINDS
from streams.durations import Duration, milliseconds, parse_duration
from streams.gate_settings import GateFields
from streams.report.fields import ReportFields
from streams.setting_values import as_object, as_tuple, on_off
from streams.shop.fields import ShopFields

__all__ = ["ENV_PREFIX", "Settings"]

ENV_PREFIX = "RECOMPRA_"


def _address(value: str) -> str:
    for part in value.split(","):
        host, colon, port = part.strip().rpartition(":")
        if not (colon and host and port.isdigit() and 0 < int(port) < 65536):
            raise ValueError("is not host:port (several are separated by commas)")
    return value


def _kinds(values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        if value not in KINDS:
            raise ValueError(f"has the unknown kind {value!r}; known are {', '.join(sorted(KINDS))}")
    return values


def _model(value: str) -> str:
    if value == "newton" or (value.startswith("river:") and value[6:].strip()):
        return value
    raise ValueError("is neither 'newton' nor 'river:' followed by a river pipeline")


def _token(value: SecretStr | None) -> SecretStr | None:
    if value is not None and not re.fullmatch(r"[A-Za-z0-9._~+/=-]{16,}", value.get_secret_value()):
        raise ValueError("is shorter than 16 characters, or has others than letters, digits and ._~+/=-")
    return value


def _existing(value: Path | None) -> Path | None:
    try:
        there = value is None or value.exists()
    except OSError:  # longer than a path may be, or in a directory that is kept from us
        there = False
    if not there:
        raise ValueError("is not a directory or a file that exists")
    return value


def _long_enough(secret: SecretStr | None) -> SecretStr | None:
    if secret is not None and len(secret.get_secret_value()) < 16:
        raise ValueError("is too short for a secret: ids could be guessed from their hashes")
    return secret


def _kinds_in(annotation: Any) -> set[Any]:
    """A type and all that it is made of."""
    return {annotation}.union(*map(_kinds_in, get_args(annotation)))


def _has_truth(value: Any) -> bool:
    """Whether it is true or false, or a list or a table has such a thing."""
    if isinstance(value, dict):
        return any(map(_has_truth, value.values()))
    return isinstance(value, bool) or (isinstance(value, list | tuple) and any(map(_has_truth, value)))


_KindNames = Annotated[tuple[str, ...], NoDecode, BeforeValidator(as_tuple), AfterValidator(_kinds)]

_RuleNames = Annotated[tuple[str, ...], NoDecode, BeforeValidator(as_tuple)]


class Settings(GateFields, ShopFields, ReportFields, BaseSettings):
    """All settings, frozen once read.

    A value comes, first found, from: an argument, the environment (`RECOMPRA_` and the name in capitals),
    the TOML file (`RECOMPRA_CONFIG`, else `./recompra.toml` if it is there), the default. Durations are texts
    with a unit (`30d`, `24h`, `10m`) and become `timedelta`; the `…_ms` properties give whole milliseconds.

    Raises
    ------
    pydantic.ValidationError
        If a value is refused. `streams.settings_sources.load` turns it into a readable `SettingsError`.
    """

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, env_ignore_empty=True, frozen=True, extra="forbid")

    # Kafka
    broker: Annotated[str, AfterValidator(_address)] = Field(
        "127.0.0.1:9092", description="Kafka bootstrap servers, host:port, several separated by commas"
    )
    app_id: str = Field(
        "recompra",
        pattern=r"^[A-Za-z0-9._-]{1,100}$",
        description="application id: consumer group, transactional ids and changelog begin with it",
    )
    partitions: int = Field(4, ge=1, le=10_000, description="partitions of each input topic (count)")
    replication: int = Field(
        -1,
        ge=-1,
        le=32_767,
        description="replicas of topics that are created (count; -1 = the broker's default)",
    )
    exactly_once: Annotated[Literal["auto", "on", "off"], BeforeValidator(on_off)] = Field(
        "auto",
        description="one transaction a partition and commit: auto (where the broker has them), on, off",
    )
    commit_interval_s: float = Field(
        1.0, gt=0, le=60, description="longest time between commits (seconds); thrice that of a partition far behind"
    )
    session_timeout_s: float = Field(
        6.0, ge=1, le=300, description="a silent worker loses its partitions after this (seconds)"
    )
    fetch_max_bytes: int = Field(52_428_800, ge=1024, description="most that one fetch returns (bytes)")
    fetch_partition_bytes: int = Field(
        4_194_304, ge=1024, description="most that one fetch returns of one partition (bytes)"
    )
    fetch_max_wait_ms: int = Field(100, ge=1, le=60_000, description="longest wait for records (milliseconds)")
    slice_records: int = Field(20_000, ge=1, description="most records handled as one slice (count)")
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="how to talk to the broker"
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "PLAIN", description="SASL mechanism, where security_protocol begins with SASL"
    )
    sasl_username: str | None = Field(None, description="SASL user name")
    sasl_password: SecretStr | None = Field(None, description="SASL password")
    tls_ca_file: Path | None = Field(None, description="certificate authorities to trust (PEM file)")
    tls_cert_file: Path | None = Field(None, description="client certificate (PEM file)")
    tls_key_file: Path | None = Field(None, description="client key (PEM file)")
    tls_key_password: SecretStr | None = Field(None, description="password of the client key")
    erasure_key: Annotated[SecretStr | None, AfterValidator(_long_enough)] = Field(
        None,
        description="keys the hashes of erased ids, the same for good and for all workers (at least 16 characters)",
    )

    # What is remembered of each customer; fixed once a changelog exists
    window_days: int = Field(90, ge=1, le=90, description="how far back day counts reach; older events are late (days)")
    deduplication_ring: int = Field(
        32, ge=1, le=1024, description="last message ids kept of each customer to recognise repeats (count)"
    )
    orders_ring: int = Field(16, ge=4, le=64, description="last orders kept of each customer (count)")
    day_ring_kinds: _KindNames = Field(
        ("visited", "product_viewed", "product_added"),
        min_length=1,
        max_length=6,
        description="kinds of event counted by day over window_days, `visited` and `any` too (one to six names)",
    )
    hour_ring_kinds: _KindNames = Field(
        ("product_viewed",),
        min_length=1,
        max_length=4,
        description="kinds of event counted by hour over a day (one to four names)",
    )

    # What is accepted; what is larger is dead-lettered
    max_record_bytes: int = Field(
        1_000_000,
        ge=1024,
        le=100_000_000,
        description="largest value of a record; less than the broker's own limit by 20 kB at least, "
        "as late ones are sent on (bytes)",
    )
    max_id_bytes: int = Field(
        256, ge=16, le=4096, description="longest id of a customer, an order or a product (bytes of UTF-8)"
    )
    max_products: int = Field(1000, ge=1, le=100_000, description="most products of one order or cart (count)")

    # Time
    horizon: Duration = Field(parse_duration("30d"), description="a score is the chance to buy within this (duration)")
    tick: Duration = Field(
        parse_duration("1m"), description="what time alone makes true is checked this often (duration)"
    )
    allowed_skew: Duration = Field(
        parse_duration("10m"),
        description="a timestamp further past its receipt than this is refused (duration)",
    )
    clock: Literal["wall", "events"] = Field(
        "wall",
        description="what says how old an event is: wall (its receipt), or events (history, demo, backtest)",
    )
    max_action_age: Duration = Field(
        parse_duration("24h"),
        description="actions for events older at receipt than this are withheld (duration)",
    )

    # What is published
    publish_delta: float = Field(
        0.02, gt=0, lt=1, description="a score is published when it moved by this (probability)"
    )
    bands: Annotated[tuple[float, ...], NoDecode, BeforeValidator(as_tuple)] = Field(
        (0.5, 0.8), max_length=15, description="percentiles that part the bands, increasing (fractions)"
    )
    percentile_points: int = Field(101, ge=2, le=10_001, description="points of the table for percentiles (count)")

    content: bool = Field(
        True, description="whether it is told on `content` what a site shows each customer (true or false)"
    )
    objects_kept: int = Field(
        16,
        ge=1,
        le=1000,
        description="orders, products, tickets, codes and places that rules know of each customer, "
        "the last of each (count)",
    )
    automated_events_per_hour: int = Field(
        1000,
        ge=1,
        le=65_534,
        description="more events in an hour than this mark a customer as automated: no actions, no examples (count)",
    )

    # The model
    model: Annotated[str, AfterValidator(_model)] = Field(
        "newton", description="the learner: newton, or river: followed by any river pipeline"
    )
    allow_pickled_models: bool = Field(
        False,
        description="read river models that come pickled; only where all who write to the topic are trusted",
    )
    example_customers: int = Field(50_000, ge=1, description="customers, chosen by hash, who give examples (count)")
    warm_up_positives: int = Field(200, ge=1, description="resolved buyers before a model is used (count)")
    warm_up_negatives: int = Field(200, ge=1, description="resolved non-buyers before a model is used (count)")
    calibration_examples: int = Field(3000, ge=100, description="resolved examples that set the intercept (count)")
    forgetting_half_life: float = Field(
        12.0, ge=5, description="after this an example counts half (horizons; not under 5)"
    )
    snapshot_every: Duration = Field(parse_duration("1d"), description="event time between model snapshots (duration)")

    # Rules
    rules: _RuleNames = Field(
        ("basic",),
        min_length=1,
        description="rules in force: basic (five of those shipped; all of rules_dir), all, or names with commas",
    )
    rules_dir: Annotated[Path | None, AfterValidator(_existing)] = Field(
        None, description="directory of rule files, or one file (default: the shipped rules)"
    )
    rule_parameters: Annotated[
        dict[str, dict[str, float | str | list[float]]], NoDecode, BeforeValidator(as_object)
    ] = Field(
        {},
        description='changes to rules by name, as {"cart-abandoned": {"quiet": "2h"}} (JSON or TOML table)',
    )

    # Addresses, files and logs
    web_host: str = Field("127.0.0.1", description="address on which /metrics is served")
    web_port: int = Field(0, ge=0, le=65_535, description="port on which /metrics is served (0 = a free one)")
    web_token: Annotated[SecretStr | None, AfterValidator(_token)] = Field(
        None,
        description="what a bearer says to see customers' pages (16 characters or more; default: loopback alone)",
    )
    data_dir: Path | None = Field(None, description="where the local Apache Kafka keeps its data (default: no files)")
    state_dir: Path | None = Field(
        None,
        description="where a worker keeps snapshots of its state, so that a restart reads little (default: none)",
    )
    snapshot_interval: Duration = Field(
        parse_duration("5m"), description="time between two snapshots of a partition in state_dir (duration)"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("warning", description="what is logged on stderr")

    @property
    def horizon_ms(self) -> int:
        """The horizon in milliseconds."""
        return milliseconds(self.horizon)

    @property
    def tick_ms(self) -> int:
        """The tick in milliseconds."""
        return milliseconds(self.tick)

    @property
    def window_ms(self) -> int:
        """The window in milliseconds."""
        return self.window_days * 86_400_000

    @property
    def allowed_skew_ms(self) -> int:
        """The allowed skew in milliseconds."""
        return milliseconds(self.allowed_skew)

    @property
    def max_action_age_ms(self) -> int:
        """The greatest age of an action's cause in milliseconds."""
        return milliseconds(self.max_action_age)

    @property
    def snapshot_every_ms(self) -> int:
        """Event time between model snapshots in milliseconds."""
        return milliseconds(self.snapshot_every)

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_for_a_number(cls, value: Any, info: ValidationInfo) -> Any:
        """What is true is 1 to Python, and is none to who writes settings."""
        annotation = cls.model_fields[info.field_name or ""].annotation
        kinds = _kinds_in(annotation)
        value = as_object(value) if get_origin(annotation) is dict else value  # a table of the environment is JSON
        if kinds & {int, float} and bool not in kinds and _has_truth(value):
            raise ValueError("is true or false, and a number is wanted")
        return value

    @model_validator(mode="after")
    def _check_spans(self) -> Self:
        for name in ("horizon", "tick", "snapshot_every", "snapshot_interval"):
            if milliseconds(getattr(self, name)) <= 0:
                raise ValueError(f"{name}: must be longer than nothing")
        if self.horizon_ms < 3_600_000:
            raise ValueError("horizon: must be at least an hour")
        if self.tick_ms < 1000:
            raise ValueError("tick: must be at least a second")
        if list(self.bands) != sorted(set(self.bands)) or not all(0 < edge < 1 for edge in self.bands):
            raise ValueError("bands: must increase, each above 0 and below 1")
        if self.commit_interval_s >= self.session_timeout_s:
            raise ValueError("commit_interval_s: must be shorter than session_timeout_s")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments first, then the environment, secrets' files, the file (`streams.settings_sources`)."""
        from streams.settings_sources import secrets_source, toml_source

        return init_settings, env_settings, secrets_source(settings_cls), toml_source(settings_cls)

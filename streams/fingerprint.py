"""Fingerprint: the settings that decide what is told of the same events, and a stamp that stands for them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from scoring.profile import stable_hash
from streams.settings import ENV_PREFIX, Settings
from streams.settings_sources import as_variable, shown

__all__ = ["Fingerprint", "changed", "differing", "fingerprint"]

_OTHERS: Final = frozenset(
    # where and how it is read and written
    ("broker", "app_id", "replication", "exactly_once", "commit_interval_s", "session_timeout_s", "fetch_max_bytes",
     "fetch_partition_bytes", "fetch_max_wait_ms", "slice_records", "security_protocol", "sasl_mechanism",
     "sasl_username", "sasl_password", "tls_ca_file", "tls_cert_file", "tls_key_file", "tls_key_password",
     "erasure_key", "web_host", "web_port", "web_token", "data_dir", "state_dir", "snapshot_interval", "log_level",
     # the trainer's, whose models are known by their versions
     "percentile_points", "model", "allow_pickled_models", "warm_up_positives", "warm_up_negatives",
     "calibration_examples", "forgetting_half_life", "snapshot_every",
     # the rules', which have a stamp of their own
     "rules", "rules_dir", "rule_parameters",
     # the reports'
     "retention_period", "retention_customer", "retention_reference", "campaign_costs",
     # the shop's knowledge, which is known by its versions
     "shop_every", "shop_lateness", "shop_half_life", "shop_products", "shop_companions", "shop_pairs",
     "shop_purchases", "shop_quiet_s", "shop_state_every_s", "shop_versions_kept")
)  # fmt: skip
"""Settings that change nothing of it; all others may."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Settings by name, each as the environment would say it; `stamp` stands for them, empty where none are known."""

    values: Mapping[str, str] = field(default_factory=dict)
    stamp: str = field(init=False)

    def __post_init__(self) -> None:
        said = repr(sorted(self.values.items())).encode()
        object.__setattr__(self, "stamp", f"{stable_hash(said):016x}" if self.values else "")


def fingerprint(settings: Settings) -> Fingerprint:
    """What of the settings decides what is told; no secret is among them."""
    names = sorted(Settings.model_fields.keys() - _OTHERS)
    return Fingerprint({name: as_variable(shown(name, settings)) for name in names})


def changed(then: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Say which settings differ: each with what it was, what it is, and how it would be as it was."""
    return [_changed(name, then.get(name), now.get(name)) for name in differing(then, now)]


def differing(then: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Return the names of the settings that differ."""
    return [name for name in sorted(then.keys() | now.keys()) if then.get(name) != now.get(name)]


def _changed(name: str, then: str | None, now: str | None) -> str:
    if then is None:
        return f"{name} was not there then, and is {now!r}: use the release of then"
    if now is None:
        return f"{name} was {then!r}, and is not there any more: use the release of then"
    return f"{name} was {then!r} and is {now!r}: set {ENV_PREFIX}{name.upper()}={then}"

"""Whole file: all rules in force in one YAML file, under a head that says what limits them."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Final

from schemas.timestamp import from_ms
from scoring.gates import GATES
from scoring.gates.channel import CHANNELS, ChannelTerms
from streams.durations import format_duration
from streams.gate_settings import GateFields
from streams.ruling.definition import as_yaml
from streams.ruling.known import Version
from streams.settings import Settings
from streams.settings_sources import shown

__all__ = ["one_rule", "whole_file"]

_LIMITS: Final = ("clock", "tick", "max_action_age", "automated_events_per_hour", "warm_up_positives",
                  "warm_up_negatives", "horizon")  # fmt: skip


def whole_file(versions: Sequence[Version], at_ms: int, settings: Settings) -> str:
    """One YAML document a rule, by name; `check`, `apply` and the setting `rules_dir` accept it."""
    head = [
        f"Rules in force at {from_ms(at_ms)} (event time). One document a rule; what each field says: docs/rules.md.",
        "To change one, edit it and raise its version, then: recompra rules check FILE, preview FILE, apply FILE.",
        "",
        "Lists:",
        *_lists(versions),
        "",
        "Gates, in the order in which they are asked (docs/gates.md); an action needs all of them open:",
        *_wrapped(GATES),
        "",
        "Channels:",
        *(_channel(name, settings.gates.channels[channel]) for name, channel in CHANNELS.items()),
        "",
        "Limits and gates as they are set (environment or recompra.toml, for all rules):",
        *_settings(settings),
    ]
    comment = "".join(f"# {line}".rstrip() + "\n" for line in head)
    return comment + "".join(f"---\n{one_rule(version)}" for version in versions)


def one_rule(version: Version) -> str:
    """The rule as a YAML document, under a comment that says its sentence and since when it holds."""
    since = "from the settings" if version.published_at is None else f"since {version.effective_time}"
    return f"# {version.rule.sentence} ({since})\n{as_yaml(version.definition)}"


def _lists(versions: Sequence[Version]) -> Iterator[str]:
    width = max((len(version.rule.name) for version in versions), default=0)
    for version in versions:
        paused = " (paused)" if version.rule.paused else ""
        yield f"  {version.rule.name:{width}}  {version.rule.sentence}{paused}"


def _wrapped(words: Sequence[str]) -> Iterator[str]:
    for start in range(0, len(words), 6):
        yield "  " + ", ".join(words[start : start + 6])


def _channel(name: str, terms: ChannelTerms) -> str:
    permits = ", ".join(sorted(message.name.lower() for message in terms.permits)) or "nothing"
    limit = ""
    if terms.cap is not None:
        limit = f"; at most {terms.cap} in {format_duration(timedelta(milliseconds=terms.window_ms))}"
    return f"  {name:8} may carry {permits}{limit}"


def _settings(settings: Settings) -> Iterator[str]:
    for name in (*(field for field in GateFields.model_fields if field != "channels"), *_LIMITS):
        value = shown(name, settings)
        text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
        yield f"  {name} = {text or 'none'}: {Settings.model_fields[name].description}"

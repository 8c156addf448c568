"""`recompra rules`: what people do with rules."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import click

from schemas.timestamp import from_ms
from scoring.rules import RuleError
from scoring.rules.rule import printable
from scoring.rules.shipped import SHIPPED
from streams.cli.exits import FAILURE
from streams.cli.options import broker_option, event_time, json_option, print_json, print_table, table_of
from streams.cli.rules_preview import preview
from streams.connection import BrokerUnreachableError
from streams.rule_files import read_text
from streams.ruling.checking import check
from streams.ruling.definition import Definition, changes
from streams.ruling.known import Known, Version, read_known
from streams.ruling.publishing import overtaken, paused_version, planned, publish, soon_ms, superseded
from streams.ruling.whole_file import one_rule, whole_file
from streams.settings import Settings
from streams.settings_sources import load

__all__ = ["rules"]

_SHOWN: Final = 60
"""Characters of a value that are shown in a table."""

_file = click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
_no_broker = click.option("--no-broker", is_flag=True, help="Only what the settings say; ask no broker.")


_effective = click.option(
    "--effective",
    metavar="TIME",
    callback=event_time,
    help="Event time from which it holds.  [default: soon, on all workers at once]",
)


@click.group()
def rules() -> None:
    """List, show, check, preview, publish and pause rules, while everything runs.

    \b
    Examples:
      recompra rules list
      recompra rules show all > rules.yaml
      recompra rules check rules.yaml && recompra rules preview rules.yaml
      recompra rules apply rules.yaml
      recompra rules pause win-back
    """


@rules.command("list")
@broker_option
@_no_broker
@json_option
def list_(broker: str | None, no_broker: bool, as_json: bool) -> None:
    """List the rules in force: name, version, since when, and who is in the list."""
    settings = load(broker=broker).settings
    known = _known(settings, no_broker)
    in_force, coming = known.in_force(known.at_ms), known.coming(known.at_ms)
    if as_json:
        listed = {"rules": [_as_data(each) for each in in_force], "coming": [_as_data(each) for each in coming]}
        print_json({"event_time": from_ms(known.at_ms)} | listed)
        return
    print_table(table_of(("rule", "version", "since", "class", "paused", "who is in the list"), map(_listed, in_force)))
    for each in coming:
        click.echo(f"{each.rule.name} {each.rule.version} holds from {each.effective_time}", err=True)
    _tell_refused(known)
    others = set(SHIPPED) - {version.rule.name for version in known.versions}
    if others and settings.rules_dir is None:
        click.echo(f"{len(others)} more come along; the setting rules says which are in force: all, or names", err=True)


@rules.command("show")
@click.argument("name")
@broker_option
@_no_broker
def show(name: str, broker: str | None, no_broker: bool) -> None:
    """Print the YAML of the rule NAME as it is in force, or of all rules in one file: `show all`.

    The file begins with the limits, gates and channels as they are set. `check`, `preview` and `apply` take
    it, and so does the setting rules_dir.
    """
    settings = load(broker=broker).settings
    known = _known(settings, no_broker)
    in_force = known.in_force(known.at_ms)
    if name == "all":
        click.echo(whole_file(in_force, known.at_ms, settings), nl=False)
        return
    newest = known.of(name)[-1]
    click.echo(one_rule(next((each for each in in_force if each.rule.name == name), newest)), nl=False)


@rules.command("check")
@_file
@json_option
def check_(file: Path, as_json: bool) -> None:
    """Say everything that is wrong with the rules in FILE, with the remedy (exit code 1 if anything is).

    Also refused is what the state of the workers does not keep, with the setting that would keep it. No
    broker is asked.
    """
    found, errors = check(read_text(file), str(file), load().settings)
    if as_json:
        print_json({"rules": [_named(rule.name, rule.version) for rule in found], "errors": errors_as_data(errors)})
    else:
        for error in errors:
            click.echo(str(error))
        if not errors:
            click.echo(f"{len(found)} {'rule is' if len(found) == 1 else 'rules are'} right", err=True)
    if errors:
        raise SystemExit(FAILURE)


@rules.command("apply")
@_file
@_effective
@broker_option
@json_option
def apply(file: Path, effective: int | None, broker: str | None, as_json: bool) -> None:
    """Publish the rules in FILE that differ from those known, each with a higher version, for all workers.

    Everything is checked first, and nothing is published if anything is wrong (exit code 1). A rule's topic is
    made before the rule is published. By default a version holds from a minute after the newest event time
    that a worker has come to, so that every worker takes it at the same moment; where no worker has told any,
    from the beginning.
    """
    settings = load(broker=broker).settings
    known = read_known(settings, broker=True)
    plan = planned(read_text(file), str(file), known, settings)
    for error in plan.errors:
        click.echo(str(error), err=True)
    if plan.errors:
        raise SystemExit(FAILURE)
    _publish(settings, known, plan.definitions, effective, as_json, plan.unchanged)


@rules.command("pause")
@click.argument("name")
@click.option("--resume", is_flag=True, help="Publish again instead.")
@_effective
@broker_option
@json_option
def pause(name: str, resume: bool, effective: int | None, broker: str | None, as_json: bool) -> None:
    """Withhold the actions of the rule NAME as `rule_paused`, or publish them again with --resume.

    Who is in the list goes on being worked out. This publishes the next version of the rule, as `apply` does.
    """
    settings = load(broker=broker).settings
    known = read_known(settings, broker=True)
    at_ms = soon_ms(known, settings) if effective is None else effective
    definition = paused_version(known, name, at_ms, paused=not resume)
    if definition is None:
        click.echo(f"{name} is {'not ' if resume else ''}paused already", err=True)
    _publish(settings, known, [definition] if definition else [], at_ms, as_json)


@rules.command("history")
@click.argument("name", required=False)
@broker_option
@json_option
def history(name: str | None, broker: str | None, as_json: bool) -> None:
    """Show the versions that were published of the rule NAME, or of all: when, from when on, what changed."""
    known = read_known(load(broker=broker).settings, broker=True)
    names = [name] if name else sorted({version.rule.name for version in known.versions})
    steps = [step for each in names for step in _steps(known.of(each)) if step[1].published_at is not None]
    if as_json:
        print_json([{**_as_data(after), "changes": _changes(before, after)} for before, after in steps])
    else:
        headings = ("rule", "version", "published", "holds from", "what changed")
        print_table(table_of(headings, (_published(*step) for step in steps)))
    _tell_refused(known)
    click.echo(f"{len(steps)} published", err=True)


def _tell_refused(known: Known) -> None:
    for refused in known.refused:
        click.echo(f"no worker can use {printable(refused.key)}: {refused.error}", err=True)


def _publish(
    settings: Settings,
    known: Known,
    definitions: Sequence[Definition],
    effective_ms: int | None,
    as_json: bool,
    unchanged: Sequence[str] = (),
) -> None:
    at_ms = soon_ms(known, settings) if effective_ms is None else effective_ms
    made = publish(settings, definitions, at_ms) if definitions else ()
    others = overtaken(settings, definitions, at_ms) if definitions else []
    names = {each.rule.name for each in others}
    definitions = [each for each in definitions if each["name"] not in names]
    if as_json:
        done = [{"name": each["name"], "version": each["version"]} for each in definitions]
        print_json(
            {"published": done, "effective_time": from_ms(at_ms), "unchanged": unchanged, "topics_created": made}
        )
    else:
        for each in definitions:
            click.echo(f"{each['name']} {each['version']} holds from {from_ms(at_ms)} (event time)")
        if unchanged:
            click.echo(f"as they were: {', '.join(unchanged)}", err=True)
        for topic in made:
            click.echo(f"created the topic {topic}", err=True)
    passed = sum(watermark >= at_ms for watermark in known.watermarks)
    if definitions and passed:
        click.echo(
            f"that time has passed on {passed} of {len(known.watermarks)} partitions: there they hold from when the "
            "worker reads them",
            err=True,
        )
    for definition in definitions:
        for other in superseded(known, definition, at_ms):
            click.echo(f"{other.rule.name} {other.rule.version}, which was to hold later, no longer will", err=True)
    for other in others:
        click.echo(
            f"Error: {other.rule.name} {other.rule.version} was published by somebody else just before, at "
            f"{other.published_at}, and theirs holds: see `recompra rules history {other.rule.name}`; to have yours "
            f"instead, publish it as a version above {other.rule.version}",
            err=True,
        )
    if others:
        raise SystemExit(FAILURE)


def _steps(versions: Sequence[Version]) -> list[tuple[Version | None, Version]]:
    """Each version with the one before it."""
    return list(zip([None, *versions[:-1]], versions, strict=True))


def _changes(before: Version | None, after: Version) -> dict[str, tuple[Any, Any]]:
    return changes({} if before is None else before.definition, after.definition)


def _listed(version: Version) -> tuple[object, ...]:
    rule, since = version.rule, version.effective_time or "the beginning"
    return rule.name, rule.version, since, rule.action_class, "yes" if rule.paused else "", rule.sentence


def _published(before: Version | None, after: Version) -> tuple[object, ...]:
    changed = "; ".join(_told(field, *values) for field, values in _changes(before, after).items())
    if before is None:
        changed = f"new: {after.rule.sentence}"
    return after.rule.name, after.rule.version, after.published_at, after.effective_time, changed


def _told(field: str, before: Any, after: Any) -> str:
    return f"{field}: {_short(before)} → {_short(after)}"


def _short(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = str(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def errors_as_data(errors: list[RuleError]) -> list[dict[str, Any]]:
    """Return the mistakes as JSON holds them."""
    fields = ("file", "line", "rule", "field", "column", "value", "reason", "remedy")
    found = [{field: getattr(error, field) for field in fields} for error in errors]
    return [{f: printable(v) if isinstance(v, str) else v for f, v in each.items()} for each in found]


def _known(settings: Settings, no_broker: bool) -> Known:
    """What is known, of the settings alone where no broker answers."""
    try:
        return read_known(settings, broker=not no_broker)
    except BrokerUnreachableError as error:
        click.echo(f"{error}; this is what the settings say", err=True)
        return read_known(settings, broker=False)


def _named(name: str, version: int) -> dict[str, Any]:
    return {"name": name, "version": version}


def _as_data(version: Version) -> dict[str, Any]:
    rule = version.rule
    return {
        **_named(rule.name, rule.version),
        "effective_time": version.effective_time,
        "published_at": version.published_at,
        "action_class": str(rule.action_class),
        "paused": rule.paused,
        "sentence": rule.sentence,
    }


rules.add_command(preview)

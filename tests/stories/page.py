"""The page of the shipped rules for marketers, and an example of each rule's action for its schema, from the rules
and their stories: `PYTHONPATH=tests:. python -m stories.page`.
"""

import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import orjson
import yaml
from stories.story import Player, read_stories, rule_named

from scoring.rules import Rule
from scoring.rules.shipped import SHIPPED

__all__ = ["EXAMPLES", "PAGE", "page", "published"]

PAGE = Path(__file__).parents[2] / "docs" / "rules" / "README.md"
EXAMPLES = Path(__file__).parents[2] / "schemas" / "examples" / "actions-rule" / "valid"

_HEAD = """# The shipped rules

Each rule is a list of customers, or of their orders, products and so on. Who enters or leaves a list is told on the
topic `actions-<rule>` — on `actions-withheld` with the reason if a gate is shut —, and on `audiences` where the rule is
one. Five are in force unless the setting `rules` says otherwise, `all` for instance: which, and how a rule is changed,
paused or written anew, stands in [rules.md](../rules.md).

This page is written from the rules in `scoring/rules/` and from the stories in `tests/stories/`, which are played to
see that each rule does what it says. After *Changed by* stand the numbers that `RECOMPRA_RULE_PARAMETERS` can set.
After *For example* stands what happens in a story, and what is published of it, shortened to what differs from rule to
rule; the whole of an action is described in [consumers.md](../consumers.md).


"""
_AS_FILE = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
_SHOWN = ("rule", "crossing", "crossing_number", "object", "products", "category", "details", "action_class",
          "expires_at")  # fmt: skip
_EXPLAINED = re.compile(r"^# ?", re.MULTILINE)


def page() -> str:
    """The page as it should be."""
    index = "\n".join(f"| [{name}](#{name}) | {rule_named(name).sentence} |" for name in SHIPPED)
    table = f"| rule | the customer who |\n|---|---|\n{index}\n"
    return _HEAD + table + "".join(_entry(rule_named(name)) for name in SHIPPED)


def _entry(rule: Rule) -> str:
    text = files("scoring.rules").joinpath(f"{rule.name}.yaml").read_text("utf-8")
    explained = _EXPLAINED.sub("", text[: text.index("name: ")]).strip()
    facts = [f"*{rule.action_class}*"]
    if rule.for_each != "none":
        facts.append(f"one action for each {rule.for_each}")
    if rule.marks:
        facts.append("one action for each mark")
    if rule.cooldown_ms:
        facts.append(f"not again within {_duration(rule.cooldown_ms)}")
    if rule.expires_after_ms:
        facts.append(f"of use for {_duration(rule.expires_after_ms)}")
    if rule.coupon != "never":
        facts.append("with a coupon where nothing speaks against it")
    if rule.audience:
        facts.append("an audience")
    parts = [f"\n## {rule.name}\n", f"**{rule.sentence}**\n", f"{explained}\n", f"{'; '.join(facts)}.\n"]
    changed = [f"`marks` ({', '.join(f'{mark:g}' for mark in rule.marks)})"] if rule.marks else []
    changed += [f"`{key}` ({value:g})" for key, value in rule.parameters.items()]
    if changed:
        parts.append(f"Changed by: {', '.join(changed)}.\n")
    parts.append(f"For example:\n\n```text\n{_lines(rule.name)}\n```\n")
    parts.append(f"```json\n{_shortened(rule.name)}\n```\n")
    return "\n".join(parts)


def _lines(rule: str) -> str:
    """The story of entering as it is written."""
    text = yaml.safe_load((Path(__file__).parent / f"{rule}.yaml").read_text("utf-8"))["enters"]
    return str(text).rstrip()


def published(rule: str) -> dict[str, Any]:
    """What is published of its story of entering on the rule's own topic."""
    player = Player(rule)
    player.play(read_stories(rule)["enters"].steps)
    [value] = [value for topic, value in player.published() if topic == f"actions-{rule}"]
    return value


def _shortened(rule: str) -> str:
    value = published(rule)
    data: dict[str, Any] = {key: value["data"][key] for key in _SHOWN if value["data"][key] not in (None, [], {})}
    told = {"id": value["id"], "subject": value["subject"], "time": value["time"], "data": data}
    return orjson.dumps(told, option=orjson.OPT_INDENT_2).decode()


def _duration(ms: int) -> str:
    for unit, span in (("days", 86_400_000), ("hours", 3_600_000), ("minutes", 60_000)):
        if ms >= span:
            number = ms / span
            return f"{number:g} {unit if number != 1 else unit[:-1]}"
    return f"{ms / 1000:g} seconds"


if __name__ == "__main__":
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(), "utf-8")
    for name in SHIPPED:
        (EXAMPLES / f"{name}.json").write_bytes(orjson.dumps(published(name), option=_AS_FILE))

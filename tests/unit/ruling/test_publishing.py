"""What a file of rules would change, told without a broker."""

import pytest

from scoring.rules import RuleError, read_rules
from scoring.rules.book import ALWAYS
from streams.rule_files import definitions_in_force, rules_in_force
from streams.ruling.definition import Definition, as_yaml
from streams.ruling.kept import check_usable
from streams.ruling.known import Known, Version
from streams.ruling.publishing import paused_version, planned, soon_ms, superseded
from streams.settings import Settings

SETTINGS = Settings()
MINUTE = 60_000


def version(definition: Definition, effective_ms: int = ALWAYS) -> Version:
    [rule] = read_rules(as_yaml(definition), "known.yaml")
    return Version(rule, definition, effective_ms, None if effective_ms == ALWAYS else "2024-05-01T00:00:00.000Z")


def known(*published: Version, watermarks: tuple[int, ...] = (1000,)) -> Known:
    base = [version(definition) for definition in definitions_in_force(SETTINGS).values()]
    return Known((*base, *published), (), watermarks)


WIN_BACK = definitions_in_force(SETTINGS)["win-back"]
QUIETER = {**WIN_BACK, "version": 2, "parameters": {"quiet": 120}}


def test_what_is_as_it_was_is_left_alone() -> None:
    """A file of all rules with one that differs changes that one; in any order of its fields it is the same rule."""
    definitions = {**definitions_in_force(SETTINGS), "win-back": QUIETER}
    again = [dict(reversed(definition.items())) for definition in definitions.values()]
    text = "---\n".join(map(as_yaml, again))
    plan = planned(text, "all.yaml", known(), SETTINGS)
    assert plan.errors == ()
    assert [(each["name"], each["version"]) for each in plan.definitions] == [("win-back", 2)]
    assert set(plan.unchanged) == set(rules_in_force(SETTINGS).names) - {"win-back"}
    assert planned(as_yaml(QUIETER), "f.yaml", known(version(QUIETER, 5)), SETTINGS).unchanged == ("win-back",)


@pytest.mark.parametrize(
    ("number", "remedy"), [(1, "write version: 4"), (2, "write version: 4"), (3, "write version: 4")]
)
def test_a_version_that_is_not_higher_is_refused(number: int, remedy: str) -> None:
    """With the file, the line and the next free number; then nothing of the file is to be published."""
    newest = {**QUIETER, "version": 3, "parameters": {"quiet": 100}}
    new = "name: new-one\nsentence: New.\nenter: orders > 0\n---\n"
    text = new + as_yaml({**QUIETER, "version": number})
    plan = planned(text, "f.yaml", known(version(QUIETER, 5), version(newest, 9)), SETTINGS)
    assert plan.definitions == ()
    [error] = plan.errors
    assert (error.rule, error.field, error.value, error.remedy) == ("win-back", "version", str(number), remedy)
    assert (error.file, error.line) == ("f.yaml", 6)


def test_mistakes_and_what_does_not_fit_beside_the_others_is_refused() -> None:
    """A mistake anywhere publishes nothing; rules on the topic count among the 64 there can be."""
    assert planned("name: a\nsentence: b\nenter: oders > 1\n", "f.yaml", known(), SETTINGS).errors[0].field == "enter"
    many = [version({"name": f"r{i}", "version": 1, "sentence": "x", "enter": "orders > 1"}, 1) for i in range(59)]
    one = "name: one-more\nsentence: x\nenter: orders > 1\n"
    assert planned(one, "f.yaml", known(*many[1:]), SETTINGS).errors == ()
    assert "there can be 64" in planned(one, "f.yaml", known(*many), SETTINGS).errors[0].reason


def test_pausing_is_the_next_version_of_what_holds() -> None:
    """The version in force with the next free number; what was to come later gives way, and is told."""
    later = {**QUIETER, "version": 3, "parameters": {"quiet": 100}}
    all_known = known(version(QUIETER, 5), version(later, 5000))
    paused = paused_version(all_known, "win-back", 2000, paused=True)
    assert paused == {**QUIETER, "version": 4, "paused": True}
    assert [each.rule.version for each in superseded(all_known, paused, 2000)] == [3]
    assert superseded(all_known, paused, 6000) == [], "until then the version that was to come holds"
    twice = known(version(later, 5000), version(paused, 2000))
    assert [each.rule.version for each in twice.coming(1000)] == [4]
    assert [each.rule.version for each in superseded(twice, {**paused, "version": 5}, 2000)] == [4]
    after = known(version(QUIETER, 5), version(paused, 900))
    assert paused_version(after, "win-back", 2000, paused=True) is None
    assert paused_version(after, "win-back", 2000, paused=False) == {**QUIETER, "version": 5, "paused": False}


def test_a_pause_that_is_still_to_come_is_known() -> None:
    """Asked for once more it changes nothing, and it can be taken back before it holds."""
    coming = known(version({**WIN_BACK, "version": 2, "paused": True}, 60_000))
    assert paused_version(coming, "win-back", 60_000, paused=True) is None
    assert paused_version(coming, "win-back", 60_000, paused=False) == {**WIN_BACK, "version": 3, "paused": False}
    assert paused_version(coming, "win-back", 500, paused=False) is None


def test_a_rule_that_is_not_there_cannot_be_paused() -> None:
    """The nearest name is told; so is when a rule holds that does not yet."""
    with pytest.raises(RuleError, match="nearest known: 'win-back'"):
        paused_version(known(), "winback", 2000, paused=True)
    coming = version({"name": "new", "version": 1, "sentence": "x", "enter": "orders > 1"}, 5000)
    with pytest.raises(RuleError, match=r"holds from 1970-01-01T00:00:05\.000Z only"):
        paused_version(known(coming), "new", 2000, paused=True)


def test_what_workers_refuse_is_not_known_as_a_rule() -> None:
    """A rule whose topic is not there, and one that reads what the rows do not keep; the others are usable."""
    base, topics = rules_in_force(SETTINGS), {"actions-new-one"}
    names = set(base.names)
    [new] = read_rules("name: new-one\nsentence: x\nenter: orders > 0\n", "f.yaml")
    check_usable(new, names, base.parts, topics, SETTINGS)
    check_usable(base.rules[0], names, base.parts, set(), SETTINGS)
    with pytest.raises(RuleError, match="its topic actions-new-one is not on the broker"):
        check_usable(new, names, base.parts, {"rules"}, SETTINGS)
    [greedy] = read_rules("name: new-one\nsentence: x\nenter: points > 0\n", "f.yaml")
    with pytest.raises(RuleError, match="workers' rows do not keep it"):
        check_usable(greedy, names, base.parts, topics, SETTINGS)


def test_a_version_holds_soon_on_every_partition_alike() -> None:
    """At a tick, a minute or more after the newest watermark; from the beginning where no worker has told any."""
    assert soon_ms(known(watermarks=(7 * MINUTE, 90 * MINUTE + 1)), SETTINGS) == 92 * MINUTE
    assert soon_ms(known(watermarks=()), SETTINGS) == 0


def test_the_highest_version_whose_time_has_come_is_in_force() -> None:
    """By name; a lower one that was to hold later in time does not come any more."""
    all_known = known(version({**QUIETER, "version": 3}, 10), version(QUIETER, 20))
    assert [each.rule.version for each in all_known.in_force(9) if each.rule.name == "win-back"] == [1]
    assert [each.rule.version for each in all_known.in_force(20) if each.rule.name == "win-back"] == [3]
    assert [each.rule.version for each in all_known.coming(9)] == [3]

"""Remembering: what a crossing leaves in the side record, so that told again after a crash it is the same.

The record runs ahead of the profile where a crash cut a commit short: what is read again finds its number and verdict.
"""

from scoring.carried import Noted, remembered
from scoring.gates import GATES, STORED, Verdict
from scoring.gates.channel import Channel, Purpose
from scoring.gates.holdout import GLOBAL, RULE
from scoring.gates.standing import Standing
from scoring.object_lists import Crossing
from scoring.profile import DAY_MS
from scoring.rules import Rule
from scoring.rules.rule import ActionClass
from scoring.side import Crossed, RuleState, Side
from scoring.sides import Sides
from scoring.trials import ALL

__all__ = ["numbered", "remember", "sent_ms", "told_before", "use", "verdict_of"]

_REMEMBERED = 8
"""Crossings of one rule and customer that are kept, for records that are read again after a crash.

Of categories as many of the last day are kept as objects are watched: somebody looks into many between two commits.
"""

_BITS = {code: 1 << place for place, code in enumerate(STORED)}
_MARKETING = ActionClass.MARKETING


class _Shut(dict[tuple[str, ...], int]):
    """By the codes of a verdict: their bits."""

    def __missing__(self, withheld: tuple[str, ...]) -> int:
        shut = self[withheld] = sum(map(_BITS.__getitem__, withheld))
        return shut


_shut = _Shut()


def verdict_of(told: Crossed, control: str | None) -> Verdict:
    """The verdict that was remembered; `control` is that of the customer, for whom the holdout alone withholds."""
    withheld = tuple(code for code in GATES if told.shut & _BITS[code])
    channel = None if told.channel < 0 else Channel(told.channel)
    return Verdict(
        withheld, channel, told.coupon, told.not_before_ms or None, control if withheld == ("holdout",) else None
    )


def sent_ms(side: Side, state: RuleState, rule: Rule, crossing: Crossing, time_ms: int) -> int:
    """When entering was last sent; now, if it was of another mark of the rule: who passes several is told once."""
    if crossing.category is not None:
        return side.sent_ms(rule.name, crossing.category)
    if rule.mark is None:
        return state.sent_ms
    others = (side.state(f"{rule.name}/{mark:g}") for mark in rule.marks if mark != rule.mark)
    now = any(other is not None and other.sent_ms == time_ms for other in others)
    return max(state.sent_ms, time_ms) if now else state.sent_ms


def numbered(
    rule: Rule,
    crossing: Crossing,
    cause: tuple[int, int, int],
    side: Side,
    state: RuleState,
    verdict: Verdict,
    noted: Noted,
    sides: Sides,
) -> int:
    """Number a crossing that is new, and remember it with its verdict and what it carries."""
    if crossing.object is None:
        number = state.crossings = state.crossings + 1
    else:
        number = side.crossed(rule.name, crossing.object, crossing.entered, sides.objects_kept, crossing.thing)
    told = Crossed(
        *cause,
        number,
        not verdict.withheld,
        _shut[verdict.withheld],
        -1 if verdict.channel is None else int(verdict.channel),
        verdict.coupon,
        verdict.not_before_ms or 0,
        crossing.object or "",
        # Of an object nothing is asked again after a crash, but of a category.
        remembered(noted) if crossing.object is None or crossing.category is not None else b"",
    )
    most = _REMEMBERED if crossing.category is None else sides.objects_watched
    state.lately = _of_late((*state.lately, told), most)
    return number


def _of_late(lately: tuple[Crossed, ...], most: int) -> tuple[Crossed, ...]:
    """The last `_REMEMBERED`, and of those before them the ones of the last day, up to `most` together."""
    spare = len(lately) - _REMEMBERED
    if spare <= 0:
        return lately
    since_ms = lately[-1].ms - DAY_MS
    old = next((k for k in range(spare) if lately[k].ms > since_ms), spare)
    return lately[max(old, min(spare, len(lately) - most)) :]


def remember(
    rule: Rule, crossing: Crossing, side: Side, state: RuleState, time_ms: int, verdict: Verdict, watched: int
) -> None:
    """Move the list on, and note when entering was sent; `watched` objects are kept of a list."""
    sent = not verdict.withheld
    if crossing.object is not None:
        if crossing.entered:
            side.enter(rule.name, crossing.object, sent, watched)
        else:
            side.leave(rule.name, crossing.object)
    else:
        state.entry_sent = crossing.entered and sent
    if crossing.entered and _as_if_sent(verdict):
        state.sent_ms = max(state.sent_ms, time_ms)  # what is told again may be older than what was brought
        if crossing.category is not None:
            side.sent(rule.name, crossing.category, time_ms)


def _as_if_sent(verdict: Verdict) -> bool:
    """Whether it uses up cap and cooldown: what only the holdout withholds does, or its control would be another kind
    of customer.
    """
    return verdict.withheld in ((), ("holdout",))


def use(rule: Rule, verdict: Verdict, time_ms: int, standing: Standing, sides: Sides) -> None:
    """What an entry that is new does to the standing: it uses a contact, in truth or as if, and begins trials; or the
    contact is kept.
    """
    marketing = rule.action_class is _MARKETING
    if _as_if_sent(verdict):
        if verdict.channel is not None:
            purpose = Purpose.MARKETING if marketing else Purpose.SERVICE
            standing.contacted(verdict.channel, purpose, time_ms, sides.contacts_kept)
        if marketing:
            # In the global control nobody is compared for one rule, as all the others withhold from them, too.
            if verdict.control != GLOBAL:
                sides.trials.begin(standing.tried(), rule.name, time_ms, verdict.control == RULE)
            sides.trials.begin(standing.tried(), ALL, time_ms, verdict.control == GLOBAL)
    elif marketing and not standing.kept_ms and verdict.withheld in (("budget",), ("budget", "holdout")):
        standing.kept_ms = time_ms


def told_before(
    rule: Rule, side: Side, state: RuleState, cause: tuple[int, int, int], crossing: Crossing
) -> Crossed | None:
    """The crossing as it was told before a crash, if it was."""
    thing, (ms, source, offset) = crossing.object or "", cause
    for told in state.lately:
        if told.ms == ms and told.offset == offset and told.source == source and told.object == thing:
            return told
    if crossing.object is None and crossing.entered == (state.crossings % 2 == 1) and state.lately:
        # The list is that of before a crash, this record is not: they were told, by an event read earlier then.
        return state.lately[-1]
    if crossing.category is not None and crossing.entered == (side.number_of(rule.name, thing) % 2 == 1):
        return next((told for told in reversed(state.lately) if told.object == thing), None)
    return None

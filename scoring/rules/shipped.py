"""Shipped rules: those that come with the package, one YAML file each."""

from collections.abc import Collection, Iterable, Iterator
from functools import cache
from importlib.resources import files

from scoring.rules.reading import Overrides, read_rules
from scoring.rules.rule import Rule, RuleError
from scoring.rules.ruleset import RuleSet
from scoring.rules.words import nearest

__all__ = ["BASIC", "SHIPPED", "shipped"]

SHIPPED: tuple[str, ...] = (
    "account-created",
    "activated",
    "browse-abandoned",
    "browsing-prospect",
    "buyers-big",
    "buyers-occasional",
    "buyers-regular",
    "buyers-sales",
    "cart-abandoned",
    "cart-abandoned-again",
    "category-interest",
    "checkout-stalled",
    "dissatisfied",
    "feedback-request",
    "first-order",
    "high-interest-high-fit",
    "high-propensity",
    "location-moment",
    "milestone",
    "next-order-due",
    "next-order-overdue",
    "nth-order",
    "onboarding-1",
    "onboarding-2",
    "onboarding-3",
    "order-confirmed",
    "price-sensitive-offer",
    "priority-support",
    "promise-missed",
    "promoter",
    "propensity-drop",
    "referral",
    "refund-done",
    "replenish",
    "retarget-bought",
    "retarget-complement",
    "retarget-viewed",
    "return-requested",
    "second-order",
    "streak",
    "subscribed",
    "subscriber-engaged",
    "subscriber-silent",
    "tier-down",
    "tier-up",
    "win-back",
    "wishlist",
)
"""Names of the shipped rules, in their order; each is the stem of its file."""

BASIC: tuple[str, ...] = ("browsing-prospect", "cart-abandoned", "high-propensity", "second-order", "win-back")
"""The shipped rules that are in force where the settings name no others: they need the smallest rows."""


def shipped(overrides: Overrides | None = None, only: Collection[str] | None = None) -> RuleSet:
    """The shipped rules, or those named in `only`, with parameters from the settings.

    Raises
    ------
    RuleError
        If `overrides` or `only` names a rule that is not shipped, or a parameter that its rule does not have.
    """
    for field, names in (("rule_parameters", overrides or {}), ("only", only or ())):
        for name in names:
            if name not in SHIPPED:
                raise RuleError(name, field, name, "is not shipped", f"nearest known: {nearest(name, SHIPPED)!r}")
    names = tuple(name for name in SHIPPED if only is None or name in only)
    return RuleSet(_read(names, overrides)) if overrides else _as_they_come(names)


@cache
def _as_they_come(names: tuple[str, ...]) -> RuleSet:
    # Reading all of them takes a tenth of a second; they cannot change while the program runs.
    return RuleSet(_read(names, None))


def _read(names: Iterable[str], overrides: Overrides | None) -> Iterator[Rule]:
    for name in names:
        file = f"{name}.yaml"
        yield from read_rules(files(__package__).joinpath(file).read_text("utf-8"), file, overrides)

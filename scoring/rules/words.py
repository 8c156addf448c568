"""Words: the names and functions of the predicate language, and the nearest known one to a misspelt one."""

import difflib
from collections.abc import Iterable

from scoring.rules.columns import FIELDS, ITS_KINDS, KINDS, Expected, Field, Unit

__all__ = [
    "EXPECTED_NAMES",
    "FIELD_NAMES",
    "FUNCTIONS",
    "ITS_NAMES",
    "KIND_NAMES",
    "LACKS_COMPANION",
    "NEVER",
    "RESERVED",
    "SINCE_UNITS",
    "UNIT_NAMES",
    "nearest",
]

NEVER = "never"
"""The predicate that holds for nobody; `exit: never` keeps whoever entered."""

FIELD_NAMES: dict[str, Field] = {
    **{facts.name: field for field, facts in FIELDS.items()},
    "probability": Field.SCORE,
}
"""Fields by the name that predicates use; `probability` is another name for `score`."""

ITS_NAMES: dict[str, int] = {f"its_{kind.name.lower()}": int(kind) for kinds in ITS_KINDS.values() for kind in kinds}
"""The kinds of event that are about an order, a product and the like, by the name that means: about this one."""

EXPECTED_NAMES: dict[str, Expected] = {"days_late": Expected.DELIVERY, "days_overdue": Expected.REPLENISHMENT}
"""Days since something was to be expected of an object, below 0 before."""

LACKS_COMPANION = "lacks_companion"
"""Whether what is usually bought with a product was never bought."""

KIND_NAMES: dict[int, str] = {number: name for name, number in KINDS.items()}
"""What each kind of event is called in predicates."""

SINCE_UNITS: dict[str, tuple[Unit, float]] = {
    "seconds_since": (Unit.SECONDS, 1_000.0),
    "minutes_since": (Unit.MINUTES, 60_000.0),
    "hours_since": (Unit.HOURS, 3_600_000.0),
    "days_since": (Unit.DAYS, 86_400_000.0),
}
"""The functions of elapsed time: the unit of their result and how many milliseconds it has."""

FUNCTIONS: dict[str, str] = {
    **{name: f"{name}(order_completed)" for name in SINCE_UNITS},
    "count": "count(product_viewed, days=14) or count(product_viewed, hours=2)",
    "days_with": "days_with(visited, days=14)",
    "total": "total(product_viewed)",
}
"""Every function, with a use of it to show in errors."""

UNIT_NAMES: dict[Unit, str] = {
    Unit.NUMBER: "a plain number",
    Unit.COUNT: "a count",
    Unit.MONEY: "an amount of money",
    Unit.SECONDS: "a duration in seconds",
    Unit.MINUTES: "a duration in minutes",
    Unit.HOURS: "a duration in hours",
    Unit.DAYS: "a duration in days",
    Unit.SHARE: "a share between 0 and 1",
    Unit.HOUR_OF_DAY: "an hour of the day",
    Unit.WEEKDAY: "a weekday",
    Unit.TRUTH: "true or false",
    Unit.TYPE: "a type of customer",
    Unit.STAGE: "a stage of a customer",
    Unit.RFM_GROUP: "an RFM group",
}

RESERVED: frozenset[str] = frozenset(
    {
        *FIELD_NAMES,
        *KINDS,
        *ITS_NAMES,
        *EXPECTED_NAMES,
        LACKS_COMPANION,
        *FUNCTIONS,
        NEVER,
        "days",
        "hours",
        "nth",
    }
)
"""Names that a parameter cannot take."""


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word that is most like `word`, in lower case; known must not be empty."""
    return difflib.get_close_matches(word.lower(), sorted(known), n=1, cutoff=0.0)[0]

"""Carry: what an action carries beside customer, rule and score, and what of the row it is read from."""

from enum import StrEnum

from scoring.kinds import Kind
from scoring.rules.columns import LATELY, STEPS, Column, Field, Op

__all__ = ["CARRIED_COLUMNS", "CARRY_WORDS", "FEEDBACK", "OPINIONS", "POINTS", "RANKED_BY", "REVENUE", "Carry"]

POINTS = Column(Op.FIELD, Field.POINTS)
REVENUE = Column(Op.FIELD, Field.REVENUE)
RANKED_BY = (POINTS, REVENUE)
"""What customers of one tier are ranked by: whichever of these the rule with such marks reads, points first."""


class Carry(StrEnum):
    """Words of `carries`; any other text there is a value, as the lines of a rule can read it."""

    CART = "cart"
    PRODUCTS = "products"
    ORDER = "order"
    REASONS = "reasons"
    FAVOURITE = "favourite"
    CATEGORY = "category"
    NAME = "name"
    SEEN = "seen"
    STEPS = "steps"
    PAGES = "pages"
    CONTACTS = "contacts"
    OPINIONS = "opinions"
    TICKETS = "tickets"
    PURCHASES = "purchases"
    COMPANIONS = "companions"
    BEST_SELLERS = "best_sellers"
    EXPECTED = "expected"
    CHEAPER = "cheaper"
    TIER_RANK = "tier_rank"
    WORTH_RANK = "worth_rank"


CARRY_WORDS: frozenset[str] = frozenset(Carry)
"""The words by what they are in a rule's file."""

FEEDBACK = "feedback"
OPINIONS: dict[str, tuple[Kind, Field]] = {
    "survey": (Kind.SURVEY, Field.SURVEY_SCORE),
    "review": (Kind.REVIEWED, Field.REVIEW_RATING),
    FEEDBACK: (Kind.FEEDBACK, Field.FEEDBACK_RATING),
}
"""Where an opinion came from: the event that told it, and what it said."""

CARRIED_COLUMNS: dict[Carry, tuple[Column, ...]] = {
    Carry.STEPS: tuple(Column(Op.SINCE, kind) for kind in STEPS),
    Carry.CONTACTS: (
        Column(Op.SINCE, Kind.EMAIL_DELIVERED),
        *(Column(Op.SINCE, Kind.EMAIL_DELIVERED, n) for n in range(2, LATELY + 1)),
        Column(Op.SINCE, Kind.EMAIL_OPENED),
        Column(Op.SINCE, Kind.EMAIL_CLICKED),
    ),
    Carry.OPINIONS: tuple(
        column for kind, field in OPINIONS.values() for column in (Column(Op.SINCE, kind), Column(Op.FIELD, field))
    ),
    Carry.EXPECTED: (Column(Op.SINCE, Kind.ORDER_COMPLETED), Column(Op.FIELD, Field.MEAN_GAP_DAYS)),
    Carry.WORTH_RANK: (REVENUE,),
}
"""What is read of the row for a word, so that it is kept there."""

"""Parts: how much a customer's row keeps of what only some rules read."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, fields

from scoring.kinds import N_KINDS, Kind
from scoring.rules.columns import LATELY, Column, Field, Op

__all__ = ["STEP", "Parts", "parts_for"]

_SEEN = 12
_MOMENTS = 8
_TOLD = 5
_PAGES = 3
_TOLD_BY = {
    Field.SURVEY_SCORE: Kind.SURVEY,
    Field.REVIEW_RATING: Kind.REVIEWED,
    Field.FEEDBACK_RATING: Kind.FEEDBACK,
    Field.POINTS: Kind.POINTS,
    Field.PEAK_POINTS: Kind.POINTS,
}
_LOOKED = {Field.PRODUCT_VIEWS, Field.CATEGORY_VIEWS, Field.CATEGORY_MINUTES}
_TICKETS = (Kind.TICKET_OPENED, Kind.TICKET_SOLVED)
_LEAST_KIND = Kind.WISHLIST_ADDED
"""The last kind that features read; those before it are kept for whoever asks."""
_PSEUDO_KINDS = 2
STEP = 4
"""Which kinds are kept is rounded up to so many."""


@dataclass(frozen=True, slots=True)
class Parts:
    """Lengths of the parts of a row, each 0 where nothing of it is kept.

    Parameters
    ----------
    kinds
        Kinds of which the last time and the total are kept, from the first on; the last two are `visited` and `any`.
    seen
        Views and orders that are remembered, of whatever product or category.
    listed
        As many, where it is kept in which lists of categories each is.
    lately
        Last times of each of the kinds that `nth=` asks for.
    told
        Numbers that customers or others told: survey, review, feedback, points and the most points.
    moments
        Times ahead at which something of a customer (an order, a wished product) is to be looked at again.
    peak
        1: the highest percentile lately is kept.
    guest
        1: the orders that a customer had placed as a guest are kept.
    pages
        Distinct pages that are remembered, the last ones.
    """

    kinds: int = N_KINDS
    seen: int = _SEEN
    listed: int = _SEEN
    lately: int = LATELY
    told: int = _TOLD
    moments: int = _MOMENTS
    peak: int = 1
    guest: int = 1
    pages: int = field(default=_PAGES, repr=False)
    """Not in the text that stamps of rows are made of: `Layout.fingerprint` says why."""

    def missing(self, needed: "Parts") -> tuple[str, ...]:
        """What is needed and not kept, in words."""
        return tuple(
            _WORDS[part.name] for part in fields(self) if getattr(self, part.name) < getattr(needed, part.name)
        )


_WORDS = {
    "kinds": "last time and total of a further kind of event",
    "seen": "what was looked at most (product_views, category_views, favourite, category)",
    "listed": "which categories are in a list (for_each: category)",
    "lately": "the last few times of a kind (nth=)",
    "told": "answers, stars and points",
    "moments": "times ahead of an order or a product",
    "peak": "percentile_peak",
    "guest": "guest_orders",
    "pages": "the last pages (pages)",
}


def parts_for(
    columns: Collection[Column],
    clocks: Iterable[tuple[int, int]] = (),
    object_clocks: Collection[tuple[int, int]] = (),
    favourites: bool = False,
    categories: bool = False,
    pages: bool = False,
) -> Parts:
    """The least parts with which all of this can be read.

    Which kinds are kept is rounded up, so that rules that differ little make the same row.
    """
    asked = {column.a for column in columns if column.op is Op.FIELD}
    told = bool(asked & _TOLD_BY.keys())
    read = [column.a for column in columns if column.op in (Op.SINCE, Op.TOTAL)]
    heard = [*(_TOLD_BY.values() if told else ()), *(_TICKETS if Field.OPEN_TICKETS in asked else ())]
    last = max([_LEAST_KIND, *heard, *read, *(kind for kind, _ in clocks)])
    looked = favourites or categories or asked & _LOOKED
    return Parts(
        kinds=min(-(-(last + 1 + _PSEUDO_KINDS) // STEP) * STEP, N_KINDS),
        seen=_SEEN if looked else 0,
        listed=_SEEN if categories else 0,
        lately=LATELY if any(column.op is Op.SINCE and column.b > 1 for column in columns) else 0,
        told=_TOLD if told else 0,
        moments=_MOMENTS if object_clocks else 0,
        peak=int(Field.PERCENTILE_PEAK in asked),
        guest=int(Field.GUEST_ORDERS in asked),
        pages=_PAGES if pages else 0,
    )

"""Content: what a site shows one customer, decided when they are scored and told when the decision changes.

It is decided anew when segment, coupon or last purchase are others than before, and at the daily look at the customer;
what they looked at in between is taken over then.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from scoring.compiled import compiled
from scoring.gates import Gates
from scoring.kernel import ACTIVE, Points
from scoring.outcome import Content
from scoring.profile import NEVER, stable_hash
from scoring.shop.snapshot import ShopSnapshot

__all__ = ["MOST", "STAGES", "Contents", "Scored", "stages"]

STAGES = ("prospect", "customer", "lapsed")
"""How far along somebody is: never bought, bought, or bought too long ago; names by code."""
MOST = 6
"""Products that are shown at most."""
_LOOKED_AT = 3
_COMPANIONS = 3
_CATEGORIES = 3
_SPREAD = np.uint64(0x9E3779B97F4A7C15)
_encode = msgspec.msgpack.Encoder().encode


def stages(points: Points, m: int, lapse_ms: int) -> NDArray[np.int64]:
    """(m,) codes of `STAGES` of the customers at the first `m` points."""
    bought_ms = points.bought_ms[:m]
    lapsed = points.time_ms[:m] - bought_ms >= lapse_ms
    return np.where(bought_ms == NEVER, 0, np.where(lapsed, 2, 1))


@compiled
def _due(rows: Any, points: Any, m: int, stage: Any, band: Any, coupon: Any, version: int, looked_at: int, known: Any,
         due: Any) -> int:  # fmt: skip
    """Note in each row why a decision is due, and in `due` (m,) the points where it is; returns how many.

    `known` (rows, 2) has what the last decision was made from, and its digest: as long as the row has that, and all is
    the same, the decision is.
    """
    n = 0
    for i in range(m):
        row = points.row[i]
        p = rows[row]
        cause = points.bought[i] ^ (np.uint64(stage[i] * 64 + band[i] * 2 + coupon[i] + 1) * _SPREAD)
        if cause != p.content[0] or points.cause[i] & ACTIVE != 0:
            p.content[0] = cause
            made_from = (cause ^ (cause >> np.uint64(29))) * _SPREAD + np.uint64(version)
            for k in range(looked_at):
                made_from = (made_from * _SPREAD) ^ (made_from >> np.uint64(29)) ^ points.viewed[i, k]
            if known[row, 0] != made_from or known[row, 1] != p.content[1]:
                known[row, 0] = made_from
                due[n] = i
                n += 1
    return n


class Scored(NamedTuple):
    """What the model says at each point, (m,), and which it is."""

    score: NDArray[np.float64]
    percentile: NDArray[np.float64]
    band: NDArray[np.int64]
    model_version: int
    warming_up: bool


class Contents:
    """Decides what customers are shown.

    A customer's row keeps why the last decision was due and a digest of it: what is the same again is not told. All
    that it follows from is in the row and the versions in force, so that after a crash it comes out the same.

    Parameters
    ----------
    gates
        Say whether a coupon makes sense.
    lapse_ms
        Without an order for so long, a customer has lapsed.
    """

    def __init__(self, gates: Gates, lapse_ms: int) -> None:
        self._gates = gates
        self._lapse_ms = lapse_ms
        self._known = np.zeros((0, 2), np.uint64)

    def decide(
        self,
        rows: Any,
        points: Points,
        m: int,
        scored: Scored,
        orders: NDArray[np.float64],
        names: Mapping[int, str],
        shop: ShopSnapshot | None,
    ) -> list[Content]:
        """The decisions at the first `m` points that differ from the customer's last; in order.

        `orders` (m,) is how many orders each has completed. Looking costs some nanoseconds a point, deciding some
        microseconds.
        """
        stage = stages(points, m, self._lapse_ms)
        coupon = self._gates.coupons_allowed(
            orders, points.coupons[:m], scored.score, scored.percentile, scored.warming_up
        )
        due = np.empty(m, np.int64)
        versions = scored.model_version, 0 if shop is None else shop.version
        looked_at = min(_LOOKED_AT, points.viewed_ms.shape[1])
        if len(self._known) < len(rows):
            self._known = np.concatenate([self._known, np.zeros((len(rows) - len(self._known), 2), np.uint64)])
        n = _due(rows, points, m, stage, scored.band, coupon, versions[1], looked_at, self._known, due)
        due = due[:n]
        kept, counted = rows["content"], rows["content_n"]
        columns = zip(
            points.row[due].tolist(),
            points.time_ms[due].tolist(),
            points.viewed[due, :looked_at].tolist(),
            points.bought[due].tolist(),
            stage[due].tolist(),
            scored.band[due].tolist(),
            coupon[due].tolist(),
            strict=True,
        )
        told = []
        for row, ms, viewed, bought, step, band, offered in columns:
            looked = [names[number] for number in viewed if number in names]
            categories, products = self._shown(looked, names.get(bought), shop)
            decision = STAGES[step], band, categories, products, offered
            digest = self._known[row, 1] = stable_hash(_encode(decision))
            if int(kept[row, 1]) != digest:
                kept[row, 1] = digest
                number = int(counted[row]) + 1
                counted[row] = number
                told.append(Content(row, ms, number, *decision, *versions))
        return told

    @staticmethod
    def _shown(looked: list[str], bought: str | None, shop: ShopSnapshot | None) -> tuple[list[str], list[str]]:
        """Categories, and products: looked at last, what goes with the last purchase, what sells best there."""
        if shop is None:
            return [], [product for product in looked if product != bought]
        about = looked if bought is None else [*looked, bought]
        categories = list(dict.fromkeys(filter(None, map(shop.category, about))))[:_CATEGORIES]
        companions = [] if bought is None else shop.companions(bought, _COMPANIONS)
        sells = [product for category in categories or (None,) for product in shop.best_sellers(MOST, category)]
        shown = [product for product in dict.fromkeys([*looked, *companions, *sells]) if product != bought]
        return categories, shown[:MOST]

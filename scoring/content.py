"""Content: what a site shows one customer, told when the decision changes.

It is decided anew when a score is published and segment, coupon or last purchase are others than before, and at the
daily look at the customer; what they looked at in between is taken over then.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from scoring.compiled import compiled
from scoring.gates import Gates
from scoring.gates.standing import Standing
from scoring.kernel import ACTIVE, Points
from scoring.outcome import Content, Scores
from scoring.profile import NEVER, stable_hash
from scoring.shop.snapshot import ShopSnapshot

__all__ = ["MOST", "STAGES", "Contents", "stages"]

STAGES = ("prospect", "customer", "lapsed")
"""How far along somebody is: never bought, bought, or bought too long ago; names by code."""
MOST = 6
"""Products that are shown at most."""
_LOOKED_AT = 3
_COMPANIONS = 3
_CATEGORIES = 3
_SPREAD = np.uint64(0x9E3779B97F4A7C15)
_encode = msgspec.msgpack.Encoder().encode


def stages(points: Points, chosen: NDArray[np.int64], lapse_ms: int) -> NDArray[np.int64]:
    """(n,) codes of `STAGES` of the customers at the chosen points."""
    bought_ms = points.bought_ms[chosen]
    lapsed = points.time_ms[chosen] - bought_ms >= lapse_ms
    return np.where(bought_ms == NEVER, 0, np.where(lapsed, 2, 1))


@compiled
def _due(rows: Any, points: Any, chosen: Any, stage: Any, band: Any, coupon: Any, due: Any) -> None:
    """Note in each row why a decision is due, and in `due` (n,) whether it is."""
    for k in range(chosen.shape[0]):
        i = chosen[k]
        p = rows[points.row[i]]
        cause = points.bought[i] ^ (np.uint64(stage[k] * 64 + band[k] * 2 + coupon[k] + 1) * _SPREAD)
        due[k] = cause != p.content[0] or points.cause[i] & ACTIVE != 0
        p.content[0] = cause


class Contents:
    """Decides what customers are shown.

    A customer's row keeps why the last decision was due and a digest of it: what is the same again is not told.

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
        self._standing = Standing()

    def decide(
        self,
        rows: Any,
        points: Points,
        chosen: NDArray[np.int64],
        orders: Sequence[int],
        scores: Scores,
        names: Mapping[int, str],
        shop: ShopSnapshot | None,
    ) -> list[Content]:
        """The decisions at the chosen points, those of `scores`, that differ from the customer's last; in order."""
        stage = stages(points, chosen, self._lapse_ms)
        coupon = self._coupons(points.coupons[chosen].tolist(), orders, scores)
        due = np.zeros(len(chosen), np.bool_)
        _due(rows, points, chosen, stage, scores.band, coupon, due)
        looked_at = min(_LOOKED_AT, points.viewed_ms.shape[1])
        told = []
        for k in np.flatnonzero(due).tolist():
            i = int(chosen[k])
            looked = [names[number] for number in points.viewed[i, :looked_at].tolist() if number in names]
            categories, products = self._shown(looked, names.get(int(points.bought[i])), shop)
            decision = STAGES[stage[k]], int(scores.band[k]), categories, products, bool(coupon[k])
            digest = np.uint64(stable_hash(_encode(decision)))
            row = int(points.row[i])
            kept = rows["content"][row]
            if kept[1] != digest:
                kept[1] = digest
                rows["content_n"][row] += 1
                number = int(rows["content_n"][row])
                versions = scores.model_version, scores.shop_version
                told.append(Content(row, int(scores.time_ms[k]), number, *decision, *versions))
        return told

    def _coupons(self, coupons: list[int], orders: Sequence[int], scores: Scores) -> NDArray[np.bool_]:
        standing, allowed = self._standing, self._gates.coupon_allowed
        found = np.empty(len(coupons), np.bool_)
        told = zip(coupons, orders, scores.score.tolist(), scores.percentile.tolist(), strict=True)
        for k, (with_coupon, n, score, percentile) in enumerate(told):
            standing.coupons, standing.orders = with_coupon, n
            found[k] = allowed(standing, score, percentile, scores.warming_up)
        return found

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

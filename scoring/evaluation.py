"""Evaluation: what the points of a run are made into: scores, crossings and their actions, content, examples."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scoring.absorb import look_again
from scoring.content import Contents, Scored
from scoring.crossing import Crossing, Crossings
from scoring.features import FEATURES, GROUPS
from scoring.gates import Gates
from scoring.kernel import OBJECTS, Events
from scoring.kinds import Kind
from scoring.model import probabilities
from scoring.outcome import Outcome, Scores
from scoring.peaks import follow_peaks
from scoring.profile import DAY_MS, NEVER
from scoring.publish import choose
from scoring.quantiles import percentiles
from scoring.reading import reading_of
from scoring.room import room_for
from scoring.rules import RuleSet
from scoring.rules.carry import POINTS, Carry
from scoring.rules.columns import SERVED, Field, Op
from scoring.state import State
from scoring.types import Facts, Who, who
from scoring.versions import Versions

__all__ = ["NO_EVENTS", "Evaluation"]

_GROUP_STARTS = np.array([start for _, start, _ in GROUPS])
_LOG_ORDERS = FEATURES.index("frequency.log_orders")
NO_EVENTS = Events.blank(0)

_TOLD_OF: dict[int, Callable[[Who], Any]] = {
    Field.TYPE: lambda told: told.type,
    Field.STAGE: lambda told: told.stage,
    Field.RFM_GROUP: lambda told: np.where(told.group < 0, np.nan, told.group),
    Field.PREDICTED_VALUE: lambda told: told.predicted,
    Field.EXPECTED_NEXT_ORDER: lambda told: told.next_days,
}


class Evaluation:
    """Makes of evaluation points what is told, by the versions in force.

    Attributes
    ----------
    points
        Room for them; the kernel writes them there.
    reading
        What it reads for the rules.
    """

    def __init__(self, state: State, versions: Versions) -> None:
        self._state, self._versions = state, versions
        self._profiles, self._sides, self._pending = state.profiles, state.sides, state.pending
        self._settings, self._config, self._products, self._stored = (
            state.settings,
            state.config,
            state.products,
            state.stored,
        )
        self._horizon_days = state.settings.layout.horizon_ms / DAY_MS
        self._limits = np.array([limit for _, limit in state.settings.bands[1:]])
        self.use(versions.rules)
        state.asked_anew.use(versions.rules.object_ages, NEVER)

    def use(self, rules: RuleSet) -> None:
        """Evaluate these rules from now on; who is in the list of a rule that stays is still in it."""
        layout = self._settings.layout
        self.reading = reading_of(rules, layout)
        slots, cleared = self._state.slots.assign(rules.list_names)
        if cleared:
            inside = self._profiles.rows["inside"]
            self._stored.rows.update(np.flatnonzero(inside & np.uint64(cleared)).tolist())
            inside &= ~np.uint64(cleared)
        bits, out_of_use = self._state.category_slots.assign(rules.categories)
        if out_of_use:
            lists = self._profiles.rows["seen_lists"]
            self._stored.rows.update(np.flatnonzero((lists & np.uint8(out_of_use)).any(axis=1)).tolist())
            lists &= ~np.uint8(out_of_use)
        gates = Gates(self._settings.gates, self._settings.max_action_age_ms, self._settings.replay)
        self.crossings = Crossings(rules, slots, gates, bits, self._state.pages)
        self.contents = Contents(gates, self._config.active_ms) if self._settings.content else None
        self._sides.places_kept = any(rule.is_local for rule in rules.rules)
        self._sides.traits_kept = frozenset(name for rule in rules.rules for name in rule.traits)
        self._sides.names_kept = any(Carry.NAME in rule.carries for rule in rules.rules)
        self._sides.networks_kept = any(Carry.OPINIONS in rule.carries for rule in rules.rules)
        self.points = room_for(len(rules.columns), layout)
        fields = ((c, column.a) for c, column in enumerate(rules.columns) if column.op == Op.FIELD)
        self._filled = [(c, which) for c, which in fields if which in SERVED]
        self._asked = {which for _, which in self._filled}
        ranked = any(rule.ranked_by == POINTS for rule in rules.rules)
        self._balance = rules.columns.index(POINTS) if ranked else None

    def tell(self, m: int, events: Events, outcome: Outcome) -> None:
        """Scores, crossings and examples of `m` evaluation points."""
        points, model, shop = self.points, self._versions.model, self._versions.shop
        score, percentile, band, everybody = self._served(m)
        self._state.asked_anew.mark(points, m)
        crossed, found = self.crossings.find(self._profiles.rows, points, m, self._sides, shop, self._products)
        chosen, previous = np.empty(m, np.int64), np.empty(m)
        n = choose(self._profiles.rows, points, m, score, band, crossed, self._settings.publish_delta,
                   chosen, previous)  # fmt: skip
        chosen, previous = chosen[:n], previous[:n]
        ticked = points.row[:m][points.event[:m] < 0]
        self._stored.rows.update(ticked.tolist())
        if n:
            groups = self._groups(chosen)
            told = self._who(points.facts[chosen], score[chosen]) if everybody is None else everybody.at(chosen)
            outcome.scores.append(Scores(points.row[chosen], points.time_ms[chosen], points.event[chosen],
                                         score[chosen], percentile[chosen], band[chosen], previous, groups, told,
                                         model.version, model.warming_up, self._versions.shop_version))  # fmt: skip
        if found:
            place = {point: k for k, point in enumerate(chosen.tolist())}
            price = model.score_at(self._settings.gates.budget_percentile)
            outcome.actions += self.crossings.actions(
                found, points, events, outcome.scores[-1], place, self._sides, self._products, self._profiles.keys,
                price, shop, model.balances,
            )  # fmt: skip
        orders = np.rint(np.expm1(points.X[:m, _LOG_ORDERS]))
        if self.contents is not None:
            scored = Scored(score, percentile, band, model.version, model.warming_up)
            outcome.content += self.contents.decide(
                self._profiles.rows, points, m, scored, orders, self._products, shop
            )
        self._pending.make(points, m, score, percentile, orders, model.version, model.warming_up, self._balance)

    def _served(self, m: int) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64], Who | None]:
        """Score, percentile and band of `m` evaluation points, (m,) each; fills the columns that rules read of them.

        And what is told of everybody, where rules read it.
        """
        points, model = self.points, self._versions.model
        logit = points.logit[:m]
        if model.slow is not None:
            logit[:] = model.slow.logits(points.X[:m])
        score = probabilities(logit)
        percentile = percentiles(logit, model.quantiles)
        rank = np.where(np.isnan(percentile), score, percentile)
        band = np.searchsorted(self._limits, rank, side="right")
        served: dict[int, Any] = {
            Field.SCORE: score,
            Field.PERCENTILE: percentile,
            Field.WARMING_UP: float(model.warming_up),
        }
        everybody = None if self._asked.isdisjoint(_TOLD_OF) else self._who(points.facts[:m], score)
        if everybody is not None:
            served |= {which: told(everybody) for which, told in _TOLD_OF.items() if which in self._asked}
        if Field.SEEN_CHEAPER in self._asked:
            viewed_ms, shop = points.viewed_ms[:m], self._versions.shop
            viewed = points.viewed[:m, : viewed_ms.shape[1]]
            served[Field.SEEN_CHEAPER] = 0.0 if shop is None else shop.are_cheaper(viewed, viewed_ms).sum(axis=1)
        if Field.OPEN_TICKETS in self._asked:
            served[Field.OPEN_TICKETS] = self._open_tickets(m)
        for c, which in self._filled:
            if which == Field.PERCENTILE_PEAK:
                follow_peaks(self._profiles.rows, points, m, percentile, points.columns, c)
            else:
                points.columns[:m, c] = served[which]
        return score, percentile, band, everybody

    def _open_tickets(self, m: int) -> NDArray[np.float64]:
        """Of the customer of each of `m` points how many tickets were open; asked only of those who ever opened one."""
        points, found = self.points, np.zeros(m)
        rows = points.row[:m]
        for i in np.flatnonzero(self._profiles.rows["total"][rows, Kind.TICKET_OPENED]).tolist():
            found[i] = self._sides.open_tickets_at(int(rows[i]), int(points.at[i]), int(points.time_ms[i]))
        return found

    def _who(self, facts: NDArray[np.float64], score: NDArray[np.float64]) -> Who:
        """Types, stages and values from (n, FACTS) facts; nothing is predicted while warming up."""
        chance = np.full(len(score), np.nan) if self._versions.model.warming_up else score
        return who(Facts(*facts.T), chance, self._versions.model.shop, self._settings.types, self._horizon_days)

    def _groups(self, points: NDArray[np.int64]) -> NDArray[np.float64]:
        """(n, G): what each group of features adds to the log-odds at each of n points."""
        scorer = self._versions.model.scorer
        z = self.points.X[points]  # a copy, changed in place: new room for each step took twice the time
        z -= scorer.mean
        z *= scorer.inv_sd
        np.clip(z, -scorer.clip, scorer.clip, out=z)
        z *= scorer.weight
        return np.add.reduceat(z, _GROUP_STARTS, axis=1)

    def look_again(self, row: int, now_ms: int, received_ms: int, event: int = -1) -> None:
        """Make an evaluation point of a row as it is, of an event or of none."""
        rows, scorer = self._profiles.rows, self._versions.model.scorer
        look_again(rows, row, now_ms, received_ms, event, self.points, scorer, self.reading, self._config)

    def tell_united(self, brought: int, gone: Mapping[int, int], cause: tuple[int, int], outcome: Outcome) -> None:
        """Tell what crossed at the one point that `look_again` made of two customers who are one.

        `brought` has the bits of the lists that the other was in, `gone` the categories whose views gave way to the
        other's, each with its lists as bits; `cause` is source and offset of what made them one.
        Its score comes with the event that follows.
        """
        rows, shop = self._profiles.rows, self._versions.shop
        _, found = self.crossings.find(rows, self.points, 1, self._sides, shop, self._products, brought, gone)
        self._tell_merged(found, cause, outcome)

    def tell_left(self, cause: tuple[int, int], outcome: Outcome) -> None:
        """Tell that the customer of the one point that `look_again` made left all lists of customers."""
        inside = int(self._profiles.rows["inside"][self.points.row[0]])
        self._tell_merged(self.crossings.left(inside), cause, outcome)

    def _tell_merged(self, found: Sequence[Crossing], cause: tuple[int, int], outcome: Outcome) -> None:
        if not found:
            return
        points, model = self.points, self._versions.model
        score, percentile, band, _ = self._served(1)
        rows = self._profiles.rows
        previous = rows["published_score"][points.row[:1]]
        scores = Scores(points.row[:1].copy(), points.time_ms[:1].copy(), points.event[:1].copy(), score, percentile,
                        band, previous, self._groups(np.zeros(1, np.int64)), self._who(points.facts[:1].copy(), score),
                        model.version, model.warming_up, self._versions.shop_version)  # fmt: skip
        price = model.score_at(self._settings.gates.budget_percentile)
        outcome.actions += self.crossings.actions(
            found, points, NO_EVENTS, scores, {0: 0}, self._sides, self._products, self._profiles.keys, price,
            self._versions.shop, model.balances, cause,
        )  # fmt: skip

    def leaving(self) -> set[tuple[str, str | None]]:
        """The lists, each with the object or None, where the customer of the one point would not stay."""
        self.points.cause[0] |= OBJECTS
        self._served(1)
        return self.crossings.leaving(self.points, self._sides, self._versions.shop, self._products)

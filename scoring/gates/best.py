"""Best hour, weekday and channel: when and where somebody is most likely to notice, and how sure that is.

What they did themselves (opened, clicked, ordered, visited) is added to what is usual, which weighs as much as a few
of their own deeds: with none, the usual is the answer and is not sure at all.
"""

from collections.abc import Sequence
from operator import add
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from scoring.compiled import compiled, compiled_allocating
from scoring.gates.channel import Channel
from scoring.gates.settings import GateSettings
from scoring.gates.standing import CHANNEL_CELL, Standing

__all__ = ["NOTHING_KNOWN", "Answers", "Best", "Deeds", "Habits"]

_WEIGHT = 8.0
"""The usual counts as much as so many of a customer's own deeds."""
_HOURS, _DAYS = 24, 7
_CHANNELS = tuple(Channel)


class Best(NamedTuple):
    """The best hour (UTC, 0 to 23), weekday (0 is Monday) and channel, each with how sure it is, 0 to 1.

    Hour and weekday are None where nothing at all is known; `channels` is how good each channel is, by channel.
    """

    hour: int | None
    hour_confidence: float
    weekday: int | None
    weekday_confidence: float
    channel: Channel
    channel_confidence: float
    channels: tuple[float, ...]


NOTHING_KNOWN = Best(None, 0.0, None, 0.0, Channel.EMAIL, 0.0, (0.0,) * len(_CHANNELS))
"""Of somebody whose habits have not been looked at."""


class Answers(NamedTuple):
    """How often a customer answered on each channel that is used, and how good that makes each; by channel."""

    answered: tuple[float, ...]
    channels: tuple[float, ...]


class Deeds(NamedTuple):
    """What n customers did, one after the other: cells and counts of `Standing.habits`, and where those of each end."""

    cells: list[int]
    counts: list[int]
    stops: list[int]

    def add(self, standing: Standing) -> None:
        """Note what one more customer did up to now."""
        for counted in standing.habits.values():
            self.cells.extend(counted)
            self.counts.extend(counted.values())
        self.stops.append(len(self.cells))


class Habits:
    """Reads the best moments and channels off what customers did.

    Parameters
    ----------
    settings
        What is usual at each hour and weekday, where it is not what the shop's orders tell, and of each channel.
    """

    def __init__(self, settings: GateSettings) -> None:
        self._set = [*_shares(settings.usual_hours, _HOURS), *_shares(settings.usual_weekdays, _DAYS)]
        self._of_shop: Sequence[float] = ()
        self._usual = np.array(self._set)
        weights = [settings.channels[one].weight if one in settings.channels else 0.0 for one in Channel]
        self._used = [(CHANNEL_CELL + int(channel), int(channel)) for channel in Channel if weights[channel] > 0]
        self._weights = [_WEIGHT * weight / max(sum(weights), 1e-9) for weight in weights]
        self._never = Answers((0.0,) * len(_CHANNELS), tuple(self._weights))

    def best(self, standing: Standing, visited: npt.NDArray[np.uint32]) -> Best:
        """When and where to reach a customer.

        `visited` (28,) has hours with a visit as bits, by day modulo 28 (UTC).
        """
        deeds = Deeds([], [], [])
        deeds.add(standing)
        return self.bests(deeds, [self.answers(standing)], visited[None])[0]

    def answers(self, standing: Standing) -> Answers:
        """Where a customer answered; a microsecond."""
        if not standing.habits:
            return self._never
        answered = [0.0] * len(_CHANNELS)
        for counted in standing.habits.values():
            for cell, channel in self._used:
                if cell in counted:
                    answered[channel] += counted[cell]
        return Answers(tuple(answered), tuple(map(add, answered, self._weights)))

    def bests(
        self, deeds: Deeds, answers: Sequence[Answers], visited: npt.NDArray[np.uint32], usual: Sequence[float] = ()
    ) -> list[Best]:
        """`best` of n customers at once, (n, 28) `visited`: two microseconds each.

        `usual` are the shares of the shop's orders by hour, then by weekday; empty where they are not known.
        """
        if usual is not self._of_shop:
            self._use(usual)
        n = len(answers)
        place, sure = np.empty((2, n), np.int64), np.empty((2, n))
        cells, counts, stops = (np.array(column, np.int64) for column in deeds)
        _moments(visited, cells, counts, stops, self._usual, place, sure)
        told = zip(*place.tolist(), *sure.tolist(), answers, strict=True)
        return [_best(*each) for each in told]

    def _use(self, usual: Sequence[float]) -> None:
        """What is set goes before what the shop's orders tell."""
        self._of_shop = usual
        told, fixed = usual or self._set, self._set
        hours = fixed[:_HOURS] if any(fixed[:_HOURS]) else told[:_HOURS]
        weekdays = fixed[_HOURS:] if any(fixed[_HOURS:]) else told[_HOURS:]
        self._usual = np.array([*hours, *weekdays])


def _best(hour: int, weekday: int, hour_sure: float, weekday_sure: float, answers: Answers) -> Best:
    answered, channels = answers
    channel = channels.index(max(channels))
    return Best(
        None if hour < 0 else hour,
        hour_sure,
        None if weekday < 0 else weekday,
        weekday_sure,
        _CHANNELS[channel],
        answered[channel] / (sum(answered) + _WEIGHT),
        channels,
    )


def _shares(usual: tuple[float, ...], n: int) -> list[float]:
    return [share / sum(usual) for share in usual] if usual else [0.0] * n


@compiled_allocating
def _moments(visited: Any, cells: Any, counts: Any, stops: Any, usual: Any, place: Any, sure: Any) -> None:
    """Best hour and weekday (-1: unknown) of n customers, each with its confidence: fills `place` and `sure` (2, n)."""
    own = np.empty(CHANNEL_CELL)
    start = 0
    for i in range(stops.shape[0]):
        own[:] = 0.0
        for k in range(start, stops[i]):
            if cells[k] < CHANNEL_CELL:
                own[cells[k]] += counts[k]
        start = stops[i]
        for day in range(visited.shape[1]):
            if visited[i, day]:
                own[_HOURS + (day + 3) % _DAYS] += 1.0  # 28 days are four weeks: the place gives the weekday
                for hour in range(_HOURS):
                    if visited[i, day] >> np.uint32(hour) & np.uint32(1):
                        own[hour] += 1.0
        place[0, i], sure[0, i] = _most(own, usual, 0, _HOURS, 0.25)
        place[1, i], sure[1, i] = _most(own, usual, _HOURS, _DAYS, 0.0)


@compiled
def _most(own: Any, usual: Any, start: int, n: int, blur: float) -> tuple[int, float]:
    """The most frequent cell of own and usual together, where `blur` of each counts for each of its neighbours.

    It is as sure as what they did there, or beside it where there is a blur, is of all they did, the usual included.
    """
    found = -1
    most = 0.0
    total = 0.0
    for i in range(n):
        total += own[start + i]
        beside = own[start + (i + 1) % n] + own[start + (i + n - 1) % n]
        weight = (1.0 - 2.0 * blur) * own[start + i] + blur * beside + _WEIGHT * usual[start + i]
        if weight > most:
            most = weight
            found = i
    if found < 0:
        return -1, 0.0
    near = own[start + found]
    if blur > 0.0:
        near += own[start + (found + 1) % n] + own[start + (found + n - 1) % n]
    return found, near / (total + _WEIGHT)

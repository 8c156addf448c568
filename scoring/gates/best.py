"""Best hour, weekday and channel: when and where somebody is most likely to notice, and how sure that is.

What they did themselves (opened, clicked, ordered, visited) is added to what is usual, which weighs as much as a few
of their own deeds: with none, the usual is the answer and is not sure at all.
"""

from operator import add
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from scoring.compiled import compiled
from scoring.gates.channel import Channel
from scoring.gates.settings import GateSettings
from scoring.gates.standing import CHANNEL_CELL, Standing

__all__ = ["Best", "Habits"]

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


class Habits:
    """Reads the best moments and channels off what customers did.

    Parameters
    ----------
    settings
        What is usual at each hour and weekday, and of each channel.
    """

    def __init__(self, settings: GateSettings) -> None:
        self._usual = np.array([*_shares(settings.usual_hours, _HOURS), *_shares(settings.usual_weekdays, _DAYS)])
        weights = [settings.channels[one].weight if one in settings.channels else 0.0 for one in Channel]
        self._used = [float(weight > 0) for weight in weights]
        self._weights = [_WEIGHT * weight / max(sum(weights), 1e-9) for weight in weights]
        self._own = np.zeros(CHANNEL_CELL)

    def best(self, standing: Standing, visited: npt.NDArray[np.uint32]) -> Best:
        """When and where to reach a customer; a few microseconds.

        `visited` (28,) has hours with a visit as bits, by day modulo 28 (UTC).
        """
        own, answered = self._own, [0.0] * len(_CHANNELS)
        own.fill(0.0)
        for cells in standing.habits.values():
            for cell, count in cells.items():
                if cell < CHANNEL_CELL:
                    own[cell] += count
                else:
                    answered[cell - CHANNEL_CELL] += count * self._used[cell - CHANNEL_CELL]
        hour, hour_sure, weekday, weekday_sure = _moments(visited, own, self._usual)
        channels = tuple(map(add, answered, self._weights))
        channel = _CHANNELS[channels.index(max(channels))]
        return Best(
            None if hour < 0 else hour,
            hour_sure,
            None if weekday < 0 else weekday,
            weekday_sure,
            channel,
            answered[channel] / (sum(answered) + _WEIGHT),
            channels,
        )


def _shares(usual: tuple[float, ...], n: int) -> list[float]:
    return [share / sum(usual) for share in usual] if usual else [0.0] * n


@compiled
def _moments(visited: Any, own: Any, usual: Any) -> tuple[int, float, int, float]:
    """Best hour and weekday (-1: unknown), each with its confidence; adds the visits to `own`."""
    for day in range(visited.shape[0]):
        if visited[day]:
            own[_HOURS + (day + 3) % _DAYS] += 1.0  # 28 days are four weeks: the place gives the weekday
            for hour in range(_HOURS):
                if visited[day] >> np.uint32(hour) & np.uint32(1):
                    own[hour] += 1.0
    hour, hour_sure = _most(own, usual, 0, _HOURS, 0.25)
    weekday, weekday_sure = _most(own, usual, _HOURS, _DAYS, 0.0)
    return hour, hour_sure, weekday, weekday_sure


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

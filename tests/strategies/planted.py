"""Planted mistakes: each makes the program worse in one place, so that whatever breeds hostile records must find it."""

import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import msgspec

from schemas import refusal
from schemas.events import Event
from scoring.profile import DAY_MS
from streams import examining
from streams.decoding import Decoded, Decoder, decoder
from streams.decoding.numbering import Numbers
from streams.limits import Limits
from streams.unit import Unit

__all__ = ["PLANTS", "Plant"]

Put = Callable[[Any, str, Any], None]
"""`setattr`, or what undoes it afterwards."""


@dataclass(frozen=True, slots=True)
class Plant:
    """A mistake, and within how many inputs it must be found."""

    put: Callable[[Put], None]
    within: int


def _amounts_unchecked(put: Put) -> None:
    put(examining, "_amounts", lambda said, kind: iter(()))
    put(examining, "worth_of", lambda said: 0.0)


class _Lenient:
    """Reads what has NaN in it as Python's own reader does, which takes it for a number."""

    def __init__(self, of: type[Event]) -> None:
        self._strict = msgspec.json.Decoder(of)

    def decode(self, payload: bytes) -> Event:
        try:
            return self._strict.decode(payload)
        except msgspec.DecodeError as error:
            if b"NaN" not in payload:
                raise
            try:
                return msgspec.convert(json.loads(payload), Event)
            except ValueError:
                raise error from None


def _nan_let_through(put: Put) -> None:
    amounts, worth_of = examining._amounts, examining.worth_of

    def but_nan(said: Any, kind: Any) -> Iterator[tuple[str, float | None, float]]:
        return (each for each in amounts(said, kind) if each[1] is None or not math.isnan(each[1]))

    put(decoder, "msgspec", SimpleNamespace(json=SimpleNamespace(Decoder=_Lenient)))
    put(examining, "_amounts", but_nan)
    put(examining, "worth_of", lambda said: 0.0 if math.isnan(worth_of(said)) else worth_of(said))


def _ids_of_any_length(put: Put) -> None:
    whose = examining._whose_refused
    put(examining, "_whose_refused", lambda event, key, limits: whose(event, key, Limits(max_id_bytes=10**9)))


def _future_let_through(put: Put) -> None:
    """A year of it, as a watermark of the year 9999 would take hours to get to."""
    time_refused = examining.Examiner._time_refused

    def a_year_later(self: Any, event: Event, time_ms: int, receipt_ms: int) -> Any:
        return time_refused(self, event, time_ms, receipt_ms + 366 * DAY_MS)

    put(examining.Examiner, "_time_refused", a_year_later)


def _lone_surrogate_raises(put: Put) -> None:
    decode = Decoder.__call__

    def with_a_look(self: Decoder, source: int, records: Sequence[Any]) -> Decoded:
        for record in records:
            try:
                call = json.loads(record.value)
            except (ValueError, TypeError, RecursionError):
                continue
            json.dumps(call, ensure_ascii=False).encode()
        return decode(self, source, records)

    put(Decoder, "__call__", with_a_look)


def _shown_as_it_is(put: Put) -> None:
    put(refusal, "_one_line", lambda text: text[: refusal.VALUE_LIMIT])


def _ignored_not_counted(put: Put) -> None:
    apply = Unit.apply

    def uncounted(self: Unit, run: Any, behind: Sequence[int]) -> None:
        apply(self, run._replace(ignored=0), behind)

    put(Unit, "apply", uncounted)


def _product_names_unbounded(put: Put) -> None:
    class Unbounded(Numbers):
        def __init__(self, product: Any, max_id_bytes: int, most: int) -> None:
            super().__init__(product, 10**9, most)

    put(decoder, "Numbers", Unbounded)


PLANTS: dict[str, Plant] = {
    "amounts not checked": Plant(_amounts_unchecked, 1500),
    "NaN let through": Plant(_nan_let_through, 3000),
    "ids of any length": Plant(_ids_of_any_length, 1000),
    "times far in the future let through": Plant(_future_let_through, 2500),
    "a lone surrogate raises in the decoder": Plant(_lone_surrogate_raises, 200),
    "what is refused is shown as it is": Plant(_shown_as_it_is, 2000),
    "what is ignored is not counted": Plant(_ignored_not_counted, 200),
    "product names without bound": Plant(_product_names_unbounded, 6000),
}

"""Where customers are: by time, in any order, as of each event of a run."""

import itertools

import msgspec
import pytest

from schemas.events import Event, Properties
from scoring.kernel import Events
from scoring.kinds import Kind
from scoring.packed import unpacked
from scoring.profile import Layout, Profiles
from scoring.sides import Detail, Sides
from scoring.where import Where, moved, where_by
from streams.whereabouts import where_of

HAMBURG, BERLIN, VIENNA = Where("de", "", "hamburg"), Where("de", "", "berlin"), Where("at", "", "vienna")


def test_the_places_are_the_same_in_any_order() -> None:
    """The last four by time; each holds from when it was told."""
    told = [(10 * n, Where("de", "", f"town {n}")) for n in range(6)]
    for order in itertools.islice(itertools.permutations(told), 0, 720, 97):
        kept: tuple[tuple[int, Where], ...] = ()
        for ms, where in order:
            kept = moved(kept, ms, where)
        assert kept == tuple(told[2:])
    assert where_by(tuple(told), 49).city == "town 4"
    assert where_by((), 49) == Where()


def test_an_event_of_a_run_is_heard_from_its_place_on() -> None:
    """Not before it, though the run is taken in at once; and stored as it was at the end."""
    sides, rows = Sides(10, 10), Profiles(Layout()).rows
    sides.places_kept = True
    events = Events.blank(2)
    events.time_ms[:], events.kind[:], events.source[:], events.offset[:] = (7, 9), Kind.PLACE_ENTERED, 2, (0, 1)
    sides.begin()
    sides.apply(events, {i: Detail("port", where=where) for i, where in enumerate((HAMBURG, BERLIN))}, rows)
    assert [sides.where_at(0, applied, 20) for applied in (0, 1, 2)] == [Where(), HAMBURG, BERLIN]
    [(_, stored)] = sides.changes()
    assert unpacked(stored).moved == ((7, HAMBURG), (9, BERLIN))
    sides.begin()
    sides.apply(events, {0: Detail("port", where=VIENNA)}, rows)
    assert sides.where_at(0, 1, 20) == BERLIN, "what was read before changes nothing"


@pytest.mark.parametrize(
    ("event", "where"),
    [
        (Event("m", "t", properties=Properties(city=" Berlin ", country="DE")), Where("de", "", "berlin")),
        (Event("m", "t", traits={"address": {"city": "Graz", "state": "Styria"}}), Where("", "styria", "graz")),
        (Event("m", "t", context=msgspec.Raw(b'{"location": {"country": "AT", "city": 7}}')), Where("at", "", "")),
        (Event("m", "t", properties=Properties(), traits={"address": "Graz"}), None),
        (Event("m", "t", context=msgspec.Raw(b"7")), None),
        (Event("m", "t", traits={"address": {"city": "x" * 81, "country": "\ud800"}}), None),
    ],
)
def test_where_a_customer_is_said_to_be(event: Event, where: Where | None) -> None:
    """The event itself, the address, the device; what is no name, or too long for one, is none."""
    assert where_of(event) == where

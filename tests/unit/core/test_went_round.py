"""Records of a former id that another partition passes on: each counts once, also what went round in a circle."""

from scoring.kinds import N_SOURCES, Source
from scoring.side import Side

ID = b"v-1"


def came(side: Side, *offsets: int, in_order: bool, source: int = Source.ORDERS) -> list[bool]:
    """Whether each of these records is new."""
    return [side.came(ID, source, offset, in_order=in_order) for offset in offsets]


def test_in_order_what_lies_before_is_known() -> None:
    """One number a source says it all."""
    side = Side()
    assert came(side, 4, 4, 3, 6, in_order=True) == [True, False, False, True]
    assert came(side, 2, in_order=True, source=Source.CLICKSTREAM) == [True]
    assert side.absorbed[ID] == [0, 2, 6, *[-1] * (N_SOURCES - 2)]


def test_who_is_back_knows_each_by_itself() -> None:
    """A record that a later one overtook is new, once; what is known in order stays known."""
    side = Side()
    came(side, 5, in_order=True)
    assert came(side, 12, 11, 11, 12, 5, 4, in_order=False) == [True, True, False, False, False, False]
    assert came(side, 11, in_order=False, source=Source.CLICKSTREAM) == [True]


def test_both_histories_count() -> None:
    """What either knew is known when two become one, and what is passed on in order later."""
    side, other = Side(), Side()
    came(side, 12, in_order=False)
    came(other, 14, in_order=False)
    came(other, 7, in_order=True)
    side.deal_with(ID, other.absorbed[ID])
    assert came(side, 7, 12, 14, 13, in_order=False) == [False, False, False, True]
    assert came(side, 13, 15, in_order=True) == [False, True]


def test_a_record_of_a_customer_is_bounded() -> None:
    """Of too many the first are known in order: what lies before them is not new any more."""
    side = Side()
    came(side, *range(10, 300, 2), in_order=False)
    kept = side.absorbed[ID][1 + N_SOURCES :]
    assert len(kept) == 64
    assert came(side, 9, 11, 169, 298, 171, in_order=False) == [False, False, False, False, True]

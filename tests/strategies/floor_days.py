"""What customers of a shop floor do, and in between what its partitions do."""

from hypothesis import strategies as st
from strategies.event_streams import HOUR_MS, START_MS
from strategies.shop_floor import Floor, Said

__all__ = ["CUSTOMERS", "begun", "days"]

CUSTOMERS = tuple(f"c{number}" for number in range(6))
"""Two of each partition."""


@st.composite
def days(draw: st.DrawFn) -> list[Said | tuple[str, int, int]]:
    """What customers do, and in between what partitions do: read one of their sources, commit, or crash."""
    steps: list[Said | tuple[str, int, int]] = []
    clock, number = START_MS, 0
    for _ in range(draw(st.integers(4, 40))):
        if draw(st.integers(0, 2)):
            kinds = ("move", "move", "move", "move", "commit", "commit", "crash", "half")
            what = draw(st.sampled_from(kinds)), draw(st.integers(0, 2)), draw(st.integers(0, 3))
            steps.append(what)
            continue
        clock += draw(st.integers(0, HOUR_MS))
        number += 1
        customer = draw(st.sampled_from(CUSTOMERS))
        kind = draw(st.sampled_from(("view", "view", "order", "alias", "alias")))
        if kind == "alias":
            former = draw(st.sampled_from(CUSTOMERS))
            steps.append(Said(customer, clock, {"type": "alias", "previousId": former}, 2))
        elif kind == "order":
            properties = {"order_id": f"o{number}", "revenue": float(number)}
            steps.append(Said(customer, clock, {"event": "Order Completed", "properties": properties}, 1))
        else:
            call = {"event": "Product Viewed", "properties": {"product_id": f"p{number % 4}"}}
            steps.append(Said(customer, clock, call))
    return steps


def begun(floor: Floor, steps: list[Said | tuple[str, int, int]]) -> Floor:
    """The floor in the midst of it."""
    for step in steps:
        if isinstance(step, Said):
            floor.say(step)
            continue
        what, partition, source = step
        if what == "move":
            floor.move(partition, source)
        elif what == "crash":
            floor.crash(partition)
        else:
            floor.commit(partition, outputs_only=what == "half")
    return floor

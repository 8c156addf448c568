"""The kernel's plain twin: what rows, features, columns and ticks are by definition, in Python anyone can
check.

It keeps every event and counts them anew at each question: slow, and with nothing to get wrong. A property
test holds the compiled kernel equal to it.
"""

from scoring.twin.customer import Customer, Event
from scoring.twin.partition import Partition, Point, Resolved

__all__ = ["Customer", "Event", "Partition", "Point", "Resolved"]

"""Layouts: the sizes of rows that tests use; each further one is compiled anew, for half a minute."""

from scoring.profile import Layout
from scoring.rules import shipped

__all__ = ["FULL", "SMALL"]

FULL = Layout(parts=shipped().parts)
"""Rows as a worker keeps them with all shipped rules; only the horizon may differ without compiling anew."""
SMALL = Layout(orders=4, messages=4, views=4)
"""Rings that are soon full, and all that a rule can read."""

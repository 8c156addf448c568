"""The core: profiles, features, labels, model, rules and gates as arithmetic.

No Kafka, no wall clock, no files, no logging.
"""

from scoring import members  # noqa: F401 - it is there for what it does

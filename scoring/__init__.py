"""The core: profiles, features, labels, model, rules and gates as arithmetic.

No Kafka, no wall clock, no files, no logging.
"""

"""Rules: named lists, each defined by a predicate over profile, score and time."""

"""Replay: a past range scored again, as it was or by event time, into topics of its own; and what differs."""

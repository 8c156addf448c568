"""Faults, each of them upon a world of its own; what they share ends with the last of them."""

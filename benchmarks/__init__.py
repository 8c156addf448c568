"""Benchmarks: seeded programs that print a table; ratios within one run, never part of the tests."""

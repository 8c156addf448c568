"""Backtest: the whole program over a file of history, in one process and without a broker."""

from streams.backtest.history import History, Past
from streams.backtest.run import Backtest, Cutoff, Result

__all__ = ["Backtest", "Cutoff", "History", "Past", "Result"]

"""Warming up for the tests: compile the kernel for all rows that they use, on all cores. `python -m tests.warm`

Else each process of the tests would compile it when it first meets such rows, several the same at the same time.
"""

from concurrent.futures import ProcessPoolExecutor

from scoring.engine import EngineSettings
from scoring.rules import shipped
from streams.warm import warm, warm_rows
from tests.strategies.layouts import FULL, SMALL


def _usual() -> None:
    warm()


def _full() -> None:
    warm_rows(EngineSettings(FULL), shipped())


def _small() -> None:
    warm_rows(EngineSettings(SMALL), shipped())


if __name__ == "__main__":
    layouts = (_usual, _full, _small)
    with ProcessPoolExecutor(len(layouts)) as pool:  # on two cores, too: else the third would leave one of them idle
        for done in [pool.submit(each) for each in layouts]:
            done.result()

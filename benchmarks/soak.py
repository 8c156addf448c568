"""The learner over five million examples: `python -m benchmarks.soak [--examples N]` (`make soak`)

A made-up shop of 20,000 examples a horizon, over 250 horizons, with what makes a second-order method fail: copies of
features, near copies, a constant, a huge one, one that is seldom there, and now and then a horizon of one label only.
After each horizon the covariance must be symmetric and positive definite and no weight or prediction may explode; in
the end predictions must be as good as the truth allows. Exit code 1 where that fails.
"""

import argparse
import sys
import time

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from scoring.features import N_FEATURES
from scoring.model import logits, probabilities
from scoring.newton import OnlineNewton

__all__ = ["UnsoundError", "soak"]

A_HORIZON = 20_000
_SLACK = 0.01
"""How much worse than the truth's log loss the last predictions may be."""


class UnsoundError(AssertionError):
    """The learner is not sound; the text says what and when."""


def examples(rng: np.random.Generator, horizon: int) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Return features, labels and the log loss of the truth itself, for one horizon."""
    X = rng.normal(size=(A_HORIZON, N_FEATURES))
    X[:, 2] = X[:, 0]
    X[:, 3] = X[:, 0] + 1e-9 * rng.normal(size=A_HORIZON)
    X[:, 4] = 3.0
    X[:, 5] *= 1e12
    X[rng.random(A_HORIZON) > 0.01, 6] = np.nan
    truth = probabilities(X[:, 0] - 0.5 * X[:, 1] - 0.5)
    y = (rng.random(A_HORIZON) < truth).astype(np.float64)
    if horizon % 10 in (7, 8):  # a month without a buyer, and one in which everybody buys
        y[:] = float(horizon % 10 == 8)
    return X, y, log_loss(truth, y)


def log_loss(p: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """Mean log loss of predictions, none taken as quite certain."""
    p = np.clip(p, 1e-12, 1 - 1e-12)
    return float(-np.mean(y * np.log(p) + (1 - y) * np.log1p(-p)))


def check(model: OnlineNewton, predicted: NDArray[np.float64], horizon: int) -> tuple[float, float]:
    """Return the least and the greatest eigenvalue of the covariance.

    Raises
    ------
    UnsoundError
        If the covariance is not symmetric and positive definite, or something is not finite.
    """
    covariance = model.covariance()
    if not np.allclose(covariance, covariance.T, rtol=1e-9, atol=0):
        raise UnsoundError(f"horizon {horizon}: the covariance is not symmetric")
    values = np.linalg.eigvalsh(covariance)
    if not values[0] > 0:
        raise UnsoundError(f"horizon {horizon}: the covariance is not positive definite ({values[0]:.3g})")
    weights = model.scorer().weight
    if not (np.isfinite(weights).all() and np.isfinite(predicted).all()):
        raise UnsoundError(f"horizon {horizon}: a weight or a prediction is not finite")
    return float(values[0]), float(values[-1])


def soak(count: int, console: Console) -> None:
    """Learn `count` examples, print a table, and raise `UnsoundError` where the learner is not sound."""
    rng = np.random.default_rng(7)
    model = OnlineNewton().start(N_FEATURES)
    horizons = max(count // A_HORIZON, 1)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    sys.stdout.write("| examples | log loss | of the truth | least eigenvalue | greatest | µs an example |\n")
    sys.stdout.write("|---:|---:|---:|---:|---:|---:|\n")
    spent = 0.0
    with Progress(*columns, console=console) as progress:
        for horizon in progress.track(range(horizons), description="horizons"):
            X, y, best = examples(rng, horizon)
            before = probabilities(logits(model.scorer(), X))
            start = time.perf_counter()
            predicted = model.learn_rows(X, y, horizon + np.arange(A_HORIZON) / A_HORIZON)
            spent += time.perf_counter() - start
            least, greatest = check(model, predicted, horizon)
            learned = (horizon + 1) * A_HORIZON
            honest = horizon % 10 == 6  # the last of several horizons with labels of both kinds
            if honest and log_loss(before, y) > best + _SLACK:
                raise UnsoundError(f"horizon {horizon}: log loss {log_loss(before, y):.4f}, the truth's is {best:.4f}")
            if honest and (horizon // 10) % max(horizons // 100, 1) == 0:
                cells = f"{log_loss(before, y):.4f} | {best:.4f} | {least:.3g} | {greatest:.3g}"
                sys.stdout.write(f"| {learned:,} | {cells} | {1e6 * spent / learned:.1f} |\n")
                sys.stdout.flush()


def main() -> None:
    """Read the options and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--examples", type=int, default=5_000_000, metavar="N")
    console = Console(stderr=True)
    try:
        soak(parser.parse_args().examples, console)
    except UnsoundError as fault:
        console.print(f"[bold red]not sound[/]: {fault}")
        raise SystemExit(1) from None
    console.print("sound after every horizon")


if __name__ == "__main__":
    main()

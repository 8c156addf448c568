"""Examples by the number, with an effect to learn."""

import math

import numpy as np

from scoring.features import FEATURE_VERSION, N_FEATURES
from scoring.model import Example, probabilities

DAY = 86_400_000


def examples(n: int, *, seed: int = 1, version: int = 1, feature_version: str = FEATURE_VERSION) -> list[Example]:
    """Return examples in order, ten a day; the first feature tells, and what was served told it too."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, N_FEATURES)).astype(np.float32)
    chance = probabilities(X[:, 0].astype(float) - 0.5)
    found = []
    for i in range(n):
        customer, made = f"c{int(rng.integers(200)):03d}", i // 10 * DAY
        found.append(
            Example(
                id=f"{customer}/{made}/{i:06d}",
                customer=customer,
                made_ms=made,
                resolved_ms=made + 30 * DAY,
                label=bool(rng.random() < chance[i]),
                features=X[i],
                baseline=float(X[i, 1]),
                orders=i % 3,
                partition=0,
                feature_version=feature_version,
                probability=float(chance[i]),
                percentile=0.5,
                model_version=version,
                points=float(i * 37 % 2000) if i % 2 else math.nan,
            )
        )
    return sorted(found, key=lambda e: (e.resolved_ms, e.id))

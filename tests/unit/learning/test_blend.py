"""The blend trusts the bold learner where there is evidence for it, and the careful one elsewhere."""

import numpy as np
import pytest

from scoring.blend import Blend
from scoring.features import FEATURES, N_FEATURES
from scoring.model import logits, probabilities


def shop(n: int, effect: float, seed: int = 5) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return examples over twenty horizons: `effect` is of a feature that the careful learner holds back."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, N_FEATURES))
    signal = X[:, FEATURES.index("recency.log")] + effect * X[:, FEATURES.index("gaps.z")] - 1.0
    return X, (rng.random(n) < probabilities(signal)).astype(float), np.sort(rng.random(n)) * 20


def test_evidence_makes_it_bold() -> None:
    """Where a fine feature tells much, and there are examples enough, the bold learner takes over."""
    blend = Blend(0.01, 12.0, 5.0)
    assert blend.weight < 0.1
    blend.learn(*shop(12_000, 1.0))
    assert blend.weight > 0.9


def test_noise_leaves_it_careful() -> None:
    """Where fine features are noise, the careful learner stays in charge and predicts better."""
    blend = Blend(0.01, 12.0, 5.0)
    X, y, t = shop(1000, 0.0)
    blend.learn(X, y, t)
    assert blend.weight < 0.1
    Z, z, _ = shop(20_000, 0.0, seed=6)

    def loss(p: np.ndarray) -> float:
        return float(-np.mean(np.where(z > 0, np.log(p), np.log(1 - p))))

    blended, bold = (loss(probabilities(logits(s, Z))) for s in (blend.scorer(), blend.bold.scorer()))
    assert blended < bold


def test_its_scorer_is_the_average_of_both() -> None:
    """The compiled scorer gives the weighed log-odds of the two learners."""
    blend = Blend(0.01, 12.0, 5.0)
    X, y, t = shop(3000, 0.6)
    blend.learn(X, y, t)
    share = blend.weight
    expected = share * logits(blend.bold.scorer(), X) + (1 - share) * logits(blend.careful.scorer(), X)
    assert logits(blend.scorer(), X) == pytest.approx(expected, abs=1e-9)


def test_it_resumes_exactly_and_cuts_make_no_difference() -> None:
    """Stopped, stored, resumed and fed in pieces, it comes to the same bytes."""
    X, y, t = shop(900, 0.5)
    whole = Blend(0.01, 12.0, 5.0)
    whole.learn(X, y, t)
    cut = Blend(0.01, 12.0, 5.0)
    for start in range(0, 900, 131):
        cut.learn(X[start : start + 131], y[start : start + 131], t[start : start + 131])
        resumed = Blend(0.01, 12.0, 5.0)
        resumed.restore(cut.to_bytes())
        cut = resumed
    assert cut.to_bytes() == whole.to_bytes()


def test_nothing_is_judged_within_the_first_horizon() -> None:
    """The learners are judged by what they said a horizon before an outcome, so not before there was one."""
    blend = Blend(0.01, 12.0, 5.0)
    before = blend.weight
    X, y, t = shop(500, 1.0)
    blend.learn(X, y, t / 21.0)
    assert blend.weight == before

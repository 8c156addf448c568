"""The online Newton classifier keeps river's contract and stays sound over long and awkward streams."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.model import logits, probabilities
from scoring.newton import OnlineNewton


@pytest.fixture(scope="module")
def awkward() -> tuple[OnlineNewton, np.ndarray, np.ndarray]:
    """A model after 100,000 awkward examples.

    Features: two that tell, a copy, a near copy, a constant, a huge one, one seldom there; runs of one label
    5,000 long. Forgetting goes as far as over 5,000,000 examples of a shop that brings 20,000 a horizon.
    """
    rng = np.random.default_rng(7)
    n = 100_000
    X = np.empty((n, 7))
    X[:, :2] = rng.normal(size=(n, 2))
    X[:, 2] = X[:, 0]
    X[:, 3] = X[:, 0] + 1e-9 * rng.normal(size=n)
    X[:, 4] = 3.0
    X[:, 5] = 1e12 * rng.normal(size=n)
    X[:, 6] = np.where(rng.random(n) < 0.01, rng.normal(size=n), np.nan)
    y = (rng.random(n) < probabilities(X[:, 0] - 0.5 * X[:, 1] - 0.5)).astype(float)
    run = (np.arange(n) // 5000) % 3
    y[run == 1] = 0.0
    y[run == 2] = 1.0
    y[-20_000:] = (rng.random(20_000) < probabilities(X[-20_000:, 0] - 0.5 * X[-20_000:, 1] - 0.5)).astype(float)
    model = OnlineNewton(half_life=5.0).start(7)
    out = model.learn_rows(X, y, np.arange(n) / 400.0)
    return model, out, X


def test_river_checks() -> None:
    """It passes every check that river makes of its own classifiers."""
    pytest.importorskip("sklearn", reason="river's checks import it")
    from river import checks

    for check in checks.yield_checks(OnlineNewton()):
        check(OnlineNewton())


def test_the_covariance_stays_symmetric_and_positive_definite(awkward: tuple) -> None:
    """After 250 horizons of forgetting the covariance is symmetric, positive definite and within the prior."""
    covariance = awkward[0].covariance()
    assert np.array_equal(covariance, covariance.T) or np.allclose(covariance, covariance.T, rtol=1e-12)
    eigenvalues = np.linalg.eigvalsh(covariance)
    assert eigenvalues.min() > 0
    assert np.linalg.eigvalsh(covariance[1:, 1:]).max() <= awkward[0].prior * (1 + 1e-9)


def test_no_weight_and_no_prediction_explodes(awkward: tuple) -> None:
    """Runs of one label, copies of features and constants leave weights and log-odds within reason."""
    model, out, _ = awkward
    assert np.isfinite(out).all()
    assert np.abs(out).max() < 20
    assert np.abs(model.scorer().weight).max() < 3


def test_what_tells_is_learned_whatever_stands_beside_it(awkward: tuple) -> None:
    """The effects of the two telling features are found; the copies share theirs; the constant gets none."""
    weight = awkward[0].scorer().weight
    assert weight[[0, 2, 3]].sum() == pytest.approx(1.0, abs=0.15)
    assert weight[1] == pytest.approx(-0.42, abs=0.1)  # -0.5, shrunk by the prior as far as it remembers
    assert awkward[0].scorer().inv_sd[4] == 0.0


def test_equals_ridge_regression_of_the_whole_past_where_the_curvature_is_known() -> None:
    """Without forgetting, its information matrix is the prior plus the sum of the curvatures."""
    rng = np.random.default_rng(3)
    X = rng.normal(size=(400, 4))
    y = (rng.random(400) < 0.5).astype(float)
    model = OnlineNewton(half_life=math.inf).start(4)
    expected = np.diag([1 / 4.0, *[100.0] * 4])
    for row, label in zip(X, y, strict=True):
        logit = model.learn_vec(row, label)
        p = float(probabilities(np.array([logit]))[0])
        count, mean, m2 = model.state()["moments"]
        sd = np.sqrt(m2 / count)
        z = np.concatenate([[1.0], np.where(sd > 1e-9, (row - mean) / np.where(sd > 1e-9, sd, 1.0), 0.0)])
        z = np.clip(z, -5, 5)
        expected += max(p * (1 - p), 0.02) * np.outer(z, z)
    assert np.allclose(np.linalg.inv(model.covariance()), expected, rtol=1e-8)


def test_forgetting_goes_by_time_not_by_rows() -> None:
    """After a half-life without examples, half of what was known beyond the prior is gone."""
    rng = np.random.default_rng(5)
    X = rng.normal(size=(2000, 1))
    y = (rng.random(2000) < probabilities(X[:, 0])).astype(float)
    model = OnlineNewton(half_life=10.0).start(1)
    model.learn_rows(X, y, np.zeros(2000))
    known = 1 / model.covariance()[1, 1] - 100.0
    model.learn_vec(X[0], y[0], 10.0)
    left = 1 / model.covariance()[1, 1] - 100.0
    assert left / known == pytest.approx(0.5, abs=0.01)


def test_cuts_make_no_difference() -> None:
    """Rows learned in one call or in several leave the same state, to the byte."""
    rng = np.random.default_rng(11)
    X, y, t = rng.normal(size=(300, 5)), (rng.random(300) < 0.3).astype(float), np.arange(300) / 20.0
    whole, cut = OnlineNewton().start(5), OnlineNewton().start(5)
    whole.learn_rows(X, y, t)
    for start in range(0, 300, 37):
        cut.learn_rows(X[start : start + 37], y[start : start + 37], t[start : start + 37])
    assert {k: v.tobytes() for k, v in whole.state().items()} == {k: v.tobytes() for k, v in cut.state().items()}


@settings(max_examples=30)
@given(
    st.integers(1, 12),
    st.integers(1, 60),
    st.integers(0, 2**32 - 1),
    st.lists(st.floats(-1e6, 1e6), min_size=12, max_size=12),
)
def test_the_compiled_scorer_equals_the_classifier(features: int, rows: int, seed: int, shown: list[float]) -> None:
    """The arrays that the kernel reads give `predict_proba_one` to 1e-9, whatever was learned and is shown."""
    rng = np.random.default_rng(seed)
    names = [f"f{j:02d}" for j in range(features)]
    model = OnlineNewton()
    for i in range(rows):
        model.learn_one(
            dict(zip(names, rng.normal(size=features).tolist(), strict=True)),
            bool(rng.random() < 0.4),
            t=i / 9,
        )
    x = dict(zip(names, shown, strict=False))
    p = probabilities(logits(model.scorer(), np.array([list(x.values())])))[0]
    assert p == pytest.approx(model.predict_proba_one(x)[True], abs=1e-9)


def test_contributions_add_up() -> None:
    """The contributions and the intercept sum to the log-odds."""
    rng = np.random.default_rng(2)
    model = OnlineNewton()
    for _ in range(50):
        model.learn_one({"a": rng.normal(), "b": rng.normal()}, bool(rng.random() < 0.5))
    x = {"a": 0.3, "b": -2.0}
    total = sum(model.contributions(x).values()) + model.scorer().intercept
    assert total == pytest.approx(model.logit_vec(np.array([0.3, -2.0])), abs=1e-12)


@pytest.mark.parametrize("wrong", [{"half_life": 4.9}, {"prior": 0.0}, {"clip": -1.0}, {"intercept_prior": math.inf}])
def test_wrong_parameters_are_named(wrong: dict[str, float]) -> None:
    """A parameter out of range is refused by name and value."""
    with pytest.raises(ValueError, match=next(iter(wrong))):
        OnlineNewton(**wrong)

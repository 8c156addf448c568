"""Any river pipeline is built from a line of text that is parsed, never evaluated."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from river import compose, ensemble, linear_model, preprocessing

from scoring.features import N_FEATURES
from scoring.model import logits, probabilities
from scoring.river_model import RiverError, RiverModel, build, compile_linear


def test_a_pipeline_is_what_python_would_build() -> None:
    """Names, positional and keyword literals and | mean what they mean in Python."""
    model = build("StandardScaler() | LogisticRegression(optim.SGD(.001), intercept_lr=.001)")
    assert isinstance(model, compose.Pipeline)
    scaler, regression = model.steps.values()
    assert isinstance(scaler, preprocessing.StandardScaler)
    assert isinstance(regression, linear_model.LogisticRegression)
    assert regression.optimizer.learning_rate == 0.001
    assert regression.intercept_lr.learning_rate == 0.001


def test_models_may_hold_models() -> None:
    """An ensemble takes a pipeline as its argument, and classes need no brackets."""
    model = build("ensemble.BaggingClassifier(model=StandardScaler | LogisticRegression, n_models=3, seed=1)")
    assert isinstance(model, ensemble.BaggingClassifier)
    assert len(model) == 3


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("StandardScalar() | LogisticRegression()", "did you mean 'StandardScaler'"),
        ("LogisticRegression(optimiser=optim.SGD(.1))", "did you mean 'optimizer'"),
        ("LogisticRegression(optim.SDG(.1))", "did you mean 'SGD'"),
        ("LogisticRegression(l1=1, l2=2)", "river refuses these arguments"),
        ("StandardScaler()", "is no classifier"),
        ("optim.SGD(.1)", "is no classifier"),
        ("multiclass.OneVsOneClassifier(LogisticRegression())", "tells which label, and no probability"),
        ("StandardScaler() | 3", "is no estimator"),
        ("StandardScaler() |", "cannot be read"),
        ("__import__('os').system('true')", "is not the name of a class"),
        ("(lambda: 1)()", "is not the name of a class"),
        ("open('x')", "no such public class"),
        ("datasets.Phishing()", "no such public class"),
        ("LogisticRegression(intercept_lr=[x for x in (1,)])", "ListComp is not allowed"),
        ("LogisticRegression.__class__", "no such public class"),
        ("LogisticRegression(**{'l2': 1})", "no such parameter"),
        ("exec", "no such public class"),
    ],
)
def test_what_is_not_allowed_is_named(text: str, told: str) -> None:
    """Anything but calls of river's classes with literals is refused, in words that help."""
    with pytest.raises(RiverError, match=told):
        build(text)


@settings(max_examples=25)
@given(
    st.sampled_from(
        [
            "StandardScaler() | LogisticRegression(optim.SGD(.05), intercept_lr=.05)",
            "StandardScaler(with_std=False) | LogisticRegression(optim.Adam(.01), l2=.001)",
            "LogisticRegression(intercept_init=-1.0)",
        ]
    ),
    st.integers(0, 80),
    st.integers(0, 2**32 - 1),
    st.lists(st.floats(-50, 50), min_size=3, max_size=3),
)
def test_the_compiled_scorer_equals_the_pipeline(text: str, rows: int, seed: int, shown: list[float]) -> None:
    """A linear pipeline as arrays gives `predict_proba_one` to 1e-9, a constant feature included."""
    rng = np.random.default_rng(seed)
    names = ("a", "b", "c")
    model = build(text)
    for _ in range(rows):
        x = {"a": rng.normal(), "b": rng.normal(5, 3), "c": 1.5}
        model.learn_one(x, bool(rng.random() < 0.3))
    scorer = compile_linear(model, names)
    assert scorer is not None
    p = probabilities(logits(scorer, np.array([shown])))[0]
    assert p == pytest.approx(model.predict_proba_one(dict(zip(names, shown, strict=True)))[True], abs=1e-9)


@pytest.mark.parametrize(
    "text",
    [
        "MinMaxScaler() | LogisticRegression()",
        "StandardScaler(window_size=100) | LogisticRegression()",
        "tree.HoeffdingTreeClassifier()",
    ],
)
def test_what_is_not_linear_is_not_compiled(text: str) -> None:
    """Pipelines that arrays cannot stand for take the slow path."""
    assert compile_linear(build(text), ("a",)) is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("naive_bayes.MultinomialNB()", r"MultinomialNB: .*ZeroDivisionError"),
        ("Normalizer() | LogisticRegression()", r"Normalizer \| LogisticRegression: .*ZeroDivisionError"),
    ],
)
def test_a_model_that_fails_on_an_example_says_so(text: str, told: str) -> None:
    """As one that takes no negative numbers, or no customer whose features are all 0."""
    model = RiverModel.of(text)
    X = np.zeros((8, N_FEATURES))
    X[:4] = -1.0
    with pytest.raises(RiverError, match=f"river:{told}.*; .*choose another model"):
        model.learn(X, np.arange(8.0) % 2, np.arange(8.0))

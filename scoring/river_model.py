"""River models: any river classifier, built from one line of the settings and read without `eval`."""

import ast
import importlib
import inspect
import math
import pickle
from collections.abc import Hashable, Iterator
from difflib import get_close_matches
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from river import base

from scoring.features import FEATURES
from scoring.model import LinearScorer, Snapshot, logits

__all__ = ["RiverError", "RiverModel", "SlowScorer", "build", "compile_linear"]

FloatArray = NDArray[np.float64]

_MODULES = (
    "anomaly", "base", "compose", "covariance", "drift", "dummy", "ensemble", "facto", "feature_extraction",
    "feature_selection", "forest", "imblearn", "linear_model", "metrics", "model_selection", "multiclass",
    "naive_bayes", "neighbors", "optim", "optim.initializers", "optim.losses", "optim.schedulers",
    "preprocessing", "proba", "rules", "stats", "tree", "tree.splitter",
)  # fmt: skip
"""River's public modules whose classes may be named; those that read files or the network are left out."""

_LEAST_PROBABILITY = 1e-12


class RiverError(ValueError):
    """A pipeline that cannot be built, or fails on an example: says what is wrong, where, and what to do."""


def build(text: str) -> base.Classifier:
    """Build the classifier that `text` describes, such as ``StandardScaler() | LogisticRegression(l2=1e-4)``.

    The text is parsed, never evaluated: calls of classes of river's public modules with literals, lists and
    other such calls as arguments, joined by ``|`` and ``+``. A class is named alone, or with its module
    (``optim.SGD``) where several have the name.

    Raises
    ------
    RiverError
        If anything else stands in the text, a name is unknown, or the result is no classifier.
    """
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise RiverError(f"river:{text}: cannot be read ({error}); write it as in Python") from None
    from river import compose  # the other modules of river take a second and a half: only for who uses them

    model = _build(tree.body)
    final = list(model.steps.values())[-1] if isinstance(model, compose.Pipeline) else model
    if not isinstance(final, base.Classifier):
        raise RiverError(
            f"river:{text}: {type(final).__name__} is no classifier; end with one, such as LogisticRegression()"
        )
    if type(final).predict_proba_one is base.Classifier.predict_proba_one:
        raise RiverError(
            f"river:{text}: {type(final).__name__} tells which label, and no probability; "
            "end with one that does, such as LogisticRegression()"
        )
    classifier: base.Classifier = model
    return classifier


def _build(node: ast.expr) -> Any:
    match node:
        case ast.Constant(value=str() | int() | float() | bool() | None as value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
            return -value
        case ast.List(elts=items):
            return [_build(item) for item in items]
        case ast.Tuple(elts=items):
            return tuple(_build(item) for item in items)
        case ast.Dict(keys=keys, values=values):
            return {_build(_given(k, node)): _build(v) for k, v in zip(keys, values, strict=True)}
        case ast.BinOp(op=ast.BitOr() | ast.Add() as op, left=left, right=right):
            return _joined(node, op, _build(left), _build(right))
        case ast.Call(func=function, args=args, keywords=keywords):
            return _called(function, args, keywords)
        case ast.Name() | ast.Attribute():
            return _called(node, [], [])
    raise RiverError(
        f"{ast.unparse(node)!r}: {type(node).__name__} is not allowed in a pipeline; "
        "use class names, numbers, texts, lists, | and +"
    )


def _given(node: ast.expr | None, parent: ast.expr) -> ast.expr:
    if node is None:
        raise RiverError(f"{ast.unparse(parent)!r}: ** is not allowed in a pipeline; write out the keys")
    return node


def _joined(node: ast.expr, op: ast.operator, left: Any, right: Any) -> Any:
    for side in (left, right):
        if not isinstance(side, base.Estimator):
            raise RiverError(f"{ast.unparse(node)!r}: {side!r} is no estimator; | and + join estimators only")
    try:
        return left | right if isinstance(op, ast.BitOr) else left + right
    except (TypeError, ValueError) as error:
        raise RiverError(f"{ast.unparse(node)!r}: river does not join these ({error})") from error


def _called(function: ast.expr, args: list[ast.expr], keywords: list[ast.keyword]) -> Any:
    found = _class(function)
    shown = ast.unparse(function)
    known = [p.name for p in inspect.signature(found).parameters.values() if p.kind != p.VAR_POSITIONAL]
    values: dict[str, Any] = {}
    for keyword in keywords:
        if keyword.arg not in known:
            raise RiverError(
                f"{shown}({keyword.arg or '**'}=…): it has no such parameter; {_nearest(keyword.arg, known)}"
            )
        values[keyword.arg] = _build(keyword.value)
    positional = [_build(arg) for arg in args]
    try:
        return found(*positional, **values)
    except Exception as error:
        # A class of river's may refuse its arguments with any error; all mean that the text is wrong.
        raise RiverError(f"{shown}: river refuses these arguments ({error}); it takes {', '.join(known)}") from error


def _class(node: ast.expr) -> Any:
    parts: list[str] = []
    at = node
    while isinstance(at, ast.Attribute):
        parts.insert(0, at.attr)
        at = at.value
    if not isinstance(at, ast.Name):
        raise RiverError(f"{ast.unparse(node)!r}: is not the name of a class of river")
    name = ".".join([at.id, *parts]).removeprefix("river.")
    found = _classes()
    if name in found:
        return found[name]
    last = name.rpartition(".")[2]
    same = [full for full in found if full.rpartition(".")[2] == last]
    if "." not in name and len({found[full] for full in same}) == 1:
        return found[same[0]]
    if same:
        raise RiverError(f"{name!r}: is not clear or not there; write one of {', '.join(same)}")
    names = [full.rpartition(".")[2] for full in found]
    raise RiverError(f"{name!r}: river has no such public class; {_nearest(last, names)}")


@cache
def _classes() -> dict[str, Any]:
    """The classes that may be named, by ``module.Class``."""
    return {
        f"{name}.{one.__name__}": one for name in _MODULES for one in _public(importlib.import_module(f"river.{name}"))
    }


def _public(module: ModuleType) -> Iterator[Any]:
    for name in getattr(module, "__all__", ()):
        one = getattr(module, name, None)
        if inspect.isclass(one) and one.__module__.startswith("river."):
            yield one


def _nearest(name: str | None, known: list[str]) -> str:
    near = get_close_matches(name or "", known, 1, 0.5)
    return f"did you mean {near[0]!r}?" if near else f"known are {', '.join(sorted(set(known))[:12])}"


def compile_linear(model: base.Classifier, names: tuple[str, ...]) -> LinearScorer | None:
    """The model as arrays, if it is ``StandardScaler | LogisticRegression`` or the latter alone; else None.

    The scorer's probability equals `predict_proba_one` to 1e-9.
    """
    from river import compose, linear_model, optim, preprocessing

    steps = list(model.steps.values()) if isinstance(model, compose.Pipeline) else [model]
    final, before = steps[-1], steps[:-1]
    if type(final) is not linear_model.LogisticRegression or type(final.loss) is not optim.losses.Log:
        return None
    mean, inv_sd = np.zeros(len(names)), np.ones(len(names))
    if before:
        scaler = before[0]
        if len(before) > 1 or type(scaler) is not preprocessing.StandardScaler or scaler.window_size:
            return None
        mean = np.array([scaler.means.get(name, 0.0) for name in names])
        if scaler.with_std:
            variance = np.array([scaler.vars.get(name, 0.0) for name in names])
            inv_sd = np.where(variance > 0, 1.0 / np.sqrt(np.where(variance > 0, variance, 1.0)), 0.0)
    weights = final.weights
    weight = np.array([float(weights.get(name, 0.0)) for name in names])
    return LinearScorer(mean, inv_sd, weight, float(final.intercept), math.inf)


class RiverModel:
    """A river classifier behind the learner's contract: learn rows, be compiled if linear, be kept as bytes.

    An example costs what the pipeline costs, from 0.1 ms for a linear one to several for a forest. `learn` and `logits`
    raise `RiverError` where it fails on one.
    """

    def __init__(self, model: base.Classifier) -> None:
        self.model = model

    @classmethod
    def of(cls, text: str) -> "RiverModel":
        """Build it from the settings' text, without the ``river:``."""
        return cls(build(text))

    def learn(self, X: FloatArray, y: FloatArray, t: FloatArray) -> FloatArray:
        """Learn rows (m, F) in order; the (m,) log-odds each had before. River's models know no time."""
        out = np.empty(len(X))
        for i, row in enumerate(X.tolist()):
            x: dict[Hashable, Any] = dict(zip(FEATURES, row, strict=True))
            out[i] = _logit(self.model, x)
            try:
                self.model.learn_one(x, bool(y[i]))
            except Exception as error:
                raise _failed(self.model, error) from error
        return out

    def logits(self, X: NDArray[np.floating]) -> FloatArray:
        """The (m,) log-odds of rows (m, F)."""
        scorer = self.scorer()
        if scorer is not None:
            return logits(scorer, X)
        return np.array([_logit(self.model, dict(zip(FEATURES, row, strict=True))) for row in X.tolist()])

    def scorer(self) -> LinearScorer | None:
        """What it predicts with, if it is linear."""
        return compile_linear(self.model, FEATURES)

    def pickled(self, shift: float) -> bytes:
        """What scorers need of a model that is not linear, with its calibration; nothing otherwise."""
        return b"" if self.scorer() is not None else pickle.dumps((self.model, shift), protocol=5)

    def to_bytes(self) -> bytes:
        """Everything it goes on from, as a pickle."""
        return pickle.dumps(self.model, protocol=5)

    def restore(self, data: bytes) -> None:
        """Go on from what `to_bytes` gave; the caller has allowed pickles."""
        self.model = pickle.loads(data)  # noqa: S301


def _logit(model: base.Classifier, x: dict[Hashable, Any]) -> float:
    try:
        chances = model.predict_proba_one(x)
    except Exception as error:
        raise _failed(model, error) from error
    p = float(chances.get(True, 0.0)) if chances else 0.5  # empty before anything is learned
    if math.isnan(p):  # some models divide by the variance of a feature that has none
        p = 0.5
    p = min(max(p, _LEAST_PROBABILITY), 1.0 - _LEAST_PROBABILITY)
    return math.log(p) - math.log1p(-p)


def _failed(model: base.Classifier, error: Exception) -> RiverError:
    """What is told of a model that fails on an example, whatever it raises: it cannot take all that there is."""
    said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return RiverError(
        f"river:{str(model)[:80]}: fails on an example ({said}); features may be negative, 0, or the same for all: "
        "scale them before it, or choose another model"
    )


class SlowScorer:
    """Scores with a river model that is not linear, row by row.

    Only for snapshots that were read with ``allow_pickle``.
    """

    def __init__(self, model: RiverModel, shift: float) -> None:
        self._model, self._shift = model, shift

    @classmethod
    def of(cls, snapshot: Snapshot) -> "SlowScorer":
        """Unpickle the model of a snapshot that has no compiled scorer."""
        model, shift = pickle.loads(snapshot.pickled)  # noqa: S301 - from_bytes refuses it unless allowed
        return cls(RiverModel(model), float(shift))

    def logits(self, X: NDArray[np.floating]) -> FloatArray:
        """The (m,) log-odds of the rows of `X` (m, F)."""
        return self._model.logits(X) + self._shift

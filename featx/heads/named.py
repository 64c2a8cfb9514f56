"""Heads by name: scikit-learn and XGBoost estimators with defaults that suit embeddings."""

from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
from sklearn.utils.validation import has_fit_parameter

from featx.errors import UnknownNameError
from featx.heads.pipeline import HeadPipeline, UnweightedPipeline
from featx.heads.scaler import SteadyScaler


@dataclass(frozen=True)
class _Head:
    """One row of the table of heads."""

    home: str
    """The module of the estimator's class, imported on first use: a logistic head must not wait for XGBoost."""
    kind: str
    """The class."""
    scaled: bool
    """Whether a `SteadyScaler` stands before it, in a pipeline."""
    defaults: dict[str, Any]
    """Parameters that suit embeddings better than the class's own; docs/heads.md has the measurements."""
    space: dict[str, list[Any]]
    """Values to try for the parameters that matter."""


_TREES = {
    "n_estimators": 200,
    "learning_rate": 0.1,
    "max_depth": 4,
    "subsample": 0.8,
    "colsample_bytree": "auto",
    "max_bin": 64,
    "random_state": 0,
    "start": "linear",
    "early_stopping_rounds": 10,
}
_TREE_SPACE: dict[str, list[Any]] = {
    "n_estimators": [100, 200, 400, 800],
    "learning_rate": [0.03, 0.1, 0.3],
    "max_depth": [2, 3, 4, 6],
    "min_child_weight": [1, 3, 10],
    "colsample_bytree": [0.05, 0.2, 0.5],
    "reg_lambda": [0.3, 1.0, 3.0, 10.0],
}
_HEADS = {
    "logistic": _Head(
        "featx.heads.logistic", "LogisticHead", False, {}, {"class_weight": [None, "balanced"]}
    ),
    "xgboost": _Head("featx.heads.boosting", "XGBoostHead", False, _TREES, _TREE_SPACE),
    "svm": _Head(
        "sklearn.svm",
        "SVC",
        True,
        {"kernel": "linear", "C": 0.01},
        {"kernel": ["linear", "rbf"], "C": [1e-4, 1e-3, 0.01, 0.1, 1.0, 10.0, 100.0]},
    ),
    "knn": _Head(
        "sklearn.neighbors",
        "KNeighborsClassifier",
        True,
        {"metric": "cosine", "weights": "distance"},
        {"n_neighbors": [1, 3, 5, 10, 20], "metric": ["cosine", "euclidean"]},
    ),
    "ridge-classifier": _Head(
        "sklearn.linear_model",
        "RidgeClassifierCV",
        True,
        {"alphas": np.logspace(-1, 6, 15)},
        {"class_weight": [None, "balanced"]},
    ),
    "ridge": _Head(
        "sklearn.linear_model",
        "RidgeCV",
        True,
        {"alphas": np.logspace(-1, 6, 15)},
        {"alpha_per_target": [False, True]},
    ),
    "xgboost-regressor": _Head("featx.heads.boosting", "XGBoostRegressorHead", False, _TREES, _TREE_SPACE),
}


def make_head(name: str, **params: Any) -> Any:
    """Return a new, unfitted head.

    Parameters
    ----------
    name
        ``"logistic"``, ``"xgboost"``, ``"svm"``, ``"knn"`` or ``"ridge-classifier"`` for classes; ``"ridge"`` or
        ``"xgboost-regressor"`` for numbers. ``"auto"``: ``"logistic"``, which goes by how many images there are.
    params
        Parameters of the estimator; they override featx's defaults. Where the head is a pipeline with a scaler, they
        go to its last step.

    Returns
    -------
    scikit-learn estimator
        `LogisticHead`, `XGBoostHead`, `XGBoostRegressorHead`, or a `HeadPipeline` of `SteadyScaler` and `SVC`,
        `KNeighborsClassifier`, `RidgeClassifierCV` or `RidgeCV`.

    Raises
    ------
    UnknownNameError
        If no head has that name.

    Examples
    --------
    >>> make_head("svm", C=0.1).named_steps["svc"]
    SVC(C=0.1, kernel='linear')
    """
    head = _find(name)
    estimator = getattr(import_module(head.home), head.kind)(**head.defaults | params)
    if not head.scaled:
        return estimator
    kind = HeadPipeline if has_fit_parameter(estimator, "sample_weight") else UnweightedPipeline
    return kind([("steadyscaler", SteadyScaler()), (head.kind.lower(), estimator)])


def search_space(name: str, step: str = "") -> dict[str, list[Any]]:
    """Return the values worth trying for a head, for `GridSearchCV` or `RandomizedSearchCV`.

    Parameters
    ----------
    name
        The head's name, as for `make_head`.
    step
        The name of the head's step, if it is part of a pipeline.

    Returns
    -------
    dict of lists
        Values for each parameter. `logistic` and the ridge heads choose the strength of their penalty themselves.

    Raises
    ------
    UnknownNameError
        If no head has that name.

    Examples
    --------
    >>> search_space("knn", step="head")["head__kneighborsclassifier__n_neighbors"]
    [1, 3, 5, 10, 20]
    """
    head = _find(name)
    inner = head.kind.lower() if head.scaled else ""
    prefix = "".join(f"{part}__" for part in (step, inner) if part)
    return {prefix + key: list(values) for key, values in head.space.items()}


def _find(name: str) -> _Head:
    if name == "auto":
        name = "logistic"
    if name not in _HEADS:
        raise UnknownNameError("head", name, ("auto", *_HEADS))
    return _HEADS[name]

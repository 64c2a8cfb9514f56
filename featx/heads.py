"""The named heads: plain scikit-learn and XGBoost estimators, with defaults that suit embeddings."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import RidgeCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.utils import check_array, check_consistent_length, column_or_1d
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from xgboost import XGBClassifier, XGBRegressor

from featx.errors import InputError, UnknownNameError
from featx.logistic import LogisticHead


class XGBoostHead(XGBClassifier):
    """XGBoost's classifier, for labels of any type.

    `xgboost.XGBClassifier` takes the classes 0 to n-1 only, and writes over its own `objective`; this one
    keeps scikit-learn's habits. Everything else, parameters included, is `XGBClassifier`'s.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels; for multi-label targets ``[0, 1]``.

    Examples
    --------
    >>> X = [[0.0], [0.1], [0.9], [1.0]]
    >>> head = XGBoostHead(n_estimators=10, min_child_weight=0).fit(X, ["cat", "cat", "dog", "dog"])
    >>> [str(label) for label in head.predict([[0.05], [0.95]])]
    ['cat', 'dog']
    """

    def fit(self, X: Any, y: Any, *, eval_set: Any = None, **fit_params: Any) -> Self:
        """Fit to `X` (n, d) and labels `y` (n,) of any type, or (n, n_labels) of 0 and 1.

        The other parameters are those of `XGBClassifier.fit`.

        Raises
        ------
        ValueError
            If there is NaN in `y`, its length is not that of `X`, or there is one class only.
        """
        y = check_array(y, ensure_2d=False, dtype=None, input_name="y")
        check_consistent_length(X, y)
        check_classification_targets(y)
        if type_of_target(y) != "multilabel-indicator":
            y = column_or_1d(y, warn=True)
        labels, codes = np.unique(y, return_inverse=True)
        if len(labels) < 2:
            raise InputError(
                f"XGBoostHead needs two classes or more, but y holds one class only: {labels[0]!r}."
            )
        if eval_set is not None:
            eval_set = [(points, _encode(truth, labels)) for points, truth in eval_set]
        objective = self.objective
        if hasattr(self, "_labels"):
            del self._labels  # an earlier fit's; XGBClassifier.fit compares the codes with classes_
        try:
            super().fit(X, codes.reshape(y.shape), eval_set=eval_set, **fit_params)
        finally:
            self.objective = objective
        self._labels: NDArray[Any] = labels
        return self

    @property
    def classes_(self) -> NDArray[Any]:
        """The labels, sorted."""
        return self._labels if hasattr(self, "_labels") else np.asarray(super().classes_)

    def predict(self, X: Any, **predict_params: Any) -> NDArray[Any]:
        """Labels (n,), or (n, n_labels) of 0 and 1; the parameters are those of `XGBClassifier.predict`."""
        codes = np.asarray(super().predict(X, **predict_params))
        return codes if predict_params.get("output_margin") else np.asarray(self.classes_[codes.astype(int)])


def _scaled(estimator: Any) -> Any:
    return make_pipeline(StandardScaler(), estimator)


def _encode(y: Any, labels: NDArray[Any]) -> NDArray[np.intp]:
    strange = np.setdiff1d(y, labels)
    if len(strange):
        raise InputError(
            f"eval_set holds labels that y does not: {', '.join(map(repr, strange.tolist()))}. "
            f"Remove those rows, or add such rows to y."
        )
    return np.asarray(np.searchsorted(labels, y))


@dataclass(frozen=True)
class _Head:
    """One row of the table of heads."""

    build: Callable[..., Any]
    """The estimator's class."""
    scaled: bool
    """Whether `StandardScaler` goes before it, in a pipeline."""
    defaults: dict[str, Any]
    """Parameters that suit embeddings better than the class's own; docs/heads.md has the measurements."""
    space: dict[str, list[Any]]
    """Values to try for the parameters that matter."""


_TREES = {
    "n_estimators": 200,
    "learning_rate": 0.1,
    "max_depth": 4,
    "subsample": 0.8,
    "colsample_bytree": 0.2,
    "max_bin": 64,
    "tree_method": "hist",
    "random_state": 0,
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
    "logistic": _Head(LogisticHead, False, {}, {"class_weight": [None, "balanced"]}),
    "xgboost": _Head(XGBoostHead, False, _TREES, _TREE_SPACE),
    "svm": _Head(
        SVC,
        True,
        {"kernel": "linear", "C": 0.01},
        {"kernel": ["linear", "rbf"], "C": [1e-4, 1e-3, 0.01, 0.1, 1.0, 10.0, 100.0]},
    ),
    "knn": _Head(
        KNeighborsClassifier,
        True,
        {"metric": "cosine", "weights": "distance"},
        {"n_neighbors": [1, 3, 5, 10, 20], "metric": ["cosine", "euclidean"]},
    ),
    "ridge": _Head(RidgeCV, True, {"alphas": np.logspace(-1, 6, 15)}, {"alpha_per_target": [False, True]}),
    "xgboost-regressor": _Head(XGBRegressor, False, _TREES, _TREE_SPACE),
}


def make_head(name: str, **params: Any) -> Any:
    """Return a new, unfitted head.

    Parameters
    ----------
    name
        ``"logistic"``, ``"xgboost"``, ``"svm"`` or ``"knn"`` for classes; ``"ridge"`` or
        ``"xgboost-regressor"`` for numbers.
    params
        Parameters of the estimator, over featx's defaults. Where the head is a pipeline with a scaler, they
        go to its last step.

    Returns
    -------
    scikit-learn estimator
        `LogisticHead`, `XGBoostHead`, `xgboost.XGBRegressor`, or a pipeline of `StandardScaler` and `SVC`,
        `KNeighborsClassifier` or `RidgeCV`.

    Raises
    ------
    UnknownNameError
        If there is no such head.

    Examples
    --------
    >>> make_head("svm", C=0.1).named_steps["svc"]
    SVC(C=0.1, kernel='linear')
    """
    head = _find(name)
    estimator = head.build(**head.defaults | params)
    return make_pipeline(StandardScaler(), estimator) if head.scaled else estimator


def search_space(name: str, step: str = "") -> dict[str, list[Any]]:
    """Return the values worth trying for a head, for `GridSearchCV` or `RandomizedSearchCV`.

    Parameters
    ----------
    name
        The head's name, as for `make_head`.
    step
        The name of the head's step, where it stands in a pipeline.

    Returns
    -------
    dict of lists
        Parameter name to values. `logistic` and `ridge` choose the strength of their penalty themselves.

    Raises
    ------
    UnknownNameError
        If there is no such head.

    Examples
    --------
    >>> search_space("knn", step="head")["head__kneighborsclassifier__n_neighbors"]
    [1, 3, 5, 10, 20]
    """
    head = _find(name)
    inner = head.build.__name__.lower() if head.scaled else ""
    prefix = "".join(f"{part}__" for part in (step, inner) if part)
    return {prefix + key: list(values) for key, values in head.space.items()}


def _find(name: str) -> _Head:
    if name not in _HEADS:
        raise UnknownNameError("head", name, _HEADS)
    return _HEADS[name]

"""XGBoost that behaves like scikit-learn, on a GPU where there is one."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, Self

import numpy as np
import xgboost
from numpy.typing import NDArray
from sklearn.utils import _safe_indexing, check_consistent_length
from xgboost import XGBClassifier, XGBModel, XGBRegressor

from featx.errors import InputError
from featx.heads.checks import labels_of, numbers_of, one_class, weights_of


class XGBoostHead(XGBClassifier):
    """XGBoost's classifier, for labels of any type.

    `xgboost.XGBClassifier` takes only the classes 0 to n-1, and overwrites its own `objective`; this one takes any
    labels and leaves its parameters alone. With ``device=None`` it grows trees on a GPU where XGBoost sees one, and
    predicts on the CPU, where the embeddings are. Everything else, parameters included, is `XGBClassifier`'s.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted; for multi-label targets ``[0, 1]``.

    Examples
    --------
    >>> X = [[0.0], [0.1], [0.9], [1.0]]
    >>> head = XGBoostHead(n_estimators=10, min_child_weight=0, n_jobs=1).fit(X, ["cat", "cat", "dog", "dog"])
    >>> [str(label) for label in head.predict([[0.05], [0.95]])]
    ['cat', 'dog']
    """

    def fit(
        self, X: Any, y: Any, *, sample_weight: Any = None, eval_set: Any = None, **fit_params: Any
    ) -> Self:
        """Fit to `X` (n, d) and labels `y` (n,) of any type, or (n, n_labels) of 0 and 1.

        The other parameters are those of `XGBClassifier.fit`; an image with a `sample_weight` of 0 is left out.

        Raises
        ------
        ValueError
            If `y` contains NaN, differs in length from `X`, or holds only one class.
        """
        y = labels_of(y)
        check_consistent_length(X, y)
        X, y, fit_params = _weighted(X, y, sample_weight, fit_params)
        labels, codes = np.unique(y, return_inverse=True)
        if len(labels) < 2:
            raise one_class(labels.tolist())
        if eval_set is not None:
            eval_set = [(points, _encode(truth, labels)) for points, truth in eval_set]
        objective = self.objective
        if hasattr(self, "_labels"):
            del self._labels  # an earlier fit's; XGBClassifier.fit compares the codes with classes_
        try:
            with _on_fastest(self):
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


class XGBoostRegressorHead(XGBRegressor):
    """XGBoost's regressor, on a GPU where there is one.

    With ``device=None`` it grows trees on a GPU where XGBoost sees one, and predicts on the CPU, where the embeddings
    are. Everything else, parameters included, is `XGBRegressor`'s.

    Examples
    --------
    >>> X = [[0.0], [0.1], [0.9], [1.0]]
    >>> head = XGBoostRegressorHead(n_estimators=50, min_child_weight=0, n_jobs=1).fit(X, [1, 1, 5, 5])
    >>> head.predict([[0.05], [0.95]]).round(1).tolist()
    [1.0, 5.0]
    """

    def fit(self, X: Any, y: Any, *, sample_weight: Any = None, **fit_params: Any) -> Self:
        """Fit to `X` (n, d) and numbers `y` (n,) or (n, n_outputs).

        The other parameters are those of `XGBRegressor.fit`; an image with a `sample_weight` of 0 is left out.

        Raises
        ------
        ValueError
            If `y` holds anything but finite numbers, or differs in length from `X`.
        """
        y = numbers_of(y)
        check_consistent_length(X, y)
        X, y, fit_params = _weighted(X, y, sample_weight, fit_params)
        with _on_fastest(self):
            super().fit(X, y, **fit_params)
        return self


@contextmanager
def _on_fastest(estimator: XGBModel) -> Iterator[None]:
    """Fit on the fastest device unless the user named one, and predict on the CPU."""
    given = estimator.device
    estimator.device = given or _fastest()
    try:
        yield
    finally:
        estimator.device = given
    if given is None:
        estimator.get_booster().set_param({"device": "cpu"})


@cache
def _fastest() -> str:
    """Return ``"cuda:0"`` where XGBoost sees a GPU: asked to train on one, it falls back to the CPU without one."""
    if not xgboost.build_info()["USE_CUDA"]:
        return "cpu"
    with xgboost.config_context(verbosity=0):
        probe = xgboost.train({"device": "cuda"}, xgboost.DMatrix(np.eye(2), [0, 1]), 1)
    return str(json.loads(probe.save_config())["learner"]["generic_param"]["device"])


def _weighted(
    X: Any, y: NDArray[Any], sample_weight: Any, others: dict[str, Any]
) -> tuple[Any, NDArray[Any], dict[str, Any]]:
    """Leave out rows without weight, whose values and classes XGBoost would see; give what `fit` takes besides."""
    weights = weights_of(sample_weight, len(y))
    if weights is None:
        return X, y, others
    if not weights.all():
        kept = np.flatnonzero(weights)
        X, y, weights = _safe_indexing(X, kept), y[kept], weights[kept]
        if others.get("base_margin") is not None:
            others = others | {"base_margin": np.asarray(others["base_margin"])[kept]}
    return X, y, others | {"sample_weight": weights}


def _encode(y: Any, labels: NDArray[Any]) -> NDArray[np.intp]:
    strange = np.setdiff1d(y, labels)
    if len(strange):
        raise InputError(
            f"eval_set has labels that are not in y: {', '.join(map(repr, strange.tolist()))}. "
            "Remove those rows, or add images of those classes to y."
        )
    return np.asarray(np.searchsorted(labels, y))

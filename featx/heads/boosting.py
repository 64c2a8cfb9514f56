"""XGBoost that behaves like scikit-learn, on a GPU where there is one, and on no more cores than pay."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, ClassVar, Self

import numpy as np
import psutil  # type: ignore[import-untyped] # it has no types
import xgboost
from numpy.typing import NDArray
from sklearn.utils import _safe_indexing, check_consistent_length
from xgboost import XGBClassifier, XGBModel, XGBRegressor

from featx.errors import InputError
from featx.heads.blas import threads_allowed
from featx.heads.checks import groups_of, labels_of, numbers_of, one_class, weights_of
from featx.heads.inner_folds import inner_folds
from featx.heads.margins import Started, loss_of

_SORTED = 1 << 22
"""Numbers of a table up to which columns are sorted, not put into bins. With more rows 200 columns are too few:
on 1,797 digits of 3,136 columns a fifth of them was right for 98.3 %, 200 for 97.8."""
_ALONE = 1 << 22
"""Numbers up to which one thread grows the trees: others would mostly wait for each other, busily."""
_FIFTH, _COLUMNS = 0.2, 200
"""The share of the columns that a tree is given, and how many of many columns, which are alike; of few all are."""
_BINNED = {
    "grow_policy": (None, "depthwise"),
    "max_leaves": (None, 0),
    "multi_strategy": (None, "one_output_per_tree"),
    "sampling_method": (None, "uniform"),
}
"""Parameters, and their values that go without bins."""


class XGBoostHead(Started, XGBClassifier):
    """XGBoost's classifier, for labels of any type.

    `xgboost.XGBClassifier` takes only the classes 0 to n-1, and overwrites its own `objective`; this one takes any
    labels and leaves its parameters alone. Everything else, parameters included, is `XGBClassifier`'s, but for
    these, which have more to say.

    Parameters
    ----------
    start : str, optional
        ``"linear"``: trees begin where a linear model ends, `LogisticHead`, and learn from what it says of images that
        it was not fitted to, so that they are grown for what it does not see. Not where a `base_margin` is given, the
        objective is another than XGBoost's own, or no column holds numbers. None: they begin with the mean.
    device : str, optional
        None: trees grow on a GPU where XGBoost sees one, and predict on the CPU, where the embeddings are.
    n_jobs : int, optional
        None: one thread for a small table, for a large one as many as there are idle cores. The trees are the same.
    tree_method : str, optional
        None: for more than 1,000 columns and up to 4 million numbers on a CPU ``"exact"``, which sorts the columns
        that a tree is given; else ``"hist"``, which puts all columns into `max_bin` bins.
    colsample_bytree : float or "auto", optional
        ``"auto"``: each tree is given a fifth of the columns, at least 200, and where columns are sorted 200.
    early_stopping_rounds : int, optional
        Without an `eval_set`, a fifth of the images is held out to count the trees after which the loss falls no more
        for so many rounds; then so many trees are grown on all images. After ``start="linear"`` that may be none.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted; for multi-label targets ``[0, 1]``.
    start_ : HeadPipeline or None
        The linear model that trees begin with. Its scores are no part of the booster, nor of the importances.

    Examples
    --------
    >>> X = [[0.0], [0.1], [0.9], [1.0]]
    >>> head = XGBoostHead(n_estimators=10, min_child_weight=0, n_jobs=1).fit(X, ["cat", "cat", "dog", "dog"])
    >>> [str(label) for label in head.predict([[0.05], [0.95]])]
    ['cat', 'dog']
    """

    __metadata_request__fit: ClassVar = {"groups": True}

    def fit(
        self,
        X: Any,
        y: Any,
        *,
        sample_weight: Any = None,
        groups: Any = None,
        eval_set: Any = None,
        **fit_params: Any,
    ) -> Self:
        """Fit to `X` (n, d) and labels `y` (n,) of any type, or (n, n_labels) of 0 and 1.

        The other parameters are those of `XGBClassifier.fit`; an image with a `sample_weight` of 0 is left out, and
        images of one of the `groups` (n,) are held out together, where some are.

        Raises
        ------
        ValueError
            If `y` contains NaN, differs in length from `X`, or holds only one class.
        """
        y = labels_of(y)
        check_consistent_length(X, y)
        X, y, groups, fit_params = _weighted(X, y, sample_weight, groups, fit_params)
        labels, codes = np.unique(y, return_inverse=True)
        if len(labels) < 2:
            raise one_class(labels.tolist())
        if eval_set is not None:
            eval_set = [(points, _encode(truth, labels)) for points, truth in eval_set]
        objective = self.objective
        if hasattr(self, "_labels"):
            del self._labels  # an earlier fit's; XGBClassifier.fit compares the codes with classes_
        try:
            choices = fit_params | {"eval_set": eval_set}
            _grow(self, super().fit, X, codes.reshape(y.shape), groups=groups, choices=choices)
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

    def predict_proba(self, X: Any, **predict_params: Any) -> NDArray[Any]:  # type: ignore[override] # by name
        """Probabilities (n, n_classes), or (n, n_labels); the parameters are those of `XGBClassifier.predict_proba`."""
        return np.asarray(super().predict_proba(X, **self.begun(X, predict_params)))


class XGBoostRegressorHead(Started, XGBRegressor):
    """XGBoost's regressor, on a GPU where there is one.

    `start`, `device`, `n_jobs`, `tree_method`, `colsample_bytree` and `early_stopping_rounds` are those of
    `XGBoostHead`, with ridge regression for a start; everything else, parameters included, is `XGBRegressor`'s.

    Examples
    --------
    >>> X = [[0.0], [0.1], [0.9], [1.0]]
    >>> head = XGBoostRegressorHead(n_estimators=50, min_child_weight=0, n_jobs=1).fit(X, [1, 1, 5, 5])
    >>> head.predict([[0.05], [0.95]]).round(1).tolist()
    [1.0, 5.0]
    """

    __metadata_request__fit: ClassVar = {"groups": True}

    def fit(
        self, X: Any, y: Any, *, sample_weight: Any = None, groups: Any = None, **fit_params: Any
    ) -> Self:
        """Fit to `X` (n, d) and numbers `y` (n,) or (n, n_outputs).

        The other parameters are those of `XGBRegressor.fit`; an image with a `sample_weight` of 0 is left out, and
        images of one of the `groups` (n,) are held out together, where some are.

        Raises
        ------
        ValueError
            If `y` holds anything but finite numbers, or differs in length from `X`.
        """
        y = numbers_of(y)
        check_consistent_length(X, y)
        X, y, groups, fit_params = _weighted(X, y, sample_weight, groups, fit_params)
        _grow(self, super().fit, X, y, groups=groups, choices=fit_params)
        return self


def _grow(
    head: Started,
    fit: Callable[..., Any],
    X: Any,
    y: NDArray[Any],
    *,
    groups: Any,
    choices: dict[str, Any],
) -> None:
    """Fit by XGBoost's own `fit`, with as many trees as bring something where that is to be found out."""
    device = head.device or _fastest()
    choices = head.begin(X, y, groups=groups, choices=choices)
    size = int(np.prod(X.shape if hasattr(X, "shape") else np.asarray(X).shape))
    wide = _FIFTH * size / len(y) > _COLUMNS and size <= _SORTED
    exact = wide and device == "cpu" and head.tree_method is None and _goes_without_bins(head, X)
    given: dict[str, Any] = {"device": device, "n_jobs": head.n_jobs or _threads(size)}
    if exact:
        given |= {"tree_method": "exact", "max_bin": None}
    share: Any = head.colsample_bytree
    if share == "auto":
        few = _COLUMNS * len(y) / size
        given["colsample_bytree"] = few if exact else min(1.0, max(_FIFTH, few))
    without_gpu = head.device is None
    with _set(head, **given):
        rounds = {}
        if head.early_stopping_rounds is not None and choices.get("eval_set") is None:
            rounds = {
                "early_stopping_rounds": None,
                "n_estimators": _useful(head, fit, X, y, groups=groups, choices=choices),
            }
        with _set(head, **rounds):
            fit(X, y, **choices)
    if without_gpu:
        head.get_booster().set_param({"device": "cpu"})


def _useful(
    head: Started,
    fit: Callable[..., Any],
    X: Any,
    y: NDArray[Any],
    *,
    groups: Any,
    choices: dict[str, Any],
) -> int | None:
    """Count the trees that bring something to images held out; all of them where no classes can be held out."""
    regression = isinstance(head, XGBRegressor)
    rows = np.empty((len(y), 0))
    for train, test in inner_folds(rows, y, 5, groups=groups, regression=regression):
        if len(train) and (regression or y.ndim == 2 or len(np.unique(y[train])) == len(np.unique(y))):
            own: dict[str, Any] = {"eval_set": [(_safe_indexing(X, test), y[test])], "verbose": False}
            for name in ("sample_weight", "base_margin"):
                if choices.get(name) is not None:
                    values = np.asarray(choices[name])
                    own |= {name: values[train], f"{name}_eval_set": [values[test]]}
            start = None
            if head.start_ is not None:
                weights = choices.get("sample_weight")
                start = head.rehearsed(X, y, (train, test), groups=groups, weights=weights)
            if start is not None:
                own |= {"base_margin": start[0], "base_margin_eval_set": start[1:]}
            fit(_safe_indexing(X, train), y[train], **choices | own)
            if start is not None and head.eval_metric is None:
                weights = own.get("sample_weight_eval_set", [None])[0]
                if loss_of(start[1], y[test], weights, regression=regression) <= float(head.best_score):
                    return 0
            return int(head.best_iteration) + 1
    return None if head.n_estimators is None else int(head.n_estimators)


@contextmanager
def _set(head: XGBModel, **values: Any) -> Iterator[None]:
    """Give parameters other values for a while."""
    before = {name: getattr(head, name) for name in values}
    for name, value in values.items():
        setattr(head, name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(head, name, value)


def _threads(numbers: int) -> int:
    """Tell how many threads pay: one that others wait for while it does not run costs more than it brings."""
    allowed = threads_allowed("openmp")
    if numbers <= _ALONE or allowed < 2:
        return 1
    idle: float = psutil.cpu_count() * (1 - psutil.cpu_percent(interval=0.1) / 100)
    return max(1, min(allowed, round(idle)))


def _goes_without_bins(head: XGBModel, X: Any) -> bool:
    """Tell whether nothing is asked for that XGBoost does with bins only."""
    categories = any("cat" in str(kind).lower() for kind in getattr(X, "dtypes", ()))
    return not categories and all(getattr(head, name) in known for name, known in _BINNED.items())


@cache
def _fastest() -> str:
    """Return ``"cuda:0"`` where XGBoost sees a GPU: asked to train on one, it falls back to the CPU without one."""
    if not xgboost.build_info()["USE_CUDA"]:
        return "cpu"
    with xgboost.config_context(verbosity=0):
        probe = xgboost.train({"device": "cuda"}, xgboost.DMatrix(np.eye(2), [0, 1]), 1)
    return str(json.loads(probe.save_config())["learner"]["generic_param"]["device"])


def _weighted(
    X: Any, y: NDArray[Any], sample_weight: Any, groups: Any, others: dict[str, Any]
) -> tuple[Any, NDArray[Any], Any, dict[str, Any]]:
    """Leave out rows without weight, whose values and classes XGBoost would see; give what `fit` takes besides."""
    weights = weights_of(sample_weight, len(y))
    groups = None if groups is None else groups_of(groups, len(y))
    if weights is None:
        return X, y, groups, others
    if not weights.all():
        kept = np.flatnonzero(weights)
        X, y, weights = _safe_indexing(X, kept), y[kept], weights[kept]
        groups = None if groups is None else groups[kept]
        if others.get("base_margin") is not None:
            others = others | {"base_margin": np.asarray(others["base_margin"])[kept]}
    return X, y, groups, others | {"sample_weight": weights}


def _encode(y: Any, labels: NDArray[Any]) -> NDArray[np.intp]:
    strange = np.setdiff1d(y, labels)
    if len(strange):
        raise InputError(
            f"eval_set has labels that are not in y: {', '.join(map(repr, strange.tolist()))}. "
            "Remove those rows, or add images of those classes to y."
        )
    return np.asarray(np.searchsorted(labels, y))

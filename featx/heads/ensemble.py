"""Heads on parts of the columns, one for each network, whose answers are averaged."""

from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls  # type: ignore[import-untyped] # SciPy has no types
from sklearn.base import BaseEstimator, clone, is_regressor
from sklearn.metrics import accuracy_score, r2_score
from sklearn.utils import Tags, get_tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, validate_data

from featx.errors import InputError
from featx.heads.checks import groups_of, labels_of, numbers_of, unlabelled_rows, weights_of
from featx.heads.inner_folds import inner_folds
from featx.heads.routing import check_takes_unlabelled, routed
from featx.heads.targets import classes_in
from featx.text import quoted

_STEPS = 200
_LEAST = 1e-12


def _answers_with_classes(ensemble: Any) -> bool:
    return not is_regressor(ensemble.head)


class EnsembleHead(BaseEstimator):  # type: ignore[misc] # scikit-learn has no types
    """A head for each part of the columns, whose answers are averaged, weighted by how good they are.

    The parts are those of several networks side by side. The weights are chosen on answers to images that the heads
    were not fitted to: those under which the true labels are the most probable, or for numbers the squared error is
    the smallest. Each head is then fitted to all images.

    Parameters
    ----------
    head
        An estimator; a clone is fitted to each part. A classifier has to give probabilities.
    widths
        How many columns each part has, in their order.
    cv
        How many folds, or a scikit-learn splitter. With a number, the images of each class are dealt to the folds in
        turn, so a class may have fewer images than there are folds.

    Attributes
    ----------
    heads_ : list of estimators
        One for each part.
    weights_ : ndarray of shape (parts,)
        What each one's answers count for; their sum is 1.
    classes_ : ndarray of shape (n_classes,)
        The labels; for multi-label targets, the numbers of their columns. Not there for numbers.
    n_features_in_ : int
        Columns seen in `fit`.

    References
    ----------
    Wolpert, *Stacked generalization*, Neural Networks 1992; Breiman, *Stacked regressions*, Machine Learning 1996, for
    weights of at least 0; van der Laan, Polley & Hubbard, *Super learner*, 2007, for averages of probabilities.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from featx.heads import make_head
    >>> X, y = load_digits(return_X_y=True)
    >>> noise = np.random.default_rng(0).normal(size=(len(X), 20))
    >>> head = EnsembleHead(make_head("logistic"), (64, 20)).fit(np.hstack([X, noise])[:300], y[:300])
    >>> bool(head.weights_[0] > 0.9), bool(head.score(np.hstack([X, noise])[300:], y[300:]) > 0.85)
    (True, True)
    """

    def __init__(self, head: Any, widths: Sequence[int], *, cv: Any = 5) -> None:
        self.head = head
        self.widths = widths
        self.cv = cv

    __metadata_request__fit: ClassVar = {"groups": True, "unlabelled": True}

    def fit(
        self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None, unlabelled: Any = None
    ) -> Self:
        """Fit a head to each part, and choose the weights.

        Parameters
        ----------
        X : array of shape (n, d)
            Embeddings of all networks, side by side.
        y : array of shape (n,) or (n, k)
            Classes of any type, columns of 0 and 1, or numbers.
        sample_weight : array of shape (n,)
            What each image counts for; 0 is as if it were not there.
        groups : array of shape (n,)
            What each image shares with others. Images of one group are never on both sides of a fold.
        unlabelled : array of shape (m, d)
            Embeddings of other images, of which the heads learn their scales.

        Raises
        ------
        ValueError
            If `X` or `y` contains NaN, their lengths differ, there is only one class, the columns are not as many as
            `widths` says, the head gives no probabilities, or it learns nothing from unlabelled images.
        """
        regression = is_regressor(self.head)
        if not regression and not hasattr(self.head, "predict_proba"):
            raise InputError(
                f"{type(self.head).__name__} gives no probabilities, and the mean is one of these. Take 'logistic' or "
                "another head that does."
            )
        y = numbers_of(y) if regression else labels_of(y)
        X, y = validate_data(
            self, X, y, dtype=[np.float64, np.float32], multi_output=True, ensure_min_samples=2
        )
        if sum(self.widths) != X.shape[1]:
            raise InputError(
                f"widths={quoted(list(self.widths))}, and X has {X.shape[1]} columns: give the width of each part, "
                "which add up to that."
            )
        weights = weights_of(sample_weight, len(y))
        kept = np.arange(len(y)) if weights is None else np.flatnonzero(weights)
        if not regression:
            self.classes_ = np.asarray(classes_in(y[kept]).classes)
        others: list[dict[str, Any]] = [{} for _ in self.widths]
        if unlabelled is not None:
            check_takes_unlabelled(self.head)
            rows_beside = self._parts(unlabelled_rows(unlabelled, X.shape[1], X.dtype))
            others = [{"unlabelled": part} for part in rows_beside]
        told = {"sample_weight": weights, "groups": None if groups is None else groups_of(groups, len(y))}

        def fitted(rows: NDArray[np.intp]) -> list[Any]:
            given = {name: None if values is None else values[rows] for name, values in told.items()}
            return [
                clone(self.head).fit(part, y[rows], **routed(self.head, **given), **beside)
                for part, beside in zip(self._parts(X[rows]), others, strict=True)
            ]

        chances, counts = [], []
        for train, test in inner_folds(X, y, self.cv, groups=groups, kept=kept, regression=regression):
            if regression or y.ndim == 2 or len(np.unique(y[kept[train]])) > 1:
                rows = kept[test]
                found = self._answers(fitted(kept[train]), X[rows])
                chances.append(found - y[rows] if regression else self._chances(found, y[rows]))
                counts.append(np.ones(len(rows)) if weights is None else weights[rows])
        self.heads_ = fitted(kept)
        self.weights_ = np.full(len(self.heads_), 1 / len(self.heads_))
        if chances:
            joined, each = np.concatenate(chances, axis=1), np.concatenate(counts)
            self.weights_ = (for_errors if regression else _for_chances)(joined, each)
        return self

    def predict(self, X: Any) -> NDArray[Any]:
        """Answer with labels, columns of 0 and 1, or numbers, of the shape that `y` had."""
        found = self._mean(X)
        if is_regressor(self.head):
            return found
        if self.heads_[0].predict(self._parts(X)[0][:1]).ndim == 2:
            return (found > 0.5).astype(int)
        return np.asarray(self.classes_[found.argmax(axis=1)])

    @available_if(_answers_with_classes)  # type: ignore[untyped-decorator] # scikit-learn has no types
    def predict_proba(self, X: Any) -> NDArray[Any]:
        """Give the weighted mean of the heads' probabilities, (n, classes), or (n, labels) of several labels."""
        return self._mean(X)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Give the accuracy, or R², of the predictions for `X`, each image weighted by `sample_weight` (n,)."""
        score = r2_score if is_regressor(self.head) else accuracy_score
        return float(score(y, self.predict(X), sample_weight=sample_weight))

    def _mean(self, X: Any) -> NDArray[Any]:
        check_is_fitted(self)
        X = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        return np.asarray(np.tensordot(self.weights_, self._answers(self.heads_, X), 1))

    def _parts(self, X: NDArray[Any]) -> list[NDArray[Any]]:
        return np.split(X, np.cumsum(self.widths)[:-1], axis=1)

    def _answers(self, heads: Sequence[Any], X: NDArray[Any]) -> NDArray[Any]:
        """Give each head's numbers, (heads, n) or (heads, n, k), or probabilities, (heads, n, classes or labels)."""
        pairs = list(zip(heads, self._parts(X), strict=True))
        if is_regressor(self.head):
            return np.array([head.predict(part) for head, part in pairs])
        found = np.zeros((len(heads), len(X), len(self.classes_)))
        for own, (head, part) in zip(found, pairs, strict=True):
            own[:, np.searchsorted(self.classes_, head.classes_)] = head.predict_proba(part)
        return found

    def _chances(self, found: NDArray[Any], y: NDArray[Any]) -> NDArray[Any]:
        """Give the probability that each head had for what is true: (heads, n), or (heads, n, labels)."""
        if y.ndim == 2:
            return np.where(y.astype(bool), found, 1 - found)
        right = np.searchsorted(self.classes_, y)[None, :, None]
        return np.asarray(np.take_along_axis(found, right, axis=2)[..., 0])

    def __sklearn_tags__(self) -> Tags:
        tags, own = super().__sklearn_tags__(), get_tags(self.head)
        tags.estimator_type, tags.target_tags = own.estimator_type, own.target_tags
        tags.classifier_tags, tags.regressor_tags = own.classifier_tags, own.regressor_tags
        return tags


def _for_chances(chances: NDArray[Any], counts: NDArray[Any]) -> NDArray[Any]:
    """Give the weights of a mixture under which the truth is the most probable: by EM, since that keeps them positive.

    Examples
    --------
    >>> _for_chances(np.array([[0.9, 0.8, 0.9], [0.1, 0.2, 0.1]]), np.ones(3)).round(3).tolist()
    [1.0, 0.0]
    """
    chances = np.maximum(chances, _LEAST).reshape(len(chances), -1)
    counts = np.repeat(counts, chances.shape[1] // len(counts))
    weights = np.full(len(chances), 1 / len(chances))
    for _ in range(_STEPS):
        shares = weights[:, None] * chances
        weights = (shares / shares.sum(axis=0)) @ counts / counts.sum()
    return np.asarray(weights)


def for_errors(errors: NDArray[Any], counts: NDArray[Any]) -> NDArray[Any]:
    """Give the weights, of at least 0 and with the sum of 1, under which errors (heads, n) or (heads, n, k) are least.

    Examples
    --------
    >>> for_errors(np.array([[1.0, -1.0], [-1.0, 1.0]]), np.ones(2)).round(3).tolist()
    [0.5, 0.5]
    """
    counts = np.sqrt(np.repeat(counts, errors[0].size // len(counts)))
    rows = (errors.reshape(len(errors), -1) * counts).T
    firmly = 1e4 * max(1.0, float(np.abs(rows).max())) * np.sqrt(len(rows))
    weights, _ = nnls(np.vstack([rows, np.full(len(errors), firmly)]), np.append(np.zeros(len(rows)), firmly))
    return np.asarray(weights / weights.sum())

"""Ridge regressions on many choices of the columns, whose answers are averaged: one linear map, in closed form."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, validate_data

from featx.errors import InputError
from featx.heads.blas import ignore_flags
from featx.heads.checks import groups_of, labels_of, numbers_of, weights_of
from featx.heads.inner_folds import inner_folds
from featx.heads.mixing import mixture, sharpness, standardised
from featx.heads.ridge import ROUNDS, compare, ridge_map
from featx.heads.scaler import SteadyScaler
from featx.heads.targets import Target, classes_in
from featx.text import quoted

HELD = 4
"""Of more images than the choices are compared on, one in so many is held out to see how sure answers may be."""


class _Blend(BaseEstimator):  # type: ignore[misc] # scikit-learn has no types
    """What `BlendHead` and `BlendRegressorHead` share; the first documents it."""

    def __init__(
        self,
        widths: Sequence[int],
        choices: Sequence[Sequence[int]],
        *,
        shares: Sequence[float] | None = None,
        penalties: Sequence[float] | None = None,
        sharpness: float | None = None,
        cv: Any = 5,
    ) -> None:
        self.widths = widths
        self.choices = choices
        self.shares = shares
        self.penalties = penalties
        self.sharpness = sharpness
        self.cv = cv

    __metadata_request__fit: ClassVar = {"groups": True}

    def _fit(
        self, X: NDArray[Any], y: NDArray[Any], Y: NDArray[Any], target: Target | None, told: Any
    ) -> None:
        """Find what was not given, and the mean map to `Y` (n, k), which is 1 and -1 where there is a target."""
        sample_weight, groups = told
        weights = np.ones(len(y)) if sample_weight is None else sample_weight
        if sum(self.widths) != X.shape[1]:
            raise InputError(
                f"widths={quoted(list(self.widths))}, and X has {X.shape[1]} columns: give the width of each block, "
                "which add up to that."
            )
        blocks = dict(enumerate(np.split(X, np.cumsum(self.widths)[:-1], axis=1)))
        folds = inner_folds(X, y, self.cv, groups=groups, regression=target is None)
        mixed = None
        self.shares_: Sequence[float]
        self.penalties_: Sequence[float]
        if self.shares is not None and self.penalties is not None:
            self.shares_, self.penalties_ = self.shares, self.penalties
        else:
            named = {str(number): choice for number, choice in enumerate(self.choices)}
            mixed = mixture(compare(blocks, named, Y, folds, weights), Y, weights)
            self.shares_ = [mixed.shares.get(name, 0.0) for name in named]
            self.penalties_ = [mixed.penalties.get(name, np.nan) for name in named]
        scaled, scales, means = _scaled(blocks, sample_weight)
        if target is not None:
            self.sharpness_ = 1.0 if self.sharpness is None else self.sharpness
            if self.sharpness is None and folds:
                if mixed is not None and len(y) <= ROUNDS[-1][0]:
                    rows, scores = mixed.rows, mixed.found
                else:
                    train, rows = inner_folds(X, y, HELD, groups=groups)[0]
                    coef, constant = self._map(scaled[train], Y[train], weights[train])
                    scores = scaled[rows] @ coef + constant
                self.sharpness_ = sharpness(target, Y[rows] > 0, scores, weights[rows])
        coef, constant = self._map(scaled, Y, weights)
        coef = coef / scales[:, None]
        self.coef_, self.intercept_ = coef.T, constant - means @ coef

    def _map(
        self, scaled: NDArray[Any], Y: NDArray[Any], weights: NDArray[Any]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Give the mean of the maps of the choices that count: coefficients (d, k) and constants (k,)."""
        edges = np.cumsum([0, *self.widths])
        coef, constant = np.zeros((scaled.shape[1], Y.shape[1])), np.zeros(Y.shape[1])
        for choice, share, penalty in zip(self.choices, self.shares_, self.penalties_, strict=True):
            if share:
                columns = np.concatenate([np.arange(edges[block], edges[block + 1]) for block in choice])
                own, level = ridge_map(scaled[:, columns], Y, weights, penalty)
                coef[columns] += share * own
                constant += share * level
        return coef, constant

    def _scores(self, X: Any) -> NDArray[Any]:
        check_is_fitted(self)
        X = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        with ignore_flags():
            return np.asarray(X @ self.coef_.T + self.intercept_)


class BlendHead(ClassifierMixin, _Blend):  # type: ignore[misc] # scikit-learn has no types
    """Ridge regression on many choices of the columns, whose answers are averaged; with probabilities.

    Columns come in blocks, such as one for each depth of a network. Every choice of blocks is fitted in folds, in
    closed form, on 1,000 images at most, and the answers to the images held out say what each counts for in the mean:
    the weights of at least 0 under which the squared error is least. A choice that would count for less than a
    twentieth is left out. The others are fitted to all images. The result is one linear map of the embeddings. Its
    scores are logits, sharpened so that the labels of images held out are the most probable.

    Parameters
    ----------
    widths
        How many columns each block has, in their order.
    choices
        For each choice the numbers of its blocks, from 0.
    shares, penalties
        What each choice counts for, and its penalty as a share of the mean square of a row. None: found as above.
    sharpness
        What scores are multiplied with to be logits. None: found on images held out.
    cv
        How many folds, or a scikit-learn splitter. With a number, the images of each class are dealt to the folds in
        turn.

    Attributes
    ----------
    shares_, penalties_ : list of float
        One for each choice; a share of 0 is left out.
    sharpness_ : float
        What scores were multiplied with.
    coef_ : ndarray of shape (n_classes, d), or (1, d) for two classes
        Weights of the columns of the embeddings.
    intercept_ : ndarray of shape (n_classes,), or (1,) for two classes
        What is added to the weighted sums.
    classes_ : ndarray of shape (n_classes,)
        The labels; for multi-label targets the numbers of their columns.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> X, y = load_digits(return_X_y=True)
    >>> head = BlendHead((32, 32), [[0], [1], [0, 1]]).fit(X[:1000], y[:1000])
    >>> bool(head.score(X[1000:], y[1000:]) > 0.85), bool(head.shares_[2] > 0.5)
    (True, True)
    """

    def fit(self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None) -> Self:
        """Find what each choice counts for, unless that is given, and fit them.

        Parameters
        ----------
        X : array of shape (n, d)
            Embeddings, all blocks side by side.
        y : array of shape (n,), or (n, n_labels) of 0 and 1
            Classes of any type.
        sample_weight : array of shape (n,)
            What each image counts for; 0 is as if it were not there.
        groups : array of shape (n,)
            What each image shares with others. Images of one group are never on both sides of a fold.

        Raises
        ------
        ValueError
            If `X` or `y` contains NaN, their lengths differ, there is only one class, or the columns are not as many as
            `widths` says.
        """
        y = labels_of(y)
        X, y = validate_data(self, X, y, dtype=[np.float64, np.float32], multi_output=True)
        X, y, told = _kept(X, y, sample_weight, groups)
        self.target_ = classes_in(y)
        self.classes_ = np.asarray(self.target_.classes)
        self._fit(X, y, np.asarray(2 * self.target_.encode(y) - 1, np.float64), self.target_, told)
        self.coef_, self.intercept_ = self.sharpness_ * self.coef_, self.sharpness_ * self.intercept_
        return self

    def decision_function(self, X: Any) -> NDArray[Any]:
        """Return logits: (n,) of the second of two classes, else (n, n_classes) or (n, n_labels)."""
        scores = self._scores(X)
        return scores.ravel() if self.target_.kind == "binary" else scores

    def predict_proba(self, X: Any) -> NDArray[Any]:
        """Return probabilities: (n, n_classes), whose rows sum to 1, or (n, n_labels), each label by itself."""
        return self.target_.probabilities(self._scores(X))

    def predict(self, X: Any) -> NDArray[Any]:
        """Return classes (n,), or labels (n, n_labels) of 0 and 1."""
        return self.target_.decode(self._scores(X))

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


class BlendRegressorHead(RegressorMixin, _Blend):  # type: ignore[misc] # scikit-learn has no types
    """Ridge regression on many choices of the columns, whose answers are averaged; `BlendHead` for numbers.

    Examples
    --------
    >>> X = np.random.default_rng(0).normal(size=(80, 6))
    >>> head = BlendRegressorHead((3, 3), [[0], [1], [0, 1]]).fit(X, X[:, 0] + X[:, 4])
    >>> bool(head.score(X, X[:, 0] + X[:, 4]) > 0.9)
    True
    """

    def fit(self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None) -> Self:
        """As `BlendHead.fit`, with numbers (n,) or (n, k) for `y`."""
        y = numbers_of(y)
        X, y = validate_data(
            self, X, y, dtype=[np.float64, np.float32], multi_output=True, ensure_min_samples=2
        )
        X, y, told = _kept(X, y, sample_weight, groups)
        self.flat_ = y.ndim == 1
        Y, centre, spread = standardised(y, told[0])
        self._fit(X, y, Y, None, told)
        self.coef_, self.intercept_ = self.coef_ * spread[:, None], self.intercept_ * spread + centre
        return self

    def predict(self, X: Any) -> NDArray[Any]:
        """Return numbers (n,), or (n, k) where `y` had k columns."""
        found = self._scores(X)
        return found.ravel() if self.flat_ else found

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


def _kept(X: NDArray[Any], y: NDArray[Any], sample_weight: Any, groups: Any) -> tuple[Any, Any, Any]:
    """Leave out images that count for nothing; return the others with their weights and groups."""
    weights = weights_of(sample_weight, len(y))
    groups = None if groups is None else groups_of(groups, len(y))
    if weights is None or weights.all():
        return X, y, (weights, groups)
    kept = np.flatnonzero(weights)
    return X[kept], y[kept], (weights[kept], None if groups is None else groups[kept])


def _scaled(
    blocks: Mapping[int, NDArray[Any]], weights: NDArray[Any] | None
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Standardise each block by itself, as where they are compared; return them, what divides, and the means."""
    scalers = [SteadyScaler().fit(block, sample_weight=weights) for block in blocks.values()]
    scaled = [scaler.transform(block) for scaler, block in zip(scalers, blocks.values(), strict=True)]
    scales = np.concatenate([scaler.scale_ for scaler in scalers])
    return np.concatenate(scaled, axis=1), scales, np.concatenate([scaler.mean_ for scaler in scalers])

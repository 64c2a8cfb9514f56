"""Selecting the columns of embeddings that matter for a target."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, softmax  # type: ignore[import-untyped] # SciPy has no types
from sklearn.base import BaseEstimator
from sklearn.feature_selection import SelectorMixin
from sklearn.linear_model import RidgeCV
from sklearn.utils import Tags
from sklearn.utils.parallel import Parallel, delayed  # joblib's, which keep scikit-learn's settings
from sklearn.utils.validation import check_is_fitted, validate_data
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped] # it has no types

from featx.errors import InputError
from featx.heads.blas import ignore_flags, threads_allowed
from featx.heads.checks import labels_of, numbers_of, weights_of
from featx.heads.inner_folds import Fold, inner_folds
from featx.heads.scaler import SteadyScaler
from featx.heads.targets import Target, classes_in, numbers_in
from featx.text import quoted

_STEPS = 100
_SIDE_BY_SIDE = 1 << 28
"""Bytes of embeddings up to which folds are compared side by side."""
_ACTIVATIONS: dict[str, tuple[Callable[[NDArray[Any]], NDArray[Any]], float]] = {
    "linear": (lambda scores: scores, 1.0),
    "sigmoid": (expit, 0.25),
    "softmax": (partial(softmax, axis=1), 0.5),
}
"""Each activation with its greatest slope (for softmax: Böhning, Ann. Inst. Statist. Math. 1992)."""


class RelevanceSelector(SelectorMixin, BaseEstimator):  # type: ignore[misc] # scikit-learn has no types
    """Keep the most relevant columns, and choose by cross-validation how many.

    All depths of a network together have many columns, and the useful ones are spread over the depths. A linear model
    of all columns is fitted under a penalty on the length of each column's weights (the group lasso), which leaves long
    weights to few columns. That length is a column's relevance, and the most relevant columns are kept, for any head.

    Parameters
    ----------
    fraction
        Share of the columns to keep, above 0 and up to 1; or several to choose from.
    strength
        Strength of the penalty, as a share of the one at which no column has any weight. It matters little, since
        only the order of the columns counts.
    cv
        How many folds, to compare several fractions, or a scikit-learn splitter. With a number, the images of each
        class, or numbers in their order, are dealt to the folds in turn. In each, the relevance comes from the other
        folds, and ridge regression on the kept columns is judged by its squared error.
    regression
        Whether `y` holds numbers, not classes.

    Attributes
    ----------
    relevance_ : ndarray of shape (d,)
        Relevance of each column, 0 or more.
    fraction_ : float
        The fraction chosen.
    errors_ : dict
        Held-out mean squared error for each of several fractions; classes count as columns of 0 and 1. Not there
        where `fraction` is one number.
    n_features_in_ : int
        Columns seen in `fit`.

    References
    ----------
    Evci, Dumoulin, Larochelle & Mozer, *Head2Toe: Utilizing Intermediate Representations for Better Transfer
    Learning*, ICML 2022: features of all layers, relevance by group lasso, a fraction of them, a linear head. Here
    the columns are standardised first, and the penalised model is solved by FISTA (Beck & Teboulle, SIAM J. Imaging
    Sciences 2009).

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.pipeline import make_pipeline
    >>> from featx import make_head
    >>> X, y = load_digits(return_X_y=True)
    >>> noisy = np.hstack([X, np.random.default_rng(0).normal(size=(len(X), 436))])
    >>> pipe = make_pipeline(RelevanceSelector([0.1, 1.0]), make_head("svm")).fit(noisy[:600], y[:600])
    >>> pipe[0].fraction_, bool(pipe[0].get_support()[:64].sum() > 40)  # of the 50 columns kept
    (0.1, True)
    >>> bool(pipe.score(noisy[600:], y[600:]) > pipe[1:].fit(noisy[:600], y[:600]).score(noisy[600:], y[600:]) + 0.03)
    True
    """

    def __init__(
        self,
        fraction: float | Sequence[float] = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0),
        *,
        strength: float = 0.1,
        cv: Any = 3,
        regression: bool = False,
    ) -> None:
        self.fraction = fraction
        self.strength = strength
        self.cv = cv
        self.regression = regression

    __metadata_request__fit: ClassVar = {"groups": True}

    def fit(self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None) -> Self:
        """Compute the relevance of each column, and choose how many to keep.

        Parameters
        ----------
        X : array of shape (n, d)
            Embeddings.
        y : array of shape (n,) or (n, k)
            Classes of any type, columns of 0 and 1, or with ``regression=True`` numbers.
        sample_weight : array of shape (n,)
            What each image counts for; 0 is as if it were not there.
        groups : array of shape (n,)
            What each image shares with others. Images of one group are never on both sides of a fold.

        Raises
        ------
        ValueError
            If `X` or `y` contains NaN, their lengths differ, or there is only one class.
        """
        fractions = sorted(map(float, np.atleast_1d(self.fraction)))
        if not fractions or fractions[0] <= 0 or fractions[-1] > 1:
            raise InputError(
                f"fraction={quoted(self.fraction)}: give shares of the columns, above 0 and up to 1."
            )
        if not 0 < self.strength < 1:
            raise InputError(f"strength={quoted(self.strength)}: give a number between 0 and 1.")
        y = numbers_of(y) if self.regression else labels_of(y)
        X, y = validate_data(
            self, X, y, dtype=[np.float64, np.float32], multi_output=True, ensure_min_samples=2
        )
        weights = weights_of(sample_weight, len(y))
        several = len(fractions) > 1
        kept = None if weights is None else np.flatnonzero(weights)
        folds = (
            inner_folds(X, y, self.cv, groups=groups, kept=kept, regression=self.regression)
            if several
            else []
        )
        if weights is not None:
            X, y, weights = X[kept], y[kept], weights[kept]
        target = numbers_in(y, weights) if self.regression else classes_in(y)
        truth = target.encode(y)
        told = partial(_errors, X, truth, target, fractions, strength=self.strength, weights=weights)
        tasks = [delayed(told)(fold) for fold in folds]
        tasks += [delayed(_relevance)(X, truth, target, self.strength, weights)]
        # side by side, each on one core, these keep all cores busy, which one eigenvalue problem does not; but each
        # has a table of its own
        threads = threads_allowed("blas") if several and X.nbytes <= _SIDE_BY_SIDE else 1
        with threadpool_limits(1 if threads > 1 else None, user_api="blas"):
            *errors, self.relevance_ = Parallel(n_jobs=threads, prefer="threads")(tasks)
        self.fraction_ = fractions[0]
        if several:
            self.errors_ = dict(zip(fractions, np.mean(errors, axis=0).tolist(), strict=True))
            self.fraction_ = min(self.errors_, key=lambda fraction: (self.errors_[fraction], fraction))
        return self

    def _get_support_mask(self) -> NDArray[np.bool_]:
        check_is_fitted(self)
        mask = np.zeros(len(self.relevance_), bool)
        order = np.argsort(-self.relevance_, kind="stable")
        mask[order[: _count(self.fraction_, len(order))]] = True
        return mask

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags


def _errors(
    X: NDArray[Any],
    truth: NDArray[Any],
    target: Target,
    fractions: Sequence[float],
    fold: Fold,
    *,
    strength: float,
    weights: NDArray[Any] | None,
) -> list[float]:
    """Return the mean squared error of each fraction on the held-out rows of one fold."""
    train, test = fold
    learned, judged = (None, None) if weights is None else (weights[train], weights[test])
    found = []
    with ignore_flags():
        scaler = SteadyScaler().fit(X[train], sample_weight=learned)
        seen, unseen = scaler.transform(X[train]), scaler.transform(X[test])
        order = np.argsort(-relevance(seen, truth[train], target, strength, learned), kind="stable")
        for fraction in fractions:
            kept = order[: _count(fraction, len(order))]
            ridge = RidgeCV(len(kept) * np.logspace(-3, 3, 7))
            ridge.fit(seen[:, kept], truth[train], sample_weight=learned)
            guessed = ridge.predict(unseen[:, kept]).reshape(len(test), -1)
            each = ((guessed - truth[test]) ** 2).mean(axis=1)
            found.append(float(np.average(each, weights=judged)))
    return found


def _relevance(
    X: NDArray[Any], truth: NDArray[Any], target: Target, strength: float, weights: NDArray[Any] | None
) -> NDArray[Any]:
    """Return the relevance of each column of embeddings as they are."""
    with ignore_flags():
        Z = SteadyScaler().fit(X, sample_weight=weights).transform(X)
        return relevance(Z, truth, target, strength, weights)


def _count(fraction: float, columns: int) -> int:
    return max(1, round(fraction * columns))


def relevance(
    Z: NDArray[Any], truth: NDArray[Any], target: Target, strength: float, weights: NDArray[Any] | None = None
) -> NDArray[Any]:
    """Return the length of each column's weights under a group lasso, just before the penalty shortens it.

    With the loss f of the weights W (d, k), averaged over the images, the penalised model minimises f(W) + s * the sum
    of the lengths of W's rows. A step of FISTA moves W down the gradient of f and then shortens every row by s times
    the step size. The lengths before that also rank the columns whose weights end up as 0: by how nearly they were
    used.

    Parameters
    ----------
    Z
        Standardised columns, (n, d).
    truth
        `target.encode(y)`, (n, k).
    target
        Decides the loss: squared error or cross-entropy.
    strength
        s, as a share of the value at which all weights are 0.
    weights
        What each image counts for, (n,); None: all the same.

    Returns
    -------
    array of shape (d,)
    """
    n, d = Z.shape
    truth = truth.astype(Z.dtype)
    activate, curvature = _ACTIVATIONS[target.activation]
    share = None if weights is None else (weights / weights.mean()).astype(Z.dtype)[:, None]
    base = np.average(truth, axis=0, weights=weights).astype(Z.dtype)
    intercept = _scores_of(base, target.activation)
    least = (
        np.linalg.norm(Z.T @ _weighed(base - truth, share), axis=1).max() / n
    )  # the least penalty that keeps all weights at 0
    rate = n / (curvature * _largest_eigenvalue(Z if share is None else Z * np.sqrt(share)))
    cut = float(rate * strength * least)

    weights = ahead = np.zeros((d, truth.shape[1]), Z.dtype)
    lengths = np.zeros(d, Z.dtype)
    pace = 1.0
    for _ in range(_STEPS):
        moved = ahead - (rate / n) * (Z.T @ _weighed(activate(Z @ ahead + intercept) - truth, share))
        lengths = np.linalg.norm(moved, axis=1)
        shortened = moved * np.maximum(1 - cut / np.maximum(lengths, np.finfo(Z.dtype).tiny), 0)[:, None]
        faster = (1 + (1 + 4 * pace**2) ** 0.5) / 2
        ahead = shortened + ((pace - 1) / faster) * (shortened - weights)
        weights, pace = shortened, faster
    return np.asarray(lengths)


def _weighed(values: NDArray[Any], share: NDArray[Any] | None) -> NDArray[Any]:
    return values if share is None else values * share


def _scores_of(base: NDArray[Any], activation: str) -> NDArray[Any]:
    """Return the scores that every image has while no column has any weight."""
    if activation == "linear":
        return base
    inside = base.clip(1e-6, 1 - 1e-6)
    return np.asarray(np.log(inside) if activation == "softmax" else np.log(inside / (1 - inside)))


def _largest_eigenvalue(Z: NDArray[Any]) -> float:
    """Bound the largest eigenvalue of Z.T @ Z by power iteration, plus a twentieth, since that comes from below."""
    vector = np.random.default_rng(0).normal(size=(Z.shape[1],)).astype(Z.dtype)
    for _ in range(20):
        image = Z.T @ (Z @ vector)
        length = float(np.linalg.norm(image))
        if length == 0:  # all columns are constant
            return 1.0
        vector = image / length
    return 1.05 * length

"""Logistic regression for embeddings, which chooses its own penalty."""

import warnings
from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, softmax  # type: ignore[import-untyped] # SciPy has no types
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, validate_data
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped] # it has no types

from featx.heads.blas import ignore_flags
from featx.heads.checks import labels_of, unlabelled_rows, weights_of
from featx.heads.inner_folds import Fold, inner_folds
from featx.heads.path import losses, strengths
from featx.heads.spaces import Space, space_of
from featx.heads.targets import classes_in
from featx.heads.teaching import TAUGHT, Teaching

FEW = 20
"""Images a class below which the scaling is chosen, too; from there on it made no difference (docs/heads.md)."""
MOST = 1000
"""Of more images without labels so many are learned from."""
ALONE = 400
"""The strength where each class has one image, times the columns."""


class LogisticHead(ClassifierMixin, BaseEstimator):  # type: ignore[misc] # scikit-learn has no types
    """Logistic regression on standardised embeddings, with the penalty chosen by cross-validation.

    The strength with the lowest held-out log loss is taken. Where there are fewer than 20 images a class, it also
    decides how columns are scaled: by their own deviations, of which few images say little, or by deviations shrunk
    towards the middle one, as though ten more images had been seen in which all columns vary alike. Where there are
    fewer images than columns, they are first rotated into the space they span: the same problem with as many columns as
    images. The result is one linear map of the embeddings as they are. Of few images more is learned with the help of
    others without labels, given to `fit` as `unlabelled`.

    Parameters
    ----------
    Cs
        Inverse strengths of the L2 penalty to choose from, or how many between 1e-4 and 1e2.
    cv
        How many folds, or a scikit-learn splitter. With a number, the images of each class are dealt to the folds in
        turn, so a class may have fewer images than there are folds.
    class_weight
        As in `sklearn.linear_model.LogisticRegression`: None, ``"balanced"`` or a weight for each label.
    tol, max_iter
        The solver stops at this gradient, or after this many steps for each `C`.
    n_jobs
        How many folds to fit in parallel, each on one core.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels; for multi-label targets, the numbers of their columns.
    coef_ : ndarray of shape (n_classes, d), or (1, d) for two classes
        Weights of the columns of the embeddings.
    intercept_ : ndarray of shape (n_classes,), or (1,) for two classes
        What is added to the weighted sums.
    C_ : ndarray of shape (1,), or (n_labels,) for multi-label targets
        The inverse strength chosen; NaN for a label that every image has, or no image.
    shrunk_ : ndarray of shape (1,), or (n_labels,) for multi-label targets
        Whether the columns were scaled by shrunk deviations.
    taught_ : ndarray of shape (1,), or (n_labels,) for multi-label targets
        Whether images without labels were learned from.
    n_iter_ : int
        Steps the solver took for it; for multi-label targets, the most for any label.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> X, y = load_digits(return_X_y=True)
    >>> head = LogisticHead().fit(X[:600], y[:600])
    >>> bool(head.score(X[600:], y[600:]) > 0.9)
    True
    """

    def __init__(
        self,
        *,
        Cs: int | ArrayLike = 9,
        cv: Any = 5,
        class_weight: Any = None,
        tol: float = 1e-4,
        max_iter: int = 1000,
        n_jobs: int | None = None,
    ) -> None:
        self.Cs = Cs
        self.cv = cv
        self.class_weight = class_weight
        self.tol = tol
        self.max_iter = max_iter
        self.n_jobs = n_jobs

    __metadata_request__fit: ClassVar = {"groups": True, "unlabelled": True}

    def fit(
        self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None, unlabelled: Any = None
    ) -> Self:
        """Choose `C`, then fit.

        Parameters
        ----------
        X : array of shape (n, d)
            Embeddings. float32 stays float32, which is quicker, unless the solver does not converge in it.
        y : array of shape (n,), or of shape (n, n_labels) with 0 and 1
            Classes of any type, or for several labels 1 where an image has one.
        sample_weight : array of shape (n,)
            What each image counts for: 2 is as if it were there twice, 0 as if it were not there.
        groups : array of shape (n,)
            What each image shares with others. Images of one group are never on both sides of a fold.
        unlabelled : array of shape (m, d)
            Embeddings of other images, of which nobody says what they show. Where there are fewer than 20 images a
            class, labels are spread to them from neighbour to neighbour, and they are learned from, too, each as far as
            its label is trusted, unless that answers worse for images held out. Where each class has one image nothing
            can be held out, so they should be of these classes. Of more than 1,000, as many at even distances.

        Raises
        ------
        ValueError
            If `X`, `y` or `unlabelled` contains NaN, lengths differ, there is only one class, or `Cs` or `cv` cannot be
            used.

        Warns
        -----
        ConvergenceWarning
            If the solver does not converge in float64 either.
        """
        y = labels_of(y)
        X, y = validate_data(self, X, y, dtype=[np.float64, np.float32], multi_output=True)
        weights = weights_of(sample_weight, len(y))
        others = None
        if unlabelled is not None:
            others = unlabelled_rows(unlabelled, X.shape[1], X.dtype)
            others = others[:: max(1, -(-len(others) // MOST))]
        kept = None if weights is None else np.flatnonzero(weights)
        folds = inner_folds(X, y, self.cv, groups=groups, kept=kept)
        if weights is not None:
            X, y, weights = X[kept], y[kept], weights[kept]
        self.multilabel_ = classes_in(y).kind == "multilabel"
        Cs = strengths(self.Cs)
        images = len(y) if weights is None else weights.sum()
        few = images < FEW * (2 if self.multilabel_ else len(np.unique(y)))

        # NumPy and SciPy each bring an OpenBLAS with its own threads. The solver calls them in turn, and
        # the idle threads of one keep the cores from the other (docs/heads.md has figures).
        with threadpool_limits(1, user_api="blas"), ignore_flags():
            spaces = [space_of(X, weights, small=small) for small in ((False, True) if few else (False,))]
            beside = None
            if few and others is not None:
                beside = others, space_of(X, weights, others, small=True)
            fits = [
                self._fit_target(X, spaces, target, folds, Cs=Cs, weights=weights, others=beside)
                for target in (y.T if self.multilabel_ else [y])
            ]
            coef, intercept, chosen, self.shrunk_, self.taught_, steps, converged = (
                np.concatenate(parts) for parts in zip(*fits, strict=True)
            )
        if not converged.all():
            warnings.warn(
                f"The logistic head did not converge, not even in float64: max_iter={self.max_iter} steps did not "
                f"reach tol={self.tol}. Its answers may be inexact. Give more steps, a larger tol, or smaller Cs.",
                ConvergenceWarning,
                stacklevel=2,
            )
        # weights of columns around 1e-39 overflow float32
        fits_in = max(np.abs(coef).max(), np.abs(intercept).max()) <= np.finfo(X.dtype).max
        dtype = X.dtype if fits_in else np.float64
        self.coef_, self.intercept_ = coef.astype(dtype), intercept.astype(dtype)
        self.C_ = chosen
        self.n_iter_ = int(steps.max())
        self.classes_ = np.arange(y.shape[1]) if self.multilabel_ else np.unique(y)
        return self

    def _fit_target(
        self,
        X: NDArray[Any],
        spaces: Sequence[Space],
        y: NDArray[Any],
        folds: Sequence[Fold],
        *,
        Cs: NDArray[Any],
        weights: NDArray[Any] | None,
        others: tuple[NDArray[Any], Space] | None,
    ) -> tuple[NDArray[Any], ...]:
        """Fit one target in the best of the scaled spaces, and beside others that have no labels, in theirs.

        Returns coefficients, intercepts, `C`, whether its scale is the shrunk one, whether unlabelled images were
        learned from, steps, and whether it converged.
        """
        n = len(y) if weights is None else weights.sum()
        if self.multilabel_ and y.min() == y.max():
            # there is nothing to learn; the odds are those of n sightings and half a miss
            odds = np.log(2 * n + 1) * (1 if y[0] else -1)
            nothing = np.zeros((1, X.shape[1]))
            return nothing, *map(np.atleast_1d, (odds, np.nan, False, False, 0, True))
        model = LogisticRegression(class_weight=self.class_weight, tol=self.tol, max_iter=self.max_iter)
        if np.unique(y, return_counts=True)[1].max() == 1:  # of single images nothing can be held out
            folds = []
        # each fold is scaled by its own images where that is compared: of few, those held out would tell too much
        told = spaces if len(spaces) == 1 else [(X, one.small) for one in spaces]
        compared = Parallel(n_jobs=self.n_jobs)(
            delayed(_losses)(one, model, Cs, y, fold, weights=weights) for one in told for fold in folds
        )
        found = np.reshape([each for each, _ in compared], (len(spaces), len(folds), len(Cs)))
        which, best = _choose(found)
        if not folds:
            best = _nearest(Cs, ALONE / X.shape[1])
        space = spaces[which]
        map_, steps, good = space.learned(model, Cs[: best + 1], np.arange(len(X)), y, weights)
        good &= all(converged for _, converged in compared)
        taught = False
        if others is not None:
            spread = Cs[[_nearest(Cs, TAUGHT / X.shape[1])]]
            teaching = Teaching(X, y, weights, *others, model, space.small, Cs[: best + 1], spread)
            each = Parallel(n_jobs=self.n_jobs)(delayed(teaching.gains)(fold) for fold in folds)
            gains = np.concatenate([[0.0], *each])
            # a few images held out are no reason to leave hundreds out, unless they are sure
            taught = gains.mean() >= -2 * gains.std() / np.sqrt(len(gains))
            if taught:
                map_, more, well = teaching.taught(map_, np.arange(len(X)))
                steps, good = max(steps, more), good and well
        chosen = map(np.atleast_1d, (Cs[best], space.small, taught, steps, good))
        return *map_, *chosen

    def decision_function(self, X: Any) -> NDArray[Any]:
        """Return scores: (n,) for the second of two classes, else (n, n_classes) or (n, n_labels)."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        with ignore_flags():
            scores: NDArray[Any] = X @ self.coef_.T + self.intercept_
        return scores if self.multilabel_ or len(self.coef_) > 1 else scores.ravel()

    def predict_proba(self, X: Any) -> NDArray[Any]:
        """Return probabilities: (n, n_classes), whose rows sum to 1, or (n, n_labels), each label by itself."""
        scores = self.decision_function(X)
        if self.multilabel_:
            return np.asarray(expit(scores))
        return np.asarray(
            softmax(scores if scores.ndim == 2 else np.column_stack([0 * scores, scores]), axis=1)
        )

    def predict(self, X: Any) -> NDArray[Any]:
        """Return classes (n,), or labels (n, n_labels) of 0 and 1."""
        scores = self.decision_function(X)
        if self.multilabel_:
            return (scores > 0).astype(np.int64)
        return np.asarray(
            self.classes_[scores.argmax(axis=1) if scores.ndim == 2 else (scores > 0).astype(int)]
        )

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


def _losses(
    told: Space | tuple[NDArray[Any], bool],
    model: LogisticRegression,
    Cs: NDArray[Any],
    y: NDArray[Any],
    fold: Fold,
    *,
    weights: NDArray[Any] | None,
) -> tuple[list[float], bool]:
    """Return the losses of a fold in a space, or in that of its own images, given as `X` and `small`."""
    train, _ = fold
    space = told if isinstance(told, Space) else space_of(told[0], weights, None, train, small=told[1])
    return losses(model, Cs, space.Z, y, fold, weights=weights)


def _choose(found: NDArray[Any]) -> tuple[int, int]:
    """Choose a space and a strength by losses (spaces, folds, strengths); the last of spaces that do equally well."""
    mean = found.sum(axis=1)
    best = mean.argmin(axis=1)
    which = min(reversed(range(len(found))), key=lambda space: mean[space, best[space]])
    return which, int(best[which])


def _nearest(Cs: NDArray[Any], C: float) -> int:
    return int(np.abs(np.log(Cs / C)).argmin())

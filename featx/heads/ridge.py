"""Ridge regression in closed form: many choices of columns compared from products of rows, and one fitted to all."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve  # type: ignore[import-untyped] # SciPy has no types
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped] # it has no types

from featx.heads.inner_folds import Fold
from featx.heads.scaler import SteadyScaler

ROUNDS = ((500, 8), (1000, 0))
"""Each round compares on so many images, and leaves so many choices to the next."""
APART = 200
"""Below so many images each fold is standardised by the images that it is fitted to."""
PENALTIES = (0.01, 0.1, 1.0)
"""Of ridge regression, as shares of the mean of the Gram matrix' diagonal; the best of them counts."""
LEAST = 1e-6
"""Of that mean, which is how many columns are not constant; where all are, rounding alone makes no positive matrix."""


class Answers(NamedTuple):
    """What came of a choice of columns."""

    penalty: float
    """The one of `PENALTIES` with the least squared error."""
    rows: NDArray[np.intp]
    """The images that were answered, each by a model that had not learned from it."""
    found: NDArray[np.float64]
    """The answers, (rows, k)."""
    error: float
    """Their mean squared error."""


def compare(
    blocks: Mapping[Any, NDArray[Any]],
    choices: Mapping[str, Sequence[Any]],
    Y: NDArray[np.float64],
    folds: Sequence[Fold],
    weights: NDArray[np.float64],
    *,
    stays: Sequence[str] = (),
    random_state: int | None = 0,
) -> dict[str, Answers]:
    """Answer images that folds hold out by every choice of columns, more images the better a choice is.

    Parameters
    ----------
    blocks
        Columns (n, d) by name.
    choices
        For each which blocks it takes, side by side.
    Y
        What is predicted, (n, k).
    folds
        Rows to fit to and rows to judge by.
    weights
        What each row counts for, (n,).
    stays
        Choices that go through every round, whatever their errors.
    random_state
        Decides which images are left out where there are more than a round compares on.

    Returns
    -------
    dict
        The answers of each choice from its last round, those of least error first; choices that came further stand
        before the others.
    """
    order = np.random.default_rng(random_state).permutation(len(Y))
    left, dropped, found = list(choices), list[str](), dict[str, Answers]()
    for images, kept in ROUNDS:
        rows = np.sort(order[:images])
        within = _within(folds, rows, len(Y))
        used = {key for name in left for key in choices[name]}
        with threadpool_limits(1, user_api="blas"):  # of small matrices several threads make no haste
            # of few images, those held out would tell too much of the scales
            seen = [train for train, _ in within] if len(rows) < APART else [None]
            grams = {key: [gram(blocks[key][rows], train) for train in seen] for key in used}
            for name in left:
                each = [
                    np.sum(some, axis=0) for some in zip(*(grams[key] for key in choices[name]), strict=True)
                ]
                told = ridge_answers(each, Y[rows], within, weights[rows])
                found[name] = told._replace(rows=rows[told.rows])
        left = sorted(left, key=lambda name: found[name].error)
        if images >= len(Y) or not kept:
            break
        dropped = [name for name in left[kept:] if name not in stays] + dropped
        left = [name for name in left if name not in dropped]
    return {name: found[name] for name in left + dropped}


def gram(columns: NDArray[np.float32], seen: NDArray[np.intp] | None = None) -> NDArray[np.float64]:
    """Return the products of the rows of some columns (n, d), standardised by those that are seen, (n, n).

    Columns side by side have the sum of their Gram matrices. So all combinations of blocks of columns are compared
    without putting them side by side.

    Examples
    --------
    >>> columns = np.random.default_rng(0).normal(size=(5, 8)).astype("float32")
    >>> bool(np.allclose(gram(columns), gram(columns[:, :3]) + gram(columns[:, 3:]), atol=1e-5))
    True
    """
    scaler = SteadyScaler().fit(columns if seen is None else columns[seen])
    rows = scaler.transform(columns)
    return np.asarray(rows @ rows.T, np.float64)


def ridge_answers(
    grams: Sequence[NDArray[np.float64]],
    Y: NDArray[np.float64],
    folds: Sequence[Fold],
    weights: NDArray[np.float64],
) -> Answers:
    """Predict the rows that folds hold out, by ridge regression with an intercept.

    Parameters
    ----------
    grams
        The Gram matrix of the columns, (n, n), one for each fold or one for all.
    Y
        What is predicted, (n, k).
    folds
        Rows to fit to and rows to judge by.
    weights
        What each row counts for, (n,).

    Returns
    -------
    Answers
        Fold by fold, by the penalty of least squared error.
    """
    rows = np.concatenate([test for _, test in folds])
    of_folds = grams if len(grams) > 1 else [*grams] * len(folds)
    each = zip(*(_fold(K, Y, fold, weights) for K, fold in zip(of_folds, folds, strict=True)), strict=True)
    counts = weights[rows] if weights[rows].any() else np.ones(len(rows))
    told = []
    for penalty, parts in zip(PENALTIES, each, strict=True):
        found = np.concatenate(parts)
        error = np.average(((found - Y[rows]) ** 2).mean(axis=1), weights=counts)
        told.append(Answers(penalty, rows, found, float(error)))
    return min(told, key=lambda one: one.error)


def ridge_map(
    Z: NDArray[np.float32], Y: NDArray[np.float64], weights: NDArray[np.float64], penalty: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Fit ridge regression with an intercept to standardised columns.

    Parameters
    ----------
    Z
        The columns, (n, d).
    Y
        What is predicted, (n, k).
    weights
        What each row counts for, (n,).
    penalty
        As a share of the mean square of a row about the mean, which is that of the Gram matrix' diagonal.

    Returns
    -------
    tuple of arrays
        Coefficients (d, k) and constants (k,).
    """
    Z, Y, weights = Z[weights > 0], Y[weights > 0], weights[weights > 0]
    share = weights / weights.sum()
    mean, level = share.astype(Z.dtype) @ Z, share @ Y
    Z = Z - mean
    strength = penalty * max(float(np.square(Z, dtype=np.float64).sum()) / len(Z), LEAST)
    root = np.sqrt(share * len(Z))[:, None]
    Z, target = Z * root.astype(Z.dtype), (Y - level) * root
    wide = Z.shape[1] > len(Z)
    S = np.asarray(Z @ Z.T if wide else Z.T @ Z, np.float64)
    S[np.diag_indices(len(S))] += strength
    factor = cho_factor(S, overwrite_a=True, check_finite=False)
    coef = Z.T @ cho_solve(factor, target, check_finite=False) if wide else cho_solve(factor, Z.T @ target)
    return np.asarray(coef, np.float64), np.asarray(level - mean @ coef, np.float64)


def _fold(
    K: NDArray[np.float64], Y: NDArray[np.float64], fold: Fold, weights: NDArray[np.float64]
) -> list[NDArray[np.float64]]:
    """Return the answers to the rows of a fold, for each penalty."""
    train, test = fold
    train = train[weights[train] > 0]
    share = weights[train] / weights[train].sum()
    inner, across = K[np.ix_(train, train)], K[np.ix_(test, train)]
    mean, level = inner @ share, share @ Y[train]
    grand = float(share @ mean)
    inner = inner - mean - mean[:, None] + grand
    across = across - mean - (across @ share)[:, None] + grand
    size = max(float(inner.trace()) / len(train), LEAST)
    found = []
    for penalty in PENALTIES:
        ridge = inner + np.diag(penalty * size / (share * len(train)))
        factor = cho_factor(ridge, overwrite_a=True, check_finite=False)
        found.append(across @ cho_solve(factor, Y[train] - level, check_finite=False) + level)
    return found


def _within(folds: Sequence[Fold], rows: NDArray[np.intp], count: int) -> list[Fold]:
    """Give folds of some rows, numbered among them; without folds of which one side is empty."""
    place = np.full(count, -1)
    place[rows] = np.arange(len(rows))
    found = [(place[train], place[test]) for train, test in folds]
    found = [(train[train >= 0], test[test >= 0]) for train, test in found]
    return [(train, test) for train, test in found if len(train) and len(test)]

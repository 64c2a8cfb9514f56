"""Comparing many choices of columns in closed form: ridge regression from sums of Gram matrices."""

from collections.abc import Hashable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve  # type: ignore[import-untyped] # SciPy has no types
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped] # it has no types

from featx.heads.inner_folds import Fold
from featx.heads.scaler import SteadyScaler
from featx.transfer.judging import Judge, Verdict

ROUNDS = ((500, 8), (1000, 4))
"""Each round compares on so many images, and leaves so many candidates to the next."""
PENALTIES = (0.01, 0.1, 1.0)
"""Of ridge regression, as shares of the mean of the Gram matrix' diagonal; the best of them counts."""


LEAST = 1e-6
"""Of that mean, which is how many columns are not constant; where all are, rounding alone makes no positive matrix."""


def sieve(
    blocks: Mapping[Hashable, NDArray[np.float32]],
    candidates: Mapping[str, Sequence[Hashable]],
    judge: Judge,
    *,
    stays: str,
    random_state: int | None = 0,
) -> dict[str, Verdict]:
    """Score candidates by ridge regression, on more images the better they are.

    Parameters
    ----------
    blocks
        Columns (n, d) by name.
    candidates
        For each which blocks it takes, side by side.
    judge
        Has the targets and the folds.
    stays
        The candidate that goes through every round, to be compared with.
    random_state
        Decides which images are left out where there are more than a round compares on.

    Returns
    -------
    dict
        The verdict on each from its last round, the best first; those that came further stand before the others.
    """
    order = np.random.default_rng(random_state).permutation(judge.count)
    left, dropped, found = list(candidates), list[str](), dict[str, Verdict]()
    for images, kept in ROUNDS:
        rows = np.sort(order[:images])
        folds = _within(judge.folds, rows, judge.count)
        used = {key for name in left for key in candidates[name]}
        with threadpool_limits(1, user_api="blas"):  # of small matrices several threads make no haste
            grams = {key: gram(blocks[key][rows]) for key in used}
            for name in left:
                K = np.sum([grams[key] for key in candidates[name]], axis=0)
                answers = ridge_answers(K, judge.encoded[rows], folds, judge.weights[rows])
                found[name] = judge.of_answers(answers, rows[np.concatenate([test for _, test in folds])])
        left = sorted(left, key=lambda name: -found[name].mean)
        if images >= judge.count:
            break
        dropped = [name for name in left[kept:] if name != stays] + dropped
        left = [name for name in left if name not in dropped]
    return {name: found[name] for name in left + dropped}


def gram(columns: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the products of the rows of some columns (n, d), standardised, (n, n).

    Columns side by side have the sum of their Gram matrices. So all combinations of blocks of columns are compared
    without putting them side by side.

    Examples
    --------
    >>> columns = np.random.default_rng(0).normal(size=(5, 8)).astype("float32")
    >>> bool(np.allclose(gram(columns), gram(columns[:, :3]) + gram(columns[:, 3:]), atol=1e-5))
    True
    """
    rows = SteadyScaler().fit_transform(columns)
    return np.asarray(rows @ rows.T, np.float64)


def ridge_answers(
    K: NDArray[np.float64], Y: NDArray[np.float64], folds: Sequence[Fold], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Predict the rows that folds hold out, by ridge regression with an intercept.

    Parameters
    ----------
    K
        The Gram matrix of the columns, (n, n).
    Y
        What is predicted, (n, k).
    folds
        Rows to fit to and rows to judge by.
    weights
        What each row counts for when it is fitted to, (n,).

    Returns
    -------
    array of shape (tested rows, k)
        Fold by fold, by the penalty of least squared error.
    """
    found = [
        np.concatenate(parts) for parts in zip(*(_fold(K, Y, fold, weights) for fold in folds), strict=True)
    ]
    truth = Y[np.concatenate([test for _, test in folds])]
    return min(found, key=lambda answers: float(((answers - truth) ** 2).mean()))


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

"""The folds on which a head chooses its own settings."""

from collections.abc import Iterator
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import check_cv

from featx.errors import InputError

Fold = tuple[NDArray[np.intp], NDArray[np.intp]]
"""The rows to fit to, and the rows to judge by."""


def check_count(cv: int) -> int:
    """Check a number of folds: two or more."""
    if cv < 2:
        raise InputError(f"cv={cv!r} leaves nothing to compare. Give 2 folds or more, or a splitter.")
    return int(cv)


def inner_folds(X: NDArray[Any], y: NDArray[Any], cv: Any) -> list[Fold]:
    """Split the rows that a head is fitted to.

    Parameters
    ----------
    X : array of shape (n, d)
        Only a splitter reads them.
    y : array of shape (n,) or (n, n_labels)
        Classes, or which labels each row has.
    cv
        How many folds, or a scikit-learn splitter.

    Raises
    ------
    InputError
        If `cv` is a number below 2.
    """
    return list(deal(y, check_count(int(cv))) if isinstance(cv, Integral) else check_cv(cv).split(X, y))


def deal(y: NDArray[Any], count: int) -> Iterator[Fold]:
    """Deal the rows of each class to the folds in turn.

    `StratifiedKFold` warns about classes with fewer rows than folds, or refuses them. Here every row that is judged
    has another of its class to learn from, and the only row of a class is always learned from.
    """
    _, group, sizes = np.unique(y, axis=0 if y.ndim == 2 else None, return_inverse=True, return_counts=True)
    fold = np.empty(len(y), dtype=int)
    fold[np.argsort(group, kind="stable")] = np.arange(len(y)) % count
    alone = sizes[group] == 1
    if y.ndim == 1 and not alone.all():  # rows with a set of labels of their own share the labels with others
        fold[alone] = -1
    for number in np.unique(fold[fold >= 0]):
        yield np.flatnonzero(fold != number), np.flatnonzero(fold == number)

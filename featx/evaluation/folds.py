"""Splitting images into those to fit to and those to judge by."""

from math import ceil
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import KFold, StratifiedKFold, check_cv, train_test_split

from featx.errors import InputError
from featx.heads.checks import check_members
from featx.heads.inner_folds import Fold, check_count


def make_folds(
    y: NDArray[Any], cv: Any = 5, *, regression: bool, seed: int | None = 0, hint: str = ""
) -> list[Fold]:
    """Split images into folds, the same ones for all models that are compared.

    Parameters
    ----------
    y : array of shape (n,) or (n, k)
        Classes, columns of 0 and 1, or numbers. Where each image has one class, the classes are spread evenly.
    cv
        How many folds, or fewer if the smallest class has fewer images; or a scikit-learn splitter, or pairs of rows.
    regression
        Whether `y` holds numbers, not classes.
    seed
        Decides which image falls into which fold.
    hint
        What else a user may do whose class has only one image, such as ``"pass validation=None"``.

    Returns
    -------
    list of pairs of arrays of int
        Rows to fit to, and rows to judge by.

    Raises
    ------
    InputError
        If there are fewer than two images, fewer than two classes, a class with one image, or fewer than two folds.

    Examples
    --------
    >>> [(len(train), len(test)) for train, test in make_folds(np.repeat(["ant", "bee"], 6), 3, regression=False)]
    [(8, 4), (8, 4), (8, 4)]
    """
    blank = np.zeros(len(y))
    if not isinstance(cv, Integral):
        return list(check_cv(cv).split(blank, y))
    count = check_count(int(cv))
    if not _stratified(y, regression=regression):
        _check_rows(y)
        return list(KFold(min(count, len(y)), shuffle=True, random_state=seed).split(blank))
    smallest = check_members(y, hint)
    return list(StratifiedKFold(min(count, smallest), shuffle=True, random_state=seed).split(blank, y))


def hold_out(
    y: NDArray[Any], share: float, *others: Any, regression: bool, seed: int | None = 0, hint: str = ""
) -> list[Any]:
    """Hold out a share of the images, of each class in proportion.

    Parameters
    ----------
    y : array of shape (n,) or (n, k)
        Classes, columns of 0 and 1, or numbers. Numbers are held out evenly over their range, and sets of labels over
        their order.
    share
        Above 0 and below 1. At least one image is held out, and at least as many as there are classes.
    others
        Sequences with one item for each image, to be split in the same way.
    regression, seed, hint
        As for `make_folds`.

    Returns
    -------
    list
        Rows to fit to and rows held out, arrays of int in random order; then the two parts of each of `others`.

    Raises
    ------
    InputError
        If there are fewer than two images, fewer than two classes, or a class with one image; or if `share` is out of
        range.

    Examples
    --------
    >>> train, held = hold_out(np.repeat(["ant", "bee"], 4), 0.25, regression=False)
    >>> len(train), int(sum(held < 4)), int(sum(held >= 4))
    (6, 1, 1)
    """
    if not 0 < share < 1:
        raise InputError(f"{share!r} of the images cannot be held out: give a share above 0 and below 1.")
    n = len(y)
    if _stratified(y, regression=regression):
        check_members(y, hint)
        strata = np.unique(y, return_inverse=True)[1]
    else:
        _check_rows(y)
        strata = _parts(y, max(int(min(share, 1 - share) * n), 1))
    kinds = int(strata.max()) + 1  # train_test_split wants each part to have as many rows as there are kinds
    count = min(max(ceil(share * n), kinds), n - kinds)
    return list(train_test_split(np.arange(n), *others, test_size=count, random_state=seed, stratify=strata))


def _parts(y: NDArray[Any], count: int) -> NDArray[np.intp]:
    """Sort numbers, or sets of labels, and cut them into parts of nearly equal size; return the part of each row.

    `train_test_split` stratifies by classes only, and by none with a single row.
    """
    order = np.argsort(np.unique(y, axis=0, return_inverse=True)[1].ravel(), kind="stable")
    parts = np.empty(len(y), np.intp)
    parts[order] = np.arange(len(y)) * count // len(y)
    return parts


def _stratified(y: NDArray[Any], *, regression: bool) -> bool:
    """Return whether every image has one class."""
    return not regression and y.ndim == 1


def _check_rows(y: NDArray[Any]) -> None:
    if len(y) < 2:
        raise InputError(
            f"y holds {len(y)} sample{'s' * (len(y) != 1)}, but models are judged by images that they were not fitted "
            "to. Give two images or more."
        )

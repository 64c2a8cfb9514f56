"""Splitting images into those to fit to and those to judge by."""

import warnings
from math import ceil
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    StratifiedGroupKFold,
    StratifiedKFold,
    train_test_split,
)
from sklearn.utils import _safe_indexing

from featx.errors import InputError
from featx.heads.checks import check_members, groups_of, numbered
from featx.heads.inner_folds import Fold, check_count, named, splits
from featx.text import quoted


def make_folds(
    y: NDArray[Any],
    cv: Any = 5,
    *,
    regression: bool,
    groups: Any = None,
    random_state: int | None = 0,
    hint: str = "",
) -> list[Fold]:
    """Split images into folds, the same ones for all models that are compared.

    Parameters
    ----------
    y : array of shape (n,) or (n, k)
        Classes, columns of 0 and 1, or numbers. Where each image has one class, the classes are spread evenly.
    cv
        How many folds, or fewer if the smallest class has fewer images (with `groups`: is in fewer groups); or a
        scikit-learn splitter, or pairs of rows. None: 5.
    regression
        Whether `y` holds numbers, not classes.
    groups : array of shape (n,)
        What each image shares with others, such as its patient: images of one group are never on both sides of a fold.
    random_state
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
        If there are fewer than two images, fewer than two classes, a class with one image, or fewer than two folds; if
        a class is in one group only; or if a splitter or pairs leave a side empty, one class to learn from, or images
        of one group, or the same image, on both sides.

    Examples
    --------
    >>> [(len(train), len(test)) for train, test in make_folds(np.repeat(["ant", "bee"], 6), 3, regression=False)]
    [(8, 4), (8, 4), (8, 4)]
    >>> y, patients = np.repeat(["ill", "well"], 6), np.repeat(range(6), 2)
    >>> [sorted(set(patients[test].tolist())) for _, test in make_folds(y, 3, regression=False, groups=patients)]
    [[0, 5], [2, 3], [1, 4]]
    """
    blank = np.zeros(len(y))
    names = None if groups is None else groups_of(groups, len(y))
    stratified = _stratified(y, regression=regression)
    if cv is None or isinstance(cv, Integral):
        count = check_count(5 if cv is None else int(cv))
        limit = check_members(y, hint) if stratified else _check_rows(y)
        if names is not None:
            return _apart(y, count, names, stratified=stratified, random_state=random_state)
        kind = StratifiedKFold if stratified else KFold
        return list(kind(min(count, limit), shuffle=True, random_state=random_state).split(blank, y))
    folds = splits(cv, blank, y, groups)
    if stratified:
        for number, (train, _) in enumerate(folds, 1):
            if len(labels := np.unique(y[train])) < 2:
                raise InputError(
                    f"Fold {number} of {named(cv)} has one class only to learn from, {quoted(labels[0])}. Give folds "
                    "whose images to learn from are of two classes or more, such as those of StratifiedKFold."
                )
    return folds


def _apart(
    y: NDArray[Any],
    count: int,
    groups: NDArray[Any],
    *,
    stratified: bool,
    random_state: int | None,
) -> list[Fold]:
    """Split into folds that keep groups apart."""
    blank, codes = np.zeros(len(y)), numbered(groups)
    total = int(codes.max()) + 1
    if total < 2:
        raise InputError(
            f"All images are of one group, {quoted(groups[0])}, but models are judged by groups that they "
            "were not fitted to. Give two groups or more."
        )
    if not stratified:
        splitter = GroupKFold(min(count, total), shuffle=True, random_state=random_state)
        return list(splitter.split(blank, y, codes))
    labels, kinds = np.unique(y, return_inverse=True)
    spread = np.bincount(np.unique(kinds * total + codes) // total)
    rarest = int(spread.argmin())
    if spread[rarest] < 2:
        group = groups[np.flatnonzero(kinds == rarest)[0]]
        raise InputError(
            f"The class {quoted(labels[rarest])} is in one group only, {quoted(group)}, but it takes one group to "
            "learn from and one to judge by. Give images of two groups or more of each class."
        )
    splitter = StratifiedGroupKFold(min(count, int(spread[rarest])), shuffle=True, random_state=random_state)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The least populated class")
        found = [fold for fold in splitter.split(blank, y, codes) if len(fold[0]) and len(fold[1])]
    return [(np.asarray(train), np.asarray(test)) for train, test in found]


def hold_out(
    y: NDArray[Any], share: float, *others: Any, regression: bool, groups: Any = None, random_state: int | None = 0,
    hint: str = "",
) -> list[Any]:  # fmt: skip
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
    regression, groups, random_state, hint
        As for `make_folds`. With `groups` whole groups are held out, which is about the share.

    Returns
    -------
    list
        Rows to fit to and rows held out, arrays of int; then the two parts of each of `others`.

    Raises
    ------
    InputError
        If there are fewer than two images, fewer than two classes, or a class with one image; if `share` is out of
        range; or if groups cannot be held out without all images of a class.

    Examples
    --------
    >>> train, held = hold_out(np.repeat(["ant", "bee"], 4), 0.25, regression=False)
    >>> len(train), int(sum(held < 4)), int(sum(held >= 4))
    (6, 1, 1)
    """
    if not 0 < share < 1:
        raise InputError(
            f"{quoted(share)} of the images cannot be held out: give a share above 0 and below 1."
        )
    n = len(y)
    if groups is not None:
        rows = _hold_out_groups(
            y, share, regression=regression, groups=groups, random_state=random_state, hint=hint
        )
    else:
        if _stratified(y, regression=regression):
            check_members(y, hint)
            strata = np.unique(y, return_inverse=True)[1]
        else:
            _check_rows(y)
            strata = _parts(y, max(int(min(share, 1 - share) * n), 1))
        kinds = (
            int(strata.max()) + 1
        )  # train_test_split wants each part to have as many rows as there are kinds
        count = min(max(ceil(share * n), kinds), n - kinds)
        rows = train_test_split(np.arange(n), test_size=count, random_state=random_state, stratify=strata)
    return [*rows, *(_safe_indexing(part, side) for part in others for side in rows)]


def _hold_out_groups(
    y: NDArray[Any], share: float, *, groups: Any, regression: bool, random_state: int | None, hint: str
) -> Fold:
    """Take a fold for what is held out; each class has to remain on the other side, too."""
    parts = max(2, round(1 / min(share, 1 - share)))
    folds = make_folds(y, parts, regression=regression, groups=groups, random_state=random_state, hint=hint)
    if share > 0.5:
        folds = [(held, train) for train, held in folds]
    whole = [fold for fold in folds if not _stratified(y, regression=regression) or _has_all(y, fold[0])]
    if not whole:
        raise InputError(
            "No groups can be held out without all images of some class. Give images of more groups of each class"
            f"{f', or {hint}' * bool(hint)}."
        )
    return min(whole, key=lambda fold: abs(len(fold[1]) - share * len(y)))


def _has_all(y: NDArray[Any], rows: NDArray[np.intp]) -> bool:
    return len(np.unique(y[rows])) == len(np.unique(y))


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


def _check_rows(y: NDArray[Any]) -> int:
    """Check that there are two images or more; return how many."""
    if len(y) < 2:
        raise InputError(
            f"y holds {len(y)} sample{'s' * (len(y) != 1)}, but models are judged by images that they were not fitted "
            "to. Give two images or more."
        )
    return len(y)

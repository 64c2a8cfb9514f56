"""The folds on which models choose and are judged: a number of them, a splitter, or pairs of rows."""

import warnings
from collections.abc import Iterable, Iterator
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import check_cv

from featx.errors import InputError
from featx.heads.checks import groups_of
from featx.text import quoted

Fold = tuple[NDArray[np.intp], NDArray[np.intp]]
"""The rows to fit to, and the rows to judge by."""


def check_count(cv: int) -> int:
    """Check a number of folds: two or more."""
    if cv < 2:
        raise InputError(f"cv={quoted(cv)} leaves nothing to compare. Give 2 folds or more, or a splitter.")
    return int(cv)


def inner_folds(
    X: NDArray[Any], y: NDArray[Any], cv: Any, *, groups: Any = None, kept: NDArray[Any] | None = None,
    regression: bool = False,
) -> list[Fold]:  # fmt: skip
    """Split the rows that a head is fitted to.

    Parameters
    ----------
    X : array of shape (n, d)
        Only a splitter reads them.
    y : array of shape (n,) or (n, n_labels)
        Classes, which labels each row has, or numbers.
    cv
        How many folds, or a scikit-learn splitter, or pairs of rows. None: 5.
    groups : array of shape (n,)
        Rows of one group are never on both sides.
    kept : array of int
        The rows that count, ascending; the folds are of these, and numbered among them. None: all.
    regression
        Whether `y` holds numbers.

    Raises
    ------
    InputError
        If `cv` is a number below 2, or a splitter puts a row or a group on both sides.
    """
    kept = np.arange(len(y)) if kept is None else kept
    if cv is None or isinstance(cv, Integral):
        names = None if groups is None else groups_of(groups, len(y))[kept]
        return list(deal(y[kept], check_count(5 if cv is None else int(cv)), names, regression=regression))
    place = np.full(len(y), -1)
    place[kept] = np.arange(len(kept))
    folds = [[place[rows][place[rows] >= 0] for rows in fold] for fold in splits(cv, X, y, groups)]
    return [(train, test) for train, test in folds if len(train) and len(test)]


def deal(
    y: NDArray[Any], count: int, groups: NDArray[Any] | None = None, *, regression: bool = False
) -> Iterator[Fold]:
    """Deal the rows of each class, or numbers in their order, to the folds in turn.

    `StratifiedKFold` warns about classes with fewer rows than folds, or refuses them. Here every row that is judged
    has another of its class to learn from, and the only row of a class is always learned from. Where rows have groups,
    a group goes to one fold, by its first row, and counts as one row.
    """
    if groups is not None:
        _, first, member = np.unique(groups, return_index=True, return_inverse=True)
        order = np.argsort(first)  # as the rows come, not as the groups are called
        rank = np.empty_like(order)
        rank[order] = np.arange(len(order))
        for train, test in deal(y[first[order]], count, regression=regression):
            yield np.flatnonzero(np.isin(rank[member], train)), np.flatnonzero(np.isin(rank[member], test))
        return
    _, kind, sizes = np.unique(y, axis=0 if y.ndim == 2 else None, return_inverse=True, return_counts=True)
    fold = np.empty(len(y), dtype=int)
    fold[np.argsort(kind, kind="stable")] = np.arange(len(y)) % count
    alone = sizes[kind] == 1
    if (
        y.ndim == 1 and not regression and not alone.all()
    ):  # sets of labels of their own share labels with others
        fold[alone] = -1
    for number in np.unique(fold[fold >= 0]):
        yield np.flatnonzero(fold != number), np.flatnonzero(fold == number)


def named(cv: Any) -> str:
    """Name a splitter, or pairs of rows, in a message."""
    return str(cv) if hasattr(cv, "split") else "cv"


def splits(cv: Any, X: NDArray[Any], y: NDArray[Any], groups: Any) -> list[Fold]:
    """Split by a scikit-learn splitter or pairs of rows, and check what comes out.

    Raises
    ------
    InputError
        If it cannot split, or a fold has an empty side, rows that are not there, or a row or a group on both sides.
    """
    if isinstance(cv, str | bytes) or not (hasattr(cv, "split") or isinstance(cv, Iterable)):
        raise InputError(
            f"cv={quoted(cv)}: give a number of folds, 2 or more, a splitter of scikit-learn, or pairs of rows to fit "
            "to and rows to judge by."
        )
    name = named(cv)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings(
                "ignore", message="The groups parameter is ignored"
            )  # _check sees what comes out
            folds = [(_rows(train), _rows(test)) for train, test in check_cv(cv).split(X, y, groups)]
    except (TypeError, ValueError) as error:
        if groups is None and "groups" in str(error):
            raise InputError(f"{name} needs groups. Pass groups=, with one for each image.") from error
        raise InputError(f"{name} cannot split these {len(y)} images: {error}") from error
    _check(folds, name, len(y), groups)
    return folds


def _rows(rows: Any) -> NDArray[np.intp]:
    """Return rows, given as numbers or as a mask, as numbers."""
    rows = np.asarray(rows)
    if rows.dtype == bool:
        return np.flatnonzero(rows)
    return np.asarray(rows.astype(np.intp, casting="same_kind" if rows.size else "unsafe"))


def _check(folds: list[Fold], name: str, count: int, groups: Any) -> None:
    """Refuse folds that say nothing of images that were not fitted to."""
    names = None if groups is None else groups_of(groups, count)
    if not folds:
        raise InputError(
            f"{name} makes no folds. Give at least one pair of rows to fit to and rows to judge by."
        )
    for number, (train, test) in enumerate(folds, 1):
        both = np.concatenate([train, test])
        if not len(train) or not len(test):
            side = "judge by" if len(train) else "learn from"
            raise InputError(f"Fold {number} of {name} has no images to {side}. Give both sides some.")
        if both.min() < -count or both.max() >= count:
            raise InputError(
                f"Fold {number} of {name} has rows outside of 0..{count - 1}, which is all there are."
            )
        if np.intersect1d(train % count, test % count).size:
            raise InputError(
                f"Fold {number} of {name} judges by images that it learns from. Give each row one side."
            )
        if names is not None and len(shared := np.intersect1d(names[train], names[test])):
            raise InputError(
                f"Fold {number} of {name} has images of group {quoted(shared[0])} on both sides. Give a number of "
                "folds, or a splitter that keeps groups apart, such as StratifiedGroupKFold."
            )

"""Checking ``y``: labels and numbers, and the error messages about them."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_array, column_or_1d
from sklearn.utils.multiclass import check_classification_targets, type_of_target

from featx.errors import InputError, Words
from featx.text import quoted


def given(y: Any) -> NDArray[Any]:
    """Check that `y` has something for every image; return it as an array.

    NumPy turns a NaN or a number among strings into a string: ``np.asarray(["cat", nan])`` has a class ``'nan'``.

    Raises
    ------
    InputError
        If `y` is None or a single value, an image has no target or a list of labels, or `y` mixes strings and numbers.
    """
    if y is None:
        raise InputError(
            "This estimator requires y to be passed, but the target y is None. Give a label or a number for each image."
        )
    _refuse_lists(y)
    array = np.asarray(y)
    if array.ndim == 0:
        raise InputError(f"y is a single value, {quoted(y)}. Give a label or a number for each image.")
    missing = _missing(array, y)
    if array.dtype.kind in "OU":
        values = np.asarray(y, object)
        kinds = {isinstance(value, str) for value in values[~missing].flat}
        if len(kinds) > 1:
            raise InputError(
                "y mixes strings and numbers. Give labels of one type, such as [str(label) for label in y]."
            )
    _refuse_missing("Input y", missing, "Leave out the images that have no target.")
    return array


def groups_of(groups: Any, count: int) -> NDArray[Any]:
    """Check groups; return them as an array (n,) that can be sorted.

    Parameters
    ----------
    groups
        For each image what it shares with others: a patient, a part, a place; of any type.
    count
        How many images there are.

    Raises
    ------
    InputError
        If an image has no group, or the lengths differ.

    Examples
    --------
    >>> groups_of(["ann", 7, "ann"], 3).tolist()
    ['ann', '7', 'ann']
    """
    array = np.asarray(groups)
    if array.shape != (count,):
        rows = len(array) if array.ndim else 1
        raise InputError(
            f"groups has {rows} row{'s' * (rows != 1)} for {count} images. Give one group for each image."
            if array.ndim < 2
            else f"groups has the shape {array.shape}. Give one group for each image."
        )
    advice = "Give every image a group; one that belongs to none gets one of its own."
    _refuse_missing("groups", _missing(array, groups), advice)
    return array.astype(str) if array.dtype.kind == "O" else array


def numbered(groups: NDArray[Any]) -> NDArray[np.intp]:
    """Return the number of each image's group, from 0, (n,)."""
    return np.asarray(np.unique(groups, return_inverse=True)[1])


def weights_of(sample_weight: Any, count: int) -> NDArray[np.float64] | None:
    """Check sample weights; return them as (n,), float64, or None.

    Parameters
    ----------
    sample_weight
        A number of 0 or more for each image, one number for all, or None.
    count
        How many images there are.

    Raises
    ------
    InputError
        If the lengths differ, a weight is negative, infinite or no number, or all are 0.
    """
    if sample_weight is None:
        return None
    try:
        weights = np.asarray(sample_weight, np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"sample_weight: {error}. Give a number of 0 or more for each image.") from error
    if weights.ndim == 0:
        weights = np.full(count, float(weights))
    if weights.shape != (count,):
        held = f"{len(weights)} values" if weights.ndim == 1 else f"the shape {weights.shape}"
        raise InputError(f"sample_weight has {held} for {count} images. Give one number for each image.")
    wrong = np.flatnonzero(~(np.isfinite(weights) & (weights >= 0)))
    if len(wrong):
        row = int(wrong[0])
        raise InputError(f"sample_weight is {weights[row]:g} in row {row}. Give numbers of 0 or more.")
    if not weights.any():
        raise InputError("sample_weight is zero for every image. Give some of them a number above 0.")
    return weights


def unlabelled_rows(unlabelled: Any, columns: int, dtype: Any = np.float64) -> NDArray[Any]:
    """Check embeddings of images without labels; return them as (m, columns).

    Raises
    ------
    InputError
        If they have another number of columns, or there are none.
    ValueError
        If they contain NaN.
    """
    rows = check_array(
        unlabelled, dtype=dtype, input_name="unlabelled", ensure_2d=False, ensure_min_samples=0
    )
    if rows.ndim != 2 or rows.shape[1] != columns:
        raise InputError(
            f"unlabelled has the shape {rows.shape}, and X has {columns} columns. Give embeddings by the same "
            "extractor; a HeadPipeline that begins with the extractor takes images."
        )
    if not len(rows):
        raise InputError("unlabelled holds no images. Give some, or leave it out.")
    return np.asarray(rows)


def _missing(array: NDArray[Any], values: Any) -> NDArray[np.bool_]:
    """Return which of some values are NaN or None; `array` is what NumPy made of them."""
    if array.dtype.kind == "f":
        return np.asarray(np.isnan(array))
    if array.dtype.kind not in "OU":
        return np.zeros(array.shape, bool)
    plain = np.asarray(values, object)
    return np.asarray(np.reshape([_is_missing(value) for value in plain.flat], plain.shape), bool)


def _refuse_missing(what: str, missing: NDArray[np.bool_], advice: str) -> None:
    rows = sorted({int(row) for row in np.nonzero(missing)[0]})
    if rows:
        others = f" and {len(rows) - 1} more" if len(rows) > 1 else ""
        raise InputError(f"{what} contains NaN or None in row {rows[0]}{others}. {advice}")


def _refuse_lists(y: Any) -> None:
    """Refuse targets that are lists of names, sets, or lists of different lengths: they need columns of 0 and 1."""
    rows = y.tolist() if hasattr(y, "tolist") else y
    if not isinstance(rows, list | tuple):
        return
    several = [isinstance(row, list | tuple | set | frozenset | np.ndarray) for row in rows]
    if not any(several):
        return
    first = several.index(True)
    if all(several) and not any(isinstance(row, set | frozenset) for row in rows):
        widths = {len(row) for row in rows}
        named = [
            number for number, row in enumerate(rows) if any(isinstance(item, str | bytes) for item in row)
        ]
        if widths == {1} or (len(widths) == 1 and not named):
            return  # columns, as scikit-learn takes them
        first = named[0] if named else first
    raise InputError(
        f"The target of image {first} in y is a list, {quoted(rows[first]):.60}. Give each label a column of 0 and 1: "
        "sklearn.preprocessing.MultiLabelBinarizer().fit_transform(...)."
    )


def _is_missing(value: Any) -> bool:
    try:
        return value is None or bool(value != value)  # noqa: PLR0124 - NaN differs from itself
    except TypeError:  # pandas.NA has no truth value
        return True


@contextmanager
def few_of_each() -> Iterator[None]:
    """Keep scikit-learn from asking whether classes of one image are numbers: a head learns from these, too."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The number of unique classes is greater than 50%")
        yield


def labels_of(y: Any) -> NDArray[Any]:
    """Check labels; return them as (n,), or multi-label ones as (n, n_labels).

    Raises
    ------
    ValueError
        If `y` is None, an image has no label, strings and numbers are mixed, or `y` holds continuous numbers.
    """
    y = given(y)
    y = check_array(y, ensure_2d=False, dtype=None, input_name="y")
    kind = type_of_target(y, input_name="y")
    if kind.startswith("continuous"):
        raise InputError(
            f"Unknown label type: {kind}. ",
            Words(
                "y holds numbers with fractions; take an estimator for numbers, such as the head 'ridge'.",
                "The labels are numbers with fractions. To predict numbers take head='ridge'.",
            ),
        )
    if kind == "multiclass-multioutput":
        raise InputError(
            Words("y has", "There are"),
            f" {y.shape[1]} columns of labels. Give one label for each image, columns of 0 and 1 for several labels",
            Words(
                ", or for counts take an estimator for numbers, such as the head 'ridge'.",
                ". For counts take head='ridge'. For counts take numbers=True.",
            ),
        )
    with few_of_each():
        check_classification_targets(y)
    return np.asarray(y if kind == "multilabel-indicator" else column_or_1d(y, warn=True))


_ELSE = Words("; for labels take a classifier.", ". For classes take another head, such as head='logistic'.")


def numbers_of(y: Any, why: str = "numbers are needed", advice: Words = _ELSE) -> NDArray[np.float64]:
    """Check numbers; return them as (n,) or (n, n_targets), float64.

    Parameters
    ----------
    y
        Numbers (n,) or (n, n_targets).
    why, advice
        What is said to somebody who gives words.

    Raises
    ------
    ValueError
        If `y` is None, an image has no number, or some are strings or infinite.
    """
    y = given(y)
    if y.dtype.kind in "OU":
        try:
            y = np.asarray(y.tolist(), np.float64)
        except (TypeError, ValueError) as error:
            raise InputError(
                Words("y holds ", "The labels hold "), f"{quoted(_no_number(y))}, but {why}", advice
            ) from error
    return np.asarray(check_array(y, ensure_2d=False, dtype=np.float64, input_name="y"))


def _no_number(y: NDArray[Any]) -> Any:
    for one in y.ravel().tolist():
        try:
            float(one)
        except (TypeError, ValueError):
            return one
    return y.tolist()


def check_members(y: NDArray[Any], hint: str = "") -> int:
    """Check that each class has two images, to learn from one and judge by the other; return the least number.

    Parameters
    ----------
    y : array of shape (n,)
        Labels.
    hint
        What else the user may do, such as ``"pass validation=None"``.

    Raises
    ------
    InputError
        If there is only one class, or a class has only one image.
    """
    labels, counts = np.unique(y, return_counts=True)
    names = labels.tolist()
    if len(names) < 2:
        raise one_class(names)
    alone = [repr(name) for name, count in zip(names, counts, strict=True) if count == 1]
    if alone:
        several = len(alone) > 1
        which = f", {', '.join(alone[:5])}{', ...' * (len(alone) > 5)}, {'have' if several else 'has'} only 1 member"
        counts_in_y = ", or if y holds counts, take an estimator for numbers, such as the head 'ridge'."
        raise InputError(
            f"The least populated {'classes' if several else 'class'}",
            Words(" in y", ""),
            f"{which}{' each' * several}, which is too few: it takes one image to learn from and one to judge by. "
            f"Give two images or more of each class{f', or {hint}' * bool(hint)}",
            Words(
                counts_in_y,
                ". If the labels are counts, take head='ridge'. If they are counts, take numbers=True.",
            )
            if labels.dtype.kind in "iu"
            else ".",
        )
    return int(counts.min())


def one_class(names: Sequence[Any]) -> InputError:
    """Return the error for a `y` with one class or none."""
    held = f"one class only: {names[0]!r}" if names else "none"
    return InputError(
        "Two classes or more are needed, but ",
        Words("y holds", "the labels hold"),
        f" {held}. Add images of another class.",
    )

"""What holds several images: lists, arrays, and the columns and data sets of other libraries."""

import os
from collections.abc import Iterable, Iterator, KeysView, Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import chain
from numbers import Number
from typing import Any

import numpy as np
import PIL.Image

from featx.errors import InputError


def items(X: Any, image_shape: Sequence[int] | None) -> Iterable[Any]:
    """Give what `X` holds, one item per image, of which only the first is looked at, before any other is taken.

    Raises
    ------
    InputError
        If it holds no images, or may be meant in two ways; says how to get at the images.

    Examples
    --------
    >>> items({"image": ["a.png"], "label": [1]}, None)
    Traceback (most recent call last):
    featx.errors.InputError: X is a dict of 'image', 'label': pass the one that holds the images, such as X['image'].
    """
    if isinstance(X, str | bytes | bytearray | memoryview | os.PathLike | PIL.Image.Image):
        raise InputError(f"X is a single {type(X).__name__}, not several images: wrap it in a list.")
    X = _unwrapped(X)
    if not hasattr(X, "__array__"):
        if not isinstance(X, list | tuple):
            _refuse_others(X)
        if not len(X):
            return []
        first = X[0]
        _refuse_pairs(first, X)
        every = chain([first], (X[row] for row in range(1, len(X))))  # a data set reads a file for each item
        as_rows = isinstance(first, list | tuple | Number) or getattr(first, "ndim", None) in (0, 1)
        if isinstance(first, str | bytes) or not as_rows:
            return every
        X = list(every)
    array = _array(X)
    if array.shape[:1] == (0,):
        return []
    if array.dtype.kind in "OUT":  # objects, and both kinds of numpy's strings
        rows = array.tolist()
        _refuse_pairs(rows[0], X)
        if array.ndim == 1:
            return list(rows)
        if array.shape[1:] == (1,) and not all(isinstance(item, Number) for (item,) in rows):
            return [item for (item,) in rows]
        array = _array(rows)
    _check_batch(array, image_shape)
    return list(array)


_BY_ATTRIBUTE = {
    "toarray": ", a sparse matrix, but images are dense: pass X.toarray().",
    "paths": ", not a list, array or column of images. Pass its .paths.",
    "collect": ", which is not computed yet: pass the column of images of X.collect().",
    "as_numpy_iterator": (
        ", a data set of tensors: pass list(X.as_numpy_iterator()), or the images alone where it has labels, too, "
        "[image for image, label in X.as_numpy_iterator()]."
    ),
    "dataset": (
        ", which gives batches: pass the images of X.dataset, such as [image for image, label in X.dataset]."
    ),
}
"""What to do with something that has such an attribute."""


def _refuse_others(X: Any) -> None:
    """Refuse what is no list, array or data set."""
    if advice := _advice(X):
        name = type(X).__name__
        raise InputError(f"X is {'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}{advice}")


def _advice(X: Any) -> str | None:
    """Say how to get the images out of something; None if they can be taken one by one."""
    for attribute, advice in _BY_ATTRIBUTE.items():
        if hasattr(X, attribute) and not (
            attribute == "dataset" and hasattr(X, "__getitem__")
        ):  # a part of one
            return advice
    names = X if isinstance(X, Mapping) else getattr(X, "column_names", None)
    if names is not None:
        listed = list(map(repr, names))
        likely = next((name for name in listed if "ima" in name or "img" in name), (listed or ["..."])[0])
        several = ", ".join(listed[:10]) + (", ..." if len(listed) > 10 else "")
        return f" of {several}: pass the one that holds the images, such as X[{likely}]."
    if hasattr(X, "__len__") and hasattr(X, "__getitem__"):
        return None
    if isinstance(X, AbstractSet) and not isinstance(X, KeysView):
        return ", which has no order: pass sorted(X)."
    if isinstance(X, Iterator):
        return ", which can be read only once: pass list(X)."
    remedy = ": pass list(X)" if isinstance(X, Iterable) else ""
    return f", not a list, array or column of images{remedy}."


def _unwrapped(X: Any) -> Any:
    """List what NumPy would take apart: the structs of polars, and of Arrow in pieces."""
    kind = "" if hasattr(X, "collect") else getattr(X, "type", getattr(X, "dtypes", getattr(X, "dtype", "")))
    if not str(kind).lower().lstrip("[").startswith("struct"):
        return X
    for listing in ("to_pylist", "to_list"):
        if hasattr(X, listing):
            return getattr(X, listing)()
    return X.to_series().to_list() if hasattr(X, "to_series") else X


def _refuse_pairs(first: Any, X: Any) -> None:
    """Refuse images that come with their labels, as a torch-style data set gives them; `first` is the first item."""
    if not isinstance(first, list | tuple) or len(first) < 2:
        return
    image = next((place for place, one in enumerate(first) if _is_image(one)), None)
    if image is None and not all(isinstance(one, str) for one in first):
        image = next((place for place, one in enumerate(first) if isinstance(one, str)), None)
    if image is None:
        return
    advice = f"pass the images alone, [item[{image}] for item in X], and the labels as y"
    samples = getattr(X, "samples", None)
    if isinstance(samples, list) and samples and isinstance(samples[0], tuple) and len(samples[0]) == 2:
        advice = "pass the paths alone, [path for path, _ in X.samples], and the labels, X.targets, as y"
    kinds = ", ".join(type(one).__name__ for one in first)
    raise InputError(f"Each item of X is a {type(first).__name__} ({kinds}), not an image: {advice}.")


def _is_image(one: Any) -> bool:
    return isinstance(one, bytes | os.PathLike | PIL.Image.Image) or getattr(one, "ndim", 0) > 1


def _array(values: Any) -> np.ndarray:
    try:
        return np.asarray(values)
    except ValueError as error:
        raise InputError(f"X is a list of rows of different lengths ({error}).") from error
    except (TypeError, RuntimeError) as error:  # a tensor on a GPU, or one that needs a gradient
        raise InputError(f"X is a {type(values).__name__} that NumPy cannot read: {error}") from error


def _check_batch(array: np.ndarray, image_shape: Sequence[int] | None) -> None:
    """Refuse numbers that are not a batch of images, or that may be meant in two ways."""
    kind, shape = array.dtype.kind, array.shape
    if kind == "S":
        raise InputError("X is an array of fixed-width bytes, which lose zeros at their end: pass a list.")
    if kind == "c":
        raise InputError("Complex data not supported: pixels are real numbers.")
    if kind in "OUT":
        raise InputError(f"X of shape {shape} is not one column: pass the column of paths.")
    if kind not in "buif":
        raise InputError(f"X has dtype {array.dtype}, but pixels are numbers and paths are str.")
    if array.ndim < 2:
        raise InputError(
            f"X of shape {shape} holds no images. Reshape your data to (n, h, w) or (n, h, w, channels)."
        )
    if 0 in shape[1:]:
        raise InputError(f"Found array with 0 feature(s) (shape={shape}) while a minimum of 1 is required.")
    if image_shape is None and array.ndim == 2:
        raise InputError(
            f"X of shape {shape} is two-dimensional. If each row is an image of {shape[1]} numbers, say of "
            "which shape, such as image_shape=(28, 28), (32, 32, 3) or (1, -1). If it is one grey image, "
            "wrap it in a list."
        )
    if image_shape is None and array.ndim == 3 and shape[2] in (1, 3, 4):
        raise InputError(
            f"X of shape {shape} looks like a single image: wrap it in a list. If it is {shape[0]} grey "
            f"images, pass image_shape={shape[1:]}."
        )

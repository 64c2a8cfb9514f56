"""Images as people have them: paths, encoded bytes, Pillow images and arrays.

`as_sources` tells them apart without reading a file; then, one by one and in any thread, `content` reads, and
`featx.images.resizing.to_size` decodes. No step changes its input.
"""

import os
import re
import stat
from collections.abc import Sequence
from numbers import Number
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image

from featx.errors import InputError
from featx.images.decoding import from_pil, range_fault, to_uint8

Source = str | bytes | np.ndarray
"""One image: a path, the bytes of an encoded file, or a uint8 array ``(h, w)`` or ``(h, w, 1 | 3 | 4)``."""

_COMMON_RANGES = ((0, 1), (-1, 1), (0, 255), (0, 65535))


def as_sources(
    X: Any, *, image_shape: Sequence[int] | None = None, value_range: tuple[float, float] = (0, 255)
) -> list[Source]:
    """Tell which images were given, in their order, without reading any file.

    Parameters
    ----------
    X
        Several images, as any of

        * a list, tuple, array, or one column of a pandas, polars or Arrow frame, of paths (str or
          `os.PathLike`) or of encoded files (bytes);
        * a list of Pillow images, or of arrays ``(h, w)`` or ``(h, w, 1 | 3 | 4)`` of any sizes;
        * one array ``(n, h, w)`` or ``(n, h, w, 1 | 3 | 4)``;
        * numbers ``(n, k)``, an image per row, when `image_shape` is given.

        A list may mix the first two. `X` is never changed, though uint8 arrays are returned as views of it.
    image_shape
        The shape of each image that is given as numbers, as for `numpy.reshape`: ``(28, 28)``,
        ``(32, 32, 3)``, or ``(1, -1)``.
    value_range
        The numbers that stand for black and white. All numbers but uint8 and bool are mapped from it to
        0..255 and rounded.

    Returns
    -------
    list of str, bytes, or uint8 numpy.ndarray
        One per image.

    Raises
    ------
    InputError
        If `X` is none of these, or holds numbers outside `value_range`, NaN or infinity.

    Examples
    --------
    >>> as_sources(["cat.jpg", "dog.png"])
    ['cat.jpg', 'dog.png']
    >>> as_sources(np.array([[[0.0, 0.5], [0.5, 1.0]]]), value_range=(0, 1))
    [array([[  0, 128], [128, 255]], dtype=uint8)]
    """
    low, high = value_range
    if not (np.isfinite(low) and np.isfinite(high) and low < high):
        raise InputError(f"value_range={value_range!r} is not a range. Give (black, white), such as (0, 1).")
    found = [_source(item, row, image_shape) for row, item in enumerate(_items(X, image_shape))]
    if not found:
        raise InputError("X is empty: 0 sample(s) were given, and at least one image is needed.")
    numbers = [
        image for image in found if isinstance(image, np.ndarray) and image.dtype not in (np.uint8, np.bool_)
    ]
    extremes = np.array([pick(image) for image in numbers for pick in (np.min, np.max)])
    if numbers and (fault := range_fault(extremes, (low, high))):
        least, most = extremes.min(), extremes.max()
        fitting = [known for known in _COMMON_RANGES if known[0] <= least and most <= known[1]]
        black, white = fitting[0] if fitting else (least, most)
        advice = f" Pass value_range=({black:g}, {white:g})." if "value_range" in fault else ""
        raise InputError(f"Input X {fault}.{advice}")
    return [to_uint8(image, (low, high)) if isinstance(image, np.ndarray) else image for image in found]


def content(source: Source) -> bytes | np.ndarray:
    """Read one image, without decoding it: what its identity is made of.

    Parameters
    ----------
    source
        One of what `as_sources` returns.

    Returns
    -------
    bytes or numpy.ndarray
        A file's bytes; bytes and arrays as they are.

    Raises
    ------
    InputError
        If the file cannot be read, with the reason but without its name.

    Examples
    --------
    >>> content("nowhere/cat.jpg")
    Traceback (most recent call last):
    featx.errors.InputError: there is no such file
    """
    if not isinstance(source, str):
        return source
    try:
        mode = os.stat(source).st_mode  # noqa: PTH116 - asked once; a pipe or a device must not be opened, it may never end
        if stat.S_ISREG(mode):
            return Path(source).read_bytes()
    except FileNotFoundError as error:
        raise InputError("there is no such file") from error
    except (OSError, ValueError) as error:  # ValueError: a path with a zero byte
        raise InputError(f"cannot be read ({getattr(error, 'strerror', None) or error})") from error
    raise InputError(
        "is a folder, not an image" if stat.S_ISDIR(mode) else "is a pipe or a device, not a file"
    )


def _items(X: Any, image_shape: Sequence[int] | None) -> list[Any]:
    """List what `X` holds, one item per image."""
    if isinstance(X, str | bytes | bytearray | memoryview | os.PathLike | PIL.Image.Image):
        raise InputError(f"X is a single {type(X).__name__}, not several images: wrap it in a list.")
    if isinstance(X, list | tuple):
        first = X[0] if X else None
        as_rows = isinstance(first, list | tuple | Number) or getattr(first, "ndim", None) in (0, 1)
        if isinstance(first, str | bytes) or not as_rows:
            return list(X)
    elif not hasattr(X, "__array__"):
        if hasattr(X, "toarray"):
            raise InputError("X is a sparse matrix, but images are dense: pass X.toarray().")
        hint = " Pass its .paths." if hasattr(X, "paths") else ""
        raise InputError(f"X is a {type(X).__name__}, not a list, array or column of images.{hint}")
    array = _array(X)
    if array.shape[:1] == (0,):
        return []
    if array.dtype.kind in "OUT":  # objects, and both kinds of numpy's strings
        listed = array.tolist()
        if array.ndim == 1:
            return list(listed)
        if array.shape[1:] == (1,) and not all(isinstance(item, Number) for (item,) in listed):
            return [item for (item,) in listed]
        array = _array(listed)
    _check_batch(array, image_shape)
    return list(array)


def _array(values: Any) -> np.ndarray:
    try:
        return np.asarray(values)
    except ValueError as error:
        raise InputError(f"X is a list of rows of different lengths ({error}).") from error


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


def _source(item: Any, row: int, image_shape: Sequence[int] | None) -> Source:
    """Check one image; numbers keep their dtype."""
    if isinstance(item, str | os.PathLike):
        path = str(os.fsdecode(item))
        if re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", path):
            raise InputError(
                f"image {row} is a URL, {path!r}. Nothing is downloaded: fetch it and pass its path."
            )
        return path
    if isinstance(item, bytes | bytearray | memoryview):
        return bytes(item)
    if isinstance(item, PIL.Image.Image):
        try:
            return from_pil(item)
        except InputError as error:
            raise InputError(f"image {row}: {error}") from error
    if isinstance(item, np.generic) or not hasattr(item, "__array__"):
        raise InputError(f"image {row} is {item!r:.80}, not a path, bytes, a Pillow image or an array.")
    return _shaped(np.asarray(item), row, image_shape)


def _shaped(image: np.ndarray, row: int, image_shape: Sequence[int] | None) -> np.ndarray:
    """Give the numbers of one image their shape, and check it."""
    if image.dtype.kind not in "buif":
        raise InputError(f"image {row} has dtype {image.dtype}, but pixels are real numbers.")
    if image_shape is not None:
        try:
            image = image.reshape(tuple(image_shape))
        except (TypeError, ValueError) as error:
            raise InputError(
                f"image {row} of shape {image.shape} does not fit image_shape={image_shape}."
            ) from error
    if image.size and (image.ndim == 2 or (image.ndim == 3 and image.shape[2] in (1, 3, 4))):
        return image
    first = image.ndim == 3 and image.shape[0] in (1, 3, 4)
    remedy = (
        " Its channels come first: X.transpose(0, 2, 3, 1) moves those of a batch to the end."
        if first
        else ""
    )
    raise InputError(f"image {row} has shape {image.shape}, not (h, w) or (h, w, 1 | 3 | 4).{remedy}")

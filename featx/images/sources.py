"""Images as people have them: paths, encoded bytes, Pillow images and arrays.

`as_sources` tells them apart without reading a file; then, one by one and in any thread, `content` reads, and
`featx.images.resizing.to_size` decodes. No step changes its input.
"""

import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import numpy as np
import PIL.Image

from featx.errors import InputError
from featx.images import remote
from featx.images.containers import items
from featx.images.decoding import from_pil
from featx.images.values import range_fault, to_uint8
from featx.text import quoted


@dataclass(frozen=True)
class Unreadable:
    """An image that was found to be bad before anything was read, such as a damaged Pillow image."""

    reason: str
    """What is wrong with it."""


Source = str | bytes | np.ndarray | Unreadable
"""One image: a path or a URL, the bytes of an encoded file, or a uint8 array ``(h, w)`` or ``(h, w, 1 | 3 | 4)``."""

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
          `os.PathLike`), of URLs that fsspec knows, of encoded files (bytes or `io.BytesIO`), or of Hugging Face's
          cells, ``{"bytes": ..., "path": ...}``;
        * a list of Pillow images, or of arrays ``(h, w)`` or ``(h, w, 1 | 3 | 4)`` of any sizes;
        * one array ``(n, h, w)`` or ``(n, h, w, 1 | 3 | 4)``;
        * numbers ``(n, k)``, an image per row, when `image_shape` is given.

        A list may mix the first two. Any other object with a length and an item for each row counts as a list, such as
        a column of Hugging Face's ``datasets``. `X` is never changed, though uint8 arrays are returned as views of
        it.
    image_shape
        The shape of each image that is given as numbers, as for `numpy.reshape`: ``(28, 28)``,
        ``(32, 32, 3)``, or ``(1, -1)``.
    value_range
        The numbers that stand for black and white. All numbers but uint8 and bool are mapped from it to
        0..255 and rounded.

    Returns
    -------
    list of str, bytes, uint8 numpy.ndarray, or Unreadable
        One per image; a damaged Pillow image is an `Unreadable`, and an error only when its turn comes.

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
        raise InputError(
            f"value_range={quoted(value_range)} is not a range. Give (black, white), such as (0, 1)."
        )
    found = [_source(item, row, image_shape) for row, item in enumerate(items(X, image_shape))]
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
        advice = f"Pass value_range=({black:g}, {white:g})."
        if not fitting and least < 0 < most and all(image.dtype.kind == "f" for image in numbers):
            advice = _normalised(max(-least, most)) or advice
        raise InputError(f"Input X {fault}.{f' {advice}' if 'value_range' in fault else ''}")
    return [to_uint8(image, (low, high)) if isinstance(image, np.ndarray) else image for image in found]


def _normalised(most: float) -> str | None:
    """Say how to undo what is usually done to the pixels of a network's input, whose numbers lie around 0."""
    if most <= 10:
        return (
            "They look normalised by a mean and a deviation. Undo that, for ImageNet's by "
            "X * [0.229, 0.224, 0.225] + [0.485, 0.456, 0.406], and pass value_range=(0, 1): featx scales by itself."
        )
    if 90 < most < 160:
        return (
            "They look as if a mean had been subtracted. Undo that, for ImageNet's by X + [103.939, 116.779, 123.68] "
            "and [..., ::-1], which makes RGB of BGR: featx scales by itself."
        )
    return None


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
    if isinstance(source, Unreadable):
        raise InputError(source.reason)
    if not isinstance(source, str):
        return source
    if remote.is_url(source):
        return remote.read(source)
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


def unpacked(item: Any) -> Any:
    """Give what Hugging Face's data sets call an image, its bytes or else its path; anything else as it is.

    Examples
    --------
    >>> unpacked({"bytes": None, "path": "a.png"}), unpacked({"bytes": b"...", "path": "a.png"}), unpacked("a.png")
    ('a.png', b'...', 'a.png')
    """
    if not isinstance(item, Mapping) or not item or not item.keys() <= {"bytes", "path"}:
        return item
    data, path = item.get("bytes"), item.get("path")
    if data is None and not path:
        return Unreadable("has neither bytes nor a path")
    return path if data is None else data


def _source(item: Any, row: int, image_shape: Sequence[int] | None) -> Source:
    """Check one image; numbers keep their dtype."""
    item = unpacked(item)
    if isinstance(item, str | os.PathLike):
        path = str(os.fsdecode(item))
        if path.startswith("file://") and "::" not in path:
            return url2pathname(urlsplit(path).path)
        if remote.is_url(path):
            try:
                remote.check(path)
            except InputError as error:
                raise InputError(f"image {row}, {path!r}: {error}.") from error
        return path
    if isinstance(item, bytes | bytearray | memoryview):
        return bytes(item)
    if isinstance(item, BytesIO):
        return item.getvalue()
    if isinstance(item, PIL.Image.Image):
        return _pixels(item)
    return item if isinstance(item, Unreadable) else _numbers(item, row, image_shape)


def _pixels(image: PIL.Image.Image) -> Source:
    try:
        return from_pil(image)
    except InputError as error:
        return Unreadable(str(error))


def _numbers(item: Any, row: int, image_shape: Sequence[int] | None) -> np.ndarray:
    """Check one image that is an array, or what can become one."""
    if isinstance(item, np.generic) or not hasattr(item, "__array__"):
        said, advice = f"{item!r:.80}", ""
        if hasattr(item, "read"):
            said, advice = "an open file", " Pass its path, or what its .read() gives."
        elif isinstance(item, Mapping):
            names = list(map(repr, item))
            image = next((name for name in names if "im" in name.lower()), names[0] if names else "...")
            said, advice = f"a dict of {', '.join(names)}", f" Pass [item[{image}] for item in X]."
        raise InputError(f"image {row} is {said}, not a path, bytes, a Pillow image or an array.{advice}")
    try:
        return _shaped(np.asarray(item), row, image_shape)
    except (TypeError, RuntimeError) as error:  # a tensor on a GPU, or one that needs a gradient
        raise InputError(f"image {row} is a {type(item).__name__} that NumPy cannot read: {error}") from error


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
    # the remedy is one that torch's tensors know, too
    first = image.ndim == 3 and image.shape[0] in (1, 3, 4)
    remedy = (
        " Its channels come first: pass [image.swapaxes(0, 2).swapaxes(0, 1) for image in X]."
        if first
        else ""
    )
    raise InputError(f"image {row} has shape {image.shape}, not (h, w) or (h, w, 1 | 3 | 4).{remedy}")

"""Images brought to the one size that a network takes."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
from PIL.Image import Resampling, Transpose, fromarray

from featx.errors import UnknownNameError
from featx.images.decoding import Picture, picture_of
from featx.images.values import to_rgb

RULES: Mapping[str, str] = MappingProxyType(
    {
        "squash": "stretch to the size, whatever the proportions (as Keras does)",
        "crop": "fill the size and cut off what sticks out, equally on both sides",
        "pad": "fit inside the size and fill the rest with black, equally on both sides",
    }
)
"""The ways to bring an image to a size."""

_SIDEWAYS = {Transpose.ROTATE_90, Transpose.ROTATE_270, Transpose.TRANSPOSE, Transpose.TRANSVERSE}


def to_size(content: bytes | np.ndarray, size: tuple[int, int], rule: str = "squash") -> np.ndarray:
    """Decode an image and bring it to a size, with Pillow's bilinear filter, which averages when it shrinks.

    A large JPEG is decoded reduced, see `featx.images.decoding.picture_of`. Pixels stay in Pillow until they are few,
    and are turned upright last, since every copy of a photograph costs as much as a tenth of its decoding.

    Parameters
    ----------
    content
        What `featx.images.sources.content` gives.
    size
        ``(height, width)`` in pixels.
    rule
        A name in `RULES`.

    Returns
    -------
    numpy.ndarray
        ``(*size, 3)`` uint8, possibly read-only; an RGB array of that size is returned as it is.

    Raises
    ------
    UnknownNameError
        If there is no such rule.
    InputError
        If it cannot be decoded, with a reason that a person understands.

    Examples
    --------
    >>> wide = np.full((8, 16, 3), 255, dtype="uint8")
    >>> to_size(wide, (8, 8), "pad")[:, 0, 0].tolist()
    [0, 0, 255, 255, 255, 255, 0, 0]
    """
    (pixels,) = to_sizes(content, [size], rule)
    return pixels


def to_sizes(
    content: bytes | np.ndarray, sizes: Sequence[tuple[int, int]], rule: str = "squash"
) -> list[np.ndarray]:
    """Decode an image once, as the largest of several sizes needs it, and bring it to each, as `to_size` does.

    Parameters
    ----------
    content, rule
        As for `to_size`.
    sizes
        ``(height, width)`` of each, in pixels.

    Returns
    -------
    list of numpy.ndarray
        ``(*size, 3)`` uint8, possibly read-only.
    """
    if rule not in RULES:
        raise UnknownNameError("resize rule", rule, RULES)
    if isinstance(content, np.ndarray):
        rgb = to_rgb(content)
        if all(rgb.shape[:2] == size for size in sizes):
            return [rgb] * len(sizes)
        picture = Picture(fromarray(rgb), (rgb.shape[1], rgb.shape[0]))
    else:
        heights, widths = zip(*sizes, strict=True)
        picture = picture_of(content, at_least=(max(heights), max(widths)))
    return [_fitted(picture, size, rule) for size in sizes]


def _fitted(picture: Picture, size: tuple[int, int], rule: str) -> np.ndarray:
    pixels = _resized(picture, size, rule)
    height, width = pixels.shape[:2]
    if (height, width) == size:
        return pixels
    padded = np.zeros((*size, 3), np.uint8)
    top, left = (size[0] - height) // 2, (size[1] - width) // 2
    padded[top : top + height, left : left + width] = pixels
    return padded


def _resized(picture: Picture, size: tuple[int, int], rule: str) -> np.ndarray:
    """Give a picture upright, of a size, or within it where it is to be padded."""
    have_w, have_h = picture.covered
    want_w, want_h = size if picture.turn in _SIDEWAYS else size[::-1]
    left = top = 0.0
    if rule == "crop":
        scale = max(want_w / have_w, want_h / have_h)
        left, top = max(0.0, (have_w - want_w / scale) / 2), max(0.0, (have_h - want_h / scale) / 2)
    elif rule == "pad":
        scale = min(want_w / have_w, want_h / have_h)
        want_w, want_h = max(1, round(have_w * scale)), max(1, round(have_h * scale))
    box = (left, top, have_w - left, have_h - top)
    small = picture.rgb.resize((want_w, want_h), Resampling.BILINEAR, box=box)
    return Picture(small, small.size, picture.turn).upright()

"""Arrays of numbers of any range turned into uint8 RGB pixels, strip by strip, so that no copy is large."""

from collections.abc import Iterator

import numpy as np


def to_rgb(pixels: np.ndarray) -> np.ndarray:
    """Give grey pixels three channels, and lay transparent ones over white.

    Parameters
    ----------
    pixels
        ``(h, w)`` or ``(h, w, 1)`` grey, ``(h, w, 3)`` RGB or ``(h, w, 4)`` RGBA, uint8.

    Returns
    -------
    numpy.ndarray
        ``(h, w, 3)`` uint8; RGB is returned as it is.

    Examples
    --------
    >>> to_rgb(np.array([[[200, 0, 0, 255], [200, 0, 0, 0]]], dtype="uint8")).tolist()
    [[[200, 0, 0], [255, 255, 255]]]
    """
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    if channels == 3:
        return pixels
    if channels == 1:
        return np.repeat(pixels.reshape(*pixels.shape[:2], 1), 3, axis=2)
    over_white = np.empty((*pixels.shape[:2], 3), np.uint8)
    for rows in _strips(pixels):
        part = pixels[rows].astype(np.uint16)
        colour, alpha = part[..., :3], part[..., 3:]
        over_white[rows] = (colour * alpha + 255 * (255 - alpha) + 127) // 255
    return over_white


def to_uint8(values: np.ndarray, value_range: tuple[float, float]) -> np.ndarray:
    """Map numbers linearly from `value_range` (black, white) to 0..255, rounded; uint8 stays, bool becomes 0 or 255.

    Examples
    --------
    >>> to_uint8(np.array([0.0, 0.5, 1.0]), (0, 1))
    array([  0, 128, 255], dtype=uint8)
    """
    if values.dtype == np.uint8:
        return values
    low, high = (0, 1) if values.dtype == np.bool_ else value_range
    scaled = np.empty(values.shape, np.uint8)
    for rows in _strips(values):
        scaled[rows] = np.rint((values[rows].astype(np.float64) - low) * (255 / (high - low)))
    return scaled


def range_fault(values: np.ndarray, value_range: tuple[float, float]) -> str | None:
    """Say what keeps numbers from being pixels of `value_range`, if anything does.

    Examples
    --------
    >>> range_fault(np.array([0.0, np.nan]), (0, 255))
    'contains NaN'
    >>> range_fault(np.array([-1.0, 1.0]), (0, 255))
    'has values from -1 to 1, outside value_range=(0, 255)'
    >>> range_fault(np.array([0, 255]), (0, 255))
    """
    if values.dtype in (np.uint8, np.bool_):
        return None
    least, most = values.min(), values.max()
    if np.isnan(least):
        return "contains NaN"
    if np.isinf(least) or np.isinf(most):
        return "contains infinity (inf)"
    low, high = value_range
    if least < low or most > high:
        return f"has values from {least:g} to {most:g}, outside value_range=({low:g}, {high:g})"
    if values.dtype.kind == "f" and (low, high) == (0, 255) and 0 < most <= 1:
        return f"has fractions from {least:g} to {most:g}, which value_range=(0, 255) would make black"
    return None


def _strips(values: np.ndarray) -> Iterator[slice]:
    """Cut along the first axis into parts of a million numbers, whose copies stay small."""
    step = max(1, (1 << 20) * len(values) // max(1, values.size))
    return (slice(start, start + step) for start in range(0, len(values), step))

"""A photograph with what a depth sees in it, made stronger step by step (Inceptionism, or DeepDream)."""

from itertools import product
from math import ceil
from typing import Any

import numpy as np
from PIL import Image

from featx.embedding.composition import as_extractor
from featx.embedding.extractor import FeatureExtractor
from featx.embedding.progress import bar
from featx.errors import ImageError, InputError
from featx.images.decoding import decode
from featx.images.loading import bad_image
from featx.images.sources import as_sources, content
from featx.seeing.gradient import Ascent, unit
from featx.seeing.view import check_channels, check_counts, place_of, view

MOST = 640
"""The longer side of a result in pixels, unless another is asked for."""
AT_ONCE = 224 * 224
"""Pixels of the windows that a network is shown at a time, about."""


def dream(
    image: Any,
    extractor: Any = "featx-mini",
    *,
    depth: int | str = -1,
    channel: int | None = None,
    octaves: int = 4,
    steps: int = 12,
    rate: float = 2.0,
    size: int | None = None,
    random_state: int = 0,
) -> np.ndarray:
    """Change a photograph so that a depth answers more to it: what the network sees in it, however faintly, comes out.

    The photograph is changed first where it is small, so that large shapes arise, and then at one larger size after
    the other, which adds finer ones (octaves). The network looks at it through a window of its own input size, at
    places that differ from step to step, so that any photograph will do.

    Parameters
    ----------
    image
        A path, the bytes of a file, a Pillow image, or an array (h, w) or (h, w, 3).
    extractor
        A `FeatureExtractor`, or a backbone: its name, its ``.keras`` file or a Keras model.
    depth
        A stage number or a layer's name, in place of the extractor's own depth. Early ones bring out strokes and
        textures, late ones parts of what the network was trained on.
    channel
        The channel whose mean is raised. None: the squares of all of them, so that what answers already answers more.
    octaves
        How many sizes.
    steps
        Changes at each size.
    rate
        How much a step changes the image: the root mean square of its change, of 255.
    size
        The longer side of the result in pixels; it has the photograph's proportions. None: the photograph's own, but
        at most `MOST`.
    random_state
        Fixes where the network looks.

    Returns
    -------
    array of shape (h, w, 3), uint8

    Raises
    ------
    ImageError
        If the image cannot be read.
    InputError
        If there is no such channel, or the depth answers nothing.

    References
    ----------
    Mordvintsev, Olah & Tyka, *Inceptionism: Going Deeper into Neural Networks*, Google Research blog 2015.

    Examples
    --------
    >>> from featx.images import synthetic
    >>> images, _ = synthetic(n=1, size=96, random_state=0)
    >>> dreamt = dream(images[0], "featx-mini", depth=2, octaves=2, steps=2)
    >>> dreamt.shape, bool((dreamt != images[0]).any())
    ((96, 96, 3), True)
    """
    check_counts(octaves=(octaves, 1), steps=(steps, 1), size=(1 if size is None else size, 1))
    if not rate > 0:
        raise InputError(f"rate={rate!r}: give a number above 0.")
    seen = view(as_extractor(extractor, depth=depth, pooling="avg"))
    (tensor,) = seen.tensors
    width = tensor.shape[-1]
    each = np.ones(width, np.float32)
    if channel is not None:
        (only,) = check_channels(channel, seen)
        each = np.eye(width, dtype=np.float32)[only]
    photograph = _photograph(image, seen.extractor)
    count = max(1, AT_ONCE // (seen.size[0] * seen.size[1]))
    wanted = np.repeat(each[None], count, axis=0)
    ascent = Ascent(seen.graph, tensor, count, power=1 if channel is not None else 2)
    random = np.random.default_rng(random_state)
    added = np.zeros((1, 1, 3), np.float32)
    final = _final(photograph.shape[:2], size)
    sizes = _sizes(final, seen.size, octaves)
    with bar(len(sizes) * steps, "step", "dream", seen.extractor.verbose) as done:
        for size_now in sizes:
            plain = _resized(photograph, size_now)
            changed = plain + _resized(added, size_now)
            for _ in range(steps):
                moved = random.integers(0, size_now)
                gradient = _gradient(ascent, np.roll(changed, moved, (0, 1)), seen.size, count, wanted)
                if not gradient.any():
                    what = f"channel {channel}" if channel is not None else "any channel"
                    raise InputError(
                        f"Nothing in the image makes {what} of {place_of(seen.taps[0].depth)} answer. Choose another."
                    )
                changed = np.clip(changed + rate * np.roll(unit(gradient[None])[0], -moved, (0, 1)), 0, 255)
                done.update()
            added = changed - plain
    finished = _resized(changed, final)
    return np.asarray(np.clip(np.round(finished), 0, 255).astype(np.uint8))


def _photograph(image: Any, how: FeatureExtractor) -> np.ndarray:
    """Decode one image, upright: (h, w, 3), float32."""
    (source,) = as_sources([image], image_shape=how.image_shape, value_range=how.value_range)
    try:
        return decode(content(source)).astype(np.float32)
    except InputError as error:
        raise ImageError([bad_image(0, source, str(error))]) from error


def _final(have: tuple[int, int], size: int | None) -> tuple[int, int]:
    scale = (size or min(MOST, max(have))) / max(have)
    return max(1, round(have[0] * scale)), max(1, round(have[1] * scale))


def _sizes(final: tuple[int, int], window: tuple[int, int], octaves: int) -> list[tuple[int, int]]:
    """Give the sizes from the smallest that holds the window to the final one, each by the same factor larger."""
    least = max(window[0] / final[0], window[1] / final[1])
    scales = np.geomspace(max(1.0, least), least, octaves)
    sizes = [(max(window[0], round(final[0] * s)), max(window[1], round(final[1] * s))) for s in scales]
    return sorted(set(sizes))


def _gradient(
    ascent: Ascent, pixels: np.ndarray, window: tuple[int, int], count: int, wanted: np.ndarray
) -> np.ndarray:
    """Give the gradient of an image of any size, from as few windows as cover it; where they overlap, the mean."""
    total, times = np.zeros_like(pixels), np.zeros((*pixels.shape[:2], 1), np.float32)
    starts = [
        np.linspace(0, have - want, ceil(have / want)).round().astype(int)
        for have, want in zip(pixels.shape[:2], window, strict=True)
    ]
    parts = [(slice(top, top + window[0]), slice(left, left + window[1])) for top, left in product(*starts)]
    for first in range(0, len(parts), count):
        some = parts[first : first + count]
        shown = np.zeros((count, *window, 3), np.float32)
        shown[: len(some)] = [pixels[part] for part in some]
        for part, gradient in zip(some, ascent.gradient(shown, wanted), strict=False):
            total[part] += gradient
            times[part] += 1
    return total / times


def _resized(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize (h, w, 3) numbers of any range, with Pillow's bicubic filter."""
    if pixels.shape[:2] == size:
        return pixels
    bands = [
        Image.fromarray(np.ascontiguousarray(pixels[..., one])).resize(size[::-1], Image.Resampling.BICUBIC)
        for one in range(3)
    ]
    return np.stack([np.asarray(band) for band in bands], axis=-1)

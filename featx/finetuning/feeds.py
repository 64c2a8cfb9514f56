"""Feeding a network that is trained: pixels decoded once where they fit into memory, batches of them, held-out rows."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from featx.errors import BadImage, ImageError
from featx.finetuning.augment import Augmenter
from featx.images.loading import bad_image, load
from featx.images.sources import Source

IN_MEMORY = 2 << 30
"""Bytes of decoded images, or of what a fixed part of the network makes of them, that are kept in memory."""

Batches = Sequence[np.ndarray]
"""The rows of each batch."""


class Images:
    """Images as uint8 pixels of one size.

    Parameters
    ----------
    sources
        The images.
    size
        Height and width in pixels.
    rule
        How they are brought to it.
    n_jobs
        Workers that read and decode.
    limit
        Up to how many bytes they are decoded once and kept; more of them are decoded each time they are asked for.

    Raises
    ------
    ImageError
        If some cannot be read: all of them are named where they are decoded at once, else the first ones met.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        size: tuple[int, int],
        rule: str,
        n_jobs: int | None,
        limit: int = IN_MEMORY,
    ) -> None:
        self._sources = sources
        self._load = partial(load, size=size, rule=rule, n_jobs=n_jobs)
        self._pixels: np.ndarray | None = None
        if len(sources) * size[0] * size[1] * 3 <= limit:
            rows = np.arange(len(sources))
            self._pixels = np.concatenate(list(self.batches(np.array_split(rows, -(-len(rows) // 32)))))

    def batches(self, batches: Batches) -> Iterator[np.ndarray]:
        """Give the pixels of each batch, (n, h, w, 3)."""
        if self._pixels is not None:
            yield from (self._pixels[rows] for rows in batches)
            return
        parts = ([self._sources[row] for row in rows] for rows in batches)
        bad: list[BadImage] = []
        for rows, (pixels, reasons) in zip(batches, self._load(parts), strict=True):
            bad += [bad_image(rows[at], self._sources[rows[at]], reason) for at, reason in reasons.items()]
            if not bad:
                yield pixels
        if bad:
            raise ImageError(bad)


class PixelFeed:
    """Feeds a network that begins with pixels.

    Parameters
    ----------
    images
        The images.
    augmenter
        Changes them at random; None: they stay as they are.
    """

    def __init__(self, images: Images, augmenter: Augmenter | None = None) -> None:
        self._images, self._augmenter = images, augmenter

    def __call__(self, batches: Batches, *seed: int) -> Iterator[list[np.ndarray]]:
        """Give what the network reads for each batch; the seed fixes how images are changed."""
        if self._augmenter:
            self._augmenter.seed(*seed)
        for pixels in self._images.batches(batches):
            yield [self._augmenter(pixels) if self._augmenter else pixels]


class KeptFeed:
    """Feeds the tuned part of a network with what its fixed part made of each image, once.

    Parameters
    ----------
    fixed
        A Keras model from pixels to a list of outputs.
    images
        The images.
    count
        How many there are.
    batch_size
        Images at a time.
    """

    def __init__(self, fixed: Any, images: Images, count: int, batch_size: int) -> None:
        rows, batch_size = np.arange(count), min(batch_size, count)
        starts = range(0, count, batch_size)
        self._outputs: list[np.ndarray] = []
        # every batch has one shape; the last one is filled up
        batches = [np.resize(rows[start : start + batch_size], batch_size) for start in starts]
        for start, pixels in zip(starts, images.batches(batches), strict=True):
            given = fixed.predict_on_batch(pixels)
            outputs = [
                np.asarray(output) for output in (given if isinstance(given, list | tuple) else [given])
            ]
            if not self._outputs:
                self._outputs = [np.zeros((count, *output.shape[1:]), output.dtype) for output in outputs]
            for kept, output in zip(self._outputs, outputs, strict=True):
                kept[start : start + batch_size] = output[: count - start]

    @staticmethod
    def size(fixed: Any, count: int) -> int:
        """Bytes that the outputs of so many images take."""
        return sum(
            count * int(np.prod(output.shape[1:])) * np.dtype(_as_numpy(output.dtype)).itemsize
            for output in fixed.outputs
        )

    def __call__(self, batches: Batches, *_: int) -> Iterator[list[np.ndarray]]:
        """Give what the tuned part reads for each batch."""
        yield from ([output[rows] for output in self._outputs] for rows in batches)


def _as_numpy(dtype: str) -> str:
    return "float16" if dtype == "bfloat16" else dtype

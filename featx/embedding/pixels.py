"""Small raw pixels as features: the baseline that a network's features have to beat."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from featx.errors import BadImage, ImageError, InputError, UnknownNameError
from featx.images.inputs import ImageTransformer
from featx.images.loading import bad_image, in_parts, load
from featx.images.resizing import RULES
from featx.text import quoted


class PixelExtractor(ImageTransformer):
    """Turn images into their own pixels, at a small size.

    Nothing is learned from the data, and nothing is cached: it is quicker to decode an image than to look it up.

    Parameters
    ----------
    size
        Height and width in pixels.
    resize
        ``squash`` (change the aspect), ``crop`` (short side, then centre) or ``pad`` (long side, then a border).
    image_shape
        For flattened images, rows of a 2-D array: their shape, as for `FeatureExtractor`.
    value_range
        What black and white are in arrays that are not uint8: (0, 255), (0, 1), (0, 16), ...
    on_error
        ``"raise"``: one `ImageError` names every bad image. ``"nan"``: a bad image becomes a row of NaN.
    n_jobs
        Workers that read and decode, see `joblib.parallel_config`. None: a thread for every core.

    Attributes
    ----------
    bad_images_ : tuple of BadImage
        The images of the last `transform` that could not be read. Only with ``on_error="nan"``.
    n_features_in_ : int
        Columns seen in `fit`. Only with `image_shape`.

    Examples
    --------
    >>> from featx.images import synthetic
    >>> images, _ = synthetic(n=6, size=48)
    >>> pixels = PixelExtractor(size=8).fit_transform(images)
    >>> pixels.shape, pixels.dtype.name, bool(0 <= pixels.min() < pixels.max() <= 1)
    ((6, 192), 'float32', True)
    """

    def __init__(
        self,
        size: int = 16,
        *,
        resize: str = "squash",
        image_shape: tuple[int, ...] | None = None,
        value_range: tuple[float, float] = (0, 255),
        on_error: str = "raise",
        n_jobs: int | None = None,
    ) -> None:
        self.size = size
        self.resize = resize
        self.image_shape = image_shape
        self.value_range = value_range
        self.on_error = on_error
        self.n_jobs = n_jobs

    def transform(self, X: Any) -> np.ndarray:
        """Give each image's pixels as one row: from top to bottom, from left to right, red, green, blue.

        Parameters
        ----------
        X
            Images, in any form that `FeatureExtractor.transform` takes.

        Returns
        -------
        array of shape (n, size * size * 3), float32
            From 0 (black) to 1 (white).

        Raises
        ------
        ImageError
            If images cannot be read and ``on_error="raise"``; names all of them.
        InputError
            If `X` holds no images.
        """
        self._check()
        sources = self._sources(X, reset=False)
        rows = np.full((len(sources), self.size**2 * 3), np.nan, np.float32)
        bad: list[BadImage] = []
        start = 0
        for pixels, reasons in load(
            in_parts(sources), (self.size, self.size), self.resize, n_jobs=self.n_jobs
        ):
            rows[start : start + len(pixels)] = pixels.reshape(len(pixels), -1)
            bad += [bad_image(start + at, sources[start + at], reason) for at, reason in reasons.items()]
            start += len(pixels)
        rows[[image.row for image in bad]] = np.nan
        if bad and self.on_error == "raise":
            raise ImageError(bad, len(sources))
        if self.on_error == "nan":
            self.bad_images_ = tuple(bad)
        rows /= 255
        return rows

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:  # noqa: ARG002 - the same for any input
        """Name the columns: row, column and colour, as ``pixel_0_15_red``.

        Parameters
        ----------
        input_features
            Ignored.

        Returns
        -------
        array of str objects
        """
        self._check()
        return np.array(
            [
                f"pixel_{row}_{column}_{colour}"
                for row in range(self.size)
                for column in range(self.size)
                for colour in ("red", "green", "blue")
            ],
            dtype=object,
        )

    def _check(self) -> None:
        choices: Sequence[tuple[str, Any]] = (("resize", RULES), ("on_error", ("raise", "nan")))
        for name, known in choices:
            if getattr(self, name) not in known:
                raise UnknownNameError(name, getattr(self, name), known)
        if isinstance(self.size, bool) or not isinstance(self.size, int | np.integer) or self.size < 1:
            raise InputError(f"size={quoted(self.size)}: give a whole number of pixels, 1 or more.")

"""What the depths of a network answer to an image: the strongest of their maps."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image

from featx.embedding.composition import as_extractor
from featx.errors import InputError
from featx.networks.pooling import pool
from featx.seeing.pictures import coloured, grid, headed, stacked
from featx.seeing.view import check_counts, place_of, view

TILE = 112
"""Side of a drawn map in pixels."""


@dataclass(frozen=True)
class DepthMaps:
    """The strongest maps of one depth for one image."""

    depth: int | str
    """A stage number or a layer's name."""
    layer: str
    width: int
    """How many maps the depth has."""
    channels: np.ndarray
    """(k,) int: their numbers, from 0, the strongest first."""
    strengths: np.ndarray
    """(k,) float: the mean over space of each map's absolute values."""
    maps: np.ndarray = field(repr=False)
    """(k, h, w) float32."""


@dataclass(frozen=True)
class StrongestMaps:
    """The strongest maps of several depths for one image."""

    backbone: str
    pixels: np.ndarray = field(repr=False)
    """(h, w, 3) uint8: the image as the network sees it."""
    depths: tuple[DepthMaps, ...]

    def picture(self) -> Image.Image:
        """Draw the image, and a row of maps for each depth; every map has its own range, from dark blue to yellow."""
        rows = [headed(grid([_tile(self.pixels, Image.Resampling.BICUBIC)], columns=1), [self.backbone])]
        for one in self.depths:
            _, height, width = one.maps.shape
            title = f"{place_of(one.depth)}: the strongest of {one.width} maps of {height} x {width}"
            tiles = [_tile(coloured(values), Image.Resampling.NEAREST) for values in one.maps]
            captions = [str(channel) for channel in one.channels]
            rows.append(headed(grid(tiles, captions, columns=len(tiles)), [title]))
        return stacked(rows)


def strongest_maps(image: Any, extractor: Any = "featx-mini", *, count: int = 8) -> StrongestMaps:
    """Give the maps by which each stage of a network answers most to an image.

    Parameters
    ----------
    image
        A path, the bytes of a file, a Pillow image, or an array (h, w) or (h, w, 3).
    extractor
        A `FeatureExtractor`, or a backbone: its name, its ``.keras`` file or a Keras model. Its depths are shown where
        it was given any, otherwise every stage.
    count
        Maps of each depth, at most.

    Returns
    -------
    StrongestMaps

    Raises
    ------
    ImageError
        If the image cannot be read.
    InputError
        If a depth gives vectors, not maps.

    References
    ----------
    Zeiler & Fergus, *Visualizing and Understanding Convolutional Networks*, ECCV 2014, who show the strongest maps of
    each layer.

    Examples
    --------
    >>> from featx.images import synthetic
    >>> images, _ = synthetic(n=1, size=96, random_state=0)
    >>> found = strongest_maps(images[0], "featx-mini", count=3)
    >>> [(one.depth, one.maps.shape) for one in found.depths]
    [(1, (3, 48, 48)), (2, (3, 24, 24)), (3, (3, 12, 12)), (4, (3, 6, 6))]
    """
    check_counts(count=(count, 1))
    given = as_extractor(extractor)
    if isinstance(given.depth, str) and given.depth == "default":
        given = given.with_choices(depth=list(given.stages()))
    seen = view(given.with_choices(pooling="avg"))
    for tap in seen.taps:
        if len(tap.shape) != 3:
            raise InputError(f"Depth {tap.depth!r} gives a vector, not maps. Choose a layer before it.")
    (pixels,) = seen.shown([image])
    found = []
    for tap, maps in zip(seen.taps, seen.maps(pixels), strict=True):
        strengths = pool(np.abs(maps)[None])[0]
        first = np.argsort(-strengths, kind="stable")[:count]
        chosen = np.moveaxis(maps[..., first], -1, 0)
        found.append(DepthMaps(tap.depth, tap.layer, maps.shape[-1], first, strengths[first], chosen))
    return StrongestMaps(seen.name, pixels, tuple(found))


def _tile(pixels: np.ndarray, how: Image.Resampling) -> Image.Image:
    height, width = pixels.shape[:2]
    scale = TILE / max(height, width)
    return Image.fromarray(pixels).resize((max(1, round(width * scale)), max(1, round(height * scale))), how)

"""Many images on one picture."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from featx.errors import InputError
from featx.images.resizing import to_size
from featx.images.sources import Source, content

GAP = 4


def contact_sheet(sources: Sequence[Source], *, columns: int = 8, tile: int = 96) -> Image.Image:
    """Put images side by side, row by row, each whole and of one size.

    Parameters
    ----------
    sources
        What `featx.images.as_sources` gives; one that cannot be read becomes a grey tile.
    columns
        Images in a row.
    tile
        Height and width of each, in pixels.

    Returns
    -------
    PIL.Image.Image
        RGB, on white.

    Examples
    --------
    >>> from featx.images import synthetic
    >>> images, _ = synthetic(n=10, size=32)
    >>> contact_sheet(list(images), columns=4, tile=20).size
    (100, 76)
    """
    rows = -(-len(sources) // columns)
    step = tile + GAP
    sheet = np.full((rows * step + GAP, columns * step + GAP, 3), 255, np.uint8)
    for place, source in enumerate(sources):
        top, left = GAP + place // columns * step, GAP + place % columns * step
        try:
            pixels = to_size(content(source), (tile, tile), "pad")
        except InputError:
            pixels = np.full((tile, tile, 3), 128, np.uint8)
        sheet[top : top + tile, left : left + tile] = pixels
    return Image.fromarray(sheet)

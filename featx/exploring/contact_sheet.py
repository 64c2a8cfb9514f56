"""Many images on one picture."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from featx.images.loading import in_parts, load
from featx.images.sources import Source

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
    number = 0
    for tiles, bad in load(in_parts(sources), (tile, tile), "pad"):
        tiles[list(bad)] = 128
        for pixels in tiles:
            top, left = (GAP + step * place for place in divmod(number, columns))
            sheet[top : top + tile, left : left + tile] = pixels
            number += 1
    return Image.fromarray(sheet)

"""Images as small pictures inside a page."""

import io
from base64 import b64encode
from collections.abc import Iterable, Sequence

from PIL import Image

from featx.images.loading import in_parts, load
from featx.images.sources import Source

SIDE, SMALL = 112, 48
"""Pixels on a side of a picture, and of one on the map."""


def pictures(sources: Sequence[Source], rows: Iterable[int], side: int = SIDE) -> dict[int, str]:
    """Give images as data URIs, by their rows; those that cannot be read are left out.

    Parameters
    ----------
    sources
        What `featx.images.as_sources` gives.
    rows
        Which.
    side
        Height and width in pixels. An image is shown whole, with a black border where it is not square.

    Examples
    --------
    >>> from featx.images import synthetic
    >>> images, _ = synthetic(n=3, size=32)
    >>> pictures(list(images), [2], side=16)[2][:23]
    'data:image/jpeg;base64,'
    """
    wanted = sorted(set(rows))
    found: dict[int, str] = {}
    start = 0
    for pixels, bad in load(in_parts([sources[row] for row in wanted]), (side, side), "pad"):
        for place, one in enumerate(pixels):
            if place not in bad:
                file = io.BytesIO()
                Image.fromarray(one).save(file, "JPEG", quality=75, optimize=True)
                found[wanted[start + place]] = f"data:image/jpeg;base64,{b64encode(file.getvalue()).decode()}"
        start += len(pixels)
    return found

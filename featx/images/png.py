"""The transparent colour of a PNG file, where Pillow compares pixels of one depth with a colour of another."""

from io import BytesIO

import numpy as np
from PIL.Image import Image, fromarray
from PIL.PngImagePlugin import PngImageFile

from featx.errors import InputError

_STEPS = {"L;2": 85, "L;4": 17}  # Pillow spreads so many grey levels over 0..255, but not the transparent one
_SIXTEEN = "RGB;16B"


def sample_layout(image: Image) -> str:
    """Tell how the samples of a PNG lie in its file, in Pillow's words; empty where that is no longer known."""
    return str(image.tile[0].args) if isinstance(image, PngImageFile) and image.tile else ""


def with_its_key(image: Image, layout: str, file: BytesIO | None) -> Image:
    """Give a picture whose transparent colour can be compared with its pixels, or is white already.

    Parameters
    ----------
    image
        Loaded.
    layout
        What `sample_layout` said before it was.
    file
        The file again, from its beginning, since Pillow keeps only the upper half of colours of 16 bits; None if it
        is not at hand.

    Raises
    ------
    InputError
        If the lower half would be needed, and there is no file.
    """
    key = image.info.get("transparency")
    if layout in _STEPS and isinstance(key, int):
        image = image.copy()
        image.info["transparency"] = key * _STEPS[layout]
    if image.mode == "RGB" and isinstance(key, tuple) and (layout == _SIXTEEN or max(key) > 255):
        if file is None:
            raise InputError("has a transparent colour of 16 bits, which Pillow cannot find; pass the file")
        lower = PngImageFile(file)
        lower.tile = [part._replace(args=_LOWER) for part in lower.tile]
        pixels = np.array(image)
        hidden = np.ones(pixels.shape[:2], bool)
        for channel, wanted in enumerate(key):
            hidden &= pixels[..., channel] == wanted >> 8
            hidden &= np.asarray(lower.getchannel(channel)) == wanted & 255
        pixels[hidden] = 255
        return fromarray(pixels)
    return image


_LOWER = "RGB;16L"  # as if the bytes of each number were the other way round

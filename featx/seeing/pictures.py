"""Arrays drawn for people: maps in colours of even steps, signed values over an image, tiles with captions, a PNG."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from featx.errors import InputError
from featx.files import ending, make_folder, whole_file

GAP = 8
_TEXT = 14
"""Height of captions in pixels."""
_VIRIDIS = np.frombuffer(bytes.fromhex(
    "44015448186a472d7b4240863b528b33638d2c728e26828e21918c"
    "1fa08828ae803fbc735ec96284d44baddc30d8e219fde725"
), np.uint8).reshape(-1, 3)  # fmt: skip
"""Every sixteenth colour of viridis (van der Walt & Smith, 2015, CC0), whose lightness rises evenly."""
FOR, AGAINST = np.array([230, 97, 1]), np.array([94, 60, 153])
"""The ends of PuOr (Brewer, 1994), which the colour-blind tell apart, too."""


def coloured(values: np.ndarray) -> np.ndarray:
    """Draw numbers (h, w) in the colours of viridis, the least dark blue, the largest yellow: (h, w, 3) uint8.

    Examples
    --------
    >>> coloured(np.array([[0.0, 0.5, 1.0]])).tolist()
    [[[68, 1, 84], [33, 145, 140], [253, 231, 37]]]
    """
    values = np.asarray(values, np.float64)
    least, most = values.min(), values.max()
    share = (values - least) / (most - least) if most > least else np.zeros_like(values)
    at = np.linspace(0, 1, len(_VIRIDIS))
    return (
        np.stack([np.interp(share, at, _VIRIDIS[:, one]) for one in range(3)], axis=-1)
        .round()
        .astype(np.uint8)
    )


def overlaid(pixels: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Lay signed numbers over an image: orange where they are positive, violet where negative, grey where 0.

    Parameters
    ----------
    pixels
        (h, w, 3) uint8.
    values
        (h, w).

    Returns
    -------
    array of shape (h, w, 3), uint8
    """
    grey = np.asarray(Image.fromarray(pixels).convert("L"), np.float64)[..., None] * 0.6 + 90
    most = np.abs(values).max()
    share = np.abs(values) / most if most > 0 else np.zeros_like(values)
    colour = np.where((values > 0)[..., None], FOR, AGAINST)
    cover = 0.85 * share[..., None]
    return ((1 - cover) * grey + cover * colour).round().astype(np.uint8)


def grid(tiles: Sequence[Image.Image], captions: Sequence[str] = (), *, columns: int) -> Image.Image:
    """Put pictures of one size side by side, row by row, on white, each above its caption."""
    width, height = tiles[0].size
    font = ImageFont.load_default(_TEXT)
    text = _TEXT + GAP // 2 if captions else 0
    across, down = width + GAP, height + text + GAP
    rows = -(-len(tiles) // columns)
    sheet = Image.new("RGB", (GAP + columns * across, GAP + rows * down), "white")
    pen = ImageDraw.Draw(sheet)
    for number, tile in enumerate(tiles):
        row, column = divmod(number, columns)
        corner = GAP + column * across, GAP + row * down
        sheet.paste(tile, corner)
        if captions:
            caption = captions[number]
            while len(caption) > 1 and font.getlength(caption) > width:
                caption = caption[:-2] + "…"
            pen.text((corner[0], corner[1] + height + 2), caption, fill="black", font=font)
    return sheet


def headed(picture: Image.Image, lines: Sequence[str]) -> Image.Image:
    """Write lines of text above a picture, which is made wider where they need it."""
    font = ImageFont.load_default(_TEXT)
    top = GAP + len(lines) * (_TEXT + 6)
    width = max(picture.width, *(int(font.getlength(line)) + 2 * GAP for line in lines))
    sheet = Image.new("RGB", (width, top + picture.height), "white")
    sheet.paste(picture, (0, top))
    pen = ImageDraw.Draw(sheet)
    for number, line in enumerate(lines):
        pen.text((GAP, GAP + number * (_TEXT + 6)), line, fill="black", font=font)
    return sheet


def stacked(pictures: Sequence[Image.Image]) -> Image.Image:
    """Put pictures below each other, on white."""
    sheet = Image.new(
        "RGB", (max(one.width for one in pictures), sum(one.height for one in pictures)), "white"
    )
    top = 0
    for one in pictures:
        sheet.paste(one, (0, top))
        top += one.height
    return sheet


def check_place(path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """Refuse a place for a picture before it is worked for; give it as a path.

    Raises
    ------
    InputError
        If it does not end in .png, is a folder, or is there already and is not to be replaced.
    """
    place = Path(path)
    if ending(place, {".png"}) != ".png":
        raise InputError(f"{str(place)!r} does not end in .png, as pictures do.")
    if place.is_dir():
        raise InputError(f"{str(place)!r} is a folder. Give the name of a file.")
    if os.path.lexists(place) and not overwrite:
        raise InputError(f"{str(place)!r} exists. Give another name, or overwrite=True to replace it.")
    return place


def write_picture(
    picture: "Image.Image | np.ndarray", path: str | os.PathLike[str], *, overwrite: bool = False
) -> Path:
    """Write a picture as PNG: all of it or nothing.

    Parameters
    ----------
    picture
        What a method `picture` draws, or an array (h, w, 3) or (h, w), uint8.
    path
        Where; ends in ``.png``. Its folder is made.
    overwrite
        Whether to replace what is there.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    InputError
        If the place cannot be used.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> write_picture(np.zeros((8, 8, 3), np.uint8), f"{mkdtemp()}/black.png").name
    'black.png'
    """
    place = check_place(path, overwrite=overwrite)
    drawn = Image.fromarray(picture) if isinstance(picture, np.ndarray) else picture
    try:
        make_folder(place.absolute().parent)
        with whole_file(place.absolute()) as draft:
            drawn.save(draft.file, "PNG", optimize=True)
    except OSError as error:
        raise InputError(f"{str(place)!r} cannot be written: {error.strerror or error}") from error
    return place

"""Encoded images turned into uint8 RGB pixels, whatever their format, colours, orientation or damage.

Files are untrusted, so only what `featx.images.formats` lists is ever parsed, each recognised by its first bytes and
not by a file's name; nothing is decoded before the size in its header has passed `MAX_PIXELS` and `MAX_SIDE`,
and a JPEG's scans `MAX_SCANS`; whatever else a file may do to keep its reader busy ends after `MAX_SECONDS`.
No setting of Pillow, and no warning filter, is changed, so that many threads may decode at once.
"""

import math
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL.ExifTags import Base
from PIL.Image import Image, Transpose, fromarray, new
from PIL.TiffImagePlugin import TiffImageFile

from featx.errors import InputError
from featx.images.formats import format_of, reader_of
from featx.images.jpeg import MAX_SCANS, has_many_scans
from featx.images.png import sample_layout, with_its_key
from featx.images.ppm import has_long_header
from featx.images.tiff import black_and_white, check_parts
from featx.images.values import range_fault, to_rgb, to_uint8

MAX_PIXELS = 178_956_970
"""The most pixels (width times height) a file may claim: where Pillow refuses too, half a gigabyte of RGB."""

MAX_SIDE = 65_535
"""The largest width and height: a JPEG's own. Pillow needs memory for each line, and time for each of its ends."""

MAX_SECONDS = 60.0
"""Processor time after which no more of a file is given to Pillow. No honest file is known to need a fifth."""

MARGIN = 1.5
"""How many times the size that is wanted a JPEG is decoded at, or more; docs/images.md says what it changes."""

# EXIF 2.32, tag 274: how the stored picture must be turned to be shown upright.
_TURNS = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}


_SCALED = ("PNG", "PPM")  # of 32 bits in Pillow, but scaled to 0..65535 by its readers


@dataclass(frozen=True)
class Picture:
    """A decoded image whose pixels lie as they are stored: not turned upright yet."""

    rgb: Image
    """A Pillow image of mode RGB, or L, which takes a quarter of the memory and has the same three channels."""

    covered: tuple[float, float]
    """Width and height of the picture in pixels of `rgb`, the last of which a reduced JPEG may cover in part only."""

    turn: Transpose | None = None
    """How to turn it upright; None if it is."""

    def upright(self) -> np.ndarray:
        """Give the pixels (h, w, 3), uint8, as the picture is shown."""
        return to_rgb(np.asarray(self.rgb if self.turn is None else self.rgb.transpose(self.turn)))


def decode(content: bytes | np.ndarray) -> np.ndarray:
    """Decode one image to RGB, upright.

    The first frame of an animation and the first page of a TIFF are taken. Transparent pixels are laid over
    white, as a page shows them. Sixteen-bit grey is scaled to eight bits, never clipped. Colour profiles are
    ignored.

    Parameters
    ----------
    content
        The bytes of a file of one of the formats of docs/images.md, or a uint8 array ``(h, w)`` or
        ``(h, w, 1 | 3 | 4)``.

    Returns
    -------
    numpy.ndarray
        ``(h, w, 3)`` uint8, 0 to 255. It may share memory with `content`, and may be read-only.

    Raises
    ------
    InputError
        With a reason that a person understands, without the name of the file.

    Examples
    --------
    >>> decode(np.array([[0, 255]], dtype="uint8")).tolist()
    [[[0, 0, 0], [255, 255, 255]]]
    >>> decode(b"")
    Traceback (most recent call last):
    featx.errors.InputError: the file is empty
    """
    return to_rgb(content) if isinstance(content, np.ndarray) else picture_of(content).upright()


def picture_of(content: bytes, *, at_least: tuple[int, int] | None = None) -> Picture:
    """Decode a file, as `decode` does, for a caller that goes on with Pillow.

    Parameters
    ----------
    content
        The bytes of a file.
    at_least
        ``(height, width)`` that the caller will shrink the picture to. A large JPEG is then decoded at 1/2, 1/4 or
        1/8, whichever is the smallest that leaves `MARGIN` times the larger of them in both directions, which is
        several times faster. It changes the pixels a little, so it belongs to the recipe. Default: full size.

    Raises
    ------
    InputError
        As `decode`.
    """
    if not content:
        raise InputError("the file is empty")
    name = format_of(content)
    reader = reader_of(name)
    if name == "JPEG" and has_many_scans(content):
        raise InputError(f"has more than {MAX_SCANS} scans, as a file that is meant to take hours would")
    if name == "PPM" and has_long_header(content):
        raise InputError("has a header of more than 64 KiB, as a file that is meant to take long would")
    with _damage_told(f"{name} file"):
        image = reader(_Watched(content))
    width, height = image.size
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise InputError(
            f"claims {width}x{height} pixels, more than the limit of {MAX_PIXELS:,}, or of {MAX_SIDE:,} for a side; "
            "if that is true and not an attack, shrink it first"
        )
    if isinstance(image, TiffImageFile):
        with _damage_told(f"{name} file"):
            check_parts(image, len(content), 2 * MAX_PIXELS)
    reduced = None
    if at_least is not None:
        side = math.ceil(MARGIN * max(at_least))  # of both, because a turn by EXIF exchanges them
        reduced = image.draft(None, (side, side))
    rgb, turn = _rgb(image, f"{name} file", _Watched(content))
    return Picture(rgb, reduced[1][2:] if reduced else rgb.size, turn)


def from_pil(image: Image) -> np.ndarray:
    """Turn a Pillow image of any mode to RGB, upright.

    Parameters
    ----------
    image
        It is loaded if it was not yet, and otherwise left as it is.

    Returns
    -------
    numpy.ndarray
        ``(h, w, 3)`` uint8.

    Raises
    ------
    InputError
        If its pixels cannot be read, or their range is unknown.

    Examples
    --------
    >>> import PIL.Image
    >>> from_pil(PIL.Image.new("CMYK", (1, 1), (0, 255, 255, 0))).tolist()
    [[[255, 0, 0]]]
    """
    if 0 in image.size:
        raise InputError(f"has no pixels ({image.width}x{image.height})")
    unread = getattr(image, "tile", None) and getattr(image, "fp", None) is None
    try:
        rgb, turn = _rgb(image, "image")
    except InputError as error:
        if unread or "closed" in str(error.__cause__):
            raise InputError(
                "its file was closed before its pixels were read; call its .load() while the file is open, "
                "or pass the path"
            ) from error
        raise
    return Picture(rgb, rgb.size, turn).upright()


def _rgb(image: Image, kind: str, file: BytesIO | None = None) -> tuple[Image, Transpose | None]:
    """Give an image of any mode in RGB or L, and what turns it upright."""
    with _damage_told(kind):
        deep = image.mode == "F" or image.mode.startswith("I")
        black, white = (0.0, 255.0) if image.mode == "F" else (0.0, 65535.0)
        if isinstance(image, TiffImageFile):
            black, white = black_and_white(image)
        layout = sample_layout(image)
        image.load()
        turn = _turn(image)
        if deep:
            return fromarray(_grey(image, black, white)), turn
        image = with_its_key(image, layout, file)
        if image.has_transparency_data:
            return _over_white(image), turn
        return (image if image.mode in {"RGB", "L"} else image.convert("RGB")), turn


def _turn(image: Image) -> Transpose | None:
    """Tell how to turn a loaded picture upright; rubbish in place of EXIF does not turn it."""
    try:
        return _TURNS.get(image.getexif().get(Base.Orientation, 1))
    except (SyntaxError, struct.error, ValueError, TypeError, KeyError):
        return None


def _over_white(image: Image) -> Image:
    """Lay transparent pixels over white, strip by strip."""
    opaque = new("RGB", image.size)
    for box in _boxes(image):
        part = image.crop(box)
        opaque.paste(
            fromarray(to_rgb(np.asarray(part if part.mode == "RGBA" else part.convert("RGBA")))), box
        )
    return opaque


def _boxes(image: Image) -> list[tuple[int, int, int, int]]:
    """Cut a picture into strips of a million pixels."""
    width, height = image.size
    step = max(1, (1 << 20) // width)
    return [(0, top, width, min(top + step, height)) for top in range(0, height, step)]


def _grey(image: Image, black: float, white: float) -> np.ndarray:
    """Give grey of more than eight bits as uint8 (h, w), strip by strip; what is transparent is white."""
    strips = _boxes(image)
    extremes = np.array([pick(np.asarray(image.crop(box))) for box in strips for pick in (np.min, np.max)])
    value_range = (min(black, white), max(black, white))
    fault = range_fault(extremes, value_range)
    if not fault and image.mode == "I" and image.format not in _SCALED and 0 < extremes.max() <= 255:
        fault = (
            f"has numbers of 32 bits up to {extremes.max()}, which value_range=(0, 65535) would make black"
        )
    if fault:
        advice = "; read it into an array and pass that with its value_range"
        raise InputError(f"{fault}{advice if 'value_range' in fault else ''}")
    grey = np.empty((image.height, image.width), np.uint8)
    for box in strips:
        values = np.asarray(image.crop(box))
        part = to_uint8(values, (black, white))
        part[values == image.info.get("transparency", -1)] = 255
        grey[box[1] : box[3]] = part
    return grey


class _Watched(BytesIO):
    """A file in memory that refuses to be read when its reader has worked for too long.

    Pillow's readers come back for more after at most 64 KiB, a chunk or a tile. The time is the thread's own, so
    that a busy or sleeping machine changes nothing.
    """

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self._end = time.thread_time() + MAX_SECONDS

    def read(self, size: int | None = -1, /) -> bytes:
        if time.thread_time() > self._end:
            raise InputError(
                f"takes more than {MAX_SECONDS:g} seconds to decode; if it is true and not an attack, "
                "save it anew with another program"
            )
        return super().read(size)


@contextmanager
def _damage_told(kind: str) -> Iterator[None]:
    """Tell whatever a decoder raises as an `InputError`."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # a damaged file may raise anything in a decoder; nothing else runs in here
        told = " ".join(str(error).split())
        if "truncated" in told.lower() or "requires a buffer" in told:
            raise InputError(f"the {kind} ends too early (truncated)") from error
        raise InputError(f"the {kind} is damaged or of a kind that Pillow cannot read ({told})") from error

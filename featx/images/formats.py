"""The image formats that are read: how their files begin, how the names of these end, and who reads them."""

import re
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from types import MappingProxyType
from typing import NamedTuple

from PIL import features
from PIL.ImageFile import ImageFile

from featx.errors import InputError


class Format(NamedTuple):
    """One format."""

    start: bytes
    """How a file begins, a regular expression."""
    endings: tuple[str, ...]
    """How file names end, in small letters."""
    reader: str
    """Pillow's class, with its module."""


FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        "JPEG": Format(
            rb"\xff\xd8\xff",
            (".jfif", ".jpe", ".jpeg", ".jpg", ".mpo"),  # .mpo: of several JPEGs the first is read
            "PIL.JpegImagePlugin.JpegImageFile",
        ),
        "PNG": Format(rb"\x89PNG\r\n\x1a\n", (".png", ".apng"), "PIL.PngImagePlugin.PngImageFile"),
        "WebP": Format(rb"RIFF....WEBP", (".webp",), "featx.images.webp.FirstFrame"),
        "GIF": Format(rb"GIF8[79]a", (".gif",), "PIL.GifImagePlugin.GifImageFile"),
        "BMP": Format(rb"BM", (".bmp", ".dib"), "PIL.BmpImagePlugin.BmpImageFile"),
        "TIFF": Format(rb"II[*+]\0|MM\0[*+]", (".tif", ".tiff"), "PIL.TiffImagePlugin.TiffImageFile"),
        "PPM": Format(rb"P[1-6]\s", (".pbm", ".pgm", ".pnm", ".ppm"), "PIL.PpmImagePlugin.PpmImageFile"),
        "JPEG 2000": Format(
            rb"\xff\x4f\xff\x51|\0\0\0\x0cjP  \r\n\x87\n",
            (".j2c", ".j2k", ".jp2", ".jpf", ".jpx"),
            "PIL.Jpeg2KImagePlugin.Jpeg2KImageFile",
        ),
        "AVIF": Format(
            rb"....ftyp(?:avi[fs]|(?:mif1|msf1).{,32}avi[fs])",
            (".avif", ".avifs"),
            "PIL.AvifImagePlugin.AvifImageFile",
        ),
        "HEIC": Format(
            rb"....ftyp(?:hei[cxms]|hev[cxms]|mif1|msf1)",
            (".heic", ".heif", ".hif"),
            "pillow_heif.as_plugin.HeifImageFile",
        ),
    }
)
"""By their names; a file is of the first that fits."""

_CODECS = {"JPEG 2000": "jpg_2000", "AVIF": "avif"}  # what Pillow may have been built without


@cache
def readable(name: str) -> bool:
    """Tell whether the libraries that are installed read a format."""
    if name == "HEIC":
        return find_spec("pillow_heif") is not None
    codec = _CODECS.get(name)
    return codec is None or bool(features.check(codec))


def extensions() -> frozenset[str]:
    """Give the endings of the names of the files that can be read here, in small letters."""
    return frozenset(ending for name, one in FORMATS.items() if readable(name) for ending in one.endings)


def format_of(content: bytes) -> str:
    """Name the format of a file by its first bytes.

    Raises
    ------
    InputError
        If it is none of `FORMATS`.

    Examples
    --------
    >>> format_of(b"GIF89a...")
    'GIF'
    """
    for name, one in FORMATS.items():
        if re.match(one.start, content, re.DOTALL):
            return name
    raise InputError(f"not an image that Pillow can read ({', '.join(filter(readable, FORMATS))})")


def reader_of(name: str) -> type[ImageFile]:
    """Give Pillow's class for a format.

    Raises
    ------
    InputError
        If it is not installed.
    """
    if not readable(name):
        remedy = "install pillow-heif" if name == "HEIC" else "install a newer Pillow"
        raise InputError(
            f"is a {name} picture, which nothing that is installed reads; {remedy}, or convert it"
        )
    module, _, kind = FORMATS[name].reader.rpartition(".")
    reader: type[ImageFile] = getattr(import_module(module), kind)
    return reader

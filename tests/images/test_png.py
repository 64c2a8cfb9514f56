"""PNG: a transparent colour hides the pixels that have it, at every depth, and no others."""

import struct
import zlib
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from featx.errors import InputError
from featx.images.decoding import decode, from_pil


def png(pixels, depth, colour, transparent):
    """Forge a PNG with a transparent colour."""

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    height, width = pixels.shape[:2]
    rows = pixels.reshape(height, -1)
    if depth == 16:
        lines = [row.astype(">u2").tobytes() for row in rows]
    else:
        bits = ["".join(format(int(number), f"0{depth}b") for number in row) for row in rows]
        lines = [int(row, 2).to_bytes(len(row) // 8, "big") for row in bits]
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    key = chunk(b"tRNS", struct.pack(f">{len(transparent)}H", *transparent))
    body = chunk(b"IDAT", zlib.compress(b"".join(b"\0" + line for line in lines)))
    return b"\x89PNG\r\n\x1a\n" + header + key + body + chunk(b"IEND", b"")


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("share", [0, 1 / 3, 1])
def test_a_transparent_grey_is_white_at_every_depth(depth, share):
    """The hidden grey is laid over white, and every other keeps its brightness."""
    most = (1 << depth) - 1
    grey = np.arange(256).reshape(16, 16) * most // 255
    hidden = int(grey.flat[round(share * 255)])
    expected = np.where(grey == hidden, 255, np.rint(grey / most * 255))
    file = png(grey, depth, 0, [hidden])
    np.testing.assert_array_equal(decode(file)[..., 1], expected)
    np.testing.assert_array_equal(from_pil(Image.open(BytesIO(file)))[..., 1], expected)


@pytest.mark.parametrize("hidden", [(257, 513, 770), (65535, 0, 0), (1, 2, 3)])
def test_a_transparent_colour_of_sixteen_bits_is_compared_whole(hidden):
    """A colour that differs in the lower eight bits only is not hidden."""
    pixels = np.random.default_rng(0).integers(0, 65536, (9, 8, 3))
    pixels[0, :4] = [[1, 2, 3], [257, 513, 770], [256, 513, 770], [65535, 0, 0]]
    expected = np.where((pixels == hidden).all(axis=2, keepdims=True), 255, pixels >> 8)
    file = png(pixels, 16, 2, hidden)
    np.testing.assert_array_equal(decode(file), expected)
    with pytest.raises(InputError, match=r"^has a transparent colour of 16 bits, which"):
        from_pil(Image.open(BytesIO(file)))

"""TIFF: a picture has the same pixels at every depth, compression and polarity, or is refused."""

import struct
import zlib
from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile

from featx.errors import InputError
from featx.images.decoding import decode, from_pil

GREY = np.arange(256, dtype=np.uint8).reshape(16, 16)
RGB = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)


def packed(numbers, bits):
    """Write numbers of so many bits one after the other, each line from a new byte."""
    lines = ("".join(format(int(number), f"0{bits}b") for number in row) for row in numbers)
    lines = (line + "0" * (-len(line) % 8) for line in lines)
    return b"".join(int(line, 2).to_bytes(len(line) // 8, "big") for line in lines)


def tiff(shape, data, bits, *, photometric=1, form=1, order="<", deflated=False, planes=1, **tags):
    """Forge a TIFF of one strip, or of one for each plane."""
    height, width, samples = (*shape, 1)[:3]
    data = zlib.compress(data) if deflated else data
    part = len(data) // planes
    values = {
        256: [width], 257: [height], 258: [bits] * samples, 259: [8 if deflated else 1], 262: [photometric],
        273: [8 + part * plane for plane in range(planes)], 277: [samples], 278: [height], 279: [part] * planes,
        284: [2 if planes > 1 else 1], 339: [form] * samples,
        **{int(name[1:]): value for name, value in tags.items()},
    }  # fmt: skip
    values = {tag: value for tag, value in values.items() if value != [None]}
    where = 8 + len(data) + len(data) % 2
    entries, behind = b"", b""
    for tag, numbers in sorted(values.items()):
        long = tag in (256, 257, 273, 278, 279, 322, 323, 324, 325)
        body = struct.pack(order + ("I" if long else "H") * len(numbers), *numbers)
        if len(body) > 4:
            body, behind = (
                struct.pack(order + "I", where + 2 + 12 * len(values) + 4 + len(behind)),
                behind + body,
            )
        entries += struct.pack(order + "HHI", tag, 4 if long else 3, len(numbers)) + body.ljust(4, b"\0")
    start = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(order + "I", where)
    return (
        start
        + data
        + b"\0" * (len(data) % 2)
        + struct.pack(order + "H", len(values))
        + entries
        + bytes(4)
        + behind
    )


def grey_tiff(kind, factor, bits, *, photometric, order="<", **more):
    """Forge the grey picture with other numbers, as a negative where zero is white."""
    shown = 255 - GREY.astype(int) if photometric != 1 else GREY.astype(int)
    numbers = np.rint(shown * factor)
    data = packed(numbers, bits) if kind is None else numbers.astype(order + kind).tobytes()
    return tiff(GREY.shape, data, bits, photometric=photometric, order=order, **more)


@pytest.mark.parametrize("how", [(order, deflated) for order in "<>" for deflated in (False, True)])
@pytest.mark.parametrize("photometric", [0, 1, None])
@pytest.mark.parametrize(
    ("kind", "factor", "bits", "form"),
    [
        ("u1", 1, 8, 1),
        ("u2", 257, 16, 1),
        (None, 4095 / 255, 12, 1),
        (None, 1023 / 255, 10, 1),
        (None, 16383 / 255, 14, 1),
        ("u4", 257, 32, 1),
        ("u4", 16843009, 32, 1),
        ("u4", 1, 32, 1),
        ("i4", 257, 32, 2),
        ("i4", 1, 32, 2),
        ("i2", 128, 16, 2),
        ("i2", 1, 16, 2),
        ("i1", 0.498, 8, 2),
        ("f4", 1, 32, 3),
        ("f2", 1, 16, 3),
    ],
)
def test_a_picture_is_the_same_at_every_depth_or_refused(how, photometric, kind, factor, bits, form):  # noqa: PLR0917
    """White is white, whether the largest number or zero stands for it; what Pillow cannot tell is refused."""
    order, deflated = how
    file = grey_tiff(kind, factor, bits, form=form, photometric=photometric, deflated=deflated, order=order)
    try:
        pixels = decode(file)
    except InputError:
        assert (bits, form) not in {(8, 1), (16, 1), (12, 1)} or (order, photometric) != ("<", 1)
        assert bits != 8 or form == 2
        return
    assert np.abs(pixels.astype(int) - GREY[..., None]).max() <= 1
    np.testing.assert_array_equal(from_pil(Image.open(BytesIO(file))), pixels)


def zeros(count, width, tile=1, bytes_each=None, file_bytes=0):
    """Forge a TIFF of `count` tiles that all are the same stream, which holds nothing but zeros."""
    stream = zlib.compress(bytes(100_000))
    stream += bytes(max(0, file_bytes - len(stream)))
    tags = {259: [8], 273: None, 278: None, 279: None, 322: [tile], 323: [tile], 324: [8] * count,
            325: [len(stream) if bytes_each is None else bytes_each] * count}  # fmt: skip
    return tiff(
        (width, width),
        stream,
        8,
        **{f"t{tag}": [value] if value is None else value for tag, value in tags.items()},
    )


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        (lambda: zeros(90_000, 300), "^has 90,000 parts of 10,800,000 bytes in a file of 720,"),
        (lambda: zeros(2, 2, 1, 800), "^has 2 parts of 1,600 bytes in a file of"),
        (
            lambda: zeros(1, 10, 40_000),
            "^has tiles of 40000x40000 pixels for a picture of 10x10; save it anew",
        ),
    ],
)
def test_parts_that_are_decoded_again_and_again_are_refused(file, reason, monkeypatch):
    """Before one call of Pillow does it that nothing can end."""
    monkeypatch.setattr(TiffImageFile, "load", None)
    with pytest.raises(InputError, match=reason):
        decode(file())


@pytest.mark.parametrize("tile", [16, 256])
def test_tiles_larger_than_the_picture_are_read(tile):
    """As long as they hold no more than the file does; tiles and strips may lie close together."""
    assert not decode(zeros(1, 10, tile)).any()
    assert not decode(zeros(4, 2 * tile, tile, 200, file_bytes=800)).any()


def test_a_negative_of_sixteen_bits_is_turned():
    """Zero is white, 65535 is black."""
    file = tiff((1, 3), np.array([0, 257, 65535], "<u2").tobytes(), 16, photometric=0)
    assert decode(file)[0, :, 0].tolist() == [255, 254, 0]


def test_a_negative_of_fractions_is_turned():
    """So it is in floating point."""
    file = tiff((1, 3), np.array([0, 1, 255], "<f4").tobytes(), 32, photometric=0, form=3)
    assert decode(file)[0, :, 0].tolist() == [255, 254, 0]


def test_twelve_bits_fill_the_range():
    """4095 is white, not 16 of 255."""
    file = tiff((1, 4), packed([[0, 16, 2048, 4095]], 12), 12)
    assert decode(file)[0, :, 0].tolist() == [0, 1, 128, 255]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("photometric", "samples"), [(2, 3), (5, 4)])
def test_colours_of_sixteen_bits_are_those_of_eight(photometric, samples, order):
    """RGB and CMYK, both orders of bytes."""
    pixels = np.random.default_rng(1).integers(0, 256, (9, 7, samples), dtype=np.uint8)
    deep = (pixels.astype(int) * 257).astype(order + "u2")
    np.testing.assert_array_equal(
        decode(tiff(pixels.shape, deep.tobytes(), 16, photometric=photometric, order=order)),
        decode(tiff(pixels.shape, pixels.tobytes(), 8, photometric=photometric, order=order)),
    )


def test_planes_are_read_at_eight_bits_and_refused_at_sixteen():
    """Pillow takes the upper and lower halves of numbers of sixteen bits for pixels of their own."""
    planes = RGB.transpose(2, 0, 1)
    np.testing.assert_array_equal(decode(tiff(RGB.shape, planes.tobytes(), 8, photometric=2, planes=3)), RGB)
    deep = (planes.astype(int) * 257).astype("<u2").tobytes()
    with pytest.raises(
        InputError, match=r"^has 16 bits per colour in planes, of which Pillow takes the wrong"
    ):
        decode(tiff(RGB.shape, deep, 16, photometric=2, planes=3))


@pytest.mark.parametrize(
    ("data", "bits", "form", "order", "reason"),
    [
        (
            GREY.astype("i1"),
            8,
            2,
            "<",
            "^has signed numbers of 8 bits, for which black and white are unknown",
        ),
        (GREY.astype("<i2"), 16, 2, "<", "^has signed numbers of 16 bits, .* pass that with its value_range"),
        (
            GREY.astype("<i4"),
            32,
            2,
            "<",
            "^has numbers of 32 bits up to 255, which value_range=.* black; read",
        ),
        (GREY.astype("<u4") << 24, 32, 1, "<", "^has values from .* outside value_range"),
        (GREY.astype(">f4"), 32, 3, ">", "^has compressed numbers of 32 bits, the highest byte first"),
    ],
)
def test_numbers_of_unknown_meaning_are_refused(data, bits, form, order, reason):
    """Neither half as bright nor black: the error says which numbers, and what to do."""
    with pytest.raises(InputError, match=reason):
        decode(tiff(GREY.shape, data.tobytes(), bits, form=form, order=order, deflated=order == ">"))

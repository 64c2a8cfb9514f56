"""Decoding: every colour mode and orientation gives the pixels that people see, and every damage a reason."""

import re
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image, ImageOps

import featx.images.decoding
from featx.errors import InputError
from featx.images.decoding import (
    MAX_PIXELS,
    MAX_SCANS,
    MAX_SIDE,
    decode,
    from_pil,
)
from featx.images.formats import FORMATS
from featx.images.jpeg import has_many_scans
from featx.images.values import to_rgb, to_uint8

SIDES = st.integers(1, 9)
RGB = hnp.arrays("uint8", st.tuples(SIDES, SIDES, st.just(3)))
RGBA = hnp.arrays("uint8", st.tuples(SIDES, SIDES, st.just(4)))
BLOCKS = np.kron(
    np.random.default_rng(0).integers(0, 256, (4, 5, 3), dtype=np.uint8), np.ones((8, 8, 1), dtype=np.uint8)
)
LOSSLESS = {
    "PNG": {},
    "WebP": {"lossless": True},
    "BMP": {},
    "TIFF": {},
    "TIFF LZW": {"compression": "tiff_lzw"},
}
ALL = {**LOSSLESS, "JPEG": {}, "JPEG progressive": {"progressive": True}, "GIF": {}}


def encode(image, how, **options):
    """Encode an image as a format, whose name is the first word of `how`."""
    file = BytesIO()
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    image.save(file, how.split()[0], **ALL.get(how, {}), **options)
    return file.getvalue()


def white(rgba):
    """Lay an image over white, by the definition of alpha, in floating point."""
    colour, alpha = rgba[..., :3].astype(float), rgba[..., 3:] / 255
    return colour * alpha + 255 * (1 - alpha)


@pytest.mark.parametrize("how", LOSSLESS)
@given(rgb=RGB)
def test_lossless_files_give_back_their_pixels(how, rgb):
    """What a lossless format stores is what decode returns."""
    np.testing.assert_array_equal(decode(encode(rgb, how)), rgb)


@given(grey=hnp.arrays("uint8", st.tuples(SIDES, SIDES)))
def test_grey_fills_three_channels_in_files_and_arrays_alike(grey):
    """Grey becomes three equal channels, whether it comes as a file, (h, w) or (h, w, 1)."""
    expected = np.stack([grey] * 3, axis=2)
    for given_as in (encode(grey, "PNG"), grey, grey[..., None]):
        np.testing.assert_array_equal(decode(given_as), expected)


@given(rgba=RGBA)
def test_transparency_is_laid_over_white_in_files_and_arrays_alike(rgba):
    """RGBA becomes what a white page shows, and a file gives exactly what its array gives."""
    np.testing.assert_array_equal(decode(encode(rgba, "PNG")), decode(rgba))
    assert np.abs(decode(rgba) - white(rgba)).max() <= 0.5


def test_hidden_colours_of_transparent_pixels_do_not_show():
    """A black drawing on transparent black is a black drawing on white, not all black."""
    drawing = np.zeros((1, 2, 4), dtype=np.uint8)
    drawing[0, 0, 3] = 255
    assert decode(encode(drawing, "PNG")).tolist() == [[[0, 0, 0], [255, 255, 255]]]


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
def test_a_transparent_colour_of_a_png_is_white(mode):
    """The tRNS chunk makes one colour transparent in modes that have no alpha channel."""
    black = (0, 0, 0) if mode == "RGB" else 0
    assert (decode(encode(Image.new(mode, (2, 2), black), "PNG", transparency=black)) == 255).all()


@pytest.mark.parametrize(
    ("mode", "colour", "rgb"),
    [
        ("1", 1, (255, 255, 255)),
        ("L", 7, (7, 7, 7)),
        ("LA", (7, 255), (7, 7, 7)),
        ("RGB", (1, 2, 3), (1, 2, 3)),
        ("RGBX", (1, 2, 3, 0), (1, 2, 3)),
        ("RGBa", (1, 2, 3, 255), (1, 2, 3)),
        ("CMYK", (0, 255, 255, 0), (255, 0, 0)),
        ("YCbCr", (76, 85, 255), (254, 0, 0)),
        ("HSV", (0, 255, 255), (255, 0, 0)),
        ("I", 65535, (255, 255, 255)),
        ("I;16", 257 * 9, (9, 9, 9)),
        ("I;16B", 257 * 9, (9, 9, 9)),
        ("F", 99.6, (100, 100, 100)),
    ],
)
def test_every_mode_of_pillow_becomes_rgb(mode, colour, rgb):
    """A pixel of each mode has the RGB colour it stands for."""
    pixels = from_pil(Image.new(mode, (2, 3), colour))
    assert (pixels.dtype, pixels.shape, tuple(pixels[0, 0].tolist())) == (np.uint8, (3, 2, 3), rgb)


def test_palettes_are_looked_up():
    """A palette image has the colours of its palette, not their numbers."""
    image = Image.new("P", (1, 1), 1)
    image.putpalette([0, 0, 0, 10, 20, 30])
    assert decode(encode(image, "PNG")).tolist() == [[[10, 20, 30]]]


def test_cmyk_jpegs_are_not_inverted():
    """Adobe's CMYK files store ink inverted; no ink is white, and red is red."""
    for ink, colour in [((0, 0, 0, 0), 255), ((0, 0, 0, 255), 0)]:
        assert (decode(encode(Image.new("CMYK", (8, 8), ink), "JPEG")) == colour).all()


@pytest.mark.parametrize("how", ["PNG", "TIFF"])
@given(deep=hnp.arrays("uint16", st.tuples(SIDES, SIDES)))
def test_sixteen_bit_grey_is_scaled_not_clipped(how, deep):
    """65535 becomes 255 and 257 becomes 1, exactly as for an array with value_range=(0, 65535)."""
    eight = decode(encode(deep, how))
    np.testing.assert_array_equal(eight[..., 0], np.rint(deep / 257))
    np.testing.assert_array_equal(eight[..., 0], to_uint8(deep, (0, 65535)))


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (
            np.float32([[0, 0.5]]),
            "has fractions from 0 to 0.5, which .* would make black; read it into an array",
        ),
        (np.float32([[0, 256]]), r"has values from 0 to 256, outside value_range=\(0, 255\); read it into"),
        (np.float32([[0, np.nan]]), "^contains NaN$"),
        (np.float32([[0, np.inf]]), r"^contains infinity \(inf\)$"),
        (np.int32([[0, 70000]]), r"has values from 0 to 70000, outside value_range=\(0, 65535\)"),
    ],
)
def test_files_of_numbers_whose_range_is_unknown_are_refused(values, reason):
    """A TIFF of numbers that are no eight- or sixteen-bit pixels is not guessed at."""
    with pytest.raises(InputError, match=reason):
        decode(encode(values, "TIFF"))


@pytest.mark.parametrize("how", ["JPEG", "PNG", "WebP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_once(how, orientation):
    """Each of the eight orientations comes out as Pillow's own exif_transpose shows it."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = encode(BLOCKS, how, exif=exif)
    shown = ImageOps.exif_transpose(Image.open(BytesIO(file)))
    np.testing.assert_array_equal(decode(file), np.asarray(shown.convert("RGB")))
    np.testing.assert_array_equal(from_pil(Image.open(BytesIO(file))), decode(file))
    np.testing.assert_array_equal(from_pil(shown), decode(file))


def test_orientation_6_turns_a_quarter_to_the_right():
    """Phones store an upright photograph lying on its left side, with orientation 6."""
    exif = Image.Exif()
    exif[0x0112] = 6
    lying = np.array([[[1, 1, 1], [2, 2, 2]]], dtype=np.uint8)
    assert decode(encode(lying, "PNG", exif=exif))[..., 0].tolist() == [[1], [2]]


def test_rubbish_in_place_of_exif_does_not_matter():
    """A file whose EXIF block is no EXIF has intact pixels."""
    file = encode(BLOCKS, "JPEG", exif=b"Exif\0\0rubbish, not EXIF")
    np.testing.assert_array_equal(decode(file), decode(encode(BLOCKS, "JPEG")))
    png = encode(BLOCKS, "PNG")
    rubbish = struct.pack(">I", 9) + b"eXIf" + bytes(9) + struct.pack(">I", zlib.crc32(b"eXIf" + bytes(9)))
    np.testing.assert_array_equal(decode(png[:33] + rubbish + png[33:]), decode(png))


@pytest.mark.parametrize("how", ["GIF", "WebP", "PNG", "TIFF"])
def test_the_first_frame_is_taken(how):
    """An animation, and a TIFF of several pages, is its first picture."""
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    file = encode(frames[0], how, save_all=True, append_images=frames[1:])
    assert Image.open(BytesIO(file)).n_frames == 2
    assert np.abs(decode(file).astype(int) - [255, 0, 0]).max() <= 1


@pytest.mark.parametrize("how", ALL)
def test_a_truncated_file_is_refused_or_whole(how):
    """Wherever a file is cut, it is refused, unless the cut took no pixel; never is a part made up."""
    file = encode(BLOCKS, how)
    whole = decode(file)
    refused = 0
    for length in range(0, len(file), max(1, len(file) // 150)):
        try:
            np.testing.assert_array_equal(decode(file[:length]), whole)
        except InputError:
            refused += 1
    assert refused > 100


@pytest.mark.parametrize("how", ["JPEG", "JPEG progressive", "PNG", "GIF", "BMP", "TIFF"])
def test_a_file_cut_in_half_is_called_truncated(how):
    """The commonest damage, an interrupted copy, is named."""
    file = encode(BLOCKS, how)
    with pytest.raises(InputError, match=rf"^the {how.split()[0]} file ends too early \(truncated\)$"):
        decode(file[: len(file) // 2])


@given(st.sampled_from(sorted(ALL)), st.data())
def test_a_damaged_file_is_an_image_or_an_input_error(how, data):
    """Whatever bytes change in a file, nothing but InputError is raised."""
    file = bytearray(encode(BLOCKS, how))
    for place in data.draw(st.lists(st.integers(0, min(200, len(file) - 1)), max_size=4)):
        file[place] = data.draw(st.integers(0, 255))
    try:
        image = decode(bytes(file))
    except InputError:
        return
    assert (image.dtype, image.ndim, image.shape[2]) == (np.uint8, 3, 3)


@given(
    st.binary(max_size=64),
    st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"BM", b"II*\0"]),
)
def test_rubbish_is_refused(rubbish, start):
    """Random bytes, also behind the first bytes of a format, are no image."""
    with pytest.raises(InputError, match=r"empty|not an image|damaged|too early"):
        decode(start + rubbish)


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        (b"", "^the file is empty$"),
        (
            b"<html>404 Not Found</html>",
            r"^not an image that Pillow can read \(JPEG, PNG, WebP, GIF, BMP, TIFF, PPM",
        ),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "^not an image that Pillow can read"),
    ],
)
def test_a_file_that_is_no_image_says_so(file, reason):
    """Empty files, saved error pages and formats that run programs are told apart from damaged images."""
    with pytest.raises(InputError, match=reason):
        decode(file)


def png_header(width, height):
    """Forge a PNG that claims a size and holds next to nothing."""

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(99))) + chunk(b"IEND", b"")


def test_a_decompression_bomb_is_refused_before_it_is_decoded(monkeypatch):
    """A size beyond the limit is refused by what the header claims, also where Pillow's own limit is off."""
    for pillows in (Image.MAX_IMAGE_PIXELS, None, 1):
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", pillows)
        with pytest.raises(
            InputError, match=r"^claims 30000x30000 pixels, more than the limit of 178,956,970"
        ):
            decode(png_header(30000, 30000))


def test_the_limit_is_featx_own_and_draws_no_warning():
    """A size that Pillow would warn of, and that is below the limit, is let through to the decoder."""
    assert Image.MAX_IMAGE_PIXELS < 10_000 * 10_000 < MAX_PIXELS
    with pytest.raises(InputError, match="ends too early"):
        decode(png_header(10_000, 10_000))


@pytest.mark.parametrize("size", [(MAX_SIDE + 1, 1), (1, MAX_SIDE + 1)])
def test_a_picture_that_is_all_length_is_refused(size):
    """Few pixels in very many lines, or one very long line, cost more than their number says."""
    with pytest.raises(InputError, match=r"^claims \d+x\d+ pixels, more than .* or of 65,535 for a side"):
        decode(png_header(*size))
    assert decode(encode(Image.new("1", (MAX_SIDE, 1), 1), "PNG")).shape == (1, MAX_SIDE, 3)


def scans(count, side=8):
    """Forge a progressive grey JPEG whose later scans say, in a few bytes, that nothing changes anywhere."""

    def segment(marker, body):
        return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body

    codes = [segment(0xC4, bytes([kind, 1, *[0] * 15, 0])) for kind in (0x00, 0x10)]  # one code: end of block
    frame = segment(0xC2, struct.pack(">BHHBBBB", 8, side, side, 1, 1, 0x11, 0))
    first = segment(0xDA, bytes([1, 1, 0, 0, 0, 0])) + b"\x7f"
    more = segment(0xDA, bytes([1, 1, 0, 1, 63, 0])) + b"\x7f"
    table = segment(0xDB, b"\0" + b"\1" * 64)
    return b"\xff\xd8" + table + frame + b"".join(codes) + first + more * (count - 1) + b"\xff\xd9"


def test_a_jpeg_of_very_many_scans_is_refused():
    """Each scan of ten bytes may touch every pixel again, so a small file could take hours."""
    assert decode(scans(MAX_SCANS)).shape == (8, 8, 3)
    for count in (MAX_SCANS + 1, 5000):
        with pytest.raises(InputError, match=r"^has more than 100 scans"):
            decode(scans(count))


def test_scans_count_wherever_they_begin():
    """At even and at odd bytes, in files of even and odd length, and where the mark stands at the very end."""
    for start in (b"", b"\xff\xfe\0\3a"):
        for end in (b"", b"a", b"\xff\xda", b"a\xff\xda"):
            for count in (MAX_SCANS, MAX_SCANS + 1):
                file = scans(count)
                assert has_many_scans(file[:2] + start + file[2:] + end) == (count > MAX_SCANS)


def test_what_looks_like_a_scan_and_is_none_does_not_count():
    """Bytes within a segment, and a film that a telephone appended, are not decoded."""
    file, marks = encode(BLOCKS, "JPEG progressive"), b"\xff\xda" * 500
    within = file[:2] + b"\xff\xe7" + struct.pack(">H", len(marks) + 2) + marks + file[2:]
    np.testing.assert_array_equal(decode(within + marks), decode(file))


def test_a_tiff_of_very_many_scans_is_refused():
    """A JPEG inside a TIFF is held by libtiff to the same number of scans."""
    inner = scans(400, side=256)
    tags = {256: 256, 257: 256, 258: 8, 259: 7, 262: 1, 273: 8, 277: 1, 278: 256, 279: len(inner)}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    file = b"II*\0" + struct.pack("<I", 8 + len(inner)) + inner
    with pytest.raises(InputError, match="TIFF file is damaged or of a kind"):
        decode(file + struct.pack("<H", len(tags)) + entries + bytes(4))


@pytest.mark.parametrize(
    "start", [b"P6 #" + b"a" * 70_000 + b"\n1 1 255\n", b"P4" + b" " * 70_000 + b"1 1\n"]
)
def test_a_ppm_whose_header_has_no_end_is_refused(start):
    """Pillow reads it byte by byte; 50 MB of a comment took a minute."""
    with pytest.raises(
        InputError, match=r"^has a header of more than 64 KiB, as a file that is meant to take"
    ):
        decode(start + b"abc")
    assert decode(b"P6 #" + b"a" * 9000 + b"\n1 1 255\nabc" + bytes(70_000)).tolist() == [[[97, 98, 99]]]


@pytest.mark.parametrize("how", ALL)
def test_a_file_that_takes_too_long_is_refused(how, monkeypatch):
    """With no time at all none is read; the clock is asked whenever Pillow wants more of any file."""
    file = encode(BLOCKS, how)
    monkeypatch.setattr(featx.images.decoding, "MAX_SECONDS", -1.0)
    with pytest.raises(InputError, match=r"^takes more than -1 seconds to decode; if it is true and not an"):
        decode(file)


@pytest.mark.parametrize(
    "file",
    [
        b"GIF89a\1\0\1\0\0\0\0" + b"\x21\xfe" + (b"\xff" + b"a" * 255) * 2000,
        b"\x89PNG\r\n\x1a\n"
        + (struct.pack(">I", 0) + b"abcd" + struct.pack(">I", zlib.crc32(b"abcd"))) * 9000,
        b"\xff\xd8" + b"\xff\xfe\0\2" * 9000,
    ],
    ids=["GIF comments", "PNG chunks", "JPEG comments"],
)
def test_a_file_of_many_small_parts_asks_the_clock_again_and_again(file, monkeypatch):
    """Its reader is stopped in the middle, however many parts are still to come."""
    ticks = iter(range(10**6))
    monkeypatch.setattr(featx.images.decoding.time, "thread_time", lambda: next(ticks) / 10)
    with pytest.raises(InputError, match=r"^takes more than 60 seconds"):
        decode(file)
    assert 500 < next(ticks) < 700


def test_large_images_are_laid_over_white_strip_by_strip():
    """Whatever the shape, the strips give what the whole gives."""
    random = np.random.default_rng(0)
    for shape in ((1, 400_000, 4), (400_000, 1, 4), (700, 800, 4)):
        rgba = random.integers(0, 256, shape, dtype=np.uint8)
        assert np.abs(to_rgb(rgba) - white(rgba)).max() <= 0.5
    deep = random.integers(0, 65536, (1500, 1000), dtype=np.uint16)
    np.testing.assert_array_equal(to_uint8(deep, (0, 65535)), np.rint(deep / 257))


def test_threads_change_nothing():
    """Eight threads that decode one file get equal arrays."""
    files = [encode(BLOCKS, how) for how in ALL] * 8
    expected = [decode(file) for file in files]
    with ThreadPoolExecutor(8) as pool:
        for result, wanted in zip(pool.map(decode, files), expected, strict=True):
            np.testing.assert_array_equal(result, wanted)


def test_inputs_are_never_modified():
    """Arrays and Pillow images are as they were before."""
    rgba = np.random.default_rng(1).integers(0, 256, (5, 4, 4), dtype=np.uint8)
    before, image = rgba.copy(), Image.fromarray(rgba)
    decode(rgba)
    from_pil(image)
    np.testing.assert_array_equal(rgba, before)
    np.testing.assert_array_equal(np.asarray(image), before)


def test_every_format_is_recognised_by_its_own_first_bytes_only():
    """No file of one format is taken for another."""
    for how in ALL:
        file = encode(BLOCKS, how)
        names = [name for name, one in FORMATS.items() if re.match(one.start, file, re.DOTALL)]
        assert names == [how.split()[0]]

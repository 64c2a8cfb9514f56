"""HEIC, as telephones write it: pixels, turns, transparency and depth are those that were written."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageOps
from PIL.ExifTags import Base

from featx.errors import InputError
from featx.images.decoding import decode, picture_of
from featx.images.resizing import to_size
from featx.images.values import to_rgb

pillow_heif = pytest.importorskip("pillow_heif")

SMOOTH = np.add.outer(np.arange(32), np.arange(48))[..., None].astype(np.uint8) * np.uint8([1, 2, 3])


def encode(image, **options):
    """Write a picture without loss."""
    file = BytesIO()
    pillow_heif.from_pillow(image).save(file, quality=-1, chroma=444, matrix_coefficients=0, **options)
    return file.getvalue()


def test_a_lossless_file_gives_back_its_pixels():
    """Colour, grey, and ten bits a colour, whose upper eight are taken."""
    np.testing.assert_array_equal(decode(encode(Image.fromarray(SMOOTH))), SMOOTH)
    grey = SMOOTH[..., 0]
    np.testing.assert_array_equal(decode(encode(Image.fromarray(grey))), to_rgb(grey))
    file = BytesIO()
    deep = SMOOTH.astype("<u2") * 257
    pillow_heif.from_bytes(mode="RGB;16", size=(48, 32), data=deep.tobytes()).save(
        file, quality=-1, chroma=444, matrix_coefficients=0
    )
    np.testing.assert_array_equal(decode(file.getvalue()), SMOOTH)


def test_transparency_is_laid_over_white():
    """As in every other format."""
    alpha = np.repeat(np.arange(32, dtype=np.uint8)[:, None] * 8, 48, axis=1)
    rgba = np.dstack([SMOOTH, alpha])
    np.testing.assert_array_equal(decode(encode(Image.fromarray(rgba))), to_rgb(rgba))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_turned_once(orientation):
    """A telephone says it twice: in the picture's own properties and in its EXIF."""
    exif = Image.Exif()
    exif[Base.Orientation] = orientation
    file = encode(Image.fromarray(SMOOTH), exif=exif.tobytes())
    assert (b"irot" in file or b"imir" in file) == (orientation > 1)
    jpeg = Image.fromarray(SMOOTH)
    jpeg.getexif()[Base.Orientation] = orientation
    wanted = np.asarray(ImageOps.exif_transpose(jpeg))
    np.testing.assert_array_equal(decode(file), wanted)
    np.testing.assert_array_equal(to_size(file, wanted.shape[:2]), wanted)


def test_of_several_pictures_the_primary_one_is_read():
    """As a telephone shows it."""
    file = pillow_heif.from_pillow(Image.fromarray(SMOOTH))
    file.add_from_pillow(Image.new("RGB", (16, 16), "red"))
    packed = BytesIO()
    file.save(packed, quality=-1, primary_index=1)
    assert picture_of(packed.getvalue()).rgb.size == (16, 16)


def test_a_cut_or_damaged_file_is_an_image_or_an_input_error():
    """Nothing else comes out of the library."""
    whole = encode(Image.fromarray(SMOOTH))
    for end in (12, 100, len(whole) // 2, len(whole) - 5):
        with pytest.raises(InputError, match="HEIC file"):
            decode(whole[:end])
    rng = np.random.default_rng(0)
    for _ in range(100):
        file = np.frombuffer(whole, np.uint8).copy()
        file[rng.integers(0, len(file), 3)] = rng.integers(0, 256, 3)
        try:
            assert decode(file.tobytes()).shape[2] == 3
        except InputError as error:
            assert "\n" not in str(error)  # noqa: PT017 - either is right

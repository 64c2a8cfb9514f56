"""Resizing: every rule gives the size, a file what its pixels give, and a reduced JPEG nearly what the whole gives."""

from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.ExifTags import Base
from sklearn.datasets import load_sample_image

from featx.errors import UnknownNameError
from featx.images.decoding import decode, picture_of
from featx.images.resizing import RULES, to_size
from featx.images.values import to_rgb

PHOTOGRAPH = load_sample_image("china.jpg")  # 427 x 640
MEAN, MOST = 1.5, 24  # of 255


def encode(image, how, **options):
    """Give the bytes of a file."""
    file = BytesIO()
    Image.fromarray(image).save(file, how, **options)
    return file.getvalue()


SIZES = st.tuples(st.integers(1, 24), st.integers(1, 24))


@given(SIZES, SIZES, st.sampled_from(sorted(RULES)))
def test_every_rule_gives_the_size_and_no_new_colour(have, want, rule):
    """Any image comes out in any size; one of a single colour keeps it, but for what is padded."""
    result = to_size(np.full((*have, 3), 200, dtype=np.uint8), want, rule)
    assert (result.shape, result.dtype) == ((*want, 3), np.uint8)
    assert set(np.unique(result)) <= ({0, 200} if rule == "pad" else {200})


@given(SIZES, SIZES, st.sampled_from(sorted(RULES)), st.integers(0, 99))
def test_grey_is_resized_as_its_three_channels_are(have, want, rule, seed):
    """To the last bit, in files of 8 and 16 bits, though it is held in one channel."""
    grey = np.random.default_rng(seed).integers(0, 256, have, dtype=np.uint8)
    wanted = to_size(np.repeat(grey[..., None], 3, axis=2), want, rule)
    for image in (grey, grey.astype(np.uint16) * 257):
        np.testing.assert_array_equal(to_size(encode(image, "PNG"), want, rule), wanted)


@given(SIZES, st.sampled_from(sorted(RULES)))
def test_an_image_of_the_size_stays_as_it_is(size, rule):
    """No rule touches what needs no resizing."""
    image = np.zeros((*size, 3), dtype=np.uint8)
    assert to_size(image, size, rule) is image


@given(SIZES, st.integers(1, 5))
def test_rules_agree_on_equal_proportions(size, scale):
    """With nothing to cut off or to fill, the rules differ by no more than rounding."""
    want = (size[0] * scale, size[1] * scale)
    image = to_rgb(np.random.default_rng(0).integers(0, 256, size, dtype=np.uint8))
    squashed = to_size(image, want, "squash").astype(int)
    for rule in ("crop", "pad"):
        assert np.abs(to_size(image, want, rule) - squashed).max() <= 1


def test_squash_stretches_crop_cuts_and_pad_fills():
    """A wide image with two red ends: squash and pad keep the ends, crop does not."""
    wide = np.full((10, 40, 3), 50, dtype=np.uint8)
    wide[:, :8] = wide[:, -8:] = (255, 0, 0)
    squash, crop, pad = (to_size(wide, (20, 20), rule) for rule in ("squash", "crop", "pad"))
    assert squash[10, 0].tolist() == squash[10, -1].tolist() == [255, 0, 0]
    assert (crop == 50).all()
    assert pad[10, 0].tolist() == [255, 0, 0]
    assert (pad[:7] == 0).all() and (pad[-7:] == 0).all() and pad[8:12].any(axis=2).all()  # noqa: PT018


def test_crop_is_the_centre_of_what_fills_the_size():
    """Cropping equals scaling the short side and cutting the middle, where both are whole pixels."""
    image = to_rgb(np.random.default_rng(0).integers(0, 256, (40, 60), dtype=np.uint8))
    small = np.asarray(Image.fromarray(image).resize((30, 20), Image.Resampling.BILINEAR))
    np.testing.assert_allclose(to_size(image, (20, 20), "crop")[:, 1:-1], small[:, 6:24], atol=1)


def test_shrinking_averages():
    """Fine stripes become grey, not an accident of which pixels were picked."""
    stripes = np.zeros((64, 64, 3), dtype=np.uint8)
    stripes[:, ::2] = 255
    assert np.abs(to_size(stripes, (8, 8)).astype(int) - 127).max() < 25


def test_an_unknown_rule_is_refused():
    """The message suggests the nearest rule."""
    with pytest.raises(UnknownNameError, match=r"Unknown resize rule 'squish'. Did you mean 'squash'"):
        to_size(np.zeros((2, 2, 3), dtype=np.uint8), (1, 1), "squish")


@given(SIZES, SIZES, st.sampled_from(sorted(RULES)))
def test_a_file_gives_what_its_pixels_give(have, want, rule):
    """Whether an image comes encoded or as an array makes no difference."""
    image = np.random.default_rng(0).integers(0, 256, (*have, 3), dtype=np.uint8)
    np.testing.assert_array_equal(to_size(encode(image, "PNG"), want, rule), to_size(image, want, rule))


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_file_gives_what_the_upright_picture_gives(orientation, rule):
    """EXIF turns what was resized; turning first differs by rounding, and for a large JPEG by its reduction."""
    exif = Image.Exif()
    exif[Base.Orientation] = orientation
    for image, how in ((PHOTOGRAPH[:50, :77], "PNG"), (PHOTOGRAPH, "JPEG")):
        file = encode(image, how, exif=exif)
        for size in ((31, 24), (24, 31), (30, 30)):
            found, wanted = to_size(file, size, rule).astype(int), to_size(decode(file), size, rule)
            assert found.shape == wanted.shape
            assert np.abs(found - wanted).mean() <= (MEAN if how == "JPEG" else 0.1)


@given(st.integers(0, 15), st.integers(0, 15), st.integers(16, 130), st.sampled_from(sorted(RULES)))
@settings(max_examples=40, deadline=None)
def test_a_reduced_jpeg_differs_little_from_the_whole(narrower, lower, side, rule):
    """Whatever its size, also where its last pixels stand for fewer than the others (docs/images.md)."""
    height, width, _ = PHOTOGRAPH.shape
    file = encode(PHOTOGRAPH[: height - lower, : width - narrower], "JPEG", quality=90)
    difference = np.abs(
        to_size(file, (side, side), rule).astype(int) - to_size(decode(file), (side, side), rule)
    )
    assert difference.mean() <= MEAN
    assert difference.max() <= MOST


def test_large_jpegs_are_decoded_reduced_and_nothing_else_is():
    """A JPEG keeps one and a half times the wanted size or more; small ones, and other files, come whole."""
    smooth = np.asarray(Image.fromarray(PHOTOGRAPH).resize((1000, 600)))
    jpeg, png = encode(smooth, "JPEG"), encode(smooth, "PNG")
    for file, wanted, size in (
        (jpeg, 50, (125, 75)), (jpeg, 51, (250, 150)), (jpeg, 200, (500, 300)), (jpeg, 201, (1000, 600)),
        (png, 50, (1000, 600)),
    ):  # fmt: skip
        assert picture_of(file, at_least=(wanted, 20)).rgb.size == size

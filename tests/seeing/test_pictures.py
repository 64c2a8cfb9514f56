"""Pictures: colours of even steps, signs by colour, and a PNG that is written whole or not at all."""

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image

from featx.errors import InputError
from featx.seeing import write_picture
from featx.seeing.pictures import AGAINST, FOR, coloured, grid, headed, overlaid

RAMP = np.linspace(-3, 5, 256).reshape(1, 256)


def test_the_colours_are_those_of_viridis():
    """To 6 of 255, from 17 of its colours."""
    viridis = mpl.colormaps["viridis"](np.linspace(0, 1, 256))[:, :3] * 255
    assert np.abs(coloured(RAMP)[0] - viridis).max() < 6


def test_larger_numbers_are_lighter():
    """In grey print, too: lightness rises from the least number to the largest."""
    light = np.asarray(Image.fromarray(coloured(RAMP)).convert("L"), int)[0]
    assert (np.diff(light) >= -1).all()
    assert light[-1] - light[0] > 150


def test_equal_numbers_are_one_colour():
    """There is no range to divide by."""
    assert np.ptp(coloured(np.full((3, 4), 7.0)).reshape(-1, 3), axis=0).tolist() == [0, 0, 0]
    assert overlaid(np.full((3, 4, 3), 100, np.uint8), np.zeros((3, 4))).shape == (3, 4, 3)


def test_signs_are_told_by_colour_and_zero_has_none():
    """Where nothing spoke the image is grey, whatever its colours were."""
    image = np.full((1, 3, 3), (200, 40, 90), np.uint8)
    drawn = overlaid(image, np.array([[2.0, 0.0, -2.0]])).astype(int)[0]
    assert np.abs(drawn[0] - FOR).sum() < np.abs(drawn[0] - AGAINST).sum()
    assert np.abs(drawn[2] - AGAINST).sum() < np.abs(drawn[2] - FOR).sum()
    assert np.ptp(drawn[1]) == 0


def test_a_long_caption_stays_below_its_tile():
    """It is cut with an ellipsis; a heading makes the picture wider instead."""
    tile = Image.new("RGB", (40, 40))
    assert grid([tile], ["a caption that is far too long for its tile"], columns=1).width == 40 + 2 * 8
    assert headed(tile, ["a heading that is longer than the picture is wide"]).width > 200


def test_a_picture_is_written_as_it_is(tmp_path):
    """PNG loses nothing; folders are made, and nothing else is left."""
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    path = write_picture(pixels, tmp_path / "new" / "one.PNG")
    with Image.open(path) as picture:
        assert np.array_equal(np.asarray(picture), pixels)
    assert [one.name for one in path.parent.iterdir()] == ["one.PNG"]


def test_a_failed_picture_leaves_the_old_one(tmp_path):
    """Pixels that no PNG can hold are found while the draft is written."""
    path = write_picture(np.zeros((4, 4), np.uint8), tmp_path / "one.png")
    before = path.read_bytes()
    with pytest.raises(InputError, match="cannot be written"):
        write_picture(Image.new("CMYK", (4, 4)), path, overwrite=True)
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == ["one.png"]

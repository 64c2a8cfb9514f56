"""Small raw pixels as features."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.utils.estimator_checks import parametrize_with_checks

from featx.embedding import PixelExtractor
from featx.errors import ImageError, InputError, UnknownNameError


@parametrize_with_checks([PixelExtractor(4, image_shape=(1, -1), value_range=(-1e6, 1e6))])
def test_scikit_learn_contract(estimator, check):
    """Every check of scikit-learn's own battery passes."""
    check(estimator)


def test_a_row_is_the_picture_itself(pixels):
    """At its own size an image comes back from its row, to the value."""
    square = pixels[:, :20]
    rows = PixelExtractor(20).fit_transform(square)

    assert rows.dtype == np.float32
    np.testing.assert_array_equal(np.rint(rows.reshape(square.shape) * 255), square)


def test_every_kind_of_input_gives_the_same_rows(pixels, files):
    """Paths, bytes, PIL images and arrays are the same images, whatever the number of workers."""
    expected = PixelExtractor(6).fit_transform(pixels)

    for X in (files, [Path(path).read_bytes() for path in files], [Image.open(path) for path in files]):
        np.testing.assert_array_equal(PixelExtractor(6, n_jobs=2).fit_transform(X), expected)


def test_the_resize_rule_counts(pixels):
    """Images that are not square become so in three ways."""
    rows = [PixelExtractor(6, resize=rule).fit_transform(pixels) for rule in ("squash", "crop", "pad")]

    assert all(not np.array_equal(one, other) for one, other in zip(rows, rows[1:] + rows[:1], strict=True))


def test_columns_are_named_after_their_pixel():
    """Row, column and colour, in the order of the row."""
    red = np.zeros((1, 2, 2, 3), np.uint8)
    red[0, 1, 0, 0] = 255
    extractor = PixelExtractor(2)
    names = extractor.get_feature_names_out()

    assert names[extractor.transform(red)[0] == 1].tolist() == ["pixel_1_0_red"]
    assert list(extractor.set_output(transform="pandas").fit_transform(red).columns) == list(names)


def test_bad_images_are_named_or_become_nan(files, tmp_path):
    """As with FeatureExtractor: one error for all, or rows of NaN."""
    empty = tmp_path / "empty.png"
    empty.write_bytes(b"")
    mixed = [files[0], str(empty), files[1], str(tmp_path / "gone.png")]

    with pytest.raises(ImageError, match=r"2 images cannot be read:\n.*empty.*\n.*gone"):
        PixelExtractor().fit_transform(mixed)
    lenient = PixelExtractor(on_error="nan")
    assert np.isnan(lenient.fit_transform(mixed)).all(axis=1).tolist() == [False, True, False, True]
    assert [bad.row for bad in lenient.bad_images_] == [1, 3]


def test_wrong_choices_are_refused(pixels):
    """Each message says what to give."""
    with pytest.raises(InputError, match="size=0: give a whole number of pixels"):
        PixelExtractor(0).fit(pixels)
    with pytest.raises(UnknownNameError, match=r"Unknown resize 'squish'\. Did you mean 'squash'"):
        PixelExtractor(resize="squish").fit(pixels)

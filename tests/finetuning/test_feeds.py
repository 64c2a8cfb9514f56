"""Batches: the same pixels from memory and from disk, and rows held out of every class."""

import numpy as np
import pytest

from featx.errors import ImageError
from featx.finetuning.augment import Augmenter
from featx.finetuning.feeds import Images, KeptFeed, PixelFeed

BATCHES = [np.array([3, 1, 4]), np.array([0, 0, 11])]


def test_decoded_once_or_each_time_images_are_the_same(files, pixels):
    """Memory or disk changes no pixel; nor does the form images come in."""
    kept = Images(files, (24, 20), "squash", 2)
    streamed = Images(files, (24, 20), "squash", 2, limit=0)

    for rows, one, other in zip(BATCHES, kept.batches(BATCHES), streamed.batches(BATCHES), strict=True):
        np.testing.assert_array_equal(one, pixels[rows])
        np.testing.assert_array_equal(other, pixels[rows])


def test_images_in_memory_are_read_once(files, tmp_path):
    """Their files may go; those of streamed ones may not."""
    kept = Images(files, (8, 8), "squash", 1)
    streamed = Images(files, (8, 8), "squash", 1, limit=0)
    (tmp_path / "image03.png").unlink()

    assert len(list(kept.batches(BATCHES))) == 2
    with pytest.raises(ImageError, match=r"image03\.png: there is no such file"):
        list(streamed.batches(BATCHES))


def test_every_bad_image_is_named(files, tmp_path):
    """Decoding goes on to the end to find them all."""
    (tmp_path / "image02.png").write_bytes(b"")
    (tmp_path / "image09.png").unlink()
    with pytest.raises(ImageError, match=r"(?s)2 images .*image02\.png.*image09\.png") as caught:
        Images(files, (8, 8), "squash", 2)
    assert [bad.row for bad in caught.value.bad] == [2, 9]


def test_images_change_only_where_an_augmenter_is_given(pixels):
    """A feed without one gives the images as they are; the seed of an epoch fixes what is changed."""
    images = Images(list(pixels), (24, 20), "squash", 1)
    plain, changing = PixelFeed(images), PixelFeed(images, Augmenter("default"))

    def all_of(feed, *seed):
        return np.concatenate([inputs[0] for inputs in feed(BATCHES, *seed)])

    np.testing.assert_array_equal(all_of(plain), pixels[np.concatenate(BATCHES)])
    np.testing.assert_array_equal(all_of(changing, 1, 2), all_of(changing, 1, 2))
    assert (all_of(changing, 1, 2) != all_of(changing, 1, 3)).any()
    assert (all_of(changing, 1, 2) != all_of(plain)).any()


def test_what_a_fixed_part_made_is_kept_row_by_row(pixels, tiny):
    """The feed of kept outputs equals the network on those images, the last batch included."""
    import keras

    start = keras.Input((16, 16, 3), dtype="uint8")
    fixed = keras.Model(start, [tiny(start)])
    images = Images(list(pixels), (16, 16), "squash", 1)
    feed = KeptFeed(fixed, images, len(pixels), 5)
    all_pixels = next(images.batches([np.arange(len(pixels))]))

    expected = np.asarray(tiny(all_pixels))
    for rows, (given,) in zip(BATCHES, feed(BATCHES), strict=True):
        np.testing.assert_allclose(given, expected[rows], rtol=1e-5, atol=1e-6)
    assert KeptFeed.size(fixed, 12) == 12 * 2 * 2 * 8 * 4

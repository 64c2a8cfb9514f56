"""Augmentation: images change at random, keep their kind, and change in the same way for the same seed."""

import numpy as np
import pytest

from featx.errors import InputError, UnknownNameError
from featx.finetuning.augment import Augmenter, _layers

NAMES = ("flip", "crop", "rotation", "translation", "contrast", "erasing")


@pytest.mark.parametrize("name", [*NAMES, "default", "flip+crop"])
def test_every_name_changes_images_and_can_be_repeated(name, pixels):
    """Twice the same seed gives the same images, another seed others; the input stays as it is."""
    before = pixels.copy()
    augmenter = Augmenter(name)
    given = []
    for seed in (1, 1, 2):
        augmenter.seed(seed, 5)
        given.append(augmenter(pixels))

    np.testing.assert_array_equal(pixels, before)
    np.testing.assert_array_equal(given[0], given[1])
    assert given[0].dtype == np.uint8
    assert given[0].shape == pixels.shape
    assert (given[0] != pixels).any()
    assert (given[0] != given[2]).any()


@pytest.mark.parametrize("name", ["flip", "default"])
def test_what_is_known_changes_images_as_its_layers_do(name, pixels):
    """Compiled or one after the other, to one rounding of a pixel."""
    compiled = Augmenter(name)
    plain = Augmenter(_layers(name))
    for augmenter in (compiled, plain):
        augmenter.seed(7)
    for _ in range(2):
        difference = compiled(pixels).astype(int) - plain(pixels)
        assert abs(difference).max() <= 1
        assert (difference != 0).mean() < 0.001


def test_images_of_a_batch_change_each_in_its_way(pixels):
    """The same image twelve times becomes more than one."""
    same = np.repeat(pixels[:1], 12, axis=0)
    augmenter = Augmenter("default")
    augmenter.seed(0)

    changed = augmenter(same)

    assert len({image.tobytes() for image in changed}) > 6


def test_the_next_batch_changes_otherwise(pixels):
    """The random state moves on between batches."""
    augmenter = Augmenter("rotation")
    augmenter.seed(0)

    assert (augmenter(pixels) != augmenter(pixels)).any()


def test_the_default_does_not_mirror():
    """A mirrored letter is another letter: only "flip" does it."""
    left = np.zeros((32, 16, 16, 3), np.uint8)
    left[:, :, :4] = 255
    for name, mirrored in (("default", False), ("flip", True)):
        augmenter = Augmenter(name)
        augmenter.seed(3)
        changed = augmenter(left).mean(axis=(1, 3))
        assert (changed[:, 8:].mean(axis=1) > changed[:, :8].mean(axis=1)).any() == mirrored


def test_layers_and_models_of_ones_own_are_taken(pixels):
    """A list of layers, one layer, or a model of them."""
    from keras import Sequential, layers

    for choice in (
        layers.RandomFlip(),
        [layers.RandomFlip(), layers.RandomBrightness(0.5)],
        Sequential([layers.RandomFlip()]),
    ):
        augmenter = Augmenter(choice)
        augmenter.seed(1)
        first = augmenter(pixels)
        augmenter.seed(1)
        np.testing.assert_array_equal(augmenter(pixels), first)
        assert (first != pixels).any()


def test_what_changes_the_size_is_refused(pixels):
    """The message says how to mend it."""
    from keras import layers

    with pytest.raises(InputError, match=r"\(24, 20, 3\) into \(8, 8, 3\).*Resizing"):
        Augmenter(layers.RandomCrop(8, 8))(pixels)


def test_what_is_no_augmentation_is_refused():
    """An unknown name suggests one; anything else is told what there is."""
    with pytest.raises(UnknownNameError, match="Did you mean 'flip'"):
        Augmenter("flop")
    with pytest.raises(InputError, match="give a sum of names such as 'flip\\+crop'"):
        Augmenter(3)

"""Inceptionism: the depth answers more to the picture, which keeps the photograph's proportions and is seeded."""

import numpy as np
import pytest
from PIL import Image

from featx import FeatureExtractor
from featx.images import photographs
from featx.seeing import dream
from featx.seeing.inceptionism import _sizes

PHOTO = photographs()[0][0]


@pytest.fixture
def small(tiny):
    return FeatureExtractor(tiny, scaling="unit", input_size=16, cache=None)


def answer(extractor, pixels, depth, channel=None):
    """Give the mean square over channels, or one channel's mean, of a picture brought to the network's size."""
    one = extractor.with_choices(depth=depth, pooling="none", engine="keras")
    (tap,) = one.plan().taps
    maps = one.transform([pixels]).reshape(tap.shape)
    return (maps**2).mean() if channel is None else maps[..., channel].mean()


@pytest.mark.parametrize("depth", [1, 2])
def test_the_depth_answers_more(small, depth):
    """To the picture than to the photograph, over all channels; nothing else was asked for."""
    photo = PHOTO[100:148, 200:264]
    found = dream(photo, small, depth=depth, octaves=2, steps=8)
    assert found.shape == photo.shape
    assert found.dtype == np.uint8
    assert answer(small, found, depth) > 1.2 * answer(small, photo, depth)


def test_the_embedded_network_dreams():
    """At a stage of textures, in three sizes."""
    photo = PHOTO[:200, :300]
    found = dream(photo, "featx-mini", depth=3, octaves=3, steps=4)
    extractor = FeatureExtractor("featx-mini", cache=None)
    window = slice(50, 146), slice(100, 196)  # as large as what the network looks through
    assert answer(extractor, found[window], 3) > 1.5 * answer(extractor, photo[window], 3)
    assert 2 < np.abs(found.astype(int) - photo).mean() < 60


def test_a_channel_may_be_chosen(small):
    """It answers more than the photograph makes it, and more than when all were raised."""
    photo = PHOTO[100:148, 200:264]
    one, every = (dream(photo, small, depth=2, channel=channel, octaves=1, steps=8) for channel in (3, None))
    assert answer(small, one, 2, 3) > answer(small, every, 2, 3)
    assert answer(small, one, 2, 3) > answer(small, photo, 2, 3)


def test_the_proportions_are_those_of_the_photograph(small):
    """Of its own size up to 640, or of the one that was asked for; smaller than the network's window, too."""
    photo = np.asarray(Image.fromarray(PHOTO).resize((60, 40)))
    assert dream(photo, small, depth=1, octaves=1, steps=1).shape == (40, 60, 3)
    assert dream(photo, small, depth=1, octaves=1, steps=1, size=30).shape == (20, 30, 3)
    assert dream(photo, small, depth=1, octaves=2, steps=1, size=12).shape == (8, 12, 3)
    assert dream(photo[:, :, 0], small, depth=1, octaves=1, steps=1, size=90).shape == (60, 90, 3)


def test_octaves_grow_from_the_window_to_the_picture():
    """By one factor; a picture smaller than the window has one."""
    assert _sizes((400, 600), (100, 100), 3) == [(100, 150), (200, 300), (400, 600)]
    assert _sizes((400, 600), (100, 200), 1) == [(400, 600)]
    assert _sizes((40, 60), (100, 100), 4) == [(100, 150)]


def test_a_seed_fixes_the_picture(small):
    """Another one looks elsewhere."""
    photo = PHOTO[100:148, 200:264]
    first, again, other = (
        dream(photo, small, depth=2, octaves=2, steps=2, random_state=seed) for seed in (0, 0, 1)
    )
    assert np.array_equal(first, again)
    assert (first != other).any()


@pytest.mark.slow
def test_a_photograph_dreams_with_real_weights(data, imagenet):
    """The stage of eyes and scales answers a quarter more after a few steps."""
    photo = PHOTO[:300, :300]
    found = dream(photo, "mobilenet_v2", depth=4, octaves=2, steps=6)
    extractor = FeatureExtractor("mobilenet_v2", cache=None)
    window = slice(40, 264), slice(40, 264)  # as large as what the network looks through
    assert answer(extractor, found[window], 4) > 1.25 * answer(extractor, photo[window], 4)

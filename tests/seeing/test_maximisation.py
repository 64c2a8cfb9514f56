"""Activation maximisation: a channel answers much more to its image than to noise; seeded; each channel by itself."""

import keras
import numpy as np
import pytest
from keras import layers

from featx import FeatureExtractor
from featx.seeing import maximise


@pytest.fixture
def small(tiny):
    return FeatureExtractor(tiny, scaling="unit", input_size=16, cache=None)


@pytest.mark.parametrize("depth", [3, 4])
def test_the_answer_rises_at_least_fivefold(depth):
    """Over the mean answer to noise, with the embedded network."""
    found = maximise("featx-mini", [3, 5, 7, 9], depth=depth)
    assert (found.responses >= 5 * np.abs(found.noise)).all(), (found.responses, found.noise)
    assert found.images.shape == (4, 96, 96, 3)


def test_the_answer_rises_in_a_network_of_random_weights(small):
    """Every channel of the last stage."""
    found = maximise(small, range(8), depth=3)
    assert (found.responses >= 5 * np.abs(found.noise)).all(), (found.responses, found.noise)


@pytest.mark.slow
def test_the_answer_rises_with_real_weights(data, imagenet):
    """At a stage of textures fivefold; at the last one to the 6 where its activation ends, from 0 to 1.2 on noise."""
    textures = maximise("mobilenet_v2", [3, 7], depth=4, steps=48)
    assert (textures.responses >= 5 * np.abs(textures.noise)).all(), (textures.responses, textures.noise)
    last = maximise("mobilenet_v2", [0, 1, 2], depth=5, steps=48)
    assert (last.responses >= np.minimum(5 * last.noise, 5.9)).all(), (last.responses, last.noise)
    assert last.noise[2] == 0
    assert last.responses[2] > 5


def test_it_answers_with_what_the_extractor_measures(small):
    """The response is the column of the embedding of the very image that is given."""
    found = maximise(small, [1, 2], depth=3, steps=8)
    embeddings = small.with_choices(depth=3, pooling="avg", engine="keras").transform(found.images)
    np.testing.assert_allclose(found.responses, embeddings[[0, 1], [1, 2]], rtol=1e-4, atol=1e-6)


def test_a_seed_fixes_everything_and_a_channel_has_no_mates(small):
    """The same image again, alone or among others; another seed gives another."""
    both = maximise(small, [2, 1], depth=3, steps=8)
    again = maximise(small, 1, depth=3, steps=8)
    assert np.abs(both.images[1].astype(int) - again.images[0]).max() <= 1
    other = maximise(small, 1, depth=3, steps=8, random_state=1)
    assert np.abs(other.images.astype(int) - again.images).mean() > 5


def test_a_channel_that_noise_leaves_silent_is_woken():
    """Behind a ReLU that is flat for all noise: the way up is that before it."""
    network = keras.Sequential(
        [
            keras.Input((16, 16, 3)),
            layers.Conv2D(2, 5, strides=2, use_bias=True, name="conv"),
            layers.ReLU(name="relu"),
        ],
        name="shy",
    )
    kernel = np.random.default_rng(0).normal(size=(5, 5, 3, 2))
    kernel -= kernel.mean(axis=(0, 1, 2))
    network.layers[0].set_weights([kernel.astype(np.float32), np.full(2, -6, np.float32)])
    found = maximise(FeatureExtractor(network, scaling="unit", cache=None), [0, 1], depth="relu", steps=32)
    assert found.noise.tolist() == [0, 0]
    assert (found.responses > 0).all()


def test_a_class_of_a_classifier_has_an_image_too(small):
    """A layer that gives vectors has no space to average over."""
    network = keras.Sequential(
        [*small.backbone.layers, layers.GlobalAveragePooling2D(), layers.Dense(3, name="classes")],
        name="whole",
    )
    extractor = FeatureExtractor(network, scaling="unit", input_size=16, cache=None)
    found = maximise(extractor, [2], depth="classes", steps=8)
    assert found.responses[0] > found.noise[0]


def test_the_picture_has_a_tile_for_each_channel(small):
    """Four in a row."""
    found = maximise(small, range(5), depth=2, steps=1)
    assert found.picture().width > 4 * 160
    assert found.picture().height > 2 * 160

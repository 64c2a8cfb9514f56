"""The gradient of a response: that of differences, on every backend, and nothing of the network is touched."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import layers

from featx import FeatureExtractor
from featx.seeing.gradient import Ascent, unit
from featx.seeing.view import view


@pytest.fixture
def shown():
    """Make a network whose layers are other ones in training: BatchNorm, dropout and noise."""
    keras.utils.set_random_seed(3)
    network = keras.Sequential(
        [
            keras.Input((12, 12, 3)),
            layers.Conv2D(4, 3, strides=2, activation="tanh", name="one"),
            layers.BatchNormalization(name="norm"),
            layers.Dropout(0.5),
            layers.GaussianNoise(1.0),
            layers.Conv2D(5, 3, activation="tanh", name="two"),
            layers.Flatten(name="flat"),
        ],
        name="moody",
    )
    network.get_layer("one").kernel.assign(network.get_layer("one").kernel * 2)
    network.get_layer("norm").set_weights([np.full(4, value, np.float32) for value in (2, 0.5, -0.2, 3)])
    return lambda depth: view(FeatureExtractor(network, depth=depth, scaling="tf", pooling="avg", cache=None))


RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.uniform(0, 255, (2, 12, 12, 3)).astype(np.float32)


@pytest.mark.parametrize("power", [1, 2])
@pytest.mark.parametrize("depth", ["one", "two", "flat"])
def test_it_is_the_slope(shown, depth, power):
    """Small changes of the image change the response as it says; each image of a batch by itself."""
    seen = shown(depth)
    wanted = RANDOM.normal(size=(2, seen.tensors[0].shape[-1])).astype(np.float32)
    ascent = Ascent(seen.graph, seen.tensors[0], 2, power=power)
    gradient = ascent.gradient(IMAGES, wanted)
    way = RANDOM.normal(size=IMAGES.shape).astype(np.float32) * 2
    slopes = (ascent.responses(IMAGES + way, wanted) - ascent.responses(IMAGES - way, wanted)) / 2
    np.testing.assert_allclose((gradient * way).sum(axis=(1, 2, 3)), slopes, rtol=0.02, atol=1e-3)
    alone = Ascent(seen.graph, seen.tensors[0], 1, power=power).gradient(IMAGES[1:], wanted[1:])
    np.testing.assert_allclose(gradient[1:], alone, rtol=1e-4, atol=1e-6)


def test_the_response_is_that_of_the_embedding(shown):
    """Scaled as the extractor scales, and as when the network predicts."""
    seen = shown("two")
    pixels = IMAGES.astype(np.uint8)
    found = Ascent(seen.graph, seen.tensors[0], 2).responses(
        pixels.astype(np.float32), np.eye(5, dtype=np.float32)[:2]
    )
    expected = seen.extractor.set_params(engine="keras").transform(pixels)
    np.testing.assert_allclose(found, [expected[0, 0], expected[1, 1]], rtol=1e-4, atol=1e-6)


def test_nothing_of_the_network_is_touched(shown):
    """Neither weights, nor statistics, nor what is trainable; the next embedding is the same to the bit."""
    seen = shown("two")
    network = seen.extractor.backbone
    before = seen.extractor.transform(IMAGES.astype(np.uint8))
    weights = network.get_weights()
    ascent = Ascent(seen.graph, seen.tensors[0], 2)
    for _ in range(3):
        ascent.gradient(IMAGES, np.ones((2, 5), np.float32))
    assert all(map(np.array_equal, network.get_weights(), weights))
    assert all(layer.trainable for layer in network.layers)
    assert np.array_equal(seen.extractor.transform(IMAGES.astype(np.uint8)), before)


def test_no_slope_stays_none():
    """Nothing is divided by 0, and each image has its own length."""
    given = np.stack([np.zeros((2, 2, 3)), np.full((2, 2, 3), 5)]).astype(np.float32)
    assert unit(given)[:, 0, 0, 0].tolist() == [0, 1]


PROGRAM = """
import sys
import numpy as np
from featx.seeing import maximise
found = maximise("featx-mini", [3, 5], depth=2, steps=4, random_state=1)
np.savez(sys.argv[1], images=found.images, responses=found.responses)
"""


@pytest.mark.slow
def test_jax_climbs_the_same_way(tmp_path):
    """The same noise, the same slopes: what is left is the rounding."""
    pytest.importorskip("jax", reason="jax is not installed")
    from featx.seeing import maximise

    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "found.npz")]
    done = subprocess.run(
        command, env=os.environ | {"KERAS_BACKEND": "jax"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    here = maximise("featx-mini", [3, 5], depth=2, steps=4, random_state=1)
    with np.load(tmp_path / "found.npz") as there:
        np.testing.assert_allclose(there["responses"], here.responses, rtol=1e-2)
        assert np.abs(there["images"].astype(int) - here.images).mean() < 1

"""Vectors and recipe ids do not change unless somebody means them to: they are held against recorded ones.

``python tests/test_golden.py`` records them again; what changed then belongs into CHANGELOG.md.
"""

import json
import os
from functools import cache
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

from featx import FeatureExtractor
from featx.cache.identity import image_id

RECORDED = Path(__file__).parent / "data" / "golden_embeddings.npz"
SCALINGS = ("none", "unit", "tf", "torch", "caffe")
POOLINGS = ("avg", "max", "std", "gem", "grid2", "none", "avg+std")


def images():
    """Give three seeded images of 40 x 52 pixels: noise, a gradient, a disc."""
    noise = np.random.default_rng(11).integers(0, 256, (40, 52, 3), dtype=np.uint8)
    rows, columns = np.mgrid[:40, :52]
    gradient = np.stack([rows * 6, columns * 4, rows + columns], axis=-1).astype(np.uint8)
    disc = np.where((rows - 20) ** 2 + (columns - 26) ** 2 < 200, 230, 20).astype(np.uint8)
    return [noise, gradient, np.repeat(disc[:, :, None], 3, axis=2)]


def seeded(network):
    """Give a network weights that NumPy draws, the same on every machine and backend."""
    draws = np.random.default_rng(5)
    network.set_weights(
        [np.abs(draws.normal(0, 0.2, weight.shape)).astype("float32") for weight in network.get_weights()]
    )
    return network


@cache
def small():
    """Make a network of three stages, the last one in a model of its own."""
    import keras
    from keras import layers

    inner = keras.Sequential(
        [
            keras.Input((8, 8, 6)),
            layers.Conv2D(8, 3, strides=2, padding="same", activation="relu", name="three"),
        ],
        name="inner",
    )
    pixels = keras.Input((32, 32, 3))
    x = layers.Conv2D(4, 3, strides=2, padding="same", activation="relu", name="one")(pixels)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.Conv2D(6, 3, strides=2, padding="same", activation="relu", name="two")(x)
    return seeded(keras.Model(pixels, inner(x), name="small"))


@cache
def mobilenet():
    """Build a narrow MobileNetV2 with weights that NumPy draws."""
    import keras

    return seeded(keras.applications.MobileNetV2((64, 64, 3), alpha=0.35, include_top=False, weights=None))


CASES = {
    "mini default": {},
    **{f"mini stage {depth}": {"depth": depth, "input_size": 64} for depth in (1, 2, 3, 4)},
    "mini patches": {"depth": "patches", "input_size": 64},
    **{f"mini {how}": {"depth": 3, "pooling": how, "input_size": 48} for how in POOLINGS},
    "mini several": {"depth": [2, -1], "pooling": ["avg", "max"], "input_size": 64},
    **{
        f"mini {how}": {"depth": 2, "pooling": "avg", "input_size": (40, 56), "resize": how}
        for how in ("crop", "pad")
    },
    "mini bfloat16": {"depth": 4, "pooling": "avg", "input_size": 64, "precision": "bfloat16"},
    **{f"small {how}": {"backbone": small, "scaling": how} for how in SCALINGS},
    "small layer": {"backbone": small, "scaling": "tf", "depth": "two", "pooling": "avg"},
    "small nested": {"backbone": small, "scaling": "tf", "depth": "inner/three", "pooling": "avg+std"},
    "mobilenet default": {"backbone": mobilenet},
    "mobilenet layer": {"backbone": mobilenet, "depth": "block_6_project", "pooling": "avg"},
}
REAL = {
    "real mobilenet default": {"backbone": "mobilenet_v2"},
    "real mobilenet narrow": {"backbone": "mobilenet_v2_0.35", "depth": [3, -1], "pooling": "avg"},
}


def ids_and_vectors(choices):
    """Give the recipe ids of a case, one a tap, and its vectors (3, d)."""
    backbone = choices.get("backbone", "featx-mini")
    own = {"backbone": backbone() if callable(backbone) else backbone, "cache": None, "engine": "keras"}
    extractor = FeatureExtractor(**{**choices, **own})
    return [tap.recipe_id for tap in extractor.plan().taps], extractor.fit_transform(images())


@pytest.fixture(scope="module")
def recorded():
    with np.load(RECORDED) as file:
        return {**{name: file[name] for name in file.files}, "facts": json.loads(str(file["facts"]))}


def check(name, choices, recorded):
    ids, vectors = ids_and_vectors(choices)
    expected = recorded[name]
    tolerance = (
        1e-5 if choices.get("precision") != "bfloat16" else 0.02
    )  # processors round bfloat16 each their way

    assert vectors.shape == expected.shape
    assert np.abs(vectors - expected).max() <= tolerance * np.abs(expected).max()
    if recorded["facts"]["keras"] == version("keras"):  # another Keras may write its configurations otherwise
        assert ids == recorded["facts"]["recipes"][name]


@pytest.mark.parametrize("name", CASES)
def test_vectors_and_recipes_are_those_recorded(name, recorded):
    """Seeded weights and featx-mini: the same ids, and the same numbers to 1e-5 of the largest."""
    check(name, CASES[name], recorded)


@pytest.mark.parametrize("name", REAL)
def test_real_networks_give_the_recorded_vectors(name, recorded, imagenet):
    """ImageNet weights: the same ids and numbers."""
    check(name, REAL[name], recorded)


def test_images_are_named_as_recorded(recorded):
    """The id of an array and of a file's bytes."""
    assert [image_id(image).hex() for image in images()] == recorded["facts"]["arrays"]
    assert image_id(b"...the bytes of a file...").hex() == recorded["facts"]["file"]


def record():
    """Write the recorded vectors and ids; KERAS_HOME must hold the weights of `REAL`."""
    facts = {
        "keras": version("keras"),
        "recipes": {},
        "arrays": [image_id(image).hex() for image in images()],
        "file": image_id(b"...the bytes of a file...").hex(),
    }
    arrays = {}
    for name, choices in (CASES | REAL).items():
        facts["recipes"][name], arrays[name] = ids_and_vectors(choices)
    np.savez_compressed(RECORDED, facts=json.dumps(facts), **arrays)


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    record()

"""Named networks, files and Keras models: each with its own weights and its own scaling."""

import random

import keras
import numpy as np
import pytest
from keras import layers

from featx.cache.identity import image_id
from featx.errors import InputError, UnknownNameError, WeightsError
from featx.networks.catalogue import find
from featx.networks.network import network_of

UINT8 = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)


def content_of(path):
    return image_id(path.read_bytes())


def graph_of(backbone, weights="auto", size=None, scaling="auto"):
    return network_of(backbone, weights, size, content_of).graph(scaling, "float32")


def run(graph, depth=-1):
    return graph.cut([graph.at(depth)]).predict_on_batch(UINT8)


def test_random_weights_are_the_same_in_every_build():
    """weights=None gives one network, and leaves the caller's random numbers alone."""
    random.seed(5)
    first = random.random()
    random.seed(5)
    one, two = (graph_of("mobilenet_0.25", None, (32, 32)) for _ in range(2))

    assert random.random() == first
    np.testing.assert_array_equal(run(one, 1), run(two, 1))


def test_a_saved_network_is_a_backbone(tiny, tmp_path):
    """A .keras file gives what the model in memory gives."""
    tiny.save(tmp_path / "mine.keras")
    network = network_of(str(tmp_path / "mine.keras"), "auto", (32, 32), content_of)

    assert network.name == "mine"
    np.testing.assert_array_equal(
        run(network.graph("unit", "float32")), run(graph_of(tiny, size=(32, 32), scaling="unit"))
    )


@pytest.mark.parametrize("suffix", [".weights.h5", ".h5", ".keras"])
def test_local_weights_files_work(suffix, tmp_path):
    """Weights saved by Keras in any of its formats are loaded into the named network."""
    keras.utils.set_random_seed(3)
    trained = keras.applications.MobileNet(
        alpha=0.25, weights=None, include_top=False, input_shape=(32, 32, 3)
    )
    path = tmp_path / f"mine{suffix}"
    trained.save_weights(path) if suffix == ".weights.h5" else trained.save(path)
    expected = run(graph_of(trained), depth=1)

    np.testing.assert_allclose(run(graph_of("mobilenet_0.25", path, (32, 32)), depth=1), expected, rtol=1e-6)
    assert not np.allclose(run(graph_of("mobilenet_0.25", None, (32, 32)), depth=1), expected)


@pytest.mark.filterwarnings("ignore:Skipping nested container")  # Keras warns before it raises
def test_weights_of_another_network_are_refused(tmp_path):
    """A file that does not fit is named, with what would."""
    other = keras.applications.MobileNet(alpha=0.5, weights=None, include_top=False, input_shape=(32, 32, 3))
    other.save_weights(tmp_path / "other.weights.h5")
    (tmp_path / "noise.h5").write_bytes(b"no weights at all")

    with pytest.raises(
        WeightsError, match=r"other\.weights\.h5 does not hold the weights of 'mobilenet_0\.25'"
    ):
        graph_of("mobilenet_0.25", tmp_path / "other.weights.h5", (32, 32))
    with pytest.raises(WeightsError, match=r"noise\.h5 does not hold the weights"):
        graph_of("mobilenet_0.25", tmp_path / "noise.h5", (32, 32))


@pytest.mark.parametrize("name", ["MobileNetV2", "EfficientNetB0", "ResNet50V2"])
def test_networks_of_keras_are_recognised(name):
    """A model built with keras.applications is scaled as its row of the table says, also inside another model."""
    inner = getattr(keras.applications, name)(weights=None, include_top=False, input_shape=(32, 32, 3))
    outer = keras.Sequential([keras.Input((32, 32, 3)), inner, layers.GlobalAveragePooling2D()])

    assert graph_of(inner).scaling == graph_of(outer).scaling == find(name).scaling


def test_scaling_inside_the_network_is_seen():
    """A model that begins with Rescaling, Normalization or arithmetic gets 0..255."""
    pixels = keras.Input((32, 32, 3))
    inner = keras.applications.MobileNet(alpha=0.25, weights=None, include_top=False, input_shape=(32, 32, 3))
    by_layer = keras.Model(pixels, inner(layers.Rescaling(1 / 127.5, -1)(pixels)))
    by_operator = keras.Model(pixels, inner(pixels / 127.5 - 1))

    assert graph_of(by_layer).scaling == graph_of(by_operator).scaling == "none"
    np.testing.assert_allclose(run(graph_of(by_layer)), run(graph_of(inner)), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(run(graph_of(by_operator)), run(graph_of(inner)), rtol=1e-4, atol=1e-6)


def test_an_unknown_scaling_is_asked_for(tiny):
    """Wrong pixels give wrong vectors and no error, so featx does not guess."""
    with pytest.raises(
        InputError, match=r"'tiny' does not say which pixel values .* Pass scaling=: 'none' for 0\.\.255"
    ):
        graph_of(tiny)


def test_a_size_is_asked_for_where_any_would_do():
    """A model without a size of its own needs input_size=, one of Keras takes its row's."""
    free = keras.Sequential([keras.Input((None, None, 3)), layers.Conv2D(2, 3)], name="free")

    with pytest.raises(InputError, match="'free' takes images of any size; choose one with input_size="):
        graph_of(free, scaling="unit")
    assert graph_of(keras.applications.MobileNetV2(weights=None, include_top=False)).input.shape[1:3] == (
        224,
        224,
    )


def test_published_efficientnet_weights_get_keras_own_rescaling(tmp_path, monkeypatch):
    """Keras rescales after normalising only if weights="imagenet"; the same file by path must give the same numbers."""
    import math
    from dataclasses import replace

    row = find("efficientnet_b0")
    plain = keras.applications.EfficientNetB0(weights=None, include_top=False, input_shape=(32, 32, 3))
    plain.save_weights(tmp_path / "published.weights.h5")
    published = replace(row, digest=content_md5(tmp_path / "published.weights.h5"))
    monkeypatch.setattr("featx.networks.network.find", lambda _: published)

    class Spy(layers.Layer):
        """What Keras puts in: divide by the root of the deviation, once more."""

        def call(self, inputs):
            return inputs * keras.ops.array([1 / math.sqrt(d) for d in (0.229, 0.224, 0.225)])

    stem = keras.Model(plain.input, plain.get_layer("stem_activation").output)  # the rest is the same
    inserted = keras.models.clone_model(
        stem,
        clone_function=lambda layer: layer,
        call_function=lambda layer, *args, **kwargs: (
            Spy()(layer(*args, **kwargs))
            if isinstance(layer, layers.Normalization)
            else layer(*args, **kwargs)
        ),
    )
    expected = inserted.predict_on_batch(UINT8.astype("float32"))
    given = run(graph_of("efficientnet_b0", tmp_path / "published.weights.h5", (32, 32)), "stem_activation")

    np.testing.assert_allclose(given, expected, rtol=1e-3, atol=1e-6)
    assert not np.allclose(expected, stem.predict_on_batch(UINT8.astype("float32")), rtol=1e-3)


def content_md5(path):
    from hashlib import md5

    return md5(path.read_bytes()).hexdigest()


def test_what_is_no_backbone_is_refused(tiny, tmp_path):
    """A slip in the name, a file that is not there, a number, weights for a model that has its own."""
    with pytest.raises(UnknownNameError, match=r"Unknown backbone 'resnet5'\. Did you mean 'resnet50'\?"):
        graph_of("resnet5")
    with pytest.raises(WeightsError, match="there is no such file"):
        graph_of(tmp_path / "none.keras")
    with pytest.raises(InputError, match="backbone=50: give a name"):
        graph_of(50)
    with pytest.raises(InputError, match="brings its own"):
        graph_of(tiny, "some.h5")
    with pytest.raises(InputError, match=r"input_size=.* takes 32 pixels and more"):
        graph_of("mobilenet_v2", None, (16, 16))

"""Pixels are scaled as the table says, and as each family of Keras does it itself."""

import keras
import numpy as np
import pytest
from keras import layers

from featx.networks import backbones
from featx.networks.flatten import flatten
from featx.networks.scaling import SCALINGS

UINT8 = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)


def graph_of(network, size=64, scaling="none"):
    return flatten(network, input_size=(size, size), scaling=scaling)


def run(graph, tensor):
    return graph.cut([tensor]).predict_on_batch(UINT8)


@pytest.mark.parametrize("scaling", SCALINGS)
def test_scaling_is_the_formula_of_the_table(scaling):
    """The graph scales pixels as NumPy does with the table's constants."""
    network = keras.Sequential([keras.Input((64, 64, 3)), layers.Conv2D(3, 1, use_bias=False, name="same")])
    network.set_weights([np.eye(3, dtype="float32").reshape(1, 1, 3, 3)])
    graph, how = graph_of(network, scaling=scaling), SCALINGS[scaling]
    ordered = UINT8[..., ::-1] if how["order"] == "bgr" else UINT8

    expected = (ordered / how["divide"] - how["mean"]) / how["deviation"]

    np.testing.assert_allclose(run(graph, graph.at("same")), expected, rtol=1e-5, atol=1e-4)


def test_a_network_of_one_channel_sees_luminance():
    """A network trained on grey images takes colour ones, weighed as Pillow weighs them."""
    from PIL import Image

    network = keras.Sequential([keras.Input((64, 64, 1)), layers.Conv2D(1, 1, use_bias=False, name="same")])
    network.set_weights([np.ones((1, 1, 1, 1), "float32")])
    graph = graph_of(network)
    grey = [np.asarray(Image.fromarray(image).convert("L")) for image in UINT8]

    np.testing.assert_allclose(run(graph, graph.at("same"))[..., 0], grey, atol=1)


FAMILIES = {
    name: module
    for name, module in sorted(vars(keras.applications).items())
    if hasattr(module, "preprocess_input") and name != "imagenet_utils"
}


@pytest.mark.parametrize("family", FAMILIES)
def test_the_graph_preprocesses_as_the_family_does(family):
    """For every family of Keras the pixels that reach the network are those of its own preprocess_input."""
    # MobileNetV3's builders are not in its module
    members = [
        row
        for row in backbones()
        if hasattr(FAMILIES[family], row.builder)
        or row.builder.lower().startswith("mobilenetv3") > (family != "mobilenet_v3")
    ]
    scaling = {row.scaling for row in members}
    network = keras.Sequential([keras.Input((64, 64, 3)), layers.Conv2D(3, 1, use_bias=False, name="same")])
    network.set_weights([np.eye(3, dtype="float32").reshape(1, 1, 3, 3)])
    graph = graph_of(network, scaling=scaling.pop())

    expected = FAMILIES[family].preprocess_input(UINT8.astype("float32"))

    assert not scaling
    np.testing.assert_allclose(run(graph, graph.at("same")), expected, rtol=1e-6, atol=1e-5)

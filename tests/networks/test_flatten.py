"""Any functional CNN is laid out flat as it is, and what cannot be is refused."""

import keras
import numpy as np
import pytest
from keras import layers

from featx.errors import InputError
from featx.networks.flatten import flatten

UINT8 = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)


def graph_of(network, size=64, scaling="none", precision="float32"):
    return flatten(network, input_size=(size, size), scaling=scaling, precision=precision)


def run(graph, tensor):
    return graph.cut([tensor]).predict_on_batch(UINT8)


def _wrapped(inner):
    inputs = keras.Input((64, 64, 3))
    head = layers.Dense(3, name="head")(layers.GlobalAveragePooling2D()(inner(inputs, training=False)))
    return keras.Model(inputs, head)


def test_a_network_inside_a_network_can_be_cut():
    """A model that wraps a backbone as a layer has the backbone's stages, and the same numbers."""
    inner = keras.applications.MobileNet((64, 64, 3), alpha=0.25, weights=None, include_top=False)
    wrapped, plain = graph_of(_wrapped(inner), scaling="tf"), graph_of(inner, scaling="tf")

    assert [stage.name.split("/")[-1] for stage in wrapped.stages] == [stage.name for stage in plain.stages]
    np.testing.assert_array_equal(run(wrapped, wrapped.at(3)), run(plain, plain.at(3)))
    assert wrapped.at("conv_pw_5_relu").name == f"{inner.name}/conv_pw_5_relu"
    assert wrapped.at("head").shape == (3,)


def test_a_sequential_network_inside_another_can_be_cut(tiny):
    """Sequential models nest too."""
    outer = keras.Sequential([keras.Input((16, 16, 3)), tiny, layers.Flatten(), layers.Dense(2)])

    assert [stage.name for stage in graph_of(outer, 16).stages] == ["tiny/one", "tiny/two", "tiny/three"]


def test_flattening_leaves_the_network_as_it_was(tiny):
    """The user's model gives the same output and configuration before and after."""
    images = UINT8[:, :16, :16] / 255
    before, config = tiny.predict_on_batch(images), tiny.get_config()

    graph_of(tiny, 16)

    assert tiny.get_config() == config
    np.testing.assert_array_equal(tiny.predict_on_batch(images), before)


def test_unnamed_layers_are_numbered_from_the_start_of_the_network():
    """The same network built a second time in one process has the layer names of the first."""

    def build():
        x = pixels = keras.Input((64, 64, 3))
        for _ in range(2):
            x = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(2, 3, padding="same")(x)))
            x = layers.Activation("tanh")(layers.DepthwiseConv2D(3, padding="same")(x))
        return keras.Model(pixels, layers.Add(name="conv2d_sum")([x, x]))

    graphs = [flatten(build(), input_size=(64, 64), scaling="none", renumber=True) for _ in range(2)]
    names = [[tensor.name for tensor in graph.tensors] for graph in graphs]

    once = ["conv2d", "batch_normalization", "re_lu", "depthwise_conv2d", "activation"]
    assert names[0] == names[1] == [*once, *(f"{name}_1" for name in once), "conv2d_sum"]


def test_bfloat16_computes_in_bfloat16(tiny):
    """The numbers are near those of float32, and not the same."""
    exact, rough = graph_of(tiny, 16, "unit"), graph_of(tiny, 16, "unit", "bfloat16")
    images = UINT8[:, :16, :16]
    expected = exact.cut([exact.at(-1)]).predict_on_batch(images)
    given = np.asarray(rough.cut([rough.at(-1)]).predict_on_batch(images), "float32")

    np.testing.assert_allclose(given, expected, atol=0.02)
    assert not np.array_equal(given, expected)


def test_what_cannot_be_a_backbone_is_refused():
    """A subclassed model, a model of two inputs, a model of vectors: each gets its reason."""

    class Hidden(keras.Model):
        def call(self, inputs):
            return inputs

    one, two = keras.Input((8, 8, 3)), keras.Input((8, 8, 3))
    with pytest.raises(InputError, match="Hidden is not a functional or sequential Keras model"):
        graph_of(Hidden())
    with pytest.raises(InputError, match="A backbone takes one image"):
        graph_of(keras.Model([one, two], layers.Add()([one, two])))
    with pytest.raises(InputError, match="A backbone takes one image"):
        graph_of(keras.Sequential([keras.Input((8,)), layers.Dense(2)]))
    with pytest.raises(InputError, match="does not work on images of 32x32"):
        graph_of(keras.Sequential([keras.Input((8, 8, 3)), layers.Flatten(), layers.Dense(2)]), 32)


def test_names_given_by_keras_do_not_clash():
    """Keras counts operators per thread and session; a network from another one may hold the names that come next."""
    from threading import Thread

    from featx.embedding.keras_engine import KerasEngine

    pixels = keras.Input((64, 64, 3))
    network = keras.Model(
        pixels, layers.Conv2D(2, 3, strides=2)(keras.ops.cast(pixels / 255 - 1, "float32") / 2)
    )
    graphs, results = [], []

    def build():
        graphs.append(graph_of(network))

    def run_engine():
        graph = graphs[0]
        results.extend(KerasEngine(graph, [(graph.at(1), "avg+std"), (graph.at(1), "gem")], 2)(UINT8))

    for step in (build, build, run_engine):  # each new thread counts from the start again
        thread = Thread(target=step)
        thread.start()
        thread.join()

    assert [vectors.shape for vectors in results] == [(2, 4), (2, 2)]


def test_layers_of_one_name_are_refused():
    """Two networks in one that both have a layer "same" cannot be laid flat; the name is told."""
    inner = keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(3, 1, name="same")], name="inner")
    outer = keras.Sequential([keras.Input((8, 8, 3)), inner, layers.Conv2D(3, 1, name="same")])

    with pytest.raises(InputError, match='The name "same" is used 2 times'):
        graph_of(outer, 8)


def test_layers_made_of_layers_and_maps_made_of_tokens_have_stages():
    """By the shapes of their outputs: what such a layer calls its strides may be anything."""

    class Block(layers.Layer):
        def __init__(self):
            super().__init__()
            self.strides = "none that anybody knows"
            self.conv = layers.Conv2D(4, 3, strides=2, padding="same")

        def call(self, inputs):
            return self.conv(inputs)

    pixels = keras.Input((64, 64, 3))
    maps = layers.Activation("relu", name="one")(Block()(pixels))
    tokens = layers.Reshape((256, 4))(layers.Conv2D(4, 3, strides=2, padding="same")(maps))
    again = layers.Reshape((16, 16, 4), name="two")(layers.LayerNormalization()(tokens))
    stages = graph_of(keras.Model(pixels, layers.GlobalAveragePooling2D()(again))).stages
    assert [(stage.name, stage.shape) for stage in stages] == [("one", (32, 32, 4)), ("two", (16, 16, 4))]

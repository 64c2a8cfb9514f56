"""What a cut costs; multiply-adds against published figures, against counting them, and as they must grow."""

from math import prod
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

from featx.networks import cuts
from featx.networks.cost import multiply_adds
from featx.networks.flatten import flatten
from featx.networks.network import network_of

# millions, with the classifier, whose multiply-adds stand beside them
TORCHVISION = {  # `_ops` of the weights in torchvision 0.28, counted on the same architectures
    "convnext_tiny": (768_000, 4_456),
    "densenet121": (1_024_000, 2_834),
    "efficientnet_b0": (1_280_000, 386),
    "inception_v3": (2_048_000, 5_713),
    "mobilenet_v2": (1_280_000, 301),
    "mobilenet_v3_large": (960 * 1280 + 1280 * 1000, 217),
    "vgg16": (512 * 7 * 7 * 4096 + 4096 * 4096 + 4096 * 1000, 15_470),
}
PAPERS = {
    "mobilenet": (1_024_000, 569),  # Howard et al. 2017, table 4
    "mobilenet_v2_0.35": (1_280_000, 59),  # tensorflow/models, research/slim/nets/mobilenet/README.md
    "nasnet_mobile": (1_056_000, 564),  # Zoph et al. 2018, table 3
    "resnet50": (2_048_000, 3_800),  # He et al. 2016, table 1
    "xception": (2_048_000, 8_380),  # as counted by Zoph et al. 2018, table 2
}


QUICK = {"mobilenet", "mobilenet_v2", "mobilenet_v2_0.35", "resnet50"}


def some_slow(names):
    """Give names as parameters; networks that take long to build are for slow runs."""
    return [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in names]


def graph_of(name, size=None):
    return network_of(name, None, size, Path.read_bytes).graph("auto", "float32")


@pytest.mark.parametrize("name", some_slow(TORCHVISION))
def test_counts_are_those_of_torchvision(name):
    """The same architectures cost the same, to the last digit that torchvision gives."""
    classifier, published = TORCHVISION[name]

    assert round((sum(multiply_adds(graph_of(name))) + classifier) / 1e6) == published


@pytest.mark.parametrize("name", some_slow(PAPERS))
def test_counts_are_those_of_the_papers(name):
    """Within the rounding and small differences in what was counted: 2 %."""
    classifier, published = PAPERS[name]

    assert (sum(multiply_adds(graph_of(name))) + classifier) / 1e6 == pytest.approx(published, rel=0.02)


@pytest.mark.parametrize(
    "layer",
    [
        layers.Conv2D(6, (3, 2), strides=2),
        layers.Conv2D(6, 3, dilation_rate=2),
        layers.Conv2D(8, 3, groups=2),
        layers.DepthwiseConv2D(3, depth_multiplier=2, strides=2),
        layers.Conv2DTranspose(6, 3, strides=2),
        layers.Dense(5),
        layers.Conv3D(2, (2, 3, 3)),
        layers.Conv3DTranspose(2, 2),
        layers.Conv1D(3, 2),
        layers.Conv1DTranspose(3, 2),
        layers.DepthwiseConv1D(2),
    ],
    ids=lambda layer: layer.name,
)
def test_each_multiply_add_is_counted_once(layer):
    """Of ones with kernels of ones, each number that comes out says how many products it is the sum of."""
    shape = {1: (9, 4), 3: (3, 9, 8, 4)}.get(getattr(layer, "rank", 2), (9, 8, 4))
    pixels = keras.Input((9, 8, 3))
    before = layers.Reshape(shape)(layers.Dense(prod(shape))(layers.Flatten()(pixels)))
    graph = flatten(keras.Model(pixels, layer(before)), input_size=(9, 8), scaling="none")
    layer.set_weights([np.zeros_like(w) if w.ndim == 1 else np.ones_like(w) for w in layer.get_weights()])

    products = np.sum(layer(np.ones((1, *shape), "float32")))
    assert multiply_adds(graph)[-1] == products


def test_a_separable_convolution_is_two():
    """A depthwise one, then one of 1 x 1."""
    pixels = keras.Input((9, 8, 3))
    whole = keras.Model(pixels, layers.SeparableConv2D(5, 3, strides=2, depth_multiplier=2)(pixels))
    parts = keras.Model(
        pixels, layers.Conv2D(5, 1)(layers.DepthwiseConv2D(3, strides=2, depth_multiplier=2)(pixels))
    )
    counts = [sum(multiply_adds(flatten(net, input_size=(9, 8), scaling="none"))) for net in (whole, parts)]

    assert counts[0] == counts[1] == 4 * 3 * (3 * 3 * 6 + 6 * 5)


def test_twice_the_size_costs_four_times_as_much():
    """Where every stride divides the size and nothing is dense, the cost goes with the area."""
    small, large = (sum(multiply_adds(graph_of("mobilenet_0.25", (size, size)))) for size in (64, 128))

    assert large == 4 * small


def test_what_cannot_be_counted_is_not_called_free():
    """A layer with kernels that featx does not know gives None; one without, 0."""

    class Own(layers.Layer):
        """A layer of a user's own that holds a dense one."""

        def build(self, shape):
            self.inner = layers.Dense(4)
            self.inner.build(shape)

        def call(self, inputs):
            return self.inner(inputs)

    network = keras.Sequential([keras.Input((8, 8, 3)), layers.ReLU(), Own(), layers.BatchNormalization()])

    assert multiply_adds(flatten(network, input_size=(8, 8), scaling="none")) == [0, None, 0]


@pytest.mark.parametrize("name", [*some_slow(["mobilenet_v2_0.35", "nasnet_mobile"]), "featx-mini"])
def test_a_cut_counts_the_layers_it_needs(name):
    """At each stage: the weights of the Keras model that is cut there, more multiply-adds than at the last."""
    graph = graph_of(name, (64, 64))
    stages = [cut for cut in cuts(name, input_size=(64, 64)) if cut.stage]

    assert [cut.layer for cut in stages] == [tensor.name for tensor in graph.stages]
    assert [cut.parameters for cut in stages] == [graph.cut([t]).count_params() for t in graph.stages]
    shares = [cut.share for cut in stages]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert stages[-1].multiply_adds * shares[0] == pytest.approx(stages[0].multiply_adds)


def test_weights_used_twice_are_counted_once():
    """A shared layer has its weights once, and its multiply-adds each time it is called."""
    pixels, shared = keras.Input((8, 8, 3)), layers.Conv2D(3, 3, padding="same")
    network = keras.Model(pixels, layers.ReLU()(shared(shared(pixels))))
    last = cuts(network)[-1]

    assert (last.parameters, last.multiply_adds) == (84, 2 * 8 * 8 * 81)


def test_a_share_is_unknown_where_a_layer_cannot_be_counted():
    """Above a layer of one's own with kernels inside, neither multiply-adds nor share are given."""

    class Own(layers.Layer):
        """A layer that holds a convolution."""

        def build(self, shape):
            self.inner = layers.Conv2D(4, 1)
            self.inner.build(shape)

        def call(self, inputs):
            return self.inner(inputs)

        def compute_output_shape(self, shape):
            return (*shape[:-1], 4)

    network = keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(4, 3), Own(), layers.ReLU()])
    known, own, after = cuts(network)

    assert (known.multiply_adds, known.share) == (6 * 6 * 27 * 4, None)
    assert (own.multiply_adds, after.multiply_adds, after.parameters) == (None, None, 112 + 20)

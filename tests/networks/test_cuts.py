"""The places where a backbone can be cut."""

from pathlib import Path

import pytest

from featx.networks import depths
from featx.networks.network import network_of


@pytest.mark.parametrize("name", ["mobilenet_v2_0.35", "nasnet_mobile", "featx-mini"])
def test_a_cut_counts_the_layers_it_needs(name):
    """At each stage: the weights of the Keras model that is cut there, more multiply-adds than at the last."""
    graph = network_of(name, None, (64, 64), Path.read_bytes).graph("auto", "float32")
    stages = [place for place in depths(name, input_size=(64, 64)) if place.stage]

    assert [place.layer for place in stages] == [tensor.name for tensor in graph.stages]
    assert [place.parameters for place in stages] == [graph.cut([t]).count_params() for t in graph.stages]
    shares = [place.share for place in stages]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert stages[-1].multiply_adds * shares[0] == pytest.approx(stages[0].multiply_adds)


def test_weights_used_twice_are_counted_once():
    """A shared layer has its weights once, and its multiply-adds each time it is called."""
    import keras
    from keras import layers

    pixels, shared = keras.Input((8, 8, 3)), layers.Conv2D(3, 3, padding="same")
    network = keras.Model(pixels, layers.ReLU()(shared(shared(pixels))))
    last = depths(network)[-1]

    assert (last.parameters, last.multiply_adds) == (84, 2 * 8 * 8 * 81)


def test_a_share_is_unknown_where_a_layer_cannot_be_counted():
    """Above a layer of one's own with kernels inside, neither multiply-adds nor share are given."""
    import keras
    from keras import layers

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
    known, own, after = depths(network)

    assert (known.multiply_adds, known.share) == (6 * 6 * 27 * 4, None)
    assert (own.multiply_adds, after.multiply_adds, after.parameters) == (None, None, 112 + 20)

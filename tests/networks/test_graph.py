"""A network's stages are those that the literature cuts at, and a cut gives what the whole network gives."""

from functools import cache

import keras
import numpy as np
import pytest

from featx.errors import InputError, UnknownNameError
from featx.networks.flatten import flatten

UINT8 = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)


def graph_of(network, size=64, scaling="none", precision="float32"):
    size = (size, size)
    return flatten(network, input_size=size, scaling=scaling, precision=precision, renumber=True)


@cache
def application(name, size=64):
    return getattr(keras.applications, name)(weights=None, include_top=False, input_shape=(size, size, 3))


def run(graph, *tensors):
    return graph.cut(tensors).predict_on_batch(UINT8)  # one array for one tensor, else a list


@pytest.mark.parametrize(
    ("name", "size", "stages"),
    [
        ("ResNet50", 64, "conv1_relu conv2_block3_out conv3_block4_out conv4_block6_out conv5_block3_out"),
        ("ResNet50V2", 64, "conv1_conv conv2_block2_out conv3_block3_out conv4_block5_out post_relu"),
        ("VGG16", 64, "block1_conv2 block2_conv2 block3_conv3 block4_conv3 block5_conv3 block5_pool"),
        (
            "MobileNetV2",
            64,
            "block_1_expand_relu block_3_expand_relu block_6_expand_relu block_13_expand_relu out_relu",
        ),
        pytest.param(
            "InceptionV3", 80, "activation_2 activation_4 mixed2 mixed7 mixed10", marks=pytest.mark.slow
        ),
        pytest.param(
            "DenseNet121", 64, "conv1_relu pool2_conv pool3_conv pool4_conv relu", marks=pytest.mark.slow
        ),
        (
            "NASNetMobile",
            64,
            "stem_bn1 reduction_concat_stem_1 normal_concat_3 normal_concat_8 activation_187",
        ),
    ],
)
def test_stages_end_where_the_literature_cuts(name, size, stages):
    """A stage ends at the last tensor of its resolution that everything deeper passes through."""
    graph = graph_of(application(name, size), size)

    assert [stage.name for stage in graph.stages] == stages.split()


def test_stages_do_not_depend_on_the_input_size():
    """MobileNetV2 has the same five stages at any size, even where the last maps are 1 x 1."""
    network = application("MobileNetV2")
    names = {size: [stage.name for stage in graph_of(network, size).stages] for size in (32, 64, 75, 224)}

    assert len(names[32]) == 5
    assert names[32] == names[64] == names[75] == names[224]


def test_last_stage_is_the_output_of_the_network_without_its_top():
    """Cutting at -1 gives what Keras gives, number for number."""
    network = application("MobileNetV2")
    graph = graph_of(network, scaling="tf")
    by_hand = network.predict_on_batch(
        keras.applications.mobilenet_v2.preprocess_input(UINT8.astype("float32"))
    )

    np.testing.assert_allclose(run(graph, graph.at(-1)), by_hand, rtol=1e-5, atol=1e-6)


def test_the_classifier_is_no_stage():
    """Global pooling and what follows it end the stages, squeeze-and-excitation inside a block does not."""
    top = keras.applications.MobileNetV3Small(weights=None, input_shape=(64, 64, 3))
    graph = graph_of(top)

    assert [stage.shape[:2] for stage in graph.stages] == [(32, 32), (16, 16), (8, 8), (4, 4), (2, 2)]
    assert graph.at("predictions").shape == (1000,)


def test_a_cut_holds_only_the_layers_it_needs():
    """Weights above the cut are not part of the model."""
    network = application("ResNet50")
    graph = graph_of(network)

    assert graph.cut([graph.at(2)]).count_params() < 0.02 * network.count_params()
    assert graph.cut([graph.at(-1)]).count_params() == network.count_params()


def test_several_cuts_come_in_one_model():
    """Each output is that of the single cut, in the order asked for."""
    graph = graph_of(application("MobileNetV2"), scaling="tf")
    late, early = graph.at(4), graph.at(1)

    both = run(graph, late, early)

    np.testing.assert_array_equal(both[0], run(graph, late))
    np.testing.assert_array_equal(both[1], run(graph, early))


def test_unknown_depths_are_refused(tiny):
    """A stage or layer that is not there is named, with what there is."""
    graph = graph_of(tiny, 16)

    with pytest.raises(InputError, match=r"depth=4: this backbone has 3 stages; give 1\.\.3, -3\.\.-1"):
        graph.at(4)
    with pytest.raises(InputError, match="depth=0"):
        graph.at(0)
    with pytest.raises(UnknownNameError, match=r"Unknown layer 'tow'\. Did you mean 'two'\?"):
        graph.at("tow")


def test_a_stage_may_be_called_by_its_number_in_words(tiny):
    """As ``stage2``, unless a layer has that name."""
    import keras
    from keras import layers

    from featx import FeatureExtractor

    plain = FeatureExtractor(tiny, depth=[2, "stage2", "stage 2"], cache=None, scaling="unit")
    assert [(tap.depth, tap.layer) for tap in plain.plan().taps] == [(2, "two")] * 3
    own = keras.Sequential(
        [keras.Input((16, 16, 3)), layers.Conv2D(4, 3, strides=2), layers.Conv2D(4, 3, name="stage2")]
    )
    taps = FeatureExtractor(own, depth="stage2", cache=None, scaling="unit").plan().taps
    assert [(tap.depth, tap.layer) for tap in taps] == [("stage2", "stage2")]
    with pytest.raises(InputError, match=r"depth=9: this backbone has 3 stages"):
        plain.with_choices(depth="stage9").plan()


class Encoder(keras.layers.Layer):
    """A layer made of layers, which answers with the maps of every stage."""

    def __init__(self):
        super().__init__(name="encoder")
        self.inner = [keras.layers.Conv2D(4 * 2**n, 3, strides=1 + (n > 0), padding="same") for n in range(3)]

    def call(self, x):
        """Convolve, and keep what comes out of each."""
        answers = []
        for layer in self.inner:
            x = layer(x)
            answers.append(x)
        return tuple(answers)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_a_network_of_several_maps_has_stages_down_to_the_smallest(order):
    """In whatever order it gives them, and also where they come out of one layer."""
    image = keras.Input((32, 32, 3))
    maps = Encoder()(image)
    graph = graph_of(keras.Model(image, [maps[number] for number in order]), 32)
    assert [stage.shape for stage in graph.stages] == [(32, 32, 4), (16, 16, 8), (8, 8, 16)]

    x, ends = image, []
    for layer in Encoder().inner:
        x = layer(x)
        ends.append(x)
    graph = graph_of(keras.Model(image, [ends[number] for number in order]), 32)
    assert [stage.shape for stage in graph.stages] == [(32, 32, 4), (16, 16, 8), (8, 8, 16)]


def test_an_answer_that_is_no_map_comes_first():
    """Where a network's first output is a vector, the stages are those on the way to it, as in one output."""
    image = keras.Input((32, 32, 3))
    x = keras.layers.Conv2D(4, 3, strides=2)(image)
    side = keras.layers.Conv2D(8, 3, strides=2)(x)
    graph = graph_of(keras.Model(image, [keras.layers.GlobalAveragePooling2D()(x), side]), 32)
    assert [stage.shape[2] for stage in graph.stages] == [4]

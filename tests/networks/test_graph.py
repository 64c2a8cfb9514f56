"""Any functional CNN, laid out flat: its stages, its cuts, its pixels."""

import keras
import numpy as np
import pytest
from keras import layers

from featx.errors import InputError, UnknownNameError
from featx.networks import backbones
from featx.networks.flatten import flatten
from featx.networks.scaling import SCALINGS

UINT8 = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)


def graph_of(network, size=64, scaling="none", precision="float32"):
    return flatten(network, input_size=(size, size), scaling=scaling, precision=precision)


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
        ("InceptionV3", 80, "activation_2 activation_4 mixed2 mixed7 mixed10"),
        ("DenseNet121", 64, "conv1_relu pool2_conv pool3_conv pool4_conv relu"),
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


@pytest.mark.parametrize("size", [32, 75, 224])
def test_stages_do_not_depend_on_the_input_size(size):
    """MobileNetV2 has the same five stages at any size, even where the last maps are 1 x 1."""
    names = [stage.name for stage in graph_of(application("MobileNetV2", 96), size).stages]

    assert names == [stage.name for stage in graph_of(application("MobileNetV2", 96), 96).stages]


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
    assert graph.at("predictions" if "predictions" in {t.name for t in graph.tensors} else -1).shape


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


def _wrapped(inner):
    inputs = keras.Input((64, 64, 3))
    head = layers.Dense(3, name="head")(layers.GlobalAveragePooling2D()(inner(inputs, training=False)))
    return keras.Model(inputs, head)


def test_a_network_inside_a_network_can_be_cut():
    """A model that wraps a backbone as a layer has the backbone's stages, and the same numbers."""
    inner = application("MobileNetV2")
    wrapped, plain = graph_of(_wrapped(inner), scaling="tf"), graph_of(inner, scaling="tf")

    assert [stage.name.split("/")[-1] for stage in wrapped.stages] == [stage.name for stage in plain.stages]
    np.testing.assert_array_equal(run(wrapped, wrapped.at(3)), run(plain, plain.at(3)))
    assert wrapped.at("block_6_expand_relu").name == f"{inner.name}/block_6_expand_relu"
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
    """A second InceptionV3 in one process has the layer names of the first."""
    names = [tuple(t.name for t in graph_of(application("InceptionV3", 80), 80).tensors) for _ in range(2)]

    assert names[0] == names[1]
    assert "conv2d_93" in names[0]


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


def test_bfloat16_computes_in_bfloat16(tiny):
    """The numbers are near those of float32, and not the same."""
    exact, rough = graph_of(tiny, 16, "unit"), graph_of(tiny, 16, "unit", "bfloat16")
    images = UINT8[:, :16, :16]
    expected = exact.cut([exact.at(-1)]).predict_on_batch(images)
    given = np.asarray(rough.cut([rough.at(-1)]).predict_on_batch(images), "float32")

    np.testing.assert_allclose(given, expected, atol=0.02)
    assert not np.array_equal(given, expected)


def test_unknown_depths_are_refused(tiny):
    """A stage or layer that is not there is named, with what there is."""
    graph = graph_of(tiny, 16)

    with pytest.raises(InputError, match=r"depth=4: this backbone has 3 stages; give 1\.\.3, -3\.\.-1"):
        graph.at(4)
    with pytest.raises(InputError, match="depth=0"):
        graph.at(0)
    with pytest.raises(UnknownNameError, match=r"Unknown layer 'tow'\. Did you mean 'two'\?"):
        graph.at("tow")


def test_what_cannot_be_a_backbone_is_refused():
    """A subclassed model, a model of two inputs, a model of vectors: each gets its reason."""

    class Hidden(keras.Model):
        def call(self, inputs):
            return inputs

    one, two = keras.Input((8, 8, 3)), keras.Input((8, 8, 3))
    with pytest.raises(InputError, match="Hidden is no functional or sequential Keras model"):
        graph_of(Hidden())
    with pytest.raises(InputError, match="A backbone takes one image"):
        graph_of(keras.Model([one, two], layers.Add()([one, two])))
    with pytest.raises(InputError, match="A backbone takes one image"):
        graph_of(keras.Sequential([keras.Input((8,)), layers.Dense(2)]))
    with pytest.raises(InputError, match="does not work on images of 32x32"):
        graph_of(keras.Sequential([keras.Input((8, 8, 3)), layers.Flatten(), layers.Dense(2)]), 32)


FAMILIES = {
    name: module
    for name, module in sorted(vars(keras.applications).items())
    if hasattr(module, "preprocess_input") and name != "imagenet_utils"
}


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

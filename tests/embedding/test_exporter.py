"""What the process without TensorFlow says and exports: recipes to the letter, and Keras' numbers."""

import re
from itertools import product

import numpy as np
import pytest

from featx.cache.identity import image_id
from featx.embedding.beside import Beside
from featx.embedding.exporter import ACTIVATIONS, LAYERS
from featx.embedding.keras_engine import KerasEngine
from featx.embedding.openvino_engine import OpenVINOEngine
from featx.embedding.plan import Choices, resolve
from featx.networks import backbones
from featx.networks.catalogue import find
from featx.networks.network import build


def content(path):
    return image_id(path.read_bytes())


def assert_same(folder, **choices):
    """Hold the other process against Keras here: its description to the letter, its graph to 1e-5 of the largest."""
    plan = resolve(Choices(**choices), content)
    paths = {name: str(choices[name]) for name in ("backbone", "weights") if name in choices}
    helper = Beside(plan.name, choices | paths, plan.key)
    answer = helper.describe()
    assert helper.works
    assert [tap["recipe"] for tap in answer["taps"]] == [tap.recipe for tap in plan.taps]
    assert [tap["layer"] for tap in answer["taps"]] == [tap.layer for tap in plan.taps]

    helper.export([tap.recipe_id for tap in plan.taps], folder / "graph")
    pixels = np.random.default_rng(1).integers(0, 256, (5, *plan.input_size, 3), np.uint8)
    graph = plan.graph("float32")
    engine = KerasEngine(graph, [(graph.at(tap.layer), tap.pooling) for tap in plan.taps], 5)
    parts = OpenVINOEngine(folder / "graph").run([pixels])
    found = map(np.concatenate, zip(*parts, strict=True))
    far = {
        tap.layer: np.abs(one - other).max() / np.abs(one).max()
        for tap, one, other in zip(plan.taps, engine(pixels), found, strict=True)
        if not np.abs(one - other).max() <= 1e-5 * np.abs(one).max()
    }
    assert far == {}


def weights_of(row, path):
    """Write random weights that keep the size of a network's numbers, nearly as He et al. do."""
    network = build(row, None, (row.input_size, row.input_size), published=False)
    for weight in network.weights:
        if len(weight.shape) == 4:
            inputs = np.prod(weight.shape[:2]) * (1 if weight.shape[3] == 1 else weight.shape[2])
            weight.assign(weight * np.sqrt(1.5 / inputs) / np.std(weight))
    network.save_weights(path)
    return path


FAMILIES = [
    "alexnet", "alexnet_two_towers", "convnext_tiny", "densenet121", "efficientnet_b0", "efficientnet_lite0",
    "efficientnet_v2_b0", "featx-mini", "googlenet", "inception_resnet_v2", "inception_v3", "lenet5", "mobilenet_0.25",
    "mobilenet_v2_0.35", "mobilenet_v3_small", "mobilenet_v3_small_minimalistic", "nasnet_mobile", "resnet18",
    "resnet34_stochastic_depth", "resnet50", "resnet50_v2", "resnext50", "se_resnet50", "shake_shake", "squeezenet",
    "vgg16", "xception", "zfnet",
]  # fmt: skip


def test_each_builder_is_among_the_families():
    """What is tested below stands for the whole catalogue; the others of each differ in width and depth only."""

    def kind(row):
        return re.sub(r"B\d|\d|Tiny|Small|Base|X?Large|Mobile(?!Net)|[SML]$", "", row.builder)

    assert {kind(row) for row in backbones()} == {kind(find(name)) for name in FAMILIES}


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_is_described_and_exported_without_tensorflow(name, tmp_path):
    """At an even and an odd size, at the default depths."""
    row = find(name)
    weights = "auto" if row.embedded else weights_of(row, tmp_path / "random.weights.h5")
    least = max(row.min_size, 64)
    for size in (32,) if name == "lenet5" else (least, least + 13):
        (tmp_path / str(size)).mkdir()
        assert_same(tmp_path / str(size), backbone=name, weights=weights, input_size=size)


@pytest.mark.parametrize("size", [40, 56])
def test_featx_mini_is_described_and_exported_without_tensorflow(size, tmp_path):
    """Its last maps are odd at 40 pixels; the picture is resized for its patches."""
    assert_same(tmp_path, backbone="featx-mini", input_size=size)


def each(kind, *arguments, **settings):
    """Make a layer for each combination of settings."""
    return [
        kind(*arguments, **dict(zip(settings, values, strict=True))) for values in product(*settings.values())
    ]


def branches():
    """Make layers of many kinds and settings, for maps of 21 x 18 x 8."""
    from keras import layers

    padding, two = ["same", "valid"], [1, 2]
    pool = {"pool_size": [2, 3, (3, 2)], "strides": [None, 1, 2], "padding": padding}
    return [
        *each(layers.Conv2D, 6, kernel_size=[1, 2, 3, 4, (1, 5)], strides=[1, 2, 3], padding=padding),
        *each(layers.Conv2D, 4, 3, dilation_rate=two, padding=padding, groups=[2, 4], use_bias=[False]),
        *each(layers.Conv2D, 4, 3, activation=sorted(ACTIVATIONS)),
        *each(layers.DepthwiseConv2D, 3, strides=two, padding=padding, depth_multiplier=two),
        *each(layers.DepthwiseConv2D, 3, dilation_rate=[2], padding=padding),
        *each(layers.SeparableConv2D, 5, 3, strides=two, padding=padding),
        *each(layers.MaxPooling2D, **pool),
        *each(layers.AveragePooling2D, **pool),
        *each(layers.BatchNormalization, center=[True, False], scale=[True, False]),
        *each(layers.LayerNormalization, center=[True, False], axis=[1, -1, [1, 2, 3]]),
        *each(layers.Activation, activation=sorted(ACTIVATIONS)),
        *each(layers.ReLU, max_value=[None, 6.0], negative_slope=[0.0, 0.1]),
        *each(layers.LeakyReLU, negative_slope=[0.3]),
        *each(layers.PReLU, shared_axes=[None, [1, 2]]),
        *each(layers.Softmax, axis=[1, -1]),
        *each(layers.GlobalAveragePooling2D, keepdims=[True, False]),
        *each(layers.GlobalMaxPooling2D, keepdims=[True, False]),
        layers.ELU(),
        layers.ZeroPadding2D(((1, 2), (3, 0))),
        layers.Cropping2D(((2, 1), (0, 3))),
        layers.Rescaling(0.5, offset=-1.0),
        *each(layers.Normalization, mean=[[0.5] * 8], variance=[[2.0] * 8], invert=[False, True]),
        layers.Flatten(),
        layers.Reshape((18, 21, 8)),
        layers.Permute((2, 1, 3)),
        layers.Dense(7),
        layers.Dropout(0.5),
        layers.SpatialDropout2D(0.5),
        layers.Identity(),
    ]


@pytest.mark.slow
def test_layers_of_a_file_are_exported_without_tensorflow(tmp_path):
    """All that the other process may be given, with settings that no network of the catalogue has."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(3)
    pixels = keras.Input((21, 18, 3))
    start, other = (layers.Conv2D(8, 3, padding="same")(pixels) for _ in range(2))
    gate = layers.GlobalAveragePooling2D(keepdims=True)(start)
    outputs = [layer(start) for layer in branches()]
    joins = ("Add", "Average", "Maximum", "Minimum", "Multiply", "Subtract")
    outputs += [getattr(layers, join)()(pair) for join in joins for pair in ([start, other], [gate, start])]
    outputs += [layers.Concatenate(axis=axis)([start, other]) for axis in (1, 2, 3)]
    model = keras.Model(pixels, outputs)
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.moving_mean.assign(np.linspace(-1, 1, 8))
            layer.moving_variance.assign(np.linspace(0.1, 3, 8))
    assert {type(layer).__name__ for layer in model.layers} == LAYERS
    model.save(tmp_path / "branches.keras")
    depth = [output._keras_history.operation.name for output in outputs]
    choices = {"depth": depth, "pooling": "none", "scaling": "unit", "input_size": (21, 18)}
    assert_same(tmp_path, backbone=tmp_path / "branches.keras", **choices)

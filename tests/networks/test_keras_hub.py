"""Networks of KerasHub as backbones: their stages are found, and each gives their own numbers, on both engines."""

import subprocess
import sys

import keras
import numpy as np
import pytest
from sklearn.pipeline import make_pipeline

from featx.embedding import FeatureExtractor
from featx.heads import make_head
from featx.networks.flatten import flatten
from featx.saving import save

hub = pytest.importorskip("keras_hub", reason="KerasHub is not installed")
SHAPE = (64, 64, 3)
IMAGES = np.random.default_rng(0).integers(0, 256, (2, *SHAPE), dtype=np.uint8)


def resnet(**more):
    return hub.models.ResNetBackbone(
        input_conv_filters=[64], input_conv_kernel_sizes=[7], stackwise_num_filters=[64, 128],
        stackwise_num_blocks=[1, 1], stackwise_num_strides=[1, 2], image_shape=SHAPE, **more,
    )  # fmt: skip


FAMILIES = {
    "resnet": lambda: resnet(block_type="basic_block"),
    "resnet v2": lambda: resnet(block_type="bottleneck_block", use_pre_activation=True),
    "classifier": lambda: hub.models.ResNetImageClassifier(
        backbone=resnet(block_type="basic_block"), num_classes=3, preprocessor=None
    ),
    "vgg": lambda: hub.models.VGGBackbone(
        stackwise_num_repeats=[1, 1, 1], stackwise_num_filters=[4, 8, 16], image_shape=SHAPE
    ),
    "densenet": lambda: hub.models.DenseNetBackbone(
        stackwise_num_repeats=[2, 2], growth_rate=8, image_shape=SHAPE
    ),
    "cspnet": lambda: hub.models.CSPNetBackbone(
        stem_filters=8,
        stem_kernel_size=3,
        stem_strides=2,
        stackwise_depth=[1, 1],
        stackwise_strides=[2, 2],
        stackwise_num_filters=[16, 32],
        block_type="dark_block",
        stage_type="dark",
        image_shape=SHAPE,
    ),
    "efficientnet": lambda: hub.models.EfficientNetBackbone(
        stackwise_width_coefficients=[1.0] * 2,
        stackwise_depth_coefficients=[1.0] * 2,
        stackwise_kernel_sizes=[3, 3],
        stackwise_num_repeats=[1, 1],
        stackwise_input_filters=[8, 8],
        stackwise_output_filters=[8, 16],
        stackwise_expansion_ratios=[1, 4],
        stackwise_strides=[2, 2],
        stackwise_squeeze_and_excite_ratios=[0.25] * 2,
        stackwise_block_types=["v1", "unfused"],
        stackwise_force_input_filters=[0, 0],
        stackwise_nores_option=[False, False],
        min_depth=None,
        include_initial_padding=True,
        use_depth_divisor_as_min_depth=True,
        cap_round_filter_decrease=True,
        stem_conv_padding="valid",
        input_shape=SHAPE,
    ),
    "mobilenet": lambda: hub.models.MobileNetBackbone(
        stackwise_expansion=[[8, 8], [16, 16]],
        stackwise_num_blocks=[2, 2],
        stackwise_num_filters=[[8, 8], [16, 16]],
        stackwise_kernel_size=[[3, 3], [5, 5]],
        stackwise_num_strides=[[2, 1], [2, 1]],
        stackwise_se_ratio=[[None, None], [0.25, 0.25]],
        stackwise_activation=[["relu"] * 2, ["hard_swish"] * 2],
        stackwise_padding=[[1, 1], [2, 2]],
        output_num_filters=24,
        input_num_filters=8,
        input_activation="hard_swish",
        output_activation="hard_swish",
        depthwise_filters=8,
        depthwise_stride=2,
        depthwise_residual=False,
        squeeze_and_excite=0.5,
        last_layer_filter=32,
        image_shape=SHAPE,
    ),
    "xception": lambda: hub.models.XceptionBackbone(
        stackwise_conv_filters=[[4, 8], [16, 16], [24, 32]],
        stackwise_pooling=[True, True, False],
        image_shape=SHAPE,
    ),
    "hgnetv2": lambda: hub.models.HGNetV2Backbone(
        depths=[1, 1, 1],
        embedding_size=8,
        hidden_sizes=[8, 16, 24],
        stem_channels=[3, 4, 8],
        hidden_act="relu",
        use_learnable_affine_block=False,
        stackwise_stage_filters=[(8, 4, 8, 1, 1, 3), (8, 4, 16, 1, 1, 3), (16, 8, 24, 1, 1, 3)],
        apply_downsample=[False, True, True],
        use_lightweight_conv_block=[False, False, False],
        image_shape=SHAPE,
    ),
    "mit": lambda: hub.models.MiTBackbone(
        layerwise_depths=[1, 1],
        num_layers=2,
        layerwise_num_heads=[1, 1],
        layerwise_sr_ratios=[2, 1],
        max_drop_path_rate=0.1,
        layerwise_patch_sizes=[7, 3],
        layerwise_strides=[4, 2],
        hidden_dims=[8, 16],
        image_shape=SHAPE,
    ),
}


def output_of(network, name):
    """Find a layer of a network, or of a network in it, and give the model up to it, or to one of its answers."""
    outer, _, inner = name.rpartition("/")
    for part in filter(None, outer.split("/")):
        network = network.get_layer(part)
    inner, _, answer = inner.partition(":")
    output = network.get_layer(inner).output
    return keras.Model(network.inputs, output[int(answer) - 1] if answer else output)


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.filterwarnings("ignore::UserWarning:keras")
def test_each_stage_gives_the_networks_own_numbers(family):
    """The right value: what Keras computes up to the layer where the stage ends, pooled by NumPy."""
    keras.utils.set_random_seed(0)
    network = FAMILIES[family]()
    choices = {"pooling": "avg", "scaling": "unit", "input_size": 64, "cache": None}
    graph = flatten(network, input_size=(64, 64), scaling="unit")
    sides = [stage.shape[0] for stage in graph.stages]
    assert len(sides) >= 2
    assert sides == sorted(set(sides), reverse=True)
    depths = list(range(1, len(sides) + 1))
    expected = np.concatenate(
        [
            output_of(network, stage.name).predict(IMAGES / np.float32(255), verbose=0).mean((1, 2))
            for stage in graph.stages
        ],
        axis=1,
    )
    for engine in ("keras", "openvino"):
        found = FeatureExtractor(network, depth=depths, engine=engine, **choices).transform(IMAGES)
        assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max(), engine


STAGES = {
    "hgnetv2": [(16, 16, 8), (8, 8, 16), (4, 4, 24)],
    "xception": [(29, 29, 8), (15, 15, 8), (8, 8, 32)],
}


@pytest.mark.parametrize("family", STAGES)
def test_the_maps_a_layer_answers_with_are_stages(family):
    """Also where one layer holds all stages and gives them as a tuple, of which the network's outputs are some."""
    graph = flatten(FAMILIES[family](), input_size=(64, 64), scaling="unit")
    assert [stage.shape for stage in graph.stages] == STAGES[family]


LOADING = """
import sys
import numpy as np
import featx
for folder in sys.argv[2:]:
    np.testing.assert_array_equal(featx.load(folder)[0].transform(np.load(sys.argv[1])), np.load(f"{folder}.npy"))
"""


@pytest.mark.slow
def test_a_saved_network_is_loaded_in_another_process(tmp_path):
    """With nothing trusted and KerasHub not imported: Keras finds its layers by itself."""
    np.save(tmp_path / "images.npy", IMAGES)
    folders = []
    for number, family in enumerate(("resnet v2", "classifier", "hgnetv2")):
        choices = {"depth": [1, -1], "pooling": "avg", "scaling": "unit", "input_size": 64, "cache": None}
        extractor = FeatureExtractor(FAMILIES[family](), **choices)
        pipe = make_pipeline(extractor, make_head("knn", n_neighbors=1)).fit(IMAGES, ["a", "b"])
        folders.append(tmp_path / str(number))
        save(pipe, folders[-1])
        np.save(tmp_path / f"{number}.npy", extractor.transform(IMAGES))
    subprocess.run([sys.executable, "-c", LOADING, tmp_path / "images.npy", *folders], check=True)


def test_a_network_without_maps_says_so():
    """A vision transformer makes tokens, not maps."""
    network = hub.models.ViTBackbone(SHAPE, 16, num_layers=1, num_heads=2, hidden_dim=8, mlp_dim=16)
    with pytest.raises(ValueError, match=r"this network has no stages, since no maps .* Give a layer's name"):
        FeatureExtractor(network, depth=-1, scaling="unit", cache=None).plan()

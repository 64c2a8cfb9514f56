"""The networks that featx builds have the sizes and the shapes that are published, and can be trained."""

import keras
import numpy as np
import pytest

from featx import FeatureExtractor
from featx.networks import cuts, families
from featx.networks.catalogue import backbones, find
from featx.networks.network import build

PUBLISHED = {
    "lenet5": 61_706,  # 60,000 in the paper, whose C3 sees some maps of S2 only
    "alexnet": 61_100_840,  # torchvision
    "alexnet_two_towers": 60_965_224,  # Caffe's bvlc_reference_caffenet and bvlc_alexnet
    "zfnet": 62_357_608,  # figure 3 of the paper, counted
    "googlenet": 6_624_904,  # torchvision, without side classifiers
    "squeezenet": 1_235_496,  # torchvision
    "resnet18": 11_689_512,  # torchvision
    "resnet34": 21_797_672,  # torchvision
    "resnet50_torchvision": 25_557_032,  # torchvision
    "resnet34_stochastic_depth": 21_797_672,
    "resnext50": 25_028_904,  # torchvision
    "se_resnet50": 28_088_024,  # timm
    "senet154": 115_088_984,  # timm
    "shake_shake": 2_923_162,  # 2.9 million in the paper
}
MULTIPLY_ADDS = {  # in 1e9 with the classifier, from torchvision's table of its models, and timm's paper for SENet-154
    "alexnet": 0.714,
    "googlenet": 1.498,
    "squeezenet": 0.349,
    "resnet18": 1.814,
    "resnet34": 3.664,
    "resnet50_torchvision": 4.089,
    "resnext50": 4.23,
}
SHAPES = {
    "lenet5": [(28, 6), (10, 16), (1, 84)],
    "alexnet": [(55, 64), (27, 192), (13, 256), (6, 256)],
    "alexnet_two_towers": [(55, 96), (27, 256), (13, 256), (6, 256)],
    "zfnet": [(110, 96), (55, 96), (26, 256), (13, 256), (6, 256)],
    "googlenet": [(112, 64), (56, 192), (28, 480), (14, 832), (7, 1024)],
    "squeezenet": [(111, 64), (55, 128), (27, 256), (13, 512)],
    "resnet18": [(112, 64), (56, 64), (28, 128), (14, 256), (7, 512)],
    "resnet34": [(112, 64), (56, 64), (28, 128), (14, 256), (7, 512)],
    "resnet50_torchvision": [(112, 64), (56, 256), (28, 512), (14, 1024), (7, 2048)],
    "resnet34_stochastic_depth": [(112, 64), (56, 64), (28, 128), (14, 256), (7, 512)],
    "resnext50": [(112, 64), (56, 256), (28, 512), (14, 1024), (7, 2048)],
    "se_resnet50": [(112, 64), (56, 256), (28, 512), (14, 1024), (7, 2048)],
    "senet154": [(112, 128), (56, 256), (28, 512), (14, 1024), (7, 2048)],
    "shake_shake": [(32, 32), (16, 64), (8, 128)],
}
ROWS = [row for row in backbones() if not row.in_keras and not row.package]
each = pytest.mark.parametrize("name", PUBLISHED)


def costly(name):
    """Let a network that takes long wait for the slow tests."""
    return pytest.param(name, marks=pytest.mark.slow)


QUICK = ("lenet5", "squeezenet", "resnet18")
each_quick_first = pytest.mark.parametrize(
    "name", [*QUICK, *map(costly, sorted(set(PUBLISHED) - set(QUICK)))]
)


def trained(network):
    """Count the weights that are trained."""
    return sum(int(np.prod(weight.shape)) for weight in network.trainable_weights)


def test_every_family_is_held_here():
    """Each row of the table that featx builds without a package has its published figure."""
    assert {row.name for row in ROWS} == set(PUBLISHED) == set(SHAPES)
    assert {row.builder for row in ROWS} <= set(families.__all__)


@each
def test_parameters_are_the_published_ones(name):
    """With the classifier, without the statistics of BatchNorm, as the sources count."""
    row = find(name)
    network = build(row, None, (row.input_size, row.input_size), published=False, top=True)
    assert trained(network) == PUBLISHED[name] == row.parameters


@pytest.mark.parametrize("name", [name if name != "senet154" else costly(name) for name in PUBLISHED])
def test_stages_are_the_published_ones(name):
    """Side and channels of each stage, and with the classifier's the multiply-adds."""
    listed = cuts(name)
    assert [(cut.shape[0], cut.shape[2]) for cut in listed if cut.stage] == SHAPES[name]
    if name in MULTIPLY_ADDS:
        top = 1000 * SHAPES[name][-1][1] if name != "alexnet" else 9216 * 4096 + 4096 * 4096 + 4096 * 1000
        whole = listed[-1].multiply_adds + top * (13 * 13 if name == "squeezenet" else 1)
        assert whole / 1e9 == pytest.approx(MULTIPLY_ADDS[name], abs=0.0051)


@each_quick_first
def test_a_step_forward_and_one_back(name):
    """At the least size maps come out and every weight that is trained gets a gradient; inference is deterministic."""
    row = find(name)
    network = build(row, None, (row.min_size, row.min_size), published=False)
    images = np.random.default_rng(0).normal(size=(4, *network.input_shape[1:])).astype("float32")
    before = [np.asarray(network(images, training=False)) for _ in range(2)]
    np.testing.assert_array_equal(*before)
    assert np.isfinite(before[0]).all()
    assert before[0].std() > 0

    head = keras.Sequential([network, keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(2)])
    head.compile(keras.optimizers.SGD(1e-3), "mse")
    weights = [np.asarray(weight) for weight in network.trainable_weights]
    head.fit(images, np.eye(2)[[0, 1, 0, 1]], epochs=1, verbose=0)
    moved = [
        not np.array_equal(old, np.asarray(new))
        for old, new in zip(weights, network.trainable_weights, strict=True)
    ]
    # where the last maps are one pixel large, BatchNorm over few numbers may leave a bias where it was
    assert np.mean(moved) > 0.9


def test_a_grey_network_sees_luminance():
    """LeNet-5 takes grey images, and coloured ones by their luminance."""
    images = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    grey = (images @ [0.299, 0.587, 0.114]).round().astype(np.uint8)
    one, other = (FeatureExtractor("lenet5", weights=None, cache=None).transform(it) for it in (images, grey))
    assert one.shape == (3, 84)
    np.testing.assert_allclose(one, other, atol=5e-3)


def test_stochastic_depth_leaves_blocks_out_in_training_only():
    """Block l of L is computed with probability 1 - l / L * (1 - p), and counts by it when the network is used."""
    network = families.resnet((32, 32), survival=0.5)
    kept = [1 - layer.rate for layer in network.layers if layer.name.endswith("_dropout")]
    scales = [layer.scale for layer in network.layers if layer.name.endswith("_survival")]
    expected = 1 - np.arange(1, 9) / 8 * 0.5
    np.testing.assert_allclose(kept, expected)
    np.testing.assert_allclose(scales, expected)

    branch = keras.Model(
        network.get_layer("layer4_1_dropout").input, network.get_layer("layer4_1_survival").output
    )
    ones = np.ones((2000, 1, 1, 512), "float32")
    np.testing.assert_allclose(np.asarray(branch(ones, training=False)), 0.5)
    drawn = np.asarray(branch(ones, training=True))[:, 0, 0]
    np.testing.assert_allclose(drawn, drawn[:, :1].repeat(512, 1))  # a block is left out whole
    assert {0.0, 1.0} == set(drawn[:, 0].round(6).tolist())
    assert 0.45 < drawn[:, 0].mean() < 0.55


def test_shake_shake_mixes_in_training_and_averages_otherwise():
    """In training the sum lies between the branches, another for each image; the weights of the way back differ."""
    network = families.shake_shake((8, 8))
    shake = network.get_layer("layer1_0_shake")
    zeros, ones = np.zeros((200, 1, 1, 3), "float32"), np.ones((200, 1, 1, 3), "float32")
    np.testing.assert_allclose(np.asarray(shake([zeros, ones], training=False)), 0.5)
    mixed = np.asarray(shake([zeros, ones], training=True))[:, 0, 0]
    np.testing.assert_allclose(mixed, mixed[:, :1].repeat(3, 1), rtol=1e-6)
    assert mixed.min() >= 0
    assert mixed.max() <= 1
    assert mixed.std() > 0.2


def test_blocks_are_arguments():
    """Pre-activation and bottlenecks give ResNet-50 V2, whose weights are as many as Keras' without biases."""
    network = families.resnet((64, 64), blocks=(3, 4, 6, 3), bottleneck=True, preactivation=True, top=True)
    theirs = keras.applications.ResNet50V2(input_shape=(64, 64, 3), weights=None, include_top=False)
    biases = sum(layer.bias.shape[0] for layer in theirs.layers if getattr(layer, "bias", None) is not None)
    assert trained(network) - 2048 * 1000 - 1000 == trained(theirs) - biases
    added = [layer for layer in network.layers if layer.name.endswith("_add")]
    assert len(added) == 16
    assert not any(
        isinstance(after, keras.layers.ReLU) for layer in added for after in _followers(network, layer)
    )


def _followers(network, layer):
    return [node.operation for node in layer._outbound_nodes if node.operation in network.layers]


@pytest.mark.parametrize(
    "name", ["alexnet_two_towers", "squeezenet", *map(costly, ("googlenet", "resnext50", "shake_shake"))]
)
def test_engines_agree(name):
    """Grouped convolutions, normalisation across channels, poolings with a rest and layers of featx' own, on either."""
    images = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    how = {"weights": None, "depth": -1, "input_size": 64, "cache": None}
    found, expected = (
        FeatureExtractor(name, engine=engine, **how).transform(images) for engine in ("openvino", "keras")
    )
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize("name", ["b0", costly("b3"), costly("b7")])
def test_compound_scaling_gives_the_published_efficientnets(name):
    """Blocks and channels of each row are those that Keras builds."""
    from featx.networks.families.efficientnet import SCALES, scaled_rows

    depth, width, size = SCALES[name]
    row = find(f"efficientnet_{name}")
    assert row.input_size == size
    network = getattr(keras.applications, row.builder)(
        input_shape=(64, 64, 3), weights=None, include_top=False
    )
    found = {}
    for layer in network.layers:
        if layer.name.endswith("_project_conv"):
            found.setdefault(layer.name[5], []).append(layer.filters)
    assert scaled_rows(width, depth) == [(len(row), row[0]) for row in found.values()]


def test_compound_scaling_doubles_the_work_with_each_step():
    """Depth by alpha, width by beta, resolution by gamma; B1 to B3 are its steps 0.5, 1 and 2, rounded."""
    from featx.networks.families.efficientnet import SCALES

    depth, width, resolution = families.compound_scaling(1)
    assert depth * width**2 * resolution**2 == pytest.approx(2, abs=0.1)
    for name, phi in {"b0": 0, "b1": 0.5, "b2": 1, "b3": 2}.items():
        depth, width, resolution = families.compound_scaling(phi)
        published = SCALES[name]
        assert (depth, width) == pytest.approx(published[:2], abs=0.05)
        assert 224 * resolution == pytest.approx(published[2], abs=4)

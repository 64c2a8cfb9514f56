"""EfficientNet-Lite is Google's network: its sizes, its arithmetic and what it sees."""

import re
from importlib.util import find_spec

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline

import featx
from featx import FeatureExtractor, FineTuner, load_folder, make_head
from featx.errors import WeightsError
from featx.networks import cuts
from featx.networks.catalogue import find
from featx.networks.network import build
from featx.networks.pth import read_pth
from featx.networks.weights import locate

LITES = ("efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2")
PUBLISHED = dict(zip(LITES, (407, 631, 899), strict=True))
"""Millions of multiply-adds at the network's own input size, from tensorflow/tpu, models/official/efficientnet/lite."""


def weights_of(name):
    """Give the file of a network that is installed here, or skip."""
    if not find_spec(find(name).package.replace("-", "_")):
        pytest.skip(f"the package {find(name).package} is not installed here")
    return locate(find(name), "auto", 224)


@pytest.mark.parametrize("name", LITES)
def test_sizes_are_the_published_ones(name):
    """Parameters are those of the file; the published multiply-adds count a little more than kernels."""
    row = find(name)
    size = (row.input_size, row.input_size)
    network = build(row, None, size, published=False, top=True)
    statistics = sum(int(np.prod(weight.shape)) for weight in network.non_trainable_weights)

    assert network.count_params() - statistics == row.parameters
    millions = (cuts(row.name)[-1].multiply_adds + 1280 * 1000) / 1e6
    assert 0.94 * PUBLISHED[name] < millions < PUBLISHED[name]


def test_stages_are_at_a_half_to_a_thirty_second():
    """Five stages, each of half the resolution of the one before, rounded up."""
    stages = [
        (cut.layer, cut.shape) for cut in cuts("efficientnet_lite0", input_size=(100, 224)) if cut.stage
    ]
    assert stages == [
        ("blocks_1_bn0_relu6", (50, 112, 96)),
        ("blocks_3_bn0_relu6", (25, 56, 144)),
        ("blocks_5_bn0_relu6", (13, 28, 240)),
        ("blocks_11_bn0_relu6", (7, 14, 672)),
        ("bn1_relu6", (4, 7, 1280)),
    ]


def same(x, size, strides):
    """Pad maps as TensorFlow does: what is odd goes to the right and the bottom."""
    pads = []
    for side in x.shape[1:3]:
        more = max((-(-side // strides) - 1) * strides + size - side, 0)
        pads.append((more // 2, more - more // 2))
    return np.pad(x, [(0, 0), *pads, (0, 0)])


def convolved(x, kernel, strides=1):
    """Convolve maps (n, h, w, c) by a kernel in PyTorch's order (out, in, h, w); (c, 1, h, w) is depthwise."""
    size = kernel.shape[-1]
    windows = np.lib.stride_tricks.sliding_window_view(same(x, size, strides), (size, size), (1, 2))
    windows = windows[:, ::strides, ::strides]  # n, h, w, c, kernel, kernel
    if kernel.shape[1] == 1 and len(kernel) == x.shape[-1]:
        return np.einsum("nhwcij,cij->nhwc", windows, kernel[:, 0], optimize=True)
    return np.einsum("nhwcij,ocij->nhwo", windows, kernel, optimize=True)


def by_numpy(arrays, images):
    """Compute the last maps and the logits from the file alone, in float64; what it holds says what is to be done."""
    arrays = {name: array.astype("f8") for name, array in arrays.items()}

    def normed(x, name):
        scale = arrays[f"{name}.weight"] / np.sqrt(arrays[f"{name}.running_var"] + 1e-3)
        return (x - arrays[f"{name}.running_mean"]) * scale + arrays[f"{name}.bias"]

    def relu6(x):
        return np.clip(x, 0, 6)

    x = relu6(normed(convolved((images - 127.0) / 128.0, arrays["_conv_stem.weight"], 2), "_bn0"))
    blocks = 1 + max(int(found[1]) for name in arrays if (found := re.match(r"_blocks\.(\d+)\.", name)))
    narrow = [arrays[f"_blocks.{block}._project_conv.weight"].shape[0] for block in range(blocks)]
    first = {narrow.index(channels) for channels in (24, 40, 80, 192)}  # where the maps become smaller
    for block in range(blocks):
        before, name = x, f"_blocks.{block}"
        if f"{name}._expand_conv.weight" in arrays:
            x = relu6(normed(convolved(x, arrays[f"{name}._expand_conv.weight"]), f"{name}._bn0"))
        strides = 2 if block in first else 1
        x = relu6(normed(convolved(x, arrays[f"{name}._depthwise_conv.weight"], strides), f"{name}._bn1"))
        x = normed(convolved(x, arrays[f"{name}._project_conv.weight"]), f"{name}._bn2")
        x = x + before if x.shape == before.shape else x
    x = relu6(normed(convolved(x, arrays["_conv_head.weight"]), "_bn1"))
    return x, x.mean((1, 2)) @ arrays["_fc.weight"].T + arrays["_fc.bias"]


@pytest.fixture(scope="module")
def computed():
    """Compute images of odd and even sides, and the last maps and logits of Lite0 for each, by NumPy."""
    arrays = read_pth(weights_of("efficientnet_lite0"))
    some = [
        np.random.default_rng(0).integers(0, 256, (2, *size, 3), dtype=np.uint8)
        for size in ((43, 32), (64, 65))
    ]
    return [(images, *by_numpy(arrays, images)) for images in some]


@pytest.mark.parametrize("engine", ["keras", "openvino"])
def test_vectors_are_those_of_plain_arithmetic(engine, computed):
    """At odd and even sizes the last maps agree with NumPy's, computed from the file alone, to 1e-5 of the largest."""
    for images, expected, _ in computed:
        size = images.shape[1:3]
        extractor = FeatureExtractor(
            "efficientnet_lite0", depth=-1, pooling="none", input_size=size, engine=engine, cache=None
        )
        found = extractor.transform(images).reshape(expected.shape)
        assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()


def test_probabilities_are_those_of_plain_arithmetic(computed):
    """The classifier is that of the file."""
    from featx.exploring.imagenet import classifier

    images, _, logits = computed[1]
    expected = np.exp(logits - logits.max(1, keepdims=True))
    expected /= expected.sum(1, keepdims=True)
    found = classifier("efficientnet_lite0", input_size=images.shape[1:3], cache=None).transform(images)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-7)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "least"),
    [(LITES[0], 0.92), (LITES[1], 0.93), (LITES[2], 0.93)],
)
def test_ants_and_bees_are_told_apart(name, least, data):
    """244 photographs to learn from, 153 to be tested on: as good as MobileNetV2, which reaches 0.941."""
    weights_of(name)
    train, val = (load_folder(data / "images" / "hymenoptera" / part) for part in ("train", "val"))
    pipe = make_pipeline(FeatureExtractor(name), make_head("logistic"))
    assert pipe.fit(train.paths, train.labels).score(val.paths, val.labels) >= least


@pytest.mark.slow
def test_it_can_be_trained_on(data, tmp_path):
    """Fine-tuning starts from the frozen pipeline, changes the network's weights, and what it saved predicts alike."""
    weights_of("efficientnet_lite0")
    train = load_folder(data / "images" / "hymenoptera" / "train")
    paths, labels = train.paths[::8], train.labels[::8]
    tuner = FineTuner(FeatureExtractor("efficientnet_lite0", input_size=64), epochs=2, random_state=0)
    tuner.fit(paths, labels)
    assert np.mean(tuner.predict(paths) == labels) > 0.8
    featx.save(tuner, tmp_path / "model")
    np.testing.assert_array_equal(featx.load(tmp_path / "model").predict(paths), tuner.predict(paths))


@pytest.mark.parametrize("pooling", ["avg", "max", "std", "gem", "grid2", "none", "avg+std"])
def test_every_depth_and_pooling(pooling):
    """Each stage gives vectors of the promised width, whatever the pooling."""
    weights_of("efficientnet_lite0")
    images = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    how = {"depth": [1, 2, 3, 4, 5], "pooling": pooling, "input_size": 64, "cache": None}
    vectors = FeatureExtractor("efficientnet_lite0", **how).fit_transform(images)
    assert vectors.shape == (
        2,
        len(FeatureExtractor("efficientnet_lite0", **how).fit(images).get_feature_names_out()),
    )
    assert np.isfinite(vectors).all()
    assert vectors.std() > 0


def test_a_changed_file_is_refused(tmp_path, monkeypatch):
    """One bit of the published file, in a number where nothing else could notice, and both digests are named."""
    content = bytearray(weights_of("efficientnet_lite0").read_bytes())
    content[-1000] ^= 1
    (tmp_path / find("efficientnet_lite0").file).write_bytes(content)
    monkeypatch.setenv("FEATX_WEIGHTS", str(tmp_path))
    images = np.zeros((1, 40, 40, 3), np.uint8)

    with pytest.raises(WeightsError, match=r"is not the published file: expected digest 579344248a93e230"):
        FeatureExtractor("efficientnet_lite0", input_size=32).transform(images)
    given = FeatureExtractor(
        "efficientnet_lite0", input_size=32, weights=tmp_path / find("efficientnet_lite0").file
    )
    assert np.isfinite(given.transform(images)).all()  # a file of one's own may hold other numbers


def test_a_file_of_a_sister_is_refused():
    """The weights of another network do not fit, and the message names the first layer that shows it."""
    path = weights_of("efficientnet_lite0")
    with pytest.raises(WeightsError, match=r"lite0-57934424\.pth has (a|no) weight .*layer 'blocks_\d+_\w+'"):
        build(find("efficientnet_lite1"), path, (64, 64), published=False)

"""The kernels and the maps are those of the same networks as ONNX's own tests have them: Caffe's and Caffe2's."""

from collections import Counter
from pathlib import Path

import keras
import pytest

from featx.networks.catalogue import find
from featx.networks.network import build

onnx = pytest.importorskip("onnx", reason="onnx, whose wheel brings the networks, is not installed")
LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"


def theirs(name):
    """Give the shape of each convolution's kernel, (out, in, h, w), and the side of its maps."""
    model = onnx.shape_inference.infer_shapes(onnx.load(LIGHT / f"light_{name}.onnx"))
    shapes = {
        value.name: tuple(side.dim_value for side in value.type.tensor_type.shape.dim)
        for value in (*model.graph.value_info, *model.graph.input)
    }
    return [
        (shapes[node.input[1]], shapes[node.output[0]][2])
        for node in model.graph.node
        if node.op_type == "Conv" and node.output[0] in shapes  # not DenseNet's classifier
    ]


def ours(name):
    """Give the same of a network of featx or of Keras, at 224 pixels."""
    network = build(find(name), None, (224, 224), published=False, top=name == "squeezenet")
    return [
        (tuple(layer.kernel.shape[axis] for axis in (3, 2, 0, 1)), layer.output.shape[1])
        for layer in network.layers
        if isinstance(layer, keras.layers.Conv2D) and "_se_" not in layer.name
    ]


@pytest.mark.parametrize(
    ("name", "light"),
    [
        ("squeezenet", "squeezenet"),
        ("vgg19", "vgg19"),
        ("resnet50_torchvision", "resnet50"),  # Keras' own has its strides elsewhere
        ("densenet121", "densenet121"),
    ],
)
def test_kernels_and_maps_are_the_same(name, light):
    """As many of each shape, on maps of each size."""
    assert Counter(ours(name)) == Counter(theirs(light))


def test_the_two_towers_have_the_kernels_of_caffe():
    """Caffe's maps are a pixel smaller where ONNX lost their padding."""
    found, expected = ours("alexnet_two_towers"), theirs("bvlc_alexnet")
    assert [kernel for kernel, _ in found] == [kernel for kernel, _ in expected]
    assert [side for _, side in found] == [side + 1 for _, side in expected]


def test_googlenet_has_the_kernels_of_caffe_but_for_the_5x5():
    """These are 3x3 in the form whose weights are public. ONNX rounds the sides of maps down, Caffe rounded up."""
    found, expected = ours("googlenet"), theirs("inception_v1")
    assert Counter(kernel for kernel, _ in found) == Counter(
        (*kernel[:2], 3, 3) if kernel[2:] == (5, 5) else kernel for kernel, _ in expected
    )
    sides = [sorted((side for _, side in kernels), reverse=True) for kernels in (found, expected)]
    assert {one - other for one, other in zip(*sides, strict=True)} == {0, 1}


def test_zfnet_begins_like_caffe2s():
    """Its sizes and its first layers; from the third on Caffe2's has 512 channels, where the paper's figure has 384."""
    found, expected = ours("zfnet"), theirs("zfnet512")
    assert [kernel for kernel, _ in found[:2]] == [kernel for kernel, _ in expected[:2]]
    assert [kernel[2:] for kernel, _ in found] == [kernel[2:] for kernel, _ in expected]
    assert all(0 <= one - other <= 1 for (_, one), (_, other) in zip(found, expected, strict=True))

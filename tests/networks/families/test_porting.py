"""The weights that the same network has in PyTorch give the same numbers here."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from featx.errors import WeightsError
from featx.networks import families
from featx.networks.catalogue import find
from featx.networks.network import build
from featx.networks.porting import port

STAGES = {
    "alexnet": {
        "features_0_relu": "features.1",
        "features_3_relu": "features.4",
        "features_12": "features.12",
    },
    "googlenet": {
        "conv3_bn_relu": "conv3",
        **{f"inception{name}": f"inception{name}" for name in ("3b", "4e", "5b")},
    },
    "squeezenet": {"features_0_relu": "features.1", **{f"features_{n}": f"features.{n}" for n in (4, 7, 12)}},
    "resnet18": {f"layer{stage}_1_relu": f"layer{stage}" for stage in range(1, 5)},
    "resnet34": {f"layer{n}_{last}_relu": f"layer{n}" for n, last in enumerate((2, 3, 5, 2), start=1)},
    "resnext50": {f"layer{n}_{last}_relu": f"layer{n}" for n, last in enumerate((2, 3, 5, 2), start=1)},
    "se_resnet50": {f"layer{n}_{last}_relu": f"layer{n}" for n, last in enumerate((2, 3, 5, 2), start=1)},
    "senet154": {f"layer{n}_{last}_relu": f"layer{n}" for n, last in enumerate((2, 7, 35, 2), start=1)},
}
"""For layers here, the modules there."""

TORCHVISION = {"squeezenet": "squeezenet1_1", "resnext50": "resnext50_32x4d"}
TIMM = {"se_resnet50": "seresnet50", "senet154": "senet154"}
costly = ("resnet34", "resnext50", "se_resnet50", "senet154")


THEIRS = """
import sys
import numpy as np
import torch

library, name, options, size, folder, *stages = sys.argv[1:]
torch.manual_seed(0)
if library == "timm":
    import timm
    network = timm.create_model(name)
else:
    import torchvision
    network = getattr(torchvision.models, name)(weights=None, **eval(options))
with torch.no_grad():
    for key, statistic in network.named_buffers():
        if key.endswith("running_mean"):
            statistic.normal_(0, 0.1)
        if key.endswith("running_var"):
            statistic.uniform_(0.5, 1.5)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.weight *= 0.5  # so that sums over many blocks stay small
torch.save(network.eval().state_dict(), f"{folder}/a.pth")
images = np.random.default_rng(0).normal(size=(2, int(size), int(size), 3)).astype("float32")
maps = {"images": images}
for stage in stages:
    network.get_submodule(stage).register_forward_hook(
        lambda _module, _given, made, stage=stage: maps.update({stage: made.numpy().transpose(0, 2, 3, 1)}))
with torch.no_grad():
    maps["last"] = torch.softmax(network(torch.from_numpy(images.transpose(0, 3, 1, 2).copy())), 1).numpy()
np.savez(f"{folder}/maps.npz", **maps)
"""


def theirs(name, size, folder):
    """Compute the stages in PyTorch, in a process of its own, since it does not bear TensorFlow beside it."""
    library = "timm" if name in TIMM else "torchvision"
    for needed in ("torch", library):
        if not find_spec(needed):
            pytest.skip(f"{needed} is not installed here")
    called = (TIMM | TORCHVISION).get(name, name)
    options = {"init_weights": False} if name == "googlenet" else {}
    given = [library, called, repr(options), str(size), str(folder), *STAGES[name].values()]
    subprocess.run([sys.executable, "-c", THEIRS, *given], check=True, capture_output=True)
    with np.load(folder / "maps.npz") as maps:
        return dict(maps)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name in costly)) for name in STAGES]
)
def test_every_stage_is_that_of_torch(name, tmp_path):
    """A file in their naming is loaded whole; stages and probabilities agree to 1e-5 of the largest number."""
    import keras

    size = 224 if name == "alexnet" else 97  # its classifier takes 6 x 6 maps
    maps = theirs(name, size, tmp_path)
    ours = build(find(name), tmp_path / "a.pth", (size, size), published=False, top=True)
    outputs = {layer: ours.get_layer(layer).output for layer in STAGES[name]} | {"last": ours.output}
    found = keras.Model(ours.input, outputs)(maps["images"], training=False)

    for layer, module in (STAGES[name] | {"last": "last"}).items():
        ported, expected = np.asarray(found[layer]), maps[module]
        assert ported.shape == expected.shape, layer
        assert np.abs(ported - expected).max() <= 1e-5 * np.abs(expected).max(), layer
    # without the classifier the file does as well
    build(find(name), tmp_path / "a.pth", (96, 96), published=False)


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
                value = value.transpose(3, 2, 0, 1) if value.ndim == 4 else value.T
            part = parts.get(variable.name, "weight" if variable.name == "kernel" else "bias")
            arrays[f"{layer.name}.{part}"] = value
    return arrays


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

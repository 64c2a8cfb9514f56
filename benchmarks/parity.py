"""Do the networks that featx builds compute what torchvision's and timm's do? Used by networks.py and by the tests.

Each is made there with random weights, and its state dict is saved in their naming. featx loads the file, and the maps
of each stage are compared.
"""

import json
import subprocess
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from featx.networks.catalogue import find
from featx.networks.network import build


@dataclass(frozen=True)
class Peer:
    """A network of another library that is the same."""

    library: str
    name: str
    stages: dict[str, str]
    """For layers of featx, the modules there."""
    size: int = 97
    """Height and width in pixels: odd, so that paddings show."""
    options: dict[str, Any] = field(default_factory=dict)
    start: str | None = None
    """The layer of featx behind which the peer begins; None for the pixels."""
    only_trained: int = 0
    """How many weights there are used in training only."""

    @property
    def suffix(self) -> str:
        """How the file of its weights ends: each library has its own kind."""
        return {"torchvision": ".pth", "timm": ".safetensors"}[self.library]


def _stages(*last: int) -> dict[str, str]:
    """Name the ends of a ResNet's stages by the number of each stage's last block."""
    stem = {"maxpool": "maxpool"}
    return stem | {f"layer{n}_{block}_relu": f"layer{n}" for n, block in enumerate(last, start=1)}


def _lite(name: str, *last: int) -> Peer:
    """Name the ends of an EfficientNet-Lite's rows by the number of each row's last block."""
    ends = [f"blocks_{block}_{'add' if 0 < row < 6 else 'bn2'}" for row, block in enumerate(last)]
    stages = {"bn0_relu6": "bn1"} | {end: f"blocks.{row}" for row, end in enumerate(ends)}
    return Peer("timm", name, {**stages, "bn1_relu6": "bn2"}, start="rescaling")


PEERS = {
    "efficientnet_lite0": _lite("tf_efficientnet_lite0", 0, 2, 4, 7, 10, 14, 15),
    "efficientnet_lite1": _lite("tf_efficientnet_lite1", 0, 3, 6, 10, 14, 19, 20),
    "efficientnet_lite2": _lite("tf_efficientnet_lite2", 0, 3, 6, 10, 14, 19, 20),
    "alexnet": Peer(
        "torchvision",
        "alexnet",
        {"features_0_relu": "features.1", "features_3_relu": "features.4", "features_10_relu": "features.11",
         "features_12": "features.12"},
        size=224,  # its classifier takes 6 x 6 maps
    ),
    "googlenet": Peer(
        "torchvision",
        "googlenet",
        {"conv1_bn_relu": "conv1", "conv3_bn_relu": "conv3",
         **{f"inception{name}": f"inception{name}" for name in ("3b", "4e", "5b")}},
        options={"init_weights": False},  # else it takes a minute
        only_trained=6_379_984,  # the side classifiers
    ),
    "squeezenet": Peer(
        "torchvision",
        "squeezenet1_1",
        {"features_0_relu": "features.1", **{f"features_{n}": f"features.{n}" for n in (4, 7, 12)}},
    ),
    "resnet18": Peer("torchvision", "resnet18", _stages(1, 1, 1, 1)),
    "resnet34": Peer("torchvision", "resnet34", _stages(2, 3, 5, 2)),
    "resnet50_torchvision": Peer("torchvision", "resnet50", _stages(2, 3, 5, 2)),
    "resnext50": Peer("torchvision", "resnext50_32x4d", _stages(2, 3, 5, 2)),
    "se_resnet50": Peer("timm", "seresnet50", _stages(2, 3, 5, 2)),
    "senet154": Peer("timm", "gluon_senet154", _stages(2, 7, 35, 2)),
}  # fmt: skip


def theirs(python: str | Path, folder: Path, names: Iterable[str]) -> None:
    """Compute what the peers of some networks do, in a process of their own: PyTorch does not bear TensorFlow.

    Parameters
    ----------
    python
        The Python that has torch, torchvision and timm.
    folder
        Gets the files that theirs.py writes.
    names
        Of `PEERS`.
    """
    peers = {name: asdict(PEERS[name]) | {"suffix": PEERS[name].suffix} for name in names}
    program = Path(__file__).with_name("theirs.py")
    done = subprocess.run(
        [python, program, folder, json.dumps(peers)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(done.stderr)


def differences(name: str, folder: Path) -> dict[str, float]:
    """Load the weights of the peer, every array of them, and compare.

    Parameters
    ----------
    name
        Of `PEERS`.
    folder
        Where theirs.py wrote.

    Returns
    -------
    dict
        For each layer of `Peer.stages`, and for the probabilities, the largest difference as a share of the largest
        number there.
    """
    import keras

    peer = PEERS[name]
    with np.load(folder / f"{name}.npz") as file:
        maps = dict(file)
    size = (peer.size, peer.size)
    ours = build(find(name), folder / f"{name}{peer.suffix}", size, published=False, top=True)
    stages = {layer: ours.get_layer(layer).output for layer in peer.stages}
    start = ours.get_layer(peer.start).output if peer.start else ours.input
    found = keras.Model(start, {**stages, "probabilities": ours.output})(maps["images"], training=False)
    shares = {}
    for layer, module in {**peer.stages, "probabilities": "probabilities"}.items():
        one, other = np.asarray(found[layer]), maps[module]
        if one.shape != other.shape:
            raise ValueError(f"{name}: {layer} has shape {one.shape}, {module} {other.shape}")
        shares[layer] = float(np.abs(one - other).max() / np.abs(other).max())
    return shares

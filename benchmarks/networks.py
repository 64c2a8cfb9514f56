"""Every network beside its sources: its size, its numbers and its speed.

    python benchmarks/networks.py [NETWORK ...] [--all] [--peers FOLDER | PYTHON | none] [--seconds 1]

Without names it takes the networks that featx builds, which needs some minutes; with --all those of Keras, too, which
needs half an hour. Prints Markdown:

* how many weights a network has with its classifier, and how many are published: by torchvision or timm where it is
  compared with theirs, else on Keras' page or in the paper;
* how far the maps of each stage, and at last the probabilities, are from those of torchvision or timm with the same
  random weights: the largest difference as a share of the largest number;
* images per second at the network's own size, whole, in batches of 32, on each engine.

The first use installs torch, torchvision and timm into an environment of their own, as speed.py does.
"""

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import parity
import platformdirs
from speed import environment

import featx
from featx.embedding.speed import machine, stage_ms
from featx.errors import FeatxError
from featx.networks import Backbone
from featx.networks.catalogue import find
from featx.networks.network import build

KERAS_IO = Path(__file__).parents[1] / "tests" / "data" / "keras_io.txt"
PUBLISHED = {
    "efficientnet_lite0": "4.7 M",  # tensorflow/tpu
    "efficientnet_lite1": "5.4 M",
    "efficientnet_lite2": "6.1 M",
    "lenet5": "60,000, with fewer connections",
    "alexnet_two_towers": "60,965,224",  # Caffe's bvlc_alexnet
    "resnet34_stochastic_depth": "as resnet34",
    "shake_shake": "2.9 M",
}
ENGINES = ("keras", "openvino")


def counted(row: Backbone) -> int:
    """Count a network's weights as `Backbone.parameters` does: Keras counts BatchNorm's statistics, too."""
    network = build(row, None, (row.input_size, row.input_size), published=False, top=not row.embedded)
    weights = network.weights if row.in_keras or row.embedded else network.trainable_weights
    return sum(int(np.prod(weight.shape)) for weight in weights)


def keras_io() -> dict[str, str]:
    """Give the millions of parameters that https://keras.io/api/applications/ states."""
    lines = KERAS_IO.read_text().splitlines()
    return {find(line.split()[0]).name: f"{line.split()[4]} M" for line in lines}


def speeds(row: Backbone, seconds: float) -> Iterator[str]:
    """Measure images per second on each engine."""
    for engine in ENGINES:
        try:
            (milliseconds,) = stage_ms(row.name, [-1], engine=engine, seconds=seconds).values()
            yield f"{1000 / milliseconds:.{1 if milliseconds > 50 else 0}f}"
        except FeatxError as error:
            yield str(error)


def differences(name: str, python: Path) -> tuple[str, str]:
    """Give how many weights the peer has, and how far each stage is from it."""
    with tempfile.TemporaryDirectory() as folder:
        parity.theirs(python, Path(folder), [name])
        shares = parity.differences(name, Path(folder))
        with np.load(Path(folder) / f"{name}.npz") as file:
            count = int(file["parameters"]) - parity.PEERS[name].only_trained
    return f"{count:,}", " ".join(f"{share:.0e}" for share in shares.values())


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--peers", default=str(platformdirs.user_cache_path("featx") / "peers"))
    parser.add_argument("--seconds", type=float, default=1.0)
    choice = parser.parse_args()
    rows: Any = map(find, choice.names) if choice.names else featx.backbones()
    rows = [row for row in rows if choice.all or choice.names or not row.in_keras]
    python = None if choice.peers == "none" else environment(Path(choice.peers))
    stated = PUBLISHED | keras_io()
    for about in machine().items():
        print(*about)
    print(f"\n| network | weights | published | difference at each stage | {' | '.join(ENGINES)} |")
    print(f"|---|---|---|---|{'---|' * len(ENGINES)}")
    for row in rows:
        published, apart = stated.get(row.name, "-"), "-"
        if python and row.name in parity.PEERS:
            published, apart = differences(row.name, python)
        cells = [f"`{row.name}`", f"{counted(row):,}", published, apart, *speeds(row, choice.seconds)]
        print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()

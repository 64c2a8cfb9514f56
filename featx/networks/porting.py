"""Arrays with the names and the layout of PyTorch → the weights of a Keras network."""

import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from featx.errors import WeightsError
from featx.networks.pth import read_pth
from featx.networks.safetensors import read_safetensors

READERS = {".pth": read_pth, ".pt": read_pth, ".bin": read_pth, ".safetensors": read_safetensors}
"""What reads the files of PyTorch's weights, by how their names end."""

_PARTS = {
    "kernel": "weight",
    "bias": "bias",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}
"""What PyTorch calls each of a layer's weights."""

_CLASSIFIER = re.compile(r"(fc|classifier)(_|$)")
_ONLY_TRAINED = re.compile(r"aux\d_")  # GoogLeNet's side classifiers

_ANOTHER = "it is not a weights file of this {}. Give one saved from exactly this network."


def port(network: Any, arrays: Mapping[str, np.ndarray], source: Path, *, top: bool) -> None:
    """Give a network the weights that the same network has in PyTorch.

    A layer finds its arrays by its name, which is that of its module in PyTorch with ``_`` in place of dots.

    Parameters
    ----------
    network
        A Keras network that featx has built.
    arrays
        Name → array, as `READERS` give them.
    source
        The file they come from, for messages.
    top
        Whether the network has its classifier; if not, that of the file is left out.

    Raises
    ------
    WeightsError
        If an array is missing, too many, or of another shape; the network is then unchanged.
    """
    found: dict[str, dict[str, np.ndarray]] = defaultdict(dict)
    for key, array in _as_published(arrays).items():
        module, _, part = key.rpartition(".")
        if part != "num_batches_tracked":
            found[re.sub(r"[._]+", "_", module).strip("_")][part] = array
    values = []
    for layer in network.layers:
        for variable in layer.weights:
            part = _PARTS[variable.name]
            if part not in found[layer.name]:
                raise WeightsError(
                    f"{source} has no {part} for layer {layer.name!r}: {_ANOTHER.format(network.name)}"
                )
            array = found[layer.name].pop(part)
            value = _laid_out(layer, variable, array)
            if value.shape != tuple(variable.shape):
                raise WeightsError(
                    f"{source} has a {part} of shape {array.shape} for layer {layer.name!r}, which does not fit: "
                    f"{_ANOTHER.format(network.name)}"
                )
            values.append((variable, value))
    spare = [
        name
        for name, parts in found.items()
        if parts and not _ONLY_TRAINED.match(name) and (top or not _CLASSIFIER.match(name))
    ]
    if spare:
        raise WeightsError(f"{source} has weights of {spare[0]!r}, too: {_ANOTHER.format(network.name)}")
    for variable, value in values:
        variable.assign(value.astype("float32"))


def _as_published(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Name the arrays of timm's EfficientNets as Google's are: blocks counted through, layers by what they do."""
    if "blocks.0.0.conv_dw.weight" not in arrays:
        return dict(arrays)
    names = {
        "conv_stem": "conv_stem",
        "bn1": "bn0",
        "conv_head": "conv_head",
        "bn2": "bn1",
        "classifier": "fc",
    }
    places = {tuple(map(int, key.split(".")[1:3])) for key in arrays if key.startswith("blocks.")}
    for number, (row, block) in enumerate(sorted(places)):
        before = f"blocks.{row}.{block}"
        widened = f"{before}.conv_pwl.weight" in arrays
        layers = {"conv_pw": "expand_conv", "bn1": "bn0"} if widened else {}
        last = ("conv_pwl", "bn3") if widened else ("conv_pw", "bn2")
        layers |= {"conv_dw": "depthwise_conv", "bn2" if widened else "bn1": "bn1"}
        layers |= dict(zip(last, ("project_conv", "bn2"), strict=True))
        names |= {f"{before}.{theirs}": f"blocks.{number}.{ours}" for theirs, ours in layers.items()}
    keys = (key.rpartition(".") for key in arrays)
    return {
        f"{names.get(module, module)}.{part}": array
        for (module, _, part), array in zip(keys, arrays.values(), strict=True)
    }


def _laid_out(layer: Any, variable: Any, array: np.ndarray) -> np.ndarray:
    """Turn an array's axes from PyTorch's order to Keras'."""
    from featx.networks.quiet_keras import layers

    if variable.name != "kernel":
        return array
    if array.ndim == 4:
        return array.transpose((2, 3, 0, 1) if isinstance(layer, layers.DepthwiseConv2D) else (2, 3, 1, 0))
    return array.T

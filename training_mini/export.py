"""Turn a checkpoint into the files that featx ships: ``python training_mini/export.py``.

Writes the weights (float16, the dictionary float32), their digest into the network's source, and reference
outputs for the tests. The reference is computed here, by torch, so that the tests hold the Keras network
against another implementation.
"""

import argparse
import hashlib
import re
from pathlib import Path

import numpy as np
import torch
from bank import load_bank
from dictionary import code, learn_dictionary
from network import FeatxMini
from torch import Tensor
from torch.nn.functional import avg_pool2d
from views import normalise

NORM = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}
ROOT = Path(__file__).parents[1]


def keras_arrays(state: dict[str, Tensor]) -> dict[str, np.ndarray]:
    """Name and lay out torch's arrays as Keras does: ``stage2.conv1.0.weight`` is ``stage2_conv1/kernel``."""
    arrays = {}
    for key, value in state.items():
        *path, part, variable = key.split(".")
        layer = "_".join(path)
        if part == "0":
            arrays[f"{layer}/kernel"] = value.permute(2, 3, 1, 0).numpy()
        elif variable in NORM:
            arrays[f"{layer}_norm/{NORM[variable]}"] = value.numpy()
    return arrays


def halved(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Round to float16; refuses numbers that it cannot hold."""
    with np.errstate(over="ignore"):  # the next line says it better
        halves = {name: array.astype(np.float16) for name, array in sorted(arrays.items())}
    lost = [name for name, array in halves.items() if not np.isfinite(array).all()]
    if lost:
        raise SystemExit(
            f"{lost} hold numbers beyond float16 (65504) or none at all: was the training stable?"
        )
    return halves


def reference_images() -> np.ndarray:
    """Return eight images ``(8, 64, 64, 3)`` in 0..1, coarse blocks with fine noise, the same everywhere."""
    rng = np.random.default_rng(0)
    blocks = rng.random((8, 8, 8, 3)).repeat(8, 1).repeat(8, 2)
    return (0.7 * blocks + 0.3 * rng.random((8, 64, 64, 3))).astype(np.float32)


def reference_outputs(network: FeatxMini, dictionary: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the mean over space of every map that featx cuts at, for the reference images."""
    images = torch.from_numpy(reference_images()).permute(0, 3, 1, 2)
    with torch.no_grad():
        maps = {f"stage{k}_out": stage for k, stage in enumerate(network.eval().stages(normalise(images)), 1)}
        maps["patches"] = code(avg_pool2d(images, 2), dictionary)
    return {name: stage.mean((2, 3)).numpy() for name, stage in maps.items()}


def export(
    state: dict[str, Tensor], dictionary: dict[str, np.ndarray], package: Path, reference: Path
) -> str:
    """Write the weights, their digest and the reference outputs.

    Parameters
    ----------
    state
        Of the torch network.
    dictionary
        As `learn_dictionary` gives it.
    package
        Folder of ``featx_mini.py``, where ``featx_mini.npz`` goes.
    reference
        File of the reference outputs.

    Returns
    -------
    str
        The sha256 of the weights.
    """
    state = {key: value.half().float() for key, value in state.items() if value.is_floating_point()}
    # the dictionary stays float32: rounded filters no longer sum to zero, and flat patches would show it
    arrays = halved(keras_arrays(state)) | dictionary
    weights, source = package / "featx_mini.npz", package / "featx_mini.py"
    np.savez_compressed(weights, **arrays)
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    text = source.read_text(encoding="utf-8")
    source.write_text(
        re.sub(r'(?m)^WEIGHTS_SHA256 = ".*"$', f'WEIGHTS_SHA256 = "{digest}"', text), encoding="utf-8"
    )

    network = FeatxMini()
    network.load_state_dict(
        state, strict=False
    )  # all but the counts of batches, which inference does not need
    reference.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(reference, **reference_outputs(network, dictionary))
    return digest


def main() -> None:
    """Read the command line and export."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    checkpoint = ROOT / "training_mini/runs/seed0/checkpoint.pt"
    parser.add_argument("checkpoint", type=Path, nargs="?", default=checkpoint, help="default: %(default)s")
    parser.add_argument(
        "--bank", type=Path, default=ROOT / "training_mini/runs/bank0.npz", help="made when not there"
    )
    parser.add_argument(
        "--package", type=Path, default=ROOT / "featx/networks/families", help="where featx_mini.py lies"
    )
    parser.add_argument("--reference", type=Path, default=ROOT / "tests/data/featx_mini_golden.npz")
    options = parser.parse_args()
    checkpoint = torch.load(options.checkpoint, map_location="cpu", weights_only=True)
    digest = export(
        checkpoint["network"], learn_dictionary(load_bank(options.bank)), options.package, options.reference
    )
    print(f"Step {checkpoint['step']} of {options.checkpoint} exported, sha256 {digest}.")


if __name__ == "__main__":
    main()

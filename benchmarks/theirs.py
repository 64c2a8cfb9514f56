"""What torchvision's and timm's networks compute, with random weights: the other side of parity.py.

    python benchmarks/theirs.py FOLDER PEERS

PEERS is JSON: for each name of featx the peer, as parity.py has it. FOLDER gets its state dict, as NAME.pth or as
NAME.safetensors, and NAME.npz with the images, the maps of each stage, the probabilities and the count of weights.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from contestants import torchvision_without_operators
from safetensors.torch import save_file


def network_of(peer: dict[str, Any]) -> torch.nn.Module:
    """Make a network with weights as different from one another as those of a trained one."""
    torch.manual_seed(0)
    if peer["library"] == "timm":
        import timm

        network = timm.create_model(peer["name"], **peer["options"])
    else:
        import torchvision

        network = getattr(torchvision.models, peer["name"])(weights=None, **peer["options"])
    with torch.no_grad():
        for key, statistic in network.named_buffers():
            if key.endswith("running_mean"):
                statistic.normal_(0, 0.1)
            if key.endswith("running_var"):
                statistic.uniform_(0.5, 1.5)
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.weight.uniform_(0.4, 0.6)  # so that sums over many blocks stay small
                module.bias.normal_(0, 0.1)
    return network.eval()


def maps_of(network: torch.nn.Module, peer: dict[str, Any]) -> dict[str, Any]:
    """Compute the stages of two images of noise, channels last."""
    images = np.random.default_rng(0).normal(size=(2, peer["size"], peer["size"], 3)).astype("float32")
    found: dict[str, Any] = {"images": images, "parameters": sum(it.numel() for it in network.parameters())}
    for stage in peer["stages"].values():

        def keep(_module: Any, _given: Any, made: torch.Tensor, stage: str = stage) -> None:
            found[stage] = made.numpy().transpose(0, 2, 3, 1)

        network.get_submodule(stage).register_forward_hook(keep)
    with torch.no_grad():
        scores = network(torch.from_numpy(images.transpose(0, 3, 1, 2).copy()))
    return found | {"probabilities": torch.softmax(scores, 1).numpy()}


def main() -> None:
    torchvision_without_operators()
    folder, peers = Path(sys.argv[1]), json.loads(sys.argv[2])
    for name, peer in peers.items():
        network = network_of(peer)
        save = torch.save if peer["suffix"] == ".pth" else save_file
        save(network.state_dict(), folder / f"{name}{peer['suffix']}")
        np.savez(folder / f"{name}.npz", **maps_of(network, peer))


if __name__ == "__main__":
    main()

"""Where a backbone can be cut, and what of it a cut leaves."""

from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from featx.networks.cost import multiply_adds
from featx.networks.network import Size, network_of


@dataclass(frozen=True)
class Depth:
    """A place where a backbone can be cut."""

    stage: int | None
    """Its number, if a stage ends here."""
    layer: str
    kind: str
    """The layer's class."""
    shape: tuple[int, ...]
    """Of what the layer gives for one image: (h, w, c) or (d,)."""
    parameters: int
    """Weights of the layers that a cut here needs."""
    multiply_adds: int | None
    """Of those layers, for one image; None where one of them cannot be counted."""
    share: float | None
    """Those by the multiply-adds of the whole network, without its classifier."""


def depths(backbone: Any, *, input_size: Size | None = None) -> list[Depth]:
    """List the places where a backbone can be cut, from the pixels on. No weights are loaded or downloaded.

    Parameters
    ----------
    backbone
        A name of the catalogue, a Keras model, or the path of a ``.keras`` file.
    input_size
        Of the images in pixels; None for the backbone's own.

    Examples
    --------
    >>> for place in depths("vgg16", input_size=(64, 64)):
    ...     if place.stage:
    ...         print(place.stage, place.layer, place.shape, place.parameters, f"{place.share:.0%}")
    1 block1_conv2 (64, 64, 64) 38720 13%
    2 block2_conv2 (32, 32, 128) 260160 31%
    3 block3_conv3 (16, 16, 256) 1735488 61%
    4 block4_conv3 (8, 8, 512) 7635264 91%
    5 block5_conv3 (4, 4, 512) 14714688 100%
    6 block5_pool (2, 2, 512) 14714688 100%
    """
    named = isinstance(backbone, str | PathLike) and Path(backbone).suffix != ".keras"
    network = network_of(backbone, None if named else "auto", input_size, Path.read_bytes)
    graph = network.graph("auto" if named else "none", "float32")
    numbers = {tensor.name: number for number, tensor in enumerate(graph.stages, start=1)}
    counts = multiply_adds(graph)
    needs: list[set[int]] = []  # for each tensor, the places of those it is made from, itself included
    for place, tensor in enumerate(graph.tensors):
        needs.append({place}.union(*(needs[source] for source in tensor.sources)))

    def cost(place: int) -> int | None:
        parts = [counts[below] for below in needs[place]]
        return None if None in parts else sum(part for part in parts if part)

    whole = cost(graph.end)
    found = []
    for place, tensor in enumerate(graph.tensors):
        if len(tensor.shape) not in (1, 3):
            continue
        layers = {id(layer): layer for layer in (graph.tensors[below].layer for below in needs[place])}
        here = cost(place)
        found.append(
            Depth(
                numbers.get(tensor.name),
                tensor.name,
                type(tensor.layer).__name__,
                tensor.shape,
                sum(layer.count_params() for layer in layers.values() if hasattr(layer, "count_params")),
                here,
                None if here is None or not whole else here / whole,
            )
        )
    return found

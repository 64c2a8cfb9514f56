"""What a network costs, and where it can be cut to cost less."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod
from os import PathLike
from pathlib import Path
from typing import Any

from featx.networks.file_kinds import is_file
from featx.networks.graph import Graph, Tensor
from featx.networks.network import Size, network_of

VALUE = 30
"""Multiply-adds that take as long as writing one value of a map.

Multiply-adds alone mislead: depthwise convolutions, normalisation and activations do few of them on large maps. With
this weight the shares of five networks differ by 0.04 from those measured on a CPU, by 0.15 at most; with multiply-adds
alone by 0.13, and 0.28 at most. ``python benchmarks/depths.py --times BACKBONE ...`` prints them.
"""


@dataclass(frozen=True)
class Cut:
    """A layer at which a backbone can be cut, and what it costs up to there."""

    stage: int | None
    """Number of the stage that ends here; None inside a stage."""
    layer: str
    """Name of the layer."""
    kind: str
    """Class of the layer."""
    shape: tuple[int, ...]
    """Shape of the output for one image: (h, w, c) of maps, (d,) of a vector."""
    parameters: int
    """Number of weights in the layers that the cut keeps."""
    multiply_adds: int | None
    """Multiply-adds of these layers for one image; None where one of them cannot be counted."""
    share: float | None
    """Share of the multiply-adds of the whole network without its classifier, 0 to 1; None where unknown."""


def cuts(backbone: Any, *, input_size: Size | None = None) -> list[Cut]:
    """List where a backbone can be cut, from the pixels on, and what each cut costs.

    No weights are loaded or downloaded.

    Parameters
    ----------
    backbone
        A name that `backbones` lists, a Keras model, or the path of its file.
    input_size
        Height and width of the images in pixels; None for the backbone's own.

    Returns
    -------
    list of Cut
        One for each layer whose output is maps or a vector; those with a `stage` end one.

    Raises
    ------
    UnknownNameError, InputError, WeightsError
        If there is no such backbone, or it does not take images of this size.

    Examples
    --------
    >>> for cut in cuts("vgg16", input_size=(64, 64)):
    ...     if cut.stage:
    ...         print(cut.stage, cut.layer, cut.shape, cut.parameters, f"{cut.share:.0%}")
    1 block1_conv2 (64, 64, 64) 38720 13%
    2 block2_conv2 (32, 32, 128) 260160 31%
    3 block3_conv3 (16, 16, 256) 1735488 61%
    4 block4_conv3 (8, 8, 512) 7635264 91%
    5 block5_conv3 (4, 4, 512) 14714688 100%
    6 block5_pool (2, 2, 512) 14714688 100%
    """
    named = isinstance(backbone, str | PathLike) and not is_file(backbone)
    network = network_of(backbone, None if named else "auto", input_size, Path.read_bytes)
    graph = network.graph("auto" if named else "none", "float32")
    stages = {tensor.name: number for number, tensor in enumerate(graph.stages, start=1)}
    counts = multiply_adds(graph)
    whole = _sum(counts[below] for below in graph.needs(graph.end))
    found = []
    for position, tensor in enumerate(graph.tensors):
        if len(tensor.shape) not in (1, 3):
            continue
        needed = graph.needs(position)
        layers = {id(layer): layer for layer in (graph.tensors[below].layer for below in needed)}
        here = _sum(counts[below] for below in needed)
        found.append(
            Cut(
                stages.get(tensor.name),
                tensor.name,
                type(tensor.layer).__name__,
                tensor.shape,
                sum(layer.count_params() for layer in layers.values() if hasattr(layer, "count_params")),
                here,
                None if here is None or not whole else here / whole,
            )
        )
    return found


def _sum(counts: Iterable[int | None]) -> int | None:
    total = 0
    for count in counts:
        if count is None:
            return None
        total += count
    return total


def shares(graph: Graph, layers: list[str]) -> list[float]:
    """Estimate which share of the time of the deepest of some layers each of them takes.

    Parameters
    ----------
    graph
        The backbone.
    layers
        Names of its layers.

    Returns
    -------
    list of float
        Above 0 and up to 1.

    Examples
    --------
    >>> import keras
    >>> from featx.networks.flatten import flatten
    >>> network = keras.Sequential([
    ...     keras.Input((32, 32, 3)),
    ...     keras.layers.Conv2D(8, 3, strides=2, padding="same", name="stem"),
    ...     keras.layers.Conv2D(16, 3, strides=2, padding="same", name="top"),
    ... ])
    >>> [round(share, 2) for share in shares(flatten(network, input_size=(32, 32), scaling="none"), ["stem", "top"])]
    [0.53, 1.0]
    """
    counts = multiply_adds(graph)  # a layer that cannot be counted weighs what it writes
    works = [
        (count or 0) + VALUE * prod(tensor.shape) for count, tensor in zip(counts, graph.tensors, strict=True)
    ]
    positions = [graph.tensors.index(graph.at(layer)) for layer in layers]
    totals = [sum(works[below] for below in graph.needs(position)) for position in positions]
    return [total / max(totals) for total in totals]


def multiply_adds(graph: Graph) -> list[int | None]:
    """Count the multiply-adds of each layer for one image.

    One multiplication with the addition that follows counts as one, and is two floating-point operations. What the
    published figures leave out is left out: biases, normalisation, activations, pooling, sums. So they can be compared.

    Parameters
    ----------
    graph
        The backbone.

    Returns
    -------
    list of int or None
        One for each of the graph's tensors; None for a layer with kernels that featx does not know how to count.

    Notes
    -----
    A convolution onto maps of h x w, with kernels of k_h x k_w numbers from c_in to c_out channels in g groups, takes
    h w k_h k_w c_in c_out / g of them. A depthwise one, with m kernels for each channel, takes h w k_h k_w c_in m; a
    separable one is a depthwise one and a convolution of 1 x 1; a transposed one is counted from its output to its
    input; a dense layer takes, for each vector, as many as its kernel has numbers.

    Examples
    --------
    >>> import keras
    >>> from featx.networks.flatten import flatten
    >>> network = keras.Sequential([
    ...     keras.Input((32, 32, 3)),
    ...     keras.layers.Conv2D(8, 3, strides=2, padding="same"),
    ...     keras.layers.BatchNormalization(),
    ...     keras.layers.DepthwiseConv2D(5, padding="same"),
    ... ])
    >>> multiply_adds(flatten(network, input_size=(32, 32), scaling="unit")) == [
    ...     16 * 16 * 3 * 3 * 3 * 8, 0, 16 * 16 * 5 * 5 * 8]
    True
    """
    return [_count(tensor, graph) for tensor in graph.tensors]


def _count(tensor: Tensor, graph: Graph) -> int | None:
    from featx.networks.quiet_keras import layers

    layer: Any = tensor.layer
    size = prod(tensor.shape)
    if isinstance(layer, layers.Dense | layers.Conv1D | layers.Conv2D | layers.Conv3D):
        return int(size // layer.kernel.shape[-1] * prod(layer.kernel.shape))
    if isinstance(layer, layers.DepthwiseConv1D | layers.DepthwiseConv2D):
        return int(size // prod(layer.kernel.shape[-2:]) * prod(layer.kernel.shape))
    if isinstance(layer, layers.SeparableConv1D | layers.SeparableConv2D):
        kernels = prod(layer.depthwise_kernel.shape) + prod(layer.pointwise_kernel.shape)
        return int(size // layer.pointwise_kernel.shape[-1] * kernels)
    if isinstance(layer, layers.Conv1DTranspose | layers.Conv2DTranspose | layers.Conv3DTranspose):
        # each number that comes in is multiplied with a whole kernel, each that goes out was added up
        before = (
            prod(graph.tensors[tensor.sources[0]].shape) if tensor.sources else prod(graph.input.shape[1:])
        )
        return int(before // layer.kernel.shape[-1] * prod(layer.kernel.shape))
    weights: list[Any] = getattr(layer, "weights", [])
    return None if any("kernel" in weight.name for weight in weights) else 0

"""What a network takes: the share of its time that passes on the way to a layer."""

from math import prod

from featx.networks.cost import multiply_adds
from featx.networks.graph import Graph

VALUE = 30
"""Multiply-adds that take as long as writing one value of a map.

Multiply-adds alone mislead: depthwise convolutions, normalisation and activations do few of them on large maps. With
this weight the shares of five networks differ by 0.04 from those measured on a CPU, by 0.15 at most; with multiply-adds
alone by 0.13, and 0.28 at most. ``python benchmarks/depths.py --times BACKBONE ...`` prints them.
"""


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
    needs: list[set[int]] = []  # for each tensor, the places of those it is made from, itself included
    for place, tensor in enumerate(graph.tensors):
        needs.append({place}.union(*(needs[source] for source in tensor.sources)))
    places = [graph.tensors.index(graph.at(layer)) for layer in layers]
    totals = [sum(works[below] for below in needs[place]) for place in places]
    return [total / max(totals) for total in totals]

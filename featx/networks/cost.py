"""What a network costs: the multiply-adds of each of its layers, from their weights' and outputs' shapes."""

from math import prod
from typing import Any

from featx.networks.graph import Graph, Tensor


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
    from keras import layers

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

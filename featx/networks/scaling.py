"""What pixels become before the first convolution: scaled by featx, by the network itself, or nobody can tell."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from featx.networks.graph import Graph, Tensor

SCALINGS: Mapping[str, dict[str, Any]] = {
    "none": {"divide": 1, "mean": [0, 0, 0], "deviation": [1, 1, 1], "order": "rgb"},
    "unit": {"divide": 255, "mean": [0, 0, 0], "deviation": [1, 1, 1], "order": "rgb"},
    "tf": {"divide": 127.5, "mean": [1, 1, 1], "deviation": [1, 1, 1], "order": "rgb"},
    "torch": {
        "divide": 255,
        "mean": [0.485, 0.456, 0.406],
        "deviation": [0.229, 0.224, 0.225],
        "order": "rgb",
    },
    "caffe": {"divide": 1, "mean": [103.939, 116.779, 123.68], "deviation": [1, 1, 1], "order": "bgr"},
}
"""What a pixel x of 0..255 becomes before the first layer: (x / divide - mean) / deviation, channel by channel.

``none``, ``tf``, ``torch`` and ``caffe`` are the four conventions of Keras' `preprocess_input`, step by step the same
arithmetic; tests hold each against the function itself. ``unit`` is x / 255.
"""


def scaled(pixels: Any, scaling: str, channels: int = 3) -> Any:
    """Scale symbolic pixels, as the first layer of a graph.

    Parameters
    ----------
    pixels
        A symbolic Keras tensor of shape (n, h, w, 3), uint8; or float32, which has a gradient.
    scaling
        A name in `SCALINGS`.
    channels
        3; or 1 for a network of grey images, which then gets luminance and the mean of the constants.

    Returns
    -------
    keras.KerasTensor
        Of shape (n, h, w, channels), float32.
    """
    from featx.networks.quiet_keras import keras, ops

    how = SCALINGS[scaling]
    mean, deviation = (np.array(how[name], "float32") for name in ("mean", "deviation"))
    # a model of its own: Keras counts operators per thread, so one of these could get a name of the network's
    start = keras.Input(pixels.shape[1:], dtype=pixels.dtype)
    # by ops.take, since OpenVINO runs ops.flip slowly
    bgr = how["order"] == "bgr" and channels == 3
    x = ops.cast(ops.take(start, [2, 1, 0], axis=-1) if bgr else start, "float32")
    if channels == 1:
        # ITU-R BT.601 luminance, as Pillow's convert("L")
        x = ops.sum(x * np.array([0.299, 0.587, 0.114], "float32"), axis=-1, keepdims=True)
        mean, deviation = mean.mean(keepdims=True), deviation.mean(keepdims=True)
    x = x / how["divide"] if how["divide"] != 1 else x
    x = x - mean if mean.any() else x
    x = x / deviation if (deviation != 1).any() else x
    return keras.Model(start, x, name="featx_scaling")(pixels)


_ARITHMETIC = {"Add", "Subtract", "Multiply", "Divide", "TrueDivide", "Negative"}
"""Classes of Keras' operators that scale, where they meet one tensor and a constant."""


def before_convolution(graph: Graph) -> tuple[list[Tensor], Tensor | None]:
    """Give the tensors on the way from the pixels to the first convolution, and that one."""
    way = [graph.tensors[position] for position in graph.needs(graph.end)]
    first = next((position for position, tensor in enumerate(way) if tensor.level is not None), len(way))
    return way[:first], way[first] if first < len(way) else None


def own_scaling(graph: Graph) -> bool | str:
    """Tell whether a network scales pixels of 0..255 itself.

    Arithmetic with constants scales, and so do `Rescaling` and `Normalization`. Geometry does not: resizing, cropping,
    padding, flipping, a change of dtype.

    Parameters
    ----------
    graph
        The network, with the scaling ``none``.

    Returns
    -------
    bool or str
        Whether it does; where that cannot be told, why, as the end of a sentence that begins with its name.
    """
    from featx.networks.quiet_keras import keras

    way, _ = before_convolution(graph)
    scales = None
    for tensor in way:
        layer = tensor.layer
        is_layer = isinstance(layer, keras.layers.Layer)
        if isinstance(layer, keras.layers.Lambda) or (
            is_layer and not type(layer).__module__.startswith("keras.")
        ):
            return f"changes the pixels by code of its own, in layer {tensor.name!r}"
        alone = len(tensor.sources) < 2
        if isinstance(layer, keras.layers.Rescaling | keras.layers.Normalization) or (
            not is_layer and alone and type(layer).__name__ in _ARITHMETIC
        ):
            scales = tensor
    if scales is None:
        return False
    black, white = (np.full((1, *graph.input.shape[1:]), value, np.uint8) for value in (0, 255))
    reached = [float(np.abs(np.asarray(graph.cut([scales])(pixels))).max()) for pixels in (black, white)]
    if max(reached) > 256:
        return f"makes numbers up to {max(reached):.4g} of pixels of 0..255, so it was made for others"
    return True

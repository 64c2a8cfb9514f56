"""What happens to pixels before the first layer of a network."""

from collections.abc import Mapping
from typing import Any

import numpy as np

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
        A symbolic Keras tensor of shape (n, h, w, 3), uint8.
    scaling
        A name in `SCALINGS`.
    channels
        3; or 1 for a network of grey images, which then gets luminance and the mean of the constants.

    Returns
    -------
    keras.KerasTensor
        Of shape (n, h, w, channels), float32.
    """
    import keras
    from keras import ops

    how = SCALINGS[scaling]
    mean, deviation = (np.array(how[name], "float32") for name in ("mean", "deviation"))
    # a model of its own: Keras counts operators per thread, so one of these could get a name of the network's
    start = keras.Input(pixels.shape[1:], dtype="uint8")
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

"""EfficientNet-Lite: Google's EfficientNet for telephones, without squeeze-excitation and with ReLU6."""

from math import ceil
from typing import Any

from featx.networks.families.blocks import classifier, convolution

BLOCKS = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
"""Of EfficientNet-B0, for each row of blocks: how many, kernel, stride of the first, expansion, channels out."""


def efficientnet_lite(
    input_size: tuple[int, int], *, width: float = 1.0, depth: float = 1.0, top: bool = False
) -> Any:
    """Build an EfficientNet-Lite with random weights.

    Parameters
    ----------
    input_size
        Height and width in pixels.
    width, depth
        Factors for channels and for blocks. Lite0 has 1 and 1, Lite1 1 and 1.1, Lite2 1.1 and 1.2.
    top
        Whether to build the classifier, too.

    Returns
    -------
    keras.Model
        From RGB values in 0..255, of shape (n, h, w, 3), to maps (n, h / 32, w / 32, 1280), rounded up, or to
        probabilities (n, 1000).

    Notes
    -----
    Tan and Le, *EfficientNet: Rethinking model scaling for convolutional neural networks*, ICML 2019; Lite: Liu,
    *Higher accuracy on vision models with EfficientNet-Lite*, TensorFlow's blog, 2020. The stem, the head, and the
    number of blocks in the first and the last row do not grow.

    Examples
    --------
    >>> from featx.networks.families import efficientnet_lite
    >>> efficientnet_lite((224, 224), top=True).count_params()
    4694024
    """
    import keras

    images = keras.Input((*input_size, 3), name="images")
    x = keras.layers.Rescaling(1 / 128, -127 / 128, name="rescaling")(images)  # (x - 127) / 128
    x = _convolution(x, 32, 3, "conv_stem", "bn0", strides=2)
    number = 0
    for row, (repeats, size, strides, expansion, channels) in enumerate(BLOCKS):
        grows = 0 < row < len(BLOCKS) - 1
        filters = round_channels(channels * width)
        for repeat in range(ceil(repeats * depth) if grows else repeats):
            x = _block(
                x, filters, size, f"blocks_{number}", strides=1 if repeat else strides, expansion=expansion
            )
            number += 1
    x = _convolution(x, 1280, 1, "conv_head", "bn1")
    return keras.Model(images, classifier(x, "fc", dropout=0.2) if top else x, name="efficientnet_lite")


def round_channels(channels: float) -> int:
    """Round to a multiple of 8, not down by more than a tenth.

    Examples
    --------
    >>> [round_channels(16 * 1.1), round_channels(24 * 1.1), round_channels(40 * 1.1), round_channels(11)]
    [16, 24, 48, 16]
    """
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded


def _block(x: Any, filters: int, size: int, name: str, *, strides: int, expansion: int) -> Any:
    """Widen, convolve each channel, narrow; add what came in where the shapes allow (MobileNetV2's block)."""
    from keras import layers

    before = x
    if expansion > 1:
        x = _convolution(x, expansion * x.shape[-1], 1, f"{name}_expand_conv", f"{name}_bn0")
    x = _convolution(x, None, size, f"{name}_depthwise_conv", f"{name}_bn1", strides=strides)
    x = _convolution(x, filters, 1, f"{name}_project_conv", f"{name}_bn2", activation=None)
    return layers.Add(name=f"{name}_add")([x, before]) if before.shape == x.shape else x


def _convolution(
    x: Any,
    filters: int | None,
    size: int,
    name: str,
    norm: str,
    *,
    strides: int = 1,
    activation: str | None = "relu6",
) -> Any:
    return convolution(
        x, filters, size, name, strides=strides, norm=norm, epsilon=1e-3, activation=activation
    )

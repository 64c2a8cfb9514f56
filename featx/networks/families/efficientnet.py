"""EfficientNet: the rule by which its sizes grow, and EfficientNet-Lite, the form for telephones."""

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
    *Higher accuracy on vision models with EfficientNet-Lite*, TensorFlow's blog, 2020: without squeeze-excitation, with
    ReLU6, and the stem, the head and the number of blocks in the first and the last row do not grow.

    Examples
    --------
    >>> from featx.networks.families import efficientnet_lite
    >>> efficientnet_lite((224, 224), top=True).count_params()
    4694024
    """
    from featx.networks.quiet_keras import keras

    images = keras.Input((*input_size, 3), name="images")
    x = keras.layers.Rescaling(1 / 128, -127 / 128, name="rescaling")(images)  # (x - 127) / 128
    x = _convolution(x, 32, 3, "conv_stem", "bn0", strides=2)
    number = 0
    for (repeats, filters), (_, size, strides, expansion, _) in zip(
        scaled_rows(width, depth, ends=False), BLOCKS, strict=True
    ):
        for repeat in range(repeats):
            how = {"strides": 1 if repeat else strides, "expansion": expansion}
            x = _block(x, filters, size, f"blocks_{number}", **how)
            number += 1
    x = _convolution(x, 1280, 1, "conv_head", "bn1")
    return keras.Model(images, classifier(x, "fc", dropout=0.2) if top else x, name="efficientnet_lite")


def compound_scaling(
    phi: float, *, alpha: float = 1.2, beta: float = 1.1, gamma: float = 1.15
) -> tuple[float, float, float]:
    """Scale depth, width and resolution of a network together.

    Parameters
    ----------
    phi
        How much: the multiply-adds grow by about 2 ** phi.
    alpha, beta, gamma
        The factors of depth, width and resolution for phi = 1, with alpha * beta ** 2 * gamma ** 2 near 2.

    Returns
    -------
    tuple of float
        The factors alpha ** phi of the number of layers, beta ** phi of channels, gamma ** phi of height and width.

    Notes
    -----
    Tan and Le, *EfficientNet*, ICML 2019, equation 3. B1 to B4 have the factors of phi = 0.5, 1, 2 and 3.5, rounded;
    from B5 on the published networks have fewer layers than the equation says, so that `SCALES` lists what they have.

    Examples
    --------
    >>> depth, width, resolution = compound_scaling(2)
    >>> round(depth, 2), round(width, 2), round(224 * resolution)
    (1.44, 1.21, 296)
    """
    return alpha**phi, beta**phi, gamma**phi


SCALES = {
    "b0": (1.0, 1.0, 224),
    "b1": (1.1, 1.0, 240),
    "b2": (1.2, 1.1, 260),
    "b3": (1.4, 1.2, 300),
    "b4": (1.8, 1.4, 380),
    "b5": (2.2, 1.6, 456),
    "b6": (2.6, 1.8, 528),
    "b7": (3.1, 2.0, 600),
}
"""Factors of depth and width, and the input size in pixels, of the published EfficientNets."""


def scaled_rows(width: float, depth: float, *, ends: bool = True) -> list[tuple[int, int]]:
    """Give how many blocks, of how many channels, the rows of a scaled EfficientNet have.

    Parameters
    ----------
    width, depth
        Factors, as in `SCALES`.
    ends
        Whether the number of blocks grows in the first and the last row, too; in EfficientNet-Lite it does not.

    Examples
    --------
    >>> depth, width, _ = SCALES["b7"]
    >>> scaled_rows(width, depth)
    [(4, 32), (7, 48), (7, 80), (10, 160), (10, 224), (13, 384), (4, 640)]
    """
    last = len(BLOCKS) - 1
    return [
        (ceil(repeats * depth) if ends or 0 < row < last else repeats, round_channels(channels * width))
        for row, (repeats, _, _, _, channels) in enumerate(BLOCKS)
    ]


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
    from featx.networks.quiet_keras import layers

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
    how: dict[str, Any] = {"pad": "same", "norm": norm, "epsilon": 1e-3, "activation": activation}
    return convolution(x, filters, size, name, strides=strides, **how)

"""Networks whose blocks branch and join by stacking channels: GoogLeNet and SqueezeNet."""

from typing import Any

from featx.networks.families.blocks import classifier, convolution, max_pool

INCEPTIONS = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}
"""Channels of GoogLeNet's blocks: 1x1, 3x3 reduced, 3x3, 5x5 reduced, 5x5, pooled (table 1 of the paper)."""


def googlenet(input_size: tuple[int, int], *, top: bool = False) -> Any:
    """Build GoogLeNet (Inception v1) with random weights, without its side classifiers.

    Parameters
    ----------
    input_size
        Height and width in pixels, 32 or more.
    top
        Whether to build the classifier, too.

    Returns
    -------
    keras.Model
        From scaled RGB values, of shape (n, h, w, 3), to maps (n, h', w', 1024), 7 x 7 of them for 224 pixels, or to
        probabilities (n, 1000).

    Notes
    -----
    Szegedy et al., *Going deeper with convolutions*, CVPR 2015, in the form whose weights are public: with BatchNorm
    (epsilon 0.001), and with 3x3 kernels where the paper has 5x5.

    Examples
    --------
    >>> from featx.networks.families import googlenet
    >>> googlenet((224, 224)).output_shape
    (None, 7, 7, 1024)
    """
    from featx.networks.quiet_keras import keras

    images = keras.Input((*input_size, 3), name="images")
    x = _convolution(images, 64, 7, "conv1", strides=2)
    x = max_pool(x, 3, "maxpool1", ceil=True)
    x = _convolution(x, 64, 1, "conv2")
    x = _convolution(x, 192, 3, "conv3")
    x = max_pool(x, 3, "maxpool2", ceil=True)
    for name, channels in INCEPTIONS.items():
        if name == "4a":
            x = max_pool(x, 3, "maxpool3", ceil=True)
        if name == "5a":
            x = max_pool(x, 2, "maxpool4", ceil=True)
        x = inception(x, *channels, name=f"inception{name}")
    return keras.Model(images, classifier(x, "fc", dropout=0.2) if top else x, name="googlenet")


def inception(x: Any, one: int, *widths: int, name: str) -> Any:
    """See the same maps through kernels of several sizes and through a pooling, and stack what they see.

    Parameters
    ----------
    x
        Symbolic maps of shape (n, h, w, c).
    one, widths
        Channels, as in `INCEPTIONS`.
    name
        Of the block.

    Returns
    -------
    keras.KerasTensor
        Of shape (n, h, w, sum of the channels that are not reduced).
    """
    from featx.networks.quiet_keras import layers

    few3, three, few5, five, behind = widths
    branches = [
        _convolution(x, one, 1, f"{name}_branch1"),
        _convolution(_convolution(x, few3, 1, f"{name}_branch2_0"), three, 3, f"{name}_branch2_1"),
        _convolution(_convolution(x, few5, 1, f"{name}_branch3_0"), five, 3, f"{name}_branch3_1"),
        _convolution(max_pool(x, 3, f"{name}_branch4_0", strides=1, pad=1), behind, 1, f"{name}_branch4_1"),
    ]
    return layers.Concatenate(name=name)(branches)


def _convolution(x: Any, filters: int, size: int, name: str, *, strides: int = 1) -> Any:
    return convolution(x, filters, size, f"{name}_conv", strides=strides, norm=f"{name}_bn", epsilon=1e-3)


def squeezenet(input_size: tuple[int, int], *, top: bool = False) -> Any:
    """Build SqueezeNet 1.1 with random weights.

    Parameters
    ----------
    input_size
        Height and width in pixels, 32 or more.
    top
        Whether to build the classifier, too.

    Returns
    -------
    keras.Model
        From scaled RGB values, of shape (n, h, w, 3), to maps (n, h', w', 512), 13 x 13 of them for 224 pixels, or to
        probabilities (n, 1000).

    Notes
    -----
    Iandola et al., *SqueezeNet: AlexNet-level accuracy with 50x fewer parameters*, 2016; 1.1 is the authors' later
    version, with a smaller first kernel and earlier pooling.

    Examples
    --------
    >>> from featx.networks.families import squeezenet
    >>> squeezenet((224, 224), top=True).count_params()
    1235496
    """
    from featx.networks.quiet_keras import keras, layers

    images = keras.Input((*input_size, 3), name="images")
    x = convolution(images, 64, 3, "features_0", strides=2, pad=0)
    # (channels squeezed, channels out of each branch) of the blocks between two poolings
    number = 2
    for pairs in [(16, 64)] * 2, [(32, 128)] * 2, [(48, 192)] * 2 + [(64, 256)] * 2:
        x = max_pool(x, 3, f"features_{number}", ceil=True)
        for few, many in pairs:
            number += 1
            x = _fire(x, few, many, f"features_{number}")
        number += 1
    if top:
        x = layers.Dropout(0.5, name="dropout")(x)
        x = convolution(x, 1000, 1, "classifier_1")
        x = layers.GlobalAveragePooling2D(name="pool")(x)
        x = layers.Softmax(name="softmax")(x)
    return keras.Model(images, x, name="squeezenet")


def _fire(x: Any, few: int, many: int, name: str) -> Any:
    """Reduce the channels, then widen them by 1x1 and by 3x3 kernels side by side."""
    from featx.networks.quiet_keras import layers

    x = convolution(x, few, 1, f"{name}_squeeze")
    wide = [convolution(x, many, size, f"{name}_expand{size}x{size}") for size in (1, 3)]
    return layers.Concatenate(name=name)(wide)

"""What the families are put together from: convolution with normalisation and activation, pooling, a classifier.

Layers are called as the modules of the published weights are, with ``_`` for the dots between them, so that
`featx.networks.porting` finds the numbers of each by its name.
"""

from typing import Any, Literal


def convolution(
    x: Any,
    filters: int | None,
    size: int,
    name: str,
    *,
    strides: int = 1,
    pad: int | Literal["same"] | None = None,
    groups: int = 1,
    norm: str | None = None,
    epsilon: float = 1e-5,
    bias: bool | None = None,
    activation: str | None = "relu",
) -> Any:
    """Convolve, normalise, activate.

    Parameters
    ----------
    x
        Symbolic maps of shape (n, h, w, c).
    filters
        How many channels come out; None for a depthwise convolution, which keeps them apart.
    size
        Height and width of the kernel.
    name
        Of the convolution.
    strides
        Of the convolution.
    pad
        Rows and columns of zeros on each side; None for half the kernel, as PyTorch's networks have it. ``"same"`` is
        TensorFlow's: as few as there can be, what is odd to the right and the bottom.
    groups
        In how many groups the channels are kept apart.
    norm
        Name of the BatchNorm; None for none.
    epsilon
        Of the BatchNorm.
    bias
        Whether the convolution has a bias; default: where no BatchNorm follows.
    activation
        ``"relu"``, ``"relu6"``, ``"tanh"`` or None.

    Returns
    -------
    keras.KerasTensor
        Of shape (n, h', w', filters).
    """
    from featx.networks.quiet_keras import layers

    pad = size // 2 if pad is None else pad
    same = pad == "same" or (strides == 1 and 2 * pad + 1 == size)  # then both ways pad alike
    if not same and pad:
        x = layers.ZeroPadding2D(pad, name=f"{name}_pad")(x)
    how = {"strides": strides, "padding": "same" if same else "valid", "name": name}
    how["use_bias"] = norm is None if bias is None else bias
    if filters is None:
        x = layers.DepthwiseConv2D(size, **how)(x)
    else:
        x = layers.Conv2D(filters, size, groups=groups, **how)(x)
    if norm:
        x = layers.BatchNormalization(epsilon=epsilon, name=norm)(x)
    return layers.Activation(activation, name=f"{norm or name}_{activation}")(x) if activation else x


def normalise(x: Any, name: str, *, epsilon: float = 1e-5) -> Any:
    """Normalise and rectify maps, as what comes before a convolution of a pre-activation block."""
    from featx.networks.quiet_keras import layers

    x = layers.BatchNormalization(epsilon=epsilon, name=name)(x)
    return layers.ReLU(name=f"{name}_relu")(x)


def max_pool(x: Any, size: int, name: str, *, strides: int = 2, pad: int = 0, ceil: bool = False) -> Any:
    """Pool maps that are nowhere negative, so that zeros around them change nothing.

    Parameters
    ----------
    x
        Symbolic maps of shape (n, h, w, c).
    size, strides
        Of the windows.
    name
        Of the pooling.
    pad
        Rows and columns on each side.
    ceil
        Whether a last window that is not full counts, as in PyTorch's ``ceil_mode`` and in Caffe.
    """
    from featx.networks.quiet_keras import layers

    pads = []
    for side in x.shape[1:3]:
        steps = (side + 2 * pad - size) // strides
        if ceil and steps * strides < side + 2 * pad - size and (steps + 1) * strides < side + pad:
            steps += 1  # the last window begins on the maps
        pads.append((pad, max(0, steps * strides + size - side - pad)))
    if any(map(sum, pads)):
        x = layers.ZeroPadding2D(tuple(pads), name=f"{name}_pad")(x)
    return layers.MaxPooling2D(size, strides, name=name)(x)


def squeeze_excite(x: Any, reduction: int, name: str) -> Any:
    """Weigh each channel by what all of them are on average (Hu, Shen and Sun, *Squeeze-and-excitation*, CVPR 2018)."""
    from featx.networks.quiet_keras import layers

    channels = x.shape[-1]
    y = layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_pool")(x)
    y = convolution(y, channels // reduction, 1, f"{name}_fc1")
    y = convolution(y, channels, 1, f"{name}_fc2", activation="sigmoid")
    return layers.Multiply(name=f"{name}_scale")([x, y])


def response_normalise(
    x: Any, *, around: int = 5, bias: float = 2.0, alpha: float = 1e-4, beta: float = 0.75
) -> Any:
    """Divide each channel by (bias + alpha * sum of squares of the channels around it) ** beta.

    The constants are those of Krizhevsky, Sutskever and Hinton, *ImageNet classification with deep convolutional
    neural networks*, NIPS 2012, section 3.3.
    """
    from featx.networks.quiet_keras import ops

    channels, half = x.shape[-1], around // 2
    squares = ops.pad(ops.square(x), [(0, 0), (0, 0), (0, 0), (half, half)])
    near = sum(
        (squares[..., shift : shift + channels] for shift in range(1, around)), squares[..., :channels]
    )
    return x / ops.power(bias + alpha * near, beta)


def classifier(x: Any, name: str, *, dropout: float = 0.0, classes: int = 1000) -> Any:
    """Average maps over their places and give the probabilities (n, classes)."""
    from featx.networks.quiet_keras import layers

    x = layers.GlobalAveragePooling2D(name="pool")(x)
    if dropout:
        x = layers.Dropout(dropout, name="dropout")(x)
    return layers.Dense(classes, activation="softmax", name=name)(x)


def dense_classifier(x: Any, *names: str, width: int = 4096) -> Any:
    """Give the probabilities (n, 1000) by two hidden layers over all places, as networks had it before 2014."""
    from featx.networks.quiet_keras import layers

    x = layers.Permute((3, 1, 2), name="channels_first")(
        x
    )  # the order in which the published weights take them
    x = layers.Flatten(name="flatten")(x)
    for name in names[:-1]:
        x = layers.Dropout(0.5, name=f"{name}_dropout")(x)
        x = layers.Dense(width, activation="relu", name=name)(x)
    return layers.Dense(1000, activation="softmax", name=names[-1])(x)

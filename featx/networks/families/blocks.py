"""What the families are put together from: convolutions with their normalisation and activation, and a classifier.

Layers are called as the tensors of the published weights are, with ``_`` for the dots between modules, so that
`featx.networks.porting` finds each by its name.
"""

from typing import Any


def convolution(
    x: Any,
    filters: int | None,
    size: int,
    name: str,
    *,
    strides: int = 1,
    norm: str | None = None,
    epsilon: float = 1e-5,
    activation: str | None = None,
) -> Any:
    """Convolve, normalise, activate; padded as TensorFlow does it: what is odd goes to the right and the bottom.

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
    norm
        Name of the BatchNorm; None for none, where the convolution has a bias.
    epsilon
        Of the BatchNorm.
    activation
        ``"relu"``, ``"relu6"`` or None.

    Returns
    -------
    keras.KerasTensor
        Of shape (n, ceil(h / strides), ceil(w / strides), filters).
    """
    from keras import layers

    how = {"strides": strides, "padding": "same", "use_bias": norm is None, "name": name}
    make = layers.DepthwiseConv2D(size, **how) if filters is None else layers.Conv2D(filters, size, **how)
    x = make(x)
    if norm:
        x = layers.BatchNormalization(epsilon=epsilon, name=norm)(x)
    if activation:
        most = 6.0 if activation == "relu6" else None
        x = layers.ReLU(most, name=f"{norm or name}_{activation}")(x)
    return x


def classifier(x: Any, name: str, *, dropout: float = 0.0) -> Any:
    """Average maps over their places and give the probabilities (n, 1000) of ImageNet's classes."""
    from keras import layers

    x = layers.GlobalAveragePooling2D(name="pool")(x)
    if dropout:
        x = layers.Dropout(dropout, name="dropout")(x)
    return layers.Dense(1000, activation="softmax", name=name)(x)

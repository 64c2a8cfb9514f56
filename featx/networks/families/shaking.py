"""Shake-Shake: two branches, mixed at random in training."""

from functools import cache
from typing import Any

from featx.networks.families.blocks import classifier, convolution


def shake_shake(input_size: tuple[int, int], *, width: int = 32, repeats: int = 4, top: bool = False) -> Any:
    """Build a Shake-Shake network for small images, 26 2x32d by default, with random weights.

    Parameters
    ----------
    input_size
        Height and width in pixels, 8 or more.
    width
        Channels of each of the two branches in the first of three stages.
    repeats
        Blocks of a stage; 4 make 26 layers.
    top
        Whether to build the classifier of ten classes, too.

    Returns
    -------
    keras.Model
        From scaled RGB values, of shape (n, h, w, 3), to maps (n, h / 4, w / 4, 4 * width), rounded up, or to
        probabilities (n, 10).

    Notes
    -----
    Gastaldi, *Shake-Shake regularization*, 2017: "shake-shake-image". In training each image's branches are added with
    random weights alpha and 1 - alpha, and learn with others, beta and 1 - beta; when the network is used, both weigh a
    half. Where the resolution is halved, the shortcut stacks every second pixel with those one pixel aside.

    Examples
    --------
    >>> from featx.networks.families import shake_shake
    >>> shake_shake((32, 32)).output_shape
    (None, 8, 8, 128)
    """
    from featx.networks.quiet_keras import keras, layers

    images = keras.Input((*input_size, 3), name="images")
    x = convolution(images, 16, 3, "conv1", norm="bn1", activation=None)
    for stage in range(3):
        for repeat in range(repeats):
            name, filters = f"layer{stage + 1}_{repeat}", width * 2**stage
            strides = 2 if stage and not repeat else 1
            branches = [_branch(x, filters, strides, f"{name}_branch{branch}") for branch in (1, 2)]
            y = _shake_layer()(name=f"{name}_shake")(branches)
            short = x if x.shape == y.shape else _shortcut(x, filters, strides, f"{name}_shortcut")
            x = layers.Add(name=f"{name}_add")([y, short])
    x = layers.ReLU(name="relu")(x)
    return keras.Model(images, classifier(x, "fc", classes=10) if top else x, name="shake_shake")


def _branch(x: Any, filters: int, strides: int, name: str) -> Any:
    from featx.networks.quiet_keras import layers

    x = layers.ReLU(name=f"{name}_relu")(x)
    x = convolution(x, filters, 3, f"{name}_conv1", strides=strides, norm=f"{name}_bn1")
    return convolution(x, filters, 3, f"{name}_conv2", norm=f"{name}_bn2", activation=None)


def _shortcut(x: Any, filters: int, strides: int, name: str) -> Any:
    from featx.networks.quiet_keras import layers

    x = layers.ReLU(name=f"{name}_relu")(x)
    if strides == 1:
        return convolution(x, filters, 1, f"{name}_conv", norm=f"{name}_bn", activation=None)
    aside = layers.Cropping2D(((1, 0), (1, 0)), name=f"{name}_crop")(x)
    aside = layers.ZeroPadding2D(((0, 1), (0, 1)), name=f"{name}_pad")(aside)
    halves = []
    for number, start in enumerate((x, aside), start=1):
        half = layers.AveragePooling2D(1, strides, padding="same", name=f"{name}_half{number}")(start)
        halves.append(convolution(half, filters // 2, 1, f"{name}_conv{number}", bias=False, activation=None))
    x = layers.Concatenate(name=f"{name}_both")(halves)
    return layers.BatchNormalization(epsilon=1e-5, name=f"{name}_bn")(x)


@cache
def _shake_layer() -> Any:
    """Make the layer's class, once Keras is loaded."""
    from featx.networks.quiet_keras import keras, ops

    @keras.saving.register_keras_serializable("featx")
    class Shake(keras.layers.Layer):  # type: ignore[misc]  # Keras has no types
        """Add two branches: with random weights in training, another pair on the way back, and halves otherwise."""

        def __init__(self, **choices: Any) -> None:
            super().__init__(**choices)
            self.draws = keras.random.SeedGenerator()

        def call(self, branches: Any, *, training: bool = False) -> Any:
            one, other = branches
            if not training:
                return (one + other) / 2
            shape = (ops.shape(one)[0], 1, 1, 1)
            there, back = (keras.random.uniform(shape, seed=self.draws) for _ in range(2))
            learned = back * one + (1 - back) * other
            seen = there * one + (1 - there) * other
            return learned + ops.stop_gradient(seen - learned)

    return Shake

"""ResNets: plain or bottleneck, before or after activation, in groups, with squeeze-excitation, of stochastic depth."""

from collections.abc import Sequence
from typing import Any

from featx.networks.families.blocks import classifier, convolution, max_pool, normalise, squeeze_excite


def resnet(
    input_size: tuple[int, int],
    *,
    blocks: Sequence[int] = (2, 2, 2, 2),
    bottleneck: bool = False,
    preactivation: bool = False,
    groups: int = 1,
    group_width: int = 64,
    squeeze: int = 0,
    survival: float = 1.0,
    senet: bool = False,
    top: bool = False,
) -> Any:
    """Build a ResNet with random weights.

    Parameters
    ----------
    input_size
        Height and width in pixels, 32 or more.
    blocks
        How many blocks each stage has. (2, 2, 2, 2) is ResNet-18; (3, 4, 6, 3) is ResNet-34, with bottlenecks
        ResNet-50; (3, 4, 23, 3) and (3, 8, 36, 3) with bottlenecks are ResNet-101 and -152.
    bottleneck
        Whether a block narrows the channels, convolves by 3x3 and widens them fourfold, rather than convolving twice.
    preactivation
        Whether BatchNorm and ReLU come before each convolution rather than after it, so that what is added up is never
        rectified.
    groups, group_width
        Of the 3x3 convolution of a bottleneck: how many groups, and how many channels each has in the first stage.
        ResNeXt-50 32x4d has 32 and 4.
    squeeze
        By how much squeeze-excitation narrows the channels; 0 for none. SENets have 16.
    survival
        The probability that the last block is computed in training; of block l of L it is 1 - (l / L) (1 - survival).
        When the network is used, a block counts by its probability. 1 trains all blocks always.
    senet
        Whether to build it as SENet-154: three 3x3 convolutions in place of the first 7x7, half as many channels in the
        first convolution of a bottleneck, 3x3 kernels where a shortcut halves the resolution, dropout.
    top
        Whether to build the classifier, too.

    Returns
    -------
    keras.Model
        From scaled RGB values, of shape (n, h, w, 3), to maps (n, h / 32, w / 32, c), rounded up, or to probabilities
        (n, 1000).

    Notes
    -----
    He, Zhang, Ren and Sun, *Deep residual learning for image recognition*, CVPR 2016, with the stride of a bottleneck
    in its 3x3 convolution; *Identity mappings in deep residual networks*, ECCV 2016 (preactivation). Xie et al.,
    *Aggregated residual transformations for deep neural networks*, CVPR 2017 (ResNeXt). Hu, Shen and Sun,
    *Squeeze-and-excitation networks*, CVPR 2018 (SE-ResNet, SENet-154). Huang et al., *Deep networks with stochastic
    depth*, ECCV 2016.

    Examples
    --------
    >>> from featx.networks.families import resnet
    >>> resnet((64, 64), blocks=(3, 4, 6, 3), bottleneck=True, groups=32, group_width=4).output_shape
    (None, 2, 2, 2048)
    """
    from featx.networks.quiet_keras import keras

    images = keras.Input((*input_size, 3), name="images")
    x = _stem(images, deep=senet, plain=preactivation)
    block = _bottleneck if bottleneck else _basic
    how: dict[str, Any] = {"preactivation": preactivation}
    how |= {"groups": groups, "group_width": group_width, "senet": senet} if bottleneck else {}
    done, whole = 0, sum(blocks)
    for stage, repeats in enumerate(blocks):
        for repeat in range(repeats):
            done += 1
            name = f"layer{stage + 1}_{repeat}"
            width, strides = 64 * 2**stage, 2 if stage and not repeat else 1
            start = normalise(x, f"{name}_bn1") if preactivation else x
            y = block(start, width, strides, name, **how)
            if squeeze:
                y = squeeze_excite(y, squeeze, f"{name}_se")
            y = _survive(y, 1 - done / whole * (1 - survival), name)
            # where shapes change, the shortcut of a pre-activation block begins behind its first BatchNorm
            fits = x.shape == y.shape
            short = (
                x if fits else _shortcut(start, y.shape[-1], strides, name, plain=preactivation, wide=senet)
            )
            x = keras.layers.Add(name=f"{name}_add")([y, short])
            x = x if preactivation else keras.layers.ReLU(name=f"{name}_relu")(x)
    x = normalise(x, "bn") if preactivation else x
    return keras.Model(images, classifier(x, "fc", dropout=0.2 * senet) if top else x, name="resnet")


def _stem(x: Any, *, deep: bool, plain: bool) -> Any:
    if deep:
        x = convolution(x, 64, 3, "conv1_0", strides=2, norm="conv1_1")
        x = convolution(x, 64, 3, "conv1_3", norm="conv1_4")
        x = convolution(x, 128, 3, "conv1_6", norm="bn1")
    elif plain:
        x = convolution(x, 64, 7, "conv1", strides=2, bias=False)
    else:
        x = convolution(x, 64, 7, "conv1", strides=2, norm="bn1")
    return max_pool(x, 3, "maxpool", pad=1)


def _basic(x: Any, width: int, strides: int, name: str, *, preactivation: bool) -> Any:
    """Convolve twice."""
    if preactivation:
        x = convolution(x, width, 3, f"{name}_conv1", strides=strides, norm=f"{name}_bn2")
        return convolution(x, width, 3, f"{name}_conv2", bias=False, activation=None)
    x = convolution(x, width, 3, f"{name}_conv1", strides=strides, norm=f"{name}_bn1")
    return convolution(x, width, 3, f"{name}_conv2", norm=f"{name}_bn2", activation=None)


def _bottleneck(
    x: Any,
    width: int,
    strides: int,
    name: str,
    *,
    preactivation: bool,
    groups: int,
    group_width: int,
    senet: bool,
) -> Any:
    """Narrow, convolve in groups, widen."""
    inner = width * group_width // 64 * groups
    norms = (2, 3, None) if preactivation else (1, 2, 3)
    first, second, third = (f"{name}_bn{norm}" if norm else None for norm in norms)
    x = convolution(x, inner // 2 if senet else inner, 1, f"{name}_conv1", norm=first)
    x = convolution(x, inner, 3, f"{name}_conv2", strides=strides, groups=groups, norm=second)
    return convolution(x, 4 * width, 1, f"{name}_conv3", norm=third, bias=False, activation=None)


def _shortcut(x: Any, width: int, strides: int, name: str, *, plain: bool, wide: bool) -> Any:
    size = 3 if wide and strides > 1 else 1
    norm = None if plain else f"{name}_downsample_1"
    return convolution(
        x, width, size, f"{name}_downsample_0", strides=strides, norm=norm, bias=False, activation=None
    )


def _survive(x: Any, probability: float, name: str) -> Any:
    """Leave a block out of a training step, for each image by itself, and weigh it by its probability otherwise."""
    from featx.networks.quiet_keras import layers

    if probability == 1:
        return x
    # dropout divides what it keeps by the probability, so that this gives 0 or x in training, and else probability * x
    x = layers.Dropout(1 - probability, noise_shape=(None, 1, 1, 1), name=f"{name}_dropout")(x)
    return layers.Rescaling(probability, name=f"{name}_survival")(x)

"""The networks with which it began: LeNet-5 of 1998, AlexNet of 2012 in two forms, ZFNet of 2013."""

from typing import Any

from featx.networks.families.blocks import convolution, dense_classifier, max_pool, response_normalise


def lenet5(input_size: tuple[int, int], *, top: bool = False) -> Any:
    """Build LeNet-5 with random weights.

    Parameters
    ----------
    input_size
        Height and width in pixels, 32 or more.
    top
        Whether to build the classifier of ten digits, too.

    Returns
    -------
    keras.Model
        From grey values in 0..1, of shape (n, h, w, 1), to maps (n, h', w', 84), 1 x 1 of them for 32 pixels, or to
        probabilities (n, 10).

    Notes
    -----
    LeCun, Bottou, Bengio and Haffner, *Gradient-based learning applied to document recognition*, Proceedings of the
    IEEE, 1998. In the form that is taught: C3 sees all maps of S2, subsampling averages without weights, and the
    output is a softmax; 61,706 weights. In the paper C3 sees some maps, subsampling has two weights for each map, and
    the output layer is fixed: 60,000.

    Examples
    --------
    >>> from featx.networks.families import lenet5
    >>> lenet5((32, 32), top=True).count_params()
    61706
    """
    from featx.networks.quiet_keras import keras, layers

    images = keras.Input((*input_size, 1), name="images")
    x = convolution(images, 6, 5, "c1", pad=0, activation="tanh")
    x = layers.AveragePooling2D(2, name="s2")(x)
    x = convolution(x, 16, 5, "c3", pad=0, activation="tanh")
    x = layers.AveragePooling2D(2, name="s4")(x)
    x = convolution(x, 120, 5, "c5", pad=0, activation="tanh")
    x = convolution(x, 84, 1, "f6", activation="tanh")
    if top:
        x = layers.GlobalAveragePooling2D(name="pool")(x)
        x = layers.Dense(10, activation="softmax", name="output")(x)
    return keras.Model(images, x, name="lenet5")


def alexnet(input_size: tuple[int, int], *, towers: int = 1, top: bool = False) -> Any:
    """Build AlexNet with random weights.

    Parameters
    ----------
    input_size
        Height and width in pixels, 63 or more.
    towers
        1: one tower, whose weights are public. 2: the network of 2012, with more channels, of which every second layer
        keeps two halves apart, one for each graphics card, and with normalisation across neighbouring channels.
    top
        Whether to build the classifier, too; that of published weights takes 224 x 224 pixels.

    Returns
    -------
    keras.Model
        From scaled RGB values, of shape (n, h, w, 3), to maps (n, h', w', 256), 6 x 6 of them for 224 pixels, or to
        probabilities (n, 1000).

    Notes
    -----
    Krizhevsky, Sutskever and Hinton, *ImageNet classification with deep convolutional neural networks*, NIPS 2012; in
    one tower: Krizhevsky, *One weird trick for parallelizing convolutional neural networks*, 2014.

    Examples
    --------
    >>> from featx.networks.families import alexnet
    >>> alexnet((224, 224)).count_params(), alexnet((224, 224), towers=2).count_params()
    (2469696, 2334080)
    """
    from featx.networks.quiet_keras import keras

    two = towers == 2
    widths = (96, 256, 384, 384, 256) if two else (64, 192, 384, 256, 256)
    images = keras.Input((*input_size, 3), name="images")
    x = convolution(images, widths[0], 11, "features_0", strides=4, pad=2)
    x = response_normalise(x) if two else x
    x = max_pool(x, 3, "features_2")
    x = convolution(x, widths[1], 5, "features_3", groups=towers)
    x = response_normalise(x) if two else x
    x = max_pool(x, 3, "features_5")
    x = convolution(x, widths[2], 3, "features_6")
    x = convolution(x, widths[3], 3, "features_8", groups=towers)
    x = convolution(x, widths[4], 3, "features_10", groups=towers)
    x = max_pool(x, 3, "features_12")
    x = dense_classifier(x, "classifier_1", "classifier_4", "classifier_6") if top else x
    return keras.Model(images, x, name="alexnet")


def zfnet(input_size: tuple[int, int], *, top: bool = False) -> Any:
    """Build ZFNet, AlexNet with smaller kernels and steps in its first layers, with random weights.

    Parameters
    ----------
    input_size
        Height and width in pixels, 63 or more.
    top
        Whether to build the classifier, too.

    Returns
    -------
    keras.Model
        From scaled RGB values, of shape (n, h, w, 3), to maps (n, h', w', 256), 6 x 6 of them for 224 pixels, or to
        probabilities (n, 1000).

    Notes
    -----
    Zeiler and Fergus, *Visualizing and understanding convolutional networks*, ECCV 2014, figure 3. Its normalisation
    of contrast is that of AlexNet.

    Examples
    --------
    >>> from featx.networks.families import zfnet
    >>> zfnet((224, 224)).output_shape
    (None, 6, 6, 256)
    """
    from featx.networks.quiet_keras import keras

    images = keras.Input((*input_size, 3), name="images")
    x = convolution(images, 96, 7, "conv1", strides=2, pad=1)
    x = response_normalise(max_pool(x, 3, "pool1", ceil=True))
    x = convolution(x, 256, 5, "conv2", strides=2, pad=0)
    x = response_normalise(max_pool(x, 3, "pool2", ceil=True))
    x = convolution(x, 384, 3, "conv3")
    x = convolution(x, 384, 3, "conv4")
    x = convolution(x, 256, 3, "conv5")
    x = max_pool(x, 3, "pool5")
    return keras.Model(images, dense_classifier(x, "fc6", "fc7", "fc8") if top else x, name="zfnet")

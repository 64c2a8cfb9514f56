"""featx-mini, the backbone that comes with featx: a small ResNet and a patch dictionary.

Both were learned from formulae only. No photograph took part: ``training_mini/`` makes textures and shapes,
composes scenes of them, and trains this network to tell the scenes apart. docs/featx-mini.md says what it is
good for, and what it is not.
"""

import zipfile
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from featx.errors import InputError, WeightsError
from featx.files import file_digest

WEIGHTS = Path(__file__).with_suffix(".npz")
"""The shipped weights: arrays named ``layer/variable``, float16 except for the dictionary."""

WEIGHTS_SHA256 = "c78fc003ff15cf4c64a023ec75a404b4dc83b413d9264f541a6b671d7eb75806"
"""SHA-256 of the file `WEIGHTS`; ``training_mini/export.py`` writes both."""

MIN_SIZE = 32
PATCH = 6  # pixels, of images reduced to 32 x 32
WORDS = 400


def featx_mini(input_size: tuple[int, int] = (96, 96)) -> Any:
    """Build the network, with random weights.

    Layers worth cutting at: ``stage1_out`` (32 channels, half resolution), ``stage2_out`` (64),
    ``stage3_out`` (128), ``stage4_out`` (256, a sixteenth of the resolution), ``patches`` (400 words of a
    patch dictionary at 27 x 27 places). A model cut there runs only what the cut needs.

    Parameters
    ----------
    input_size
        Height and width in pixels, 32 or more each.

    Returns
    -------
    keras.Model
        From RGB values in 0..1, of shape ``(n, h, w, 3)``, to the maps ``[stage4_out, patches]``.

    Raises
    ------
    InputError
        If the images are too small.

    Examples
    --------
    >>> network = featx_mini((64, 64))
    >>> load_weights(network)
    >>> [tuple(output.shape) for output in network.outputs]
    [(None, 4, 4, 256), (None, 27, 27, 400)]
    """
    from featx.networks.quiet_keras import keras

    if min(input_size) < MIN_SIZE:
        raise InputError(f"input_size={input_size}: featx-mini needs {MIN_SIZE} pixels or more on each side.")
    images = keras.Input((*input_size, 3), name="images")
    return keras.Model(images, [_stages(images), _patches(images)], name="featx_mini")


def _stages(images: Any) -> Any:
    from featx.networks.quiet_keras import layers

    x = layers.Rescaling(1 / 0.26, -0.45 / 0.26, name="normalise")(images)
    x = layers.ReLU(name="stage1_out")(_convolution(x, 32, 3, "stage1", strides=2))
    for stage, width in ((2, 64), (3, 128), (4, 256)):
        y = layers.ReLU(name=f"stage{stage}_relu")(
            _convolution(x, width, 3, f"stage{stage}_conv1", strides=2)
        )
        y = _convolution(y, width, 3, f"stage{stage}_conv2")
        half = layers.AveragePooling2D(2, padding="same", name=f"stage{stage}_half")(x)
        shortcut = _convolution(half, width, 1, f"stage{stage}_shortcut")
        x = layers.ReLU(name=f"stage{stage}_out")(layers.Add(name=f"stage{stage}_add")([y, shortcut]))
    return x


def _convolution(x: Any, filters: int, size: int, name: str, strides: int = 1) -> Any:
    """Convolve, then normalise; padded on all sides alike, as torch does and Keras' "same" does not."""
    from featx.networks.quiet_keras import layers

    if size > 1:
        x = layers.ZeroPadding2D(size // 2, name=f"{name}_pad")(x)
    x = layers.Conv2D(filters, size, strides, use_bias=False, name=name)(x)
    return layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}_norm")(x)


def _patches(images: Any) -> Any:
    """Compare each 6 x 6 patch of the image, reduced to 32 x 32, with 400 words (Coates, Ng & Lee 2011).

    A patch p has its mean m taken away, is divided by its deviation s, and whitened: u = W (p - m) / s. As
    the filters in W sum to zero, W (p - m) = W p, a convolution. The distance to the word c is the root of
    |u|² - 2 c·u + |c|², and the word's answer is how much nearer it is than the average word.
    """
    from featx.networks.quiet_keras import layers, ops

    height, width = images.shape[1:3]
    reduce = (height // 32, width // 32)
    x = layers.AveragePooling2D(reduce, name="patches_reduce")(images) if max(reduce) > 1 else images
    x = layers.Resizing(32, 32, name="patches_resize")(x) if x.shape[1:3] != (32, 32) else x
    x = layers.Rescaling(1, -0.5, name="patches_centre")(x)

    box = layers.AveragePooling2D(PATCH, strides=1, name="patches_mean")
    box_of_squares = layers.AveragePooling2D(PATCH, strides=1, name="patches_mean_square")
    mean = box(ops.mean(x, axis=-1, keepdims=True))
    mean_square = box_of_squares(ops.mean(ops.square(x), axis=-1, keepdims=True))
    variance = ops.maximum(mean_square - ops.square(mean), 0)
    deviation = ops.sqrt(variance + 10 / 255**2)  # the constant, 10 in grey levels, keeps flat patches flat

    whiten = layers.Conv2D(3 * PATCH**2, PATCH, use_bias=False, trainable=False, name="patches_whiten")
    words = layers.Conv2D(WORDS, 1, trainable=False, name="patches_words")  # kernel -2 c, bias |c|²
    whitened = whiten(x) / deviation
    squared = ops.sum(ops.square(whitened), axis=-1, keepdims=True) + words(whitened)
    distance = ops.sqrt(ops.maximum(squared, 1e-6))
    return layers.ReLU(name="patches")(ops.mean(distance, axis=-1, keepdims=True) - distance)


def load_weights(model: Any, path: str | PathLike[str] = WEIGHTS) -> None:
    """Give the network its trained weights.

    Parameters
    ----------
    model
        What `featx_mini` built, or a model cut from it.
    path
        An ``.npz`` file as ``training_mini/export.py`` writes it; default: the shipped one, whose digest is known.

    Raises
    ------
    WeightsError
        If the file is missing, damaged, or lacks an array of the model; the model is then unchanged.

    Examples
    --------
    >>> network = featx_mini()
    >>> load_weights(network)
    >>> tuple(network.get_layer("stage1").kernel.shape)
    (3, 3, 3, 32)
    """
    path = Path(path)
    arrays = _read(path)
    values = []
    for name, variable in _variables(model):
        if name not in arrays:
            raise WeightsError(f"{path} has no array {name!r}: it is not a weights file of featx-mini.")
        if arrays[name].shape != tuple(variable.shape):
            raise WeightsError(
                f"{path}: {name!r} has shape {arrays[name].shape}, not {tuple(variable.shape)}. "
                "It is not a weights file of featx-mini."
            )
        values.append((variable, arrays[name]))
    for variable, value in values:
        variable.assign(value.astype("float32"))


def _variables(model: Any) -> list[tuple[str, Any]]:
    return [
        (f"{layer.name}/{variable.name}", variable) for layer in model.layers for variable in layer.weights
    ]


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise WeightsError(
            f"{path}: there is no such file. Reinstall featx, or give the path of an .npz file."
        )
    if path == WEIGHTS:
        digest = file_digest(path)
        if digest != WEIGHTS_SHA256:
            raise WeightsError(
                f"{path} is damaged or of another version: expected sha256 {WEIGHTS_SHA256}, got {digest}. "
                "Reinstall featx."
            )
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (ValueError, OSError, zipfile.BadZipFile, AttributeError) as error:
        raise WeightsError(f"{path} is not a readable .npz file: {error}") from error

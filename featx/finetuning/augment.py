"""Augmentation: Keras layers that change images at random while a network is trained, and only then."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from featx.embedding.keras_engine import compiles
from featx.errors import InputError, UnknownNameError
from featx.text import quoted

DEFAULT = "translation+rotation+contrast"
"""What ``"default"`` stands for: changes that leave letters, signs, and left and right what they are."""


def _known() -> dict[str, Callable[[], list[Any]]]:
    from featx.networks.quiet_keras import layers

    edge = {"fill_mode": "nearest"}  # the border goes on as it is: a black wedge would be a new feature
    return {
        "flip": lambda: [layers.RandomFlip("horizontal")],
        # moved at random, then enlarged about the middle: a cut-out of 75 to 100 % of each side, anywhere
        "crop": lambda: [
            layers.RandomTranslation(0.12, 0.12, **edge),
            layers.RandomZoom((-0.25, 0.0), **edge),
        ],
        "rotation": lambda: [layers.RandomRotation(0.04, **edge)],  # of a full turn: up to 14 degrees
        "translation": lambda: [layers.RandomTranslation(0.1, 0.1, **edge)],
        "contrast": lambda: [layers.RandomContrast(0.3, value_range=(0, 255))],
        "erasing": lambda: [layers.RandomErasing(0.5, (0.1, 0.4), fill_value=127, value_range=(0, 255))],
    }


class Augmenter:
    """Changes batches of images at random, in the same way again for the same seed.

    Parameters
    ----------
    choice
        ``"default"``; ``flip``, ``crop``, ``rotation``, ``translation``, ``contrast``, ``erasing``, or a sum of these
        such as ``flip+crop``; a Keras model or layer; or a list of layers. They get float32 pixels of 0..255.

    Raises
    ------
    InputError, UnknownNameError
        If it is none of these.

    Examples
    --------
    >>> images = np.arange(192, dtype="uint8").reshape(1, 8, 8, 3)
    >>> augmenter = Augmenter("flip+rotation")
    >>> augmenter.seed(1, 0)
    >>> first = augmenter(images)
    >>> first.shape, first.dtype.name, bool((first == images).all())
    ((1, 8, 8, 3), 'uint8', False)
    >>> augmenter.seed(1, 0)
    >>> bool((augmenter(images) == first).all())
    True
    """

    def __init__(self, choice: Any) -> None:
        self._layers = _layers(choice)
        self._states = [state for layer in self._layers for state in random_states(layer)]
        # compiled, the known ones take a third to a half of the time; others may do what cannot be compiled
        self._change = _compiled(self._layers) if isinstance(choice, str) else self._in_turn

    def seed(self, *numbers: int) -> None:
        """Begin again from a state that these numbers fix."""
        reseed(self._states, *numbers)

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        """Change images.

        Parameters
        ----------
        pixels
            uint8, of shape (n, h, w, 3).

        Returns
        -------
        array of uint8
            Of the same shape.

        Raises
        ------
        InputError
            If the layers give images of another size.
        """
        changed = self._change(pixels.astype(np.float32))
        if changed.shape != pixels.shape:
            raise InputError(
                f"augment= turns images of shape {pixels.shape[1:]} into {changed.shape[1:]}, but the network takes "
                "them as they were. Add keras.layers.Resizing at its end."
            )
        return np.asarray(np.clip(np.rint(changed), 0, 255).astype(np.uint8))

    def _in_turn(self, images: Any) -> np.ndarray:
        from featx.networks.quiet_keras import ops

        for layer in self._layers:
            images = layer(images, training=True)
        return np.asarray(ops.convert_to_numpy(images))


def _compiled(layers: Sequence[Any]) -> Callable[[np.ndarray], np.ndarray]:
    """Compile layers, which work as in training."""
    from featx.networks.quiet_keras import keras

    class Changes(keras.Model):  # type: ignore[misc] # Keras has no types
        def __init__(self) -> None:
            super().__init__()
            self.changes = list(layers)

        def call(self, images: Any) -> Any:
            for layer in self.changes:
                images = layer(images, training=True)
            return images

    model = Changes()
    model.compile(jit_compile=compiles())

    def change(images: np.ndarray) -> np.ndarray:
        return np.asarray(model.predict_on_batch(images))

    return change


def random_states(layer: Any) -> list[Any]:
    """List what random layers keep in place of weights: the variables with their seed and count.

    Parameters
    ----------
    layer
        A Keras layer, or a model that is not compiled yet.
    """
    weights = {id(weight) for weight in layer.weights}
    return [variable for variable in layer.variables if id(variable) not in weights]


def reseed(states: Sequence[Any], *numbers: int) -> None:
    """Let random layers begin again from a state that these numbers fix."""
    seeds = np.random.SeedSequence(numbers).generate_state(len(states)) >> 1  # some backends want 31 bits
    for state, seed in zip(states, seeds, strict=True):
        state.assign(np.array([seed, 0], state.dtype))


def _layers(choice: Any) -> Sequence[Any]:
    from featx.networks.quiet_keras import keras

    if isinstance(choice, str):
        known = _known()
        names = (DEFAULT if choice == "default" else choice).split("+")
        for name in names:
            if name.strip() not in known:
                raise UnknownNameError("augmentation", name, ["default", *known])
        return [layer for name in names for layer in known[name.strip()]()]
    layers = list(choice) if isinstance(choice, list | tuple) else [choice]
    for layer in layers:
        if not isinstance(layer, keras.layers.Layer):
            raise InputError(
                f"augment={quoted(choice)}: give a sum of names such as 'flip+crop', a Keras model, a list of Keras "
                "layers, or None."
            )
    return layers

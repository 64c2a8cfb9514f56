"""Which way an image has to change for a depth to answer more: the gradient, on every backend of Keras."""

from typing import Any

import numpy as np

from featx.embedding.keras_engine import PREDICTING, compiles
from featx.networks.forks import refuse_if_forked
from featx.networks.graph import Graph, Tensor
from featx.networks.network import as_shipped
from featx.networks.scaling import scaled


class Ascent:
    """The response of a layer to images, and its gradient.

    Keras has no public function for a gradient. But it trains weights, on every backend: so a weight that starts at 0
    is added to the image, and one step of plain gradient descent at rate 1 on minus the response leaves the gradient
    in it. No weight of the network takes part, and nothing in it behaves as in training.

    Parameters
    ----------
    graph
        The network.
    tensor
        The layer.
    count
        Images at a time.
    power
        The response is the mean over space of the sum of the wanted channels to this power.
    peak
        Whether the largest place counts, in place of the mean.
    """

    def __init__(
        self, graph: Graph, tensor: Tensor, count: int, *, power: int = 1, peak: bool = False
    ) -> None:
        refuse_if_forked()
        from featx.networks.quiet_keras import keras, ops

        class Changed(keras.layers.Layer):  # type: ignore[misc] # Keras has no types
            """A network that sees images with a weight added to them."""

            def build(self, shape: Any) -> None:
                self.added = self.add_weight(shape=shape, initializer="zeros", name="added")

            def call(self, images: Any) -> Any:
                # as when it predicts: BatchNorm keeps its statistics, dropout drops nothing
                return network(images + self.added, training=False)

        class Model(keras.Model):  # type: ignore[misc] # Keras has no types
            """A model of which nothing but that weight is trained."""

            @property
            def trainable_variables(self) -> list[Any]:
                return [changed.added]

            @property
            def non_trainable_variables(self) -> list[Any]:
                return [variable for variable in self.variables if variable is not changed.added]

            trainable_weights = trainable_variables
            non_trainable_weights = non_trainable_variables

        shape = graph.input.shape[1:]
        with as_shipped():
            pixels = keras.Input(shape, dtype="float32")
            below = keras.Model(graph.start, tensor.symbol, name="featx_network")
            network = keras.Model(pixels, below(scaled(pixels, graph.scaling, graph.start.shape[-1])))
            changed = Changed(dtype="float32", name="featx_changed")
            images = keras.Input(shape, batch_size=count, dtype="float32")
            wanted = keras.Input((tensor.shape[-1],), batch_size=count, dtype="float32")
            maps = ops.cast(changed(images), "float32") ** power
            pool = ops.max if peak else ops.mean
            pooled = pool(maps, axis=(1, 2)) if len(tensor.shape) == 3 else maps
            response = ops.sum(pooled * wanted, axis=-1, keepdims=True)
            self._model: Any = Model([images, wanted], response, name="featx_shown")
            self._model.compile(
                keras.optimizers.SGD(1.0), loss=lambda _, scores: -scores, jit_compile=compiles()
            )
        self._added = changed.added
        self._count = count

    def responses(self, images: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        """Give the response of each image: (n,), float32.

        Parameters
        ----------
        images
            (n, h, w, 3) float32, 0..255; n as when this was made.
        wanted
            (n, c): how much each channel counts, for each image.
        """
        with PREDICTING:
            self._added.assign(np.zeros(self._added.shape, np.float32))
            return np.asarray(self._model.predict_on_batch([images, wanted]))[:, 0]

    def gradient(self, images: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        """Give the gradient of each response by the image's pixels: (n, h, w, 3), float32. Parameters: `responses`."""
        from featx.networks.quiet_keras import ops

        with PREDICTING:
            self._added.assign(np.zeros(self._added.shape, np.float32))
            self._model.train_on_batch([images, wanted], np.zeros((self._count, 1), np.float32))
            return np.asarray(ops.convert_to_numpy(self._added.value)) * self._count


def unit(gradient: np.ndarray) -> np.ndarray:
    """Bring each image's gradient (n, h, w, 3) to a root mean square of 1; where there is none, it stays 0."""
    length = np.sqrt(np.mean(gradient * gradient, axis=(1, 2, 3), keepdims=True, dtype=np.float64))
    return np.asarray(gradient / np.where(length > 0, length, 1), np.float32)

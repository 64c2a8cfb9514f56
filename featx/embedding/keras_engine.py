"""A cut graph run by Keras, over batches of one fixed shape."""

import copy
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Self

import numpy as np

from featx.embedding.batches import regrouped
from featx.networks.forks import Lock
from featx.networks.graph import Graph, Tensor
from featx.networks.pooling import pool

ENGINES = ("auto", "keras", "openvino")
"""The names there are; ``auto``: see `featx.embedding.engines.engine_for`."""
BLOCK_BYTES = 256 << 20
"""Pixels and vectors of the batches that an accelerator is given at a time: 1,700 images of 224 x 224."""


def device() -> str:
    """Name what Keras computes on, as its backend does: ``"device:GPU:0"``, ``"cuda:0"``."""
    from featx.networks.quiet_keras import ops

    # not keras.distribution.list_devices: torch has none, and JAX raises when asked for a GPU that is not there
    return str(ops.zeros(1).device).rsplit("/", maxsplit=1)[-1]


def accelerated() -> bool:
    """Tell whether Keras computes on a GPU or a TPU."""
    return "cpu" not in device().lower()


def compiles() -> bool | str:
    """Tell what `keras.Model.compile` should do about ``jit_compile``.

    XLA runs depthwise convolutions on a CPU 14 times slower than TensorFlow does without it (MobileNetV2).
    """
    from featx.networks.quiet_keras import keras

    return False if keras.backend.backend() == "tensorflow" and not accelerated() else "auto"


PREDICTING = Lock()
"""Held while Keras predicts: on JAX it gives the weights away meanwhile, and other threads cannot even read them."""


class KerasEngine:
    """Keras' own compiled inference, on whichever backend Keras runs.

    Every batch of a run has one shape, the last one padded, so that an image's vectors do not depend on the other
    images of its batch, and the graph is compiled once. Batches of another size give the same vectors to 1e-5 of the
    largest number.

    Parameters
    ----------
    graph
        The backbone.
    taps
        Where to cut and how to pool, one pair for each vector wanted; all are computed in one pass.
    batch_size
        Images in a batch.
    batches
        Batches given to Keras at a time. With more than one their vectors stay on the device until all are done, and
        the next ones are gathered meanwhile: for accelerators.

    Examples
    --------
    >>> import keras
    >>> from featx.networks.flatten import flatten
    >>> network = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3, name="only")])
    >>> graph = flatten(network, input_size=(8, 8), scaling="unit")
    >>> engine = KerasEngine(graph, [(graph.at("only"), "avg"), (graph.at("only"), "max+std")], batch_size=2)
    >>> [vectors.shape for vectors in engine(np.zeros((1, 8, 8, 3), np.uint8))]
    [(1, 4), (1, 8)]
    """

    def __init__(
        self, graph: Graph, taps: Sequence[tuple[Tensor, str]], batch_size: int, batches: int = 1
    ) -> None:
        from featx.networks.quiet_keras import keras, ops

        # a model of its own, so that no operator here gets a name that one in the graph has
        maps = [keras.Input(tensor.shape, dtype=tensor.symbol.dtype) for tensor, _ in taps]
        vectors = [
            pool(ops.cast(symbol, "float32"), pooling, ops)
            for symbol, (_, pooling) in zip(maps, taps, strict=True)
        ]
        pooler = keras.Model(maps, vectors, name="featx_pooling")
        self.model: Any = keras.Model(graph.input, pooler([tensor.symbol for tensor, _ in taps]))
        self.batch_size = batch_size
        self.batches = batches

    def of_size(self, batch_size: int, batches: int) -> Self:
        """Give an engine that runs the same model at another batch size."""
        other = copy.copy(self)
        other.batch_size, other.batches = batch_size, batches
        return other

    def __call__(self, pixels: np.ndarray) -> list[np.ndarray]:
        """Embed some batches.

        Parameters
        ----------
        pixels
            uint8, of shape (n, h, w, 3), at most `batches` times `batch_size` images.

        Returns
        -------
        list of arrays
            float32, of shape (n, d), one for each tap.
        """
        count = len(pixels)
        if lack := -count % self.batch_size:
            pixels = np.pad(pixels, [(0, lack), (0, 0), (0, 0), (0, 0)])
        with PREDICTING:
            if len(pixels) == self.batch_size:  # `predict` takes about 50 ms more
                outputs = self.model.predict_on_batch(pixels)
            else:
                outputs = self.model.predict(pixels, batch_size=self.batch_size, verbose=0)
        vectors = outputs if isinstance(outputs, list | tuple) else [outputs]
        return [np.asarray(values[:count], dtype=np.float32) for values in vectors]

    def run(self, parts: Iterable[np.ndarray]) -> Iterator[list[np.ndarray]]:
        """Embed images that come in parts of any size: their vectors in the same order, in parts of another size."""
        blocks = regrouped(parts, self.batches * self.batch_size)
        return map(self, blocks) if self.batches == 1 else self._run_ahead(blocks)

    def _run_ahead(self, blocks: Iterator[np.ndarray]) -> Iterator[list[np.ndarray]]:
        """Gather the next block while one is run."""
        with ThreadPoolExecutor(1) as device:
            running: list[Future[list[np.ndarray]]] = []
            for block in blocks:
                done = [one.result() for one in running]
                running = [device.submit(self, block)]
                yield from done
            yield from (one.result() for one in running)

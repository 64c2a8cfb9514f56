"""Keras at first, and OpenVINO once an export pays for the images that are left: a decision by time."""

from collections.abc import Callable, Iterable, Iterator
from time import perf_counter

import numpy as np

from featx.embedding.batches import regrouped
from featx.embedding.keras_engine import KerasEngine
from featx.embedding.openvino_engine import OpenVINOEngine
from featx.errors import ExportError

FIXED_SECONDS, LAYER_SECONDS = 1.0, 0.025
"""What an export takes, in all and for each layer, to a third of it in six networks (docs/performance.md)."""
GAIN = 1 / 3
"""How much less time OpenVINO takes than Keras: half of the families of the catalogue save more, half less."""


class Handover:
    """An engine that begins with Keras.

    Parameters
    ----------
    keras
        What begins.
    images
        How many there are in a run.
    layers
        How many the network has; its export takes the longer the more there are.
    export
        Gives what goes on; raises `ExportError` where that cannot be, and is not asked again.
    """

    def __init__(
        self, keras: KerasEngine, images: int, layers: int, export: Callable[[], OpenVINOEngine]
    ) -> None:
        self._keras = keras
        self._images = images
        self._cost = FIXED_SECONDS + LAYER_SECONDS * layers
        self._export: Callable[[], OpenVINOEngine] | None = export

    def run(self, parts: Iterable[np.ndarray]) -> Iterator[list[np.ndarray]]:
        """Embed images; as `featx.embedding.keras_engine.KerasEngine.run` does."""
        size, left, quickest = self._keras.batch_size, self._images, float("inf")
        blocks = regrouped(parts, size)
        for number, block in enumerate(blocks):
            started = perf_counter()
            vectors = self._keras(block)
            if number:  # the first one compiles
                quickest = min(quickest, perf_counter() - started)
            yield vectors
            left -= len(block)
            if number and self._export and left / size * quickest * GAIN > self._cost:
                try:
                    engine = self._export()
                except ExportError:
                    self._export = None
                else:
                    yield from engine.run(blocks)
                    return

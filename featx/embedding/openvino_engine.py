"""A cut graph run by OpenVINO, on a CPU 1 to 5 times as fast as by Keras, after an export that is kept on disk."""

import os
import shutil
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from featx.cache.exports import GRAPH, WEIGHTS, make_home, make_room, open_export, seal
from featx.embedding.batches import regrouped
from featx.embedding.channels_first import sink_transposes
from featx.embedding.int8 import hand_over, quantise, saturates
from featx.errors import ExportError
from featx.files import scratch, whole_folder
from featx.images.workers import quota, share
from featx.networks.forks import Lock
from featx.networks.uncounted import uncounted

CHUNK = 2
"""Images in a request, the last one filled up; few enough for the processor's cache (docs/performance.md)."""
BATCH = 3
"""Images that both are compared on: no divisor of `CHUNK`, so that a graph for so many images alone is noticed."""
TOLERANCE = 1e-5
"""How far the exported graph may be from Keras, relative to the largest number of a vector."""

# OpenVINO's binding makes some values when it is first used, and lets Python's lock go meanwhile: a thread that comes
# for the same value then waits for it with Python's lock held, and both wait for ever. So one thread at a time calls
# OpenVINO, except to wait for a request; each engine has waited once, alone, before threads can share it.
_calling = Lock()


class OpenVINOEngine:
    """An exported graph, run by OpenVINO, a few images at a time on every stream that suits the processor.

    In a worker it takes its share of the cores, in a container its quota; see `featx.images.workers`.

    Parameters
    ----------
    folder
        What `export` wrote.
    precision
        ``"float32"``, ``"bfloat16"``, or ``"int8"`` for a graph that says itself what is computed so. OpenVINO's own
        choice depends on the processor, so it is always told.
    chunk
        Images in a request: 1 where only one is to be embedded.
    sealed
        Whether its digests are there, and are checked; not those of a draft, which nobody else knows yet.

    Raises
    ------
    ExportError
        If the folder's files are not those that were written, or OpenVINO cannot read them.
    """

    def __init__(
        self, folder: Path, precision: str = "float32", chunk: int = CHUNK, *, sealed: bool = True
    ) -> None:
        self._chunk = chunk
        with _calling:
            from featx.networks.quiet_openvino import openvino

            graph, core = open_export(folder) if sealed else folder / GRAPH, openvino.Core()
            try:
                if (
                    not sealed and os.name == "nt"
                ):  # a draft is renamed, which Windows forbids for mapped files
                    core.set_property({"ENABLE_MMAP": False})
                self._load(core, graph, {"float32": "f32", "bfloat16": "bf16", "int8": "f32"}[precision])
            except Exception as error:  # whatever a graph makes OpenVINO raise
                raise ExportError(f"The exported graph {folder} cannot be read by OpenVINO.") from error

    def _load(self, core: Any, graph: Path, precision: str) -> None:
        self._graph = core.read_model(graph)
        model = self._graph.clone()
        self.shape = tuple(dim.get_length() for dim in list(model.input().partial_shape)[1:])
        """Of an image: height, width and 3."""
        model.reshape([self._chunk, *self.shape])
        settings: dict[str, Any] = {
            # a single image is computed by all threads, of several each by one
            "PERFORMANCE_HINT": "LATENCY" if self._chunk == 1 else "THROUGHPUT",
            "INFERENCE_PRECISION_HINT": precision,
        }
        mine = share()
        if threads := mine.network if mine else quota():
            settings["INFERENCE_NUM_THREADS"] = threads
            settings["ENABLE_CPU_PINNING"] = False  # to the first cores, as every other worker would
        self._model = core.compile_model(model, "CPU", settings)
        self._streams = self._model.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")
        self._outputs = len(self._model.outputs)
        request = self._model.create_infer_request()
        request.start_async([np.zeros(list(model.input().shape), np.uint8)])
        request.wait()
        self._vectors(request, self._chunk)

    def run(self, parts: Iterable[np.ndarray]) -> Iterator[list[np.ndarray]]:
        """Embed images, a request at a time; as `featx.embedding.keras_engine.KerasEngine.run` does."""
        # Requests of its own for each run, since threads may share an engine; two for each stream, so that the next
        # one waits there when one ends.
        idle: deque[Any] = deque()
        running: deque[tuple[Any, int]] = deque()
        try:
            for pixels in regrouped(parts, self._chunk):
                if len(running) == 2 * self._streams:
                    yield self._result(running, idle)
                with _calling:
                    request = idle.popleft() if idle else self._model.create_infer_request()
                lack = len(pixels) < self._chunk
                full = np.resize(pixels, (self._chunk, *pixels.shape[1:])) if lack else pixels
                with _calling:
                    request.start_async([full])
                running.append((request, len(pixels)))
            while running:
                yield self._result(running, idle)
        finally:  # a request that still runs reads pixels that nobody else keeps
            for request, _ in running:
                request.wait()

    def _result(self, running: deque[tuple[Any, int]], idle: deque[Any]) -> list[np.ndarray]:
        request, count = running.popleft()
        request.wait()
        with _calling:
            vectors = self._vectors(request, count)
        idle.append(request)
        return vectors

    def _vectors(self, request: Any, count: int) -> list[np.ndarray]:
        return [request.get_output_tensor(place).data[:count].copy() for place in range(self._outputs)]

    def write_int8(self, pixels: np.ndarray, folder: Path) -> None:
        """Write this float32 graph at int8, as a folder that `OpenVINOEngine` reads; all of it or nothing.

        Parameters
        ----------
        pixels
            Of shape (n, h, w, 3), uint8: images that show the range of each layer's numbers.
        folder
            As for `export`.

        Raises
        ------
        ExportError
            If NNCF cannot, or this processor has not the arithmetic.
        OSError
            If the folder cannot be written.
        """
        make_home(folder.parent)
        with suppress(FileExistsError), whole_folder(folder) as draft, TemporaryDirectory() as passing:
            with _calling:
                if saturates():
                    raise ExportError("this processor adds products of 8 bits in 16, which are too few")
                hand_over(self._graph, pixels, Path(passing))
            graph = quantise(Path(passing))
            shutil.move(graph, draft / GRAPH)
            shutil.move(graph.with_suffix(".bin"), draft / WEIGHTS)
            seal(draft, folder.name)
        make_room(folder)


def computes_bfloat16() -> bool:
    """Tell whether this processor multiplies bfloat16 by itself."""
    with _calling:
        from featx.networks.quiet_openvino import openvino

        return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def prepare() -> None:
    """Load OpenVINO and its part for processors, which takes half a second; where that fails, the first use says so."""
    with suppress(Exception), _calling:
        from featx.networks.quiet_openvino import openvino

        openvino.Core().get_property("CPU", "FULL_DEVICE_NAME")


def export(model: Any, folder: Path, chunk: int = CHUNK) -> OpenVINOEngine:
    """Write a Keras model as a folder that `OpenVINOEngine` reads; all of it or nothing.

    Parameters
    ----------
    model
        From uint8 pixels (n, h, w, 3) to vectors (n, d), float32.
    folder, chunk
        As for `keep`.

    Returns
    -------
    OpenVINOEngine
        What runs it.

    Raises
    ------
    ExportError
        If Keras or OpenVINO cannot, or if the exported graph gives other numbers than Keras; the message says which.
    OSError
        If the folder cannot be written.
    """
    return keep(partial(write, model), folder, chunk)


def keep(
    written: Callable[[Path, Path], Callable[[], list[np.ndarray]]], folder: Path, chunk: int = CHUNK
) -> OpenVINOEngine:
    """Have a graph written, and keep it if it gives Keras' numbers; all of it or nothing.

    Parameters
    ----------
    written
        Writes the graph, as `write` does, into a folder for what is kept and one for what is not, and gives what waits
        for Keras' vectors of `noise`.
    folder
        Where: ``<graphs>/<name>``, where older graphs make room for it. The folders above it are made.
    chunk
        Images in a request of the engine.

    Returns
    -------
    OpenVINOEngine
        The very one that was compared with Keras.

    Raises
    ------
    ExportError
        If the graph gives other numbers, or cannot be read.
    OSError
        If the folder cannot be written.
    """
    make_home(folder.parent)
    engine = None
    with (
        suppress(FileExistsError),  # another process was first
        whole_folder(folder) as draft,
        scratch(folder.parent) as passing,
    ):
        expected = written(draft, passing)
        engine = OpenVINOEngine(draft, chunk=chunk, sealed=False)
        _compare(expected(), engine.run([noise(engine.shape)]))
        seal(draft, folder.name)
    make_room(folder)
    return engine or OpenVINOEngine(folder, chunk=chunk)


def noise(shape: Sequence[int]) -> np.ndarray:
    """Give the images of a shape (h, w, 3) on which a graph is compared with Keras."""
    return np.random.default_rng(0).integers(0, 256, (BATCH, *shape), np.uint8)


RAW, VECTORS = "keras.xml", "vectors.npz"
"""What is not kept: the graph as Keras writes it, and what another process got from it."""


def write(model: Any, draft: Path, passing: Path) -> Callable[[], list[np.ndarray]]:
    """Write the graph of a Keras model, and in another folder what is not kept of it; give what asks Keras for vectors.

    Raises
    ------
    ExportError
        If Keras or OpenVINO cannot.
    """
    with _told():
        from featx.networks.quiet_keras import keras
        from featx.networks.quiet_openvino import openvino

        by_openvino = keras.backend.backend() == "openvino"
        batch = {"input_signature": [_signature(model)]} if by_openvino else {}
        with uncounted():
            _for_inference(model).export(str(passing / RAW), format="openvino", verbose=False, **batch)
        with _calling:
            graph = openvino.Core().read_model(passing / RAW)
            graph = sink_transposes(graph, BATCH) if by_openvino else _only_outputs(graph, len(model.outputs))
            openvino.save_model(graph, draft / GRAPH, compress_to_fp16=False)
    return partial(as_it_was, passing) if by_openvino else partial(_by_keras, model)


@contextmanager
def _told() -> Iterator[None]:
    """Say what failed: each backend of Keras and each converter raises its own."""
    try:
        yield
    except Exception as error:
        first, *_ = str(error).splitlines() or [""]
        raise ExportError(f"{type(error).__name__}: {first}") from error


def _for_inference(model: Any) -> Any:
    """Fix a model at inference: Keras' export calls it without saying whether it trains.

    Layers such as `Resizing` and `RandomFlip` train unless told otherwise, and Keras hands that on to every layer after
    them, whose BatchNorm would then take the statistics of the batch.
    """
    from featx.networks.quiet_keras import keras

    (pixels,) = model.inputs
    return keras.Model(pixels, model(pixels, training=False))


def _signature(model: Any) -> Any:
    from featx.networks.quiet_keras import keras

    return keras.InputSpec(shape=(BATCH, *model.inputs[0].shape[1:]), dtype="uint8")


def as_it_was(passing: Path) -> list[np.ndarray]:
    """Run the graph that Keras' OpenVINO backend wrote, channels last."""
    with _told(), _calling:
        from featx.networks.quiet_openvino import openvino

        model = openvino.Core().compile_model(passing / RAW, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        answer = model([noise(list(model.input().shape)[1:])])
        return [answer[place].copy() for place in range(len(answer))]


def _by_keras(model: Any) -> list[np.ndarray]:
    with _told():
        from featx.networks.quiet_keras import ops

        outputs = model(noise(model.inputs[0].shape[1:]), training=False)
        return [
            ops.convert_to_numpy(values)
            for values in (outputs if isinstance(outputs, list | tuple) else [outputs])
        ]


def _only_outputs(graph: Any, count: int) -> Any:
    """Drop what Keras' export adds to the outputs, one result for every swish, and undo its order, 1, 10, 11, 2."""
    named = {name: result for result in graph.get_results() for name in result.output(0).get_names()}
    results = [named["Identity:0"], *(named[f"Identity_{place}:0"] for place in range(1, count))]
    from featx.networks.quiet_openvino import openvino

    return openvino.Model([result.input_value(0) for result in results], graph.get_parameters(), "featx")


def _compare(expected: list[np.ndarray], run: Iterable[list[np.ndarray]]) -> None:
    own = [np.concatenate(parts) for parts in zip(*run, strict=True)]
    for theirs, vectors in zip(expected, own, strict=True):
        # squares of numbers below 1e-12, as untrained networks give, leave the range of float32
        distance = float(np.abs(vectors - theirs).max() / max(np.abs(theirs).max(), 1e-12))
        if not distance <= TOLERANCE:
            raise ExportError(f"its numbers differ from those of Keras by {distance:.1e}")

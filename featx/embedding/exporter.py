"""What the process beside a run does: describe a network and export it, by Keras' OpenVINO backend alone.

Reads a request from each line of its input, in JSON, and writes the reply as a line; see `featx.embedding.beside`.
"""

import json
import os
import sys
import threading
from collections.abc import Iterator
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import LazyLoader
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from featx.errors import ExportError, InputError

LAYERS = {
    "Activation", "Add", "Average", "AveragePooling2D", "BatchNormalization", "Concatenate", "Conv2D", "Cropping2D",
    "Dense", "DepthwiseConv2D", "Dropout", "ELU", "Flatten", "GlobalAveragePooling2D", "GlobalMaxPooling2D", "Identity",
    "InputLayer", "LayerNormalization", "LeakyReLU", "MaxPooling2D", "Maximum", "Minimum", "Multiply", "Normalization",
    "PReLU", "Permute", "ReLU", "Rescaling", "Reshape", "SeparableConv2D", "Softmax", "SpatialDropout2D",
    "Subtract", "ZeroPadding2D",
}  # fmt: skip
"""The layers of Keras that a network of one's own may have here: tests hold each, in many settings, against Keras on
TensorFlow. The OpenVINO backend of Keras is young (`Resizing` to the nearest pixel takes another one than elsewhere),
and both graphs that `export` compares come from it."""
ACTIVATIONS = {
    "elu", "gelu", "hard_sigmoid", "hard_silu", "leaky_relu", "linear", "relu", "relu6", "selu", "sigmoid", "silu",
    "softmax", "softplus", "tanh",
}  # fmt: skip
"""The activations, likewise."""
IDLE = 60.0
"""Seconds after the last request after which the process ends by itself."""


NEEDLESS = {"tensorflow", "jax", "torch", "matplotlib", "pandas", "sklearn", "openvino_telemetry"}
"""What Keras and OpenVINO would load where it is installed, and do without: other backends to write down a
configuration, what draws, wrappers of scikit-learn."""
LATER = {"scipy.signal"}
"""What Keras' OpenVINO backend imports for spectrograms: half of the start, with all of `scipy.stats`."""


class _Finder(MetaPathFinder):
    """Hides what is needless, and loads on first use what is hardly ever used."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if name in NEEDLESS:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        spec = PathFinder.find_spec(name, path, target) if name in LATER else None
        if spec and spec.loader:
            spec.loader = LazyLoader(spec.loader)
        return spec


def main() -> None:
    """Answer requests until the input ends."""
    sys.meta_path.insert(0, _Finder())
    requests = _requests()
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as replies:
        os.dup2(2, 1)  # what libraries print is no reply
        from featx.networks.quiet_openvino import openvino  # noqa: F401, I001 - Keras does not say if it is missing
        from featx.networks.quiet_keras import keras  # noqa: F401 - takes longest, and is needed in any case

        for request in requests:
            try:
                reply = answer(request)
            except OSError as error:
                reply = {"unwritten": error.strerror or str(error)}
            except InputError as error:
                reply = {"unfit": str(error)}
            except Exception as error:  # noqa: BLE001 - whatever it is, the other process goes on without this one
                first, *_ = str(error).splitlines() or [""]
                reply = {"reason": f"{type(error).__name__}: {first}"}
            replies.write(json.dumps({"number": request["number"], **reply}) + "\n")
            replies.flush()


def _requests() -> Iterator[dict[str, Any]]:
    """Give the requests as they come, until none has come for long.

    They are read by a thread of its own, which ends the process at once where the other one has ended: nobody waits for
    what is being done.
    """
    lines: SimpleQueue[str] = SimpleQueue()

    def read() -> None:
        for line in sys.stdin:
            lines.put(line)
        os._exit(0)

    threading.Thread(target=read, daemon=True).start()

    def requests() -> Iterator[dict[str, Any]]:
        while True:
            try:
                yield json.loads(lines.get(timeout=IDLE))
            except Empty:
                return

    return requests()


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Answer one request: describe a network, write its graph, or run what Keras wrote of it."""
    import numpy as np

    from featx.cache.identity import image_id
    from featx.embedding.keras_engine import KerasEngine
    from featx.embedding.openvino_engine import VECTORS, as_it_was, write
    from featx.embedding.plan import Choices, resolve

    passing = Path(request.get("passing", ""))
    if request["do"] == "run":
        with (passing / VECTORS).open("wb") as file:
            np.savez(file, *as_it_was(passing))
        return {"done": True}

    def content(path: Path) -> bytes:
        return image_id(path.read_bytes())

    plan = resolve(Choices(**request["choices"]), content)
    if plan.key != request["key"]:
        raise ExportError("its file changed meanwhile")
    if plan.row is None:
        _refuse_unknown(plan)
    if request["do"] == "describe":
        return {"answer": plan.answer}
    taps = {tap.recipe_id: tap for tap in plan.taps}
    graph = plan.graph("float32")
    wanted = [taps[recipe] for recipe in request["recipes"]]
    model = KerasEngine(graph, [(graph.at(tap.layer), tap.pooling) for tap in wanted], batch_size=1).model
    write(model, Path(request["draft"]), passing)
    return {"done": True}


def _refuse_unknown(plan: Any) -> None:
    """Leave networks with other layers than the tests know to Keras on TensorFlow."""
    graph = plan.graph(plan.precision)
    for tensor in graph.tensors:
        layer, kind = tensor.layer, type(tensor.layer)
        activation = getattr(getattr(layer, "activation", None), "__name__", "linear")
        if (
            not kind.__module__.startswith("keras.")
            or kind.__name__ not in LAYERS
            or activation not in ACTIVATIONS
        ):
            raise InputError(f"layer {tensor.name!r} ({kind.__name__}) is not known to work")

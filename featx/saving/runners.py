"""What runs an exported graph: OpenVINO, ONNX Runtime or Keras, from bytes that were checked."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from featx.errors import InputError, SavedModelError

Runner = Callable[[np.ndarray], np.ndarray]


def _onnx(contents: list[bytes], folder: Path) -> Runner:
    _need("onnxruntime", folder)
    import onnxruntime

    with _readable(folder):
        session = onnxruntime.InferenceSession(contents[0], providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name
    return lambda pixels: np.asarray(session.run(None, {name: pixels})[0])


def _openvino(contents: list[bytes], folder: Path) -> Runner:
    _need("openvino", folder)
    from featx.networks.quiet_openvino import openvino

    with _readable(folder):
        core = openvino.Core()
        # OpenVINO's own precision depends on the processor, so it is told
        settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
        model = core.compile_model(core.read_model(*contents), "CPU", settings)
    request = model.create_infer_request()
    return lambda pixels: np.array(request.infer([pixels])[0])


def _keras(contents: list[bytes], folder: Path) -> Runner:
    _need("keras", folder)
    from featx.networks.quiet_keras import keras

    with _readable(folder), tempfile.TemporaryDirectory(prefix="featx-") as passing:
        path = Path(passing) / "model.keras"  # what was checked, whatever happens to the folder meanwhile
        path.write_bytes(contents[0])
        model = keras.saving.load_model(path, compile=False)
    return lambda pixels: np.asarray(model.predict_on_batch(pixels))


RUNNERS: dict[str, Callable[[list[bytes], Path], Runner]] = {
    "onnx": _onnx,
    "openvino": _openvino,
    "keras": _keras,
}


def _need(package: str, folder: Path) -> None:
    if find_spec(package) is None:
        raise InputError(
            f"{str(folder)!r} needs {package}, which is not installed. Run pip install {package}, or export the model "
            "in another format."
        )


@contextmanager
def _readable(folder: Path) -> Iterator[None]:
    """Tell whatever a graph makes its reader raise."""
    try:
        yield
    except Exception as error:
        first, *_ = str(error).splitlines() or [""]
        raise SavedModelError(
            f"The graph in {str(folder)!r} cannot be read: {type(error).__name__}: {first}. Export the model again."
        ) from error

"""A graph of OpenVINO brought from float32 to int8 by NNCF; run as a program, in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from featx.errors import ExportError

WEIGHTED = ("Convolution", "GroupConvolution", "MatMul")
"""What is computed at int8: nearly all multiply-adds. All else stays float32, pooling above all: so a tap has the same
numbers whichever other taps are computed with it, to the bit."""
_FLOAT, _INT8, _PIXELS = "float32.xml", "int8.xml", "pixels.npy"


def quantise(folder: Path) -> Path:
    """Bring a graph to int8 in another process, since NNCF prints, asks for consent to be counted, and is large.

    Parameters
    ----------
    folder
        Where `hand_over` put the graph and the images.

    Returns
    -------
    pathlib.Path
        The graph, in the same folder.

    Raises
    ------
    ExportError
        If NNCF cannot.
    """
    command = [sys.executable, "-m", __name__, str(folder)]
    silent = {
        **os.environ,
        "NNCF_CI": "1",
        "CI": "true",
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=silent)  # noqa: S603 - itself
    if done.returncode:
        said = done.stderr.strip().rpartition("\n")[2]
        raise ExportError(f"NNCF cannot bring it to int8: {said or done.returncode}")
    return folder / _INT8


def hand_over(graph: Any, pixels: np.ndarray, folder: Path) -> None:
    """Write what `quantise` reads: a float32 graph of OpenVINO, and uint8 pixels (n, h, w, 3)."""
    from featx.networks.quiet_openvino import openvino

    openvino.save_model(graph, folder / _FLOAT, compress_to_fp16=False)
    np.save(folder / _PIXELS, pixels)


def saturates() -> bool:
    """Tell whether this processor adds products of 8 bits in 16, which do not hold them; no VNNI, for x86.

    Asked by a product: no list of processors would stay complete. On such a processor a vector was off by 0.3 of the
    largest number, against 0.03 between processors that have it.
    """
    from openvino import opset13 as ops

    from featx.networks.quiet_openvino import openvino

    channels = 64
    pixels = ops.parameter([1, channels, 8, 8], np.float32)
    ends = [ops.constant(np.full((1, 1, 1, 1), value, np.float32)) for value in (0, 255, 0, 255)]
    ones = ops.constant(np.ones((channels, 1, 1, 1), np.float32))
    kernel = ops.convert(ops.constant(np.full((channels, channels, 1, 1), 127, np.int8)), np.float32)
    sums = ops.convolution(
        ops.fake_quantize(pixels, *ends, 256), ops.multiply(kernel, ones), [1, 1], [0, 0], [0, 0], [1, 1]
    )
    settings = {"INFERENCE_PRECISION_HINT": "f32"}
    model = openvino.Core().compile_model(openvino.Model([sums], [pixels], "sum"), "CPU", settings)
    (found,) = model([np.full((1, channels, 8, 8), 255, np.float32)]).values()
    return bool(abs(found.max() / (channels * 127 * 255) - 1) > 0.01)


def _quantise(folder: Path) -> None:
    import nncf

    from featx.networks.quiet_openvino import openvino

    graph = openvino.Core().read_model(folder / _FLOAT)
    batch, *shape = graph.input().partial_shape
    graph.reshape([1, *shape])
    kept = {"Constant", "Parameter", "Result", *WEIGHTED}
    float32 = [node.get_friendly_name() for node in graph.get_ops() if node.get_type_name() not in kept]
    pixels = np.load(folder / _PIXELS)
    quantised = nncf.quantize(
        graph,
        nncf.Dataset([image[None] for image in pixels]),
        subset_size=len(pixels),
        ignored_scope=nncf.IgnoredScope(names=float32),
    )
    quantised.reshape([batch, *shape])
    openvino.save_model(quantised, folder / _INT8, compress_to_fp16=False)


if __name__ == "__main__":
    _quantise(Path(sys.argv[1]))

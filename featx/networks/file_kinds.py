"""What a file is that is given as a network: a Keras model, or something else, and then what to do."""

import json
import os
import zipfile
from pathlib import Path
from typing import Any

from featx.errors import WeightsError

SUFFIXES = (".keras", ".h5", ".hdf5")
"""How the names of files end that Keras writes."""
_OTHERS = (
    ".pb",
    ".tflite",
    ".onnx",
    ".pt",
    ".pth",
    ".safetensors",
    ".json",
    ".npz",
    ".zip",
    ".ckpt",
    ".pkl",
    ".bin",
)
_AS_KERAS = 'Save the model it was made from with Keras, model.save("net.keras"), and give that file.'
_AGAIN = "Download or copy it again."
_AS_WEIGHTS = (
    "Name the network and give the file as its weights: weights='{path}' in Python, "
    "--weights {path} in the shell."
)
_KINDS = {
    "pointer": ("is a pointer of Git LFS, not the file itself", "Run git lfs pull in its folder."),
    "page": ("is a web page, not a model", _AGAIN),
    "empty": ("is empty", _AGAIN),
    "weights": ("holds weights and no network", _AS_WEIGHTS),
    "savedmodel": ("is a TensorFlow SavedModel, whose layers cannot be seen from outside", _AS_KERAS),
    "tfjs": ("is a model for TensorFlow.js", _AS_KERAS),
    "tflite": ("is a TensorFlow Lite model", _AS_KERAS),
    "onnx": ("is an ONNX model", _AS_KERAS),
    "torch": ("is a file of PyTorch, not a Keras model", _AS_WEIGHTS),
    "safetensors": ("holds weights and no network", _AS_WEIGHTS),
    "packed": ("is a zip file with '{inner}' in it", "Unpack it and give that file."),
    "unpacked": ("is an unpacked .keras file", "Give the .keras file itself."),
    "folder": ("is a folder", "Give a .keras or .h5 file."),
    "unknown": ("is no Keras model", "Give a .keras or .h5 file that model.save has written."),
}
"""What a file is that cannot be loaded, and what to do."""


def is_file(backbone: Any) -> bool:
    """Tell whether a backbone is given as a file or folder, and not by its name or as a model.

    Examples
    --------
    >>> [is_file(given) for given in ("net.keras", "old.H5", "models/net", "mobilenet_0.25", None)]
    [True, True, True, False, False]
    """
    if not isinstance(backbone, str | os.PathLike):
        return False
    path = Path(backbone)
    return path.suffix.lower() in {*SUFFIXES, *_OTHERS} or len(path.parts) > 1 or path.expanduser().is_dir()


def config_of(path: Path) -> Any:
    """Read the configuration of a model from its file; None where there is none."""
    try:
        with zipfile.ZipFile(path) as file:
            return json.loads(file.read("config.json"))
    except (OSError, ValueError, KeyError, RecursionError, zipfile.BadZipFile):
        pass
    import h5py

    try:
        with h5py.File(path) as opened:
            return json.loads(opened.attrs["model_config"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def kind_of(path: Path) -> str:
    """Tell how a file holds a Keras model, by its content: as a ``zip`` or as ``hdf5``.

    Raises
    ------
    WeightsError
        If it is something else, or a folder. The message says what it is and what to do.
    """
    if (kind := _kind(path)) in _KINDS:
        what, do = (text.format(path=path, inner=_packed(path)) for text in _KINDS[kind])
        raise WeightsError(f"{path} {what}. {do}")
    return kind


def _kind(path: Path) -> str:
    """Tell what a file is by its content: ``zip`` and ``hdf5`` can be loaded, the others stand in `_KINDS`."""
    if path.is_dir():
        return _kind_of_folder({entry.name for entry in path.iterdir()})
    if zipfile.is_zipfile(path):
        names = zipfile.ZipFile(path).namelist()
        torch = any(name.endswith("data.pkl") for name in names)
        return (
            "zip"
            if "config.json" in names
            else "torch"
            if torch
            else "packed"
            if _packed(path)
            else "unknown"
        )
    with path.open("rb") as opened:
        head = opened.read(1024)
    if head.startswith(b"\x89HDF"):
        return "weights" if config_of(path) is None else "hdf5"
    text, suffix = head.lstrip().lower(), path.suffix.lower()
    marks = {
        "empty": not head,
        "pointer": text.startswith(b"version https://git-lfs"),
        "page": text.startswith((b"<!doctype html", b"<html")),
        "tfjs": b'"modelTopology"' in head or b'"weightsManifest"' in head,
        "tflite": head[4:8] == b"TFL3",
        "onnx": suffix == ".onnx",
        "savedmodel": suffix == ".pb",
        "safetensors": head[8:9] == b"{" and b'"dtype"' in head,
        "torch": head.startswith(b"\x80") and suffix in {".pt", ".pth", ".pkl", ".bin", ".ckpt"},
    }
    return next((kind for kind, found in marks.items() if found), "unknown")


def _kind_of_folder(names: set[str]) -> str:
    marks = {"saved_model.pb": "savedmodel", "model.json": "tfjs", "model.weights.h5": "unpacked"}
    return next((kind for name, kind in marks.items() if name in names), "folder")


def _packed(path: Path) -> str | None:
    """Name the Keras model in a zip file, as Teachable Machine gives one."""
    if not zipfile.is_zipfile(path):
        return None
    return next((name for name in zipfile.ZipFile(path).namelist() if Path(name).suffix in SUFFIXES), None)

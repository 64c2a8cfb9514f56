"""An exported model: one graph and what stands beside it, run by OpenVINO, ONNX Runtime or Keras alone.

Nothing here imports scikit-learn, Keras or TensorFlow, unless the graph is Keras' own.
"""

import json
import os
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from featx.embedding.held import held
from featx.embedding.progress import images_bar
from featx.errors import BadImage, ImageError, SavedModelError, UnfitFileError
from featx.files import read_file
from featx.images.loading import bad_image, in_parts, load
from featx.images.resizing import RULES
from featx.images.sources import as_sources
from featx.saving.replacing import check_folder
from featx.saving.runners import RUNNERS

FORMAT = 1
"""Of ``exported.json``; a reader refuses higher ones."""
FILES = {"onnx": ("model.onnx",), "openvino": ("model.xml", "model.bin"), "keras": ("model.keras",)}
"""The files of each kind of graph."""
MANIFEST = "exported.json"
LARGEST = 1 << 32
"""Bytes that a graph may have."""
CHUNK = 8
"""Images that the graph is given at a time."""
ANSWERS = ("one label", "several labels", "numbers")
KINDS = ("probabilities", "scores", "numbers")

_LONGEST_MANIFEST = 1 << 26  # bytes: it names the classes
_COPY = "An exported model is read from files of its own only: copy them, or export the model again."


class ExportedModel:
    """What `load_exported` gives: it predicts as the pipeline did that was exported.

    It reads images as a `FeatureExtractor` does: paths, encoded files, Pillow images or arrays.
    """

    def __init__(self, folder: Path, manifest: Mapping[str, Any], n_jobs: int | None = None) -> None:
        self.manifest = manifest
        """What ``exported.json`` says."""
        self.n_jobs = n_jobs
        self.verbose: int | None = 0
        self._run = RUNNERS[manifest["graph"]](_contents(folder, manifest), folder)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of what the graph takes, in pixels."""
        _, height, width, _ = self.manifest["input"]["shape"]
        return height, width

    @property
    def classes_(self) -> np.ndarray:
        """The labels; for several labels the numbers of their columns."""
        output = self.manifest["output"]
        if output["answers"] == "numbers":
            raise AttributeError("This model predicts numbers, so it has no classes_.")
        return np.array(range(output["columns"]) if output["labels"] is None else output["labels"])

    def run(self, pixels: np.ndarray) -> np.ndarray:
        """Run the graph on pixels.

        Parameters
        ----------
        pixels
            (n, height, width, 3) uint8.

        Returns
        -------
        array
            (n, columns) float32, as the graph gives them.
        """
        parts = [self._run(pixels[start : start + CHUNK]) for start in range(0, len(pixels), CHUNK)]
        return (
            np.concatenate(parts) if parts else np.zeros((0, self.manifest["output"]["columns"]), np.float32)
        )

    def outputs(self, X: Any) -> np.ndarray:
        """Read images and run the graph on them.

        Parameters
        ----------
        X
            Images.

        Returns
        -------
        array
            (n, columns) float32, as the graph gives them.

        Raises
        ------
        ImageError
            If images cannot be read; names all of them.
        """
        sources = as_sources(X)

        def compute() -> tuple[np.ndarray, list[BadImage]]:
            rows: list[np.ndarray] = []
            bad: list[BadImage] = []
            parts = load(in_parts(sources), self.size, self.manifest["input"]["resize"], n_jobs=self.n_jobs)
            with images_bar(len(sources), "predict", self.verbose) as bar:
                for pixels, reasons in parts:
                    start = sum(map(len, rows))
                    rows.append(self.run(pixels))
                    bad += [bad_image(start + at, sources[start + at], why) for at, why in reasons.items()]
                    bar.update(len(pixels))
            return np.concatenate(rows), bad

        found, bad = held(sources, lambda: id(self), compute)
        if bad:
            raise ImageError(bad, len(sources))
        return found

    def predict(self, X: Any) -> np.ndarray:
        """Predict.

        Parameters
        ----------
        X
            Images.

        Returns
        -------
        array
            Labels (n,); for several labels 0 and 1, (n, k); numbers (n,) or (n, k).
        """
        return self._decode(self.outputs(X))

    def _decode(self, found: np.ndarray) -> np.ndarray:
        output = self.manifest["output"]
        if output["answers"] == "numbers":
            return found[:, 0] if output["columns"] == 1 else found
        if output["answers"] == "several labels":
            return (found > (0.5 if output["kind"] == "probabilities" else 0)).astype(np.int64)
        return np.asarray(
            self.classes_[(found[:, 0] > 0).astype(int) if found.shape[1] == 1 else found.argmax(axis=1)]
        )


class ExportedClassifier(ExportedModel):
    """An exported model that gives probabilities."""

    def predict_proba(self, X: Any) -> np.ndarray:
        """Give probabilities.

        Parameters
        ----------
        X
            Images.

        Returns
        -------
        array
            (n, n_classes), whose rows sum to 1; or for several labels (n, n_labels), each by itself.
        """
        return self.outputs(X)


def load_exported(folder: str | os.PathLike[str]) -> ExportedModel:
    """Load a model that `export_model` wrote. Nothing in the folder is unpickled.

    Parameters
    ----------
    folder
        The folder.

    Returns
    -------
    ExportedModel
        With ``predict`` and, where the graph gives probabilities, ``predict_proba``.

    Raises
    ------
    SavedModelError
        If the folder is incomplete or damaged, or of a newer format.
    InputError
        If what runs the graph is not installed.
    """
    folder = Path(folder).absolute()
    manifest = read_manifest(folder)
    gives = manifest["output"]["kind"] == "probabilities"
    return (ExportedClassifier if gives else ExportedModel)(folder, manifest)


def is_exported(folder: Path) -> bool:
    """Tell whether a folder holds an exported model."""
    return (folder / MANIFEST).is_file()


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read and check ``exported.json``.

    Raises
    ------
    SavedModelError
        If it is missing, damaged, or of a newer format.
    """
    path = folder / MANIFEST
    try:
        found = json.loads(read_file(path, _LONGEST_MANIFEST))
    except (FileNotFoundError, NotADirectoryError):
        raise SavedModelError(
            f"{str(folder)!r} is not an exported model: it has no {MANIFEST}. Give the folder that was given to "
            "export_model."
        ) from None
    except UnfitFileError as error:
        raise SavedModelError(f"{str(path)!r} {error.reason}. {_COPY}") from error
    except (ValueError, RecursionError) as error:
        raise SavedModelError(f"{str(path)!r} is damaged: {error}. Export the model again.") from error
    number = found.get("format") if isinstance(found, dict) else None
    if isinstance(number, int) and not isinstance(number, bool) and number > FORMAT:
        raise SavedModelError(
            f"{str(folder)!r} has format {number}; this featx reads up to {FORMAT}. Install a newer featx."
        )
    if not _sound(found):
        raise SavedModelError(f"{str(path)!r} is not what export_model wrote. Export the model again.")
    return dict(found)


def _sound(found: Any) -> bool:
    try:
        _, height, width, channels = found["input"]["shape"]
        labels, columns = found["output"]["labels"], found["output"]["columns"]
        return bool(
            found["format"] == FORMAT
            and found["graph"] in FILES
            and set(found["files"]) == set(FILES[found["graph"]])
            and all(type(side) is int and 0 < side <= 1 << 14 for side in (height, width))
            and channels == 3
            and found["input"]["resize"] in RULES
            and found["output"]["kind"] in KINDS
            and found["output"]["answers"] in ANSWERS
            and type(columns) is int
            and columns > 0
            and (found["output"]["answers"] == "one label") == isinstance(labels, list)
            and (labels is None or len(labels) == max(columns, 2))
            and all(isinstance(label, str | int | float) for label in labels or ())
        )
    except (KeyError, TypeError, ValueError):
        return False


def _contents(folder: Path, manifest: Mapping[str, Any]) -> list[bytes]:
    """Read the files of the graph, which are those that were written."""
    contents = []
    for name in FILES[manifest["graph"]]:
        path = folder / name
        try:
            content = read_file(path, LARGEST)
        except UnfitFileError as error:
            raise SavedModelError(f"{str(path)!r} {error.reason}. {_COPY}") from error
        except OSError as error:
            raise SavedModelError(
                f"{str(path)!r} cannot be read: {error.strerror}. Export the model again."
            ) from error
        if sha256(content).hexdigest() != manifest["files"][name]:
            raise SavedModelError(
                f"{str(path)!r} is damaged: its SHA-256 is not what {MANIFEST} says. Copy or export it again."
            )
        contents.append(content)
    return contents


def check_place(folder: Path, *, overwrite: bool) -> None:
    """Refuse a folder that `export_model` would not write.

    Raises
    ------
    SavedModelError
        If it exists and is not to be replaced, or is something else than an exported model.
    """
    check_folder(
        folder, lambda: {MANIFEST, *read_manifest(folder)["files"]}, "an exported model", overwrite=overwrite
    )

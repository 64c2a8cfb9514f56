"""Embeddings as one plain file that needs no featx to read."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from featx.errors import InputError, UnknownNameError

FORMATS = (".h5", ".npz", ".parquet", ".csv")


def write_embeddings(
    path: str | Path, embeddings: np.ndarray, paths: Sequence[str], columns: Sequence[str], labels: Any = None
) -> Path:
    """Write embeddings, one row for each image.

    ========== ===================================================================================
    suffix     what is in it
    ========== ===================================================================================
    .h5        data sets ``embedding`` (n, d), ``path`` (n,), ``column`` (d,) and, if given, ``label``
    .npz       arrays of the same names
    .parquet   a table with the columns ``path``, ``label`` and one for each number
    .csv       the same
    ========== ===================================================================================

    Parameters
    ----------
    path
        Where to; an existing file is replaced, whole or not at all.
    embeddings
        (n, d) float32.
    paths
        n names of images.
    columns
        d names.
    labels
        (n,), or None.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    UnknownNameError
        If the suffix is none of the four.
    InputError
        If the folder cannot be written to.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> file = write_embeddings(f"{mkdtemp()}/e.csv", np.eye(2, dtype="float32"), ["a.png", "b.png"], ["x", "y"])
    >>> print(file.read_text().strip())
    path,x,y
    a.png,1.0,0.0
    b.png,0.0,1.0
    """
    path = Path(path)
    if path.suffix not in FORMATS:
        raise UnknownNameError("format", path.suffix or path.name, FORMATS)
    temporary = path.with_name(f".{path.name}.partial{path.suffix}")
    try:
        _WRITERS[path.suffix](temporary, embeddings, np.asarray(paths, str), np.asarray(columns, str), labels)
        temporary.replace(path)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error}") from error
    finally:
        temporary.unlink(missing_ok=True)
    return path


def _arrays(
    embeddings: np.ndarray, paths: np.ndarray, columns: np.ndarray, labels: Any
) -> dict[str, np.ndarray]:
    arrays = {"embedding": embeddings, "path": paths, "column": columns}
    return arrays if labels is None else {**arrays, "label": np.asarray(labels)}


def _write_h5(path: Path, *parts: Any) -> None:
    import h5py

    with h5py.File(path, "w") as file:
        for name, array in _arrays(*parts).items():
            text = array.dtype.kind in "UO"
            file.create_dataset(
                name,
                data=array.astype(object) if text else array,
                dtype=h5py.string_dtype() if text else None,
            )


def _write_npz(path: Path, *parts: Any) -> None:
    arrays = {
        name: array.astype(str) if array.dtype.kind == "O" else array
        for name, array in _arrays(*parts).items()
    }
    np.savez(path, allow_pickle=False, **arrays)


def _frame(embeddings: np.ndarray, paths: np.ndarray, columns: np.ndarray, labels: Any) -> Any:
    import pandas as pd

    frame = pd.DataFrame(embeddings, columns=columns)
    if labels is not None:
        frame.insert(0, "label", labels)
    frame.insert(0, "path", paths)
    return frame


_WRITERS: dict[str, Callable[..., None]] = {
    ".h5": _write_h5,
    ".npz": _write_npz,
    ".parquet": lambda path, *parts: _frame(*parts).to_parquet(path, index=False),
    ".csv": lambda path, *parts: _frame(*parts).to_csv(path, index=False),
}

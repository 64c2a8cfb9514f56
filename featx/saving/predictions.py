"""Answers of a model as a file, which is written as they come and appears whole or not at all."""

import csv
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from featx.errors import FeatxError, InputError, UnknownNameError
from featx.files import ending, make_folder, whole_file
from featx.saving.answers import Answers
from featx.text import encodable, to_cell, to_json

FORMATS = (".csv", ".parquet", ".jsonl")


def records(found: Answers, top: int | None = None) -> Iterator[dict[str, Any]]:
    """Give each image's answer as JSON has it.

    Parameters
    ----------
    found
        The answers.
    top
        As for `Answers.columns`.

    Examples
    --------
    >>> found = Answers(["a.png"], np.array(["bee"]), [np.array([[0.25, 0.75]])], [["ant", "bee"]])
    >>> next(records(found))
    {'path': 'a.png', 'prediction': 'bee', 'probability': 0.75, 'probabilities': {'ant': 0.25, 'bee': 0.75}}
    >>> next(records(found, top=1))["top"]
    [{'prediction': 'bee', 'probability': 0.75}]
    """
    columns = {name: column.tolist() for name, column in found.columns(top).items()}
    for row, path in enumerate(found.names()):
        one: dict[str, Any] = {"path": path}
        if found.predictions.ndim == 2:
            for kind in ("prediction", "probability"):
                values = [column[row] for name, column in columns.items() if name.startswith(f"{kind}_")]
                one |= {kind: values} if values else {}
        else:
            one |= {name: columns[name][row] for name in ("prediction", "probability") if name in columns}
            if top is not None:
                pairs = zip(list(columns.values())[::2], list(columns.values())[1::2], strict=True)
                one["top"] = [{"prediction": said[row], "probability": chance[row]} for said, chance in pairs]
            elif found.probabilities:
                one["probabilities"] = dict(
                    zip(map(str, found.classes[0]), found.probabilities[0][row].tolist(), strict=True)
                )
        yield one


@contextmanager
def writing(path: Path, top: int | None = None) -> Iterator[Callable[[Answers], None]]:
    """Write a file of answers: what is given is called with each block of them, and the file appears when all is done.

    Parameters
    ----------
    path
        ``.csv``, ``.parquet`` or ``.jsonl``: a row or a line for each image. An existing file is replaced.
    top
        As for `Answers.columns`.

    Raises
    ------
    UnknownNameError
        If the suffix is none of the three.
    InputError
        If it cannot be written, or a package is missing for it.
    """
    check_suffix(path)
    try:
        make_folder(path.absolute().parent)
        with whole_file(path.absolute()) as draft, _WRITERS[path.suffix.lower()](draft.file, top) as write:
            yield write
    except FeatxError:  # some are OSErrors, too
        raise
    except OSError as error:
        raise InputError(f"{str(path)!r} cannot be written: {error.strerror or error}.") from error


def check_suffix(path: Path) -> None:
    """Refuse a name whose suffix is no format, or one whose package is missing."""
    suffix = ending(path, FORMATS)
    if suffix not in FORMATS:
        raise UnknownNameError("format", path.suffix or path.name, FORMATS)
    if suffix == ".parquet" and find_spec("pyarrow") is None:
        raise InputError(
            f"{str(path)!r} needs pyarrow, which is not installed. Run pip install pyarrow, or give a .csv."
        )


@contextmanager
def _csv(file: BinaryIO, top: int | None) -> Iterator[Callable[[Answers], None]]:
    text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
    table = csv.writer(text)
    begun = False

    def write(found: Answers) -> None:
        nonlocal begun
        columns = {"path": found.names(), **found.columns(top)}
        if not begun:
            table.writerow(map(to_cell, columns))
        begun = True
        listed = [np.asarray(column, object).tolist() for column in columns.values()]
        for row in zip(*listed, strict=True):
            table.writerow([to_cell(cell) if isinstance(cell, str) else cell for cell in row])

    yield write
    text.detach()


@contextmanager
def _parquet(file: BinaryIO, top: int | None) -> Iterator[Callable[[Answers], None]]:
    import pyarrow as pa
    from pyarrow import parquet

    writer: Any = None

    def write(found: Answers) -> None:
        nonlocal writer
        columns = {"path": np.asarray(found.names(), object), **found.columns(top)}
        arrays = {encodable(name): _plain(column) for name, column in columns.items()}
        table = pa.table(arrays, schema=None if writer is None else writer.schema)
        writer = writer or parquet.ParquetWriter(file, table.schema)
        writer.write_table(table)

    try:
        yield write
    finally:
        if writer is not None:
            writer.close()


def _plain(column: np.ndarray) -> Any:
    if column.dtype.kind not in "UO":
        return column
    return [encodable(one) if isinstance(one, str) else one for one in column.tolist()]


@contextmanager
def _jsonl(file: BinaryIO, top: int | None) -> Iterator[Callable[[Answers], None]]:
    yield lambda found: file.writelines(f"{to_json(one)}\n".encode() for one in records(found, top))


_WRITERS = {".csv": _csv, ".parquet": _parquet, ".jsonl": _jsonl}

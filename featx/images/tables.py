"""Labelled images listed from a table that has one row per image."""

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from featx.errors import InputError
from featx.images.folders import ImageTable, objects
from featx.images.sources import Unreadable, unpacked
from featx.text import from_cell, shown, undecoded

IMAGE_COLUMNS = frozenset(
    {
        "file",
        "filename",
        "filepath",
        "fname",
        "image",
        "imagefile",
        "imagename",
        "imagepath",
        "img",
        "imgpath",
        "path",
    }
)
"""Column names taken for the images' when none is given; case, spaces, ``_`` and ``-`` do not matter."""


def load_table(
    table: Any,
    *,
    image: str | None = None,
    label: str | Sequence[str] | None = None,
    root: str | os.PathLike[str] | None = None,
    missing: Literal["raise", "keep"] = "raise",
) -> ImageTable:
    """List the images of a table that has one row per image.

    Parameters
    ----------
    table
        The path of a ``.csv``, ``.tsv`` or ``.parquet`` file, or a pandas, polars or Arrow frame.
    image
        The column of the paths. Default: the only one whose name is in `IMAGE_COLUMNS`. In Parquet and in
        frames it may hold encoded files (bytes) instead.
    label
        The column of the labels, or a list of columns for several labels per image. Default: no labels.
    root
        The folder that relative paths start from. Default: the folder of the table, or the working folder for
        a frame.
    missing
        Files that are not there: ``"raise"``, or ``"keep"`` and let the extractor's `on_error` decide.

    Returns
    -------
    ImageTable
        In the order of the table.

    Raises
    ------
    InputError
        If the table cannot be read, a column is not in it or cannot be told, a path or a label is empty, or
        files are missing.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"path": ["a.jpg", "b.jpg"], "price": [1.5, 2.0]})
    >>> load_table(frame, label="price", root="shop", missing="keep")
    ImageTable(2 images, labels are numbers)
    """
    frame, column, name = _frame(table, image)
    several = label is not None and not isinstance(label, str)
    wanted = list(label or ()) if several else [label] * (label is not None)
    for given in [column, *wanted]:
        if given not in frame.columns:
            raise InputError(f"{name} has no column {given!r}. It has {_quoted(frame.columns)}.")
        nothing = np.array([isinstance(unpacked(cell), Unreadable) for cell in frame[given]], bool)
        if empty := np.flatnonzero(frame[given].isna().to_numpy() | nothing).tolist():
            raise InputError(
                f"Column {given!r} of {name} is empty in row {_some(empty)} (the first row is 0)."
            )
    if root is None:
        root = Path(table).parent if isinstance(table, str | os.PathLike) else Path()
    paths = objects(_place(cell, root) for cell in frame[column])
    if missing == "raise":
        _check_files(paths, f"column {column!r} of {name}")
    if not wanted:
        return ImageTable(paths, None, (), {})
    for given in wanted:
        _refuse_lists(frame, given, name)
    columns = [np.array(frame[given].tolist()) for given in wanted]
    if several:
        return ImageTable(paths, np.column_stack(columns), tuple(wanted), {})
    classes = () if columns[0].dtype.kind == "f" else tuple(np.unique(columns[0]).tolist())
    return ImageTable(paths, columns[0], classes, {})


def _frame(table: Any, image: str | None) -> tuple[Any, str, str]:
    """Give the pandas frame of a table, the column of its images, and what to call the table."""
    import pandas as pd

    if not isinstance(table, str | os.PathLike):
        frame = table.to_pandas() if hasattr(table, "to_pandas") else table
        if not isinstance(frame, pd.DataFrame):
            raise InputError(
                f"A {type(table).__name__} is not a table: give a path or a pandas, polars or Arrow frame."
            )
        return frame, image or _image_column(frame.columns, "the frame"), "the frame"
    name, ending = repr(os.fspath(table)), Path(table).suffix.lower()
    if ending not in {".csv", ".tsv", ".parquet"}:
        raise InputError(
            f"{name} is not a .csv, .tsv or .parquet file. Read it with pandas, and pass the frame."
        )
    if ending == ".parquet":
        frame = _read(table, name)
        return frame, image or _image_column(frame.columns, name), name
    column = image or _image_column(_read(table, name, nrows=0).columns, name)
    # Paths stay text though they look like numbers (0012). Only an empty cell is empty: NA may be a class.
    rules = {"dtype": {column: str}, "keep_default_na": False, "na_values": [""], "low_memory": False}
    frame = _read(table, name, **rules)
    return frame.map(lambda cell: from_cell(cell) if isinstance(cell, str) else cell), column, name


def _read(table: str | os.PathLike[str], name: str, **rules: Any) -> Any:
    """Read a table's file into a pandas frame."""
    import pandas as pd

    ending = Path(table).suffix.lower()
    try:
        if ending == ".parquet":
            return pd.read_parquet(table)
        frame = pd.read_csv(table, sep="," if ending == ".csv" else "\t", **rules)
    except FileNotFoundError as error:
        raise InputError(f"{name} is not there.") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{name} cannot be read as {ending}: {error}") from error
    if not isinstance(frame.index, pd.RangeIndex):  # what pandas makes of the fields left over
        raise InputError(f"The rows of {name} have more fields than its header has names.")
    return frame


def _image_column(columns: Iterable[Any], name: str) -> str:
    """Tell the column of the images by its name."""
    likely = [column for column in columns if re.sub(r"[\W_]", "", str(column)).lower() in IMAGE_COLUMNS]
    if len(likely) != 1:
        which = f"{_quoted(likely)} may all be" if likely else f"None of {_quoted(columns)} is known to be"
        raise InputError(f"{which} the column of the images of {name}. Say which with image=.")
    return str(likely[0])


def _refuse_lists(frame: Any, given: Any, name: str) -> None:
    """Refuse a column of which a cell holds several labels."""
    for row, cell in enumerate(frame[given].tolist()):
        if isinstance(cell, list | tuple | set | frozenset | dict | np.ndarray):
            raise InputError(
                f"Column {given!r} of {name} holds several labels in a cell, {cell!r:.60} in row {row}. Make a column "
                "of 0 and 1 per label, by sklearn.preprocessing.MultiLabelBinarizer, and pass them as label=[...]."
            )


def _place(cell: Any, root: str | os.PathLike[str]) -> str | bytes:
    """Turn a table's cell into a path or the bytes of a file."""
    cell = unpacked(cell)
    if isinstance(cell, bytes):
        return cell
    path = Path(root, str(cell))
    other = undecoded(str(cell))  # a name that is not UTF-8 has been written with escapes
    if other is None or not Path(root, other).is_file():
        return str(path)
    if path.is_file():
        raise InputError(
            f"{shown(path)} may be two files, of which one has a name that is not UTF-8. Rename one of them."
        )
    return str(Path(root, other))


def _check_files(paths: np.ndarray, where: str) -> None:
    """Refuse a table that names files which are not there."""
    gone = [Path(path) for path in paths if isinstance(path, str) and not Path(path).is_file()]
    if not gone:
        return
    beside = gone[0].parent
    near = sorted(str(folder) for folder in beside.glob("*/") if (folder / gone[0].name).is_file())
    guess = f"Did you mean root={near[0]!r}?" if near else "Pass root= for the folder that they start from."
    raise InputError(
        f"{len(gone)} of {len(paths)} files in {where} are not there: {_some(map(str, gone))}. {guess} "
        'Or pass missing="keep" to list them nevertheless.'
    )


def _some(things: Iterable[object]) -> str:
    """Name the first ten, and count the rest."""
    listed = list(map(str, things))
    return ", ".join(listed[:10]) + (f" and {len(listed) - 10} more" if len(listed) > 10 else "")


def _quoted(names: Iterable[object]) -> str:
    return ", ".join(map(repr, names))

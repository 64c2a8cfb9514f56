"""Labelled images listed from a table that has one row per image."""

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from featx.errors import InputError, Words
from featx.images.folders import EXTENSIONS
from featx.images.image_table import ImageTable, objects
from featx.images.remote import below, is_url
from featx.images.sources import Unreadable, unpacked
from featx.images.table_files import open_table, read_columns
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
        The path or URL of a ``.csv``, ``.tsv`` or ``.parquet`` file, or a pandas, polars or Arrow frame.
    image
        The column of the paths or URLs. Default: the only one whose name is in `IMAGE_COLUMNS`. In Parquet and in
        frames it may hold encoded files (bytes) instead.
    label
        The column of the labels, or a list of columns for several labels per image. Default: no labels.
    root
        The folder that relative paths start from, or its URL. Default: the folder of the table, or the working folder
        for a frame.
    missing
        Files that are not there: ``"raise"``, or ``"keep"`` and let the extractor's `on_error` decide. What a URL names
        is not looked for before it is read.

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
    several = label is not None and not isinstance(label, str)
    wanted = [label] if isinstance(label, str) else list(label or ())
    frame, column, name = _frame(table, image, wanted)
    for given in [column, *wanted]:
        nothing = np.array([isinstance(unpacked(cell), Unreadable) for cell in frame[given]], bool)
        if empty := np.flatnonzero(frame[given].isna().to_numpy() | nothing).tolist():
            raise InputError(
                f"Column {given!r} of {name} is empty in row {_some(empty)} (the first row is 0)."
            )
    if root is None:
        root = _folder_of(table) if isinstance(table, str | os.PathLike) else Path()
    paths = objects(_place(cell, root) for cell in frame[column])
    if missing == "raise":
        _check_files(paths, frame[column].tolist(), root, f"column {column!r} of {name}")
    if not wanted:
        return ImageTable(paths, None, (), {})
    for given in wanted:
        _check_labels(frame, given, name)
    columns = [np.array(frame[given].tolist()) for given in wanted]
    if several:
        return ImageTable(paths, np.column_stack(columns), tuple(wanted), {})
    classes = () if columns[0].dtype.kind == "f" else tuple(np.unique(columns[0]).tolist())
    return ImageTable(paths, columns[0], classes, {})


def _folder_of(table: str | os.PathLike[str]) -> Path | str:
    """Give the folder of a table's file, or its URL; of a table in an archive the folder in it."""
    if not is_url(os.fspath(table)):
        return Path(table).parent
    inner, joint, outer = os.fspath(table).partition("::")
    return inner[: inner.rindex("/") + 1] + joint + outer


def _frame(table: Any, image: str | None, wanted: Sequence[str]) -> tuple[Any, str, str]:
    """Give a pandas frame of the columns that are wanted, the column of the images, and what to call the table."""
    import pandas as pd

    if isinstance(table, str | os.PathLike):
        file = open_table(table)
        columns, name = file.columns, file.name
    else:
        frame = table.to_pandas() if hasattr(table, "to_pandas") else table
        if not isinstance(frame, pd.DataFrame):
            remedy = " Pass its .collect()." if hasattr(table, "collect") else ""
            raise InputError(
                f"A {type(table).__name__} is not a table: give a path or a pandas, polars or Arrow frame.{remedy}"
            )
        columns, name = tuple(frame.columns), "the frame"
    column = image or _image_column(columns, name)
    for given in [column, *wanted]:
        if given not in columns:
            raise InputError(f"{name} has no column {given!r}. It has {_quoted(columns)}.")
    if not isinstance(table, str | os.PathLike):
        return frame, column, name
    frame = read_columns(file, [column, *wanted], column)
    if file.separator:
        frame = frame.map(lambda cell: from_cell(cell) if isinstance(cell, str) else cell)
    return frame, column, name


def _image_column(columns: Iterable[Any], name: str) -> str:
    """Tell the column of the images by its name."""
    likely = [column for column in columns if re.sub(r"[\W_]", "", str(column)).lower() in IMAGE_COLUMNS]
    if len(likely) != 1:
        which = f"{_quoted(likely)} may all be" if likely else f"None of {_quoted(columns)} is known to be"
        if not likely and any(Path(str(column)).suffix.lower() in EXTENSIONS for column in columns):
            raise InputError(
                f"The first row of {name} is an image, not the names of the columns: add such a row."
            )
        raise InputError(f"{which} the column of the images of {name}. Say which with image=.")
    return str(likely[0])


def _check_labels(frame: Any, given: Any, name: str) -> None:
    """Refuse a column of which a cell holds several labels, or that mixes text and numbers."""
    first: dict[bool, int] = {}
    cells = frame[given].tolist()
    for row, cell in enumerate(cells):
        if isinstance(cell, list | tuple | set | frozenset | dict | np.ndarray):
            raise InputError(
                f"Column {given!r} of {name} holds several labels in a cell, {cell!r:.60} in row {row}. Make a column "
                "of 0 and 1 per label, by sklearn.preprocessing.MultiLabelBinarizer, and ",
                Words("pass them as label=[...].", "name each by --label."),
            )
        first.setdefault(isinstance(cell, str), row)
    if len(first) > 1:
        told = " and ".join(f"{cells[row]!r:.60} in row {row}" for row in sorted(first.values()))
        raise InputError(
            f"Column {given!r} of {name} mixes text and numbers, {told} (the first row is 0). Give labels of one kind."
        )


def _place(cell: Any, root: str | os.PathLike[str]) -> str | bytes:
    """Turn a table's cell into a path or the bytes of a file."""
    cell = unpacked(cell)
    if isinstance(cell, bytes):
        return cell
    if is_url(str(cell)):
        return str(cell)
    if is_url(os.fspath(root)):
        return below(os.fspath(root), [str(cell)])
    path = Path(root, str(cell))
    other = undecoded(str(cell))  # a name that is not UTF-8 has been written with escapes
    if other is None or not Path(root, other).is_file():
        return str(path)
    if path.is_file():
        raise InputError(
            f"{shown(path)} may be two files, of which one has a name that is not UTF-8. Rename one of them."
        )
    return str(Path(root, other))


def _check_files(paths: np.ndarray, cells: Sequence[Any], root: str | os.PathLike[str], where: str) -> None:
    """Refuse a table that names files which are not there."""
    gone = [
        row
        for row, path in enumerate(paths)
        if isinstance(path, str) and not is_url(path) and not Path(path).is_file()
    ]
    if not gone:
        return
    guess = _guess(Path(root), str(unpacked(cells[gone[0]]))) or (
        "It holds numbers: name the column of the paths by image=."
        if all(_NUMBER.fullmatch(str(unpacked(cells[row]))) for row in gone)
        else "Pass root= for the folder that they start from."
    )
    raise InputError(
        f"{len(gone)} of {len(paths)} files in {where} are not there: {_some(paths[row] for row in gone)}. {guess} "
        'Or pass missing="keep" to list them nevertheless.'
    )


_NUMBER = re.compile(r"[-+]?\d*\.?\d+(e[-+]?\d+)?", re.IGNORECASE)


def _guess(root: Path, cell: str) -> str | None:
    """Say what is wrong with a path, if the file is near."""
    slashed = cell.replace("\\", "/")
    bare = str(Path(slashed).with_suffix("")) if Path(slashed).suffix.lower() in EXTENSIONS else slashed
    names = {slashed: "With / in the place of \\ they are there: change the column.", cell: ""}
    inside = dict(names)
    for ending in sorted(EXTENSIONS | {ending.upper() for ending in EXTENSIONS}):
        inside.setdefault(f"{bare}{ending}", f"With the ending {ending!r} they are there: change the column.")
    above = root.absolute().parent
    places = [(folder, inside) for folder in (root, *sorted(root.glob("*/")))]
    for folder, likely in [
        *places,
        (above, names),
        *((folder, names) for folder in sorted(above.glob("*/"))),
    ]:
        for name, advice in likely.items():
            if (folder / name).is_file():
                return f"{advice} Did you mean root={str(folder)!r}?".strip() if folder != root else advice
    return None


def _some(things: Iterable[object]) -> str:
    """Name the first ten, and count the rest."""
    listed = list(map(str, things))
    return ", ".join(listed[:10]) + (f" and {len(listed) - 10} more" if len(listed) > 10 else "")


def _quoted(names: Iterable[object]) -> str:
    return _some(map(repr, names))

"""Batches of rows as frameworks pass them: a column taken from one, and a column of vectors put into it."""

import copy
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from featx.errors import InputError, UnknownNameError


def column_of(rows: Any, name: str) -> Any:
    """Give one column of a batch.

    Parameters
    ----------
    rows
        A pyarrow RecordBatch or Table, a frame of pandas or polars, or a mapping of arrays or lists.
    name
        The column's.

    Returns
    -------
    column
        As the batch holds it; tensors of Arrow as one array.

    Raises
    ------
    InputError
        If the batch is of another kind, or has no such column.

    Examples
    --------
    >>> column_of({"path": ["a.png"], "label": [1]}, "image")
    Traceback (most recent call last):
    featx.errors.UnknownNameError: Unknown column 'image'. Known: 'path', 'label'.
    """
    names = _names(rows)
    if name not in names:
        raise UnknownNameError("column", name, names)
    # a batch of Hugging Face's decodes what is taken from it, and would write decoded images anew
    column = (copy.copy(rows) if isinstance(rows, Mapping) else rows)[name]
    if hasattr(column, "combine_chunks") and "fixed_shape_tensor" in str(column.type):
        column = column.combine_chunks()
    return column.to_numpy_ndarray() if hasattr(column, "to_numpy_ndarray") else column


def with_column(rows: Any, name: str, values: np.ndarray, *, fixed: bool = True) -> Any:
    """Give a batch with one more column, in place of one of that name.

    Parameters
    ----------
    rows
        As for `column_of`; not changed.
    name
        The column's.
    values
        (n, d) float32, or (n, d) uint8 for d bytes in each row.
    fixed
        Whether the type of a column of Arrow says how long its cells are.

    Examples
    --------
    >>> rows = with_column({"path": ["a.png"]}, "embedding", np.array([[1.0, 2.0]], "float32"))
    >>> rows["embedding"].tolist()
    [[1.0, 2.0]]
    """
    if isinstance(rows, Mapping):
        both: Any = rows if hasattr(rows, "__or__") else dict(rows)
        return both | {name: values}
    kind = _library(rows)
    if kind == "pyarrow":
        cells, names = _arrow(values, fixed), list(rows.schema.names)
        return (
            rows.set_column(names.index(name), name, cells)
            if name in names
            else rows.append_column(name, cells)
        )
    bytewise = values.dtype == np.uint8
    cells = [row.tobytes() for row in values] if bytewise else list(values)
    if kind == "pandas":
        column = np.empty(len(cells), object)
        column[:] = cells
        return rows.assign(**{name: column})
    polars = sys.modules["polars"]
    return rows.with_columns(
        polars.Series(name, cells, polars.Binary) if bytewise else polars.Series(name, values)
    )


def _names(rows: Any) -> Sequence[str]:
    if isinstance(rows, Mapping):
        return list(rows)
    library = _library(rows)
    if not library or not hasattr(rows, "columns") or hasattr(rows, "collect"):
        raise InputError(
            f"rows are a {type(rows).__name__}, not a batch of rows: give a pyarrow RecordBatch or Table, a frame of "
            "pandas or polars, or a dict of arrays."
        )
    return list(rows.schema.names if library == "pyarrow" else rows.columns)


def _library(rows: Any) -> str:
    """Tell whose batch it is, also of a class derived from one."""
    modules = [kind.__module__.partition(".")[0] for kind in type(rows).__mro__]
    return next((name for name in ("pyarrow", "pandas", "polars") if name in modules), "")


def _arrow(values: np.ndarray, fixed: bool) -> Any:
    import pyarrow as pa

    width = values.shape[1]
    if values.dtype == np.uint8:
        cells = [row.tobytes() for row in values]
        return pa.array(cells, pa.binary(width) if fixed else pa.binary())
    numbers = pa.array(values.ravel())
    if fixed:
        return pa.FixedSizeListArray.from_arrays(numbers, width)
    return pa.ListArray.from_arrays(np.arange(len(values) + 1, dtype=np.int32) * width, numbers)

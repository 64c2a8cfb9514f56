"""Tables in CSV, TSV and Parquet files, read no further than a list of images needs."""

import csv
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import BytesIO, TextIOWrapper
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from featx.errors import InputError, Words
from featx.images.folders import EXTENSIONS
from featx.images.remote import check, ending_of, is_url, read

MAX_COLUMNS = 100_000
"""The most columns of a table; embeddings of featx, which may be read as one, have fewer."""

MAX_ROWS = 10_000_000
"""The most rows of a Parquet file, in which a million of them may take a hundred bytes."""

_LONGEST_HEADER = 32 << 20
_DICTIONARY = 1 << 30  # Arrow cannot keep more bytes of different values than twice that

_BY_BOM = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
_SEPARATORS = {".csv": ",;\t", ".tsv": "\t,;"}


class TableFile(NamedTuple):
    """A file that holds a table."""

    path: Path | str
    """Where it lies, or its URL."""
    columns: tuple[str, ...]
    """The names in its first line, or in its schema."""
    separator: str = ""
    """Of a CSV or TSV file."""
    encoding: str = "utf-8"
    content: bytes | None = None
    """What came from its URL."""

    def open(self) -> BinaryIO:
        """Open it for reading."""
        return Path(self.path).open("rb") if self.content is None else BytesIO(self.content)

    @property
    def name(self) -> str:
        """What messages call it."""
        return repr(str(self.path))


def open_table(path: str | os.PathLike[str]) -> TableFile:
    """Look at the names of a table's columns.

    A CSV file may be separated by semicolons or tabs where its first line has no comma, and a TSV file likewise. A mark
    at the beginning says that it is in UTF-16; else it is in UTF-8.

    Raises
    ------
    InputError
        If it is no table, or holds more than a list of images does.
    """
    elsewhere = is_url(os.fspath(path))
    name, ending = repr(os.fspath(path)), ending_of(path)
    if ending in EXTENSIONS:
        raise InputError(f"{name} is an image. Give the folder in which it lies, or a table that names it.")
    if ending not in {".parquet", *_SEPARATORS}:
        raise InputError(
            f"{name} is not a .csv, .tsv or .parquet file. Read it with pandas, and ",
            Words("pass the frame.", "save it as one of these."),
        )
    if not elsewhere and not Path(path).is_file():
        raise InputError(f"{name} is {'not a file' if Path(path).exists() else 'not there'}.")
    file = TableFile(os.fspath(path), (), content=_fetched(os.fspath(path)) if elsewhere else None)
    with _told(name, ending):
        table = _look_parquet(file) if ending == ".parquet" else _look_text(file, ending)
    if len(table.columns) > MAX_COLUMNS:
        raise InputError(
            f"{name} has {len(table.columns):,} columns, more than {MAX_COLUMNS:,}. Give a table of the columns that "
            "are needed."
        )
    return table


def read_columns(table: TableFile, wanted: Iterable[str], text: str) -> Any:
    """Read columns into a pandas frame.

    Parameters
    ----------
    table
        What `open_table` gave.
    wanted
        The names of the columns.
    text
        The one whose cells are text, though they may look like numbers (0012).

    Raises
    ------
    InputError
        If the file is damaged.
    """
    wanted = list(dict.fromkeys(wanted))
    with _told(table.name, ending_of(table.path)):
        return _read_text(table, wanted, text) if table.separator else _read_parquet(table, wanted)


@contextmanager
def _told(name: str, ending: str) -> Iterator[None]:
    """Tell whatever a reader of tables raises as an `InputError`."""
    try:
        yield
    except InputError:
        raise
    except UnicodeDecodeError as error:
        raise InputError(
            f"{name} is not text in UTF-8. Save it as UTF-8, or pass the frame that "
            'pandas.read_csv(..., encoding="latin-1") gives, or whichever encoding it has.'
        ) from error
    except (OSError, ValueError, csv.Error, MemoryError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{name} cannot be read as {ending}: {reason}") from error


def _fetched(url: str) -> bytes:
    try:
        check(url)
        return read(url)
    except InputError as error:
        raise InputError(f"{url!r}: {error}.") from error


def _look_text(table: TableFile, ending: str) -> TableFile:
    name = table.name
    with table.open() as file:
        start = file.read(1024)
    encoding = next((code for mark, code in _BY_BOM.items() if start.startswith(mark)), "utf-8")
    if encoding == "utf-8" and b"\0" in start:
        raise InputError(f"{name} holds zero bytes, so it is not text in UTF-8. Save it as UTF-8.")
    with TextIOWrapper(table.open(), encoding, newline="") as lines:
        line = next((line for line in iter(lambda: lines.readline(_LONGEST_HEADER), "") if line.strip()), "")
        if not line:
            raise InputError(f"{name} is empty. Its first line must name the columns.")
        if len(line) == _LONGEST_HEADER:
            raise InputError(f"The first line of {name} has no end. It must name the columns.")
        usual, *others = tuple(_SEPARATORS[ending])
        found = [one for one in others if one in line]
        separator = found[0] if usual not in line and len(found) == 1 else usual
        columns = next(csv.reader(chain([line], lines), delimiter=separator))
    return table._replace(columns=tuple(columns), separator=separator, encoding=encoding)


def _read_text(table: TableFile, wanted: list[str], text: str) -> Any:
    import pandas as pd

    # Only an empty cell is empty: NA may be a class.
    rules = {"sep": table.separator, "encoding": table.encoding, "dtype": {text: str}, "keep_default_na": False,
             "na_values": [""], "low_memory": False}  # fmt: skip
    with table.open() as file:
        frame: Any = pd.read_csv(file, **rules)  # type: ignore[call-overload] # knows no rules given so
    if not isinstance(frame.index, pd.RangeIndex):  # what pandas makes of the fields left over
        raise InputError(f"The rows of {table.name} have more fields than its header has names.")
    frame = frame[[name for name in wanted if name in frame.columns]]
    if table.separator == ";":  # where it separates, a comma mostly stands for the decimal point
        for name in set(frame.columns) - {text}:
            if pd.api.types.is_string_dtype(frame[name]):
                numbers = pd.to_numeric(frame[name].str.replace(",", "."), errors="coerce")
                if (numbers.notna() | frame[name].isna()).all():
                    frame = frame.assign(**{name: numbers})
    return frame


def _look_parquet(table: TableFile) -> TableFile:
    from pyarrow import parquet

    with table.open() as opened, parquet.ParquetFile(opened) as file:
        rows = file.metadata.num_rows
        if rows > MAX_ROWS:
            raise InputError(
                f"{table.name} has {rows:,} rows, more than {MAX_ROWS:,}. Cut it into parts, and load each."
            )
        return table._replace(columns=tuple(file.schema_arrow.names))


def _read_parquet(table: TableFile, wanted: list[str]) -> Any:
    """Read columns of which a value that occurs often takes memory once."""
    import pandas as pd
    from pyarrow import parquet

    with table.open() as opened, parquet.ParquetFile(opened) as file:
        groups = [file.metadata.row_group(number) for number in range(file.metadata.num_row_groups)]
        leaves = [[group.column(number) for group in groups] for number in range(file.metadata.num_columns)]
    often = [
        leaf[0].path_in_schema
        for leaf in leaves
        if leaf and leaf[0].physical_type == "BYTE_ARRAY"
        and max(part.total_uncompressed_size for part in leaf) < _DICTIONARY
    ]  # fmt: skip
    with table.open() as opened, parquet.ParquetFile(opened, read_dictionary=often) as file:
        read = file.read(columns=wanted)
    return pd.DataFrame({name: _cells(read.column(name)) for name in read.column_names})


def _cells(column: Any) -> Any:
    import pandas as pd
    import pyarrow as pa

    if pa.types.is_struct(column.type):
        names = [field.name for field in column.type]
        parts = [_cells(part) for part in column.flatten()]
        return pd.Series(
            [dict(zip(names, row, strict=True)) for row in zip(*parts, strict=True)], dtype=object
        )
    cells = column.to_pandas()
    return cells.astype(object) if isinstance(cells.dtype, pd.CategoricalDtype) else cells

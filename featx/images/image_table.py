"""Images and their labels, row by row."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, overload

import numpy as np

from featx.errors import InputError
from featx.text import shown

LITTER = frozenset({"thumbs.db", "desktop.ini", "__macosx"})
"""What systems leave behind in folders, in small letters."""


class ImageRow(NamedTuple):
    """One row of an `ImageTable`."""

    path: Any
    """The image: a str, or bytes."""
    label: Any
    """Its label, ``(k,)`` for k label columns, None if there is none."""


@dataclass(frozen=True, repr=False, eq=False)
class ImageTable:
    """Images and their labels, row by row.

    ``table[3]`` is a row, ``table[:100]``, ``table[table.labels == "cat"]`` and ``table[[0, 2]]`` are tables of some
    of the rows; ``for path, label in table`` goes through the rows.

    Examples
    --------
    >>> paths, labels = np.array(["a.png", "b.png"], dtype=object), np.array(["cat", "dog"])
    >>> table = ImageTable(paths, labels, ("cat", "dog"), {".txt": 2})
    >>> table
    ImageTable(2 images, 2 classes: 'cat' 1, 'dog' 1; ignored: .txt 2)
    >>> table[1]
    ImageRow(path='b.png', label='dog')
    >>> table[table.labels == "cat"]
    ImageTable(1 image, 1 class: 'cat' 1)
    """

    paths: np.ndarray
    """``(n,)`` object: a str per image (bytes where a Parquet file holds the images themselves)."""
    labels: np.ndarray | None
    """``(n,)``, or ``(n, k)`` for k label columns; None if the images have none."""
    classes: tuple[Any, ...]
    """The different labels, sorted; of several columns, their names; empty for fractions and for none."""
    ignored: Mapping[str, int]
    """What was seen and left out, and how often."""

    @property
    def left_out(self) -> Mapping[str, int]:
        """`ignored`, without hidden files and what systems leave behind: what may have been meant as an image."""
        return {
            kind: count
            for kind, count in self.ignored.items()
            if kind != "hidden" and kind.lower() not in LITTER
        }

    def to_frame(self) -> Any:
        """Give a pandas frame with the columns ``path`` and ``label``, or one for each label column.

        Examples
        --------
        >>> ImageTable(np.array(["a.png"], dtype=object), np.array(["cat"]), ("cat",), {}).to_frame()
            path label
        0  a.png   cat
        """
        import pandas as pd

        frame = pd.DataFrame({"path": pd.Series(self.paths, dtype=object)})
        if self.labels is None:
            return frame
        names = ["label"] if self.labels.ndim == 1 else list(self.classes)
        columns = [self.labels] if self.labels.ndim == 1 else list(self.labels.T)
        for name, column in zip(names, columns, strict=True):
            frame.insert(
                len(frame.columns), name, column, allow_duplicates=True
            )  # a label may be called path
        return frame

    def __len__(self) -> int:
        return len(self.paths)

    def __iter__(self) -> Iterator[ImageRow]:
        return map(self._row, range(len(self)))

    @overload
    def __getitem__(self, rows: "int | np.integer[Any]") -> ImageRow: ...
    @overload
    def __getitem__(self, rows: slice | Sequence[int] | Sequence[bool] | np.ndarray) -> "ImageTable": ...
    def __getitem__(self, rows: Any) -> "ImageRow | ImageTable":
        if isinstance(rows, slice):
            return self._some(rows)
        if isinstance(rows, int | np.integer) and not isinstance(rows, bool):
            row = int(rows)
            if not -len(self) <= row < len(self):
                raise IndexError(f"There is no row {row}: the table has {_count(len(self), 'row')}.")
            return self._row(row)
        mask = np.asarray(rows)
        if mask.size == 0 and mask.dtype.kind == "f":  # an empty list
            mask = mask.astype(int)
        if (
            mask.ndim != 1
            or mask.dtype.kind not in "biu"
            or (mask.dtype.kind == "b" and len(mask) != len(self))
        ):
            raise InputError(
                f"table[{rows!r:.60}]: give a row's number, a slice, a list of numbers, or a mask of "
                f"{len(self)} true and false. Its columns are .paths and .labels."
            )
        return self._some(mask)

    def _row(self, row: int) -> ImageRow:
        if self.labels is None:
            return ImageRow(self.paths[row], None)
        return ImageRow(self.paths[row], self.labels.item(row) if self.labels.ndim == 1 else self.labels[row])

    def _some(self, rows: Any) -> "ImageTable":
        if self.labels is None:
            return ImageTable(self.paths[rows], None, (), {})
        labels = self.labels[rows]
        there = set(labels.tolist()) if labels.ndim == 1 else set(self.classes)
        return ImageTable(self.paths[rows], labels, tuple(one for one in self.classes if one in there), {})

    def __repr__(self) -> str:
        said = [_count(len(self), "image")]
        if self.labels is not None and self.labels.ndim == 2:
            said.append(f"{_count(len(self.classes), 'label')} each: {', '.join(map(shown, self.classes))}")
        elif self.labels is not None and self.classes:
            counts = [f"{name!r} {np.count_nonzero(self.labels == name)}" for name in self.classes[:10]]
            more = ["..."] * (len(self.classes) > 10)
            said.append(f"{_count(len(self.classes), 'class', 'es')}: {', '.join(counts + more)}")
        else:
            said.append("no labels" if self.labels is None else "labels are numbers")
        left_out = counted(self.ignored)
        return f"ImageTable({', '.join(said)}{f'; ignored: {left_out}' if left_out else ''})"


def objects(paths: Iterable[Any]) -> np.ndarray:
    """Put paths into an array of objects."""
    listed = list(paths)
    array = np.empty(len(listed), dtype=object)
    array[:] = listed
    return array


def counted(ignored: Mapping[str, int]) -> str:
    """Say how often each was left out."""
    return ", ".join(f"{shown(kind)} {count}" for kind, count in sorted(ignored.items()))


def _count(number: int, noun: str, plural: str = "s") -> str:
    return f"{number} {noun}{'' if number == 1 else plural}"

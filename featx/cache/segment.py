"""One segment of the cache: an immutable HDF5 file that is checked whenever it is read.

A chain of digests leads from the file's name to every row: the name is the digest of the header, the header
holds the digests of the image ids, of the block checks and of all other bytes, and each block of rows has its
check. So a flipped bit, a truncated or a foreign file is found before a vector of it is returned.

HDF5's own library is used for writing only (see `segment_writer`) and never opens a segment here: it follows
links out of the file and does not survive every damaged one. `docs/cache-format.md` is the format in words.
"""

import errno
import json
import mmap
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from xxhash import xxh3_64_intdigest

from featx.cache.identity import digest
from featx.errors import DamagedSegmentError, UnfitFileError, UnreadableSegmentError
from featx.files import NO_DAMAGE, open_file

HEADER = 1024
"""Bytes before the HDF5 superblock (a user block): one line of JSON, padded with spaces."""

VERSION = 2
"""Of a segment's format; what a segment of another version holds counts as not cached."""

SUFFIX = ".h5"
DTYPES = ("float32", "float16")

_BLOCK = 1 << 13  # bytes of rows that share a check; part of the format
_PIECE = 1 << 19  # bytes
_CHUNKS = 8  # pieces for which another thread is worth starting
_THREADS = min(4, os.cpu_count() or 1)  # more of them wait for memory
_REST = 1 << 16  # HDF5's own structures take about 2 KiB; a segment never has more than this
_NO_MATCH = "holds rows that do not match their checks"
_OURS = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)  # trouble of this process, not of the file


@dataclass(frozen=True, eq=False, slots=True)
class Segment:
    """A segment whose structure, ids and block checks have been found sound; its rows are checked when read.

    It holds no open file, so segments may be many, and may be deleted by another process at any time.
    """

    path: Path
    rows: int
    dim: int
    dtype: str
    size: int
    """Bytes of the file."""
    created: str
    """ISO 8601, UTC."""
    offsets: Mapping[str, int]
    """Where each data set begins, in bytes from the start of the file."""
    high: np.ndarray = field(repr=False)
    """The first eight bytes of each image id as big-endian numbers, (rows,) uint64, ascending."""
    low: np.ndarray = field(repr=False)
    """The last eight bytes likewise; ascending where `high` is equal."""
    checks: np.ndarray = field(repr=False)
    """The check of each block, (blocks,) uint64, as verified: the file may have changed since."""
    digest: str
    """What the digest of all rows should be."""

    def take(self, rows: np.ndarray, out: np.ndarray, where: np.ndarray | None = None) -> None:
        """Check the blocks in which rows lie, and copy the rows into an array.

        Parameters
        ----------
        rows
            Row numbers, (n,) integers, in any order.
        out
            (m, dim) floats.
        where
            The rows of `out` to write, (n,); default: the first n.

        Raises
        ------
        DamagedSegmentError
            If a block is damaged, or the file has changed since it was opened.
        FileNotFoundError
            If another process has deleted the segment.
        """
        kind = stored_dtype(self.dtype)
        data = self._open()
        # where a block is a row, the copy is checked, while the processor's cache holds it; narrow rows share blocks
        alone = rows_in_block(self.dim * kind.itemsize) == 1
        if not alone:
            self._check(data, rows)
        embedding = np.frombuffer(data, kind, self.rows * self.dim, self.offsets["embedding"])
        embedding = embedding.reshape(self.rows, self.dim)
        straight = where is None and out.flags.c_contiguous and out.dtype == kind
        step = rows_at_once(self.dim, self.dtype)
        starts = range(0, len(rows), step)
        threads = max(1, min(_THREADS, len(starts) // _CHUNKS))

        def copy(number: int) -> None:
            scratch = None if straight else np.empty((min(step, len(rows)), self.dim), kind)
            for start in starts[number::threads]:
                these = rows[start : start + step]
                place = slice(start, start + len(these)) if where is None else where[start : start + step]
                target = out[place] if scratch is None else scratch[: len(these)]
                # mode="raise" would buffer a second copy
                np.take(embedding, these, axis=0, out=target, mode="clip")
                if alone:
                    self._check_rows(target, these)
                if scratch is not None:
                    out[place] = target

        if threads < 2:
            copy(0)
            return
        # NumPy copies without the interpreter's lock, so one thread copies while another checks
        with ThreadPoolExecutor(threads) as pool:
            for _ in pool.map(copy, range(threads)):
                pass

    def verify(self) -> None:
        """Read and check every row, block by block and all together; raises what `take` raises."""
        data = self._open()
        self._check(data, np.arange(self.rows))
        start = self.offsets["embedding"]
        end = start + self.rows * self.dim * np.dtype(self.dtype).itemsize
        with memoryview(data) as view, view[start:end] as rows:
            if sha256(rows).hexdigest() != self.digest:
                raise DamagedSegmentError(self.path, "does not match its digest of embedding")

    def sound(self) -> np.ndarray:
        """Tell which rows match their checks, (rows,) bool; raises what `take` raises of the file."""
        blocks = self._match(self._open(), np.arange(len(self.checks)))
        return np.repeat(blocks, rows_in_block(self.dim * np.dtype(self.dtype).itemsize))[: self.rows]

    def _open(self) -> mmap.mmap:
        data = _map(self.path)
        if len(data) != self.size:
            raise DamagedSegmentError(self.path, f"has {len(data)} bytes where it had {self.size}")
        return data

    def _check(self, data: mmap.mmap, rows: np.ndarray) -> None:
        """Check the blocks in which these rows lie, at each read: a disk or a memory may fail at any time."""
        wanted = np.zeros(len(self.checks), bool)
        wanted[rows // rows_in_block(self.dim * np.dtype(self.dtype).itemsize)] = True
        if not self._match(data, np.flatnonzero(wanted)).all():
            raise DamagedSegmentError(self.path, _NO_MATCH)

    def _match(self, data: mmap.mmap, blocks: np.ndarray) -> np.ndarray:
        """Tell which blocks match their checks, (blocks,) bool."""
        width = self.dim * np.dtype(self.dtype).itemsize
        start, step = self.offsets["embedding"], rows_in_block(width) * width
        with memoryview(data) as view, view[start : start + self.rows * width] as all_rows:
            found = (
                block_check(all_rows[place * step : (place + 1) * step], place) for place in blocks.tolist()
            )
            same: np.ndarray = np.fromiter(found, "u8", len(blocks)) == self.checks[blocks]
            return same

    def _check_rows(self, copied: np.ndarray, rows: np.ndarray) -> None:
        """Check copies of rows that are a block each."""
        found = list(map(xxh3_64_intdigest, copied, rows.tolist()))  # `block_check`, with nothing in between
        if found != self.checks[rows].tolist():
            raise DamagedSegmentError(self.path, _NO_MATCH)


def rows_at_once(dim: int, dtype: str) -> int:
    """Return how many rows to copy at a time, so that they stay in the processor's cache until checked."""
    return max(1, _PIECE // (dim * np.dtype(dtype).itemsize))


def stored_dtype(dtype: str) -> np.dtype[Any]:
    """Return the dtype of an embedding on disk: little-endian on every machine."""
    return np.dtype(dtype).newbyteorder("<")


def open_segment(path: Path, recipe_id: str, name: str | None = None) -> Segment:
    """Open a segment and check all of it but its rows.

    Parameters
    ----------
    path
        ``<32 hexadecimal digits>.h5``.
    recipe_id
        The recipe whose folder holds it.
    name
        What it will be called, where it is still a draft; default: its own name.

    Raises
    ------
    DamagedSegmentError
        If it is not a sound segment of this recipe.
    UnreadableSegmentError
        If this process may not read it, or cannot for now.
    FileNotFoundError
        If it is not there.
    """
    data = _map(path)
    line = data[:HEADER]
    if len(line) < HEADER or digest(line).hex() + SUFFIX != (name or path.name):
        raise DamagedSegmentError(path, "does not begin with the header its name was made from")
    header = _parse(path, line)
    if header["recipe_id"] != recipe_id:
        raise DamagedSegmentError(path, f"belongs to another recipe, {header['recipe_id']!r}")
    rows, dim, dtype, offsets = header["rows"], header["dim"], header["dtype"], header["offsets"]
    parts = extents(rows, dim, dtype, offsets)
    borders = [0, HEADER, *(border for part in parts for border in part), len(data)]
    if any(end < start for start, end in pairwise(borders)):
        raise DamagedSegmentError(path, f"has {len(data)} bytes, too few for {rows} rows of {dim} {dtype}")
    rest = rest_of(data, parts)
    if sum(map(len, rest)) > _REST:
        raise DamagedSegmentError(path, "holds more than a segment does")
    ids = np.frombuffer(data, ">u8", 2 * rows, offsets["image_id"]).reshape(rows, 2)
    if not _ascending(ids):  # block by block, before anything grows with `rows`
        raise DamagedSegmentError(path, "has image ids that are not in order")
    # copies, so that what is digested is what is used, whatever becomes of the file
    checks = np.frombuffer(data, "<u8", blocks_of(rows, dim, dtype), offsets["block_check"]).copy()
    ids = ids.copy()
    found = {
        "image_id": digest(ids.view("u1").data),
        "block_check": digest(checks.view("u1").data),
        "rest": digest(*rest),
    }
    for part, value in found.items():
        if value.hex() != header["digests"][part]:
            raise DamagedSegmentError(path, f"does not match its digest of {part}")
    high, low = (np.ascontiguousarray(ids[:, half], "u8") for half in (0, 1))
    whole = header["digests"]["embedding"]
    return Segment(path, rows, dim, dtype, len(data), header["created"], offsets, high, low, checks, whole)


def rows_in_block(width: int) -> int:
    """Return how many rows of so many bytes share a check: narrow rows are too many for one call each."""
    return max(1, _BLOCK // width)


def blocks_of(rows: int, dim: int, dtype: str) -> int:
    """Return how many checks rows have."""
    return -(-rows // rows_in_block(dim * np.dtype(dtype).itemsize))


def block_check(content: bytes | memoryview, place: int) -> int:
    """Check the bytes of a block of rows: XXH3 of 64 bits, seeded by the place of the block.

    It is not linear, so flipped bits do not cancel one another; any change goes unnoticed in one case of 2**64.

    Examples
    --------
    >>> [hex(block_check(bytes(8), place)) for place in (0, 1)]
    ['0xc77b3abb6f87acd9', '0x9e51ad6d2f3e695c']
    """
    return xxh3_64_intdigest(content, place)


def _map(path: Path) -> mmap.mmap:
    try:
        with open_file(path) as file:
            size = os.fstat(file.fileno()).st_size
            if size:
                return mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ)
    except FileNotFoundError:
        raise
    except UnfitFileError as error:
        raise DamagedSegmentError(path, error.reason) from error
    except OSError as error:
        if error.errno in _OURS:
            raise
        damaged = UnreadableSegmentError if error.errno in NO_DAMAGE else DamagedSegmentError
        raise damaged(path, f"cannot be read ({error.strerror})") from error
    raise DamagedSegmentError(path, "is empty")


_HEADER_TYPES: Mapping[str, type] = {
    "featx_segment": int,
    "recipe_id": str,
    "rows": int,
    "dim": int,
    "dtype": str,
    "created": str,
    "offsets": dict,
    "digests": dict,
}


def _parse(path: Path, line: bytes) -> dict[str, Any]:
    try:
        header = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DamagedSegmentError(path, "has a header that is not JSON") from error
    sound = (
        isinstance(header, dict)
        and {key: type(value) for key, value in header.items()} == _HEADER_TYPES
        and header["featx_segment"] == VERSION
        and min(header["rows"], header["dim"]) >= 1
        and header["dtype"] in DTYPES
        and {key: type(value) for key, value in header["offsets"].items()}
        == dict.fromkeys(("image_id", "block_check", "embedding"), int)
        and {key: type(value) for key, value in header["digests"].items()}
        == dict.fromkeys(("image_id", "block_check", "embedding", "rest"), str)
    )
    if not sound:
        old = isinstance(header, dict) and header.get("featx_segment") == 1
        reason = (
            "is of version 1, which is not read any more" if old else f"has no header of version {VERSION}"
        )
        raise DamagedSegmentError(path, reason)
    return dict(header)


def extents(rows: int, dim: int, dtype: str, offsets: Mapping[str, int]) -> list[tuple[int, int]]:
    """Where each data set begins and ends, in bytes, in the order of the file."""
    sizes = {
        "image_id": 16 * rows,
        "block_check": 8 * blocks_of(rows, dim, dtype),
        "embedding": rows * dim * np.dtype(dtype).itemsize,
    }
    return sorted((offsets[name], offsets[name] + size) for name, size in sizes.items())


def rest_of(data: mmap.mmap, parts: list[tuple[int, int]]) -> list[bytes]:
    """Return the bytes between the header, the data sets and the end of the file, each cut at a limit."""
    borders = [HEADER, *(border for part in parts for border in part), len(data)]
    pairs = zip(borders[::2], borders[1::2], strict=True)
    return [data[start : min(end, start + _REST + 1)] for start, end in pairs]


def _ascending(ids: np.ndarray, step: int = 1 << 16) -> bool:
    for start in range(0, len(ids), step):
        high, low = ids[start : start + step + 1].astype("u8").T
        if not np.all((high[:-1] < high[1:]) | ((high[:-1] == high[1:]) & (low[:-1] < low[1:]))):
            return False
    return True

"""Writing one segment of the cache, whole and durable or not at all.

HDF5 builds its structures in memory; the file itself is written with plain calls. So a full disk or a
vanished folder is an ordinary OSError, and no half-open HDF5 file haunts the process.
"""

import io
import json
import mmap
import os
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from featx import __version__
from featx.cache.identity import digest
from featx.cache.segment import (
    HEADER,
    SUFFIX,
    VERSION,
    block_check,
    blocks_of,
    extents,
    rest_of,
    rows_at_once,
    rows_in_block,
    stored_dtype,
)
from featx.files import whole_file

_SYNCED = 1 << 25  # bytes that are sent to the disk while the next ones are made
_SHARED = 1 << 18  # bytes of a block that are digested sooner than a thread starts


def write_segment(
    folder: Path,
    recipe_id: str,
    ids: np.ndarray,
    blocks: Iterable[np.ndarray],
    *,
    dim: int,
    dtype: str = "float32",
    made_with: Mapping[str, str] | None = None,
) -> Path:
    """Write one segment.

    Parameters
    ----------
    folder
        The recipe's folder.
    recipe_id
        The recipe.
    ids
        Image ids, (rows, 16) uint8, sorted and distinct, at least one.
    blocks
        The rows in that order, as arrays (any, dim).
    dim, dtype
        Of the embeddings.
    made_with
        Names and versions of what made the numbers; featx and h5py are added.

    Returns
    -------
    Path
        The committed file.

    Raises
    ------
    OSError
        As the operating system gives it; nothing is left behind then.
    """
    rows = len(ids)
    created = datetime.now(UTC).isoformat(timespec="microseconds")
    words = {"recipe_id": recipe_id, "created": created, "made_with": _versions(made_with or {})}
    skeleton = _skeleton(rows, dim, dtype, words)
    checker = _Checker(dim * np.dtype(dtype).itemsize)
    whole = sha256()  # of which processors have instructions of their own
    # what it is called is known when all of it is written
    with whole_file(folder / f"segment{SUFFIX}") as draft, ThreadPoolExecutor(3) as others:
        file = draft.file
        file.truncate(skeleton.size)
        for offset, piece in skeleton.pieces:
            file.seek(offset)
            file.write(piece)
        file.seek(skeleton.offsets["embedding"])
        sent = 0
        syncing: Future[None] | None = None
        for block in blocks:
            stored = np.ascontiguousarray(block, stored_dtype(dtype))
            content = stored.reshape(-1).view("u1").data
            if stored.nbytes < _SHARED:
                whole.update(content)
                checker.add(content)
                file.write(stored.data)
            else:
                read = [others.submit(read, content) for read in (whole.update, checker.add)]
                file.write(stored.data)
                for one in read:
                    one.result()  # the block may be used again for the next one
            sent += stored.nbytes
            if sent > _SYNCED:
                if syncing:
                    syncing.result()  # raises what the disk did: it tells of an error only once
                file.flush()
                syncing, sent = others.submit(os.fsync, file.fileno()), 0
        if syncing:
            syncing.result()
        arrays = {"image_id": np.ascontiguousarray(ids), "block_check": checker.checks()}
        for name, array in arrays.items():
            file.seek(skeleton.offsets[name])
            file.write(array.data)
        file.flush()
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            rest = digest(*rest_of(data, extents(rows, dim, dtype, skeleton.offsets)))
        header = {
            "featx_segment": VERSION,
            "recipe_id": recipe_id,
            "rows": rows,
            "dim": dim,
            "dtype": dtype,
            "created": created,
            "offsets": skeleton.offsets,
            "digests": {name: digest(array.tobytes()).hex() for name, array in arrays.items()}
            | {"embedding": whole.hexdigest(), "rest": rest.hex()},
        }
        line = json.dumps(header).encode().ljust(HEADER - 1) + b"\n"
        file.seek(0)
        file.write(line)
        draft.target = folder / f"{digest(line).hex()}{SUFFIX}"
    return draft.target


def in_order(rows: np.ndarray, order: np.ndarray) -> Iterator[np.ndarray]:
    """Give the rows in that order, block by block; the next one is copied while this one is written."""
    step = 8 * rows_at_once(rows.shape[1], str(rows.dtype))  # so that changing threads costs little
    starts = range(0, len(order), step)
    scratch = np.empty((2, min(step, len(order)), rows.shape[1]), rows.dtype)  # fresh memory is slow

    def block(start: int) -> np.ndarray:
        some = order[start : start + step]
        out = scratch[start // step % 2, : len(some)]
        return np.take(rows, some, axis=0, out=out, mode="clip")

    if len(starts) == 1:
        yield block(0)
        return
    with ThreadPoolExecutor(1) as ahead:
        coming = ahead.submit(block, 0)
        for start in starts:
            ready = coming.result()
            coming = ahead.submit(block, start + step)  # after the last one: an empty one
            yield ready


class _Checker:
    """The checks of the blocks of rows, which come in pieces of any length."""

    def __init__(self, width: int) -> None:
        self._size = rows_in_block(width) * width
        self._checks: list[int] = []
        self._begun = b""  # of a block whose end is still to come

    def add(self, piece: memoryview) -> None:
        if self._begun:
            lacks = self._size - len(self._begun)
            self._begun += piece[:lacks]
            piece = piece[lacks:]
            if len(self._begun) < self._size:
                return
            self._checks.append(block_check(self._begun, len(self._checks)))
        whole = range(0, len(piece) - self._size + 1, self._size)
        places = enumerate(whole, len(self._checks))
        self._checks += [block_check(piece[start : start + self._size], place) for place, start in places]
        self._begun = bytes(piece[len(whole) * self._size :])

    def checks(self) -> np.ndarray:
        last = [block_check(self._begun, len(self._checks))] if self._begun else []
        return np.array(self._checks + last, "<u8")


class _Skeleton(io.RawIOBase):
    """What HDF5 writes besides the data, kept in memory as pieces of a file that may be terabytes long."""

    def __init__(self) -> None:
        self.pieces: list[tuple[int, bytes]] = []
        self.offsets: dict[str, int] = {}
        self.size = self._at = 0

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        self._at = offset + (self.size if whence == os.SEEK_END else 0)
        return self._at

    def tell(self) -> int:
        return self._at

    def write(self, piece: Any, /) -> int:
        self.pieces.append((self._at, bytes(piece)))
        self._at += len(piece)
        self.size = max(self.size, self._at)
        return len(piece)

    def truncate(self, size: int | None = None, /) -> int:
        self.size = self._at if size is None else size
        return self.size


def _skeleton(rows: int, dim: int, dtype: str, words: Mapping[str, str]) -> _Skeleton:
    import h5py
    from h5py import h5d, h5p, h5s, h5t

    contiguous = h5p.create(h5p.DATASET_CREATE)
    contiguous.set_layout(h5d.CONTIGUOUS)
    contiguous.set_alloc_time(h5d.ALLOC_TIME_EARLY)  # fixes the offsets while nothing is written yet
    contiguous.set_fill_time(h5d.FILL_TIME_NEVER)
    contiguous.set_obj_track_times(False)
    skeleton = _Skeleton()
    with h5py.File(skeleton, "w", userblock_size=HEADER) as file:
        file.attrs["rows"], file.attrs["dim"] = rows, dim
        for name, text in words.items():
            file.attrs[name] = np.bytes_(text.encode())
        for name, shape, kind in (
            ("image_id", (rows, 16), np.dtype("u1")),
            ("block_check", (blocks_of(rows, dim, dtype),), np.dtype("<u8")),
            ("embedding", (rows, dim), stored_dtype(dtype)),
        ):
            space = h5s.create_simple(shape)
            dataset = h5d.create(file.id, name.encode(), h5t.py_create(kind), space, contiguous)
            skeleton.offsets[name] = dataset.get_offset()
    return skeleton


def _versions(made_with: Mapping[str, str]) -> str:
    import h5py

    versions = {"featx": __version__, "h5py": h5py.__version__, **made_with}
    return ", ".join(f"{name} {version}" for name, version in versions.items())

"""Fewer segments: small ones become one, on request or by whoever has just written one of many.

The one that stands for several appears whole before they go, so a kill leaves rows twice at worst; a reader that
finds one gone looks again. Nobody waits: two processes that compact the same segments write their rows twice, which
the next one drops.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress

import numpy as np

from featx.cache.index import Index, join
from featx.cache.segment import DTYPES, Segment, open_segment, rows_at_once
from featx.cache.store import Store
from featx.errors import CacheError, DamagedSegmentError

TOGETHER = 8
"""So many segments of about one size become one: a row is copied once for each power of eight that the number
of rows in its segment passes."""

TIDY_BELOW = 1 << 22
"""Bytes: a larger segment is not compacted by itself."""

COMPACT_BELOW = 1 << 30
"""Bytes: rewriting larger segments costs more than it saves. Small ones are put together until they have so many, so
that a large store is compacted step by step, and needs no more room for it than twice as much."""


def compact(store: Store) -> int:
    """Put the small segments of each recipe together; returns by how many they are fewer."""
    return sum(_compacted(store, recipe_id, dtype) for recipe_id in store.recipes() for dtype in DTYPES)


def _compacted(store: Store, recipe_id: str, dtype: str) -> int:
    fewer = 0
    while True:
        segments = _of(store.index(recipe_id).segments, dtype)
        small = [one for one in segments if one.size < COMPACT_BELOW]
        before = np.cumsum([0, *(one.size for one in small)])[:-1]
        some = [one for one, size in zip(small, before, strict=True) if size < COMPACT_BELOW]
        less = _joined(store, recipe_id, some)
        if less is None:  # another process changed them
            continue
        fewer += less
        if len(some) == len(small):
            return fewer


def tidy(store: Store, recipe_id: str) -> None:
    """Make one of segments of about one size if they are many and small; what prevents that is ignored."""
    if not store.compacting.acquire(blocking=False):  # another thread does it
        return
    try:
        with suppress(OSError, CacheError):
            segments = store.index(recipe_id).segments
            for dtype in DTYPES:
                small = [one for one in _of(segments, dtype) if one.size < TIDY_BELOW]
                sizes = [_size(one.rows) for one in small]
                for size in sorted({size for size in sizes if sizes.count(size) >= TOGETHER}):
                    _joined(store, recipe_id, [one for one in small if _size(one.rows) == size])
    finally:
        store.compacting.release()


def _of(segments: Sequence[Segment], dtype: str) -> list[Segment]:
    return [segment for segment in segments if segment.dtype == dtype]


def _size(rows: int) -> int:
    """Give the number of powers of `TOGETHER` in a number of rows."""
    return (rows.bit_length() - 1) // (TOGETHER.bit_length() - 1)


def _joined(store: Store, recipe_id: str, segments: Sequence[Segment]) -> int | None:
    """Make one of segments of one dtype; returns by how many they are fewer, None if another process changed them."""
    if len(segments) < 2:
        return 0
    try:
        # once more, since an index keeps no ids of single segments
        ids, blocks = _rows_of(Index.of(open_segment(one.path, recipe_id) for one in segments))
        store.write(recipe_id, ids, blocks, dim=segments[0].dim, dtype=segments[0].dtype)
    except FileNotFoundError:
        return None
    except DamagedSegmentError as damage:
        store.disbelieve(damage)
        return None
    for segment in segments:  # only now that the one for all of them is durable
        segment.path.unlink(missing_ok=True)
    return len(segments) - 1


def _rows_of(index: Index) -> tuple[np.ndarray, Iterator[np.ndarray]]:
    high, low, places = index.distinct()
    first = index.segments[0]
    step = 64 * rows_at_once(first.dim, first.dtype)

    def blocks() -> Iterator[np.ndarray]:
        for start in range(0, len(places), step):
            block = np.empty((len(places[start : start + step]), first.dim), first.dtype)
            index.take(places[start : start + step], block)
            yield block

    return join(high, low), blocks()

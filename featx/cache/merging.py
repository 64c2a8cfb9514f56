"""Caches of other disks brought into one: their segments are copied, each of them checked and whole.

A segment keeps its name, which is a digest, so a second copy is the first one. It is checked in the copy, not in the
source: what appears here is what was checked. (Making one segment of several is `compacting`.)
"""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from featx.cache.compacting import tidy
from featx.cache.index import join
from featx.cache.segment import SUFFIX, Segment, open_segment, rows_at_once
from featx.cache.store import Store, listed
from featx.cache.upkeep import Damage, words_of
from featx.errors import DamagedSegmentError, InputError, UnreadableSegmentError
from featx.files import open_file, whole_file


@dataclass
class Merged:
    """What `EmbeddingCache.merge` found in another cache."""

    source: Path
    """Its folder."""
    rows: int = 0
    """Vectors that were copied."""
    known: int = 0
    """Vectors that were not, since all of their segment were here."""
    lost: int = 0
    """Vectors that are damaged there and not here."""
    damages: list[Damage] = field(default_factory=list)
    """Its damaged segments; their sound rows were copied, as far as they can be told."""


def merge(store: Store, others: Sequence[Store]) -> list[Merged]:
    """Copy what other stores hold; see `EmbeddingCache.merge`."""
    for other in others:
        if not other.path.is_dir() or not ((other.path / "format.json").exists() or other.recipes()):
            raise InputError(
                f"{str(other.path)!r} is no cache: it has no format.json. Give one that cache= or FEATX_CACHE named."
            )
        if store.path.exists() and store.path.samefile(other.path):
            raise InputError(f"{str(other.path)!r} is the cache to merge into. Give the folders of others.")
    return [_taken(store, other) for other in others]


def _taken(store: Store, other: Store) -> Merged:
    merged = Merged(other.path)
    with other.explained("read"):
        for recipe_id in other.recipes():
            before = merged.rows
            seen: set[Path] = set()
            while new := [path for path in listed(other.path / recipe_id, SUFFIX) if path not in seen]:
                seen.update(new)
                gone = sum(not _take(store, recipe_id, path, merged) for path in new)
                if not gone:
                    break
            if merged.rows > before:
                tidy(store, recipe_id)
    return merged


def _take(store: Store, recipe_id: str, path: Path, merged: Merged) -> bool:
    """Copy a segment, unless all of its rows are here; tells whether it was still there to be copied."""
    try:
        segment = open_segment(path, recipe_id)
    except FileNotFoundError:  # compacted meanwhile; the one that stands for it is listed next
        return False
    except DamagedSegmentError as damage:
        merged.damages.append(_damage(path, damage))
        return True
    ids = join(segment.high, segment.low)
    with store.explained("write to"):
        here = store.index(recipe_id, segment.dim).find(ids) >= 0
        if here.all():
            merged.known += segment.rows
            return True
        folder = store.prepare(recipe_id, words_of(path.parent))
        try:
            _copy(path, folder / path.name, recipe_id)
        except DamagedSegmentError as damage:
            sound = segment.sound()
            # where every block is sound and the whole is not, no row can be told from another
            kept = np.flatnonzero(sound & ~here) if not sound.all() else np.empty(0, int)
            if len(kept):
                store.write(recipe_id, ids[kept], _rows(segment, kept), dim=segment.dim, dtype=segment.dtype)
            merged.rows += len(kept)
            merged.lost += int(np.count_nonzero(~here)) - len(kept)
            merged.damages.append(_damage(path, damage))
        except FileNotFoundError:
            if path.exists():  # it is the folder to write to that is gone
                raise
            return False
        else:
            merged.rows += segment.rows
    return True


def _copy(path: Path, target: Path, recipe_id: str) -> None:
    try:
        file = open_file(path)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise UnreadableSegmentError(path, f"cannot be read ({error.strerror})") from error
    with file, whole_file(target) as draft:
        shutil.copyfileobj(file, draft.file, 1 << 20)
        draft.file.flush()
        try:
            open_segment(draft.path, recipe_id, target.name).verify()
        except DamagedSegmentError as damage:
            raise DamagedSegmentError(path, damage.reason) from damage


def _damage(path: Path, damage: DamagedSegmentError) -> Damage:
    return Damage(path, damage.reason, readable=not isinstance(damage, UnreadableSegmentError))


def _rows(segment: Segment, rows: np.ndarray) -> Iterator[np.ndarray]:
    step = 64 * rows_at_once(segment.dim, segment.dtype)
    for start in range(0, len(rows), step):
        some = rows[start : start + step]
        block = np.empty((len(some), segment.dim), segment.dtype)
        segment.take(some, block)
        yield block

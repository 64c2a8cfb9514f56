"""The cache's folder: what lies where, what is committed, and errors that say what to do."""

import errno
import json
import os
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from featx.cache.folder import EXPORTS, graphs_folder
from featx.cache.index import Index
from featx.cache.segment import SUFFIX, open_segment
from featx.cache.segment_writer import write_segment
from featx.errors import CacheError, CacheWarning, DamagedSegmentError, FeatxError, UnfitFileError
from featx.files import make_folder, read_file, sweep, whole_file
from featx.text import to_json

FORMAT = 1
"""Version of the folder's layout and of the segments."""

RECIPE_ID = re.compile(r"[0-9a-f]{32}")
"""Also what the stem of a segment looks like."""

REMEMBERED = 1 << 28
"""Bytes of ids that a store keeps in memory; those of the recipe asked for last are always kept."""

_LONGEST_JSON = 1 << 20  # bytes of a JSON file, which may be anything


class Store:
    """A folder of recipes, each a folder of segments; see `docs/cache-format.md`.

    Parameters
    ----------
    path
        The folder; need not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._indexes: dict[str, Index] = {}  # replaced, never changed: threads need no lock
        self._strays: set[Path] = set()
        self.compacting = Lock()
        """Held by the thread that compacts segments."""
        self._damaged: dict[Path, tuple[int, ...]] = {}

    def index(self, recipe_id: str, dim: int | None = None) -> Index:
        """Return the index of all segments that are committed now and not damaged.

        Parameters
        ----------
        recipe_id
            The recipe.
        dim
            What the length of its vectors must be; default: any.
        """
        self.check_format()
        folder = self.path / recipe_id
        while True:
            known = self._indexes.get(recipe_id, Index())
            have = {segment.path for segment in known.segments}
            there = [path for path in listed(folder, SUFFIX) if not self._is_damaged(path)]
            if set(there) != have:
                new = (open_segment(path, recipe_id) for path in there if path not in have)
                try:
                    known = known.changed(set(there), new)
                except FileNotFoundError:
                    continue  # compacted or removed since we listed it
                except DamagedSegmentError as damage:
                    self.disbelieve(damage)
                    continue
            odd = [segment for segment in known.segments if dim not in {None, segment.dim}]
            if odd and len(odd) == len(known.segments):
                raise CacheError(
                    f"The recipe {recipe_id} holds vectors of {odd[0].dim} numbers, expected {dim}. "
                    f"A recipe fixes the length of its vectors: make its id from all that changes them."
                )
            if not odd:
                self._remember(recipe_id, known)
                return known
            for segment in odd:
                self.disbelieve(DamagedSegmentError(segment.path, f"holds vectors of {segment.dim} numbers"))

    def disbelieve(self, damage: DamagedSegmentError) -> None:
        """Leave a segment out from now on, and say so."""
        self._damaged[damage.path] = _state(damage.path)
        warnings.warn(
            f"{damage} It is ignored, and its images count as not cached. "
            f"`featx cache verify --repair` puts it out of the way.",
            CacheWarning,
            stacklevel=4,
        )

    def _is_damaged(self, path: Path) -> bool:
        return path in self._damaged and self._damaged[path] == _state(path)  # else it was mended

    def _remember(self, recipe_id: str, index: Index) -> None:
        indexes = {name: one for name, one in self._indexes.items() if name != recipe_id} | {recipe_id: index}
        total = sum(one.nbytes for one in indexes.values())
        for name in list(indexes)[:-1]:
            if total > REMEMBERED:
                total -= indexes.pop(name).nbytes
        self._indexes = indexes

    def write(
        self,
        recipe_id: str,
        ids: np.ndarray,
        blocks: Iterable[np.ndarray],
        *,
        recipe: Mapping[str, Any] | None = None,
        **segment: Any,
    ) -> None:
        """Commit one segment (see `write_segment`), and the words that go with it."""
        write_segment(self.prepare(recipe_id, recipe), recipe_id, ids, blocks, **segment)

    def prepare(self, recipe_id: str, recipe: Mapping[str, Any] | None = None) -> Path:
        """Make a recipe's folder, with the words that go with it, and give it."""
        folder = self.path / recipe_id
        try:
            make_folder(folder)
        except FileNotFoundError as error:  # as in /proc
            raise CacheError(
                f"Cannot make the folder {self.path}: no folder can be made there; {_ELSEWHERE}"
            ) from error
        sweep(self.path)
        _write_json(self.path / "format.json", {"format": FORMAT})
        if recipe is not None:
            _write_json(folder / "recipe.json", recipe)
        return folder

    def recipes(self) -> list[str]:
        """Return the ids of all recipes, sorted."""
        self.check_format()
        return [
            path.name for path in listed(self.path) if RECIPE_ID.fullmatch(path.name) and self.is_folder(path)
        ]

    def is_folder(self, path: Path) -> bool:
        """Tell whether what has the name of a folder of the cache is one that can be read; else name it, once."""
        reason = oddity(path)
        if reason and path not in self._strays:
            self._strays.add(path)
            warnings.warn(
                f"{path} has the name of a folder of the cache and {reason}. It is passed over.",
                CacheWarning,
                stacklevel=4,
            )
        return not reason

    @property
    def exports(self) -> list[Path]:
        """The folders of exported graphs that there are: the machine's, and one that the cache had once."""
        folders = dict.fromkeys([graphs_folder(), self.path / EXPORTS])
        return [folder for folder in folders if os.path.lexists(folder) and self.is_folder(folder)]

    def check_format(self) -> None:
        """Raise CacheError if the folder is of another format."""
        found = read_json(self.path / "format.json")
        if found is None:
            raise CacheError(
                f"{self.path / 'format.json'} is damaged. If {self.path} is a cache, delete this one file."
            )
        if found and found.get("format") != FORMAT:
            raise CacheError(
                f"The cache {self.path} is of format {found.get('format')!r}, expected {FORMAT}. "
                f"Upgrade featx, or {_ELSEWHERE}"
            )

    @contextmanager
    def explained(self, doing: str) -> Iterator[None]:
        """Turn errors of the operating system into errors that say what to do."""
        try:
            yield
        except FeatxError:
            raise
        except OSError as error:
            reason = _REASONS.get(error.errno or 0, f"{error.strerror or error}. Mend that, or {_ELSEWHERE}")
            raise CacheError(f"Cannot {doing} the cache {self.path}: {reason}") from error


@lru_cache(maxsize=8)
def shared(path: Path) -> Store:
    """Give the one store that this process has of a folder, so that no segment is opened and digested twice."""
    return Store(path)


_ELSEWHERE = "choose another folder with cache= or FEATX_CACHE."
_FULL = (
    f"there is no room left. What was finished is kept. Free some space (`featx cache gc`), or {_ELSEWHERE}"
)
_FORBIDDEN = f"it is read-only for you. Ask for the right to write, or {_ELSEWHERE}"
_FILE = f"it is a file, not a folder, or lies below one. Remove that file, or {_ELSEWHERE}"
_VANISHED = (
    "its folder vanished. Make sure that nothing deletes it, and run again; only what is missing is computed."
)
_REASONS = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EFBIG: _FULL,
    errno.EACCES: _FORBIDDEN,
    errno.EPERM: _FORBIDDEN,
    errno.EROFS: _FORBIDDEN,
    errno.ENOTDIR: _FILE,
    errno.EEXIST: _FILE,
    errno.ENOENT: _VANISHED,
}


def oddity(path: Path) -> str:
    """Say why something is no folder that can be read; nothing if it is one."""
    if not path.is_dir() or path.is_symlink():
        return "is a file or a link"
    return "" if os.access(path, os.R_OK | os.X_OK) else "cannot be read by you"


def listed(folder: Path, suffix: str = "") -> list[Path]:
    """Return the files in a folder whose names end so, sorted; none if there is no such folder."""
    if folder.is_symlink() and RECIPE_ID.fullmatch(folder.name):
        raise CacheError(
            f"{folder} is a link, and might lead out of the cache. Remove it, or link the whole cache."
        )
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries if entry.name.endswith(suffix))
            return [folder / name for name in names]  # in a folder of many, paths take long to compare
    except FileNotFoundError:
        return []


def _state(path: Path) -> tuple[int, ...]:
    try:
        status = path.lstat()
    except OSError:
        return ()
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def read_json(path: Path) -> dict[str, Any] | None:
    """Return the JSON object in a file: {} without a file, None for anything else, such as a link or a pipe."""
    try:
        value = json.loads(read_file(path, _LONGEST_JSON))
    except FileNotFoundError:
        return {}
    except (ValueError, RecursionError, UnfitFileError):
        return None
    return value if isinstance(value, dict) else None


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    if not path.exists():
        with whole_file(path) as draft:
            draft.file.write(to_json(value, indent=2).encode() + b"\n")

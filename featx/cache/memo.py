"""What need not be worked out twice: which image a file holds, the id of a recipe, when a recipe was last used.

A memo only saves time. It may be deleted at any moment. A damaged or hostile one is set aside, and a new one begun: it
is read only if it is a regular file with the two tables and nothing else, and for a bounded time. Where it cannot be
written (a read-only cache, a full disk) nothing is remembered, and nothing fails. Each row carries a digest of all
that it says, and a row that does not fit its digest is not believed.
"""

import json
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from featx.cache.database import DAMAGE, NOT_OURS, OTHERS_WORK, claim, connect, is_ours, set_aside
from featx.images import remote

FILE = "memo.sqlite"

FILES = 1_000_000
"""Files remembered; beyond that the ones noted longest ago are forgotten. About 200 bytes each."""

RECIPES = 10_000
"""Recipes remembered, likewise."""

_RACY = 2_000_000_000  # nanoseconds: the coarsest clock of a file system in use (FAT)
_AT_ONCE = 10_000  # paths per query; SQLite allows 32,766
_USE = "last use of "  # before a recipe's id

_PLACES = "SELECT path, image, digest, size, mtime, ctime, inode FROM file ORDER BY age"
_KNOWN = "SELECT path, image, digest, size, mtime, ctime, inode FROM file WHERE path IN ({})"
_NOTE = """INSERT INTO recipe (key, value, digest) VALUES (?, ?, ?)
ON CONFLICT (key) DO UPDATE SET value = excluded.value, digest = excluded.digest"""
_REMEMBER = """INSERT OR REPLACE INTO file (path, size, mtime, ctime, inode, image, digest)
VALUES (?, ?, ?, ?, ?, ?, ?)"""
_FORGET = "DELETE FROM {} WHERE age <= (SELECT max(age) FROM {}) - {}"


@dataclass(frozen=True, slots=True)
class Stat:
    """What a file system says of a file; equal before and after reading it, unless it changed meanwhile."""

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    taken_ns: int = field(compare=False)
    """When it was asked, by this machine's clock."""

    @property
    def racy(self) -> bool:
        """Whether the file may change once more without a trace, its last change being so recent."""
        return self.taken_ns - max(self.mtime_ns, self.ctime_ns) <= _RACY


@dataclass(frozen=True)
class Use:
    """What the last run asked of a recipe."""

    asked: int
    """Images that it needed."""
    found: int
    """Those of them that were cached."""
    when: float
    """Seconds since the epoch."""


def stat_of(path: str | os.PathLike[str]) -> Stat | None:
    """Ask the file system about a file, following links, or a URL's store; None if it cannot say, as reading will show.

    What identifies a state to a store, such as an ETag, stands for the inode.
    """
    taken = time.time_ns()  # before asking: a change after this moment must count as recent
    if _is_url(path):
        found = remote.state(str(path))
        return None if found is None else Stat(found.size, found.changed_ns, 0, found.tag, taken)
    try:
        return Stat(*_facts(path), taken)
    except (OSError, ValueError):  # ValueError: no file has a null character in its name
        return None


def _facts(path: str | bytes | os.PathLike[str]) -> tuple[int, int, int, int]:
    status = os.stat(path)  # noqa: PTH116 - a Path costs more than the question, 100,000 times
    inode = status.st_ino & (2**63 - 1)  # SQLite's integers are signed
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, inode


def _is_url(path: str | os.PathLike[str]) -> bool:
    return isinstance(path, str) and remote.is_url(path)


class Memo:
    """A memo beside the cache, in one SQLite file that any number of threads and processes may use.

    Holds no open file, creates nothing before it is told something, and pickles as its path.

    Parameters
    ----------
    folder
        The cache's folder; the memo is ``memo.sqlite`` in it.

    Examples
    --------
    >>> import tempfile
    >>> memo = Memo(tempfile.mkdtemp())
    >>> memo.note("resnet50, depth 4", {"recipe_id": "0123", "dim": 1024})
    >>> memo.recall("resnet50, depth 4")
    {'recipe_id': '0123', 'dim': 1024}
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.path = Path(folder).expanduser().absolute() / FILE

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.path.parent)!r})"

    def known(self, paths: Sequence[str | os.PathLike[str]]) -> tuple[np.ndarray, np.ndarray]:
        """Look up which images these files hold; only files that have not changed since they were read are known.

        Parameters
        ----------
        paths
            n paths; may repeat, and need not exist.

        Returns
        -------
        ids : numpy.ndarray
            (n, 16) uint8; zeros where unknown.
        found : numpy.ndarray
            (n,) bool.
        """
        keys = _keys(paths)
        memory: dict[bytes, tuple[Any, ...]] = {}

        def ask(database: sqlite3.Connection) -> None:
            for start in range(0, len(distinct), _AT_ONCE):
                some = distinct[start : start + _AT_ONCE]
                marks = ",".join("?" * len(some))
                answer = database.execute(_KNOWN.format(marks), some)
                memory.update((row[0], row[1:]) for row in answer)

        distinct = list(dict.fromkeys(keys))
        self._read(ask, len(distinct))
        urls = [name for name in map(os.fsdecode, memory) if remote.is_url(name)]
        told = {
            os.fsencode(url): (one.size, one.changed_ns, 0, one.tag)
            for url, one in zip(urls, remote.states(urls), strict=True)
            if one is not None
        }
        nothing = bytes(16)
        ids, found = [nothing] * len(keys), np.zeros(len(keys), bool)
        for number, key in enumerate(keys):
            image, check, *facts = memory.get(key, (None, None))
            if isinstance(image, bytes) and len(image) == 16:
                with suppress(OSError, ValueError):
                    if tuple(facts) == (told.get(key) or _facts(key)) and check == _digest(key, image, facts):
                        ids[number], found[number] = image, True
        return np.frombuffer(b"".join(ids), np.uint8).reshape(-1, 16).copy(), found

    def remember(self, entries: Iterable[tuple[str | os.PathLike[str], Stat, bytes]]) -> None:
        """Remember which images files hold.

        Parameters
        ----------
        entries
            Path, its `Stat` taken before reading it and found equal after, and the image id of what was read.
            A file changed less than two seconds before it was read is not remembered: it might be changed
            again, to the same size within the same tick of its file system, without a trace (Git
            calls it "racily clean").
        """
        entries = [entry for entry in entries if not entry[1].racy]
        keys = _keys([path for path, _, _ in entries])
        rows = []
        for key, (_, stat, image) in zip(keys, entries, strict=True):
            facts = stat.size, stat.mtime_ns, stat.ctime_ns, stat.inode
            rows.append((key, *facts, bytes(image), _digest(key, bytes(image), facts)))
        if rows:
            self._write(_REMEMBER, rows, _FORGET.format("file", "file", FILES))

    def paths(self, image_ids: np.ndarray) -> list[str]:
        """Look up in which files these images lie, as far as that is known and the files have not changed.

        Parameters
        ----------
        image_ids
            (n, 16) uint8.

        Returns
        -------
        list of str
            n absolute paths; of several files with the same content, the one noted last; ``""`` where unknown. A URL
            is given as it was noted: nothing is opened to see whether it has changed.
        """
        wanted = dict.fromkeys(map(bytes, image_ids), "")

        def ask(database: sqlite3.Connection) -> None:
            for key, image, check, *facts in database.execute(_PLACES):
                if image in wanted and isinstance(key, bytes) and check == _digest(key, image, facts):
                    with suppress(OSError, ValueError):
                        if remote.is_url(os.fsdecode(key)) or tuple(facts) == _facts(key):
                            wanted[image] = os.fsdecode(key)

        self._read(ask)
        return [wanted[bytes(image)] for image in image_ids]

    def recall(self, key: str) -> dict[str, Any] | None:
        """Return what was noted under a key, None if nothing was."""
        found: list[tuple[Any, Any]] = []
        question = "SELECT value, digest FROM recipe WHERE key = ?"
        self._read(lambda database: found.extend(database.execute(question, (key,))))
        if (
            not found
            or not isinstance(found[0][0], str)
            or found[0][1] != _digest(key.encode(), found[0][0].encode())
        ):
            return None  # nothing there, or nothing of ours
        try:
            value = json.loads(found[0][0])
        except (ValueError, RecursionError):
            return None
        return value if isinstance(value, dict) else None

    def note(self, key: str, value: Mapping[str, Any]) -> None:
        """Note something, JSON values only, under a key."""
        self._note({key: value}, OTHERS_WORK)

    def note_uses(self, uses: Mapping[str, Use]) -> None:
        """Note what a run asked of recipes; where another process is just writing, nothing is noted.

        Parameters
        ----------
        uses
            By recipe id.
        """
        self._note({_USE + recipe_id: asdict(use) for recipe_id, use in uses.items()}, 0)

    def last_use(self, recipe_id: str) -> Use | None:
        """Return what the last run asked of a recipe, None if that is unknown."""
        value = self.recall(_USE + recipe_id)
        kinds = {name: type(number) for name, number in (value or {}).items()}
        return Use(**value) if value and kinds == {"asked": int, "found": int, "when": float} else None

    def _note(self, entries: Mapping[str, Mapping[str, Any]], wait: float) -> None:
        texts = {key: json.dumps(value, allow_nan=False) for key, value in entries.items()}
        rows = [(key, text, _digest(key.encode(), text.encode())) for key, text in texts.items()]
        self._write(_NOTE, rows, _FORGET.format("recipe", "recipe", RECIPES), wait)

    def _read(self, ask: Callable[[sqlite3.Connection], object], rows: int = 0) -> None:
        # whatever is wrong, the memo then knows nothing; "ro" could not roll back a dead writer's journal
        with suppress(*DAMAGE), closing(connect(self.path, "rw", rows)) as database:
            if is_ours(database):
                ask(database)

    def _write(
        self, insert: str, rows: Sequence[tuple[Any, ...]], forget: str, wait: float = OTHERS_WORK
    ) -> None:
        for _ in range(2):  # the second time in a new file
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                with closing(connect(self.path, "rwc", len(rows), wait)) as database:
                    database.execute("BEGIN IMMEDIATE")
                    claim(database)
                    database.executemany(insert, rows)
                    database.execute(forget)
                    database.execute("COMMIT")
            except DAMAGE as error:
                code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
                if code & 0xFF not in NOT_OURS:
                    return  # read-only, full or busy for long: only time is lost
                set_aside(self.path)
            except OSError:
                return
            else:
                return


def _keys(paths: Iterable[str | os.PathLike[str]]) -> list[bytes]:
    here = Path.cwd()
    return [
        os.fsencode(path if _is_url(path) else os.path.join(here, path))  # noqa: PTH118 - as above, for speed
        for path in paths
    ]


def _digest(key: bytes, value: bytes, facts: Sequence[int] = ()) -> bytes:
    """Digest a row. Fast, since it is done for every file; it protects from damage, not from who can write here."""
    return blake2b(b"%d %b %b" % (len(key), key, value) + repr(tuple(facts)).encode(), digest_size=8).digest()

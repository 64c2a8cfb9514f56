"""Exported graphs: whether they are sound, and which make room."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from featx.cache.store import RECIPE_ID, listed, oddity
from featx.errors import ExportError, UnfitFileError
from featx.files import file_digest, make_folder, read_file, remove, size_of

GRAPH, WEIGHTS, CHECK = "graph.xml", "graph.bin", "sha256"
"""The files of an exported graph. The time of the last one says when it was used."""

KEEP = 1 << 30
"""Bytes that the exported graphs may take; the one used longest ago goes first."""

PATIENCE = 120.0
"""Seconds to wait for another process that makes the same graph; one that takes longer is made twice."""

_OTHERS = stat.S_IWGRP | stat.S_IWOTH
_LARGEST, _LONGEST_CHECK = 1 << 33, 1 << 10  # bytes that are read of a graph's file, and of its digests


@dataclass(frozen=True)
class Export:
    """One exported graph."""

    path: Path
    """Its folder."""
    bytes: int
    used: float
    """When it was run or written last, in seconds since the epoch."""


def exports(folder: Path) -> list[Export]:
    """List the exported graphs in a folder, the one used longest ago first; what is not ours is left out."""
    found = []
    for path in listed(folder):
        with suppress(OSError):  # another process removed it meanwhile
            if RECIPE_ID.fullmatch(path.name) and not oddity(path):
                noted = path / CHECK
                used = (noted if noted.is_file() else path).stat().st_mtime
                found.append(Export(path, size_of(path), used))
    return sorted(found, key=lambda one: one.used)


def refusal(folder: Path) -> str:
    """Say why no graph in a folder is run, though its digests may fit; nothing if graphs may be run.

    Whoever can write a graph can write its digests, too. So it counts only where nobody but the user, root or the
    owner of the cache can have written it.

    Parameters
    ----------
    folder
        That of the exported graphs.
    """
    if not os.path.lexists(folder):
        return ""
    return oddity(folder) or ("can be written by others" if _foreign(folder, folder.parent) else "")


def make_home(folder: Path) -> None:
    """Make the folder of the exported graphs, if it is missing, so that nobody else can write in it."""
    if not folder.exists():
        make_folder(folder)
        folder.chmod(folder.stat().st_mode & ~_OTHERS)


@contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Wait while another process of this machine makes the same graph; it is there then, and need not be made again.

    Nothing depends on it but time: whoever cannot lock a file there, or has waited for `PATIENCE`, goes on.

    Parameters
    ----------
    folder
        The graph. The lock lies beside it, and is given up by the system where its process is killed.
    """
    from filelock import FileLock

    with suppress(OSError):
        make_home(folder.parent)
    lock = FileLock(folder.with_suffix(".lock"), timeout=PATIENCE)
    if os.access(folder.parent, os.W_OK):
        with suppress(OSError):  # a Timeout, too
            lock.acquire()
    try:
        yield
    finally:
        if lock.is_locked:
            with suppress(OSError):  # Windows removes nothing that is open
                Path(lock.lock_file).unlink()
            lock.release()


def seal(folder: Path, name: str) -> None:
    """Note the name of a graph and the digests of its files, as ``sha256sum`` reads them; take others' rights away."""
    (folder / CHECK).write_text(_digests(folder, name))
    for path in (folder, *folder.iterdir()):
        path.chmod(path.stat().st_mode & ~_OTHERS)


def flaw(folder: Path) -> str:
    """Say what is wrong with an exported graph, read in full; nothing if it is what was written.

    Parameters
    ----------
    folder
        The graph.

    Raises
    ------
    OSError
        If it cannot be read, and may be sound.
    """
    try:
        kept = read_file(folder / CHECK, _LONGEST_CHECK)
        found = _digests(folder, folder.name).encode()
        foreign = [path for path in (folder, *folder.iterdir()) if _foreign(path, folder.parent.parent)]
    except UnfitFileError as error:
        return f"is damaged: {error.path.name} {error.reason}"
    except FileNotFoundError as error:
        return f"lacks {Path(error.filename).name}"
    except NotADirectoryError:
        return "is no folder"
    if foreign:
        return "can be written by others"
    return "" if kept == found else "does not match its SHA-256"


def open_export(folder: Path) -> Path:
    """Check an exported graph as `flaw` does, note that it is used, and return the path of its graph.

    Raises
    ------
    ExportError
        If its files are not those that were written.
    """
    try:
        reason = flaw(folder)
    except OSError as error:
        raise ExportError(f"The exported graph {folder} cannot be read ({error.strerror}).") from error
    if reason:
        raise ExportError(f"The exported graph {folder} {reason}.")
    with suppress(OSError):  # a cache that may only be read
        os.utime(folder / CHECK)
    return folder / GRAPH


def make_room(newest: Path) -> None:
    """Remove the graphs beside one that were used longest ago, so that all of them fit into `KEEP`; that one stays."""
    others = [one for one in exports(newest.parent) if one.path != newest]
    total = size_of(newest) + sum(one.bytes for one in others)
    for one in others:
        if total > KEEP:
            remove(one.path)
            total -= one.bytes


def _digests(folder: Path, name: str) -> str:
    digests = [(file_digest(folder / one, largest=_LARGEST, follow=False), one) for one in (WEIGHTS, GRAPH)]
    return f"# {name}\n" + "".join(f"{digest}  {one}\n" for digest, one in digests)


def _foreign(path: Path, cache: Path) -> bool:
    """Tell whether somebody else may have written this: not the user, root or whom the cache belongs to."""
    if not hasattr(os, "geteuid"):  # Windows: the rights of a folder are those of the one above it
        return False
    status = path.lstat()
    return bool(status.st_mode & _OTHERS) or status.st_uid not in {0, os.geteuid(), cache.stat().st_uid}

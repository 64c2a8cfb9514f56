"""Exported graphs beside the vectors: where they lie, whether they are sound, and which make room."""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from featx.cache.store import RECIPE_ID, listed
from featx.errors import ExportError, UnfitFileError
from featx.files import file_digest, read_file, remove, size_of

GRAPH, WEIGHTS, CHECK = "graph.xml", "graph.bin", "sha256"
"""The files of an exported graph. The time of the last one says when it was used."""

KEEP = 1 << 30
"""Bytes that the exported graphs of one cache may take; the one used longest ago goes first."""

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
            if RECIPE_ID.fullmatch(path.name) and path.is_dir() and not path.is_symlink():
                noted = path / CHECK
                used = (noted if noted.is_file() else path).stat().st_mtime
                found.append(Export(path, size_of(path), used))
    return sorted(found, key=lambda one: one.used)


def seal(folder: Path) -> None:
    """Note the digests of a graph's files, as ``sha256sum`` writes them."""
    (folder / CHECK).write_text(_digests(folder))


def flaw(folder: Path) -> str:
    """Say what is wrong with an exported graph, read in full; nothing if it is what was written.

    Raises
    ------
    OSError
        If it cannot be read, and may be sound.
    """
    try:
        kept = read_file(folder / CHECK, _LONGEST_CHECK)
        found = _digests(folder).encode()
    except UnfitFileError as error:
        return f"is damaged: {error.path.name} {error.reason}"
    except (FileNotFoundError, NotADirectoryError) as error:
        return f"cannot be read ({error})"
    return "" if kept == found else "does not match its SHA-256"


def open_export(folder: Path) -> Path:
    """Check an exported graph, note that it is used, and return the path of its graph.

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


def _digests(folder: Path) -> str:
    names = (WEIGHTS, GRAPH)
    return "".join(
        f"{file_digest(folder / name, largest=_LARGEST, follow=False)}  {name}\n" for name in names
    )

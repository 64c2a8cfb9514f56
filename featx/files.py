"""A file or a folder appears whole and durable, or not at all.

It is written as a draft beside its place, under a name that nobody can guess, sent to the disk, and renamed; then the
folder that holds it is sent to the disk, too. What a writer that was killed has left is removed by whoever writes
there next, once it is an hour old. What is read is a regular file of a size that the reader states, or an error.
"""

import errno
import hashlib
import io
import os
import re
import secrets
import shutil
import stat
import time
from collections.abc import Container, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from featx.errors import InputError, UnfitFileError

ABANDONED = 3600.0
"""Seconds after the last write to a draft after which its writer must be dead."""

NO_DAMAGE = {errno.EACCES, errno.EPERM, errno.EIO, errno.ESTALE, errno.ENODEV, errno.ETIMEDOUT, errno.ENXIO}
"""Errors by which a file cannot be read now, or not by this user; it may be sound."""

_DRAFT, _REPLACED = ".tmp", ".old"
_OURS = re.compile(r"\.featx-[0-9a-f]{32}\.(tmp|old)")


@dataclass
class Draft:
    """A file that is being written."""

    file: BinaryIO
    """Open for writing and reading."""
    path: Path
    """Where it lies until it is whole, for libraries that want a path."""
    target: Path
    """Where it will lie; may be changed to another name in the same folder, such as a digest of the content."""


@contextmanager
def whole_file(target: Path) -> Iterator[Draft]:
    """Write a file that appears whole and durable when the block ends, and not at all if the block raises.

    A file or a link that has the name already is replaced; a link is not followed.

    Parameters
    ----------
    target
        The file; its folder must exist.

    Raises
    ------
    OSError
        As the operating system gives it; nothing is left behind then.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> path = Path(mkdtemp()) / "note.txt"
    >>> with whole_file(path) as draft:
    ...     _ = draft.file.write(b"all of it")
    >>> path.read_text(), [one.name for one in path.parent.iterdir()]
    ('all of it', ['note.txt'])
    """
    sweep(target.parent)
    path = _unused(target.parent, _DRAFT)
    opened = path.open("xb+")  # x: neither an existing file nor a link
    try:
        with opened as file:
            draft = Draft(file, path, target)
            yield draft
            file.flush()
            os.fsync(file.fileno())
        path.replace(draft.target)
    except BaseException:  # an interrupt, too, must leave nothing behind
        with suppress(OSError):
            path.unlink()
        raise
    sync_folder(target.parent)


@contextmanager
def whole_folder(target: Path, *, replace: bool = False) -> Iterator[Path]:
    """Fill a folder that appears whole and durable when the block ends, and not at all if the block raises.

    Parameters
    ----------
    target
        The folder; the one that holds it must exist.
    replace
        Whether to replace what has the name already. It is moved aside first, into ``.featx-<digits>.old``, and
        deleted when the new one is in its place, or put back. Between the two renames there is neither.

    Yields
    ------
    pathlib.Path
        The folder to fill.

    Raises
    ------
    FileExistsError
        If there is something of that name and it is not to be replaced.
    OSError
        As the operating system gives it; nothing is left behind then.
    """
    with scratch(target.parent) as draft:
        yield draft
        _sync(draft)
        if replace and os.path.lexists(target):
            _exchange(draft, target)
            return
        try:
            draft.rename(target)
        except OSError as error:
            if os.path.lexists(target):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from error
            raise
        sync_folder(target.parent)


@contextmanager
def scratch(parent: Path) -> Iterator[Path]:
    """Make a folder for what is not finished yet, and remove it, with all that is still in it, when the block ends."""
    sweep(parent)
    folder = _unused(parent, _DRAFT)
    folder.mkdir()
    try:
        yield folder
    finally:
        remove(folder)


def ending(path: Path, known: Container[str]) -> str:
    """Give the ending of a file's name in small letters; refuse a name that is one of those known and nothing else.

    Examples
    --------
    >>> ending(Path("photos/Table.CSV"), {".csv"})
    '.csv'
    >>> ending(Path("photos/.csv"), {".csv"})
    Traceback (most recent call last):
    featx.errors.InputError: 'photos/.csv' is an ending without a name. Give both, such as 'photos/name.csv'.
    """
    if path.name.lower() in known:
        raise InputError(
            f"{str(path)!r} is an ending without a name. Give both, such as "
            f"{str(path.with_name('name' + path.name))!r}."
        )
    return path.suffix.lower()


def put_in_place(path: Path, target: Path) -> None:
    """Rename a finished file to its name on the same disk, durably; replaces what has the name, and follows no link."""
    _sync(path)
    path.replace(target)
    sync_folder(target.parent)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it where they are missing, durably."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Send the names in a folder to the disk."""
    with suppress(OSError):  # Windows and some network file systems cannot open or sync a folder
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def sweep(folder: Path) -> None:
    """Remove what dead writers have left in a folder; whatever prevents that is ignored."""
    for path in leftovers(folder):
        remove(path)


def leftovers(folder: Path) -> list[Path]:
    """List what dead writers have left in a folder: only names that are ours, last written an hour ago or more.

    A folder that was moved aside and has no successor, since its writer was killed between two renames, is the only
    copy of what it holds, and not listed.
    """
    with suppress(OSError), os.scandir(folder) as entries:
        ours = [folder / entry.name for entry in entries if _OURS.fullmatch(entry.name)]
        return sorted(path for path in ours if _dead(path))
    return []


def remove(path: Path) -> None:
    """Remove a file, a link or a folder with all it holds; what cannot be removed stays."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


def size_of(path: Path) -> int:
    """Add up the bytes of a file, or of all files below a folder; links are not followed."""
    with suppress(OSError):
        status = path.lstat()
        if not path.is_dir() or path.is_symlink():
            return status.st_size
        return sum(map(size_of, path.iterdir()))
    return 0


def open_file(path: Path, largest: int | None = None, *, follow: bool = False) -> io.BufferedReader:
    """Open a file for reading, if it is one: a stranger's folder can neither hang its reader nor lead it elsewhere.

    Parameters
    ----------
    path
        The file.
    largest
        Bytes that it may have; default: any number.
    follow
        Whether a link may stand in its place.

    Raises
    ------
    UnfitFileError
        If it is a link that is not to be followed, a folder, a pipe, a device or a socket, or is too large.
    OSError
        As the operating system gives it.
    """
    nofollow = 0 if follow else getattr(os, "O_NOFOLLOW", 0)
    # O_NONBLOCK: opening a pipe would wait for its writer
    flags = os.O_RDONLY | nofollow | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    if not (follow or nofollow) and path.is_symlink():
        raise UnfitFileError(path, "is a link")
    try:
        descriptor = os.open(path, flags)
    except OSError as error:
        if error.errno == errno.ELOOP and path.is_symlink():
            raise UnfitFileError(path, "is a link") from error
        if error.errno == errno.ENXIO and not path.is_file():
            raise UnfitFileError(path, "is not a regular file") from error
        raise
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise UnfitFileError(path, "is not a regular file")
    if largest is not None and status.st_size > largest:
        os.close(descriptor)
        raise UnfitFileError(path, f"has {status.st_size:,} bytes, more than the {largest:,} allowed here")
    return os.fdopen(descriptor, "rb")


def read_file(path: Path, largest: int) -> bytes:
    """Read a file that is no link and has so many bytes at most; raises what `open_file` raises.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> path = Path(mkdtemp()) / "note.txt"
    >>> _ = path.write_text("all of it")
    >>> read_file(path, largest=9)
    b'all of it'
    """
    with open_file(path, largest) as file:
        content = file.read(largest + 1)  # it may have grown meanwhile
    if len(content) > largest:
        raise UnfitFileError(path, f"has more than the {largest:,} bytes allowed here")
    return content


def file_digest(
    path: Path, algorithm: str = "sha256", *, largest: int | None = None, follow: bool = True
) -> str:
    """Digest a file, piece by piece.

    Parameters
    ----------
    path
        The file.
    algorithm
        A name that `hashlib` knows.
    largest, follow
        As for `open_file`.

    Returns
    -------
    str
        Hexadecimal digits.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    with open_file(path, largest, follow=follow) as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def _unused(folder: Path, suffix: str) -> Path:
    return folder / f".featx-{secrets.token_hex(16)}{suffix}"


def _dead(path: Path) -> bool:
    try:
        parts = [path, *(path.rglob("*") if path.is_dir() and not path.is_symlink() else ())]
        if time.time() - max(part.lstat().st_mtime for part in parts) <= ABANDONED:
            return False
        # a replaced folder keeps its name inside the one it was moved into
        return path.suffix == _DRAFT or all(os.path.lexists(path.parent / old.name) for old in path.iterdir())
    except OSError:  # its writer lives, and has just committed it
        return False


def _sync(path: Path) -> None:
    if path.is_dir():
        for part in path.iterdir():
            _sync(part)
        sync_folder(path)
    else:
        with path.open("rb+") as file:  # Windows syncs only what is open for writing
            os.fsync(file.fileno())


def _exchange(draft: Path, target: Path) -> None:
    aside = _unused(target.parent, _REPLACED)
    aside.mkdir()
    old = aside / target.name
    try:
        target.rename(old)
        draft.rename(target)
    except BaseException:
        with suppress(OSError):
            if old.exists():
                old.rename(target)
        with suppress(OSError):
            aside.rmdir()
        raise
    sync_folder(target.parent)  # before the old one is gone
    remove(aside)

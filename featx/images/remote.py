"""Images elsewhere: what a URL names, read, listed, and asked for its state by fsspec, the ecosystem's file systems.

Who may read what is fsspec's own affair and that of its packages (environment variables, `fsspec.config`). No URL is
opened but those that are given. An archive may stand anywhere: ``zip://cat.png::s3://bucket/photos.zip``.
"""

import os
import posixpath
import re
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from hashlib import blake2b
from pathlib import PurePath
from threading import Lock
from typing import Any, NamedTuple

from featx.errors import InputError

AT_ONCE = 32
"""Requests at a time: they wait for a network, not for this machine."""

LARGEST = 1 << 30
"""Bytes of a file in an archive: a small one may claim to be without end."""

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_ARCHIVES = 16  # kept open
_FRESH = 2.0  # seconds for which the state of an archive elsewhere is believed

_OPTIONS = {"use_listings_cache": False}  # a listing that is kept would hide what has changed since
_OWN = {
    kind: {"max_concurrency": 1} for kind in ("s3", "s3a")
}  # else s3fs asks for the size of each file first

_TAGS = (
    "ETag",
    "etag",
    "VersionId",
    "generation",
    "md5Hash",
    "content_md5",
    "Content-MD5",
    "Digest",
    "blob_id",
)
_TIMES = ("mtime", "LastModified", "last_modified", "Last-Modified", "updated", "modified", "created")


class State(NamedTuple):
    """What a store says of a file; another one if the file has changed."""

    size: int
    changed_ns: int
    """When it was last changed, in nanoseconds since the epoch; 0 where the store gives a tag and no time."""
    tag: int
    """A digest, of 63 bits, of what the store itself compares: an ETag, a version, a checksum."""


def is_url(path: str) -> bool:
    """Tell a URL from a path.

    Examples
    --------
    >>> is_url("s3://bucket/cat.jpg"), is_url("photos/cat.jpg"), is_url("C:/cat.jpg")
    (True, False, False)
    """
    return _URL.match(path) is not None


def ending_of(path: str | os.PathLike[str]) -> str:
    """Give how a file's name ends, in small letters: the name of a path or a URL, and in an archive that of its file.

    Examples
    --------
    >>> ending_of("photos/labels.CSV"), ending_of("zip://labels.csv::photos.zip"), ending_of("s3://bucket/photos.v2")
    ('.csv', '.csv', '.v2')
    """
    name = os.fspath(path)
    return PurePath(name.partition("::")[0] if is_url(name) else name).suffix.lower()


def check(url: str) -> None:
    """Refuse a URL that cannot be opened on this machine, before anything else is done.

    Raises
    ------
    InputError
        If fsspec, or the package for such URLs, is not installed, or there is no such kind of URL; with the reason
        but without the URL.
    """
    for part in url.split("::"):
        if is_url(part):
            _check(part.partition("://")[0].lower())


@lru_cache(maxsize=64)
def _check(scheme: str) -> None:
    if scheme == "reference":  # a text that says what to open: URLs that nobody gave
        raise InputError("what a reference:// file names is not opened: give the URLs themselves")
    try:
        from fsspec import get_filesystem_class

        get_filesystem_class(scheme)
    except ImportError as error:
        reason = "" if "fsspec" in str(error) else f" ({error})"
        raise InputError(
            f"{scheme}:// takes a package that is not installed{reason}: pip install 'featx[remote]' brings those "
            f"for s3:// and https://, pip install 'fsspec[{scheme}]' most others"
        ) from error
    except ValueError as error:
        raise InputError(f"{scheme}:// is no kind of URL that fsspec knows") from error


def read(url: str) -> bytes:
    """Read a file.

    Raises
    ------
    InputError
        If it cannot be read, with the reason but without the URL.
    """
    with _told():
        files, path, alone = _opened(url)
        with alone:
            if not isinstance(alone, nullcontext) and (size := files.info(path)["size"]) > LARGEST:
                raise InputError(f"claims {size:,} bytes, more than the {LARGEST:,} allowed in an archive")
            return bytes(files.cat_file(path))


def state(url: str) -> State | None:
    """Ask the store for a file's state, of an archive's file for the archive's; None where it cannot say."""
    try:
        archive = _archive_of(url)
        if archive:
            return _state_of(archive[1])
        files, path, _ = _opened(url)
        return _state_from(files.info(path))
    except Exception:  # noqa: BLE001 - whatever a library raises, reading will show
        return None


def states(urls: Iterable[str]) -> list[State | None]:
    """Ask for the states of many files, several at a time."""
    listed = list(urls)
    if not listed:
        return []
    with ThreadPoolExecutor(min(AT_ONCE, len(listed))) as several:
        return list(several.map(state, listed))


def files_below(url: str) -> list[tuple[str, ...]]:
    """List the files in a folder and all below it: the names of the folders on the way, and the file's.

    Raises
    ------
    InputError
        If the URL is that of a file, or nothing can be listed there; with the reason but without the URL.
    """
    with _told():
        files, top, alone = _opened(url)
        try:
            with alone:
                names = files.find(top) or files.ls(top, detail=False)  # which says why nothing is found
        except FileNotFoundError as error:
            raise InputError(f"there is no such {_lacking(error, 'folder')}") from error
    parts = [tuple(name.removeprefix(top).strip("/").split("/")) for name in names]
    if ("",) in parts and len(parts) == 1:
        raise InputError("is a file, not a folder")
    return parts


def below(url: str, parts: Iterable[str]) -> str:
    """Give the URL of a file in a folder: one that `files_below` has listed, or that a table names.

    Examples
    --------
    >>> below("s3://bucket/photos/", ["cats", "1.jpg"]), below("zip://::photos.zip", ["cats", "1.jpg"])
    ('s3://bucket/photos/cats/1.jpg', 'zip://cats/1.jpg::photos.zip')
    >>> below("s3://bucket/lists", ["../cats/1.jpg"])
    's3://bucket/cats/1.jpg'
    """
    folder, *archive = url.split("::", 1)
    folder = folder if folder.endswith("://") else folder.rstrip("/") + "/"
    path = "/".join(parts)
    if {".", ".."}.intersection(path.split("/")):  # stores know no such steps
        scheme, _, top = folder.partition("://")
        folder, path = f"{scheme}://", posixpath.normpath(top + path)
    return "::".join([folder + path, *archive])


def _opened(url: str) -> tuple[Any, str, AbstractContextManager[object]]:
    """Give a file system, a path in it, and what to hold while it is read."""
    from fsspec.core import url_to_fs

    if archive := _archive_of(url):
        scheme, outer, inner = archive
        files, lock = _archive(scheme, outer)
        return files, inner, lock
    options = {} if "::" in url else _OPTIONS | _OWN.get(url.partition("://")[0].lower(), {})
    files, path = url_to_fs(url, **options)
    return files, path, nullcontext()


def _archive_of(url: str) -> tuple[str, str, str] | None:
    """Take the URL of a file in an archive apart: the kind of archive, where it lies, the file in it."""
    from fsspec import get_filesystem_class
    from fsspec.archive import AbstractArchiveFileSystem

    head, _, outer = url.partition("::")
    scheme, _, inner = head.partition("://")
    kind = get_filesystem_class(scheme.lower()) if outer else None
    if kind is None or not issubclass(kind, AbstractArchiveFileSystem):
        return None
    return scheme.lower(), outer, inner.strip("/")


_open: dict[tuple[Any, ...], tuple[Any, AbstractContextManager[object]]] = {}
_opening = Lock()
_asked: dict[str, tuple[float, State | None]] = {}


def _archive(scheme: str, outer: str) -> tuple[Any, AbstractContextManager[object]]:
    """Open an archive once for as long as it does not change; its reader knows only one place in it at a time."""
    from fsspec.core import url_to_fs

    key = (os.getpid(), scheme, outer, _state_of(outer))
    with _opening:
        known = _open.get(key)
        if known is None:
            known = url_to_fs(f"{scheme}://::{outer}")[0], Lock()
            if key[-1] is not None:
                _open[key] = known
                for old in list(_open)[:-_ARCHIVES]:
                    del _open[old]
        return known


def _state_of(archive: str) -> State | None:
    if not is_url(archive):
        status = os.stat(archive)  # noqa: PTH116 - as everywhere for a state
        tag = _tag([status.st_ino, status.st_ctime_ns])
        return State(status.st_size, max(status.st_mtime_ns, status.st_ctime_ns), tag)
    when, known = _asked.get(archive, (-_FRESH, None))
    if time.monotonic() - when > _FRESH:
        when, known = time.monotonic(), state(archive)
        _asked[archive] = when, known
    return known


def _state_from(info: dict[str, Any]) -> State | None:
    tags = [(name, str(info[name])) for name in _TAGS if info.get(name)]
    times = [_nanoseconds(info[name]) for name in _TIMES if info.get(name)]
    if not tags and not any(times):
        return None
    return State(int(info.get("size") or 0), max([*times, 0]), _tag(tags))


def _tag(value: object) -> int:
    return int.from_bytes(blake2b(repr(value).encode(), digest_size=8).digest()) >> 1


def _nanoseconds(when: Any) -> int:
    """Turn a time as a store gives it into nanoseconds since the epoch; 0 for what is none."""
    if isinstance(when, str):
        for parse in (datetime.fromisoformat, parsedate_to_datetime):
            try:
                when = parse(when)
                break
            except ValueError:
                continue
    if isinstance(when, datetime):
        when = (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
    return int(when * 1e9) if isinstance(when, int | float) else 0


@contextmanager
def _told() -> Iterator[None]:
    """Tell whatever a file system raises as an `InputError` of one line."""
    try:
        yield
    except InputError:
        raise
    except FileNotFoundError as error:
        raise InputError(f"there is no such {_lacking(error, 'file')}") from error
    except IsADirectoryError as error:
        raise InputError("is a folder, not an image") from error
    except Exception as error:  # each package has errors of its own
        status = getattr(error, "status", None)
        if isinstance(error, PermissionError) or status in (401, 403):
            raise InputError("access is denied there; check who you are to it") from error
        line = next(iter(str(error).strip().splitlines()), "") or type(error).__name__
        if "credentials" in line.lower():
            raise InputError(
                f"access takes credentials, and there are none here ({line}); see what its store asks for, such as aws "
                "configure, or FSSPEC_S3_ANON=true where all may read"
            ) from error
        lost = isinstance(error, TimeoutError | ConnectionError) or "Connect" in type(error).__name__
        raise InputError(
            f"{'its store cannot be reached' if lost else 'cannot be fetched'} ({line})"
        ) from error


def _lacking(error: FileNotFoundError, what: str) -> str:
    return "bucket" if "bucket does not exist" in str(error) else what

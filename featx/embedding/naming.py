"""Images named by their content, files from the memo where they have not changed, and read again by that name."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

from featx.cache.identity import SIZE, image_id
from featx.cache.memo import Memo, Stat, stat_of
from featx.embedding.progress import bar
from featx.embedding.sending import absolute
from featx.errors import InputError
from featx.images.loading import spread
from featx.images.remote import AT_ONCE, is_url
from featx.images.sources import Source, content
from featx.images.workers import are_processes

FETCHED = 1 << 29
"""Bytes of images from a network that are held from their naming to their decoding; the others are fetched twice."""

Wanted = tuple[Source, bytes, Stat | None]
"""An image, its name, and for a file its state when it was read to name it."""


def image_ids(
    sources: Sequence[Source], memo: Memo | None = None, n_jobs: int | None = None, verbose: int | None = 0
) -> np.ndarray:
    """Name images by their content, files from the memo if they have not changed since.

    Returns
    -------
    array of shape (n, 16), uint8
        Zeros for an image that cannot be read.
    """
    return identify(sources, memo, n_jobs, verbose)[0]


def file_id(path: Path, memo: Memo | None) -> bytes:
    """Name a file by its content, from memory or from the memo if it has not changed since.

    Raises
    ------
    InputError
        If the file cannot be read.
    """
    name, state = str(path.absolute()), stat_of(path)
    known = _known_files.get(name)
    if known and state == known[0]:
        return known[1]
    ids, reasons, states, _ = identify([name], memo, 1)
    if reasons:
        raise InputError(f"{str(path)!r}: {reasons[0]}")
    if 0 in states and not states[0].racy:
        _known_files[name] = states[0], bytes(ids[0])
    return bytes(ids[0])


_known_files: dict[str, tuple[Stat, bytes]] = {}  # of networks, so they are few


def identify(
    sources: Sequence[Source], memo: Memo | None, n_jobs: int | None, verbose: int | None = 0
) -> tuple[np.ndarray, dict[int, str], dict[int, Stat], dict[int, bytes]]:
    """Name every image by its content: ids of shape (n, 16) uint8, and for unreadable ones the reason.

    For files that were read also their states, which tell later whether they have changed since; and what came from a
    network, up to `FETCHED` bytes, so that it need not come again.
    """
    ids = np.zeros((len(sources), SIZE), np.uint8)
    unknown = np.ones(len(sources), bool)
    files = [row for row, source in enumerate(sources) if isinstance(source, str)]
    if memo and files:
        known, found = memo.known([str(sources[row]) for row in files])
        ids[files], unknown[files] = known, ~found
    rows = np.flatnonzero(unknown)
    chunks = [rows[start : start + 64] for start in range(0, len(rows), 64)]
    sent = are_processes()
    name_some = partial(_identify_some, hold=not sent)  # what other processes fetch is not sent here
    asked = ([absolute(sources[row]) if sent else sources[row] for row in chunk] for chunk in chunks)
    named = spread(name_some, asked, n_jobs)
    reasons: dict[int, str] = {}
    states: dict[int, Stat] = {}
    fetched: dict[int, bytes] = {}
    room = FETCHED
    with bar(len(rows), "image", "reading", verbose) as read:
        for chunk, results in zip(chunks, named, strict=True):
            for row, (name, stat, data) in zip(chunk, results, strict=True):
                if isinstance(name, str):
                    reasons[int(row)] = name
                    continue
                ids[row] = np.frombuffer(name, np.uint8)
                if stat is not None:
                    states[int(row)] = stat
                if data is not None and len(data) <= room:
                    fetched[int(row)] = data
                    room -= len(data)
            read.update(len(chunk))
    if memo:
        memo.remember((str(sources[row]), stat, ids[row].tobytes()) for row, stat in states.items())
    return ids, reasons, states, fetched


_Named = tuple[bytes | str, Stat | None, bytes | None]
"""An image's id, or the reason why it has none; its file's state, if it held still; what came from a network."""


def _identify_some(sources: Sequence[Source], *, hold: bool) -> list[_Named]:
    call = partial(_named, hold=hold)
    if not any(_is_elsewhere(source) for source in sources):
        return list(map(call, sources))
    with ThreadPoolExecutor(AT_ONCE) as several:  # which wait for a network
        return list(several.map(call, sources))


def _named(source: Source, *, hold: bool) -> _Named:
    try:
        before = stat_of(source) if isinstance(source, str) else None
        data = content(source)
        name = image_id(data)
        after = stat_of(source) if isinstance(source, str) else None
    except InputError as error:
        return str(error), None, None
    held = bytes(data) if hold and _is_elsewhere(source) else None
    return name, before if before == after else None, held


def _is_elsewhere(source: Source) -> bool:
    return isinstance(source, str) and is_url(source)


def unchanged(wanted: Wanted) -> bytes | np.ndarray:
    """Read an image that was named before; a vector must not be kept under the name of what its file was then."""
    source, name, state = wanted
    data = content(source)
    same = (
        isinstance(source, str)
        and not is_url(source)  # to digest what came is less than to ask once more
        and state is not None
        and not state.racy
        and stat_of(source) == state
    )
    if not same and image_id(data) != name:
        raise InputError("it changed while it was being read; run again")
    return data

"""Images read and resized in parallel, on whatever joblib backend the user has configured; bad ones by name."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain, islice
from typing import Any, TypeVar

import numpy as np

from featx.errors import BadImage, ImageError, InputError
from featx.images.resizing import to_sizes
from featx.images.sources import Source, content
from featx.images.workers import AHEAD, task, workers

PART = 8
"""Images that a worker reads at a time: few, so that all of them have work until the end."""

Item = TypeVar("Item")
Result = TypeVar("Result")


def spread(
    call: Callable[[Item], Result], items: Iterable[Item], n_jobs: int | None = None
) -> Iterator[Result]:
    """Call a function on every item in parallel, on a single one at once, and yield the results in their order.

    Items are taken `AHEAD` for each worker at a time, and more only when these results have been taken. So memory stays
    bounded however many there are and however slow their consumer is: joblib by itself would run ahead of it.

    Parameters
    ----------
    call
        The function. Under a backend of processes it and the items are pickled.
    items
        Its arguments, one call each.
    n_jobs
        Number of workers, as for `featx.images.workers.workers`: those of the thread that calls this, whichever takes
        the results.

    Examples
    --------
    >>> list(spread(abs, [-1, -2, 3], n_jobs=2))
    [1, 2, 3]
    """
    items = iter(items)
    first = list(islice(items, 2))
    if len(first) < 2:  # workers would take longer to start than to do it
        return map(call, first)
    return _spread(call, chain(first, items), *workers(n_jobs, return_as="generator", pre_dispatch="all"))


def _spread(
    call: Callable[[Item], Result], items: Iterator[Item], parallel: Any, count: int
) -> Iterator[Result]:
    with parallel as running:
        while some := list(islice(items, AHEAD * count)):
            yield from running(task(call, item) for item in some)


def load(
    parts: Iterable[Sequence[Item]],
    size: tuple[int, int],
    rule: str = "squash",
    *,
    n_jobs: int | None = None,
    read: Callable[[Item], bytes | np.ndarray] = content,  # type: ignore[assignment] # where items are sources
) -> Iterator[tuple[np.ndarray, Mapping[int, str]]]:
    """Read images and bring them to one size, part by part and in parallel.

    Parameters
    ----------
    parts
        Sources, several at a time, such as `in_parts` or the batches of a training give them.
    size
        Height and width in pixels.
    rule
        A name in `featx.images.resizing.RULES`.
    n_jobs
        Workers, as for `spread`.
    read
        Gives what is to be decoded of an item, for items that are more than a source; raises `InputError` for one
        that cannot be read.

    Yields
    ------
    pixels : array of shape (m, h, w, 3), uint8
        The images of a part; black where one cannot be read.
    reasons : mapping of int to str
        Why not, by its position in the part.

    Examples
    --------
    >>> for pixels, reasons in load([[np.zeros((9, 9), "uint8"), b"no image"]], (4, 4)):
    ...     print(pixels.shape, reasons[1][:33])
    (2, 4, 4, 3) not an image that Pillow can read
    """
    return (
        (pixels, reasons) for (pixels,), reasons in load_at(parts, [size], rule, n_jobs=n_jobs, read=read)
    )


def load_at(
    parts: Iterable[Sequence[Item]],
    sizes: Sequence[tuple[int, int]],
    rule: str = "squash",
    *,
    n_jobs: int | None = None,
    read: Callable[[Item], bytes | np.ndarray] = content,  # type: ignore[assignment] # where items are sources
) -> Iterator[tuple[list[np.ndarray], Mapping[int, str]]]:
    """Read images and bring each to several sizes, decoded once; as `load`, with an array of pixels for each size."""
    return spread(partial(_load_part, sizes=sizes, rule=rule, read=read), parts, n_jobs)


def in_parts(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    """Cut items into parts of `PART`."""
    return (items[start : start + PART] for start in range(0, len(items), PART))


def bad_image(row: int, source: Source, reason: str) -> BadImage:
    """Name an image that cannot be read: by its path, or by its row where it came without one."""
    return BadImage(int(row), source if isinstance(source, str) else f"image {row}", reason)


def past_bad(
    work: Callable[..., Result], *columns: Any
) -> tuple[Result, tuple[Any, ...], tuple[BadImage, ...]]:
    """Do some work on images, and where some are bad, on the others.

    Parameters
    ----------
    work
        Called with `columns`; raises `ImageError` for bad images. The good ones should be cached by then.
    columns
        Arrays of the same length, of images first.

    Returns
    -------
    result
        What `work` gave.
    columns : tuple of arrays
        Their rows that it was given.
    bad : tuple of BadImage
        The images that were left out.

    Raises
    ------
    ImageError
        If no image is left.
    """
    bad: tuple[BadImage, ...] = ()
    while True:
        try:
            return work(*columns), columns, bad
        except ImageError as error:
            names = {one.name for one in error.bad}
            kept = [
                row for row, image in enumerate(columns[0]) if bad_image(row, image, "").name not in names
            ]
            if len(kept) == len(columns[0]):
                raise
            if not kept:
                bad += tuple(error.bad)
                raise ImageError(bad, len(bad)) from error
            bad += tuple(error.bad)
            columns = tuple(None if column is None else column[kept] for column in columns)


def _load_part(
    part: Sequence[Item],
    sizes: Sequence[tuple[int, int]],
    rule: str,
    read: Callable[[Item], bytes | np.ndarray],
) -> tuple[list[np.ndarray], Mapping[int, str]]:
    pixels = [np.zeros((len(part), *size, 3), np.uint8) for size in sizes]
    reasons = {}
    for position, item in enumerate(part):
        try:
            found = to_sizes(read(item), sizes, rule)
        except InputError as error:
            reasons[position] = str(error)
            continue
        for array, one in zip(pixels, found, strict=True):
            array[position] = one
    return pixels, reasons

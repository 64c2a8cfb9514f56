"""Labelled images listed from a folder that has one subfolder per class, in an order that is the same everywhere."""

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from featx.errors import InputError, Words
from featx.images import remote
from featx.images.formats import extensions
from featx.images.image_table import LITTER, ImageTable, counted, objects
from featx.text import encodable

EXTENSIONS = extensions()
"""How the names of image files end, in any case. What a file truly is, is seen when it is read."""

_SPLITS = frozenset(
    {
        "dev",
        "eval",
        "evaluation",
        "prediction",
        "test",
        "testing",
        "train",
        "training",
        "val",
        "valid",
        "validation",
    }
)


def load_folder(path: str | os.PathLike[str]) -> ImageTable:
    """List the images of a folder that has one subfolder per class.

    The label of an image is the name of the subfolder of `path` it lies in, however deep. A folder of images
    alone gives no labels. No image is read. Links are followed, unless they lead back to a folder above them.

    Parameters
    ----------
    path
        The folder, or its URL, such as ``s3://bucket/photos`` or ``zip://::photos.zip``. It is listed and nothing more.

    Returns
    -------
    ImageTable
        Sorted by path, name by name and by code point: the same on any machine and in any language.
        ``.ignored`` counts hidden files, what systems leave behind (``Thumbs.db``), files with other endings,
        images beside the class folders, and class folders without images.

    Raises
    ------
    InputError
        If there is no such folder, it holds no images, or its subfolders are parts of a data set such as ``train`` and
        ``test``.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from featx.images import synthetic, write_folder
    >>> with TemporaryDirectory() as folder:
    ...     load_folder(write_folder(*synthetic(5), folder))
    ImageTable(5 images, 3 classes: 'disc' 2, 'ring' 1, 'square' 2)
    """
    name = repr(os.fspath(path))
    ignored: Counter[str] = Counter()
    if elsewhere := remote.is_url(os.fspath(path)):
        found, folders = _elsewhere(os.fspath(path), ignored)
    else:
        found, folders = _here(Path(path), ignored)
    inside = [parts for parts in found if len(parts) > 1]
    classes = sorted({encodable(parts[0]) for parts in inside})
    for folder in folders:
        if encodable(folder) not in classes and not _is_litter(folder):
            ignored[f"folder {folder!r} without images"] = 1
    if not found:
        seen = counted(ignored) or "it is empty"
        raise InputError(f"No images in {name} ({seen}). Images end in {', '.join(sorted(EXTENSIONS))}.")

    def place(parts: tuple[str, ...]) -> str:
        return remote.below(os.fspath(path), parts) if elsewhere else str(Path(path, *parts))

    if splits := _splits(inside):
        raise InputError(
            f"The folders in {name} are parts of a data set, not classes: {', '.join(splits)}. ",
            Words(
                f"Load each of them, such as load_folder({place((splits[0],))!r}).",
                f"Take one of them, such as {place((splits[0],))!r}.",
            ),
        )
    if inside and len(found) > len(inside):
        ignored["images beside the class folders"] = len(found) - len(inside)
    paths = objects(map(place, inside or found))
    labels = np.array([encodable(parts[0]) for parts in inside]) if inside else None
    return ImageTable(paths, labels, tuple(classes), dict(sorted(ignored.items())))


def _here(top: Path, ignored: Counter[str]) -> tuple[list[tuple[str, ...]], list[str]]:
    """List the images of a folder, sorted, and the folders right in it; count the other files."""
    if not top.is_dir():
        raise InputError(f"{str(top)!r} is {'a file, not a folder' if top.exists() else 'not there'}.")
    found = sorted(image.relative_to(top).parts for image in _walk(top, ignored))
    return found, [folder.name for folder in top.iterdir() if folder.is_dir()]


def _elsewhere(url: str, ignored: Counter[str]) -> tuple[list[tuple[str, ...]], list[str]]:
    """Do the same where a URL says; a folder exists there by the files in it."""
    try:
        remote.check(url)
        names = remote.files_below(url)
    except InputError as error:
        raise InputError(f"{url!r}: {error}.") from error
    found = []
    for parts in names:
        if litter := next(filter(_is_litter, parts), None):
            ignored["hidden" if litter.startswith(".") else litter] += 1
        elif _ending(parts[-1]) in EXTENSIONS:
            found.append(parts)
        else:
            ignored[_ending(parts[-1]) or "no extension"] += 1
    return sorted(found), sorted({parts[0] for parts in names if len(parts) > 1})


def _ending(name: str) -> str:
    return Path(name).suffix.lower()


def _splits(inside: Iterable[tuple[str, ...]]) -> list[str]:
    """Name the folders that are called as parts of a data set are, and hold class folders, not images of their own."""
    holds: dict[str, set[int]] = {}
    for parts in inside:
        holds.setdefault(parts[0], set()).add(min(len(parts), 3))
    return [name for name, depths in holds.items() if depths == {3} and _SPLITS.intersection(_words(name))]


def _words(name: str) -> list[str]:
    """Cut a name into words: ``val2017``, ``seg_train`` and ``testSet`` hold val, train and test."""
    return [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)]


def _walk(
    folder: Path, ignored: Counter[str], above: frozenset[tuple[int, int]] = frozenset()
) -> Iterator[Path]:
    """Find the image files in a folder and all below it, and count the other files."""
    status = folder.stat()
    here = (status.st_dev, status.st_ino)
    if here in above:
        ignored["links that lead back"] += 1
        return
    for path in folder.iterdir():
        if _is_litter(path.name):
            ignored["hidden" if path.name.startswith(".") else path.name] += 1
        elif path.is_dir():
            yield from _walk(path, ignored, above | {here})
        elif not path.is_file():
            ignored["broken links"] += 1
        elif _ending(path.name) in EXTENSIONS:
            yield path
        else:
            ignored[_ending(path.name) or "no extension"] += 1


def _is_litter(name: str) -> bool:
    """Tell what people do not see in a folder: hidden files, and what their systems leave there."""
    return name.startswith(".") or name.lower() in LITTER

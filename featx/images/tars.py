"""Images in tar files as WebDataset writes them: an image and its label are files of one name with other endings."""

import os
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath

import numpy as np

from featx.errors import InputError, Words
from featx.images import remote
from featx.images.folders import EXTENSIONS
from featx.images.image_table import ImageTable, objects

_NUMBER = re.compile(r"-?\d{1,18}")


def load_tars(
    tars: str | os.PathLike[str] | Sequence[str | os.PathLike[str]], *, label: str | None = "cls"
) -> ImageTable:
    """List the images of tar files in the convention of WebDataset.

    ``0001.jpg`` and ``0001.cls`` are one sample: an image, and its label as text. What is listed are URLs,
    ``tar://0001.jpg::photos-000.tar``, so the images are read one by one, from where the files lie.

    Parameters
    ----------
    tars
        The tar files, not compressed: paths or URLs, one or several.
    label
        The ending of the files that hold the labels, as in ``0001.cls``. None: there are none.

    Returns
    -------
    ImageTable
        In the order of the files, and in each sorted by name. Labels that are whole numbers throughout are int, others
        str. ``.ignored`` counts files with other endings.

    Raises
    ------
    InputError
        If a file cannot be read or holds no images, or an image has no label.

    Examples
    --------
    >>> import tarfile
    >>> from tempfile import TemporaryDirectory
    >>> from featx.images import synthetic, write_folder
    >>> with TemporaryDirectory() as folder:
    ...     paths = sorted(write_folder(*synthetic(4, classes=2), f"{folder}/drawn").rglob("*.png"))
    ...     with tarfile.open(f"{folder}/drawn.tar", "w") as file:
    ...         for path in paths:
    ...             file.add(path, path.name)
    ...     load_tars(f"{folder}/drawn.tar", label=None)
    ImageTable(4 images, no labels)
    """
    several = [os.fspath(one) for one in ([tars] if isinstance(tars, str | os.PathLike) else tars)]
    paths: list[str] = []
    labels: list[str] = []
    ignored: Counter[str] = Counter()
    for tar in several:
        found, told = _samples(tar, label, ignored)
        paths += found
        labels += told
    if not paths:
        raise InputError(f"There are no images in {', '.join(map(repr, several)) or 'no file'}.")
    if label is None:
        return ImageTable(objects(paths), None, (), dict(sorted(ignored.items())))
    numbers = all(map(_NUMBER.fullmatch, labels))
    column = np.array(list(map(int, labels)) if numbers else labels)
    return ImageTable(
        objects(paths), column, tuple(np.unique(column).tolist()), dict(sorted(ignored.items()))
    )


def _samples(tar: str, label: str | None, ignored: Counter[str]) -> tuple[list[str], list[str]]:
    """List the images of a file, and their labels."""
    url = f"tar://::{tar}"
    try:
        remote.check(url)
        names = sorted("/".join(parts) for parts in remote.files_below(url))
    except InputError as error:
        raise InputError(f"{tar!r}: {error}.") from error
    known, paths, labels = set(names), [], []
    for name in names:
        stem, ending = _parted(name)
        if PurePosixPath(f"x.{ending}").suffix.lower() not in EXTENSIONS:
            if ending != label:
                ignored[f".{ending}" if ending else "no extension"] += 1
            continue
        paths.append(remote.below(url, [name]))
        if label is None:
            continue
        if f"{stem}.{label}" not in known:
            raise InputError(
                f"{name!r} of {tar!r} has no label: there is no {stem + '.' + label!r}. "
                "Name the ending of labels by label=",
                Words(", or pass label=None.", ", or leave it out."),
            )
        labels.append(_text(remote.below(url, [f"{stem}.{label}"])))
    return paths, labels


def _parted(name: str) -> tuple[str, str]:
    """Cut a name at the first point of its last part, as WebDataset does."""
    folder, slash, last = name.rpartition("/")
    stem, _, ending = last.partition(".")
    return folder + slash + stem, ending


def _text(url: str) -> str:
    try:
        return remote.read(url).decode().strip()
    except (InputError, UnicodeDecodeError) as error:
        raise InputError(f"{url!r}: the label cannot be read ({error}).") from error

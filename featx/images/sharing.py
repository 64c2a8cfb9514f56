"""Which images belong to which of several jobs that know nothing of each other."""

import os
from collections.abc import Iterable
from hashlib import blake2b
from typing import Any

import numpy as np

from featx.errors import InputError


def in_shard(
    images: Iterable[Any], number: int, count: int, *, root: str | os.PathLike[str] = ""
) -> np.ndarray:
    """Tell which images belong to one of several shards.

    An image belongs to the shard that a digest of its name says, or of its content where it has no name. So each job
    decides alone and reads nothing for it; an image that is added, removed or listed elsewhere moves no other one; and
    every image belongs to one shard, whatever the others see. Shards are of about one size: of 10,000 images in 10
    shards, each has 1,000 give or take 60.

    Parameters
    ----------
    images
        Paths, URLs or bytes, such as the ``.paths`` of what `load_folder` gives.
    number
        Which shard, from 1.
    count
        How many there are.
    root
        What the names start from, so that it does not matter where a folder is mounted.

    Returns
    -------
    numpy.ndarray
        ``(n,)`` bool.

    Raises
    ------
    InputError
        If there is no such shard.

    Examples
    --------
    >>> shards = [in_shard(["a.png", "b.png", "c.png"], number, 2) for number in (1, 2)]
    >>> [shard.tolist() for shard in shards]
    [[True, False, False], [False, True, True]]
    """
    if not 1 <= number <= count:
        raise InputError(f"There is no shard {number} of {count}: the first is 1, the last {count}.")
    base = os.fspath(root).rstrip("/")
    return np.array([_digest(image, base) % count == number - 1 for image in images], bool)


def _digest(image: Any, base: str) -> int:
    name = image if isinstance(image, bytes) else os.fsencode(str(image).removeprefix(base).lstrip("/"))
    return int.from_bytes(blake2b(name, digest_size=8).digest(), "big")

"""Batches: how many images each has, and arrays regrouped into them."""

from collections.abc import Iterable, Iterator

import numpy as np

LEAST = 32
"""So many images are a batch of no unusual size, whatever the network."""


def size_of_batch(wanted: int, images: int, most: int) -> int:
    """Give the number of images in each batch of a run.

    Keras makes its program anew for another number, so only a few occur: the one that was asked for, and powers of two.

    Parameters
    ----------
    wanted
        What was asked for.
    images
        How many there are in all; 0 where that is not known.
    most
        How many fit into memory at a time; `LEAST` do in any case.

    Examples
    --------
    >>> [size_of_batch(32, images, most=200) for images in (1, 3, 20, 33, 1000)]
    [1, 2, 16, 32, 32]
    >>> [size_of_batch(10**6, images, most=200) for images in (1, 100, 1000)]
    [1, 64, 128]
    """
    most = max(LEAST, most)
    size = wanted if wanted <= most else 1 << (most.bit_length() - 1)
    return (
        min(size, 1 << (images.bit_length() - 1)) if images else size
    )  # as much is filled up as in a larger one


def regrouped(parts: Iterable[np.ndarray], size: int) -> Iterator[np.ndarray]:
    """Regroup arrays along their first axis, in their order, as soon as there is enough of them.

    Parameters
    ----------
    parts
        Arrays of shape (n, ...), of any n.
    size
        Rows of each array that is given; the last one may have fewer.

    Examples
    --------
    >>> [batch.tolist() for batch in regrouped([np.arange(3), np.arange(3, 4), np.arange(4, 9)], 4)]
    [[0, 1, 2, 3], [4, 5, 6, 7], [8]]
    """
    held: list[np.ndarray] = []
    lack = size
    for part in parts:
        while len(part) >= lack:
            yield np.concatenate([*held, part[:lack]])
            held, part, lack = [], part[lack:], size  # noqa: PLW2901 - what is left of it
        if len(part):
            held.append(part)
            lack -= len(part)
    if held:
        yield np.concatenate(held)

"""Arrays regrouped into batches of one size."""

from collections.abc import Iterable, Iterator

import numpy as np


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

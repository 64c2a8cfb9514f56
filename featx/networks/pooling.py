"""Pooling: feature maps in, one vector per image out.

Each pooling is written once, in the functions that NumPy and `keras.ops` share. Run by NumPy it is the reference;
run by Keras on symbolic tensors it is the last layer of the graph.

========== ======================================================================================= =============
name       what it is, for maps of shape (n, h, w, c)                                              width
========== ======================================================================================= =============
``avg``    mean over space                                                                         c
``max``    maximum over space                                                                      c
``std``    standard deviation over space (divided by h w, not h w - 1)                             c
``gem``    generalised mean, (mean x^3)^(1/3) of max(x, 1e-6): Radenovic, Tolias & Chum, TPAMI     c
           2019, with their starting value p = 3
``grid2``  means of 2 x 2 cells, row by row; cells of an odd side share the middle row or column,  4 c
           and a side of 1 counts twice
``none``   every value, row by row                                                                 h w c
========== ======================================================================================= =============

``+`` puts poolings side by side: ``avg+std`` is 2 c wide.
"""

from collections.abc import Callable
from itertools import product
from types import ModuleType
from typing import Any

import numpy as np

from featx.errors import InputError, UnknownNameError
from featx.text import quoted

Formula = Callable[[Any, Any], Any]
"""Takes an array namespace (NumPy or `keras.ops`) and maps of shape (n, h, w, c); gives vectors of shape (n, d)."""


def _avg(xp: Any, maps: Any) -> Any:
    return xp.mean(maps, axis=(1, 2))


def _max(xp: Any, maps: Any) -> Any:
    return xp.max(maps, axis=(1, 2))


def _std(xp: Any, maps: Any) -> Any:
    centred = maps - xp.mean(maps, axis=(1, 2), keepdims=True)  # two passes: the short formula cancels
    return xp.sqrt(xp.mean(centred * centred, axis=(1, 2)))


def _gem(xp: Any, maps: Any) -> Any:
    return xp.mean(xp.maximum(maps, 1e-6) ** 3, axis=(1, 2)) ** (1 / 3)


def grid2_cells(height: int, width: int) -> list[tuple[slice, slice]]:
    """Give the rows and columns of the cells of ``grid2``, in their order."""
    rows = slice(0, (height + 1) // 2), slice(height // 2, height)
    columns = slice(0, (width + 1) // 2), slice(width // 2, width)
    return list(product(rows, columns))


def _grid2(xp: Any, maps: Any) -> Any:
    cells = [
        xp.mean(maps[:, rows, columns, :], axis=(1, 2)) for rows, columns in grid2_cells(*maps.shape[1:3])
    ]
    return xp.concatenate(cells, axis=-1)


def _none(xp: Any, maps: Any) -> Any:
    height, width, channels = maps.shape[1:]
    return xp.reshape(maps, (-1, height * width * channels))


POOLINGS: dict[str, Formula] = {
    "avg": _avg,
    "max": _max,
    "std": _std,
    "gem": _gem,
    "grid2": _grid2,
    "none": _none,
}
"""The poolings by name."""


def parts(pooling: str) -> tuple[str, ...]:
    """Split a sum of poolings into its names.

    Raises
    ------
    UnknownNameError
        If one of them is not in `POOLINGS`.

    Examples
    --------
    >>> parts("avg+std")
    ('avg', 'std')
    """
    if not isinstance(pooling, str):
        raise InputError(f"pooling must be a name such as 'avg' or 'avg+std', not {quoted(pooling)}.")
    names = tuple(name.strip() for name in pooling.split("+"))
    for name in names:
        if name not in POOLINGS:
            raise UnknownNameError("pooling", name, POOLINGS)
    return names


def pool(maps: Any, pooling: str = "avg", xp: ModuleType = np) -> Any:
    """Turn feature maps into one vector per image.

    Parameters
    ----------
    maps
        Array or symbolic Keras tensor of shape (n, h, w, c), channels last. Vectors, of shape (n, d), are
        returned as they are: there is nothing left to pool.
    pooling
        A name of the table above, or a sum of these.
    xp
        `numpy`, or `keras.ops` for tensors.

    Returns
    -------
    array or tensor of shape (n, d)
        The vectors, of the dtype of the maps.

    Raises
    ------
    UnknownNameError
        If `pooling` is not in the table.
    InputError
        If the maps have neither two nor four axes.

    Examples
    --------
    >>> maps = np.arange(8, dtype="float32").reshape(1, 2, 2, 2)  # two channels: 0 2 4 6 and 1 3 5 7
    >>> pool(maps)
    array([[3., 4.]], dtype=float32)
    >>> pool(maps, "max+avg")
    array([[6., 7., 3., 4.]], dtype=float32)
    """
    names = parts(pooling)
    if len(maps.shape) == 2:
        return maps
    if len(maps.shape) != 4:
        raise InputError(
            f"Only maps of shape (n, h, w, c) or vectors of shape (n, d) can be pooled, not {tuple(maps.shape)}. "
            "Choose a convolutional or a dense layer."
        )
    vectors = [POOLINGS[name](xp, maps) for name in names]
    return vectors[0] if len(vectors) == 1 else xp.concatenate(vectors, axis=-1)


def columns(shape: tuple[int, ...], pooling: str) -> list[str]:
    """Name the columns that maps of one shape give, e.g. ``avg_0``.

    Parameters
    ----------
    shape
        Of one image's maps, (h, w, c), or of its vector, (d,).
    pooling
        A name of the table above, or a sum of these.

    Examples
    --------
    >>> columns((7, 7, 2), "avg+std")
    ['avg_0', 'avg_1', 'std_0', 'std_1']
    >>> columns((3,), "avg")
    ['0', '1', '2']
    """
    if len(shape) == 1:
        return [str(i) for i in range(shape[0])]
    return [f"{name}_{i}" for name, count in _counts(shape, pooling) for i in range(count)]


def width_of(shape: tuple[int, ...], pooling: str) -> int:
    """Count these columns.

    Examples
    --------
    >>> width_of((7, 7, 2), "avg+std"), width_of((3,), "avg")
    (4, 3)
    """
    return shape[0] if len(shape) == 1 else sum(count for _, count in _counts(shape, pooling))


def _counts(shape: tuple[int, ...], pooling: str) -> list[tuple[str, int]]:
    height, width, channels = shape
    cells = {"grid2": 4, "none": height * width}
    return [(name, channels * cells.get(name, 1)) for name in parts(pooling)]

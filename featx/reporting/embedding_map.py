"""A map of embeddings: images that are alike lie near one another."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from featx.errors import InputError, UnknownNameError

PROJECTIONS = ("pca", "umap")
MOST = 2000
"""Images on the map, at most."""


def check_projection(projection: str) -> None:
    """Refuse a projection that there is not, before anything is computed.

    Raises
    ------
    UnknownNameError
        If there is no such projection.
    InputError
        If it is UMAP and that is not installed.
    """
    if projection not in PROJECTIONS:
        raise UnknownNameError("projection", projection, PROJECTIONS)
    if projection == "umap":
        _umap()


def embedding_map(embeddings: NDArray[Any], projection: str = "pca") -> dict[str, Any] | None:
    """Give a place on a plane to each of at most `MOST` images.

    Parameters
    ----------
    embeddings
        (n, d), finite.
    projection
        A name in `PROJECTIONS`.

    Returns
    -------
    dict or None
        ``projection``; ``rows`` (m,); ``points`` (m, 2); ``explained``, the share of the variance that the two
        components hold, None for UMAP. None for fewer than three images, or embeddings that are all alike.
    """
    from sklearn.decomposition import PCA

    rows = np.arange(len(embeddings))
    if len(rows) > MOST:
        rows = np.sort(np.random.default_rng(0).permutation(rows)[:MOST])
    some = np.asarray(embeddings[rows], np.float32)
    if len(rows) < 3 or some.shape[1] < 2 or not np.ptp(some, axis=0).any():
        return None
    if projection == "umap":
        near = min(15, len(some) - 1)
        points, explained = _umap()(near, random_state=0, n_jobs=1).fit_transform(some), None
    else:
        pca = PCA(2, svd_solver="randomized", random_state=0)
        points, explained = pca.fit_transform(some), float(pca.explained_variance_ratio_.sum())
    return {
        "projection": projection,
        "rows": rows.tolist(),
        "points": np.asarray(points, float).round(4).tolist(),
        "explained": explained,
    }


def spread_out(points: NDArray[Any], columns: int = 9, lines: int = 7) -> list[int]:
    """Choose points that lie apart, for pictures: of each cell of a grid the one nearest to its centre.

    Examples
    --------
    >>> spread_out(np.array([[0.0, 0.0], [0.2, 0.2], [1.0, 1.0]]), 2, 2)
    [1, 2]
    """
    least, span = points.min(axis=0), np.ptp(points, axis=0)
    scaled = (points - least) / np.where(span > 0, span, 1) * (columns, lines)
    cells = np.minimum(scaled.astype(int), (columns - 1, lines - 1))
    away = np.abs(scaled - cells - 0.5).max(axis=1)
    nearest: dict[tuple[int, ...], int] = {}
    for place in np.argsort(away, kind="stable"):
        nearest.setdefault(tuple(cells[place].tolist()), int(place))
    return sorted(nearest.values())


def _umap() -> Any:
    try:
        from umap import UMAP
    except ImportError as error:
        raise InputError(
            "projection='umap' needs umap-learn, which is not installed: pip install umap-learn."
        ) from error
    return UMAP

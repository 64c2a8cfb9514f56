"""The images that are most alike, by the cosine of their embeddings."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from featx.errors import InputError
from featx.text import quoted


@dataclass(frozen=True)
class Neighbours:
    """Which images are most like some others, and how much."""

    rows: np.ndarray
    """(q, k) int: for each query the rows of the images that are most like it, the most alike first."""
    cosines: np.ndarray
    """(q, k) float: how alike they are, from -1 to 1."""


def similar(
    embeddings: Any, queries: Any, count: int = 10, *, own: Sequence[int] | None = None
) -> Neighbours:
    """Find the images that are most like some others.

    Likeness is the cosine of embeddings from which the mean of the images was subtracted, as in `find_duplicates`: the
    cosine of all that is common to them would leave little to tell. Every image is compared with every query, which is
    exact and needs no index: docs/explore.md says how long that takes.

    Parameters
    ----------
    embeddings
        (n, d) of the images to choose from, without NaN.
    queries
        (q, d) of the images that others are to be like.
    count
        How many for each query; fewer if there are no more.
    own
        (q,) the row of each query itself, which is then left out, or -1 for one that is not among the images.

    Returns
    -------
    Neighbours

    Raises
    ------
    InputError
        If shapes differ, there is nothing to choose from, or embeddings are NaN.

    Examples
    --------
    >>> from featx.embedding import FeatureExtractor
    >>> from featx.images import synthetic
    >>> images, labels = synthetic(n=30, classes=3, size=32, random_state=0)
    >>> embeddings = FeatureExtractor(depth=3, input_size=32, cache=None).transform(images)
    >>> found = similar(embeddings, embeddings[:2], count=4, own=[0, 1])
    >>> found.rows.shape, bool((labels[found.rows] == labels[:2, None]).mean() > 0.7)
    ((2, 4), True)
    """
    from sklearn.neighbors import NearestNeighbors
    from sklearn.preprocessing import normalize

    points, asked = _checked(embeddings, queries, count)
    mean = points.mean(axis=0) if len(points) > 2 else np.zeros(points.shape[1], np.float32)
    # at unit length the nearest by distance are the nearest by cosine, and scikit-learn finds those without a matrix of
    # all pairs
    points, asked = (normalize(one - mean, copy=False) for one in (points, asked))
    selves = np.full(len(asked), -1) if own is None else np.asarray(own)
    most = min(count, len(points) - int(np.any(selves >= 0)))
    wanted = min(count + 1, len(points))
    nearest = NearestNeighbors(n_neighbors=wanted, algorithm="brute").fit(points)
    distances, found = nearest.kneighbors(asked)
    itself = found == selves[:, None]  # is put behind all others
    rank = np.argsort(itself, axis=1, kind="stable")[:, :most]
    rows, apart = (np.take_along_axis(one, rank, axis=1) for one in (found, distances))
    return Neighbours(rows, 1 - apart.astype(np.float64) ** 2 / 2)


def _checked(embeddings: Any, queries: Any, count: int) -> tuple[np.ndarray, np.ndarray]:
    points, asked = (np.asarray(one, np.float32) for one in (embeddings, queries))
    if points.ndim != 2 or asked.ndim != 2 or points.shape[1] != asked.shape[1]:
        raise InputError(
            f"embeddings have the shape {points.shape} and queries {asked.shape}; (n, d) and (q, d) were expected."
        )
    if len(points) < 2:
        raise InputError(f"There is nothing to choose from among {len(points)} images. Give two or more.")
    if bad := int(np.isnan(points).any(axis=1).sum() + np.isnan(asked).any(axis=1).sum()):
        raise InputError(f"{bad} embeddings are NaN, of images that could not be read; leave them out.")
    if isinstance(count, bool) or not isinstance(count, int | np.integer) or count < 1:
        raise InputError(f"count={quoted(count)}: give a whole number of images, 1 or more.")
    return points, asked

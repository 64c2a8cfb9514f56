"""Labels for images that have none, from their neighbours."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.semi_supervised import LabelSpreading

NEIGHBOURS, ALPHA = 10, 0.8
"""Images that each listens to, and how far it does; docs/heads.md has figures."""


def spread(
    known: NDArray[np.floating], y: NDArray[np.integer], others: NDArray[np.floating]
) -> tuple[NDArray[np.integer], NDArray[np.floating]]:
    """Spread labels from image to image (Zhou et al., *Learning with local and global consistency*, NeurIPS 2003).

    Parameters
    ----------
    known
        Embeddings (n, d), standardised. Images are near each other where these have the same direction.
    y
        Their classes, (n,), numbers from 0.
    others
        Embeddings (m, d) without labels.

    Returns
    -------
    labels : array of shape (m,)
        The most probable class of each.
    trust : array of shape (m,)
        From 0, where all classes are as probable, to 1.

    Examples
    --------
    >>> angles = np.linspace(0, np.pi / 2, 41)
    >>> chain = np.column_stack([np.cos(angles), np.sin(angles)])
    >>> labels, trust = spread(chain[[0, -1]], np.array([0, 1]), chain[1:-1])
    >>> sorted(set(labels[:15].tolist())), sorted(set(labels[-15:].tolist()))
    ([0], [1])
    """
    rows = np.concatenate([known, others])
    rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.finfo(rows.dtype).tiny)
    said = np.concatenate([y, np.full(len(others), -1)])
    model = LabelSpreading(
        kernel="knn", n_neighbors=min(NEIGHBOURS, len(rows)), alpha=ALPHA, max_iter=100
    ).fit(rows, said)
    chances = model.label_distributions_[len(known) :]
    even = 1 / chances.shape[1]
    return model.classes_[chances.argmax(axis=1)], np.maximum(chances.max(axis=1) - even, 0) / (1 - even)


class Lesson(NamedTuple):
    """What is learned from images with labels, followed by others to which these were spread."""

    rows: NDArray[np.intp]
    """Which images are learned from."""
    y: NDArray[Any]
    """The labels of all."""
    weights: NDArray[np.floating]
    """What each of all counts for: an image without a label as far as its own is trusted."""
    sure: float
    """The mean probability of the labels that were spread."""


def lesson(Z: NDArray[Any], y: NDArray[Any], train: NDArray[np.intp], weights: NDArray[Any] | None) -> Lesson:
    """Let the images in `Z` that follow those with labels learn what they show from the rows `train`."""
    classes, codes = np.unique(y[train], return_inverse=True)
    labels, trust = spread(Z[train], codes, Z[len(y) :])
    rows = np.concatenate([train, len(y) + np.flatnonzero(trust)])
    weights = np.ones(len(y)) if weights is None else weights
    even = 1 / len(classes)
    return Lesson(
        rows,
        np.concatenate([y, classes[labels]]),
        np.concatenate([weights, trust]),
        float(even + (1 - even) * trust.mean()),
    )

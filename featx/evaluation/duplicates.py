"""Finding duplicate images, by content or by look, and whether they leak from train to test."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from os import PathLike
from typing import Any

import numpy as np

from featx.cache.embedding_cache import EmbeddingCache
from featx.cache.memo import Memo
from featx.embedding.naming import image_ids
from featx.embedding.progress import bar
from featx.errors import InputError
from featx.images.sources import as_sources
from featx.text import quoted

THRESHOLD = 0.95
"""Images with at least this cosine count as near duplicates; docs/explore.md measures what that finds and misses."""

_BLOCK = 1 << 24  # cosines computed at a time


@dataclass(frozen=True)
class Group:
    """Several copies of one image."""

    rows: tuple[int, ...]
    """Their rows in the input, ascending."""
    exact: bool
    """Whether they have the same content; if not, they look alike."""
    similarity: float
    """The lowest cosine of any of them to the first; 1 where the content is the same."""
    labels: tuple[Any, ...]
    """Their different labels, sorted; empty if no labels were given. More than one means that a label is wrong."""
    parts: tuple[Any, ...]
    """The different parts they are in, sorted. More than one means that an image is in both train and test."""


@dataclass(frozen=True)
class Duplicates:
    """What `find_duplicates` found."""

    groups: tuple[Group, ...]
    """The groups: those with the same content first, each kind in the order of rows."""
    images: int
    """How many images were compared."""
    unreadable: tuple[int, ...]
    """Rows of images that cannot be read, so were not compared."""

    def __str__(self) -> str:
        counts = [sum(group.exact == exact for group in self.groups) for exact in (True, False)]
        groups = f"{counts[0]} group{'s' * (counts[0] != 1)} with the same content"
        said = f"{self.images} images: {groups}, {counts[1]} that look{'s' * (counts[1] == 1)} alike"
        labels = sum(len(group.labels) > 1 for group in self.groups)
        parts = sum(len(group.parts) > 1 for group in self.groups)
        more = [f"{labels} under several labels"] * bool(labels) + [f"{parts} in several parts"] * bool(parts)
        return "; ".join([said, *more])

    def to_dict(self) -> dict[str, Any]:
        """Return everything as values that JSON can hold."""
        return asdict(self)


def find_duplicates(
    X: Any,
    y: Any = None,
    *,
    parts: Any = None,
    embeddings: Any = None,
    threshold: float = THRESHOLD,
    cache: str | PathLike[str] | EmbeddingCache | None = "auto",
    verbose: int | None = None,
) -> Duplicates:
    """Group images that have the same content and, given embeddings, those that look alike.

    Content is compared by its digest: a copied or renamed file is the same, one saved again is not. Looks are compared
    by the cosine of embeddings, with their mean subtracted. Images in a group are linked in chains, so the first and
    the last may be less alike than `threshold`.

    Parameters
    ----------
    X
        n images, in any form that `FeatureExtractor` takes.
    y
        Labels (n,), to see whether duplicates agree on them; None where an image has none.
    parts
        What each image is part of (n,), such as ``"train"`` or ``"test"`` or a fold, to see which are in two parts.
    embeddings
        Embeddings (n, d) of the same images; rows of NaN are images that could not be read. None: compare content only.
        Needs memory for a copy and 17 million numbers, and time for n * n * d / 2 multiplications.
    threshold
        Images look alike from this cosine on, -1 to 1.
    cache
        As for `FeatureExtractor`. The digests of files are remembered there until the files change.
    verbose
        1: progress bars on stderr. 0: none. None: where stderr is a terminal, for what takes more than a second.

    Returns
    -------
    Duplicates

    Raises
    ------
    InputError
        If lengths differ or `threshold` is not from -1 to 1.

    Examples
    --------
    >>> from featx.images import synthetic
    >>> images, labels = synthetic(n=6, size=16)
    >>> found = find_duplicates([*images, images[2]], [*labels, "mine"], parts=[*["train"] * 6, "test"])
    >>> print(found)
    7 images: 1 group with the same content, 0 that look alike; 1 under several labels; 1 in several parts
    >>> found.groups[0].rows, found.groups[0].parts
    ((2, 6), ('test', 'train'))
    """
    sources = as_sources(X)
    about = [None if values is None else np.asarray(values) for values in (y, parts)]
    for name, values in (("y", about[0]), ("parts", about[1]), ("embeddings", embeddings)):
        if values is not None and len(values) != len(sources):
            raise InputError(
                f"{name} has {len(values)} rows for {len(sources)} images. Give one for each image."
            )
    if not -1 <= threshold <= 1:
        raise InputError(f"threshold={quoted(threshold)}: give a cosine from -1 to 1, such as {THRESHOLD}.")
    ids = image_ids(sources, _memo(cache), verbose=verbose)
    readable: np.ndarray = np.any(ids, axis=1)
    content = _content(ids)

    def group(rows: Iterable[int], *, exact: bool, similarity: float) -> Group:
        at = sorted(int(row) for row in rows)
        told = [
            () if values is None else tuple(sorted(set(values[at].tolist()), key=_in_order))
            for values in about
        ]
        return Group(tuple(at), exact, similarity, *told)

    groups = [group(rows, exact=True, similarity=1.0) for rows in _same(content, readable)]
    if embeddings is not None:
        points, kept = _points(np.asarray(embeddings), content, readable)
        alike = _connected(points, threshold, verbose)
        for rows in _same(alike, np.ones(len(alike), bool)):
            similarity = float((points[rows] @ points[rows[0]]).min())
            members = np.flatnonzero(readable & np.isin(content, content[kept[rows]]))
            groups.append(group(members, exact=False, similarity=min(1.0, similarity)))
    groups.sort(key=lambda one: (not one.exact, one.rows))
    return Duplicates(tuple(groups), int(readable.sum()), tuple(np.flatnonzero(~readable).tolist()))


def leaked(
    X: Any,
    splits: Iterable[tuple[Any, Any]],
    *,
    cache: str | PathLike[str] | EmbeddingCache | None = "auto",
) -> np.ndarray:
    """Find the images that are tested on although their content was trained on.

    Parameters
    ----------
    X
        n images, in any form that `FeatureExtractor` takes.
    splits
        Pairs of rows (train, test), as from ``StratifiedKFold(5).split(X, y)``.
    cache
        As in `find_duplicates`.

    Returns
    -------
    numpy.ndarray
        Their rows, ascending.

    Examples
    --------
    >>> from sklearn.model_selection import KFold
    >>> from featx.images import synthetic
    >>> images, _ = synthetic(n=6, size=16)
    >>> images = [*images, images[0]]
    >>> leaked(images, KFold(2).split(images)).tolist()
    [0, 6]
    """
    ids = image_ids(as_sources(X), _memo(cache))
    readable, content = ids.any(axis=1), _content(ids)
    found = np.zeros(len(ids), bool)
    for train, test in splits:
        found[test] |= np.isin(content[test], content[train])
    return np.flatnonzero(found & readable)


def _memo(cache: str | PathLike[str] | EmbeddingCache | None) -> Memo | None:
    known = EmbeddingCache.at(cache)
    return Memo(known.path) if known else None


def _in_order(label: Any) -> tuple[str, Any]:
    """Sort labels of one type as usual, beside None."""
    return type(label).__name__, label


def _content(ids: np.ndarray) -> np.ndarray:
    """Return a number for each content, (n,)."""
    return np.unique(np.ascontiguousarray(ids).view("S16")[:, 0], return_inverse=True)[1]


def _same(numbers: np.ndarray, wanted: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the wanted rows that share a number, number by number."""
    rows = np.flatnonzero(wanted)
    order = rows[np.argsort(numbers[rows], kind="stable")]
    for group in np.split(order, np.flatnonzero(np.diff(numbers[order])) + 1):
        if len(group) > 1:
            yield group


def _points(
    embeddings: np.ndarray, content: np.ndarray, readable: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Centre one embedding of each content and scale it to length 1; return them and their rows."""
    sound = np.flatnonzero(readable & np.isfinite(embeddings).all(axis=1))
    kept = sound[np.unique(content[sound], return_index=True)[1]]
    points = embeddings[kept].astype(np.float32)
    points -= points.mean(axis=0) if len(points) > 2 else 0
    lengths = np.linalg.norm(points, axis=1, keepdims=True)
    points /= np.where(lengths > 0, lengths, 1)
    return points, kept


def _connected(points: np.ndarray, threshold: float, verbose: int | None) -> np.ndarray:
    """Return a number for each point, (n,), the same for points that a chain of cosines >= threshold connects."""
    from scipy.sparse import coo_array  # type: ignore[import-untyped]
    from scipy.sparse.csgraph import connected_components  # type: ignore[import-untyped]

    count = len(points)
    groups = np.arange(count)
    step = max(1, _BLOCK // max(1, count))
    with bar(count, "image", "compare", verbose) as done:
        for start in range(0, count, step):
            block = points[start : start + step]
            here, there = np.nonzero(block @ points[start:].T >= threshold)
            later = there > here
            if later.any():  # joined at once, so that no number of pairs fills memory
                pairs = groups[start + here[later]], groups[start + there[later]]
                graph = coo_array((np.ones(len(pairs[0]), bool), pairs), (count, count))
                groups = connected_components(graph, directed=False)[1][groups]
            done.update(len(block))
    return groups

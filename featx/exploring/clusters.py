"""Images grouped by their embeddings, without labels: what is in a folder, before anybody has sorted it."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from featx.embedding.progress import bar
from featx.errors import InputError, UnknownNameError
from featx.exploring.contact_sheet import contact_sheet
from featx.files import make_folder, whole_folder
from featx.images.sources import as_sources
from featx.text import quoted, to_cell, to_json

METHODS = ("kmeans", "hdbscan")
SAMPLE = 5000
"""The most images that the silhouette is computed from, since it compares each with each."""
MOST = 20
"""The largest number of clusters that ``"auto"`` tries."""
SUMMARY = "clusters.json"


@dataclass(frozen=True)
class Clusters:
    """Which image belongs to which group, and how distinct the groups are."""

    labels: np.ndarray
    """(n,) int: the cluster of each image, 0 the largest one; -1 for an image in no cluster (``hdbscan`` only)."""
    distances: np.ndarray
    """(n,) float: how far each image is from the mean of its cluster; NaN for an image in no cluster."""
    method: str
    """Name of the method: one of `METHODS`."""
    silhouette: float
    """How distinct the clusters are, -1 to 1, by `sklearn.metrics.silhouette_score`; NaN for fewer than two."""
    tried: Mapping[int, float]
    """The silhouette for each number of clusters that was tried."""
    nmi: float | None = None
    """Normalised mutual information with the labels given: 0 to 1."""
    ari: float | None = None
    """Adjusted Rand index with the labels given: 1 is the same groups, 0 is chance."""

    @property
    def count(self) -> int:
        """How many clusters there are."""
        return int(self.labels.max()) + 1

    def members(self, cluster: int) -> np.ndarray:
        """Give the rows of a cluster's images, the most typical first. Cluster -1 gives the images in no cluster."""
        rows = np.flatnonzero(self.labels == cluster)
        return rows[np.argsort(self.distances[rows], kind="stable")]

    def __str__(self) -> str:
        none = int((self.labels < 0).sum())
        lines = [
            f"{self.count} clusters of {len(self.labels)} images by {self.method}: silhouette {self.silhouette:.3f}"
        ]
        if none:
            lines[0] += f"; {none} images in none"
        if self.nmi is not None and self.ari is not None:
            lines.append(f"against the labels: NMI {self.nmi:.3f}, ARI {self.ari:.3f}")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Give what JSON can say: the scores, the sizes, and the cluster of each image."""
        return {
            "method": self.method,
            "clusters": self.count,
            "sizes": [int((self.labels == cluster).sum()) for cluster in range(self.count)],
            "in_none": int((self.labels < 0).sum()),
            "silhouette": None if np.isnan(self.silhouette) else self.silhouette,
            "tried": dict(self.tried),
            "nmi": self.nmi,
            "ari": self.ari,
            "labels": self.labels.tolist(),
        }


def cluster(
    embeddings: Any,
    y: Any = None,
    *,
    clusters: int | str = "auto",
    method: str = "kmeans",
    components: int = 50,
    smallest: int = 5,
    random_state: int = 0,
    verbose: int | None = None,
) -> Clusters:
    """Group images by their embeddings.

    Embeddings are reduced to principal components, which are half whitened and brought to one length, so that distance
    means angle. docs/clusters.md compares this with other ways.

    Parameters
    ----------
    embeddings
        (n, d) float, as `FeatureExtractor.transform` gives them.
    y
        (n,) labels. They are only compared with the clusters.
    clusters
        How many, for ``"kmeans"``. ``"auto"``: the number from 2 to `MOST` with the highest silhouette.
    method
        ``"kmeans"``: every image is in a cluster. ``"hdbscan"``: clusters are the dense regions, as many as there are,
        and all other images are in no cluster.
    components
        How many principal components are kept, at most.
    smallest
        Images in the smallest cluster, for ``"hdbscan"``.
    random_state
        Fixes what is random.
    verbose
        1: a progress bar on stderr. 0: none. None: one where stderr is a terminal, if it takes more than a second.

    Raises
    ------
    InputError
        If there are too few images, or NaN, which stands for images that could not be read.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> truth = np.repeat(["ant", "bee", "cat"], 30)
    >>> embeddings = rng.normal(size=(90, 40)) + 3 * rng.normal(size=(3, 40))[np.arange(90) // 30]
    >>> print(cluster(embeddings, truth))
    3 clusters of 90 images by kmeans: silhouette 0.2...
    against the labels: NMI 1.000, ARI 1.000
    """
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

    if method not in METHODS:
        raise UnknownNameError("method", method, METHODS)
    embeddings = np.asarray(embeddings, np.float32)
    _check(embeddings, y, clusters)
    points = half_whitened(embeddings, components, random_state)
    tried: dict[int, float] = {}
    if method == "hdbscan":
        labels = _dense(points, smallest)
    else:
        numbers = range(2, min(MOST, len(points) - 1) + 1) if clusters == "auto" else [int(clusters)]
        found = {}
        with bar(len(numbers), "number", "clusters", verbose) as done:
            for number in numbers:
                found[number] = _kmeans(points, number, random_state)
                tried[number] = _silhouette(points, found[number], random_state)
                done.update()
        labels = found[max(tried, key=lambda number: tried[number])]
    labels = _largest_first(labels)
    distances = np.full(len(points), np.nan)
    for one in range(labels.max() + 1):
        rows = labels == one
        distances[rows] = np.linalg.norm(points[rows] - points[rows].mean(axis=0), axis=1)
    truth = None if y is None else np.asarray(y)
    return Clusters(
        labels,
        distances,
        method,
        _silhouette(points[labels >= 0], labels[labels >= 0], random_state),
        tried,
        None if truth is None else float(normalized_mutual_info_score(truth, labels)),
        None if truth is None else float(adjusted_rand_score(truth, labels)),
    )


def write_clusters(
    found: Clusters,
    images: Sequence[Any],
    folder: str | Path,
    *,
    labels: Any = None,
    overwrite: bool = False,
    verbose: int | None = None,
) -> Path:
    """Write clusters for people to look at: all of it or nothing.

    ``clusters.csv`` has the cluster and the distance of each image, ``clusters.json`` the scores, and
    ``cluster-00.jpg`` and so on show up to 48 images of each cluster, the most typical first.

    Parameters
    ----------
    found
        What `cluster` gave.
    images
        The images it was made from, in their order.
    folder
        Where; made here.
    labels
        (n,) written beside each image.
    overwrite
        Whether to replace a folder that this function wrote.
    verbose
        As for `cluster`: the bar counts pictures.

    Returns
    -------
    pathlib.Path
        The folder.

    Raises
    ------
    InputError
        If the folder exists and is not to be replaced, or holds something else, or cannot be written.
    """
    folder = Path(folder)
    check_place(folder, overwrite=overwrite)
    sources = as_sources(images)
    names = [source if isinstance(source, str) else str(row) for row, source in enumerate(sources)]
    try:
        make_folder(folder.parent)
        with whole_folder(folder, replace=overwrite) as draft:
            with (draft / "clusters.csv").open("w", newline="", encoding="utf-8") as file:
                table = csv.writer(file)
                table.writerow(["path", "cluster", "distance", *(["label"] if labels is not None else [])])
                for row, name in enumerate(names):
                    label = [] if labels is None else [labels[row]]
                    label = [to_cell(one) if isinstance(one, str) else one for one in label]
                    table.writerow([to_cell(name), found.labels[row], f"{found.distances[row]:.4f}", *label])
            groups = range(-1 if (found.labels < 0).any() else 0, found.count)
            with bar(len(groups), "picture", "pictures", verbose) as done:
                for one in groups:
                    shown = [sources[row] for row in found.members(one)[:48]]
                    name = f"cluster-{one:02}.jpg" if one >= 0 else "in-none.jpg"
                    contact_sheet(shown).save(draft / name, quality=85)
                    done.update()
            (draft / SUMMARY).write_text(to_json(found.to_dict(), indent=2) + "\n")
    except OSError as error:
        raise InputError(f"{str(folder)!r} cannot be written: {error}") from error
    return folder


def check_place(folder: Path, *, overwrite: bool) -> None:
    """Refuse a folder that exists, unless it holds clusters that are to be replaced."""
    if folder.exists() and not overwrite:
        raise InputError(f"{str(folder)!r} exists. Give another name, or overwrite=True to replace clusters.")
    if folder.exists() and not (folder / SUMMARY).is_file():
        raise InputError(
            f"{str(folder)!r} is not replaced: it has no {SUMMARY}, so it does not hold clusters. Give another name."
        )


def check_count(images: int, clusters: int | str) -> None:
    """Refuse images that are too few to be grouped, or a number of clusters that there cannot be."""
    if images < 4:
        raise InputError(f"{images} image{'s' * (images != 1)} cannot be grouped; give 4 or more.")
    if clusters != "auto" and not (
        isinstance(clusters, int | np.integer) and not isinstance(clusters, bool) and 2 <= clusters < images
    ):
        raise InputError(f"clusters={quoted(clusters)}: give 'auto', or a number from 2 to {images - 1}.")


def _check(embeddings: np.ndarray, y: Any, clusters: int | str) -> None:
    if embeddings.ndim != 2:
        raise InputError(f"embeddings have the shape {embeddings.shape}; (n, d) was expected.")
    check_count(len(embeddings), clusters)
    if y is not None and len(y) != len(embeddings):
        raise InputError(f"y has {len(y)} labels for {len(embeddings)} images.")
    if bad := int(np.isnan(embeddings).any(axis=1).sum()):
        raise InputError(f"{bad} embeddings are NaN, of images that could not be read; leave them out.")


def half_whitened(embeddings: np.ndarray, components: int, random_state: int = 0) -> np.ndarray:
    """Give principal components, each divided by the root of its deviation, in rows of length 1.

    Whole whitening, by the deviation itself, finds more in many images and nothing but noise in few; none at all lets
    one or two components decide.
    """
    from sklearn.decomposition import PCA
    from sklearn.preprocessing import normalize

    kept = min(components, *embeddings.shape)
    points = PCA(kept, random_state=random_state).fit_transform(embeddings)
    deviation = points.std(axis=0)
    return np.asarray(normalize(points / np.sqrt(np.maximum(deviation, 1e-6 * deviation.max() or 1.0))))


def _kmeans(points: np.ndarray, number: int, random_state: int) -> np.ndarray:
    from sklearn.cluster import KMeans

    return np.asarray(KMeans(number, n_init=4, random_state=random_state).fit_predict(points))


def _dense(points: np.ndarray, smallest: int) -> np.ndarray:
    from sklearn.cluster import HDBSCAN

    return np.asarray(HDBSCAN(min_cluster_size=smallest, copy=True).fit_predict(points))


def _silhouette(points: np.ndarray, labels: np.ndarray, random_state: int) -> float:
    from sklearn.metrics import silhouette_score

    if not 2 <= len(np.unique(labels)) < len(points):
        return float("nan")
    few = np.random.default_rng(random_state).permutation(len(points))[:SAMPLE]
    return float(silhouette_score(points[few], labels[few]))


def _largest_first(labels: np.ndarray) -> np.ndarray:
    kept, counts = np.unique(labels[labels >= 0], return_counts=True)
    ranks = {-1: -1, **{one: rank for rank, one in enumerate(kept[np.argsort(-counts, kind="stable")])}}
    return np.array([ranks[one] for one in labels])

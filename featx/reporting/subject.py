"""What a report is about: the pipeline in its parts, the images that can be read, and what goes with each of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import _safe_indexing

from featx.embedding.extractor import FeatureExtractor
from featx.embedding.plan import Tap
from featx.errors import BadImage, ImageError, InputError
from featx.evaluation.report import prepare
from featx.heads.beside import beside
from featx.heads.inner_folds import Fold
from featx.heads.routing import check_takes_unlabelled
from featx.images.loading import bad_image
from featx.images.sources import Source, as_sources
from featx.reporting.setup import hits, taken_apart
from featx.text import quoted


@dataclass(frozen=True)
class Subject:
    """A pipeline, images and targets, checked and embedded."""

    pipeline: Any
    extractor: FeatureExtractor | None
    """What the pipeline begins with, or has somewhere in it."""
    head: Any
    """What comes after it; None where the pipeline does not begin with an extractor."""
    X: Any
    """The images that can be read."""
    y: Any
    judged: Mapping[str, Any]
    """How they are cross-validated: arguments of `featx.evaluate`."""
    sources: Sequence[Source]
    """The images once more; empty where `X` holds something else, such as a table with other columns."""
    names: Sequence[str]
    embeddings: NDArray[np.float32] | None
    """(n, d); None without an extractor."""
    found: Mapping[str, int] | None
    """How many embeddings were ``asked`` of the cache and ``found`` there."""
    bad: Sequence[BadImage]
    """Images that were left out."""
    folds: Sequence[Fold]
    """Rows to learn from and rows to judge by."""
    columns: Sequence[str]
    """What the columns of `y` are called."""
    unlabelled: Any
    """Images without labels, or for a head alone their embeddings; or None."""

    @property
    def model(self) -> Any:
        """What is cross-validated: the head alone, if there is one, since the extractor learns nothing."""
        return beside(self.pipeline if self.head is None else self.head, self.unlabelled)

    @property
    def features(self) -> Any:
        """What it learns from."""
        return self.X if self.head is None else self.embeddings

    @property
    def groups(self) -> Any:
        """The group of each image, or None."""
        return self.judged["groups"]

    @property
    def taps(self) -> Sequence[Tap]:
        """The depths that the embeddings are made of; empty where the head does not see them alone."""
        return () if self.extractor is None or self.head is None else self.extractor.plan().taps


def subject(
    pipeline: Any, X: Any, y: Any, *, judged: Mapping[str, Any], names: Sequence[str] | None = None,
    unlabelled: Any = None,
) -> Subject:  # fmt: skip
    """Check everything, embed the images, and leave out those that cannot be read if the extractor does.

    Raises
    ------
    ValueError
        Before any image is read: as `featx.evaluate`.
    ImageError
        If images cannot be read and may not be left out.
    """
    extractor, head = taken_apart(pipeline)
    targets, folds, *_ = prepare(pipeline if head is None else head, X, y, scoring=None, **judged)
    if unlabelled is not None:
        check_takes_unlabelled(pipeline if head is None else head)
    columns = _columns(y, targets, names)
    embeddings: NDArray[np.float32] | None = None
    found: Mapping[str, int] | None = None
    bad: Sequence[BadImage] = ()
    if extractor is not None:
        embeddings, found, bad = _embedded(extractor, X, alone=head is None)
    if bad and embeddings is not None:
        kept = np.setdiff1d(np.arange(len(embeddings)), [one.row for one in bad])
        X, y, embeddings = _safe_indexing(X, kept), _safe_indexing(y, kept), embeddings[kept]
        some = {
            name: _safe_indexing(judged[name], kept)
            for name in ("groups", "sample_weight")
            if judged[name] is not None
        }
        cv = judged["cv"]
        judged = {**judged, **some, "cv": cv if isinstance(cv, int | None) else _among(folds, kept)}
        folds = prepare(pipeline if head is None else head, X, y, scoring=None, **judged)[1]
    if unlabelled is not None and extractor is not None and head is not None:
        unlabelled = extractor.with_choices(on_error="raise").fit(X).transform(unlabelled)
    sources = _sources(extractor, X)
    called = [bad_image(row, one, "").name for row, one in enumerate(sources)]
    called = called or [f"row {row}" for row in range(len(y))]
    return Subject(
        pipeline, extractor, head, X, y, judged, sources, called, embeddings, found, bad, folds, columns,
        unlabelled,
    )  # fmt: skip


def _columns(y: Any, targets: NDArray[Any], names: Sequence[str] | None) -> Sequence[str]:
    """Name the columns of targets."""
    count = 1 if targets.ndim == 1 else targets.shape[1]
    if names is None:
        names = [str(name) for name in getattr(y, "columns", ())] or [
            f"column {one + 1}" for one in range(count)
        ]
    if isinstance(names, str) or len(names) != count:
        raise InputError(
            f"target_names={quoted(names)}: give {count} name{'s' * (count != 1)}, one for each column of y."
        )
    return [str(name) for name in names]


def _embedded(
    extractor: FeatureExtractor, X: Any, *, alone: bool
) -> tuple[NDArray[np.float32] | None, Mapping[str, int] | None, Sequence[BadImage]]:
    """Embed images: the embeddings, what the cache had of them, and the images that are bad and may be left out."""
    told = extractor.with_choices(on_error="nan")
    try:
        embeddings = np.asarray(told.fit(X).transform(X))
    except InputError:
        if alone:  # it gets a part of X only, such as a column
            return None, None, ()
        raise
    bad = told.bad_images_
    if bad and (alone or extractor.on_error == "raise" or len(bad) == len(embeddings)):
        raise ImageError(bad, len(embeddings))
    return embeddings, hits(extractor), bad


def _among(folds: Sequence[Fold], kept: NDArray[np.intp]) -> list[Fold]:
    """Give folds the numbers that their rows have among those that are kept."""
    sides = [[np.searchsorted(kept, np.intersect1d(side, kept)) for side in fold] for fold in folds]
    return [(train, test) for train, test in sides]


def _sources(extractor: FeatureExtractor | None, X: Any) -> Sequence[Source]:
    try:
        if extractor is None:
            return as_sources(X)
        return as_sources(X, image_shape=extractor.image_shape, value_range=extractor.value_range)
    except InputError:
        return ()

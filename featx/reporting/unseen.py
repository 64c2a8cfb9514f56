"""The page of a fitted model on labelled images that it was not fitted to: nothing is fitted for it."""

from collections.abc import Sequence
from datetime import UTC, datetime
from time import perf_counter
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from featx.embedding.progress import bar
from featx.errors import BadImage, InputError
from featx.evaluation.duplicates import find_duplicates
from featx.evaluation.held_out import HeldOut
from featx.evaluation.unseen import evaluate_fitted
from featx.images.loading import bad_image
from featx.images.sources import Source, as_sources
from featx.reporting.answers import quality
from featx.reporting.doubts import copies, mistakes, wrong_labels
from featx.reporting.embedding_map import embedding_map
from featx.reporting.model_report import ALIKE, ModelReport
from featx.reporting.page import pictured
from featx.reporting.setup import diagram, recipe, taken_apart, versions
from featx.reporting.words import summary


def report_fitted(
    model: Any,
    X: Any,
    y: Any,
    *,
    held: HeldOut | None = None,
    bad_images: Sequence[BadImage] = (),
    leaked: Sequence[int] = (),
    title: str = "Report",
    command: str | None = None,
    verbose: int | None = None,
) -> ModelReport:
    """Say on one page how good a fitted model is on images that it was not fitted to.

    The page is that of `report`, without what takes fitting: a learning curve, a score for each depth, raw pixels.

    Parameters
    ----------
    model
        A fitted classifier or regressor, or what `load_exported` gives.
    X
        n images, in any form that it takes.
    y
        Their labels or numbers, (n,) or (n, k).
    held
        What `evaluate_fitted` gave for them. None: it is asked.
    bad_images
        Images that were left out, which the page names.
    leaked
        Rows of images that the model was fitted to, of which the page warns.
    title
        What stands at the top of the page.
    command
        What repeats all this, shown at the end of the page.
    verbose
        1: a progress bar on stderr. 0: none. None: one where stderr is a terminal, if it takes more than a second.

    Returns
    -------
    ModelReport

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from featx import FeatureExtractor, make_head
    >>> from featx.images import synthetic
    >>> images, labels = synthetic(n=40, classes=2, size=32, random_state=0)
    >>> pipe = make_pipeline(FeatureExtractor(input_size=32, cache=None), make_head("logistic"))
    >>> told = report_fitted(pipe.fit(images[:20], labels[:20]), images[20:], labels[20:])
    >>> told.to_dict()["images"], told.to_dict()["learning"]
    (20, None)
    """
    started = perf_counter()
    held = evaluate_fitted(model, X, y) if held is None else held
    extractor, head = taken_apart(model) if isinstance(model, BaseEstimator) else (None, None)
    embeddings = None
    if extractor is not None and head is not None and extractor.open_cache() is not None:
        embeddings = np.asarray(extractor.transform(X))  # without a cache the network would run once more
    sources = _sources(X, extractor)
    names = [bad_image(row, one, "").name for row, one in enumerate(sources)]
    names = names or [f"row {row}" for row in range(len(held.y))]
    with bar(3, "step", "report", verbose) as done:
        alike = _duplicates(held, sources, names, embeddings, extractor)
        done.update()
        facts: dict[str, Any] = {
            "title": title,
            "made": datetime.now(UTC).isoformat(timespec="seconds"),
            "kind": "numbers" if held.regression else "labels" if held.classes is None else "classes",
            "unseen": True,
            "images": len(held.y),
            "scores": held.scores.to_dict(),
            **quality(held),
            "pixels": None,
            "learning": None,
            "depths": [],
            "mistakes": mistakes(held, names),
            "wrong_labels": wrong_labels(held, names),
            "duplicates": alike,
            "leaked": list(leaked),
            "map": None if embeddings is None else embedding_map(embeddings, "pca"),
            "names": names,
            "targets": held.y.tolist(),
            "bad_images": [one._asdict() for one in bad_images],
            "recipe": None if extractor is None else recipe(extractor),
            "cache": None,
            "versions": versions(),
            "command": command,
        }
        done.update()
        pictures = pictured(facts, sources) if sources else {}
        done.update()
    facts["seconds"] = {"answers": held.scores.seconds, "report": perf_counter() - started}
    facts["summary"] = summary(facts)
    shown = diagram(model) if isinstance(model, BaseEstimator) else ""
    return ModelReport(held.scores, bad_images, facts, pictures, shown)


def _sources(X: Any, extractor: Any) -> Sequence[Source]:
    try:
        if extractor is None:
            return as_sources(X)
        return as_sources(X, image_shape=extractor.image_shape, value_range=extractor.value_range)
    except InputError:
        return ()


def _duplicates(
    held: HeldOut,
    sources: Sequence[Source],
    names: Sequence[str],
    embeddings: np.ndarray | None,
    extractor: Any,
) -> list[dict[str, Any]]:
    if not sources:
        return []
    found = find_duplicates(
        sources,
        None if held.classes is None else held.y,
        embeddings=embeddings if len(sources) <= ALIKE else None,
        cache=None if extractor is None else extractor.cache,
        verbose=0,
    )
    return copies(found, names)

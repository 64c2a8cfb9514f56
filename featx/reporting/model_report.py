"""The report of a fitted pipeline: measured once, then shown as a page, in a notebook or as values."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from os import PathLike
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from featx.embedding.composition import each_backbone
from featx.embedding.extractor import FeatureExtractor
from featx.embedding.pixels import PixelExtractor
from featx.embedding.progress import bar
from featx.errors import BadImage, InputError
from featx.evaluation.duplicates import find_duplicates, leaked
from featx.evaluation.held_out import HeldOut, held_out
from featx.evaluation.report import Report, warn_of_leaks
from featx.files import ending, make_folder, whole_file
from featx.reporting.answers import quality
from featx.reporting.curves import LEAST, SHARES, depths, learning, pixels
from featx.reporting.doubts import copies, mistakes, wrong_labels
from featx.reporting.embedding_map import check_projection, embedding_map
from featx.reporting.page import framed, pictured, render
from featx.reporting.setup import diagram, recipe, versions
from featx.reporting.subject import Subject, subject
from featx.reporting.words import summary
from featx.text import shown_lines
from featx.transfer.depths import depth_curve

PAGES = (".html", ".htm")
ALIKE = 20_000
"""Up to this many images are compared with one another by looks; that takes time for their number squared."""


@dataclass(frozen=True)
class ModelReport:
    """What `report` found; shows as a page in a notebook, and prints as its summary."""

    scores: Report
    """Accuracy, or R², with its standard error and interval, as `featx.evaluate` gives it."""
    bad_images: Sequence[BadImage]
    """Images that could not be read, so were left out."""
    facts: Mapping[str, Any] = field(repr=False)
    """Everything that was measured, see `to_dict`."""
    pictures: Mapping[str, Mapping[int, str]] = field(repr=False)
    """The images that the page shows, as data URIs, by place and row."""
    diagram: str = field(repr=False)
    """scikit-learn's diagram of the pipeline, HTML."""

    def __str__(self) -> str:
        return shown_lines("\n".join(self.facts["summary"]))

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the pictures as values that JSON can hold; docs/report.md lists the keys."""
        return dict(self.facts)

    def to_html(self) -> str:
        """Return the page: HTML that loads nothing from elsewhere."""
        return render(self.facts, self.pictures, self.diagram)

    def save(self, path: str | PathLike[str] = "report.html", *, overwrite: bool = False) -> Path:
        """Write the page as one file.

        Parameters
        ----------
        path
            Where to; ends in ``.html``. Folders that are missing are made.
        overwrite
            Whether to replace a file of that name.

        Returns
        -------
        pathlib.Path
            The file.

        Raises
        ------
        InputError
            If it exists and is not to be replaced, has another suffix, or cannot be written.
        """
        path = Path(path)
        if ending(path, PAGES) not in PAGES:
            raise InputError(f"{str(path)!r}: a report is a page. Give a name that ends in .html.")
        if path.is_dir():
            raise InputError(f"{str(path)!r} is a folder, and a file is to be written. Give another name.")
        if path.exists() and not overwrite:
            raise InputError(f"{str(path)!r} exists. Give another name, or overwrite=True to replace it.")
        try:
            make_folder(path.absolute().parent)
            with whole_file(path.absolute()) as draft:
                draft.file.write(self.to_html().encode())
        except OSError as error:
            raise InputError(f"{str(path)!r} cannot be written: {error.strerror or error}.") from error
        return path

    def _repr_html_(self) -> str:
        return framed(self.to_html())


def report(
    pipeline: Any,
    X: Any,
    y: Any,
    *,
    cv: Any = 5,
    groups: Any = None,
    sample_weight: Any = None,
    unlabelled: Any = None,
    random_state: int | None = 0,
    all_depths: bool = False,
    projection: str = "pca",
    target_names: Sequence[str] | None = None,
    title: str = "Report",
    command: str | None = None,
    verbose: int | None = None,
) -> ModelReport:
    """Cross-validate a pipeline and say on one page how good it is, how sure that is, and what to look at.

    Where the pipeline begins with a `FeatureExtractor`, each image goes through the network once, and the page has a
    learning curve, a score for each depth, a map and the images that look alike. Any other estimator is judged by
    cross-validation as it is.

    Parameters
    ----------
    pipeline
        A classifier or regressor, typically a fitted pipeline of a `FeatureExtractor` and a head. It is not changed.
    X
        The n images it was fitted to, in any form that its first step takes.
    y
        Labels or numbers, (n,) or (n, k).
    cv, groups, sample_weight, unlabelled, random_state
        As for `featx.evaluate`, which gives the same score.
    all_depths
        Whether to score every stage of the network: one more pass through it. Else those that the pipeline uses.
    projection
        How embeddings become a map: ``pca``, or ``umap`` if umap-learn is installed.
    target_names
        What the k columns of `y` are called. None: as in a frame, else numbered.
    title
        What stands at the top of the page.
    command
        What repeats all this, shown at the end of the page.
    verbose
        1: a progress bar on stderr. 0: none. None: one where stderr is a terminal, if it takes more than a second.

    Returns
    -------
    ModelReport

    Raises
    ------
    ValueError
        Before anything is computed: as `featx.evaluate`.
    ImageError
        If images cannot be read. An extractor with ``on_error="nan"`` leaves them out, and the page names them.

    Warns
    -----
    DuplicateWarning
        If an image is tested on whose content is trained on. The page names it.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from featx import FeatureExtractor, make_head
    >>> from featx.images import synthetic
    >>> images, labels = synthetic(n=40, classes=2, size=32, random_state=0)
    >>> pipe = make_pipeline(FeatureExtractor(input_size=32, cache=None), make_head("logistic")).fit(images, labels)
    >>> told = report(pipe, images, labels, cv=2)
    >>> told.scores.metric, told.to_dict()["kind"], len(told.to_dict()["classes"])
    ('accuracy', 'classes', 2)
    """
    started = perf_counter()
    check_projection(projection)
    judged = {"cv": cv, "groups": groups, "sample_weight": sample_weight, "random_state": random_state}
    about = subject(pipeline, X, y, judged=judged, names=target_names, unlabelled=unlabelled)
    seconds = {"embedding": perf_counter() - started}
    steps = (
        len(about.folds)
        + len(SHARES) * (about.head is not None and len(about.y) >= LEAST)
        + len(about.taps)
        + 3
    )
    with bar(steps, "step", "report", verbose) as done:
        held = held_out(about.model, about.features, about.y, step=done.update, **about.judged)
        facts: dict[str, Any] = {
            "title": title,
            "made": datetime.now(UTC).isoformat(timespec="seconds"),
            "kind": _kind(held),
            "images": len(held.y),
            "unlabelled": None if unlabelled is None else len(about.unlabelled),
            "scores": held.scores.to_dict(),
            **quality(held, about.columns),
            "pixels": _pixels(about, held),
        }
        done.update()
        facts |= _curves(about, held, done.update)
        if all_depths and about.extractor is not None and about.sources:
            facts["depths"] = _every_depth(about.extractor, about, held)
        facts |= _to_look_at(about, held)
        done.update()
        facts |= {
            "map": None if about.embeddings is None else embedding_map(about.embeddings, projection),
            "names": about.names,
            "targets": held.y.tolist(),
            "bad_images": [one._asdict() for one in about.bad],
            "recipe": None if about.extractor is None else recipe(about.extractor),
            "cache": about.found,
            "versions": versions(),
            "command": command,
        }
        shown = pictured(facts, about.sources) if about.sources else {}
        done.update()
    seconds |= {"cross-validation": held.scores.seconds, "report": perf_counter() - started}
    facts["seconds"] = seconds
    facts["summary"] = summary(facts)
    return ModelReport(held.scores, about.bad, facts, shown, diagram(pipeline))


def _kind(held: HeldOut) -> str:
    return "numbers" if held.regression else "labels" if held.classes is None else "classes"


def _pixels(about: Subject, held: HeldOut) -> dict[str, Any] | None:
    if not about.sources:
        return None
    names = ("resize", "image_shape", "value_range", "n_jobs")
    choices = {} if about.extractor is None else {name: getattr(about.extractor, name) for name in names}
    small = PixelExtractor(**choices, on_error="nan").fit(about.X).transform(about.X)
    return pixels(np.nan_to_num(small), held, about.groups)


def _curves(about: Subject, held: HeldOut, step: Callable[[], object]) -> dict[str, Any]:
    if about.head is None or about.embeddings is None:
        return {"learning": None, "depths": []}
    return {
        "learning": learning(about.model, about.embeddings, held, step) if len(held.y) >= LEAST else None,
        "depths": depths(about.embeddings, about.taps, held, about.groups, step),
    }


def _every_depth(extractor: FeatureExtractor, about: Subject, held: HeldOut) -> list[dict[str, Any]]:
    each = each_backbone(extractor.with_choices(depth="default", pooling="default"))
    head = "ridge" if held.regression else "auto"
    judged = {"cv": list(held.folds), "groups": about.groups, "head": head}
    curves = [depth_curve(about.X, held.y, asked, **judged) for asked in each]
    return [
        {
            "depth": row.name if len(curves) == 1 else f"{curve.backbone} {row.name}",
            "pooling": row.pooling[0],
            "columns": row.columns,
            "score": row.report.to_dict()["mean"],
            "interval": row.report.to_dict()["interval"],
            "images": row.report.images,
        }
        for curve in curves
        for row in curve.rows
    ]


def _to_look_at(about: Subject, held: HeldOut) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "mistakes": mistakes(held, about.names),
        "wrong_labels": wrong_labels(held, about.names),
        "duplicates": [],
        "leaked": [],
    }
    if not about.sources:
        return facts
    cache = None if about.extractor is None else about.extractor.cache
    embeddings = about.embeddings if len(about.sources) <= ALIKE else None
    labels = None if held.classes is None else held.y
    found = find_duplicates(about.sources, labels, embeddings=embeddings, cache=cache, verbose=0)
    rows = leaked(about.sources, held.folds, cache=cache)
    if len(rows) and about.extractor is not None:
        warn_of_leaks(about.extractor, about.X, held.folds)
    return facts | {"duplicates": copies(found, about.names), "leaked": rows.tolist()}

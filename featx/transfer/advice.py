"""The four-case guide of transfer learning, measured: how much data, how like the pretraining data, what to do."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featx.embedding.composition import as_extractor
from featx.embedding.pixels import PixelExtractor
from featx.embedding.progress import bar
from featx.evaluation.comparison import plus_minus
from featx.evaluation.report import Report, evaluate, prepare
from featx.exploring.imagenet import confidence as confidence_of
from featx.images.sources import as_sources
from featx.transfer.depth_report import DepthCurve, DepthRow
from featx.transfer.depths import check_target, depth_curve, paired

LARGE = 1000
"""With this many images a data set counts as large. `TransferClassifier` tries fine-tuning from the same number."""
PER_CLASS = 50
"""A large data set also has this many images of its median class."""
GUIDE = {
    ("small", "like"): "end",
    ("small", "unlike"): "start",
    ("large", "like"): "finetune",
    ("large", "unlike"): "finetune",
}
"""Size and similarity to strategy, as courses teach it (Stanford CS231n, *Transfer Learning*)."""
SHARES = (0.25, 0.5, 1.0)
"""Of the images that the folds leave to learn from: those of the learning curve."""
EPOCHS, BACKWARD = 20, 3
"""Fine-tuning's epochs, and how many forward passes one pass with its gradients takes."""


@dataclass(frozen=True)
class Advice:
    """What was measured, the case of the guide it amounts to, and what to do; prints as text."""

    curve: DepthCurve
    """The depths, scored."""
    pixels: Report
    """Score of a linear model of 16 x 16 pixels, on the same folds."""
    learning: Sequence[tuple[int, float]]
    """Images learned from, and mean score, for a quarter, a half and all of what the folds leave."""
    images: int
    per_class: int | None
    """Images of the median class; None where each has no single class."""
    size: str
    """``small`` or ``large``."""
    confidence: float | None
    """Mean probability of the backbone's own first guess on these images; None if it has no classifier at hand."""
    similarity: str
    """``like`` or ``unlike`` what the backbone was trained on."""
    strategy: str
    """A name of `featx.transfer.strategies.STRATEGIES`."""
    row: DepthRow
    """The depth to use with frozen features."""
    notes: Sequence[str]
    """Where the evidence conflicts, or leaves no room."""

    @property
    def seconds(self) -> float | None:
        """Expected time of the strategy on this machine, without heads; None if nobody measured an image."""
        if self.strategy == "pixels":
            return 0.0
        if self.curve.seconds is None:
            return None
        if self.strategy == "finetune":
            return self.curve.seconds * self.images * (1 + EPOCHS * BACKWARD)
        return self.curve.seconds * self.row.share * self.images

    def command(self, source: str = "FOLDER") -> str:
        """Give the command that carries the strategy out."""
        if self.strategy == "pixels":
            return 'python: TransferClassifier(strategy="pixels").fit(images.paths, images.labels)'
        if self.strategy == "finetune":
            return f"featx finetune {source} -o model --backbone {self.curve.backbone}"
        depth = ",".join(map(str, self.row.depth))
        return (
            f"featx fit {source} -o model --backbone {self.curve.backbone} --depth {depth} "
            f"--pooling {self.row.pooling[0]}"
        )

    def __str__(self) -> str:
        return self.text()

    def text(self, source: str = "FOLDER") -> str:
        """Say everything, with the command for a source of images."""
        metric, last = self.row.report.metric, self.curve.singles[-1]
        per = "" if self.per_class is None else f", {self.per_class} in the median class"
        learned = ", ".join(f"{score:.3f} from {count}" for count, score in self.learning)
        sure = "none at hand" if self.confidence is None else f"{self.confidence:.2f} on average"
        time = (
            "unknown, all was cached"
            if self.seconds is None
            else f"about {self.seconds:.0f} s on this machine"
        )
        lines = [
            f"size        {self.size}: {self.images} images{per}; {metric} {learned}",
            f"similarity  {self.similarity}: {self.curve.verdict}",
            f"            last stage {last.score:.3f}, behind the best by {plus_minus(last.behind, last.noise)}",
            f"            the backbone's own first guess: {sure}",
            f"pixels      {metric} {plus_minus(self.pixels.mean, self.pixels.error)} without any network",
            f"case        {self.size}, {self.similarity}: the guide says {GUIDE[self.size, self.similarity]}",
            *(f"but         {note}" for note in self.notes),
            f"do          {self.strategy}: {self.command(source)}",
            f"takes       {time}, without the head",
        ]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Give everything as values that JSON can say."""
        return {
            "images": self.images,
            "per_class": self.per_class,
            "size": self.size,
            "similarity": self.similarity,
            "confidence": self.confidence,
            "learning": [{"images": count, "score": score} for count, score in self.learning],
            "pixels": self.pixels.to_dict(),
            "curve": self.curve.to_dict(),
            "guide": GUIDE[self.size, self.similarity],
            "notes": list(self.notes),
            "strategy": self.strategy,
            "depth": list(self.row.depth),
            "pooling": list(self.row.pooling),
            "command": self.command(),
            "seconds": self.seconds,
        }


def advise(
    images: Any,
    y: Any,
    extractor: Any = "featx-mini",
    *,
    large: int = LARGE,
    per_class: int = PER_CLASS,
    confident: float = 0.5,
    cv: Any = 5,
    groups: Any = None,
    scoring: Any = None,
    sample_weight: Any = None,
    random_state: int | None = 0,
    **choices: Any,
) -> Advice:
    """Measure size and similarity, and recommend a strategy.

    Parameters
    ----------
    images, y, extractor, cv, groups, scoring, sample_weight, random_state, choices
        As for `featx.depth_curve`. Depth and pooling are what is to be found out, so every stage is scored, on whole
        images, whatever the extractor says of them.
    large, per_class
        A data set is large if it has this many images and, where each has one class, this many of the median class.
        `TransferClassifier` tries fine-tuning from the same number of images. 20 images of each of 136 classes
        (Omniglot) are not large.
    confident
        The images look like the backbone's training data if the mean probability of its own first guess is at least
        this. Where that contradicts the depth curve, the curve decides, since it was measured on the task, and the
        advice says so.

    Returns
    -------
    Advice

    Raises
    ------
    ValueError
        If the lengths of `images` and `y` differ, there is NaN in `y`, one class only, or a class with one image.
    InputError, WeightsError
        If a choice cannot be carried out.

    Notes
    -----
    Images are like the pretraining data if no stage before the last is better than it by more than two standard
    errors of the paired difference: features become more particular to the pretraining task with depth (Yosinski et
    al., NeurIPS 2014).

    Examples
    --------
    >>> from featx.images import synthetic
    >>> images, labels = synthetic(n=60, classes=3, size=32, random_state=0)
    >>> advice = advise(images, labels, input_size=32, cache=None)
    >>> advice.size, advice.strategy in ("pixels", "start", "end", "all-depths")
    ('small', True)
    """
    extractor = as_extractor(extractor, **choices).with_choices(
        depth="default", pooling="default", views=None
    )
    sources = as_sources(images, image_shape=extractor.image_shape, value_range=extractor.value_range)
    targets, head = check_target(sources, y)
    judged = {
        "cv": cv, "groups": groups, "scoring": scoring, "sample_weight": sample_weight, "random_state": random_state,
    }  # fmt: skip
    judged["cv"] = prepare(head, sources, targets, **judged)[1]
    curve = depth_curve(images, y, extractor, **judged)
    thumbnails = PixelExtractor(
        resize=extractor.resize, image_shape=extractor.image_shape, value_range=extractor.value_range
    )
    with bar(2 + len(SHARES), "step", "advice", extractor.verbose) as done:
        small = thumbnails.fit(images).transform(images)
        pixels = evaluate(head, small, targets, **judged, verbose=0)
        done.update()
        confidence = confidence_of(images, extractor)
        done.update()
        row = curve.cheapest
        learned = _learning(curve.features(row), targets, head, judged, done.update)

    single = targets.ndim == 1 and not np.issubdtype(targets.dtype, np.floating)
    median = int(np.median(np.unique(targets, return_counts=True)[1])) if single else None
    size = "large" if len(targets) >= large and (median is None or median >= per_class) else "small"
    last = curve.singles[-1]
    front = max(curve.singles, key=lambda row: row.score)
    ahead, noise = paired(front.report, last.report)
    similarity = "unlike" if front is not last and ahead > 2 * noise else "like"
    notes = []
    if confidence is not None and (confidence >= confident) != (similarity == "like"):
        notes.append(
            f"the backbone's own classifier is {'sure' if confidence >= confident else 'unsure'} of these images "
            f"({confidence:.2f} on average, {confident} is the limit); "
            "the depth curve decides, as it was measured on the task"
        )
    strategy = "finetune" if size == "large" else _frozen(curve, row)
    wrong = (1 - row.score) * len(targets)
    if strategy == "finetune" and row.report.metric == "accuracy" and wrong < 10:
        strategy = _frozen(curve, row)
        notes.append(f"frozen features leave {wrong:.0f} errors: fine-tuning could not be shown to be better")
    lead, spread = paired(row.report, pixels)
    if lead <= (spread if np.isfinite(spread) else 0):
        strategy = "pixels"
        notes.append(f"no depth is better than the pixels themselves ({pixels.mean:.3f})")
    guide = GUIDE[size, similarity]
    if strategy in ("start", "end", "all-depths") and guide in ("start", "end") and strategy != guide:
        notes.append(f"{row.name} was measured to be as good as the best or better, so {strategy} is taken")
    return Advice(
        curve, pixels, learned, len(targets), median, size, confidence, similarity, strategy, row, tuple(notes),
    )  # fmt: skip


def _frozen(curve: DepthCurve, row: DepthRow) -> str:
    """Name the strategy that a row of the curve belongs to."""
    if len(row.depth) == len(curve.singles) > 1:
        return "all-depths"
    return "end" if curve.singles[-1].depth[0] in row.depth else "start"


def _learning(
    features: NDArray[Any], y: NDArray[Any], head: Any, judged: dict[str, Any], step: Callable[[], object]
) -> list[tuple[int, float]]:
    """Score the head on a quarter, a half and all of the images that the folds leave to learn from."""
    from sklearn.base import is_regressor

    classes = not is_regressor(head) and y.ndim == 1
    found = []
    for share in SHARES:
        folds = []
        for train, test in judged["cv"]:
            order = np.random.default_rng(judged["random_state"]).permutation(train)
            rows = order[: max(2, round(share * len(order)))]
            if not classes or len(np.unique(y[rows])) > 1:
                folds.append((rows, test))
        if folds:
            report = evaluate(head, features, y, **{**judged, "cv": folds}, verbose=0)
            found.append((round(np.mean([len(rows) for rows, _ in folds])), report.mean))
        step()
    return found

"""How good a fitted model is on labelled images that it was not fitted to."""

import warnings
from collections.abc import Iterable, Iterator
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featx.embedding.held import hold
from featx.errors import FeatxWarning, InputError, Words
from featx.evaluation.comparison import interval_of_share
from featx.evaluation.held_out import HeldOut, columns, score
from featx.evaluation.report import Report
from featx.evaluation.scoring import SHOWN, guesses, limits, scorers_of
from featx.heads.checks import labels_of, numbers_of
from featx.text import quoted

DRAWS = 1000
"""Draws for an interval that has no formula."""


def evaluate_fitted(model: Any, X: Any, y: Any) -> HeldOut:
    """Judge a fitted model by labelled images that it was not fitted to. Nothing is fitted.

    Parameters
    ----------
    model
        A fitted classifier or regressor, or what `load_exported` gives.
    X
        n images, in any form that it takes.
    y
        Their labels or numbers, (n,) or (n, k).

    Returns
    -------
    HeldOut
        With the answers and the scores: accuracy, for classes also ``balanced_accuracy``, or R².

    Raises
    ------
    ValueError
        If `y` is none that the model could answer with.
    ImageError
        If images cannot be read.

    Warns
    -----
    FeatxWarning
        If `y` holds classes that the model does not know, so that it cannot be right about their images.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> model = LogisticRegression(C=100).fit([[0.0], [1.0]], ["no", "yes"])
    >>> found = evaluate_fitted(model, [[0.1], [0.2], [0.8], [0.4]], ["no", "no", "yes", "yes"])
    >>> print(found.scores["accuracy"], [round(end, 2) for end in found.scores.interval])
    accuracy 0.750 (4 images; guessing 0.500)
    balanced_accuracy 0.750 (4 images) [0.3, 0.95]
    """
    started = perf_counter()
    y = targets(model, y)
    with hold():
        predicted = np.asarray(model.predict(X))
        chances = model.predict_proba(X) if hasattr(model, "predict_proba") else None
    return judge(model, y, predicted, chances, seconds=perf_counter() - started)


def targets(model: Any, y: Any) -> NDArray[Any]:
    """Check targets against what a model answers with; give them as an array of its kind of labels.

    Raises
    ------
    ValueError
        If the model cannot answer with any of them.
    """
    if not hasattr(model, "classes_"):
        advice = Words(
            ". Give the numbers of these images.",
            ". Give a table, and name its column of numbers by --label.",
        )
        numbers = np.asarray(numbers_of(y, "the model predicts numbers", advice))
        if len(numbers) < 2:
            raise InputError("Numbers cannot be judged by one image: R² needs two or more.")
        return numbers
    y = np.asarray(labels_of(y))
    if isinstance(model.classes_, list) or y.ndim == 2:
        return np.asarray(y)
    known = np.asarray(model.classes_)
    names = y.tolist()
    if y.dtype.kind in "UO" and known.dtype.kind not in "UO":  # folders have names, whatever the labels were
        written = {str(one): one for one in known.tolist()}
        names = [written.get(name, name) for name in names]
    there = set(known.tolist())
    strange = [name for name in names if name not in there]
    if len(strange) == len(names):
        raise InputError(
            f"The model knows none of the classes {_some(strange)}; it answers with {_some(there)}. Call them as it "
            "does."
        )
    if strange:
        warnings.warn(
            f"The model does not know {_some(strange)}, so it is wrong about {len(strange)} of {len(names)} images. "
            "Leave them out to judge it by what it knows.",
            FeatxWarning,
            stacklevel=3,
        )
    mixed = strange and known.dtype.kind not in "UO" and y.dtype.kind in "UO"
    return y if mixed else np.array(names)


def judge(
    model: Any, y: NDArray[Any], predicted: NDArray[Any], probabilities: Any = None, *, seconds: float = 0.0
) -> HeldOut:
    """Score answers of a fitted model.

    Parameters
    ----------
    model
        The model; its classes are read.
    y
        What `targets` gave.
    predicted
        Its answers, as many.
    probabilities
        As it gives them; None where it gives none.
    seconds
        How long it took.

    Notes
    -----
    The interval of the accuracy is Wilson's for all images: unlike the folds of a cross-validation they were judged by
    one model. That of the balanced accuracy comes from its posterior (Brodersen, Ong, Stephan & Buhmann, *The balanced
    accuracy and its posterior distribution*, ICPR 2010), with a prior of one image in all, so it has a width even where
    nothing is wrong. R² has the percentiles of images drawn anew (Efron, *Bootstrap methods*, Annals of Statistics
    1979).
    """
    regression = not hasattr(model, "classes_")
    if predicted.shape != y.shape:
        raise InputError(
            f"The model answers with the shape {predicted.shape}, and the labels have {y.shape}. Give as many columns "
            "of labels as it was fitted to."
        )
    if y.dtype.kind in "UO" and predicted.dtype.kind not in "UO":  # it cannot answer with some of these names
        predicted = predicted.astype(str)
    rows = np.arange(len(y))
    one = y.ndim == 1 and not regression
    classes = np.unique(np.concatenate([np.asarray(model.classes_).astype(y.dtype.type), y])) if one else None
    whole = [(rows[:0], rows)]
    scorers = scorers_of(None, regression=regression)
    (name,) = scorers
    guess = guesses(scorers, y, whole, regression=regression)[name]
    value = score(y, predicted, regression=regression)
    ends = interval_of_share(
        value, 2 * len(y)
    )  # it takes half of what folds test, as they learned from the same
    if regression:
        ends = _interval([_r2(y[drawn], predicted[drawn]) for drawn in _draws(len(y))])
    others = {} if classes is None else _of_classes(y, predicted)
    scores = Report(
        SHOWN.get(name, name), (value,), guess, len(y), seconds, limits=limits(name), others=others, ends=ends
    )
    chances = None if probabilities is None else columns(probabilities, model, classes)
    return HeldOut(y, whole, rows, predicted, chances, classes, regression, scores, {})


def _of_classes(y: NDArray[Any], predicted: NDArray[Any]) -> dict[str, Report]:
    """Give the score in which each class counts alike, by scikit-learn's name."""
    truth = np.unique(y, return_inverse=True)[1]
    right, there = np.bincount(truth[y == predicted], minlength=truth.max() + 1), np.bincount(truth)
    value, prior = float((right / there).mean()), 1 / len(there)
    shares = np.random.default_rng(0).beta(right + prior, there - right + prior, (DRAWS, len(there)))
    low, high = _interval(shares.mean(axis=1))
    name = "balanced_accuracy"
    return {name: Report(name, (value,), None, len(y), 0.0, ends=(min(low, value), max(high, value)))}


def _draws(count: int) -> Iterator[NDArray[np.intp]]:
    random = np.random.default_rng(0)
    for _ in range(DRAWS):
        yield random.integers(0, count, count)


def _interval(values: Any) -> tuple[float, float]:
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return float(low), float(high)


def _r2(y: NDArray[Any], predicted: NDArray[Any]) -> float:
    """Give R², the mean over columns, as scikit-learn does but without a warning; NaN where nothing varies."""
    spread = ((y - y.mean(axis=0)) ** 2).sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return float(np.mean(1 - ((y - predicted) ** 2).sum(axis=0) / spread))


def _some(classes: Iterable[Any]) -> str:
    listed = sorted({quoted(one) for one in classes})
    return ", ".join(listed[:5]) + (f" and {len(listed) - 5} more" if len(listed) > 5 else "")

"""How good is a pipeline: cross-validated scores with their uncertainty, beside what guessing would score."""

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from time import perf_counter
from typing import Any

import numpy as np

from featx.errors import InputError
from featx.evaluation.comparison import standard_error
from featx.evaluation.folds import make_folds
from featx.heads.checks import labels_of, numbers_of
from featx.images.sources import as_sources


@dataclass(frozen=True)
class Report:
    """Scores of a pipeline on data it was not fitted on.

    Examples
    --------
    >>> print(Report("accuracy", (0.9, 0.94), 0.5, 120, 1.2))
    accuracy 0.920 ± 0.020 (2 folds, 120 images; guessing 0.500)
    """

    metric: str
    """``accuracy`` (for several labels each: of the whole row) or ``R²``."""
    scores: Sequence[float]
    """One for each fold."""
    guess: float
    """Mean score of the most frequent label, or of the mean, on the same folds."""
    images: int
    seconds: float
    """Wall time for all folds."""

    @property
    def mean(self) -> float:
        """Mean score over the folds."""
        return float(np.mean(self.scores))

    @property
    def error(self) -> float:
        """Standard error of that mean: the scores' standard deviation (n - 1) by the root of their number."""
        return standard_error(np.asarray(self.scores))

    def __str__(self) -> str:
        return (
            f"{self.metric} {self.mean:.3f} ± {self.error:.3f} "
            f"({len(self.scores)} folds, {self.images} images; guessing {self.guess:.3f})"
        )

    def to_dict(self) -> dict[str, Any]:
        """Give everything as values that JSON can say."""
        return {**asdict(self), "scores": list(self.scores), "mean": self.mean, "error": self.error}


def evaluate(
    estimator: Any, X: Any, y: Any, *, cv: Any = 5, seed: int = 0, n_jobs: int | None = None
) -> Report:
    """Cross-validate a classifier or regressor.

    Parameters
    ----------
    estimator
        Typically a pipeline of a `FeatureExtractor` and a head. It is cloned, not fitted.
    X
        Images, as its first step takes them; any sequence or array with one item for each image.
    y
        Labels or numbers, (n,) or (n, k).
    cv
        Folds, fewer if the smallest class has fewer images, over which classes are spread evenly; or a splitter of
        scikit-learn.
    seed
        Decides which image falls into which fold.
    n_jobs
        Folds at a time, as in `sklearn.model_selection.cross_validate`.

    Returns
    -------
    Report

    Raises
    ------
    ValueError
        If there is NaN in `y`, its length is not that of `X`, there are not two images of every class (or two images at
        all), or `cv` is below 2.

    Warns
    -----
    DuplicateWarning
        If images are tested on whose content is also trained on. Looked at if a `FeatureExtractor` is part of the
        estimator: its cache knows the content of most files.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from featx.images import digits
    >>> images, labels = digits()
    >>> print(evaluate(LogisticRegression(max_iter=500), images.reshape(len(images), -1) / 255, labels))
    accuracy 0.9... ± 0.00... (5 folds, 1797 images; guessing 0.1...)
    """
    from sklearn.base import is_regressor
    from sklearn.dummy import DummyClassifier, DummyRegressor
    from sklearn.model_selection import cross_validate
    from sklearn.utils import check_consistent_length

    regression = is_regressor(estimator)
    y = numbers_of(y) if regression else labels_of(y)
    check_consistent_length(X, y)
    folds = make_folds(y, cv, regression=regression, seed=seed)
    _warn_of_leaks(estimator, X, folds)
    metric = "r2" if regression else "accuracy"
    guess = DummyRegressor() if regression else DummyClassifier()
    blank = np.zeros((len(y), 1))
    started = perf_counter()
    results = cross_validate(estimator, X, y, cv=folds, scoring=metric, error_score="raise", n_jobs=n_jobs)
    seconds = perf_counter() - started
    guessed = cross_validate(guess, blank, y, cv=folds, scoring=metric)["test_score"].mean()
    scores = tuple(map(float, results["test_score"]))
    return Report("R²" if regression else metric, scores, float(guessed), len(y), seconds)


def _warn_of_leaks(estimator: Any, X: Any, splits: Iterable[tuple[np.ndarray, np.ndarray]]) -> None:
    """Warn if the same image is in the train and the test part of a fold."""
    from featx.embedding.extractor import FeatureExtractor
    from featx.errors import DuplicateWarning
    from featx.evaluation.duplicates import leaked

    for part in (estimator, *estimator.get_params().values()):
        if isinstance(part, FeatureExtractor):
            try:
                sources = as_sources(X, image_shape=part.image_shape, value_range=part.value_range)
            except InputError:  # a table, of which the extractor gets one column only
                return
            rows = leaked(sources, splits, cache=part.cache)
            if len(rows):
                some = ", ".join(map(str, rows[:10])) + (", ..." if len(rows) > 10 else "")
                warnings.warn(
                    f"{len(rows)} of {len(sources)} images (rows {some}) are tested on although an image of the same "
                    "content is trained on, so the score is too good. featx.evaluation.find_duplicates lists them.",
                    DuplicateWarning,
                    stacklevel=3,
                )
            return

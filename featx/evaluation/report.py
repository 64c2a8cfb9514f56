"""How good a pipeline is: cross-validated scores with their uncertainty, beside the score of guessing."""

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
    """Scores of a pipeline on images that it was not fitted to.

    Examples
    --------
    >>> print(Report("accuracy", (0.9, 0.94), 0.5, 120, 1.2))
    accuracy 0.920 ± 0.020 (2 folds, 120 images; guessing 0.500)
    """

    metric: str
    """``accuracy`` (for several labels, of the whole row) or ``R²``."""
    scores: Sequence[float]
    """The score of each fold."""
    guess: float
    """Mean score of always answering the most frequent label, or the mean, on the same folds."""
    images: int
    """How many images there are."""
    seconds: float
    """Wall time of all folds, in seconds."""

    @property
    def mean(self) -> float:
        """Mean score of the folds."""
        return float(np.mean(self.scores))

    @property
    def error(self) -> float:
        """Standard error of the mean score: the standard deviation (n - 1) over the root of the number of folds."""
        return standard_error(np.asarray(self.scores))

    def __str__(self) -> str:
        return (
            f"{self.metric} {self.mean:.3f} ± {self.error:.3f} "
            f"({len(self.scores)} folds, {self.images} images; guessing {self.guess:.3f})"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return everything as values that JSON can hold."""
        return {**asdict(self), "scores": list(self.scores), "mean": self.mean, "error": self.error}


def evaluate(
    estimator: Any, X: Any, y: Any, *, cv: Any = 5, seed: int = 0, n_jobs: int | None = None
) -> Report:
    """Cross-validate a classifier or regressor.

    Parameters
    ----------
    estimator
        Typically a pipeline of a `FeatureExtractor` and a head. Clones of it are fitted.
    X
        Images, in any form that its first step takes: a sequence or array with one item for each image.
    y
        Labels or numbers, (n,) or (n, k).
    cv
        How many folds, or fewer if the smallest class has fewer images; or a scikit-learn splitter. Folds hold the same
        share of each class.
    seed
        Decides which image falls into which fold.
    n_jobs
        How many folds to fit in parallel, as in `sklearn.model_selection.cross_validate`.

    Returns
    -------
    Report

    Raises
    ------
    ValueError
        If `y` contains NaN or differs in length from `X`, if a class has only one image, or if there are fewer than two
        images or two folds.

    Warns
    -----
    DuplicateWarning
        If an image is in the train and the test part of a fold. Checked if a `FeatureExtractor` is part of the
        estimator, since its cache knows the content of most files.

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
            except InputError:  # a table, of which the extractor gets only one column
                return
            rows = leaked(sources, splits, cache=part.cache)
            if len(rows):
                some = ", ".join(map(str, rows[:10])) + (", ..." if len(rows) > 10 else "")
                warnings.warn(
                    f"{len(rows)} of {len(sources)} images (rows {some}) are tested on although an image with the same "
                    "content is trained on, so the score is too good. featx.evaluation.find_duplicates lists them.",
                    DuplicateWarning,
                    stacklevel=3,
                )
            return

"""How good a pipeline is: cross-validated scores with their uncertainty, beside the score of guessing."""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import numpy as np

from featx.embedding.progress import bar
from featx.errors import InputError
from featx.evaluation.comparison import interval_of_mean, interval_of_share, plus_minus, standard_error
from featx.evaluation.folds import make_folds
from featx.evaluation.scoring import SHOWN, guesses, limits, scorers_of, unweighted
from featx.heads.beside import beside
from featx.heads.checks import groups_of, labels_of, numbers_of, weights_of
from featx.heads.inner_folds import Fold
from featx.heads.routing import keeping_groups, routed
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
    """``accuracy`` (for several labels, of the whole row), ``R²``, or what `scoring` calls it."""
    scores: Sequence[float]
    """The score of each fold."""
    guess: float | None
    """Score of always answering the most frequent label, or the mean, of the images tested: for two classes 0.5 or
    more. None where a callable of one's own cannot score that."""
    images: int
    """How many images there are."""
    seconds: float
    """Wall time of all folds, in seconds."""
    units: int | None = None
    """How many different images were tested, or with `groups`, how many different groups. None: `images`."""
    rounds: float = 1.0
    """How often each of these images was tested: more than once in repeated folds."""
    limits: tuple[float, float] = (float("-inf"), float("inf"))
    """The least and the greatest score there can be."""
    others: Mapping[str, "Report"] = field(default_factory=dict)
    """The reports of the other metrics, by name, where `scoring` asked for several."""
    ends: tuple[float, float] | None = None
    """The interval, where one fitted model was judged rather than those of folds."""

    @property
    def mean(self) -> float:
        """Mean score of the folds."""
        return float(np.mean(self.scores))

    @property
    def error(self) -> float:
        """Standard error of the mean score: the standard deviation (n - 1) over the root of the number of folds.

        A fold repeated on the same images counts once. Infinite for one fold.
        """
        return standard_error(np.asarray(self.scores), self.rounds)

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the mean score, within the scores there can be.

        For accuracy it is Wilson's, from the number of images, or with `groups` of groups. For another metric it is
        Student's t over the folds, cut off where no score can be; with two or three folds it says little. Both allow
        for folds that share images to learn from (Nadeau & Bengio 2003), so they are wider than twice `error`.
        """
        if self.ends is not None:
            return self.ends
        if self.metric == "accuracy":
            return interval_of_share(self.mean, self.units or self.images)
        low, high = interval_of_mean(np.asarray(self.scores), self.rounds)
        return max(low, self.limits[0]), min(high, self.limits[1])

    def __getitem__(self, metric: str) -> "Report":
        """Return the report of one metric."""
        return self if metric == self.metric else self.others[metric]

    def __str__(self) -> str:
        count = len(self.scores)
        guess = "" if self.guess is None else f"; guessing {self.guess:.3f}"
        score = plus_minus(self.mean, self.error)
        folds = "" if self.ends else f"{count} fold{'s' * (count != 1)}, "
        first = f"{self.metric} {score} ({folds}{self.images} images{guess})"
        return "\n".join([first, *map(str, self.others.values())])

    def to_dict(self) -> dict[str, Any]:
        """Return everything as values that JSON can hold: None where a number is infinite or there is none."""
        return {
            "metric": self.metric,
            "scores": [_finite(score) for score in self.scores],
            "guess": self.guess,
            "images": self.images,
            "seconds": self.seconds,
            "mean": _finite(self.mean),
            "error": _finite(self.error),
            "interval": [_finite(end) for end in self.interval],
            "others": [report.to_dict() for report in self.others.values()],
        }


def _finite(number: float) -> float | None:
    return float(number) if np.isfinite(number) else None


def evaluate(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    cv: Any = 5,
    groups: Any = None,
    scoring: Any = None,
    sample_weight: Any = None,
    unlabelled: Any = None,
    random_state: int | None = 0,
    n_jobs: int | None = None,
    verbose: int | None = None,
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
        How many folds, or fewer if the smallest class has fewer images. Folds hold the same share of each class. Or any
        splitter of scikit-learn, or pairs of rows (train, test).
    groups
        For each image what it shares with others, (n,): its patient, part or place. Images of one group are never on
        both sides of a fold, nor of the folds within: those of featx's own estimators, and of scikit-learn's searches
        whose `cv` is a number. What else splits within, such as `CalibratedClassifierCV`, does not know them.
    scoring
        What is measured, as in `sklearn.model_selection.cross_validate`: a name, a callable (estimator, X, y), several
        names, or a dict of them; the first is the report's own. None: accuracy, or for a regressor R².
    sample_weight
        What each image counts for in learning, (n,): 2 is as if it were there twice, 0 as if it were not there. In the
        scores each image counts once, as in `cross_validate`, unless a scorer requests weights (`set_score_request`).
    unlabelled
        Other images, as `X`, without labels. Every fold learns from all of them; none is judged.
    random_state
        Decides which image falls into which fold.
    n_jobs
        How many folds to fit in parallel, as in `cross_validate`.
    verbose
        1: a progress bar on stderr that counts folds. 0: none. None: one where stderr is a terminal, if it takes more
        than a second.

    Returns
    -------
    Report

    Raises
    ------
    ValueError
        Before anything is fitted: if `y` contains NaN or differs in length from `X`, if a class has only one image or
        is in one group only, if there are fewer than two images or two folds, if a splitter puts an image or a group on
        both sides of a fold, if `scoring` does not suit `y`, or if the estimator takes no weights, or no unlabelled
        images.

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
    from sklearn.model_selection import cross_validate
    from sklearn.utils.parallel import Parallel, delayed

    y, folds, scorers, guessed, params = prepare(
        estimator, X, y, cv=cv, groups=groups, scoring=scoring, sample_weight=sample_weight,
        random_state=random_state,
    )  # fmt: skip
    if groups is not None:
        estimator = keeping_groups(estimator)
    estimator = beside(estimator, unlabelled)
    warn_of_leaks(estimator, X, folds)
    started = perf_counter()
    asked = unweighted(scoring if callable(scoring) else scorers)  # a callable may return several scores
    judged = (
        delayed(cross_validate)(estimator, X, y, cv=[fold], scoring=asked, params=params, error_score="raise")
        for fold in folds
    )
    results = []
    with bar(len(folds), "fold", "evaluate", verbose) as done:
        for result in Parallel(n_jobs=n_jobs, return_as="generator")(judged):
            results.append(result)
            done.update()
    seconds = perf_counter() - started

    def report(name: str, values: Any, others: Mapping[str, Report] | None = None) -> Report:
        return summed_up(name, values, guessed, y, folds, groups, seconds, scorers.get(name), others)

    found = {
        key.removeprefix("test_"): np.concatenate([result[key] for result in results])
        for key in results[0]
        if key.startswith("test_")
    }
    if callable(scoring) and list(found) == ["score"]:
        found = dict(zip(scorers, found.values(), strict=True))
    (first, values), *more = found.items()
    others = [report(name, each) for name, each in more]
    return report(first, values, {one.metric: one for one in others})


def summed_up(  # noqa: PLR0917 - as `Report` has them
    name: str, values: Any, guessed: Mapping[str, float | None], y: np.ndarray, folds: Sequence[Fold], groups: Any,
    seconds: float, scorer: Any, others: Mapping[str, Report] | None = None,
) -> Report:  # fmt: skip
    """Give the report of one metric from the score of each fold."""
    tests = np.concatenate([test for _, test in folds])
    tested = np.unique(tests)
    units = len(tested if groups is None else np.unique(groups_of(groups, len(y))[tested]))
    return Report(
        SHOWN.get(name, name), tuple(map(float, values)), guessed.get(name), len(y), seconds, units,
        len(tests) / len(tested), limits(scorer), others or {},
    )  # fmt: skip


def prepare(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    cv: Any,
    groups: Any,
    scoring: Any,
    sample_weight: Any,
    random_state: int | None,
) -> tuple[np.ndarray, list[Fold], dict[str, Any], dict[str, float | None], dict[str, Any]]:
    """Check what `evaluate` is given, which costs nothing, before anything is computed.

    Returns
    -------
    tuple
        The targets as an array, the folds, the scorers by name, the score of guessing for each, and what `fit` takes
        besides images and targets.
    """
    from sklearn.base import is_regressor
    from sklearn.utils import check_consistent_length

    regression = is_regressor(estimator)
    y = numbers_of(y) if regression else labels_of(y)
    check_consistent_length(X, y)
    scorers = scorers_of(scoring, regression=regression)
    folds = make_folds(y, cv, regression=regression, groups=groups, random_state=random_state)
    guessed = guesses(scorers, y, folds, regression=regression)
    names = None if groups is None else groups_of(groups, len(y))
    judged = estimator if groups is None else keeping_groups(estimator)  # as it is fitted
    params = routed(judged, sample_weight=weights_of(sample_weight, len(y)), groups=names)
    return y, folds, scorers, guessed, params


def warn_of_leaks(estimator: Any, X: Any, splits: Iterable[tuple[np.ndarray, np.ndarray]]) -> None:
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

"""How the strategies are compared: on the same folds, by accuracy or R² of single images, or by a metric."""

from collections.abc import Callable
from functools import cached_property
from typing import Any, NamedTuple, Self

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.metrics import check_scoring

from featx.errors import InputError
from featx.evaluation.comparison import merits, standard_error
from featx.evaluation.report import evaluate
from featx.evaluation.scoring import SHOWN, guesses, scorers_of
from featx.heads.inner_folds import Fold
from featx.heads.mixing import standardised
from featx.heads.routing import routed
from featx.heads.targets import classes_in, numbers_in
from featx.text import quoted


class Told(NamedTuple):
    """What is told of the images besides their targets."""

    weights: NDArray[np.float64] | None
    """What each counts for, (n,); None: all the same."""
    groups: NDArray[Any] | None
    """The group of each, (n,); None: each is one by itself."""

    def of(self, estimator: Any, rows: NDArray[np.intp] | None = None) -> dict[str, Any]:
        """Return what `estimator.fit` takes of it, for some rows or for all."""
        parts = [None if part is None else part if rows is None else part[rows] for part in self]
        return routed(estimator, sample_weight=parts[0], groups=parts[1])


class Verdict(NamedTuple):
    """What came of a model."""

    mean: float
    """Its score."""
    error: float
    """The standard error of that."""
    parts: NDArray[np.float64]
    """The score of each image, or group of images; by a metric that of each fold."""

    def ahead(self, other: Self) -> tuple[float, float]:
        """Return by how much it is better than another on the same images, and the standard error of that."""
        change = self.parts - other.parts
        return float(change.mean()), standard_error(change)


class Judge:
    """Scores models of the same images on the same folds.

    Parameters
    ----------
    scoring
        None, a name of scikit-learn's, or a callable (estimator, X, y).
    y
        Targets, (n,) or (n, k).
    folds
        Rows to fit to and rows to judge by.
    told
        Weights and groups.
    regression
        Whether `y` holds numbers.
    weighted
        Whether weights count in `scoring`, too.

    Raises
    ------
    InputError
        If `scoring` names several metrics, or does not suit the targets.
    """

    def __init__(
        self,
        scoring: Any,
        y: NDArray[Any],
        folds: list[Fold],
        told: Told,
        *,
        regression: bool,
        weighted: bool = False,
    ) -> None:
        self._scoring, self._y, self.folds, self.told = scoring, y, folds, told
        self.regression = regression
        self._counted = told.weights if weighted else None
        self.target = numbers_in(y) if regression else classes_in(y)
        scorers = scorers_of(scoring, regression=regression)
        if len(scorers) > 1 or not (scoring is None or isinstance(scoring, str) or callable(scoring)):
            raise InputError(
                f"scoring={quoted(scoring)}: give one metric, by which the best strategy is chosen."
            )
        self.metric = SHOWN.get(next(iter(scorers)), next(iter(scorers)))
        if scoring is not None:
            guesses(scorers, y, folds, regression=regression)

    def __call__(
        self,
        model: Any,
        columns: NDArray[Any],
        *,
        n_jobs: int | None,
        step: Callable[[int], object] = lambda _: None,
    ) -> Verdict:
        """Return the verdict on a model of some columns (n, d).

        Without `scoring` the score is the mean over images, each judged in its own fold, as in a test of all at once.
        `step` is called with the number of folds that were done.
        """
        if self._counted is not None:
            scores = np.empty(len(self.folds))
            for number, (train, test) in enumerate(self.folds):
                fitted = clone(model).fit(columns[train], self._y[train], **self.told.of(model, train))
                scores[number] = self.score(fitted, columns[test], test)
                step(1)
            return Verdict(float(scores.mean()), standard_error(scores), scores)
        if self._scoring is not None:
            report = evaluate(
                model, columns, self._y, cv=self.folds, scoring=self._scoring, sample_weight=self.told.weights,
                groups=self.told.groups, n_jobs=n_jobs, verbose=0,
            )  # fmt: skip
            step(len(self.folds))
            return Verdict(report.mean, report.error, np.asarray(report.scores))
        predicted = []
        for some in Parallel(n_jobs=n_jobs, return_as="generator")(
            delayed(_predict)(clone(model), columns, self._y, fold, self.told.of(model, fold[0]))
            for fold in self.folds
        ):
            predicted.append(some)
            step(1)
        rows = np.concatenate([test for _, test in self.folds])
        found = self.merits(np.concatenate(predicted), rows)
        return Verdict(float(found.mean()), standard_error(found), found)

    @property
    def count(self) -> int:
        """How many images there are."""
        return len(self._y)

    @property
    def weights(self) -> NDArray[np.float64]:
        """What each image counts for, (n,)."""
        return np.ones(self.count) if self.told.weights is None else self.told.weights

    @cached_property
    def encoded(self) -> NDArray[np.float64]:
        """The targets as numbers to be approached, (n, k): of classes 1 and -1, of numbers with deviation 1."""
        if self.regression:
            return standardised(self._y, self.told.weights)[0]
        codes = self.target.encode(self._y)
        return np.asarray(2 * codes - 1, np.float64)

    def of_answers(self, answers: NDArray[np.float64], rows: NDArray[np.intp]) -> Verdict:
        """Return the verdict on answers (len(rows), k), numbers as those of `encoded`, to some images.

        They are judged by accuracy or R², whatever the metric is: it may ask for probabilities.
        """
        if self.regression:
            _, centre, spread = standardised(self._y, self.told.weights)
            found = self.merits((answers * spread + centre).reshape(-1, *self._y.shape[1:]), rows)
        else:
            found = self.merits(self.target.decode(answers), rows)
        return Verdict(float(found.mean()), standard_error(found), found)

    def merits(self, predicted: NDArray[Any], rows: NDArray[np.intp]) -> NDArray[np.float64]:
        """Score predictions for some rows: one score for each image, or for each group, its mean."""
        found = merits(self._y[rows], predicted, regression=self.regression)
        weights = self.weights[rows]
        units = np.unique(rows if self.told.groups is None else self.told.groups[rows], return_inverse=True)[
            1
        ]
        total = np.bincount(units, weights)
        return np.bincount(units, weights * found)[total > 0] / total[total > 0]

    def score(self, model: Any, X: Any, rows: NDArray[np.intp]) -> float:
        """Score a fitted model by the metric, on the images of some rows."""
        told = {} if self._counted is None else {"sample_weight": self._counted[rows]}
        return float(check_scoring(model, scoring=self._scoring)(model, X, self._y[rows], **told))


def _predict(
    model: Any, columns: NDArray[Any], y: NDArray[Any], fold: Fold, told: dict[str, Any]
) -> NDArray[Any]:
    train, test = fold
    return np.asarray(model.fit(columns[train], y[train], **told).predict(columns[test]))

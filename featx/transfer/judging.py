"""How the strategies are compared: on the same folds, by accuracy or R² of single images, or by a metric."""

from collections.abc import Callable
from typing import Any, NamedTuple

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
from featx.heads.routing import routed
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
        self._scoring, self._y, self._folds, self.told = scoring, y, folds, told
        self._regression = regression
        self._counted = told.weights if weighted else None
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
    ) -> tuple[float, float]:
        """Return the mean score of a model of some columns (n, d), and its standard error.

        Without `scoring` that is the mean over images, each judged in its own fold, as in a test of all at once.
        `step` is called with the number of folds that were done.
        """
        if self._counted is not None:
            scores = np.empty(len(self._folds))
            for number, (train, test) in enumerate(self._folds):
                fitted = clone(model).fit(columns[train], self._y[train], **self.told.of(model, train))
                scores[number] = self.score(fitted, columns[test], test)
                step(1)
            return float(scores.mean()), standard_error(scores)
        if self._scoring is not None:
            report = evaluate(
                model, columns, self._y, cv=self._folds, scoring=self._scoring, sample_weight=self.told.weights,
                groups=self.told.groups, n_jobs=n_jobs, verbose=0,
            )  # fmt: skip
            step(len(self._folds))
            return report.mean, report.error
        predicted = []
        for some in Parallel(n_jobs=n_jobs, return_as="generator")(
            delayed(_predict)(clone(model), columns, self._y, fold, self.told.of(model, fold[0]))
            for fold in self._folds
        ):
            predicted.append(some)
            step(1)
        rows = np.concatenate([test for _, test in self._folds])
        found = self.merits(np.concatenate(predicted), rows)
        return float(found.mean()), standard_error(found)

    def merits(self, predicted: NDArray[Any], rows: NDArray[np.intp]) -> NDArray[np.float64]:
        """Score predictions for some rows: one score for each image, or for each group, its mean."""
        found = merits(self._y[rows], predicted, regression=self._regression)
        weights = np.ones(len(rows)) if self.told.weights is None else self.told.weights[rows]
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

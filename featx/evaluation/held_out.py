"""What models answer for images that they were not fitted to: the predictions of every fold, computed once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone, is_regressor
from sklearn.utils import _safe_indexing

from featx.evaluation.report import Report, prepare, summed_up
from featx.heads.beside import beside
from featx.heads.inner_folds import Fold
from featx.heads.routing import keeping_groups


@dataclass(frozen=True)
class HeldOut:
    """Targets, folds, and the predictions for the images of each fold by the model fitted to the other folds."""

    y: NDArray[Any]
    """All targets, (n,) or (n, k)."""
    folds: Sequence[Fold]
    """Rows to fit to, and rows to judge by."""
    rows: NDArray[np.intp]
    """The rows that were predicted, ascending, (m,). Where folds repeat, the first prediction of a row counts."""
    predicted: NDArray[Any]
    """(m,) or (m, k)."""
    probabilities: NDArray[np.float64] | None
    """(m, c) for c classes, (m, k) for k labels; None where the model gives none."""
    classes: NDArray[Any] | None
    """The c classes, sorted; None for numbers and for several labels."""
    regression: bool
    """Whether the targets are numbers."""
    scores: Report
    """Accuracy, or R², as `featx.evaluate` gives it."""
    params: Mapping[str, Any]
    """What `fit` takes besides images and targets: weights and groups, one for each row."""

    @property
    def truth(self) -> NDArray[Any]:
        """The targets of `rows`."""
        return np.asarray(self.y[self.rows])


def held_out(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    cv: Any = 5,
    groups: Any = None,
    sample_weight: Any = None,
    unlabelled: Any = None,
    random_state: int | None = 0,
    step: Callable[[], object] = lambda: None,
) -> HeldOut:
    """Cross-validate as `featx.evaluate` does, and keep the predictions.

    Parameters
    ----------
    estimator, X, y, cv, groups, sample_weight, unlabelled, random_state
        As for `featx.evaluate`.
    step
        Called after each fold.

    Raises
    ------
    ValueError
        As `featx.evaluate`, before anything is fitted.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> X, y = np.array([[0.0], [0.1], [0.9], [1.0]]), ["no", "no", "yes", "yes"]
    >>> found = held_out(LogisticRegression(C=100), X, y, cv=2)
    >>> found.predicted.tolist(), found.scores.mean
    (['no', 'no', 'yes', 'yes'], 1.0)
    """
    regression = is_regressor(estimator)
    y, folds, scorers, guessed, params = prepare(
        estimator, X, y, cv=cv, groups=groups, scoring=None, sample_weight=sample_weight, random_state=random_state
    )  # fmt: skip
    if groups is not None:
        estimator = keeping_groups(estimator)
    estimator = beside(estimator, unlabelled)
    classes = np.unique(y) if y.ndim == 1 and not regression else None
    first = np.full(len(y), -1)
    answers: list[NDArray[Any]] = []
    chances, scores, started = [], [], perf_counter()
    for train, test in folds:
        model = fitted(estimator, X, y, train, params)
        predicted = np.asarray(model.predict(_safe_indexing(X, test))).reshape(y[test].shape)
        scores.append(score(y[test], predicted, regression=regression))
        first[test[first[test] < 0]] = sum(len(one) for one in answers) + np.flatnonzero(first[test] < 0)
        answers.append(predicted)
        if hasattr(model, "predict_proba"):
            chances.append(columns(model.predict_proba(_safe_indexing(X, test)), model, classes))
        step()
    rows = np.flatnonzero(first >= 0)
    (name,) = scorers
    report = summed_up(name, scores, guessed, y, folds, groups, perf_counter() - started, scorers[name])
    return HeldOut(
        y, folds, rows, np.concatenate(answers)[first[rows]],
        np.concatenate(chances)[first[rows]] if chances else None, classes, regression, report, params,
    )  # fmt: skip


def fitted(estimator: Any, X: Any, y: NDArray[Any], rows: NDArray[np.intp], params: Mapping[str, Any]) -> Any:
    """Fit a clone to some rows, with their weights and groups."""
    some = {name: _safe_indexing(values, rows) for name, values in params.items()}
    return clone(estimator).fit(_safe_indexing(X, rows), y[rows], **some)


def score(y: NDArray[Any], predicted: NDArray[Any], *, regression: bool) -> float:
    """Give the accuracy, for several labels of the whole row, or R²."""
    from sklearn.metrics import accuracy_score, r2_score

    return float((r2_score if regression else accuracy_score)(y, predicted))


def columns(chances: Any, model: Any, classes: NDArray[Any] | None) -> NDArray[np.float64]:
    """Give one column for each class of all folds, or for each of several labels."""
    if classes is not None:
        wide = np.zeros((len(chances), len(classes)))
        wide[:, np.searchsorted(classes, model.classes_)] = chances
        return wide
    if isinstance(chances, list):  # as scikit-learn's neighbours and trees give them: (n, 2) for each label
        pairs = zip(chances, model.classes_, strict=True)
        chances = np.stack(
            [
                label[:, known.tolist().index(1)] if 1 in known else np.zeros(len(label))
                for label, known in pairs
            ],
            1,
        )
    return np.asarray(chances, np.float64)

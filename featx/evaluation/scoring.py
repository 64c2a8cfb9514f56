"""Which scores are computed, by scikit-learn's scorers, and what each is without any model."""

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import get_config
from sklearn.utils.metadata_routing import get_routing_for_object

from featx.errors import InputError, UnknownNameError
from featx.heads.inner_folds import Fold
from featx.text import quoted

SHOWN = {"r2": "R²"}
"""What a metric is called where that is not scikit-learn's name for it."""
_SHARES = (
    "accuracy", "balanced_accuracy", "top_k_accuracy", "average_precision", "f1", "precision", "recall", "jaccard",
    "roc_auc", "homogeneity", "completeness",
)  # fmt: skip
_AT_MOST_ONE = ("r2", "explained_variance", "d2_")


def scorers_of(scoring: Any, *, regression: bool) -> dict[str, Any]:
    """Return what `scoring` asks for by name, each as `sklearn.metrics.check_scoring` takes it.

    Parameters
    ----------
    scoring
        None (accuracy, or for numbers R²), a name of scikit-learn's, a callable ``scorer(estimator, X, y)``, several
        names, or a dict of names or callables.
    regression
        Whether the targets are numbers.

    Raises
    ------
    InputError
        If it is none of these, or scikit-learn knows no such name.

    Examples
    --------
    >>> list(scorers_of(["accuracy", "f1_macro"], regression=False))
    ['accuracy', 'f1_macro']
    """
    from sklearn.metrics import get_scorer_names

    if scoring is None:
        scoring = "r2" if regression else "accuracy"
    if isinstance(scoring, str):
        scoring = [scoring]
    elif callable(scoring):
        scoring = {getattr(scoring, "__name__", "score"): scoring}
    named = scoring if isinstance(scoring, Mapping) else None
    if named is None and isinstance(scoring, Sequence | set | frozenset):
        names = sorted(scoring) if isinstance(scoring, set | frozenset) else scoring
        named = {name: name for name in names} if all(isinstance(name, str) for name in names) else None
    if not named:
        raise InputError(
            f"scoring={quoted(scoring)}: give a name, such as 'balanced_accuracy', a callable (estimator, X, y), "
            "several names, or a dict of them."
        )
    for one in named.values():
        if isinstance(one, str) and one not in get_scorer_names():
            hint = "sklearn.metrics.get_scorer_names() lists them all."
            raise UnknownNameError("scoring", one, get_scorer_names(), hint)
    return dict(named)


def unweighted(scoring: Any) -> Any:
    """Return metrics as `cross_validate` takes them, none of which asks whether it is to be weighted.

    Parameters
    ----------
    scoring
        A callable, or a dict of names and callables. With scikit-learn's metadata routing enabled, a scorer that was
        not told by ``set_score_request`` counts each image once.
    """
    if not get_config()["enable_metadata_routing"]:
        return scoring
    if isinstance(scoring, Mapping):
        return {name: unweighted(one) for name, one in scoring.items()}
    from sklearn.metrics import get_scorer

    scorer = get_scorer(scoring)
    if not hasattr(scorer, "set_score_request"):  # a function, which is given none
        return scorer
    told = get_routing_for_object(scorer).score.requests.get("sample_weight")
    return scorer if told is not None else deepcopy(scorer).set_score_request(sample_weight=False)


def asks_for_weights(scoring: Any) -> bool:
    """Tell whether a metric is a scorer that requests weights, with scikit-learn's metadata routing enabled."""
    if not get_config()["enable_metadata_routing"] or not hasattr(scoring, "set_score_request"):
        return False
    return get_routing_for_object(scoring).score.requests.get("sample_weight") is True


def limits(metric: Any) -> tuple[float, float]:
    """Return the least and the greatest value that a metric can have, by scikit-learn's name for it.

    Examples
    --------
    >>> limits("f1_macro"), limits("r2"), limits("neg_log_loss")
    ((0.0, 1.0), (-inf, 1.0), (-inf, 0.0))
    """
    name = metric if isinstance(metric, str) else ""
    if name.startswith(_SHARES):
        return 0.0, 1.0
    if name == "matthews_corrcoef":
        return -1.0, 1.0
    least = float("-inf")
    return least, 1.0 if name.startswith(_AT_MOST_ONE) else 0.0 if name.startswith("neg_") else float("inf")


def guesses(
    scorers: Mapping[str, Any], y: NDArray[Any], folds: Sequence[Fold], *, regression: bool
) -> dict[str, float | None]:
    """Score the best answer that looks at no image, for each scorer; so a scorer that does not fit `y` is found early.

    Parameters
    ----------
    scorers
        From `scorers_of`.
    y
        Targets, (n,) or (n, k).
    folds
        Rows to fit to and rows to judge by; only the images that are judged count.
    regression
        Whether the targets are numbers.

    Returns
    -------
    dict
        The score of answering the most frequent class, or set of labels, or the mean, of the images tested, for all of
        them together. So no class is less frequent, and guessing between k classes is never below 1 / k, as it may be
        in single folds. None where a callable cannot score that.

    Raises
    ------
    InputError
        If a scorer of scikit-learn refuses `y`, or has no value in a fold.
    """
    tested = y[np.concatenate([test for _, test in folds])]
    dummies = _dummies(tested, regression=regression)
    found: dict[str, float | None] = {}
    for name, scorer in scorers.items():
        try:
            best = max(_score(dummy, scorer, tested) for dummy in dummies)
            found[name] = (
                best if abs(best) > 1e-12 else 0.0
            )  # the mean explains -1e-16 of the variance at times
        except Exception as error:
            if isinstance(scorer, str):
                raise InputError(f"scoring={quoted(name)} does not suit these targets: {error}") from error
            found[name] = None
        if isinstance(scorer, str) and scorer != "accuracy":
            _refuse_undefined(name, (_score(dummies[0], scorer, y[test]) for _, test in folds), folds)
    return found


def _refuse_undefined(name: str, values: Iterable[float], folds: Sequence[Fold]) -> None:
    for number, value in enumerate(values):
        if not np.isfinite(value):
            count = len(folds[number][1])
            raise InputError(
                f"scoring={name!r} has no value for the {count} image{'s' * (count != 1)} tested in fold {number + 1}. "
                "Give fewer folds, or another scoring."
            )


def _dummies(y: NDArray[Any], *, regression: bool) -> list[Any]:
    from sklearn.dummy import DummyClassifier, DummyRegressor

    blank = np.zeros((len(y), 1))
    if regression:
        return [DummyRegressor().fit(blank, y)]
    dummies = [DummyClassifier().fit(blank, y)]
    if y.ndim == 2:  # the most frequent label of each column may make a set that no image has
        rows, counts = np.unique(y, axis=0, return_counts=True)
        dummies.append(DummyClassifier(strategy="constant", constant=rows[counts.argmax()]).fit(blank, y))
    return dummies


def _score(dummy: Any, scorer: str | Callable[..., float], y: NDArray[Any]) -> float:
    from sklearn.metrics import check_scoring

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the dummy never answers some class is no news
        return float(check_scoring(dummy, scoring=scorer)(dummy, np.zeros((len(y), 1)), y))

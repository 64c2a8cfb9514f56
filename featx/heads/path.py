"""Fitting logistic regression for one penalty after another, and measuring each on held-out rows."""

import warnings
from collections.abc import Iterator
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from featx.errors import InputError
from featx.heads.blas import ignore_flags
from featx.heads.checks import few_of_each
from featx.heads.inner_folds import Fold
from featx.text import quoted


def strengths(Cs: Any) -> NDArray[Any]:
    """Return the inverse strengths to choose from, given as a list or as how many."""
    try:
        values = np.logspace(-4, 2, Cs) if isinstance(Cs, Integral) else np.asarray(Cs, np.float64)
    except (TypeError, ValueError):
        values = np.empty(0)
    if values.ndim != 1 or not len(values) or not (values > 0).all():
        raise InputError(
            f"Cs={quoted(Cs)}: give a list of numbers above 0, or how many to take between 1e-4 and 1e2."
        )
    return values


def path(
    model: LogisticRegression,
    Cs: NDArray[Any],
    Z: NDArray[Any],
    y: NDArray[Any],
    weights: NDArray[Any] | None = None,
) -> Iterator[tuple[LogisticRegression, bool]]:
    """Fit for each strength, starting from the solution for the one before; yield the same model each time.

    `LogisticRegressionCV` does so too, but always in float64, which takes longer. Here float64 is the fallback: the
    solver's line search fails where a step changes the loss by less than float32 resolves, and where that happens
    depends on the order in which a processor's BLAS sums.
    """
    model = clone(model).set_params(warm_start=True)
    for C in Cs:
        converged = converges(model.set_params(C=C), Z, y, weights)
        if not converged and Z.dtype != np.float64:
            Z = Z.astype(np.float64)
            converged = converges(model, Z, y, weights)
        yield model, converged


def converges(
    model: LogisticRegression, Z: NDArray[Any], y: NDArray[Any], weights: NDArray[Any] | None = None
) -> bool:
    """Fit a model, and return whether its solver converged, which only a warning tells."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        with few_of_each():
            model.fit(Z, y, weights)
    for other in caught:
        if not issubclass(other.category, ConvergenceWarning):
            warnings.warn_explicit(other.message, other.category, other.filename, other.lineno)
    return not any(issubclass(one.category, ConvergenceWarning) for one in caught)


def losses(
    model: LogisticRegression,
    Cs: NDArray[Any],
    Z: NDArray[Any],
    y: NDArray[Any],
    fold: Fold,
    *,
    weights: NDArray[Any] | None = None,
) -> tuple[list[float], bool]:
    """Return the log loss on the test rows for each strength, and whether the solver always converged."""
    train, test = fold
    learned, judged = (None, None) if weights is None else (weights[train], weights[test])
    if len(np.unique(y[train])) < 2:  # all strengths do equally well
        return [0.0] * len(Cs), True
    classes, Z_test = np.unique(y), Z[test]
    found, good = [], True
    with ignore_flags():  # the context of the caller does not reach workers
        for fitted, converged in path(model, Cs, Z[train], y[train], learned):
            proba = np.zeros((len(test), len(classes)), Z.dtype)
            proba[:, np.searchsorted(classes, fitted.classes_)] = fitted.predict_proba(Z_test)
            found.append(log_loss(y[test], proba, labels=classes, sample_weight=judged))
            good &= converged
    return found, good

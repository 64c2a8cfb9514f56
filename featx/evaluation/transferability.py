"""Transferability scores: how well features will suit a target, without fitting a head to them.

Both see the data they score, so they rank features and are no estimate of an accuracy. Columns are centred and scaled
to unit variance first, as the linear heads do: stages differ in scale, and neither score ignores that.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from featx.errors import InputError

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Features as ``left * scales @ right.T``: what both scores need of them, computed once."""

    left: Floats
    """(n, k), orthonormal columns."""
    scales: Floats
    """(k,) singular values, without those that are zero."""
    width: int
    """Columns that the features had."""

    @cached_property
    def shrinkage(self) -> float:
        """Weight of the identity in the Ledoit-Wolf estimate of the covariance, from 0 to 1."""
        n, squares = len(self.left), self.scales**2
        mean = squares.sum() / (n * self.width)
        spread = np.sum(squares**2) / n**2 / self.width - mean**2
        lengths = (self.left**2) @ squares  # squared length of each row
        noise = (np.sum(lengths**2) / n - np.sum(squares**2) / n**2) / (n * self.width)
        return float(min(noise / spread, 1.0)) if spread > 0 else 1.0


def spectrum(features: ArrayLike) -> Spectrum:
    """Standardise features and decompose them.

    Parameters
    ----------
    features : array of shape (n, d)
        Numbers, two rows or more.

    Raises
    ------
    InputError
        If they are no table of finite numbers, or have no two different rows.
    """
    X: Floats = np.array(features, np.float64)
    if X.ndim != 2 or len(X) < 2 or not np.isfinite(X).all():
        raise InputError(f"Expected finite features of shape (n, d), two rows or more, got shape {X.shape}.")
    X -= X.mean(axis=0)
    deviation = X.std(axis=0)
    X /= np.where(deviation > 1e-12, deviation, np.inf)  # a constant column says nothing
    # the smaller of the two Gram matrices: several times as fast as a singular value decomposition
    tall = len(X) > X.shape[1]
    values, vectors = np.linalg.eigh(X.T @ X if tall else X @ X.T)
    kept = values > values[-1] * 1e-10
    if not values[-1] > 0:
        raise InputError("All rows of the features are the same: there is nothing to score.")
    scales = np.sqrt(values[kept])
    return Spectrum(X @ vectors[:, kept] / scales if tall else vectors[:, kept], scales, X.shape[1])


def logme(features: ArrayLike | Spectrum, y: ArrayLike) -> float:
    """Score features by LogME, the logarithm of the maximum evidence of a linear model on them.

    Parameters
    ----------
    features : array of shape (n, d), or what `spectrum` gives
        The features.
    y : array of shape (n,) or (n, k)
        Classes of any type but float; or numbers (float), and any columns, each scored by itself.

    Returns
    -------
    float
        Mean over the classes or columns of the log evidence for an image. Greater is better; any sign.

    Raises
    ------
    InputError
        If the lengths differ, or there is no variation in `y`.

    Notes
    -----
    For one column y of n numbers, weights w ~ N(0, I / a) and noise of variance 1 / b, the evidence is the density
    of y under N(0, I / b + F F' / a). With the singular values s of F and the coordinates x of y on its left singular
    vectors, g = sum b s² / (a + b s²), and the fixed point a = g / |m|², b = (n - g) / |F m - y|² of MacKay is where it
    is greatest; m is the mean of w.

    Unlike the paper's, the model has an intercept: features and targets are centred, and the evidence is that of the
    n - 1 directions that are left, divided by n - 1. Numbers are scaled to unit variance, so that their unit does not
    matter.

    References
    ----------
    You, Liu, Wang & Long, *LogME: practical assessment of pre-trained models for transfer learning*, ICML 2021,
    algorithm 1; one column for each class as there.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat(["ant", "bee"], 50)
    >>> useful = rng.normal(size=(100, 8)) + 2 * (y == "bee")[:, None]
    >>> logme(useful, y) > logme(rng.normal(size=(100, 8)), y)
    True
    """
    found = features if isinstance(features, Spectrum) else spectrum(features)
    return float(np.mean([_evidence(found, column) for column in _columns(found, y).T]))


def h_score(features: ArrayLike | Spectrum, y: ArrayLike) -> float:
    """Score features by the H-score: how much of their variance lies between the classes.

    Parameters
    ----------
    features : array of shape (n, d), or what `spectrum` gives
        The features.
    y : array of shape (n,), or (n, n_labels) with 0 and 1
        Classes of any type; of several labels, the mean of their scores.

    Returns
    -------
    float
        From 0 to the number of classes less one. Greater is better.

    Raises
    ------
    InputError
        If the lengths differ, or there is one class only.

    Notes
    -----
    ``tr(cov(f)^-1 cov(E[f | y]))``. With more columns than images the covariance cannot be inverted, and near that the
    score is the number of classes whatever the features are. So the covariance is shrunk, as Ibrahim et al. propose:
    ``(1 - a) tr(((1 - a) cov(f) + a m I)^-1 cov(E[f | y]))``, with m the mean variance of a column and a by Ledoit and
    Wolf.

    References
    ----------
    Bao, Li, Huang, Zhang, Zheng, Zamir & Guibas, *An information-theoretic approach to transferability in task transfer
    learning*, ICIP 2019. Ibrahim, Ponomareva & Mazumder, *Newer is not always better: rethinking transferability
    metrics, their peculiarities, stability and performance*, ECML PKDD 2022. Ledoit & Wolf, *A well-conditioned
    estimator for large-dimensional covariance matrices*, J. Multivariate Analysis 2004.

    Examples
    --------
    >>> y = np.repeat([0, 1], 50)
    >>> features = np.random.default_rng(0).normal(size=(100, 3))
    >>> h_score(features + 5 * y[:, None], y) > h_score(features + y[:, None], y)
    True
    """
    found = features if isinstance(features, Spectrum) else spectrum(features)
    y = np.asarray(y)
    if y.ndim == 2:
        varied = [column for column in y.T if len(np.unique(column)) > 1]
        return float(np.mean([h_score(found, column) for column in varied])) if varied else 0.0
    member = _members(found, y)
    n, alpha, squares = len(y), found.shrinkage, found.scales**2
    sizes = member.sum(axis=0)
    means = (member / sizes).T @ found.left  # (classes, k): of the rows of `left`
    between = squares * (sizes @ means**2) / n
    ridge = alpha * squares.sum() / (n * found.width)
    return float((1 - alpha) * np.sum(between / ((1 - alpha) * squares / n + ridge)))


def _columns(found: Spectrum, y: ArrayLike) -> Floats:
    """Give the columns to explain: one for each class, or the numbers."""
    y = np.asarray(y)
    if y.ndim == 1 and y.dtype.kind != "f":
        return _members(found, y)
    _check_length(found, y)
    numbers = y.reshape(len(y), -1).astype(np.float64)
    spread = numbers.std(axis=0)
    if not (spread > 0).any():
        raise InputError("y has the same value for every image: there is nothing to explain.")
    return np.asarray(numbers[:, spread > 0] / spread[spread > 0])


def _members(found: Spectrum, y: NDArray[Any]) -> Floats:
    """Give (n, classes), 1 where an image is of a class."""
    _check_length(found, y)
    classes, codes = np.unique(y, return_inverse=True)
    if len(classes) < 2:
        raise InputError(f"Two classes or more are needed, but y holds one class only: {classes[0]!r}.")
    return np.eye(len(classes))[codes]


def _check_length(found: Spectrum, y: NDArray[Any]) -> None:
    if len(y) != len(found.left):
        raise InputError(
            f"Found input variables with inconsistent numbers of samples: {[len(found.left), len(y)]}"
        )


def _evidence(found: Spectrum, y: Floats) -> float:
    """Give the log evidence of one column for an image, at its greatest."""
    y = y - y.mean()
    n, squares = len(y) - 1, found.scales**2  # centring takes one direction
    along = (found.left.T @ y) ** 2
    outside = max(float(y @ y - along.sum()), 0.0)
    least = 1e-9 * float(
        y @ y
    )  # where the features explain y to the last digit there is no greatest evidence
    ratio = 1.0
    for _ in range(100):
        known = squares / (squares + ratio)
        effective = known.sum()
        length = max(np.sum(known**2 * along / squares), 1e-30)
        error = max(np.sum((1 - known) ** 2 * along) + outside, least)
        prior, precision = effective / length, max(n - effective, 1e-9) / error
        previous, ratio = ratio, max(prior / precision, 1e-9)
        if abs(ratio - previous) <= 1e-4 * previous:
            break
    return float(_log_density(found, along, outside, prior, precision))


def _log_density(found: Spectrum, along: Floats, outside: float, prior: float, precision: float) -> float:
    """Log density of y under N(0, I / precision + F F' / prior), divided by its length."""
    n = len(found.left) - 1
    variances = 1 / precision + found.scales**2 / prior
    determinant = np.log(variances).sum() - (n - len(variances)) * np.log(precision)
    distance = np.sum(along / variances) + outside * precision
    return float(-0.5 * (determinant + distance + n * np.log(2 * np.pi)) / n)

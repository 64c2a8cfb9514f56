"""Averaging answers to images that were held out: what each choice counts for, and how sure the mean may be."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar  # type: ignore[import-untyped] # SciPy has no types

from featx.heads.ensemble import for_errors
from featx.heads.ridge import Answers
from featx.heads.targets import Target

LEAST_SHARE = 0.05
"""A choice whose answers would count for less is left out: each takes as long to fit."""
SHARPEST = (0.1, 100.0)
"""Between these lies what scores of ridge regression are multiplied with to be logits."""


class Mixture(NamedTuple):
    """What the answers of each choice of columns count for in the mean."""

    shares: dict[Any, float]
    """Of those that count, by name; their sum is 1."""
    penalties: dict[Any, float]
    """By name."""
    rows: NDArray[np.intp]
    """The images that were answered, each by models that had not learned from it."""
    found: NDArray[np.float64]
    """The mean answers, (rows, k)."""


def mixture(answers: Mapping[Any, Answers], Y: NDArray[np.float64], weights: NDArray[np.float64]) -> Mixture:
    """Average answers, by the weights of at least 0 under which the squared error is least.

    Parameters
    ----------
    answers
        Those of each choice, from `featx.heads.ridge.compare`; those that were compared on the most images count.
    Y
        What is true of all images, (n, k).
    weights
        What each image counts for, (n,).

    Notes
    -----
    This is stacking (Wolpert, Neural Networks 1992; Breiman, Machine Learning 1996). With weights of at least 0 whose
    sum is 1 it does about as well as the best choice would that only the true errors could tell (van der Laan, Polley &
    Hubbard, *Super learner*, 2007), and there is no choice of one that a few images could turn.
    """
    most = max(len(one.rows) for one in answers.values())
    judged = {name: one for name, one in answers.items() if len(one.rows) == most}
    rows = next(iter(judged.values())).rows
    counts = weights[rows] if weights[rows].any() else np.ones(most)
    each = np.array([one.found for one in judged.values()])
    shares = for_errors(each - Y[rows], counts)
    shares[shares < min(LEAST_SHARE, shares.max())] = 0
    shares /= shares.sum()
    kept = {name: float(share) for name, share in zip(judged, shares, strict=True) if share}
    return Mixture(kept, {name: judged[name].penalty for name in kept}, rows, np.tensordot(shares, each, 1))


def sharpness(
    target: Target, codes: NDArray[Any], scores: NDArray[np.float64], counts: NDArray[np.float64]
) -> float:
    """Find what scores have to be multiplied with for the truth to be the most probable.

    One more image counts that nobody could have told. Without it a few images that are all answered rightly would say
    that answers are certain.

    Parameters
    ----------
    target
        Says which probabilities belong to logits.
    codes
        What is true, 0 or 1, (n, k).
    scores
        Of images that were not learned from, (n, k).
    counts
        What each image counts for, (n,).

    References
    ----------
    Guo et al., *On calibration of modern neural networks*, ICML 2017: temperature scaling, by one over this number.

    Examples
    --------
    >>> from featx.heads.targets import classes_in
    >>> target, codes = classes_in(["ant", "bee"]), np.array([[0.0], [1.0], [1.0], [1.0]])
    >>> round(sharpness(target, codes, np.array([[1.0], [1.0], [1.0], [1.0]]), np.ones(4)), 2)  # log(3.5 / 1.5)
    0.85
    """
    if not counts.any():
        return 1.0

    guessed = target.smooth(np.asarray(codes, np.float32), 1 / (1 + counts.sum()))

    def loss(logarithm: float) -> float:
        each = target.losses(guessed, np.exp(logarithm) * scores).mean(axis=1)
        return float(np.average(each, weights=counts))

    low, high = np.log(SHARPEST)
    return float(np.exp(minimize_scalar(loss, bounds=(low, high), method="bounded").x))


def standardised(
    y: NDArray[Any], weights: NDArray[Any] | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Give numbers (n,) or (n, k) as columns of mean 0 and deviation 1, with their means and deviations."""
    Y = np.asarray(y, np.float64).reshape(len(y), -1)
    centre = np.average(Y, axis=0, weights=weights)
    spread = np.sqrt(np.average((Y - centre) ** 2, axis=0, weights=weights))
    spread = np.where(spread > 0, spread, 1.0)
    return (Y - centre) / spread, centre, spread

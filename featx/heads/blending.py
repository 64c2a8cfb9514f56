"""Linear maps of embeddings to scores, averaged so that their probabilities are neither too sure nor too even."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq  # type: ignore[import-untyped] # SciPy has no types
from scipy.special import softmax  # type: ignore[import-untyped] # likewise

_LIMIT = np.log(1000)


class Linear(NamedTuple):
    """A map of embeddings to the scores of classes, or with one row to that of the second of two classes."""

    coef: NDArray[Any]
    """(c, d)."""
    intercept: NDArray[Any]
    """(c,)."""

    def scores(self, X: NDArray[Any]) -> NDArray[Any]:
        """Give the scores (n, c) of embeddings (n, d)."""
        return np.asarray(X @ self.coef.T + self.intercept)


def chances(scores: NDArray[Any]) -> NDArray[Any]:
    """Give probabilities (n, classes) by scores (n, c)."""
    return np.asarray(softmax(scores if scores.shape[1] > 1 else np.hstack([0 * scores, scores]), axis=1))


def sureness(scores: NDArray[Any]) -> float:
    """Give the mean probability of the most probable class.

    Examples
    --------
    >>> sureness(np.array([[np.log(3)], [-np.log(3)]])), sureness(np.zeros((2, 4)))
    (0.75, 0.25)
    """
    return float(chances(scores).max(axis=1).mean())


def factor(scores: NDArray[Any], sure: float) -> float:
    """Give what to multiply scores by for a sureness: the inverse of a temperature (Guo et al., ICML 2017).

    Examples
    --------
    >>> float(round(factor(np.array([[1.0], [-1.0]]), 0.75) / np.log(3), 6))
    1.0
    """

    def off(power: float) -> float:
        return sureness(scores * np.exp(power)) - sure

    ends = (-_LIMIT, _LIMIT)
    if off(ends[0]) >= 0 or off(ends[1]) <= 0:  # as surely as that, or as evenly, they never speak
        return 1.0
    return float(np.exp(brentq(off, *ends, xtol=1e-6)))


def blended(first: Linear, second: Linear, X: NDArray[Any], sure: float, count: float) -> Linear:
    """Average two maps, each as sure as the other, and be as sure of some embeddings as befits what is known.

    Parameters
    ----------
    first
        Learned from labels that were given.
    second
        Learned from labels that were guessed.
    X
        Embeddings (m, d) of which these were guessed.
    sure
        The mean probability of these guesses, by whoever made them.
    count
        How many images of a class `first` was learned from. It counts as much as the root of that, `second` as much as
        one: a mean of so many images is so much nearer to the truth. Its sureness, which images held out have chosen,
        counts as many times, and `sure` once.
    """
    own, other = first.scores(X), second.scores(X)
    alike = factor(other, sureness(own)) / np.sqrt(count)
    both = factor(own + alike * other, (count * sureness(own) + sure) / (count + 1))
    parts = zip(first, second, strict=True)
    return Linear(*(both * (one + alike * two) for one, two in parts))

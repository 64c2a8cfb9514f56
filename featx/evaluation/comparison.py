"""Whether one model is better than another by more than noise, on the same images."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest, t, ttest_1samp  # type: ignore[import-untyped] # SciPy has no types


def merits(y: NDArray[Any], predicted: NDArray[Any], *, regression: bool = False) -> NDArray[np.float64]:
    """Score each prediction; the mean over all is the accuracy, or R².

    Parameters
    ----------
    y, predicted
        Of shape (n,) or (n, k).
    regression
        Whether `y` holds numbers, not classes.

    Returns
    -------
    array of shape (n,)
        1 for the right class and 0 for a wrong one; for several labels, the share that is right. For numbers, 1 minus
        the squared error divided by the variance of `y`.

    Examples
    --------
    >>> merits(np.array(["ant", "bee"]), np.array(["ant", "ant"])).tolist()
    [1.0, 0.0]
    >>> merits(np.array([1.0, 3.0]), np.array([2.0, 3.0]), regression=True).tolist()
    [0.0, 1.0]
    """
    predicted = predicted.reshape(y.shape)  # scikit-learn may drop the axis of a single column
    if regression:
        variance = y.var(axis=0)
        each = 1 - (y - predicted) ** 2 / np.where(variance > 0, variance, 1)
    else:
        each = (y == predicted).astype(np.float64)
    return np.asarray(each.reshape(len(y), -1).mean(axis=1))


def standard_error(values: NDArray[Any], rounds: float = 1.0) -> float:
    """Return the standard error of the mean of values (n,); infinite for one value.

    Parameters
    ----------
    values
        Independent ones, or the scores of folds.
    rounds
        How often each image is tested, as in repeated folds: testing it again tells nothing of other images.
    """
    count = len(values)
    return float(np.std(values, ddof=1) / np.sqrt(count / rounds)) if count > 1 else float("inf")


def plus_minus(value: float, error: float, form: str = ".3f") -> str:
    """Write a number with its standard error; without it where a single fold tells none.

    Examples
    --------
    >>> plus_minus(0.9, 0.012), plus_minus(0.9, float("inf"))
    ('0.900 ± 0.012', '0.900')
    """
    return f"{value:{form}} ± {error:.3f}" if np.isfinite(error) else f"{value:{form}}"


def interval_of_share(share: float, units: int) -> tuple[float, float]:
    """Return the 95 % interval of an accuracy that folds found.

    Parameters
    ----------
    share
        The accuracy, 0 to 1.
    units
        How many images it is of; of groups of images that go together, how many groups.

    Notes
    -----
    This is Wilson's interval (Wilson, *Probable inference, the law of succession, and statistical inference*, JASA
    1927), which never leaves 0..1, for half as many images. For the models of different folds learned from much the
    same images, so the scores of the folds vary together; for many folds that doubles the variance of their mean, by
    the correction of Nadeau & Bengio (*Inference for the generalization error*, Machine Learning 2003). In simulated
    experiments (`tests/evaluation/test_comparison.py`) it held the accuracy that such models have on new images 93 to
    99 times in 100; with all images it did so 80 to 97 times, and Student's t over the folds 55 to 95 times.

    Examples
    --------
    >>> [round(end, 3) for end in interval_of_share(0.9, 100)]
    [0.786, 0.957]
    """
    z, n = 1.959964, units / 2
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * float(np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)))
    return max(0.0, centre - half), min(1.0, centre + half)


def interval_of_mean(values: NDArray[Any], rounds: float = 1.0) -> tuple[float, float]:
    """Return the 95 % interval of the mean score of some folds; infinite for one fold.

    Parameters
    ----------
    values
        The score of each fold, (k,).
    rounds
        How often each image is tested, as in repeated folds.

    Notes
    -----
    Student's t with the variance of Nadeau & Bengio (Machine Learning 2003) for folds that share what they learn
    from: s² (1 / k + the ratio of images tested to images learned from); for k folds that ratio is 1 / (k - 1).

    Examples
    --------
    >>> [round(end, 3) for end in interval_of_mean(np.array([0.7, 0.8, 0.75, 0.8, 0.7]))]
    [0.657, 0.843]
    """
    count = len(values)
    if count < 2 or count <= rounds:
        return float("-inf"), float("inf")
    variance = float(np.var(values, ddof=1)) * (1 / count + rounds / (count - rounds))
    half = float(t.ppf(0.975, count - 1)) * variance**0.5
    return float(np.mean(values)) - half, float(np.mean(values)) + half


def compare(old: NDArray[Any], new: NDArray[Any], *, regression: bool = False) -> dict[str, Any]:
    """Test whether a new model is better than an old one on the same images.

    Parameters
    ----------
    old, new
        Scores of each prediction, from `merits`, (n,).
    regression
        Whether the targets are numbers, not classes.

    Returns
    -------
    dict
        ``images``, how many; ``old`` and ``new``, the means; ``difference`` and its standard ``error``, from the pairs;
        ``better`` and ``worse``, the numbers of images on which the new model is; ``p``, the probability of at least
        this difference if there were none; ``test``, the name of the test.

    Notes
    -----
    For classes this is McNemar's exact test: if the models are equally good, each image on which they differ is as
    likely to favour one as the other. For numbers it is the paired t-test. Both are one-sided.

    References
    ----------
    McNemar, *Note on the sampling error of the difference between correlated proportions or percentages*,
    Psychometrika 1947. Dietterich, *Approximate statistical tests for comparing supervised classification learning
    algorithms*, Neural Computation 1998, recommends it where each model can be trained only once.

    Examples
    --------
    >>> old, new = np.repeat([1.0, 0.0, 1.0], [90, 8, 2]), np.repeat([1.0, 1.0, 0.0], [90, 8, 2])
    >>> found = compare(old, new)
    >>> f"{found['difference']:.2f} ± {found['error']:.2f}, p = {found['p']:.3f}"
    '0.06 ± 0.03, p = 0.055'
    """
    change = new - old
    better, worse = int((change > 0).sum()), int((change < 0).sum())
    if better + worse == 0:
        p = 1.0
    elif regression:
        p = float(ttest_1samp(change, 0, alternative="greater").pvalue)
    else:
        p = float(binomtest(better, better + worse, alternative="greater").pvalue)
    return {
        "images": len(old),
        "old": float(old.mean()),
        "new": float(new.mean()),
        "difference": float(change.mean()),
        "error": standard_error(change),
        "better": better,
        "worse": worse,
        "p": p,
        "test": "paired t" if regression else "McNemar",
    }


def least_p(old: NDArray[Any]) -> float:
    """Return the p that `compare` would give a classifier without errors against the old one, by its merits."""
    return float(0.5 ** int((old < 1).sum()))

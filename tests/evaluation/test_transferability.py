"""LogME and the H-score are what their papers say, and rank features as a head would."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import helmert
from scipy.optimize import minimize
from scipy.stats import multivariate_normal
from sklearn.covariance import ledoit_wolf

from featx.errors import InputError
from featx.evaluation.transferability import h_score, logme, spectrum

RNG = np.random.default_rng(0)
Y = np.repeat(["ant", "bee", "wasp"], 20)


def standardised(X):
    return (X - X.mean(axis=0)) / X.std(axis=0)


@pytest.mark.parametrize("columns", [5, 40, 90])
def test_logme_is_the_greatest_evidence(columns):
    """A search over prior and noise, with the density of the whole vector by SciPy, finds the same, also for d > n."""
    X = RNG.normal(size=(60, columns))
    y = X[:, 0] + RNG.normal(size=60)
    turn = helmert(60)  # the 59 directions that are left without the mean
    F, target = turn @ standardised(X), turn @ y / y.std()

    def loss(logs):
        a, b = np.exp(logs)
        return -multivariate_normal.logpdf(target, cov=np.eye(59) / b + F @ F.T / a)

    best = min(minimize(loss, start, method="Nelder-Mead").fun for start in ([0, 0], [3, 0], [0, 3]))

    assert logme(X, y) == pytest.approx(-best / 59, abs=2e-3)


@pytest.mark.parametrize("columns", [5, 40, 90])
def test_h_score_is_its_formula(columns):
    """The same from the shrunk covariance matrix itself, with scikit-learn's Ledoit-Wolf estimate."""
    X = RNG.normal(size=(60, columns))
    X[:, 0] += (Y == "bee") * 2
    F = standardised(X)
    covariance, alpha = ledoit_wolf(F, assume_centered=True)
    means = np.stack([F[name == Y].mean(axis=0) for name in np.unique(Y)])
    between = means.T @ means / 3
    expected = (1 - alpha) * np.trace(np.linalg.solve(covariance, between))

    assert spectrum(X).shrinkage == pytest.approx(alpha)
    assert h_score(X, Y) == pytest.approx(expected)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32 - 1), st.integers(2, 80))
def test_neither_score_heeds_scale_shift_order_or_names(seed, columns):
    """Scaled and shifted columns, other orders and other names of the classes change no score; its range is known."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(60, columns))
    rows, places = rng.permutation(60), rng.permutation(columns)
    other = (X * rng.uniform(0.1, 9, columns) + rng.normal(size=columns))[rows][:, places]
    names = np.unique(Y, return_inverse=True)[1][rows]

    assert logme(other, names) == pytest.approx(logme(X, Y), abs=1e-3)
    assert h_score(other, names) == pytest.approx(h_score(X, Y), rel=1e-6)
    assert 0 <= h_score(X, Y) <= 2


@pytest.mark.parametrize("score", [logme, h_score])
def test_useful_features_score_higher(score):
    """The more the classes differ in the features, the higher the score; also with more columns than images."""
    noise = RNG.normal(size=(60, 200))
    codes = np.unique(Y, return_inverse=True)[1]
    scores = [score(noise + strength * np.eye(3)[codes] @ np.ones((3, 200)) * codes[:, None], Y)
              for strength in (0, 0.3, 1)]  # fmt: skip

    assert scores[0] < scores[1] < scores[2]


def test_several_labels_and_numbers():
    """Columns of labels are scored one by one; of numbers the unit does not matter."""
    X = RNG.normal(size=(60, 6))
    labels = np.column_stack([X[:, 0] > 0, X[:, 1] > 0, np.zeros(60)]).astype(int)
    numbers = X @ RNG.normal(size=6) + RNG.normal(size=60)

    assert h_score(X, labels) == pytest.approx((h_score(X, labels[:, 0]) + h_score(X, labels[:, 1])) / 2)
    assert logme(X, labels) < 0
    assert logme(X, numbers * 1000 + 5) == pytest.approx(logme(X, numbers))
    assert logme(X, np.column_stack([numbers, numbers])) == pytest.approx(logme(X, numbers))


def test_one_decomposition_serves_both():
    """What spectrum gives stands for the features; constant columns do not count."""
    X = RNG.normal(size=(60, 6))
    both = np.column_stack([X, np.full(60, 3.0)])

    assert logme(spectrum(X), Y) == logme(X, Y)
    assert logme(both, Y) == pytest.approx(logme(X, Y))


def test_perfect_features_have_a_finite_score():
    """Features that are the target itself do not end in infinity."""
    y = RNG.normal(size=60)

    assert np.isfinite(logme(y[:, None], y))
    assert np.isfinite(logme(np.eye(3)[np.unique(Y, return_inverse=True)[1]], Y))


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        (np.ones((4, 2)), ["a", "a", "b", "b"], "All rows of the features are the same"),
        (np.full((4, 2), np.nan), ["a", "a", "b", "b"], "Expected finite features"),
        (np.arange(4.0), ["a", "a", "b", "b"], r"shape \(n, d\), two rows or more, got shape \(4,\)"),
        (np.eye(4), ["a"] * 4, "one class only"),
        (np.eye(4), ["a", "b"], r"inconsistent numbers of samples: \[4, 2\]"),
        (np.eye(4), np.ones(4), "same value for every image"),
    ],
)
def test_bad_input(X, y, message):
    """What cannot be scored is said."""
    with pytest.raises(InputError, match=message):
        logme(X, y)

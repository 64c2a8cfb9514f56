"""Two models compared on the same images."""

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.linear_model import Ridge
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import KFold, StratifiedKFold

from featx.evaluation.comparison import (
    compare,
    interval_of_mean,
    interval_of_share,
    least_p,
    merits,
    standard_error,
)


def test_the_mean_merit_is_the_score_users_know():
    """Accuracy for classes, R² for numbers."""
    rng = np.random.default_rng(0)
    y, predicted = rng.integers(0, 3, (2, 50))
    numbers, guessed = rng.normal(size=(2, 50))

    assert merits(y, predicted).mean() == pytest.approx(accuracy_score(y, predicted))
    assert merits(numbers, guessed, regression=True).mean() == pytest.approx(r2_score(numbers, guessed))


def test_several_labels_or_numbers_count_in_equal_parts():
    """Of several labels the share that is right; of several numbers the mean R²."""
    assert merits(np.array([[1, 0], [1, 1]]), np.array([[1, 1], [1, 1]])).tolist() == [0.5, 1.0]
    rng = np.random.default_rng(0)
    Y, guessed = rng.normal(size=(2, 50, 3)) * [1, 10, 100]
    assert merits(Y, guessed, regression=True).mean() == pytest.approx(r2_score(Y, guessed))


def test_one_column_is_compared_row_by_row():
    """scikit-learn's ridge drops the axis of a single column; that must not compare every row with every other."""
    y = np.arange(5.0)

    assert merits(y[:, None], y, regression=True).tolist() == [1.0] * 5


@pytest.mark.parametrize(
    ("better", "worse", "p"), [(8, 2, 56 / 1024), (3, 0, 1 / 8), (0, 3, 1), (5, 5, 638 / 1024)]
)
def test_mcnemar_is_the_binomial_of_the_images_that_differ(better, worse, p):
    """Worked by hand: the probability of so many heads or more among as many throws."""
    old = np.repeat([1.0, 0.0, 1.0], [40, better, worse])
    new = np.repeat([1.0, 1.0, 0.0], [40, better, worse])
    found = compare(old, new)

    assert found["p"] == pytest.approx(p)
    assert (found["better"], found["worse"], found["images"]) == (better, worse, 40 + better + worse)
    assert found["difference"] == pytest.approx((better - worse) / found["images"])


def test_the_error_of_a_difference_is_that_of_pairs():
    """For classes it is that of correlated proportions: sqrt(b + c - (b - c)² / n) / n, here with n - 1."""
    old, new = np.repeat([1.0, 0.0, 1.0], [90, 8, 2]), np.repeat([1.0, 1.0, 0.0], [90, 8, 2])

    assert compare(old, new)["error"] == pytest.approx(np.sqrt(10 - 36 / 100) / 100, rel=0.01)
    assert standard_error(np.array([1.0])) == np.inf


@pytest.mark.parametrize("regression", [False, True])
def test_chance_is_called_a_difference_as_rarely_as_promised(regression):
    """Two models that are equally good differ with p < 0.1 in about a tenth of all trials, or fewer."""
    rng = np.random.default_rng(0)
    trials = 400
    if regression:
        pairs = [rng.normal(size=(2, 60)) for _ in range(trials)]
    else:
        pairs = [(rng.random((2, 60)) < 0.8).astype(float) for _ in range(trials)]
    called = np.mean([compare(old, new, regression=regression)["p"] < 0.1 for old, new in pairs])

    assert 0.02 < called < 0.14


def test_no_difference_at_all():
    """The same predictions are no evidence, and divide nothing by zero."""
    same = np.array([1.0, 0.0, 1.0])

    assert [compare(same, same, regression=regression)["p"] for regression in (False, True)] == [1.0, 1.0]


def test_the_least_p_is_that_of_a_model_without_a_fault():
    """What is_least_p says is what compare gives."""
    old = np.repeat([1.0, 0.0], [50, 4])

    assert least_p(old) == compare(old, np.ones(54))["p"] == 1 / 16


@pytest.mark.parametrize("folds", [2, 5, 10])
@pytest.mark.parametrize(("n", "d", "apart"), [(24, 60, 0.3), (60, 60, 1.8), (100, 5, 1.0)])
def test_the_interval_of_an_accuracy_holds_it_as_often_as_it_says(n, d, apart, folds):
    """It holds the accuracy that the models of the folds have on all images there could be, known here by a formula."""
    rng, found, truth = np.random.default_rng(0), [], []
    for trial in range(150):
        y = np.arange(n) % 2
        X = rng.normal(size=(n, d))
        X[:, 0] += apart * (2 * y - 1)
        right = []
        for train, test in StratifiedKFold(folds, shuffle=True, random_state=trial).split(X, y):
            model = Ridge(10).fit(X[train], 2 * y[train] - 1)
            right.append(((model.predict(X[test]) > 0) == y[test]).mean())
            sides = [sign * (model.coef_[0] * apart) + model.intercept_ for sign in (1, -1)]
            length = np.linalg.norm(model.coef_)
            truth.append((norm.cdf(sides[0] / length) + norm.cdf(-sides[1] / length)) / 2)
        found.append(interval_of_share(float(np.mean(right)), n))
    low, high = np.transpose(found)

    assert np.mean((low <= np.mean(truth)) & (np.mean(truth) <= high)) >= 0.9
    assert (high - low).mean() < 0.6


@pytest.mark.parametrize("folds", [3, 5, 10])
def test_the_interval_of_other_scores_holds_them_as_often_as_it_says(folds):
    """For R² of ridge regression, whose expectation on new images is known from its weights."""
    rng, found, truth = np.random.default_rng(0), [], []
    for trial in range(150):
        X = rng.normal(size=(90, 10))
        y = X[:, 0] + rng.normal(size=90)
        scores = []
        for train, test in KFold(folds, shuffle=True, random_state=trial).split(X):
            model = Ridge(10).fit(X[train], y[train])
            scores.append(r2_score(y[test], model.predict(X[test])))
            wrong = model.coef_ - np.eye(10)[0]
            truth.append(1 - (1 + wrong @ wrong + model.intercept_**2) / 2)
        found.append(interval_of_mean(np.array(scores)))
    low, high = np.transpose(found)

    assert np.mean((low <= np.mean(truth)) & (np.mean(truth) <= high)) >= 0.88

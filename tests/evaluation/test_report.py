"""Scores with their uncertainty, on folds that every class is in."""

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import ShuffleSplit, StratifiedKFold, cross_val_score

from featx import evaluate
from featx.errors import InputError

X = np.random.default_rng(0).normal(size=(60, 4))
Y = np.where(X[:, 0] + 0.3 * X[:, 1] > 0, "up", "down")


def test_scores_are_those_of_scikit_learn():
    """The same folds through cross_val_score give the same numbers; mean and standard error are theirs."""
    report = evaluate(LogisticRegression(), X, Y, cv=4, seed=3)
    expected = cross_val_score(
        LogisticRegression(), X, Y, cv=StratifiedKFold(4, shuffle=True, random_state=3)
    )

    assert report.scores == tuple(expected)
    assert report.mean == pytest.approx(expected.mean())
    assert report.error == pytest.approx(expected.std(ddof=1) / 2)
    assert report.to_dict()["mean"] == report.mean


def test_guessing_is_shown_beside_the_score():
    """The most frequent label's share, and for numbers about 0."""
    labels = np.array(["a"] * 45 + ["b"] * 15)

    assert evaluate(LogisticRegression(), X, labels, cv=5).guess == pytest.approx(0.75)
    report = evaluate(LinearRegression(), X, X[:, 0] * 2)
    assert report.metric == "R²"
    assert report.mean == pytest.approx(1)
    assert report.guess < 0.1


def test_labels_may_be_several():
    """A row of labels for each image is scored as a whole."""
    from featx import make_head

    report = evaluate(make_head("knn"), X, np.column_stack([X[:, 0] > 0, X[:, 1] > 0]).astype(int), cv=3)

    assert 0.2 < report.mean <= 1


def test_small_classes_get_fewer_folds():
    """A class of three images is in each of three folds; a splitter makes as many as it says."""
    labels = np.array(["rare"] * 3 + ["often"] * 57)

    assert len(evaluate(LogisticRegression(), X, labels, cv=5).scores) == 3
    assert len(evaluate(LogisticRegression(), X, Y, cv=ShuffleSplit(7, random_state=0)).scores) == 7


def test_too_few_images_of_a_class_are_an_error():
    """One image of a class cannot be both learned from and tested on; counts get a hint."""
    with pytest.raises(InputError, match=r"class in y, 'one', has only 1 member, .* of each class\.$"):
        evaluate(LogisticRegression(), X, ["one"] + ["many"] * 59)
    with pytest.raises(InputError, match="take an estimator for numbers, such as the head 'ridge'"):
        evaluate(LogisticRegression(), X, np.r_[np.zeros(40, int), np.arange(1, 21)])


def test_the_errors_of_the_estimator_come_through():
    """A fold that cannot be fitted is an error, not a NaN among the scores."""
    with pytest.raises(ValueError, match="Input X contains NaN"):
        evaluate(LogisticRegression(), np.full((60, 4), np.nan), Y)


@pytest.mark.parametrize(
    ("head", "y", "message"),
    [
        (LogisticRegression(), None, "requires y to be passed, but the target y is None"),
        (LogisticRegression(), [np.nan, *Y[1:]], "contains NaN or None in row 0"),
        (LogisticRegression(), Y[:-1], r"inconsistent numbers of samples: \[60, 59\]"),
        (LinearRegression(), Y, "could not convert string to float: '(up|down)'"),
    ],
)
def test_wrong_targets_are_refused_before_anything_is_fitted(head, y, message):
    """A NaN among words is no class of its own."""
    with pytest.raises(ValueError, match=message):
        evaluate(head, X, y)

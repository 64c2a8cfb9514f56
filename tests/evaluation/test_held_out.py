"""Held-out predictions are those of scikit-learn, and their scores those of evaluate."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, RepeatedStratifiedKFold, ShuffleSplit, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier

from featx import evaluate, make_head
from featx.evaluation.held_out import held_out


@pytest.fixture(scope="module")
def points():
    """Give points in five dimensions, and a class, two labels and a number for each."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(90, 5))
    classes = np.array(["ant", "bee", "cat"])[np.digitize(X[:, 0] + rng.normal(size=90), [-0.5, 0.5])]
    return X, classes, (X[:, :2] + rng.normal(size=(90, 2)) > 0).astype(int), X[:, 0] + rng.normal(size=90)


@pytest.mark.parametrize("kind", ["classes", "labels", "numbers"])
def test_answers_are_those_of_cross_val_predict(points, kind):
    """Predictions and probabilities, row by row; the score of each fold as evaluate gives it."""
    X, y = points[0], dict(zip(["classes", "labels", "numbers"], points[1:], strict=True))[kind]
    head = {"classes": LogisticRegression(), "labels": make_head("logistic", Cs=2, cv=2), "numbers": Ridge()}[
        kind
    ]
    found = held_out(head, X, y, cv=4)

    assert np.array_equal(found.predicted, cross_val_predict(head, X, y, cv=found.folds))
    if kind != "numbers":
        expected = cross_val_predict(head, X, y, cv=found.folds, method="predict_proba")
        np.testing.assert_allclose(found.probabilities, expected)
    assert found.scores.scores == evaluate(head, X, y, cv=4).scores
    assert found.rows.tolist() == list(range(90))


def test_an_image_that_is_not_tested_has_no_answer_and_the_first_of_several_counts(points):
    """Whatever the splitter."""
    X, y = points[:2]
    some = held_out(LogisticRegression(), X, y, cv=ShuffleSplit(1, test_size=0.2, random_state=0))
    assert np.array_equal(some.rows, np.sort(some.folds[0][1]))
    assert len(some.predicted) == len(some.probabilities) == 18

    twice = held_out(
        LogisticRegression(), X, y, cv=RepeatedStratifiedKFold(n_splits=3, n_repeats=2, random_state=0)
    )
    once = held_out(LogisticRegression(), X, y, cv=twice.folds[:3])
    assert np.array_equal(twice.predicted, once.predicted)


def test_a_class_that_a_fold_does_not_know_has_no_probability(points):
    """Columns stay those of all classes."""
    X, y = points[:2]
    known = np.flatnonzero(y != "cat")
    found = held_out(LogisticRegression(), X, y, cv=[(known, np.flatnonzero(y == "cat"))])

    assert found.probabilities.shape[1] == 3
    assert not found.probabilities[:, 2].any()


def test_labels_of_scikit_learn_s_neighbours_are_columns(points):
    """They give a pair of columns for each label."""
    found = held_out(KNeighborsClassifier(), points[0], points[2])

    assert found.probabilities.shape == (90, 2)
    assert np.array_equal(found.probabilities > 0.5, found.predicted == 1)


def test_weights_and_groups_are_passed_on(points):
    """As by evaluate, into a search within, too."""
    X, y = points[:2]
    groups, weights = np.arange(90) // 3, np.random.default_rng(0).uniform(size=90)
    search = GridSearchCV(LogisticRegression(), {"C": [0.01, 1]}, cv=3)
    choices = {"groups": groups, "sample_weight": weights, "cv": 3}

    assert held_out(search, X, y, **choices).scores.scores == evaluate(search, X, y, **choices).scores

"""The ensemble head: a head for each part of the columns, weighed by answers to images that it was not fitted to."""

import numpy as np
import pytest
from sklearn.base import is_classifier, is_regressor
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from featx.heads import EnsembleHead, make_head

DRAWS = np.random.default_rng(0)
CLASSES = np.repeat(["ant", "bee", "cat"], 20)
GOOD = np.eye(3)[np.unique(CLASSES, return_inverse=True)[1]] + 0.4 * DRAWS.normal(size=(60, 3))
NOISE = DRAWS.normal(size=(60, 4))
BOTH = np.hstack([GOOD, NOISE])


def ensemble(head=None, **choices):
    return EnsembleHead(head or LogisticRegression(), (3, 4), **choices)


def test_the_answer_is_the_weighted_mean_of_the_heads():
    """And the weights say which part of the columns knows anything."""
    head = ensemble().fit(BOTH, CLASSES)

    assert is_classifier(head)
    assert head.classes_.tolist() == ["ant", "bee", "cat"]
    assert head.weights_.sum() == pytest.approx(1)
    assert head.weights_[0] > 0.8
    one, other = (part.predict_proba(X) for part, X in zip(head.heads_, (GOOD, NOISE), strict=True))
    np.testing.assert_allclose(head.predict_proba(BOTH), head.weights_[0] * one + head.weights_[1] * other)
    assert head.score(BOTH, CLASSES) > 0.8


def test_several_labels_and_numbers():
    """Of the shape that they had."""
    labels = np.column_stack([GOOD[:, 0] > 0.5, GOOD[:, 1] > 0.5]).astype(int)
    found = ensemble(make_head("logistic", Cs=2, cv=2), cv=2).fit(BOTH, labels)
    assert found.predict_proba(BOTH).shape == found.predict(BOTH).shape == labels.shape
    assert found.weights_[0] > 0.8

    for numbers in (GOOD.sum(axis=1), GOOD[:, :2]):
        head = ensemble(make_head("ridge")).fit(BOTH, numbers)
        assert is_regressor(head)
        assert head.predict(BOTH).shape == numbers.shape
        assert head.weights_[0] > 0.9
        assert head.score(BOTH, numbers) > 0.9


def test_images_of_one_group_never_judge_each_other():
    """Columns that only tell which group an image is of are worth nothing, once groups are kept apart."""
    members = np.repeat(np.arange(20), 3)
    X = np.hstack([GOOD, 9 * np.eye(20)[members]])
    y = CLASSES[DRAWS.permutation(60)[members]]
    head = EnsembleHead(KNeighborsClassifier(1), (3, 20), cv=4)

    apart, mixed = head.fit(X, y, groups=members).weights_[1], head.fit(X, y).weights_[1]

    assert apart < 0.6
    assert mixed > 0.9


def test_an_image_of_no_weight_is_as_if_it_were_not_there():
    """In the heads and in their weights."""
    counts = np.tile([1, 1, 1, 0], 15)

    weighted = ensemble().fit(BOTH, CLASSES, sample_weight=counts)
    without = ensemble().fit(BOTH[counts > 0], CLASSES[counts > 0])

    np.testing.assert_allclose(weighted.predict_proba(BOTH), without.predict_proba(BOTH), atol=1e-6)


def test_images_without_labels_are_given_to_the_heads():
    """Each its own columns of them."""
    few, head = np.array([0, 20, 40]), make_head("logistic", Cs=2, cv=2)
    found = ensemble(head, cv=2).fit(BOTH[few], CLASSES[few], unlabelled=BOTH)

    alone = make_head("logistic", Cs=2, cv=2).fit(GOOD[few], CLASSES[few], unlabelled=GOOD)
    np.testing.assert_allclose(found.heads_[0].predict_proba(GOOD), alone.predict_proba(GOOD))


def test_a_class_of_one_image_is_learned():
    """It is in every fold that is learned from."""
    y = np.array([*CLASSES[:-1], "dog"])

    assert "dog" in ensemble().fit(BOTH, y).classes_

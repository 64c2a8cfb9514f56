"""The blend: ridge regressions on many choices of columns, averaged by what they answer to images held out."""

import numpy as np
import pytest
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.linear_model import Ridge
from sklearn.metrics import log_loss

from featx.heads import BlendHead, BlendRegressorHead, SteadyScaler

DRAWS = np.random.default_rng(0)
KIND = np.arange(240) % 3
CENTRES = DRAWS.normal(size=(2, 3, 6))
ONE, OTHER = (CENTRES[part][KIND] + 1.5 * DRAWS.normal(size=(240, 6)) for part in (0, 1))
X = np.hstack([ONE, OTHER, DRAWS.normal(size=(240, 12))]).astype(np.float32)
LABELS = np.array(["ant", "bee", "cat"])[KIND]
WIDTHS, CHOICES = (6, 6, 12), [[0], [1], [2], [0, 2]]


def blend(**choices):
    return BlendHead(WIDTHS, CHOICES, **choices)


def test_what_knows_something_counts():
    """Two blocks that each know a part count both, noise does not, and the mean is better than either."""
    head = blend().fit(X[:120], LABELS[:120])

    assert is_classifier(head)
    assert head.classes_.tolist() == ["ant", "bee", "cat"]
    assert sum(head.shares_) == pytest.approx(1)
    assert head.shares_[2] == 0 < min(head.shares_[0] + head.shares_[3], head.shares_[1])
    alone = [BlendHead(WIDTHS, [[block]]).fit(X[:120], LABELS[:120]) for block in (0, 1)]
    assert head.score(X[120:], LABELS[120:]) > max(one.score(X[120:], LABELS[120:]) for one in alone)


def test_it_is_the_mean_of_ridge_regressions():
    """Each on its own standardised columns, with the penalty that it says; the scores are the same, sharpened."""
    head = BlendHead(WIDTHS, [[0], [1, 2]], shares=[0.25, 0.75], penalties=[0.1, 1.0], sharpness=2.0).fit(
        X, LABELS
    )

    expected, codes = 0, 2 * np.eye(3)[KIND] - 1
    for columns, share, penalty in ((range(6), 0.25, 0.1), (range(6, 24), 0.75, 1.0)):
        Z = [SteadyScaler().fit_transform(X[:, part]) for part in (slice(6), slice(6, 12), slice(12, 24))]
        Z = np.hstack(Z)[:, columns].astype(float)
        expected += 2 * share * Ridge(penalty * (Z**2).sum() / 240).fit(Z, codes).predict(Z)
    np.testing.assert_allclose(head.decision_function(X), expected, atol=1e-3)
    assert (head.shares_, head.penalties_, head.sharpness_) == ([0.25, 0.75], [0.1, 1.0], 2.0)


@pytest.mark.parametrize("count", [2, 3])
def test_its_probabilities_are_honest(count):
    """Neither sharper nor blunter ones would make new labels much more probable."""
    kept = count > KIND
    X_, y = X[kept], KIND[kept]
    head = blend().fit(X_[:80], y[:80])
    scores = head.decision_function(X_[80:])
    scores = scores if count > 2 else np.column_stack([0 * scores, scores])

    def loss(factor):
        chances = np.exp(factor * scores)
        return log_loss(y[80:], chances / chances.sum(axis=1, keepdims=True))

    assert loss(1) == pytest.approx(log_loss(y[80:], head.predict_proba(X_[80:])), abs=1e-6)
    assert loss(1) < min(loss(0.5), loss(2))


def test_images_that_are_all_answered_rightly_make_no_certainty():
    """Of 30 images one more might have been wrong."""
    y = np.arange(30) % 2
    far = (10 * y[:, None] + DRAWS.normal(size=(30, 24))).astype(np.float32)
    chances = blend().fit(far, y).predict_proba(far)

    assert 0.9 < chances.max() < 0.9999


def test_many_images_and_a_single_fold():
    """Above 1,000 images others are held out for the probabilities, whatever split the choices are compared on."""
    many, y = np.tile(X, (5, 1)), np.tile(KIND, 5)
    many = many + DRAWS.normal(size=many.shape).astype(np.float32)
    fold = (np.arange(900), np.arange(900, 1200))
    head = blend(cv=[fold]).fit(many, y)

    assert sum(head.shares_) == pytest.approx(1)
    assert 1 < head.sharpness_ < 20


def test_several_labels_and_numbers():
    """Of the shape that they had; a number in another unit counts no more."""
    labels = np.column_stack([KIND == 0, KIND > 1]).astype(int)
    head = blend().fit(X, labels)
    assert head.predict(X).shape == head.predict_proba(X).shape == labels.shape
    assert (head.predict(X) == labels).mean() > 0.8

    numbers = np.column_stack([X[:, 0], 1000 * X[:, 7] + 5])
    for y in (numbers[:, 0], numbers):
        found = BlendRegressorHead(WIDTHS, [[0], [1], [0, 1]]).fit(X[:120], y[:120])
        assert is_regressor(found)
        assert found.predict(X).shape == y.shape
        assert found.score(X[120:], y[120:]) > 0.9


@pytest.mark.parametrize("kind", [BlendHead, BlendRegressorHead])
def test_weights_count_images(kind):
    """Images of weight 0 are as if they were not there; an image of weight 3 is fitted to as three."""
    y = KIND if kind is BlendHead else X[:, 0]
    kept = np.arange(240) % 4 > 0
    given = {"shares": [0.5, 0.5, 0, 0], "penalties": [0.1, 0.1, np.nan, np.nan]}
    head = kind(WIDTHS, CHOICES, **given)
    head.set_params(sharpness=1.0)
    found, without = (
        clone(head).fit(X, y, sample_weight=kept.astype(float)),
        clone(head).fit(X[kept], y[kept]),
    )
    np.testing.assert_allclose(found.predict(X[:9]), without.predict(X[:9]), atol=1e-5)

    weights = np.where(np.arange(240) < 60, 3.0, 1.0)
    twice = np.repeat(np.arange(240), weights.astype(int))
    found, repeated = clone(head).fit(X, y, sample_weight=weights), clone(head).fit(X[twice], y[twice])
    np.testing.assert_allclose(
        found.coef_, repeated.coef_, rtol=0.05, atol=2e-3
    )  # but for the penalty's unit


def test_groups_are_kept_apart():
    """Columns that only tell which group an image is of are worth nothing, once groups are kept apart."""
    groups = np.arange(240) // 3
    y = DRAWS.integers(0, 2, 80)[groups]
    names = np.hstack([3 * np.eye(80)[groups], X[:, :6]]).astype(np.float32)
    head = BlendHead((80, 6), [[0], [1]])

    mixed, apart = clone(head).fit(names, y), head.fit(names, y, groups=groups)
    assert mixed.shares_[0] > 0.9
    assert apart.sharpness_ < mixed.sharpness_ / 2

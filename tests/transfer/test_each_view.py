"""Learning from every view: of one image they are never on both sides of a fold."""

import numpy as np
import pytest
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score
from sklearn.neighbors import KNeighborsClassifier

from featx import FeatureExtractor, load, make_head, save
from featx.errors import InputError
from featx.images import synthetic
from featx.transfer import EachView


@pytest.fixture(scope="module")
def small(tiny):
    """Give an extractor of a small network, with views."""
    choices = {"scaling": "unit", "depth": 2, "pooling": "avg", "engine": "keras", "cache": None}
    return FeatureExtractor(tiny, views=["flip", 1.5], **choices)


@pytest.fixture(scope="module")
def shapes():
    """Draw 60 small shapes of three classes."""
    return synthetic(n=60, classes=3, size=16, random_state=0)


def test_the_head_learns_from_every_view_and_answers_to_the_mean(small, shapes):
    """As by hand; a weight is shared by the views of an image."""
    images, labels = shapes
    counts = np.tile([1.0, 2.0], 30)
    model = EachView(small, LogisticRegression()).fit(images, labels, sample_weight=counts)

    flipped = np.ascontiguousarray(images[:, :, ::-1])
    whole, larger = small.with_choices(views=None), small.with_choices(views=None, input_size=24)
    rows = [one.transform(view) for one in (whole, larger) for view in (images, flipped)]
    weights = np.tile(counts, 4) / 4
    hand = LogisticRegression().fit(np.concatenate(rows), np.tile(labels, 4), sample_weight=weights)
    expected = hand.predict_proba(np.mean(rows, axis=0))
    np.testing.assert_allclose(model.predict_proba(images), expected, atol=1e-3)
    assert is_classifier(model)
    assert model.classes_.tolist() == ["disc", "ring", "square"]


class Noting(GroupKFold):
    """A splitter that notes which groups it is given."""

    noted = ()

    def split(self, X, y=None, groups=None):
        """Split as `GroupKFold` does."""
        type(self).noted = np.asarray(groups).tolist()
        return super().split(X, y, groups)


def test_no_fold_judges_by_views_that_it_learned_from(small):
    """Images that are their own mirror images, and labels by chance: who has seen a view knows the answer."""
    half = np.random.default_rng(0).integers(0, 256, (40, 16, 8, 3), np.uint8)
    images, labels = np.concatenate([half, half[:, :, ::-1]], axis=2), np.arange(40) // 2 % 2
    search = GridSearchCV(KNeighborsClassifier(), {"n_neighbors": [1]}, cv=Noting(4))
    extractor = small.with_choices(views="flip")

    model = EachView(extractor, search).fit(images, labels)

    assert Noting.noted == [*range(40), *range(40)]
    assert model.score(images, labels) == 1
    assert model.head_.best_score_ < 0.8
    assert cross_val_score(EachView(extractor, KNeighborsClassifier(1)), images, labels, cv=4).mean() < 0.8


def test_it_is_an_estimator_over_images(small, shapes, tmp_path):
    """Cloned, searched and saved; of numbers it has no probabilities."""
    images, labels = shapes
    model = EachView(small, "logistic")
    search = GridSearchCV(clone(model), {"extractor__views": [None, "flip"]}, cv=2).fit(images, labels)
    assert len(search.cv_results_["params"]) == 2
    save(search.best_estimator_, tmp_path / "model")
    loaded = load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.predict(images), search.best_estimator_.predict(images))

    numbers = EachView(small, KNeighborsClassifier()).set_params(
        head=make_head("xgboost-regressor", n_estimators=5)
    )
    assert is_regressor(numbers)
    assert not hasattr(numbers, "predict_proba")
    assert numbers.fit(images, images.mean(axis=(1, 2, 3))).predict(images).shape == (60,)


def test_a_head_that_keeps_no_groups_apart_is_refused(small, shapes, says):
    """Ridge regression chooses its strength by folds of single rows."""
    says(
        lambda: EachView(small, "ridge-classifier").fit(*shapes),
        InputError,
        "RidgeClassifierCV has folds of its own and takes no groups, so views of one image would be on both sides of a "
        "fold. Take 'logistic', or a search over a head without folds.",
    )

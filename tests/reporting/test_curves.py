"""What many images change: depths are compared on some of them, whatever their classes and groups."""

from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge

from featx.evaluation.held_out import held_out
from featx.reporting.curves import SAMPLE, depths, learning, pixels

TAPS = [SimpleNamespace(backbone="net", depth=depth, pooling="avg", columns=range(3)) for depth in (1, 2)]


def judged(y, X, groups=None):
    head = Ridge() if y.dtype.kind == "f" else LogisticRegression()
    return held_out(head, X, y, cv=3, groups=groups), head


@pytest.mark.parametrize("kind", ["classes", "rare classes", "numbers", "labels", "groups"])
def test_depths_of_many_images_are_compared_on_some(kind):
    """The second depth, which knows the answer, is the better one; no more images than the sample."""
    rng = np.random.default_rng(0)
    X, count = rng.normal(size=(700, 6)), 700
    classes = np.digitize(X[:, 3], [-0.4, 0.4])
    rare = np.where(np.arange(count) < 140, 10 + np.arange(count) // 2, classes)  # 70 classes of two images
    y = {"numbers": X[:, 3], "rare classes": rare, "labels": (X[:, 3:5] > 0).astype(int)}.get(kind, classes)
    groups = np.arange(count) // 2 if kind == "groups" else None
    head = None if kind == "labels" else groups
    held = held_out(_several(), X, y, cv=3) if kind == "labels" else judged(y, X, head)[0]
    steps = []
    found = depths(X, TAPS, held, groups, lambda: steps.append(1))

    assert [one["depth"] for one in found] == [1, 2]
    assert all(SAMPLE / 2 < one["images"] <= SAMPLE for one in found)
    assert found[1]["score"] > found[0]["score"] + 0.1
    assert len(steps) == 2


def _several():
    from featx.heads import make_head

    return make_head("ridge-classifier")


def test_more_images_help_where_they_do():
    """A hard task gains by doubling, beyond noise; an easy one does not."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 60))
    hard, easy = X[:, :30].sum(axis=1) > 0, X[:, 0] > 0
    X[:, 0] += np.where(easy, 9, -9)
    for y, helps in ((hard, True), (easy, False)):
        held, head = judged(y.astype(str), X)
        curve = learning(head, X, held, lambda: None)
        assert (curve["gain"] > 2 * curve["error"]) == helps
        assert curve["gain"] == pytest.approx(curve["points"][-1]["score"] - curve["points"][-2]["score"])


def test_a_part_that_cannot_be_learned_from_gives_no_curve():
    """An estimator that wants more images than half."""

    class Greedy(LogisticRegression):
        def fit(self, X, y):
            if len(X) < 30:
                message = "more"
                raise ValueError(message)
            return super().fit(X, y)

    X = np.random.default_rng(0).normal(size=(50, 2))
    held = held_out(Greedy(), X, (X[:, 0] > 0).astype(str), cv=3)

    assert learning(Greedy(), X, held, lambda: None) is None


def test_pixels_are_compared_on_the_same_images():
    """Worse pixels are worse beyond chance; the same answers are not."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 8))
    held, _ = judged((X[:, 0] > 0).astype(str), X)

    assert pixels(rng.normal(size=(200, 8)), held, None)["p"] < 1e-6
    assert pixels(X, held, None)["p"] > 0.05


@pytest.mark.parametrize("kind", ["classes", "numbers"])
def test_few_pixels_are_learned_from_as_a_linear_model_does(kind):
    """No worse than the same model on the pixels themselves, though there are as many components as images."""
    from featx.heads import make_head

    rng = np.random.default_rng(0)
    y = rng.normal(size=48)
    X = 20 * rng.normal(size=(48, 1)) + rng.normal(size=(48, 300)) + 3 * np.outer(y, np.sin(np.arange(300)))
    y, name = (y, "ridge") if kind == "numbers" else ((y > 0).astype(str), "ridge-classifier")
    held = judged(y, X)[0]
    alone = held_out(make_head(name), X, y, cv=list(held.folds)).scores.mean

    assert alone > 0.85
    assert pixels(X, held, None)["mean"] > alone - 0.03

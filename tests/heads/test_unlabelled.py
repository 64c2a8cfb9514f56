"""Images without labels, from which heads learn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import config_context
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from featx.evaluation import evaluate
from featx.evaluation.held_out import held_out
from featx.heads import HeadPipeline, LogisticHead, SteadyScaler, make_head
from featx.heads.blending import Linear, blended, factor, sureness
from featx.heads.spreading import spread

RNG = np.random.default_rng(0)
KIND = np.arange(60) % 3
SCALE = np.logspace(-1, 1, 20)
MIDDLES = 1.5 * RNG.normal(size=(3, 20))
X = (RNG.normal(size=(60, 20)) + MIDDLES[KIND]) * SCALE
NEAR = (RNG.normal(size=(40, 20)) + MIDDLES[np.arange(40) % 3]) * SCALE
BOTH = np.vstack([X, NEAR])


def roots(columns):
    """Transform columns, as an extractor does images."""
    return np.sign(columns) * np.sqrt(np.abs(columns))


def test_of_few_images_others_are_learned_from_as_far_as_they_are_trusted():
    """scikit-learn's solutions with and without the labels that were spread add up, each as sure as the other."""
    head = LogisticHead(Cs=[0.001], tol=1e-8).fit(X[:3], KIND[:3], unlabelled=NEAR)
    alone = LogisticHead(Cs=[0.001], tol=1e-8).fit(X[:3], KIND[:3])
    seen = np.vstack([X[:3], NEAR])
    scale = np.sqrt((3 * seen.var(axis=0) + 10 * np.median(seen.var(axis=0))) / 13)
    Z = (seen - seen.mean(axis=0)) / scale
    labels, trust = spread(Z[:3], KIND[:3], Z[3:])
    plain = LogisticRegression(C=0.001, tol=1e-8, max_iter=5000)
    plain.fit(Z, np.append(KIND[:3], labels), np.append(np.ones(3), trust))
    own, other = alone.decision_function(seen), plain.decision_function(Z)
    other *= factor(other[3:], sureness(own[3:]))
    sure = (sureness(own[3:]) + (1 + 2 * trust.mean()) / 3) / 2

    assert head.taught_.tolist() == [True]
    both = own + other
    np.testing.assert_allclose(head.decision_function(seen), factor(both[3:], sure) * both, atol=1e-4)
    assert sureness(head.decision_function(NEAR)) == pytest.approx(sure)


@pytest.mark.parametrize("classes", [1, 4])
def test_the_more_labels_there_are_the_less_those_that_were_spread_count(classes):
    """With four images of a class what was learned from them counts twice, and how sure of it one is four times."""
    first, second = (Linear(RNG.normal(size=(classes, 20)), RNG.normal(size=classes)) for _ in range(2))
    both = blended(first, second, NEAR, sure=0.6, count=4).scores(NEAR)
    own, other = first.scores(NEAR), second.scores(NEAR)
    whole = 2 * own + factor(other, sureness(own)) * other

    assert sureness(both) == pytest.approx((4 * sureness(own) + 0.6) / 5)
    np.testing.assert_allclose(both / whole, (both / whole)[0, 0])


@pytest.mark.parametrize("classes", [1, 4])
@settings(max_examples=30, deadline=None)
@given(sure=st.floats(0.01, 1), power=st.integers(-6, 6))
def test_scores_become_as_sure_as_asked_for_or_stay(classes, sure, power):
    """Whatever their size; nothing is as even or as sure as some ask for."""
    scores = 10.0**power * np.random.default_rng(0).normal(size=(20, classes))
    times = factor(scores, sure)

    assert times == 1 or sureness(times * scores) == pytest.approx(sure, abs=1e-3)
    assert factor(0 * scores, sure) == 1


def test_others_that_mislead_are_left_out():
    """Images of something else make held-out answers worse, so the head is the one without them."""
    alone = LogisticHead(Cs=[0.1]).fit(X[:30], KIND[:30])
    beside = LogisticHead(Cs=[0.1]).fit(X[:30], KIND[:30], unlabelled=RNG.normal(size=(80, 20)) * SCALE * 9)

    assert beside.taught_.tolist() == [False]
    np.testing.assert_array_equal(beside.coef_, alone.coef_)


def test_from_twenty_images_a_class_on_others_change_nothing():
    """What they could tell is known by then."""
    np.testing.assert_array_equal(
        LogisticHead(Cs=3).fit(X, KIND, unlabelled=NEAR).coef_, LogisticHead(Cs=3).fit(X, KIND).coef_
    )


def test_each_label_of_several_is_spread_by_itself():
    """One image of each kind, with two labels each; and one label that all have is no question."""
    Y = np.column_stack([KIND == 0, KIND > 0, np.ones(60)]).astype(int)
    head = LogisticHead(Cs=3, cv=2).fit(X[:6], Y[:6], unlabelled=NEAR)

    assert head.taught_.shape == (3,)
    assert (head.predict(X[6:]) == Y[6:]).mean() > 0.9


def test_of_many_others_a_thousand_are_learned_from():
    """At even distances, so a folder sorted by what it shows is seen from end to end."""
    many = np.repeat(NEAR, 50, axis=0)
    head = LogisticHead(Cs=3, cv=2).fit(X[:3], KIND[:3], unlabelled=many)

    np.testing.assert_array_equal(
        head.coef_, LogisticHead(Cs=3, cv=2).fit(X[:3], KIND[:3], unlabelled=many[::2]).coef_
    )


def test_neighbours_say_what_an_image_shows_and_how_surely():
    """Labels go along a chain of images, and trust falls on the way."""
    angles = np.linspace(0, np.pi / 2, 41)
    chain = np.column_stack([np.cos(angles), np.sin(angles)])
    labels, trust = spread(chain[[0, -1]], np.array([0, 1]), chain[1:-1])

    assert labels[:15].tolist() == [0] * 15
    assert labels[-15:].tolist() == [1] * 15
    assert trust[0] > trust[19] >= 0
    assert trust.max() <= 1


@pytest.mark.parametrize(("k", "gain"), [(1, 0.06), (2, 0.035), (5, 0.015)])
def test_few_images_a_class_gain_by_others(k, gain):
    """Accuracy on digits over standardised columns by 300 others, which are not judged; and as good probabilities."""
    digits, y = load_digits(return_X_y=True)
    plain, alone, beside = [], [], []
    for draw in range(3):
        rows = np.random.default_rng(draw).permutation(len(y))
        known = np.concatenate([rows[y[rows] == one][:k] for one in range(10)])
        others, new = np.split(np.setdiff1d(rows, known), [300])
        usual = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
        head = LogisticHead(Cs=[0.1, 1.0], cv=2, tol=1e-2)
        plain.append(usual.fit(digits[known], y[known]).score(digits[new], y[new]))
        for told, found in (({}, alone), ({"unlabelled": digits[others]}, beside)):
            chances = head.fit(digits[known], y[known], **told).predict_proba(digits[new])
            found.append((np.mean(chances.argmax(axis=1) == y[new]), log_loss(y[new], chances)))

    (right, loss), (_, alone_loss) = np.mean(beside, axis=0), np.mean(alone, axis=0)
    assert right >= np.mean(plain) + gain
    assert loss <= 1.02 * alone_loss


@pytest.mark.parametrize("name", ["svm", "knn", "ridge-classifier", "ridge"])
def test_every_head_with_a_scaler_takes_them(name):
    """Its scaler sees them, the estimator behind it does not."""
    head = make_head(name).fit(X, KIND, unlabelled=NEAR)

    np.testing.assert_allclose(head[0].mean_, BOTH.mean(axis=0))
    assert head[-1].n_features_in_ == 20
    assert len(head.predict(X)) == 60


@pytest.mark.parametrize("weights", [None, np.ones(6)], ids=["alone", "weighted"])
def test_a_pipeline_transforms_them_step_by_step(weights):
    """Each step is given what those before it made of them; the answers are those of steps fitted by hand."""
    steps = [
        ("roots", FunctionTransformer(roots)),
        ("off", "passthrough"),
        ("head", LogisticHead(Cs=3, cv=2)),
    ]
    known = {"X": X[:6], "y": KIND[:6], "sample_weight": weights}
    pipe = HeadPipeline(steps).fit(**known, unlabelled=NEAR)
    alone = LogisticHead(Cs=3, cv=2).fit(**known | {"X": roots(X[:6])}, unlabelled=roots(NEAR))

    np.testing.assert_array_equal(pipe.predict_proba(X), alone.predict_proba(roots(X)))
    assert np.abs(pipe.predict_proba(X) - HeadPipeline(steps).fit(**known).predict_proba(X)).max() > 1e-3


def test_scikit_learns_pipeline_transforms_them_too():
    """With metadata routing it knows what `transform_input` names, and the head requests it."""
    with config_context(enable_metadata_routing=True):
        pipe = make_pipeline(
            FunctionTransformer(roots), LogisticHead(Cs=3, cv=2), transform_input=["unlabelled"]
        ).fit(X[:6], KIND[:6], unlabelled=NEAR)
    alone = LogisticHead(Cs=3, cv=2).fit(roots(X[:6]), KIND[:6], unlabelled=roots(NEAR))

    np.testing.assert_array_equal(pipe.predict_proba(X), alone.predict_proba(roots(X)))


@pytest.mark.parametrize("others", [NEAR, NEAR[:6]], ids=["many", "as many as those with labels"])
def test_every_fold_learns_from_all_of_them(others):
    """The scores are those of heads that are fitted by hand, with and without a pipeline around them."""
    folds = [(np.arange(3), np.arange(3, 6)), (np.arange(3, 6), np.arange(3))]
    head = LogisticHead(Cs=3)
    by_hand = [
        head.fit(X[train], KIND[train], unlabelled=others).score(X[test], KIND[test]) for train, test in folds
    ]
    told = {"cv": folds, "unlabelled": others}

    assert list(evaluate(head, X[:6], KIND[:6], **told).scores) == by_hand
    assert list(evaluate(HeadPipeline([("head", head)]), X[:6], KIND[:6], **told).scores) == by_hand
    assert list(held_out(head, X[:6], KIND[:6], **told).scores.scores) == by_hand


def test_the_steady_scaler_keeps_its_floor():
    """A column that moves in neither is not blown up."""
    quiet = np.column_stack([BOTH, np.where(np.arange(100) == 99, 1e-9, 0)])
    scaler = SteadyScaler().fit(quiet[:60], unlabelled=quiet[60:])

    np.testing.assert_allclose(scaler.scale_, SteadyScaler().fit(quiet).scale_)

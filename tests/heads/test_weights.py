"""Sample weights and groups reach every head, however it is wrapped, and mean what they say."""

import numpy as np
import pytest
from sklearn import config_context
from sklearn.base import is_regressor
from sklearn.datasets import make_blobs
from sklearn.ensemble import BaggingClassifier
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import GridSearchCV, GroupKFold, LeaveOneGroupOut, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from featx import evaluate
from featx.heads import HeadPipeline, LogisticHead, RelevanceSelector, make_head
from featx.heads.inner_folds import deal
from featx.heads.routing import keeping_groups, routed

TREES = {
    "n_estimators": 20, "subsample": 1.0, "colsample_bytree": 1.0, "n_jobs": 1, "start": None,
    "early_stopping_rounds": None,
}  # fmt: skip
"""Nothing is drawn, nor dealt to folds."""
HEADS = {
    "logistic": {"Cs": [0.1], "tol": 1e-8},
    "xgboost": TREES,
    "svm": {"C": 0.1, "tol": 1e-8},
    "ridge-classifier": {"alphas": [1.0]},
    "ridge": {"alphas": [1.0]},
    "xgboost-regressor": TREES,
}
X, KIND = make_blobs(90, 6, centers=3, cluster_std=6, random_state=0)
NAMES = np.array(["ant", "bee", "cat"])[KIND]
WEIGHTS = np.random.default_rng(0).integers(0, 4, 90)


def targets(name):
    return KIND + X[:, 0] if is_regressor(make_head(name)) else NAMES


def answers(head, points=X):
    for method in ("decision_function", "predict_proba", "predict"):
        if hasattr(head, method):
            found = getattr(head, method)(points)
            return found if found.dtype.kind == "f" else np.unique(found, return_inverse=True)[1]
    raise AssertionError


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", HEADS)
def test_a_weight_is_a_number_of_times(name, dtype):
    """Weight 2 is the row twice, weight 0 is the row left out, whatever is written in it."""
    y = targets(name)
    points = X.astype(dtype)
    wild = np.where(WEIGHTS[:, None] == 0, 1e6 * points, points)
    weighted = make_head(name, **HEADS[name]).fit(wild, y, sample_weight=WEIGHTS)
    repeated = make_head(name, **HEADS[name]).fit(np.repeat(points, WEIGHTS, axis=0), np.repeat(y, WEIGHTS))

    np.testing.assert_allclose(answers(weighted, points), answers(repeated, points), rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("name", ["logistic", "xgboost", "ridge-classifier"])
def test_weights_count_for_each_of_several_labels(name):
    """A label that all images have, or none, too."""
    y = np.column_stack([KIND > 0, KIND > 1, np.ones(90)]).astype(int)
    weighted = make_head(name, **HEADS[name]).fit(X, y, sample_weight=WEIGHTS)
    repeated = make_head(name, **HEADS[name]).fit(
        np.repeat(X, WEIGHTS, axis=0), np.repeat(y, WEIGHTS, axis=0)
    )

    np.testing.assert_allclose(answers(weighted), answers(repeated), rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("name", ["logistic", "xgboost", "svm", "ridge-classifier"])
def test_a_class_without_weight_is_no_class(name):
    """Three classes, one of which has weight 0 throughout: two are left; with one left it is refused."""
    two = make_head(name, **HEADS[name]).fit(X, NAMES, sample_weight=NAMES != "cat")
    assert list(two.classes_) == ["ant", "bee"]
    with pytest.raises(ValueError, match="y holds one class only: 'ant'"):
        make_head(name).fit(X, NAMES, sample_weight=NAMES == "ant")


def test_logistic_chooses_by_weighted_folds():
    """With the rows of one image in one fold, the strength is chosen as if heavy images were there several times."""
    rows = np.arange(90)
    once = LogisticHead(cv=3).fit(X, NAMES, sample_weight=WEIGHTS, groups=rows)
    often = LogisticHead(cv=3).fit(
        np.repeat(X, WEIGHTS, axis=0), np.repeat(NAMES, WEIGHTS), groups=np.repeat(rows, WEIGHTS)
    )

    assert once.C_ == often.C_
    np.testing.assert_allclose(once.predict_proba(X), often.predict_proba(X), atol=1e-3)


@pytest.mark.parametrize("class_weight", ["balanced", {"ant": 3.0, "bee": 1.0, "cat": 1.0}])
def test_weights_of_images_and_of_classes_multiply(class_weight):
    """Balanced classes are balanced by weight, not by count."""
    choices = {"Cs": [0.1], "tol": 1e-8, "class_weight": class_weight}
    weighted = LogisticHead(**choices).fit(X, NAMES, sample_weight=WEIGHTS)
    repeated = LogisticHead(**choices).fit(np.repeat(X, WEIGHTS, axis=0), np.repeat(NAMES, WEIGHTS))

    np.testing.assert_allclose(weighted.predict_proba(X), repeated.predict_proba(X), atol=1e-4)


@pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel", "number"])
def test_the_selector_ranks_columns_by_weight(kind):
    """As if heavy images were there several times."""
    y = {"binary": KIND > 0, "multilabel": np.eye(3, dtype=int)[KIND], "number": X[:, 0] + KIND}.get(
        kind, KIND
    )
    selector = RelevanceSelector(0.5, regression=kind == "number")
    weighted = selector.fit(X, y, sample_weight=WEIGHTS).relevance_
    repeated = selector.fit(np.repeat(X, WEIGHTS, axis=0), np.repeat(y, WEIGHTS, axis=0)).relevance_

    np.testing.assert_allclose(weighted, repeated, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("routing", [False, True])
@pytest.mark.parametrize("name", HEADS)
def test_weights_reach_a_head_through_scikit_learn(name, routing):
    """In a pipeline, a search and a cross-validation, with metadata routing and without."""
    y, choices = targets(name), HEADS[name]
    alone = make_head(name, **choices).fit(X, y, sample_weight=WEIGHTS)
    with config_context(enable_metadata_routing=routing):
        head = make_head(name, **choices)
        if routing:
            head = head.set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        pipe = make_pipeline("passthrough", head)
        step = pipe.steps[-1][0]
        given = {"sample_weight" if routing else f"{step}__sample_weight": WEIGHTS}
        np.testing.assert_array_equal(answers(pipe.fit(X, y, **given)), answers(alone))
        search = GridSearchCV(pipe, {"passthrough": ["passthrough"]}, cv=2).fit(X, y, **given)
        np.testing.assert_array_equal(answers(search), answers(alone))
        found = cross_validate(
            pipe, X, y, cv=[(np.arange(90), np.arange(90))], params=given, return_estimator=True
        )
        np.testing.assert_array_equal(answers(found["estimator"][0]), answers(alone))
        assert routed(search, sample_weight=WEIGHTS).keys() == given.keys()


def test_a_head_scores_by_weight():
    """As scikit-learn's estimators do, with metadata routing and without."""
    head = make_head("svm").fit(X, NAMES)
    right = head.predict(X) == NAMES
    for routing in (False, True):
        with config_context(enable_metadata_routing=routing):
            assert head.score(X, NAMES, sample_weight=WEIGHTS) == pytest.approx(
                np.average(right, weights=WEIGHTS)
            )


def test_meta_estimators_that_ask_for_weights_get_none_of_a_head_without():
    """Bagging weighs its draws where the head takes weights, and repeats images where it does not."""
    assert BaggingClassifier(make_head("knn"), 3, random_state=0).fit(X, NAMES).score(X, NAMES) > 0.5
    assert BaggingClassifier(make_head("svm"), 3, random_state=0).fit(X, NAMES).score(X, NAMES) > 0.5


def failed(head):
    steps = "scikit-learn's Pipeline fits its own steps"
    failing = {"check_estimators_overwrite_params": steps, "check_dont_overwrite_parameters": steps}
    if "ridgeclassifiercv" in head.named_steps:
        left_out = "to leave one of two equal rows out is not to leave out one row of weight 2"
        failing["check_sample_weight_equivalence_on_dense_data"] = left_out
    return failing


@parametrize_with_checks(
    [make_head("svm", tol=1e-10), make_head("ridge-classifier"), make_head("knn")],
    expected_failed_checks=failed,
)
def test_scikit_learn_contract(estimator, check):
    """A head with its scaler passes scikit-learn's own checks as one estimator, those of weights among them."""
    check(estimator)


@pytest.mark.parametrize("regression", [False, True])
@pytest.mark.parametrize("count", [2, 3, 5])
def test_dealt_folds_keep_groups_apart(count, regression):
    """Each group is judged once, the classes are spread, and a fold is not much larger than another."""
    rng = np.random.default_rng(count)
    groups = rng.permutation(np.repeat(rng.permutation(30), 3))
    y = np.asarray(groups % 3, float if regression else int)
    folds = list(deal(y, count, groups, regression=regression))

    assert len(folds) == count
    assert sorted(np.concatenate([test for _, test in folds])) == list(range(90))
    for train, test in folds:
        assert not set(groups[train]) & set(groups[test])
        assert set(y[train]) == set(y) == set(y[test])


def test_numbers_that_only_some_images_share_are_all_judged():
    """A class of one image is never judged, but a number may well be there once."""
    y = np.array([1.0, 1.0, 2.0, 3.5, 3.5, 7.0])

    assert sorted(np.concatenate([test for _, test in deal(y, 2, regression=True)])) == list(range(6))


@pytest.mark.parametrize("make", [LogisticHead, RelevanceSelector])
def test_the_choice_within_keeps_groups_apart(make):
    """It is that of folds by groups, and another than that of images dealt one by one."""
    rng = np.random.default_rng(1)
    groups = np.repeat(np.arange(24), 5)
    y = (np.arange(24) % 2)[groups]
    points = 0.2 * rng.normal(size=(120, 200)) + rng.normal(size=(24, 200))[groups]
    points[:, :3] += y[:, None]
    chosen = "C_" if make is LogisticHead else "errors_"
    folds = [(train, test) for train, test in deal(y, 3, groups)]

    assert getattr(make(cv=3).fit(points, y, groups=groups), chosen) == getattr(
        make(cv=folds).fit(points, y), chosen
    )
    assert getattr(make(cv=3).fit(points, y), chosen) != getattr(make(cv=folds).fit(points, y), chosen)


def test_the_selector_spreads_classes_over_its_folds():
    """A rare class is learned from in each fold."""
    y = np.array(["rare"] * 3 + ["often"] * 27)
    for train, _ in deal(y, 3):
        assert set(y[train]) == {"rare", "often"}
    points = np.random.default_rng(0).normal(size=(30, 20))
    own = RelevanceSelector(cv=3).fit(points, y)
    assert own.errors_ == RelevanceSelector(cv=list(deal(y, 3))).fit(points, y).errors_


def test_a_search_within_keeps_groups_apart():
    """`GridSearchCV(cv=3)` takes groups and ignores them; a splitter of one's own stays."""
    inner = GridSearchCV(make_head("svm"), {"svc__C": [0.1]}, cv=2)
    pipe = keeping_groups(make_pipeline(StandardScaler(), inner))
    own = GridSearchCV(make_head("svm"), {"svc__C": [0.1]}, cv=GroupKFold(2))

    assert pipe[-1].cv.get_n_splits() == 2
    assert inner.cv == 2
    assert keeping_groups(own) is own
    groups = np.arange(90) // 3
    assert list(routed(pipe, groups=groups)) == ["gridsearchcv__groups"]
    pipe.fit(X, NAMES, **routed(pipe, groups=groups))


def test_groups_are_requested_by_default():
    """With metadata routing enabled a splitter and the heads get the same groups, as scikit-learn's splitters do."""
    groups = np.arange(90) // 3
    with config_context(enable_metadata_routing=True):
        pipe = make_pipeline(StandardScaler(), LogisticHead(cv=GroupKFold(2), Cs=2))
        found = cross_validate(pipe, X, NAMES, cv=LeaveOneGroupOut(), params={"groups": groups})
    assert len(found["test_score"]) == 30


@pytest.mark.parametrize("routing", [False, True])
def test_groups_reach_what_stands_in_a_head(routing):
    """A `HeadPipeline` requests them as the steps within do, and a search asks once its folds keep groups apart."""
    groups, own = np.arange(90) // 3, LogisticHead(cv=GroupKFold(2), Cs=2)
    with config_context(enable_metadata_routing=routing):
        inside = HeadPipeline([("scaler", StandardScaler()), ("head", own)])
        assert list(routed(inside, groups=groups)) == ["groups"]
        for estimator in (inside, GridSearchCV(RidgeClassifier(), {"alpha": [1.0]}, cv=3)):
            assert len(evaluate(estimator, X, NAMES, cv=2, groups=groups).scores) == 2

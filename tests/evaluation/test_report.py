"""Scores with their uncertainty, on folds that every class is in."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import config_context
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.metrics import accuracy_score, make_scorer
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    LeaveOneGroupOut,
    PredefinedSplit,
    RepeatedStratifiedKFold,
    ShuffleSplit,
    StratifiedGroupKFold,
    StratifiedKFold,
    TimeSeriesSplit,
    cross_val_score,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neighbors import KNeighborsClassifier

from featx import evaluate
from featx.errors import InputError
from featx.evaluation.scoring import guesses
from featx.heads import make_head

X = np.random.default_rng(0).normal(size=(60, 4))
Y = np.where(X[:, 0] + 0.3 * X[:, 1] > 0, "up", "down")


def test_scores_are_those_of_scikit_learn():
    """The same folds through cross_val_score give the same numbers; mean and standard error are theirs."""
    report = evaluate(LogisticRegression(), X, Y, cv=4, random_state=3)
    expected = cross_val_score(
        LogisticRegression(), X, Y, cv=StratifiedKFold(4, shuffle=True, random_state=3)
    )

    assert report.scores == tuple(expected)
    assert report.mean == pytest.approx(expected.mean())
    assert report.error == pytest.approx(expected.std(ddof=1) / 2)
    assert report.to_dict()["mean"] == report.mean


@pytest.mark.parametrize(
    "scoring",
    [
        None,
        ["accuracy", "f1_macro"],
        make_scorer(accuracy_score),
        {"own": make_scorer(accuracy_score)},
        lambda estimator, X, y: estimator.score(X, y),
    ],
    ids=["default", "several", "scorer", "dict", "callable"],
)
def test_weights_and_groups_count_alike_with_metadata_routing(scoring):
    """In learning they do, and in the scores each image counts once; a scorer of one's own is left as it was."""
    told = {
        "scoring": scoring,
        "cv": 3,
        "groups": np.arange(60) // 2,
        "sample_weight": np.arange(60) % 3 + 0.5,
    }
    expected = evaluate(LogisticRegression(), X, Y, **told)
    with config_context(enable_metadata_routing=True):
        found = evaluate(LogisticRegression().set_fit_request(sample_weight=True), X, Y, **told)
        head = evaluate(make_head("svm").set_fit_request(sample_weight=True), X, Y, **told)
        if callable(scoring) and hasattr(scoring, "get_metadata_routing"):
            assert scoring.get_metadata_routing().score.requests["sample_weight"] is None

    assert found.scores == expected.scores
    assert {name: one.scores for name, one in found.others.items()} == {
        name: one.scores for name, one in expected.others.items()
    }
    assert head.scores == evaluate(make_head("svm"), X, Y, **told).scores


def test_a_scorer_that_requests_weights_gets_them():
    """As it does of `cross_validate`; images of weight 0 are then not judged."""
    weights = np.where(np.arange(60) % 2, 1.0, 0.0)
    with config_context(enable_metadata_routing=True):
        model = LogisticRegression().set_fit_request(sample_weight=True)
        scorer = make_scorer(accuracy_score).set_score_request(sample_weight=True)
        found = evaluate(
            model, X, Y, cv=[(np.arange(40), np.arange(40, 60))], scoring=scorer, sample_weight=weights
        )
    right = model.fit(X[:40], Y[:40], weights[:40]).predict(X[41::2]) == Y[41::2]

    assert found.scores == (right.mean(),)


def test_guessing_is_shown_beside_the_score():
    """The most frequent label's share, and for numbers 0."""
    labels = np.array(["a"] * 45 + ["b"] * 15)

    assert evaluate(LogisticRegression(), X, labels, cv=5).guess == pytest.approx(0.75)
    report = evaluate(LinearRegression(), X, X[:, 0] * 2)
    assert report.metric == "R²"
    assert report.mean == pytest.approx(1)
    assert report.guess == pytest.approx(0)


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
        (LinearRegression(), Y, "y holds '(up|down)', but numbers are needed"),
    ],
)
def test_wrong_targets_are_refused_before_anything_is_fitted(head, y, message):
    """A NaN among words is no class of its own."""
    with pytest.raises(ValueError, match=message):
        evaluate(head, X, y)


GROUPS = np.repeat([f"patient {number}" for number in range(20)], 3)


@pytest.mark.parametrize(
    "cv",
    [
        GroupKFold(4),
        StratifiedGroupKFold(4),
        LeaveOneGroupOut(),
        RepeatedStratifiedKFold(n_splits=3, n_repeats=2, random_state=0),
        TimeSeriesSplit(3),
        PredefinedSplit(np.arange(60) % 4 - 1),
        ShuffleSplit(7, random_state=0),
        [(np.arange(40), np.arange(40, 60))],
        [(np.arange(60) < 40, np.arange(60) >= 40)],
        KFold(3).split(X),
    ],
    ids=lambda cv: type(cv).__name__,
)
def test_any_splitter_gives_the_scores_of_scikit_learn(cv):
    """By groups, repeated, in the order of time, given row by row or as masks."""
    groups = GROUPS if "Group" in type(cv).__name__ else None
    report = evaluate(LogisticRegression(), X, Y, cv=cv, groups=groups)
    again = KFold(3).split(X) if not hasattr(cv, "split") and not isinstance(cv, list) else cv

    assert report.scores == tuple(cross_val_score(LogisticRegression(), X, Y, cv=again, groups=groups))


def test_groups_make_a_number_of_folds_keep_them_apart():
    """A model that only knows patients again is as good as guessing, where without groups it seems to be perfect."""
    patients = np.repeat(np.arange(20), 6)
    seen = np.random.default_rng(0).normal(size=(20, 8))[patients]
    labels = np.random.default_rng(1).permutation(np.arange(20) % 2)[patients]
    head = KNeighborsClassifier(1)

    assert evaluate(head, seen, labels).mean == 1
    apart = evaluate(head, seen, labels, groups=patients)
    assert apart.mean < 0.8
    assert (apart.images, apart.units) == (120, 20)


def test_several_metrics_come_from_one_fit():
    """The first is the report's own; the others can be asked for by name, and stand in print and JSON."""
    fits = []

    class Counting(LogisticRegression):
        def fit(self, X, y):
            fits.append(len(X))
            return super().fit(X, y)

    scoring = {"f1": "f1_macro", "AUC": "roc_auc", "mine": make_scorer(lambda y, p: (y == p).mean())}
    report = evaluate(Counting(), X, Y, cv=3, scoring=scoring)
    folds = StratifiedKFold(3, shuffle=True, random_state=0)

    assert len(fits) == 3
    assert (report.metric, list(report.others)) == ("f1", ["AUC", "mine"])
    for name, metric in {"f1": "f1_macro", "AUC": "roc_auc", "mine": "accuracy"}.items():
        expected = cross_val_score(LogisticRegression(), X, Y, cv=folds, scoring=metric)
        assert report[name].scores == pytest.approx(tuple(expected))
    assert report["AUC"].guess == 0.5
    assert len(str(report).splitlines()) == 3
    assert [one["metric"] for one in report.to_dict()["others"]] == ["AUC", "mine"]


@pytest.mark.parametrize(
    ("scoring", "metric"),
    [
        ("balanced_accuracy", "balanced_accuracy"),
        (["balanced_accuracy", "accuracy"], "balanced_accuracy"),
        ({"b": "balanced_accuracy"}, "b"),
        (lambda model, X, y: model.score(X, y), "<lambda>"),
        (lambda model, X, y: {"one": model.score(X, y), "two": 0.0}, "one"),
    ],
)
def test_scoring_is_what_cross_validate_takes(scoring, metric):
    """A name, names, a dict, a callable, a callable that gives several."""
    report = evaluate(LogisticRegression(), X, Y, scoring=scoring)

    assert report.metric == metric
    assert report.mean > 0.8


@given(st.lists(st.integers(1, 30), min_size=2, max_size=5), st.integers(0, 1000), st.integers(2, 5))
@settings(max_examples=40, deadline=None)
def test_guessing_is_never_below_chance(sizes, seed, folds):
    """Not even where each fold lacks what it learned most of, as it must with classes of equal size."""
    y = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(sizes)), sizes))
    splits = list(KFold(folds, shuffle=True, random_state=seed).split(y)) if len(y) >= folds else []
    names = ["accuracy", "balanced_accuracy"]
    guess = guesses({name: name for name in names}, y, splits or [([0], np.arange(len(y)))], regression=False)

    assert guess["accuracy"] == max(sizes) / sum(sizes) >= 1 / len(sizes)
    assert guess["balanced_accuracy"] == pytest.approx(1 / len(sizes))


def test_guessing_sets_of_labels_is_the_most_frequent_set():
    """The most frequent value of each column may be a set that no image has."""
    sets = np.eye(3, dtype=int)[np.arange(60) % 3]

    assert evaluate(OneVsRestClassifier(RidgeClassifier()), X, sets).guess == pytest.approx(1 / 3)


@pytest.mark.parametrize("cv", [2, 3, 5, [(np.arange(40), np.arange(40, 60))]])
@pytest.mark.parametrize("scoring", ["accuracy", "f1_macro", "matthews_corrcoef", "r2", "neg_log_loss"])
def test_no_interval_leaves_the_scores_there_can_be(cv, scoring):
    """However few the folds; and in JSON nothing is infinite."""
    rng = np.random.default_rng(3)
    head, y = (
        (LinearRegression(), rng.normal(size=24))
        if scoring == "r2"
        else (LogisticRegression(), np.arange(24) % 2)
    )
    rows = cv if isinstance(cv, int) else [(np.arange(16), np.arange(16, 24))]
    report = evaluate(head, rng.normal(size=(24, 3)), y, cv=rows, scoring=scoring)
    low, high = report.interval
    least, most = {
        "accuracy": (0, 1),
        "f1_macro": (0, 1),
        "matthews_corrcoef": (-1, 1),
        "r2": (-np.inf, 1),
    }.get(scoring, (-np.inf, 0))

    assert least <= low <= report.mean <= high <= most
    assert "inf" not in str(report)
    json.dumps(report.to_dict(), allow_nan=False)


def test_repeating_folds_makes_nothing_surer():
    """Ten times the same images are tested, so the standard error is that of once, and so is the interval's width."""
    once = evaluate(LogisticRegression(), X, Y, cv=5)
    often = evaluate(
        LogisticRegression(), X, Y, cv=RepeatedStratifiedKFold(n_splits=5, n_repeats=10, random_state=0)
    )

    assert often.rounds == 10
    assert once.error / 2 < often.error < once.error * 2
    assert np.diff(often.interval) == pytest.approx(np.diff(once.interval), rel=0.3)

"""XGBoost with scikit-learn's habits, on a GPU where there is one."""

import json
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks
from xgboost import XGBClassifier

from featx.errors import InputError
from featx.heads import XGBoostHead, XGBoostRegressorHead, boosting, make_head


def wide(n=60, d=300, classes=3, seed=0):
    """Rows of three classes, fewer than columns, as embeddings of few images are."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % classes
    return rng.normal(size=(n, d)) + rng.normal(size=(classes, d))[y] * 0.4, y


@parametrize_with_checks(
    [kind(n_estimators=5, n_jobs=1, start="linear") for kind in (XGBoostHead, XGBoostRegressorHead)],
    expected_failed_checks=lambda head: {
        "check_sample_weight_equivalence_on_dense_data": "copies of a row are dealt to folds one by one",
        **(
            {"check_regressor_multioutput": "XGBoost answers in float32"}
            if isinstance(head, XGBoostRegressorHead)
            else {}
        ),
    },
)
def test_they_keep_scikit_learns_contract(estimator, check):
    """Both heads pass scikit-learn's own checks."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the checks feed data that rightly warn
        check(estimator)


def test_xgboost_keeps_its_parameters_and_refits():
    """Fitting changes no parameter, and the same object may be fitted to other labels."""
    X, y = wide()
    head = XGBoostHead(n_estimators=5, n_jobs=1)
    before = head.get_params()
    for labels in (["ant", "bee", "cat"], ["x", "y", "y"]):
        head.fit(X, np.array(labels)[y])
        assert set(head.predict(X)) <= set(labels)
        assert list(head.classes_) == sorted(set(labels))
        np.testing.assert_equal(head.get_params(), before)  # == would call NaN, the missing value, changed


def test_xgboost_stops_early_on_labels_as_they_are():
    """eval_set takes the labels that fit takes."""
    X, y = wide()
    names = np.array(["ant", "bee", "cat"])[y]
    head = XGBoostHead(n_estimators=200, early_stopping_rounds=3, n_jobs=1)
    head.fit(X[:40], names[:40], eval_set=[(X[40:], names[40:])], verbose=False)
    assert head.best_iteration < 199
    with pytest.raises(InputError, match="eval_set has labels that are not in y: 'dog'"):
        head.fit(X[:40], names[:40], eval_set=[(X[:1], ["dog"])])


def test_xgboost_stays_xgboost():
    """Importances, the booster and margins are within reach; predictions are XGBClassifier's."""
    X, y = wide()
    head = XGBoostHead(n_estimators=5, n_jobs=1, random_state=0).fit(X, np.array(["a", "b", "c"])[y])
    plain = XGBClassifier(n_estimators=5, n_jobs=1, random_state=0).fit(X, y)
    assert head.feature_importances_.shape == (300,)
    assert head.get_booster().num_boosted_rounds() == 5
    np.testing.assert_array_equal(head.predict_proba(X), plain.predict_proba(X))
    np.testing.assert_array_equal(head.predict(X, output_margin=True), plain.predict(X, output_margin=True))


HEADS = [XGBoostHead(n_estimators=3, n_jobs=1), XGBoostRegressorHead(n_estimators=3, n_jobs=1)]


def told(head, *where):
    """Read from XGBoost's own record what it was told."""
    found = json.loads(head.get_booster().save_config())["learner"]
    for part in where:
        found = found[part]
    return found


def device_of(head):
    return told(head, "generic_param", "device")


@pytest.mark.parametrize("head", HEADS, ids=lambda head: type(head).__name__)
@pytest.mark.filterwarnings("error")
def test_where_there_is_no_gpu_nothing_is_said(head, monkeypatch):
    """XGBoost is asked once, in silence; its parameter stays as it was given."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    boosting._fastest.cache_clear()
    X, y = wide()
    head = clone(head).fit(X, y)
    head.predict(X)
    assert head.device is None
    assert device_of(head) == "cpu"


@pytest.mark.skipif(boosting._fastest() != "cpu", reason="XGBoost sees a GPU, and does not refuse it")
@pytest.mark.parametrize("head", HEADS, ids=lambda head: type(head).__name__)
def test_a_gpu_that_was_seen_is_used(head, monkeypatch):
    """Shown by XGBoost's own refusal on a machine that has none; a device that the user names stays theirs."""
    X, y = wide()
    monkeypatch.setattr(boosting, "_fastest", lambda: "cuda")
    with pytest.warns(UserWarning, match="GPU"):
        fitted = clone(head).fit(X, y)
    assert fitted.device is None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted.predict(X)
        named = clone(head).set_params(device="cpu").fit(X, y)
    assert named.device == "cpu"
    np.testing.assert_array_equal(named.predict(X), fitted.predict(X))


BINS = {
    "asked for": {"tree_method": "hist"},
    "leaves": {"grow_policy": "lossguide"},
    "vectors": {"multi_strategy": "multi_output_tree"},
    "large": {},
}


@pytest.mark.parametrize("choices", BINS.values(), ids=BINS.keys())
def test_columns_are_sorted_unless_bins_are_needed(choices, monkeypatch):
    """Sorting a few columns of few rows is quicker than bins for all; what only bins can do is done with them."""
    X, y = wide(d=1200)
    small = XGBoostHead(n_estimators=2, max_bin=8, n_jobs=1).fit(X, y)
    monkeypatch.setattr(boosting, "_SORTED", 0 if not choices else boosting._SORTED)
    binned = XGBoostHead(n_estimators=2, max_bin=8, n_jobs=1, **choices).fit(X, y)

    assert told(small, "gradient_booster", "gbtree_train_param", "tree_method") == "exact"
    assert told(binned, "gradient_booster", "gbtree_train_param", "tree_method") in {"hist", "auto"}
    assert (small.tree_method, small.max_bin, binned.max_bin) == (None, 8, 8)


@pytest.mark.parametrize(
    ("columns", "method", "share"),
    [(10, None, 1.0), (400, None, 0.5), (1000, None, 0.2), (4000, None, 0.05), (4000, "hist", 0.2)],
)
def test_a_tree_is_given_a_fifth_of_the_columns_or_200(columns, method, share):
    """Of few columns none can be spared, such as the one of a table; bins are made for all columns anyway."""
    X, y = wide(d=columns)
    head = XGBoostHead(n_estimators=1, tree_method=method, colsample_bytree="auto", n_jobs=1).fit(X, y)
    assert float(told(head, "gradient_booster", "tree_train_param", "colsample_bytree")) == pytest.approx(
        share
    )
    assert head.colsample_bytree == "auto"


def test_frames_with_categories_are_binned():
    """XGBoost sorts no categories."""
    X, y = wide(d=3)
    frame = pd.DataFrame(X).assign(kind=pd.Categorical(np.array(["a", "b"])[y % 2]))
    head = XGBoostHead(n_estimators=2, n_jobs=1, enable_categorical=True).fit(frame, y)
    assert head.predict(frame).shape == (60,)


@pytest.mark.parametrize(("busy", "expected"), [(0.0, 4), (60.0, 2), (100.0, 1)])
def test_threads_go_by_the_table_and_by_what_else_runs(monkeypatch, busy, expected):
    """One for a small table; for a large one as many as there are idle cores. No machine is idle or busy on demand."""
    monkeypatch.setattr(boosting, "threads_allowed", lambda _: 4)
    monkeypatch.setattr(boosting.psutil, "cpu_count", lambda: 4)
    monkeypatch.setattr(boosting.psutil, "cpu_percent", lambda **_: busy)
    X, y = wide()
    small = XGBoostHead(n_estimators=1).fit(X, y)
    monkeypatch.setattr(boosting, "_ALONE", 0)
    large = XGBoostHead(n_estimators=1).fit(X, y)
    own = XGBoostHead(n_estimators=1, n_jobs=3).fit(X, y)

    assert [int(told(head, "generic_param", "nthread")) for head in (small, large, own)] == [1, expected, 3]
    assert large.n_jobs is None


@pytest.mark.parametrize("tree_method", [None, "hist"])
def test_threads_change_no_tree(tree_method):
    """What a model answers does not depend on how busy the machine was."""
    X, y = wide(d=1200)
    answers = [
        make_head("xgboost", n_estimators=5, n_jobs=threads, tree_method=tree_method)
        .fit(X, y)
        .predict_proba(X)
        for threads in (1, 2, 3)
    ]
    np.testing.assert_array_equal(answers[0], answers[1])
    np.testing.assert_array_equal(answers[0], answers[2])


def trees(head, X, y, **fitted):
    """Fit, and count the rounds of trees."""
    before = head.get_params()
    head.fit(X, y, **fitted)
    np.testing.assert_equal(head.get_params(), before)
    return head.get_booster().num_boosted_rounds()


STOPPING = {"n_estimators": 100, "early_stopping_rounds": 3, "n_jobs": 1}


@pytest.mark.parametrize("kind", ["labels", "labels of two", "several labels", "numbers"])
def test_trees_are_counted_on_images_held_out_and_grown_on_all(kind):
    """Without an eval_set: the same number each time, fewer than allowed, and the head is that of so many trees."""
    X, y = wide()
    y = {
        "labels": np.array(["ant", "bee", "cat"])[y],
        "labels of two": y > 0,
        "several labels": np.eye(3, dtype=int)[y],
        "numbers": X[:, 0] + y,
    }[kind]
    make = XGBoostRegressorHead if kind == "numbers" else XGBoostHead
    head = make(**STOPPING)
    found = trees(head, X, y)

    assert found == trees(make(**STOPPING), X, y)
    assert found < 100
    plain = make(n_estimators=found, n_jobs=1).fit(X, y)
    np.testing.assert_array_equal(head.predict(X), plain.predict(X))


@pytest.mark.parametrize("make", [XGBoostHead, XGBoostRegressorHead])
def test_groups_are_held_out_together(make):
    """Twins with labels that mean nothing: whoever learns from one knows the other, unless both are held out."""
    rng = np.random.default_rng(0)
    X, y = np.repeat(rng.normal(size=(40, 20)), 2, axis=0), np.repeat(rng.permutation(40) % 2, 2)
    pairs = np.repeat(np.arange(40), 2)
    order = rng.permutation(80)
    X, y, pairs = X[order], y[order], pairs[order]

    leaking, kept = trees(make(**STOPPING), X, y), trees(make(**STOPPING), X, y, groups=pairs)
    assert kept < 10 < leaking


def test_a_class_in_one_group_stays_to_be_learned():
    """Where each class is one group, none can be held out, and all trees are grown."""
    X, y = wide(d=20)
    assert trees(XGBoostHead(**STOPPING), X, y, groups=y) == 100


@pytest.mark.parametrize("make", [XGBoostHead, XGBoostRegressorHead])
def test_weights_count_where_trees_are_counted(make):
    """Weight 2 is the row twice, weight 0 the row left out, whatever it holds."""
    X, y = wide(d=20)
    weights, rows = np.random.default_rng(0).integers(0, 3, 60), np.arange(60)
    wild = np.where(weights[:, None] == 0, 1e6 * X, X)
    once = trees(make(**STOPPING), wild, y, sample_weight=weights, groups=rows)
    often = trees(
        make(**STOPPING),
        np.repeat(X, weights, axis=0),
        np.repeat(y, weights),
        groups=np.repeat(rows, weights),
    )
    assert once == often

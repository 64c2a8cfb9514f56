"""XGBoost with scikit-learn's habits, on a GPU where there is one."""

import json
import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks
from xgboost import XGBClassifier

from featx.errors import InputError
from featx.heads import XGBoostHead, XGBoostRegressorHead, boosting


def wide(n=60, d=300, classes=3, seed=0):
    """Rows of three classes, fewer than columns, as embeddings of few images are."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % classes
    return rng.normal(size=(n, d)) + rng.normal(size=(classes, d))[y] * 0.4, y


@parametrize_with_checks(
    [XGBoostHead(n_estimators=5, n_jobs=1), XGBoostRegressorHead(n_estimators=5, n_jobs=1)],
    expected_failed_checks=lambda head: (
        {"check_regressor_multioutput": "XGBoost answers in float32"}
        if isinstance(head, XGBoostRegressorHead)
        else {}
    ),
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


def device_of(head):
    return json.loads(head.get_booster().save_config())["learner"]["generic_param"]["device"]


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

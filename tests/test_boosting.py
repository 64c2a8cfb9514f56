"""XGBoost's classifier with scikit-learn's habits."""

import warnings

import numpy as np
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks
from xgboost import XGBClassifier

from featx.boosting import XGBoostHead
from featx.errors import InputError


def wide(n=60, d=300, classes=3, seed=0):
    """Rows of three classes, fewer than columns, as embeddings of few images are."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % classes
    return rng.normal(size=(n, d)) + rng.normal(size=(classes, d))[y] * 0.4, y


@parametrize_with_checks([XGBoostHead(n_estimators=5, n_jobs=1)])
def test_it_keeps_scikit_learns_contract(estimator, check):
    """XGBoostHead passes scikit-learn's own checks."""
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
    with pytest.raises(InputError, match="eval_set holds labels that y does not: 'dog'"):
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

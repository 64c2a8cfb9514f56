"""Scaling columns that hardly move."""

import numpy as np
from scipy.sparse import csr_array
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from featx.heads import SteadyScaler, make_head


@parametrize_with_checks([SteadyScaler()])
def test_scikit_learn_contract(estimator, check):
    """Every check of scikit-learn's own battery passes."""
    check(estimator)


def test_columns_that_move_are_standardised():
    """Where no column is much quieter than the others it is scikit-learn's scaler."""
    X = np.random.default_rng(0).normal(size=(50, 8)) * np.linspace(0.3, 3, 8) + 5

    np.testing.assert_allclose(SteadyScaler().fit_transform(X), StandardScaler().fit_transform(X))
    np.testing.assert_allclose(SteadyScaler().fit(X).inverse_transform(SteadyScaler().fit_transform(X)), X)


def test_a_constant_column_becomes_zero():
    """As ever; all of them, too."""
    X = np.column_stack([np.full(20, 7.0), np.arange(20.0)])

    assert (SteadyScaler().fit_transform(X)[:, 0] == 0).all()
    assert (SteadyScaler().fit_transform(np.ones((5, 3))) == 0).all()


def test_without_deviation_there_is_nothing_to_floor():
    """The parameters of StandardScaler keep their meaning, and sparse tables are taken."""
    X = np.arange(12.0).reshape(6, 2)

    np.testing.assert_allclose(SteadyScaler(with_std=False).fit_transform(X), X - X.mean(axis=0))
    assert SteadyScaler(with_mean=False).fit_transform(csr_array(X)).shape == (6, 2)


def test_one_image_where_a_quiet_column_moves_does_not_throw_ridge_off():
    """With scikit-learn's scaler its prediction is hundreds of deviations away; here it is an ordinary one."""
    rng = np.random.default_rng(0)
    X, weights = rng.normal(size=(60, 20)), rng.normal(size=20)
    quiet = np.zeros((60, 40))
    quiet[np.arange(40), np.arange(40)] = 1e-4
    X, y = np.hstack([X, quiet]), X @ weights
    new = X[:1].copy()
    new[0, 20:] = 1
    steady = make_head("ridge", alphas=[1.0])
    plain = make_pipeline(StandardScaler(), steady[-1])
    usual = y.std()

    assert abs(plain.fit(X, y).predict(new)[0] - y[0]) > 20 * usual
    assert abs(steady.fit(X, y).predict(new)[0] - y[0]) < 3 * usual

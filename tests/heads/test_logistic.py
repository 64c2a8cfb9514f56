"""The logistic head."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax
from sklearn.calibration import calibration_curve
from sklearn.datasets import load_digits, make_classification, make_multilabel_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GroupKFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks
from threadpoolctl import threadpool_info, threadpool_limits

from featx.errors import InputError
from featx.heads import LogisticHead


def wide(n=60, d=300, classes=3, seed=0):
    """Rows of an uneven scale, fewer than columns, as embeddings of few images are."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % classes
    X = rng.normal(size=(n, d)) + rng.normal(size=(classes, d))[y] * 0.4
    return X * rng.uniform(0.01, 100, size=d) + rng.uniform(-50, 50, size=d), y


@parametrize_with_checks([LogisticHead(Cs=3, cv=2)])
def test_estimators_keep_scikit_learns_contract(estimator, check):
    """Every estimator class of featx passes scikit-learn's own checks."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the checks feed data that rightly warn
        check(estimator)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("shape", [(60, 300), (300, 60)])
def test_logistic_is_plain_logistic_regression(classes, shape):
    """Rotating and scaling back change nothing: scikit-learn's own solution at the chosen C comes out."""
    X, y = wide(*shape, classes=classes)
    head = LogisticHead(tol=1e-8).fit(X, y)
    plain = make_pipeline(StandardScaler(), LogisticRegression(C=head.C_[0], tol=1e-8, max_iter=5000)).fit(
        X, y
    )
    np.testing.assert_allclose(head.predict_proba(X), plain.predict_proba(X), atol=1e-5)
    np.testing.assert_allclose(head.coef_ * plain[0].scale_, plain[-1].coef_, atol=1e-4)


def test_few_images_are_scaled_by_shrunk_deviations():
    """Below twenty a class, scikit-learn's solution comes out at variances to which ten more images were added."""
    rng = np.random.default_rng(0)
    y = np.arange(12) % 3
    X = rng.normal(size=(12, 300)) + 0.7 * rng.normal(size=(3, 300))[y]
    head = LogisticHead(tol=1e-8).fit(X, y)
    scale = np.sqrt((12 * X.var(axis=0) + 10 * np.median(X.var(axis=0))) / 22)
    plain = LogisticRegression(C=head.C_[0], tol=1e-8, max_iter=5000).fit((X - X.mean(axis=0)) / scale, y)

    assert head.shrunk_.tolist() == [True]
    np.testing.assert_allclose(head.coef_ * scale, plain.coef_, atol=1e-4)
    assert LogisticHead().fit(*wide(60, 300)).shrunk_.tolist() == [False]  # twenty a class


def few(k, draw, X, y):
    """Draw k images of each class; give rows to learn from, and rows to judge by."""
    rng = np.random.default_rng(draw)
    known = np.concatenate([rng.permutation(np.flatnonzero(y == one))[:k] for one in np.unique(y)])
    return known, np.setdiff1d(np.arange(len(y)), known)


@pytest.mark.parametrize(("k", "gain"), [(1, 0.05), (2, 0.02), (5, 0.0), (10, -0.005)])
def test_few_images_a_class_are_learned_from_better_than_standardised(k, gain):
    """Mean accuracy on scikit-learn's digits: pixels near the edge move in few images, and a new one is thrown off."""
    X, y = load_digits(return_X_y=True)
    mine, plain = [], []
    for draw in range(5):
        known, new = few(k, draw, X, y)
        head = LogisticHead(Cs=5).fit(X[known], y[known])
        usual = make_pipeline(StandardScaler(), LogisticRegression(C=head.C_[0], max_iter=1000))
        mine.append(head.score(X[new], y[new]))
        plain.append(usual.fit(X[known], y[known]).score(X[new], y[new]))

    assert np.mean(mine) >= np.mean(plain) + gain


def test_a_column_of_a_small_unit_is_heard():
    """Kilometres beside grams: of few rows too the one column that decides does so, whatever its unit."""
    rng = np.random.default_rng(0)
    y = np.arange(30) % 2
    X = np.column_stack([1e-6 * (2 * y - 1 + 0.1 * rng.normal(size=30)), 50 * rng.normal(size=(30, 4))])
    head = LogisticHead().fit(X[:20], y[:20])

    assert head.shrunk_.tolist() == [False]
    assert head.score(X[20:], y[20:]) == 1


def test_a_column_of_a_large_unit_drowns_nothing():
    """Prices beside embeddings: the middle deviation is not the mean, which one column may own."""
    rng = np.random.default_rng(0)
    y = np.arange(24) % 3
    X = rng.normal(size=(24, 100)) + rng.normal(size=(3, 100))[y]
    beside = np.column_stack([X, 1e9 * rng.normal(size=24)])
    few, more = LogisticHead().fit(X[:12], y[:12]), LogisticHead().fit(beside[:12], y[:12])

    assert few.score(X[12:], y[12:]) == more.score(beside[12:], y[12:]) == 1


@pytest.fixture
def precisions(monkeypatch):
    """Note in which precision each model of a path is fitted."""
    fit, used = LogisticRegression.fit, []
    monkeypatch.setattr(
        LogisticRegression, "fit", lambda m, X, y, w: used.append(X.dtype.name) or fit(m, X, y, w)
    )
    return used


def test_logistic_in_float32_agrees_with_float64(precisions):
    """Half the precision, the same probabilities to three digits, the same C, and float32 coefficients."""
    X, y = wide()
    single = LogisticHead().fit(X.astype("float32"), y)
    assert precisions.count("float32") > 0.9 * len(precisions)
    double = LogisticHead().fit(X, y)
    assert single.coef_.dtype == np.float32
    assert single.C_ == double.C_
    np.testing.assert_allclose(single.predict_proba(X), double.predict_proba(X), atol=2e-3)


@pytest.mark.parametrize("works_to", [0, 1e-2])
def test_where_float32_does_not_converge_float64_does(monkeypatch, works_to):
    """Nothing is said of it, and the answer is that of float64, from the strength on at which float32 gave up."""
    X, y = wide()
    fit, used = LogisticRegression.fit, []

    def breaking(model, X, y, weights):
        used.append((model.C, X.dtype.name))
        if X.dtype == np.float32 and works_to < model.C:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                max_iter = model.max_iter
                fit(model.set_params(max_iter=1), X, y).set_params(max_iter=max_iter)
            warnings.warn("lbfgs failed to converge: ABNORMAL", ConvergenceWarning, stacklevel=2)
            return model
        return fit(model, X, y, weights)

    monkeypatch.setattr(LogisticRegression, "fit", breaking)
    single = LogisticHead(Cs=5, cv=2).fit(X.astype("float32"), y)
    assert {C for C, dtype in used if dtype == "float64"} == {C for C, _ in used if works_to < C}
    double = LogisticHead(Cs=5, cv=2).fit(X, y)
    assert single.C_ == double.C_
    np.testing.assert_allclose(single.predict_proba(X), double.predict_proba(X), atol=2e-3)


def test_real_line_searches_that_float32_breaks_are_mended(precisions):
    """Columns that are nearly one make float32 fail every few times, on this processor at other times than on that."""
    for seed in range(300):
        rng = np.random.default_rng(seed)
        X, y = rng.normal(size=(12, 60)), np.arange(12) % 2
        X = (X[:, :1] + 1e-4 * X).astype("float32")
        choices = {"Cs": [10.0 ** rng.uniform(-7, -4)], "cv": 2, "tol": 1e-7}
        head = LogisticHead(**choices).fit(X, y)
        if "float64" in precisions:
            break
    else:
        pytest.fail("float32 never failed: if it cannot any more, float64 need not stand by")
    double = LogisticHead(**choices).fit(X.astype("float64"), y)
    np.testing.assert_allclose(head.predict_proba(X), double.predict_proba(X), atol=1e-4)


@pytest.mark.parametrize(
    "labels", [np.arange(60) % 3, np.column_stack([np.arange(60) % 2, np.arange(60) % 3 > 0])]
)
def test_what_converges_in_neither_precision_is_told_once(labels):
    """Whatever the number of folds, strengths and labels, with what to do about it."""
    X, _ = wide()
    with pytest.warns(ConvergenceWarning, match="max_iter=2 steps .*Give more steps") as told:
        LogisticHead(max_iter=2).fit(X.astype("float32"), labels.astype(int))
    assert len(told) == 1


def test_other_warnings_of_the_solver_come_through(monkeypatch):
    """Only the one that it did not converge is kept back."""
    fit = LogisticRegression.fit

    def warning(model, X, y, weights):
        warnings.warn("something else", UserWarning, stacklevel=2)
        return fit(model, X, y, weights)

    monkeypatch.setattr(LogisticRegression, "fit", warning)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        LogisticHead(cv=2, Cs=2).fit(*wide())
    assert {str(one.message) for one in told} == {"something else"}


HARD = {
    "separable": lambda X: X + 100 * (np.arange(len(X)) % 2)[:, None],
    "nearly collinear": lambda X: X[:, :1] + 1e-4 * X,
    "constant": lambda X: np.where(np.arange(X.shape[1]) % 2, X, 7),
    "all constant": np.ones_like,
    "far from 0": lambda X: X + 1e5,
    "one row far away": lambda X: X * np.where(np.arange(len(X)) == 1, 1e5, 1)[:, None],
    "uneven": lambda X: X * np.logspace(-6, 6, X.shape[1]),
}


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from(sorted(HARD)),
    st.integers(-40, 30),
    st.integers(2, 30),
    st.integers(1, 60),
    st.integers(0, 999),
)
def test_hard_data_in_float32_end_in_probabilities(kind, power, n, d, seed):
    """Tiny and huge, separable or one column over and over, with few rows: no warning, and no NaN."""
    y = np.arange(n) % 2
    X = HARD[kind](np.random.default_rng(seed).normal(size=(n, d)))
    X = (X * 10.0**power).astype("float32")
    proba = LogisticHead(Cs=[1e-4, 1e-1, 1e2], cv=2).fit(X, y).predict_proba(X)
    assert np.isfinite(proba).all()
    np.testing.assert_allclose(proba.sum(axis=1), 1, atol=1e-5)


def test_flags_that_blas_raises_on_finite_numbers_are_not_told(monkeypatch):
    """A kernel that leaves the processor's flag for invalid values behind is no fault of the data."""
    fit, decide = LogisticRegression.fit, LogisticRegression.decision_function
    flag = np.array([np.inf, 1.0])

    def flagging(call):
        return lambda model, *data: (flag - flag, call(model, *data))[1]

    with pytest.warns(RuntimeWarning, match="invalid value"):
        _ = flag - flag
    monkeypatch.setattr(LogisticRegression, "fit", flagging(fit))
    monkeypatch.setattr(LogisticRegression, "decision_function", flagging(decide))
    head = LogisticHead(cv=2, Cs=2).fit(*wide())
    head.coef_ = head.coef_.view(Flagging)
    assert head.decision_function(wide()[0]).shape == (60, 3)


class Flagging(np.ndarray):
    """Weights whose product raises the flag for invalid values, as a kernel of BLAS may."""

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        """Raise the flag, then do what was asked."""
        np.subtract(np.inf, np.inf)
        plain = [np.asarray(one) if isinstance(one, Flagging) else one for one in inputs]
        return getattr(ufunc, method)(*plain, **kwargs)


def test_logistic_chooses_the_strength_with_the_lowest_held_out_loss():
    """The choice is that of a plain loop over folds and strengths."""
    X, y = wide()
    Cs, folds = [1e-5, 1e-3, 1e-1], StratifiedKFold(3)
    Z = StandardScaler().fit_transform(X)
    losses = [
        np.mean(
            [
                log_loss(
                    y[test],
                    LogisticRegression(C=C, max_iter=1000).fit(Z[train], y[train]).predict_proba(Z[test]),
                )
                for train, test in folds.split(Z, y)
            ]
        )
        for C in Cs
    ]
    assert Cs[int(np.argmin(losses))] == LogisticHead(Cs=Cs, cv=folds).fit(X, y).C_


@pytest.mark.parametrize("Cs", [[], 0, -2, "many", [1, -1], [[1, 2]], [1, np.nan], None], ids=str)
def test_strengths_are_numbers_above_0(Cs):
    """Anything else is told, with what to give."""
    with pytest.raises(InputError, match=r"^Cs=.*: give a list of numbers above 0, or how many"):
        LogisticHead(Cs=Cs).fit(*wide())


@pytest.mark.parametrize(("n", "d"), [(20, 4096), (200, 4096), (1000, 64)])
@pytest.mark.parametrize("scale", [1e-3, 1, 1e3])
def test_logistic_converges_on_embeddings_of_any_scale(n, d, scale):
    """No ConvergenceWarning, which pytest would turn into an error, however large the columns."""
    X, y = wide(n, d, classes=2)
    LogisticHead(cv=2).fit((X * scale).astype("float32"), y)


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.integers(0, 4), min_size=2, max_size=25).filter(lambda y: len(set(y)) > 1), st.integers(2, 6)
)
def test_logistic_copes_with_classes_of_any_size(y, cv):
    """Whatever the sizes of the classes, each gets its probability, without a warning."""
    y = np.array(y)
    X = np.random.default_rng(0).normal(size=(len(y), 8)) + 20 * np.eye(8)[y]
    proba = LogisticHead(cv=cv, Cs=3).fit(X, y).predict_proba(X)
    assert proba.shape == (len(y), len(set(y)))
    assert np.isfinite(proba).all()


def test_logistic_learns_a_class_of_one_image_beside_large_ones():
    """A class that cannot be held out neither spoils the choice of C nor is forgotten."""
    X, y = wide(61, 300, 3)
    y[60] = 3
    X[60] += X.std(axis=0) * 3
    head = LogisticHead().fit(X, y)
    assert head.predict(X[60:]) == 3
    assert head.C_ == LogisticHead().fit(X[:60], y[:60]).C_


def test_logistic_takes_a_splitter_of_the_users():
    """Any scikit-learn splitter decides the folds."""
    X, y = wide()
    assert LogisticHead(cv=StratifiedKFold(3)).fit(X, y).score(X, y) == 1
    groups = np.arange(60) // 3
    apart = LogisticHead(cv=list(GroupKFold(3).split(X, y, groups))).fit(X, y)
    assert LogisticHead(cv=GroupKFold(3)).fit(X, y, groups=groups).C_ == apart.C_
    with pytest.raises(InputError, match=r"cv=1 leaves nothing to compare\. Give 2 folds or more"):
        LogisticHead(cv=1).fit(X, y)


def test_a_label_all_images_have_is_predicted_for_all():
    """A label without variation is no error in multi-label data, and its probability not 0 or 1."""
    X, Y = make_multilabel_classification(n_samples=50, random_state=0)
    Y[:, 0], Y[:, 1] = 1, 0
    Y[:, 2] = np.arange(50) == 7
    head = LogisticHead().fit(X, Y)
    proba = head.predict_proba(X)
    np.testing.assert_allclose(proba[:, :2], [[101 / 102, 1 / 102]] * 50, rtol=1e-6)
    assert np.isnan(head.C_[:2]).all()
    assert np.isfinite(head.C_[2:]).all()


def test_class_weight_lifts_the_rare_class():
    """Balanced weights find more of a class of one in twenty."""
    X, y = make_classification(600, weights=[0.95], flip_y=0.05, class_sep=0.5, random_state=0)
    found = [
        LogisticHead(class_weight=weight).fit(X, y).predict(X)[y == 1].mean() for weight in (None, "balanced")
    ]
    assert found[1] > found[0] + 0.2


def test_logistic_probabilities_are_calibrated():
    """Of the images given p, about p are of the class: within 0.1 on 2,000 unseen ones."""
    X, y = make_classification(2400, n_features=100, n_informative=10, flip_y=0.2, random_state=0)
    proba = LogisticHead().fit(X[:400], y[:400]).predict_proba(X[400:])[:, 1]
    truth, given_ = calibration_curve(y[400:], proba, n_bins=5, strategy="quantile")
    np.testing.assert_allclose(given_, truth, atol=0.1)


def test_logistic_leaves_the_threads_as_they_were():
    """The one-thread limit ends with the fit."""
    with threadpool_limits(2, user_api="blas"):
        before = [pool["num_threads"] for pool in threadpool_info()]
        LogisticHead(Cs=2, cv=2).fit(*wide())
        assert [pool["num_threads"] for pool in threadpool_info()] == before


def test_logistic_scores_are_linear_in_the_embedding():
    """coef_ and intercept_ apply to embeddings as they are."""
    X, y = wide()
    head = LogisticHead().fit(X, y)
    np.testing.assert_allclose(head.predict_proba(X), softmax(X @ head.coef_.T + head.intercept_, axis=1))

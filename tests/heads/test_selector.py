"""Selecting the columns that a penalised linear model finds relevant."""

import numpy as np
import pytest
from sklearn import config_context
from sklearn.datasets import load_digits
from sklearn.linear_model import MultiTaskLasso
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from featx.errors import InputError
from featx.heads import make_head, selector
from featx.heads.selector import RelevanceSelector, relevance
from featx.heads.targets import classes_in, numbers_in


@parametrize_with_checks([RelevanceSelector([0.2, 1.0], cv=2), RelevanceSelector(0.5, regression=True)])
def test_scikit_learn_contract(estimator, check):
    """Every check of scikit-learn's own battery passes, for classes and for numbers."""
    check(estimator)


def hidden(n=200, useful=8, noise=400, classes=3, seed=0):
    """Columns of which the first few tell the classes apart: each is greater for one class."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, n)
    X = rng.normal(size=(n, useful + noise)).astype("float32")
    X[:, :useful] += np.arange(useful) % classes == y[:, None]
    return X, y


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("strength", [0.03, 0.1, 0.5])
def test_for_numbers_it_is_the_group_lasso(dtype, strength):
    """The columns that scikit-learn's MultiTaskLasso uses come before all others, in the order of their weights."""
    X, _ = hidden()
    Y = np.column_stack([X[:, :8].sum(axis=1), X[:, 4:12].sum(axis=1)])
    Z = StandardScaler().fit_transform(X).astype(dtype)
    target = numbers_in(Y)
    truth = target.encode(Y)
    largest = np.linalg.norm(Z.T @ truth, axis=1).max() / len(Z)

    lasso = MultiTaskLasso(alpha=strength * largest, tol=1e-8, max_iter=10_000).fit(Z.astype(float), truth)
    weights = np.linalg.norm(lasso.coef_, axis=0)
    found = relevance(Z, truth, target, strength)

    assert found.dtype == dtype
    used = weights > 1e-3
    assert 4 < used.sum() < 200
    assert found[used].min() > found[~used].max()
    assert np.argsort(-found)[: used.sum()].tolist() == np.argsort(-weights)[: used.sum()].tolist()


@pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel", "number"])
def test_useful_columns_come_first(kind):
    """Among hundreds of columns of noise those with information are found, whatever the target."""
    X, y = hidden(classes=2 if kind == "binary" else 3)
    Y = {"multilabel": np.eye(3, dtype=int)[y], "number": X[:, :8].sum(axis=1)}.get(kind, y)
    kept = RelevanceSelector(0.05, regression=kind == "number").fit(X, Y)

    assert kept.get_support().sum() == 20
    assert kept.get_support()[:8].sum() >= 7
    assert kept.transform(X).shape == (200, 20)


def test_two_classes_are_ranked_alike_by_both_losses():
    """Softmax over two classes and the sigmoid of one column are one model, so they find the same columns."""
    X, y = hidden(classes=2)
    Z = StandardScaler().fit_transform(X)
    one, two = classes_in(y), classes_in(np.append(y, 2))
    by_sigmoid = relevance(Z, one.encode(y), one, 0.1)
    by_softmax = relevance(Z, two.encode(y)[:, :2], two, 0.1)

    assert set(np.argsort(-by_sigmoid)[:8]) == set(np.argsort(-by_softmax)[:8])


def test_cross_validation_finds_how_many():
    """Few columns where few are useful, all where all are."""
    few = RelevanceSelector([0.04, 0.2, 1.0]).fit(*hidden(noise=200))
    X, y = hidden(useful=100, noise=0)
    many = RelevanceSelector([0.04, 0.2, 1.0]).fit(X, y)

    assert few.fraction_ == 0.04
    assert many.fraction_ == 1.0
    assert few.fraction_ == min(few.errors_, key=few.errors_.get)


def test_selection_helps_a_head():
    """A head on the selected columns beats the same head on all of them."""
    X, y = hidden(n=400)
    pipe = make_pipeline(RelevanceSelector([0.02, 1.0], cv=2), make_head("svm"))

    assert pipe.fit(X[:200], y[:200]).score(X[200:], y[200:]) > 0.05 + (
        make_head("svm").fit(X[:200], y[:200]).score(X[200:], y[200:])
    )


def test_the_fraction_can_be_searched():
    """It is a parameter like any other; one number needs no folds."""
    X, y = load_digits(return_X_y=True)
    pipe = make_pipeline(RelevanceSelector(), make_head("knn"))
    search = GridSearchCV(pipe, {"relevanceselector__fraction": [0.1, 0.5]}, cv=2).fit(X[:300], y[:300])

    assert search.best_params_ == {"relevanceselector__fraction": 0.5}
    assert not hasattr(search.best_estimator_[0], "errors_")


def test_columns_keep_their_names():
    """The names that come out are those of the columns kept."""
    X, y = hidden()
    names = (
        RelevanceSelector(0.02).fit(X, y).get_feature_names_out([f"column{number}" for number in range(408)])
    )

    assert len(names) == 8
    assert set(names) == {f"column{number}" for number in range(8)}


def test_the_same_data_give_the_same_columns_whatever_their_scale():
    """Columns are standardised, so units do not count, and nothing is random."""
    X, y = hidden()
    scales = np.random.default_rng(1).uniform(0.5, 2, X.shape[1])

    np.testing.assert_array_equal(
        RelevanceSelector(0.05).fit(X, y).get_support(),
        RelevanceSelector(0.05).fit(X * scales + 3, y).get_support(),
    )


def test_constant_columns_are_never_relevant():
    """Neither one among others, nor all of them, stops the work."""
    X, y = hidden(useful=2, noise=0)
    X = np.column_stack([np.ones(len(X)), X])

    assert RelevanceSelector(0.5).fit(X, y).get_support().tolist() == [False, True, True]
    assert RelevanceSelector().fit(np.ones((20, 3)), np.arange(20) % 2).get_support().sum() == 1


def test_flags_that_blas_raises_on_finite_numbers_are_not_told(monkeypatch):
    """As in the logistic head: a flag that a product leaves behind is no fault of the data."""
    find = selector.relevance

    def flagging(*given):
        np.subtract(np.inf, np.inf)
        return find(*given)

    monkeypatch.setattr(selector, "relevance", flagging)
    assert RelevanceSelector().fit(*hidden(n=30)).fraction_ > 0


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"fraction": 0}, "fraction=0: give shares of the columns"),
        ({"fraction": (0.1, 1.5)}, r"fraction=\(0.1, 1.5\): give shares"),
        ({"fraction": ()}, r"fraction=\(\): give shares"),
        ({"cv": 1}, "cv=1 leaves nothing to compare. Give 2 folds or more"),
        ({"strength": 1.0}, "strength=1.0: give a number between 0 and 1"),
    ],
)
def test_wrong_choices_are_refused(choices, message):
    """Each message says what to give."""
    with pytest.raises(InputError, match=message):
        RelevanceSelector(**choices).fit(*hidden(n=20))


@pytest.mark.parametrize("kind", ["labels", "weights", "numbers"])
def test_folds_side_by_side_find_what_one_after_the_other_do(kind, monkeypatch):
    """Threads change the time only, and keep the settings of scikit-learn that hold where `fit` is called."""
    X, y = hidden(n=90, noise=40)
    weights = np.random.default_rng(0).integers(0, 3, 90) if kind == "weights" else None
    found = []
    for threads in (1, 3):
        monkeypatch.setattr(selector, "threads_allowed", lambda _, threads=threads: threads)
        with config_context(enable_metadata_routing=True), config_context(enable_metadata_routing=False):
            made = RelevanceSelector(regression=kind == "numbers").fit(X, y, sample_weight=weights)
        found.append((made.fraction_, made.errors_, made.relevance_))

    assert found[0][:2] == found[1][:2]
    np.testing.assert_array_equal(found[0][2], found[1][2])

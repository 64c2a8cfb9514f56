"""The named heads."""

import pickle
import subprocess
import sys

import numpy as np
import pytest
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.datasets import load_diabetes, load_digits, make_multilabel_classification
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from featx.errors import UnknownNameError
from featx.heads import LogisticHead, RelevanceSelector, XGBoostHead, make_head, search_space

CLASSIFIERS = ["logistic", "xgboost", "svm", "knn", "ridge-classifier"]
REGRESSORS = ["ridge", "xgboost-regressor"]
QUICK = {"xgboost": {"n_estimators": 20, "n_jobs": 1}, "xgboost-regressor": {"n_estimators": 20, "n_jobs": 1}}


def quick(name):
    """Return the head, with few trees where it has trees."""
    return make_head(name, **QUICK.get(name, {}))


@pytest.fixture(scope="module")
def digits():
    """Return 400 small pictures of digits as rows, labelled in words."""
    X, y = load_digits(return_X_y=True)
    words = np.array(["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"])
    return X[:400].astype("float32"), words[y[:400]]


def wide(n=60, d=300, classes=3, seed=0):
    """Rows of an uneven scale, fewer than columns, as embeddings of few images are."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % classes
    X = rng.normal(size=(n, d)) + rng.normal(size=(classes, d))[y] * 0.4
    return X * rng.uniform(0.01, 100, size=d) + rng.uniform(-50, 50, size=d), y


def test_auto_is_the_head_that_goes_by_the_number_of_images():
    """`logistic`, with whatever is said of it."""
    assert repr(make_head("auto", cv=3)) == repr(LogisticHead(cv=3))
    assert search_space("auto", step="head") == search_space("logistic", step="head")


@pytest.mark.parametrize("name", CLASSIFIERS)
@pytest.mark.parametrize("classes", [2, 10])
def test_a_classifier_takes_string_labels(name, classes, digits):
    """Predictions are the labels that were given, for two classes and for ten."""
    X, y = digits
    chosen = np.isin(y, ["three", "eight"]) if classes == 2 else slice(None)
    X, y = X[chosen], y[chosen]
    half = len(X) // 2
    head = quick(name).fit(X[:half], y[:half])
    assert is_classifier(head)
    assert list(head.classes_) == sorted(set(y))
    assert head.predict(X).dtype.kind == "U"
    assert head.score(X[half:], y[half:]) > 0.75


@pytest.mark.parametrize("name", ["logistic", "xgboost", "knn"])
@pytest.mark.parametrize("classes", [2, 10])
def test_probabilities_are_probabilities(name, classes, digits):
    """Rows sum to one, and the most probable class is the one predicted."""
    X, y = digits
    chosen = np.isin(y, ["three", "eight"]) if classes == 2 else slice(None)
    head = quick(name).fit(X[chosen], y[chosen])
    proba = head.predict_proba(X)
    assert proba.shape == (len(X), classes)
    np.testing.assert_allclose(proba.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_array_equal(head.classes_[proba.argmax(axis=1)], head.predict(X))


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_one_image_of_each_of_many_classes_is_enough(name):
    """Without a warning, which pytest would turn into an error: scikit-learn asks whether such labels are numbers."""
    X = np.random.default_rng(0).normal(size=(25, 40)) + 9 * np.eye(25, 40)
    head = quick(name).fit(X, np.arange(25))

    assert name == "xgboost" or head.score(X, np.arange(25)) == 1


def test_svm_has_decision_function_but_no_probabilities(digits):
    """A support vector machine ranks; it does not claim probabilities."""
    head = make_head("svm").fit(*digits)
    assert head.decision_function(digits[0]).shape == (400, 10)
    assert not hasattr(head, "predict_proba")


@pytest.mark.parametrize("name", ["logistic", "xgboost", "knn"])
def test_multilabel_targets(name):
    """A matrix of 0 and 1 gives a matrix of 0 and 1, better than the commonest value of each label."""
    X, Y = make_multilabel_classification(n_samples=300, n_classes=4, random_state=0)
    predicted = quick(name).fit(X[:200], Y[:200]).predict(X[200:])
    assert predicted.shape == (100, 4)
    assert set(np.unique(predicted)) <= {0, 1}
    assert (predicted == Y[200:]).mean() > np.maximum(Y.mean(axis=0), 1 - Y.mean(axis=0)).mean() + 0.05


def test_svm_takes_multilabel_targets_one_label_at_a_time():
    """scikit-learn's OneVsRestClassifier makes the head that refuses a matrix accept one."""
    X, Y = make_multilabel_classification(n_samples=100, random_state=0)
    with pytest.raises(ValueError, match="y should be a 1d array"):
        make_head("svm").fit(X, Y)
    assert OneVsRestClassifier(make_head("svm")).fit(X, Y).predict(X).shape == Y.shape


@pytest.mark.parametrize("name", REGRESSORS)
@pytest.mark.parametrize("targets", [1, 2])
def test_regression(name, targets):
    """One number or several; most of what can be explained of scikit-learn's diabetes data is."""
    X, y = load_diabetes(return_X_y=True)
    y = y if targets == 1 else np.column_stack([y, -y])
    head = quick(name).fit(X[:300], y[:300])
    assert is_regressor(head)
    assert head.predict(X).shape == y.shape
    assert head.score(X[300:], y[300:]) > 0.3


@pytest.mark.parametrize("name", CLASSIFIERS + REGRESSORS)
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda X, y: (X, np.where(np.arange(len(y)) == 3, np.nan, y)), "NaN"),
        (lambda X, y: (X, y[:-1]), "inconsistent numbers of samples|different number of|Check failed"),
    ],
    ids=["NaN in y", "y too short"],
)
def test_targets_that_do_not_fit_are_refused(name, spoil, message):
    """What scikit-learn's users know: ValueError for NaN in y and for a length that is not that of X."""
    X, y = spoil(np.random.default_rng(0).normal(size=(40, 5)), np.arange(40.0) % 2)
    with pytest.raises(ValueError, match=message):
        quick(name).fit(X, y)


@pytest.mark.parametrize(
    "fit", [LogisticHead(), XGBoostHead(), RelevanceSelector()], ids=lambda one: type(one).__name__
)
@pytest.mark.parametrize(
    ("y", "message"),
    [
        (["cat"] * 6, r"^Two classes or more are needed, but y holds one class only: 'cat'\."),
        (np.zeros(6, int), r"but y holds one class only: 0\."),
        (["cat", np.nan, "dog", "cat", "dog", "dog"], "contains NaN or None in row 1"),
        (None, "requires y to be passed, but the target y is None"),
    ],
)
def test_what_featx_fits_itself_says_in_one_way_what_is_wrong_with_y(fit, y, message):
    """Labels stand in messages as they were given, and NaN among words is no class of its own."""
    with pytest.raises(ValueError, match=message):
        clone(fit).fit(np.eye(6), y)


@pytest.mark.parametrize("name", ["logistic", "xgboost", "svm"])
def test_one_class_is_refused(name):
    """A single class cannot be told from anything."""
    with pytest.raises(ValueError, match=r"one class|1 class"):
        quick(name).fit(np.random.default_rng(0).normal(size=(20, 5)), ["cat"] * 20)


@pytest.mark.parametrize("name", ["logistic", "svm", "knn", "ridge"])
def test_rows_of_nan_are_refused(name):
    """A row of NaN, which an unreadable image leaves with on_error="nan", raises scikit-learn's error."""
    X, y = wide(40, 5, 2)
    fitted = quick(name).fit(X, y)
    X[3] = np.nan
    for use in (lambda: quick(name).fit(X, y), lambda: fitted.predict(X)):
        with pytest.raises(ValueError, match="contains NaN"):
            use()


@pytest.mark.parametrize("name", ["xgboost", "xgboost-regressor"])
def test_trees_take_nan_as_missing(name):
    """XGBoost's trees have a branch for missing values, so a row of NaN gets an answer."""
    X, y = wide(40, 5, 2)
    X[3] = np.nan
    assert np.isfinite(quick(name).fit(X, y).predict(X)).all()


@pytest.mark.parametrize("name", CLASSIFIERS + REGRESSORS)
def test_heads_clone_and_pickle(name):
    """A clone is unfitted with the same parameters; a pickled head predicts the same."""
    X, y = wide()
    head = quick(name).fit(X, y)
    assert repr(clone(head)) == repr(quick(name))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(head)).predict(X), head.predict(X))


@pytest.mark.parametrize("name", CLASSIFIERS + REGRESSORS)
def test_search_spaces_fit_their_heads(name):
    """Every name in a space is a parameter of the head, alone and inside a pipeline, and every value fits."""
    X, y = wide(30, 12, 2)
    space = search_space(name)
    head = quick(name)
    assert set(space) <= set(head.get_params())
    RandomizedSearchCV(
        head, space | ({"n_estimators": [3]} if "xgb" in name else {}), n_iter=2, cv=2, random_state=0
    ).fit(X, y)
    pipe = make_pipeline(StandardScaler(), quick(name))
    assert set(search_space(name, step=pipe.steps[-1][0])) <= set(pipe.get_params())


def test_a_search_space_is_the_callers_to_change(digits):
    """Changing the returned dict changes no later one."""
    search_space("knn")["kneighborsclassifier__n_neighbors"].append(99)
    assert 99 not in search_space("knn")["kneighborsclassifier__n_neighbors"]
    space = search_space("knn") | {"kneighborsclassifier__n_neighbors": [1, 5]}
    assert GridSearchCV(make_head("knn"), space, cv=2).fit(*digits).best_score_ > 0.8


def test_parameters_go_to_the_estimator():
    """make_head takes the parameters of the class that does the work, over the defaults."""
    assert make_head("svm", kernel="rbf")[-1].get_params()["C"] == 0.01
    assert make_head("knn", n_neighbors=3)[-1].n_neighbors == 3
    assert make_head("logistic", cv=3).cv == 3
    with pytest.raises(TypeError, match="unexpected keyword argument 'neighbours'"):
        make_head("knn", neighbours=3)


@pytest.mark.parametrize("ask", [make_head, search_space])
def test_an_unknown_head_suggests_a_known_one(ask):
    """The message names the nearest head and lists all."""
    with pytest.raises(
        UnknownNameError, match=r"Unknown head 'logistics'. Did you mean 'logistic'\? Known: .*'ridge'"
    ):
        ask("logistics")


def test_a_head_imports_no_more_than_it_needs():
    """The logistic head does not wait for XGBoost, which an XGBoost head does load."""
    ask = "featx.make_head({!r}); print('xgboost' in sys.modules)"
    program = f"import sys, featx; {ask.format('logistic')}; {ask.format('xgboost')}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]


def test_few_columns_hide_a_class_from_least_squares():
    """Of classes on a line one between is hardly ever the largest of straight lines; `logistic` finds them all."""
    rng = np.random.default_rng(0)
    y = np.arange(300) % 5
    X = np.c_[y + 0.15 * rng.normal(size=300), rng.normal(size=(300, 5))]
    ridge, logistic = (make_head(name).fit(X, y).score(X, y) for name in ("ridge-classifier", "logistic"))

    assert ridge < 0.6
    assert logistic > 0.98

"""Trees that begin where a linear model ends: they add what it does not see, and hardly anything where it sees all."""

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array

from featx.heads import LogisticHead, make_head
from featx.heads.margins import linear, loss_of, numbers


def made(name="xgboost", **choices):
    return make_head(name, n_jobs=1, **choices)


@pytest.fixture(scope="module")
def lines():
    """Give rows of three classes that straight lines tell apart as well as can be, as those of embeddings do."""
    rng = np.random.default_rng(0)
    y = np.arange(180) % 3
    return rng.normal(size=(180, 60)) + 0.35 * rng.normal(size=(3, 60))[y], np.array(["ant", "bee", "cat"])[y]


@pytest.fixture(scope="module")
def cloud():
    """Give rows around a middle."""
    return np.random.default_rng(0).normal(size=(600, 6))


def scores(heads, X, y, count):
    """Fit to so many rows, and give the score on the others, for each head by its name."""
    return {name: head.fit(X[:count], y[:count]).score(X[count:], y[count:]) for name, head in heads.items()}


def grown(head):
    return head.get_booster().num_boosted_rounds()


def test_where_lines_tell_all_hardly_a_tree_is_grown(lines):
    """The answers are those of `logistic`, where trees that begin with the mean are far behind."""
    heads = {"both": made(), "line": LogisticHead(), "trees": made(start=None)}
    right = scores(heads, *lines, 90)

    assert grown(heads["both"]) < 10
    assert right["both"] >= right["line"] - 0.015
    assert right["both"] > right["trees"] + 0.05


def test_where_lines_tell_nothing_trees_do(cloud):
    """What is near the middle is of one class, all around it of the other."""
    y = np.where((cloud[:, :2] ** 2).sum(axis=1) > 1.4, "far", "near")
    right = scores({"both": made(), "line": LogisticHead()}, cloud[:300], y[:300], 200)

    assert right["both"] > 0.8
    assert right["line"] < 0.65


def test_numbers_begin_with_ridge(cloud):
    """A line and what is only there where two columns are above 0: either alone explains less than both."""
    y = 3 * cloud[:, :5].sum(axis=1) + 4 * (cloud[:, 0] > 0) * (cloud[:, 1] > 0)
    heads = {
        "both": made("xgboost-regressor"),
        "line": make_head("ridge"),
        "trees": made("xgboost-regressor", start=None),
    }
    right = scores(heads, cloud, y, 400)

    assert right["both"] > max(right["line"], right["trees"]) + 0.005
    assert made("xgboost-regressor").fit(cloud, np.column_stack([y, -y])).predict(cloud).shape == (600, 2)


def test_what_is_said_of_rows_is_learned_from_others(lines):
    """Labels by chance: a row's twin tells its own, unless both are held out; else nothing does."""
    X, _ = lines
    y, pairs = np.random.default_rng(1).integers(0, 2, 180), np.tile(np.arange(180), 2)
    X, y = np.tile(X, (2, 1)), np.tile(y, 2)
    order = np.random.default_rng(0).permutation(360)
    X, y, pairs = X[order], y[order], pairs[order]
    leaked, kept = (
        np.mean((linear(X, y, regression=False, weights=None, groups=groups)[1] > 0) == y)
        for groups in (None, pairs)
    )

    assert kept < 0.6
    assert leaked > kept + 0.1


def test_several_labels_have_a_start_each(lines):
    """Also a label that every row has."""
    X, y = lines
    several = np.column_stack([y == "ant", y != "cat", np.ones(180)]).astype(int)
    head = made(n_estimators=5).fit(X, several)

    assert head.predict_proba(X).shape == (180, 3)
    assert head.predict_proba(X)[:, 2].min() > 0.9
    assert np.mean(head.predict(X) == several) > 0.9


@pytest.mark.parametrize("missing", [np.nan, -9.0])
def test_a_row_of_nothing_teaches_the_line_nothing(lines, missing):
    """Such as an image leaves that cannot be read; it gets the answer of the mean row, however missing is written."""
    X, y = lines
    empty = np.full((2, 60), missing)
    line = made(n_estimators=1).fit(X, y).start_
    head = made(n_estimators=1, missing=missing).fit(np.vstack([X, empty]), [*y, "ant", "ant"])

    np.testing.assert_allclose(head.start_.decision_function(X), line.decision_function(X), rtol=1e-4)
    assert np.isfinite(head.predict_proba(empty)).all()
    np.testing.assert_allclose(
        head.predict(empty, output_margin=True)[0],
        line.decision_function(X.mean(axis=0)[None])[0],
        atol=0.3,
    )


def test_weights_count_in_the_start(lines):
    """Weight 2 is the row twice, where groups hold copies out together."""
    X, y = lines[0][:, :8], (lines[1] == "ant").astype(int)
    weights = np.random.default_rng(0).integers(1, 3, 180)
    rows = np.arange(180)
    often = np.repeat(rows, weights)
    once = linear(X, y, regression=False, weights=weights.astype(float), groups=rows)[1]
    again = linear(X[often], y[often], regression=False, weights=None, groups=often)[1]

    np.testing.assert_allclose(once, again[np.searchsorted(often, rows)], atol=0.02)


def test_there_is_no_start_where_a_line_is_no_margin(lines):
    """Where margins or another objective are given, 0 is missing, or nothing is known of a class."""
    X, y = lines
    codes = np.unique(y, return_inverse=True)[1]
    few = {"n_estimators": 2, "early_stopping_rounds": None}
    for head in (
        made(**few).fit(X, y, base_margin=np.zeros((180, 3))),
        made(**few).fit(csr_array(X), y),
        made(**few).fit(np.where((y == "ant")[:, None], np.nan, X), y),
        made("xgboost-regressor", objective="count:poisson", **few).fit(X, codes),
    ):
        assert head.start_ is None
        assert grown(head) == 2


def test_margins_of_the_users_stand_in_place_of_the_lines(lines):
    X, y = lines
    head = made(n_estimators=2, early_stopping_rounds=None).fit(X, y)

    own = head.start_.decision_function(X)
    np.testing.assert_allclose(head.predict_proba(X, base_margin=own), head.predict_proba(X), rtol=1e-5)
    surely = np.tile([50.0, 0.0, 0.0], (180, 1))
    assert set(head.predict(X, base_margin=surely)) == {"ant"}


def test_images_to_stop_by_begin_there_too(cloud):
    """The last loss of the user's `eval_set` is that of the answers."""
    y = np.where((cloud[:, :2] ** 2).sum(axis=1) > 1.4, "far", "near")
    X, y, judged, truth = cloud[:200], y[:200], cloud[200:300], y[200:300]
    head = made(n_estimators=8).fit(X, y, eval_set=[(judged, truth)], verbose=False)

    loss = loss_of(head.predict(judged, output_margin=True), (truth == "near").astype(int), regression=False)
    assert loss == pytest.approx(head.best_score, rel=1e-4)


def test_of_a_frame_only_numbers_make_lines(lines):
    """Categories are for the trees."""
    X, y = lines
    frame = pd.DataFrame(X).astype({0: "Float64"}).assign(kind=pd.Categorical(y)).rename(columns=str)
    head = made(n_estimators=2, enable_categorical=True).fit(frame, y)

    assert head.start_.n_features_in_ == 60
    assert head.predict(frame).shape == (180,)
    np.testing.assert_array_equal(numbers(frame), X)
    assert numbers(frame[["kind"]]) is None


def test_trees_are_counted_by_a_line_that_has_not_seen_the_images():
    """A price is a rate times a weight; by margins that were learned from those images hardly a tree seems to help."""
    X = np.random.default_rng(0).normal(size=(300, 30))
    price = (1 + X[:, 0]) * (1.5 + X[:, 1])
    heads = {"both": made("xgboost-regressor"), "line": make_head("ridge")}
    right = scores(heads, X, price, 240)

    assert grown(heads["both"]) > 20
    assert right["both"] > right["line"] + 0.06

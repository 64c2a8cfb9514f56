"""Comparing many choices of columns in closed form."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from featx.evaluation.folds import make_folds
from featx.heads import SteadyScaler
from featx.heads.ridge import PENALTIES, compare, gram, ridge_answers, ridge_map

RNG = np.random.default_rng(0)
KIND = np.arange(90) % 3
GOOD = (RNG.normal(size=(90, 8)) + 1.5 * RNG.normal(size=(3, 8))[KIND]).astype(np.float32)
BLOCKS = {"good": GOOD, "noise": RNG.normal(size=(90, 30)).astype(np.float32), "half": GOOD[:, :3]}
CANDIDATES = {name: [name] for name in BLOCKS} | {"both": ["good", "noise"]}


CODES = 2 * np.eye(3)[KIND] - 1


def split(y=KIND, *, groups=None, regression=False):
    """Make three folds of some targets."""
    return make_folds(y, 3, regression=regression, groups=groups)


@pytest.mark.parametrize(
    "weights", [np.ones(90), RNG.integers(0, 3, 90).astype(float)], ids=["alike", "weighted"]
)
def test_answers_are_those_of_scikit_learns_ridge(weights):
    """Fold by fold, for blocks side by side, with an intercept and weights, at the penalty of least error."""
    folds = split()
    rows = np.concatenate([test for _, test in folds])
    Z = SteadyScaler().fit_transform(np.hstack([BLOCKS["good"], BLOCKS["noise"]]).astype(np.float64))
    found = ridge_answers([gram(BLOCKS["good"]) + gram(BLOCKS["noise"])], CODES, folds, weights)
    expected = []
    for penalty in PENALTIES:
        parts = []
        for train, test in folds:
            share = weights[train] / weights[train].sum()
            spread = ((Z[train] - share @ Z[train]) ** 2).sum(axis=1)[weights[train] > 0].mean()
            model = Ridge(penalty * spread).fit(Z[train], CODES[train], share * (share > 0).sum())
            parts.append(model.predict(Z[test]))
        expected.append(np.concatenate(parts))
    errors = [
        np.average(((answers - CODES[rows]) ** 2).mean(axis=1), weights=weights[rows]) for answers in expected
    ]
    best = int(np.argmin(errors))

    np.testing.assert_allclose(found.found, expected[best], atol=1e-4)
    assert found.rows.tolist() == rows.tolist()
    assert (found.penalty, found.error) == (PENALTIES[best], pytest.approx(errors[best], abs=1e-4))


@pytest.mark.parametrize("columns", [8, 200], ids=["fewer columns than rows", "more"])
def test_the_map_is_that_of_scikit_learns_ridge(columns):
    """Whichever of the two systems is the smaller; rows of weight 0 are as if they were not there."""
    Z = RNG.normal(size=(90, columns)).astype(np.float32)
    weights = np.where(np.arange(90) < 60, RNG.integers(1, 4, 90), 0).astype(float)
    coef, constant = ridge_map(Z, CODES, weights, 0.1)

    share = weights[:60] / weights.sum()
    strength = 0.1 * ((Z[:60] - share @ Z[:60]) ** 2).sum() / 60
    expected = Ridge(strength).fit(Z[:60].astype(float), CODES[:60], share * 60)
    np.testing.assert_allclose(coef, expected.coef_.T, atol=1e-4)
    np.testing.assert_allclose(constant, expected.intercept_, atol=1e-4)


def test_the_best_columns_come_first():
    """Of classes and of numbers; what says nothing comes last, and is about as wrong as guessing."""
    number = GOOD @ np.arange(8.0)
    for Y, folds in (
        (CODES, split()),
        (((number - number.mean()) / number.std())[:, None], split(number, regression=True)),
    ):
        found = compare(BLOCKS, CANDIDATES, Y, folds, np.ones(90))

        assert set(found) == set(CANDIDATES)
        assert (next(iter(found)), list(found)[-1]) == ("good", "noise")
        assert found["good"].error < 0.8 * Y.var(axis=0).mean() < found["noise"].error


def test_more_images_are_for_the_best_alone():
    """What is far behind on 500 images is not compared on 1,000, but for what is to stay."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 1200)
    blocks = {
        f"{number}": (rng.normal(size=(1200, 2)) + number * y[:, None] / 9).astype("f4")
        for number in range(12)
    }
    Y = 2.0 * y[:, None] - 1
    found = compare(blocks, {name: [name] for name in blocks}, Y, split(y), np.ones(1200), stays=("0",))
    sizes = {name: len(told.rows) for name, told in found.items()}

    further = [name for name, size in sizes.items() if size == 1000]

    assert list(sizes) == further + [name for name, size in sizes.items() if size == 500]
    assert {"0", "11", "10"} <= set(further)
    assert sizes["1"] == 500


def test_images_of_one_group_never_meet():
    """Labels that only groups have cannot be told where groups are kept apart."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(30), 4)
    faces = (rng.normal(size=(30, 40))[groups] + 0.1 * rng.normal(size=(120, 40))).astype(np.float32)
    y = rng.permutation(np.arange(30) % 2)[groups]

    def error(folds):
        return compare({"": faces}, {"": [""]}, 2.0 * y[:, None] - 1, folds, np.ones(120))[""].error

    assert error(split(y)) < 0.2
    assert error(split(y, groups=groups)) > 0.8


def test_of_few_images_those_held_out_do_not_scale():
    """A column that one image alone has is a surprise to the model that is judged by it, as to any new one."""
    X = np.hstack([GOOD, np.zeros((90, 1), "f4")])
    X[0, -1] = 1000.0
    blocks = {"with": X, "without": GOOD}
    found = compare(blocks, {name: [name] for name in blocks}, CODES, split(), np.ones(90))
    place = int(np.flatnonzero(found["with"].rows == 0)[0])
    fold = next(train for train, test in split() if 0 in test)

    Z = SteadyScaler().fit(X[fold]).transform(X).astype(float)
    spread = ((Z[fold] - Z[fold].mean(axis=0)) ** 2).sum(axis=1).mean()
    expected = Ridge(found["with"].penalty * spread).fit(Z[fold], CODES[fold]).predict(Z[:1])
    np.testing.assert_allclose(found["with"].found[place], expected[0], atol=1e-3)


def test_columns_that_are_the_same_for_all_say_nothing():
    """The answer is then the mean of what was fitted to, whatever rounding leaves of the matrix."""
    Y, folds = np.arange(6.0)[:, None], [(np.array([0, 1, 2, 3]), np.array([4, 5]))]
    K = gram(np.full((6, 3), 0.1, "f4")) + np.random.default_rng(0).normal(size=(6, 1)) * 1e-17

    np.testing.assert_allclose(ridge_answers([K], Y, folds, np.ones(6)).found, [[1.5], [1.5]])

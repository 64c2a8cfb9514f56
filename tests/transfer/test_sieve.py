"""Comparing many choices of columns in closed form."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from featx.evaluation.folds import make_folds
from featx.heads import SteadyScaler
from featx.transfer.judging import Judge, Told
from featx.transfer.sieve import PENALTIES, gram, ridge_answers, sieve

RNG = np.random.default_rng(0)
KIND = np.arange(90) % 3
GOOD = (RNG.normal(size=(90, 8)) + 1.5 * RNG.normal(size=(3, 8))[KIND]).astype(np.float32)
BLOCKS = {"good": GOOD, "noise": RNG.normal(size=(90, 30)).astype(np.float32), "half": GOOD[:, :3]}
CANDIDATES = {name: [name] for name in BLOCKS} | {"both": ["good", "noise"]}


def judge(y=KIND, *, weights=None, groups=None, regression=False, cv=3):
    """Make a judge on folds of some targets."""
    folds = make_folds(y, cv, regression=regression, groups=groups)
    return Judge(None, y, folds, Told(weights, groups), regression=regression)


@pytest.mark.parametrize(
    "weights", [np.ones(90), RNG.integers(0, 3, 90).astype(float)], ids=["alike", "weighted"]
)
def test_answers_are_those_of_scikit_learns_ridge(weights):
    """Fold by fold, for blocks side by side, with an intercept and weights, at the penalty of least error."""
    told = judge()
    rows = np.concatenate([test for _, test in told.folds])
    Z = SteadyScaler().fit_transform(np.hstack([BLOCKS["good"], BLOCKS["noise"]]).astype(np.float64))
    K = gram(BLOCKS["good"]) + gram(BLOCKS["noise"])
    found = ridge_answers(K, told.encoded, told.folds, weights)
    expected = []
    for penalty in PENALTIES:
        parts = []
        for train, test in told.folds:
            share = weights[train] / weights[train].sum()
            spread = ((Z[train] - share @ Z[train]) ** 2).sum(axis=1)[weights[train] > 0].mean()
            model = Ridge(penalty * spread).fit(Z[train], told.encoded[train], share * (share > 0).sum())
            parts.append(model.predict(Z[test]))
        expected.append(np.concatenate(parts))
    best = min(expected, key=lambda answers: ((answers - told.encoded[rows]) ** 2).mean())

    np.testing.assert_allclose(found, best, atol=1e-4)


def test_the_best_columns_come_first():
    """Of classes and of numbers; what says nothing comes last, with the score of guessing."""
    for told in (judge(), judge(GOOD @ np.arange(8.0), regression=True)):
        found = sieve(BLOCKS, CANDIDATES, told, stays="noise")

        assert set(found) == set(CANDIDATES)
        assert next(iter(found)) == "good"
        assert list(found)[-1] == "noise"
        assert found["noise"].mean < 0.5 < found["good"].mean
        ahead, error = found["good"].ahead(found["noise"])
        assert ahead > 3 * error


def test_of_several_labels_each_counts():
    """Answers above 0 are yes, for each by itself."""
    Y = np.column_stack([KIND == 0, KIND > 1]).astype(int)
    found = sieve(BLOCKS, CANDIDATES, judge(Y), stays="good")

    assert found["good"].mean > 0.85


def test_more_images_are_for_the_best_alone():
    """What is far behind on 500 images is not compared on 1,000, but for what all are compared with."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 1200)
    blocks = {
        f"{number}": (rng.normal(size=(1200, 2)) + number * y[:, None] / 9).astype("f4")
        for number in range(12)
    }
    found = sieve(blocks, {name: [name] for name in blocks}, judge(y), stays="0")
    sizes = {name: len(verdict.parts) for name, verdict in found.items()}

    further = [name for name, size in sizes.items() if size == 1000]

    assert list(sizes) == further + [name for name, size in sizes.items() if size == 500]
    assert {"0", "11", "10"} <= set(further)
    assert sizes["1"] == 500


def test_images_of_one_group_never_meet():
    """Labels that only groups have cannot be told where groups are kept apart."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(30), 4)
    faces = rng.normal(size=(30, 40))[groups] + 0.1 * rng.normal(size=(120, 40))
    y = rng.permutation(np.arange(30) % 2)[groups]
    blocks = {"faces": faces.astype(np.float32)}
    alone = sieve(blocks, {"faces": ["faces"]}, judge(y), stays="faces")["faces"]
    apart = sieve(blocks, {"faces": ["faces"]}, judge(y, groups=groups), stays="faces")["faces"]

    assert alone.mean > 0.95
    assert apart.mean < 0.7
    assert len(apart.parts) == 30


def test_columns_that_are_the_same_for_all_say_nothing():
    """The answer is then the mean of what was fitted to, whatever rounding leaves of the matrix."""
    Y, folds = np.arange(6.0)[:, None], [(np.array([0, 1, 2, 3]), np.array([4, 5]))]
    K = gram(np.full((6, 3), 0.1, "f4")) + np.random.default_rng(0).normal(size=(6, 1)) * 1e-17

    np.testing.assert_allclose(ridge_answers(K, Y, folds, np.ones(6)), [[1.5], [1.5]])

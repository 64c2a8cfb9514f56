"""Folds, and a share held out: models are judged by images that they were not fitted to, of every class."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import GroupKFold, ShuffleSplit, StratifiedKFold

from featx.errors import InputError
from featx.evaluation.folds import hold_out, make_folds


def test_folds_are_spread_evenly_over_classes():
    """Each image is judged once; a class with few images makes few folds."""
    y = np.array(["ant"] * 20 + ["bee"] * 3)
    folds = make_folds(y, 5, regression=False)

    assert len(folds) == 3
    assert sorted(np.concatenate([test for _, test in folds])) == list(range(23))
    assert all((y[test] == "bee").sum() == 1 for _, test in folds)


def test_folds_are_those_of_scikit_learn():
    """The same number of folds and the same seed give the rows of its own splitter."""
    y = np.arange(20) % 2
    theirs = StratifiedKFold(4, shuffle=True, random_state=3).split(y, y)

    for (_, ours), (_, test) in zip(make_folds(y, 4, regression=False, random_state=3), theirs, strict=True):
        np.testing.assert_array_equal(ours, test)


@pytest.mark.parametrize(("y", "regression"), [(np.arange(4.0), True), (np.eye(4, dtype=int), False)])
def test_numbers_and_sets_of_labels_make_as_many_folds_as_there_are_images(y, regression):
    """No class limits their number, only that of the images."""
    assert len(make_folds(y, 5, regression=regression)) == 4


def test_a_splitter_is_taken_as_it_is():
    """So that groups or time can be kept apart."""
    y = np.arange(10) % 2
    assert len(make_folds(y, ShuffleSplit(7, random_state=0), regression=False)) == 7
    assert len(make_folds(y, [(np.arange(5), np.arange(5, 10))], regression=False)) == 1
    with pytest.raises(ValueError, match="groups"):
        make_folds(y, GroupKFold(2), regression=False)


@pytest.mark.parametrize(
    "split", [lambda *a, **k: make_folds(*a, 5, **k), lambda *a, **k: hold_out(*a, 0.25, **k)]
)
@pytest.mark.parametrize(
    ("y", "regression", "message"),
    [
        (["ant"] * 5, False, "y holds one class only: 'ant'"),
        (["ant"] * 5 + ["bee"], False, r"class in y, 'bee', has only 1 member, .* class, or sleep\.$"),
        ([1.0], True, "y holds 1 sample, but models are judged by images that they were not fitted to"),
    ],
)
def test_what_cannot_be_split_is_refused(split, y, regression, message):
    """In scikit-learn's words, with the way out, the caller's among them."""
    with pytest.raises(InputError, match=message):
        split(np.array(y), regression=regression, hint="sleep")


@pytest.mark.parametrize("regression", [True, False])
@pytest.mark.parametrize("cv", [1, 0, -3])
def test_one_fold_leaves_nothing_to_judge_by(cv, regression):
    """The message says what to give."""
    with pytest.raises(
        InputError, match=f"cv={cv} leaves nothing to compare. Give 2 folds or more, or a splitter"
    ):
        make_folds(np.arange(10) % 2, cv, regression=regression)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(2, 40), min_size=2, max_size=12), st.floats(0.01, 0.99), st.integers(0, 2**32 - 1)
)
def test_every_class_is_held_out_in_proportion_and_keeps_some(sizes, share, seed):
    """The two parts are all rows; counts are within one of the share, which grows to a row for each class."""
    y = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(sizes)), sizes))
    train, held = hold_out(y, share, regression=False, random_state=seed)

    assert sorted([*train, *held]) == list(range(len(y)))
    assert len(held) == min(max(np.ceil(share * len(y)), len(sizes)), len(y) - len(sizes))
    for number, size in enumerate(sizes):
        assert abs((y[held] == number).sum() - len(held) / len(y) * size) < 1
        assert share > 0.5 or (y[train] == number).any()


@pytest.mark.parametrize("seed", range(3))
def test_of_numbers_each_part_of_the_range_is_held_out(seed):
    """Of twenty numbers in a row, one of each four."""
    numbers = np.random.default_rng(seed).permutation(np.arange(20.0))
    _, held = hold_out(numbers, 0.25, regression=True, random_state=seed)

    assert sorted(numbers[held] // 4) == [0, 1, 2, 3, 4]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 1), min_size=3, max_size=3), min_size=2, max_size=30),
    st.floats(0.01, 0.99),
)
def test_any_sets_of_labels_can_be_split(rows, share):
    """A set that one image has alone is no error; both parts hold something."""
    train, held = hold_out(np.array(rows), share, regression=False)

    assert sorted([*train, *held]) == list(range(len(rows)))
    assert len(train)
    assert len(held)


def test_what_stands_beside_y_is_split_likewise():
    """Whatever type it has."""
    y = np.arange(8) % 2
    train, held, seen, unseen = hold_out(y, 0.25, [f"{row}.png" for row in range(8)], regression=False)

    assert seen == [f"{row}.png" for row in train]
    assert unseen == [f"{row}.png" for row in held]


@pytest.mark.parametrize("share", [0, 1, -0.1, 3])
def test_a_share_lies_between_nothing_and_all(share):
    """The message says so."""
    with pytest.raises(InputError, match=f"{share} of the images cannot be held out: give a share above 0"):
        hold_out(np.arange(8) % 2, share, regression=False)


def test_the_seed_chooses_who_is_held_out():
    """The same rows for the same seed; others for another."""
    y = np.repeat([0, 1], 25)

    assert (
        hold_out(y, 0.2, regression=False, random_state=1)[1].tolist()
        == hold_out(y, 0.2, regression=False, random_state=1)[1].tolist()
    )
    assert (
        hold_out(y, 0.2, regression=False, random_state=1)[1].tolist()
        != hold_out(y, 0.2, regression=False, random_state=2)[1].tolist()
    )

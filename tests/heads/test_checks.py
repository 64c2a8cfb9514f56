"""Checking y, and the messages about it."""

import numpy as np
import pandas as pd
import pytest

from featx.heads.checks import check_members, labels_of
from featx.heads.targets import classes_in, numbers_in


@pytest.mark.parametrize(
    ("read", "y", "message"),
    [
        (classes_in, ["a", "a"], "one class only: 'a'"),
        (check_members, np.array(["a", "a"]), "one class only: 'a'"),
        (check_members, np.array(["a", "a", "b"]), "least populated class in y, 'b', has only 1 member"),
        (
            check_members,
            np.array([7, 7, 4, 5]),
            r"classes in y, 4, 5, have only 1 member each.* the head 'ridge'",
        ),
        (classes_in, None, "requires y to be passed, but the target y is None"),
        (
            classes_in,
            [["a"], ["a", "b"]],
            r"target of image 0 in y is a list, \['a'\]. Give each label a column",
        ),
        (classes_in, [["a", "c"], ["a", "b"]], "target of image 0 in y is a list"),
        (classes_in, np.array([["a", "c"], ["a", "b"]]), "target of image 0 in y is a list"),
        (classes_in, [{"a"}, {"b"}], r"is a list, \{'a'\}. .*MultiLabelBinarizer"),
        (classes_in, ["a", ["a", "b"]], "target of image 1 in y is a list"),
        (labels_of, [[0, 1], [1]], "target of image 0 in y is a list"),
        (numbers_in, [[0.5, 1], [1]], "target of image 0 in y is a list"),
        (classes_in, [1.0, np.nan], "Input y contains NaN or None in row 1. Leave out"),
        (classes_in, ["a", np.nan, "b", None], "Input y contains NaN or None in row 1 and 1 more"),
        (classes_in, np.array(["a", None], object), "Input y contains NaN or None in row 1"),
        (classes_in, pd.Series(["a", pd.NA], dtype="string"), "Input y contains NaN or None in row 1"),
        (classes_in, pd.Categorical(["a", None]), "Input y contains NaN or None in row 1"),
        (classes_in, ["a", 1], "y mixes strings and numbers. Give labels of one type"),
        (classes_in, "cats", "y is a single value, 'cats'. Give a label or a number for each image"),
        (classes_in, np.array(["a", "a"]), "one class only: 'a'"),
        (numbers_in, None, "requires y to be passed, but the target y is None"),
        (numbers_in, [[1.0, 2.0], [np.nan, np.nan]], "in row 1. Leave out"),
        (numbers_in, [1, None], "Input y contains NaN or None in row 1"),
        (
            numbers_in,
            np.array(["a", "b"]),
            r"y holds 'a', but numbers are needed; for labels",
        ),
        (classes_in, [0.1, 0.7, 0.3], "Unknown label type: continuous"),
        (
            classes_in,
            [[1, 2], [3, 4]],
            "y has 2 columns of labels. Give one label for each image, columns of 0",
        ),
        (numbers_in, [1.0, np.nan], "Input y contains NaN"),
        (numbers_in, [1.0, np.inf], "Input y contains infinity"),
        (numbers_in, ["a", "b"], "y holds 'a', but numbers are needed"),
    ],
)
def test_what_is_no_target_is_refused_as_scikit_learn_does(read, y, message):
    """The words are those that its users know."""
    with pytest.raises(ValueError, match=message):
        read(y)


def test_a_column_of_labels_is_taken_with_a_warning():
    """As every classifier of scikit-learn does."""
    with pytest.warns(UserWarning, match="A column-vector y was passed"):
        assert labels_of([["a"], ["b"]]).shape == (2,)

"""A listing is cut, gone through and turned into a frame as scikit-learn's and pandas' users expect."""

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import train_test_split

from featx.images import ImageTable, load_table

FRAME = pd.DataFrame(
    {"path": list("abcd"), "kind": ["x", "y", "x", "z"], "size": [1.5, 2, 3, 4], "new": [1, 0, 1, 1]}
)


def listing(label):
    return load_table(FRAME, label=label, missing="keep")


@pytest.mark.parametrize("label", [None, "kind", "size", ["size", "new"]])
@pytest.mark.parametrize(
    "rows",
    [slice(1, 3), slice(None, None, -2), [0, 3], [-1], np.array([2, 2]), [True, False, True, False],
     np.array([False, True, False, False]), pd.Series([True, False, False, True]), [], np.array([], int)],
    ids=str,
)  # fmt: skip
def test_some_rows_are_a_listing_of_them(label, rows):
    """Labels stay with their images, and the classes are those that are left."""
    table = listing(label)
    some = table[rows]
    kept = FRAME.iloc[np.arange(4)[rows if isinstance(rows, slice) or len(rows) else slice(0)]]
    assert isinstance(some, ImageTable)
    assert some.paths.tolist() == kept["path"].tolist()
    if label is None:
        assert some.labels is None
    else:
        assert np.array_equal(some.labels, kept[label].to_numpy())
    wanted = (
        tuple(label)
        if isinstance(label, list)
        else tuple(sorted(set(kept["kind"])))
        if label == "kind"
        else ()
    )
    assert some.classes == wanted
    assert not some.ignored


@pytest.mark.parametrize("label", [None, "kind", ["size", "new"]])
def test_a_row_is_a_path_and_its_label(label):
    """By its number, from the front or the end, and one after the other."""
    table = listing(label)
    rows = list(table)
    assert [row.path for row in rows] == list("abcd")
    assert table[-1].path == table[np.int64(3)].path == "d"
    for number, (path, given) in enumerate(table):
        assert path == FRAME["path"][number]
        assert given is None if label is None else np.array_equal(given, FRAME[label].loc[number])


def test_scikit_learn_splits_a_listing():
    """As it does any sequence."""
    train, test = train_test_split(listing("kind").to_frame(), random_state=0)
    assert sorted([*train["path"], *test["path"]]) == list("abcd")


@pytest.mark.parametrize(
    ("label", "names"),
    [(None, ["path"]), ("size", ["path", "label"]), (["size", "new"], ["path", "size", "new"])],
)
def test_a_frame_of_it_is_a_table_again(label, names):
    """Each label column has its name."""
    table = listing(label)
    frame = table.to_frame()
    assert frame.columns.tolist() == names
    again = load_table(
        frame, label=None if label is None else names[1] if len(names) == 2 else names[1:], missing="keep"
    )
    assert again.paths.tolist() == table.paths.tolist()
    assert label is None or np.array_equal(again.labels, table.labels)


def test_a_frame_keeps_names_that_are_not_utf8_and_bytes():
    """As they are, so that the files are found."""
    paths = np.array(["caf\udce9.png", b"bytes"], object)
    assert ImageTable(paths, None, (), {}).to_frame()["path"].tolist() == paths.tolist()

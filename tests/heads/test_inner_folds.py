"""Folds inside a head."""

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from featx.heads.inner_folds import deal


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=2, max_size=40), st.integers(2, 6))
def test_dealing_spreads_each_class_evenly(y, count):
    """Each row is tested once, with others of its class to learn from; only single ones stay in training."""
    y = np.array(y)
    assume(max(np.bincount(y)) > 1)
    folds = list(deal(y, count))
    single = np.flatnonzero(np.bincount(y)[y] == 1)
    assert sorted(np.concatenate([*(test for _, test in folds), single])) == list(range(len(y)))
    for train, test in folds:
        assert sorted([*train, *test]) == list(range(len(y)))
        assert set(y[test]) <= set(y[train])
    for label in set(y) - set(y[single]):
        sizes = [(y[test] == label).sum() for _, test in folds]
        assert max(sizes) - min(sizes) <= 1

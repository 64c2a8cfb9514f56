"""What the cache promises: see docs/cache-format.md."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from featx.cache import EmbeddingCache

RECIPE = "0123456789abcdef" * 2


def make(numbers, dim=4):
    """Return ids and rows that are functions of a number, so that a wrong vector shows."""
    ids = np.array([[number % 3] * 8 + [number] * 8 for number in numbers], "u1").reshape(-1, 16)
    rows = np.array([[number * 10 + column for column in range(dim)] for number in numbers], "f4").reshape(-1, dim)
    return ids, rows


@given(puts=st.lists(st.lists(st.integers(0, 255), max_size=20), max_size=5), asked=st.lists(st.integers(0, 255)))
def test_gather_is_a_lookup_in_a_dict_of_all_puts(tmp_path_factory, puts, asked):
    """Whatever was put, in whatever pieces, each id asked for gets its own vector, or is not found."""
    cache = EmbeddingCache(tmp_path_factory.mktemp("cache"))
    for numbers in puts:
        cache.put(RECIPE, *make(numbers))
    ids, rows = make(asked)
    out = np.full((len(asked), 9), -1, "f4")
    found = cache.gather(RECIPE, ids, out[:, 2:6])
    assert found.tolist() == [number in set().union(*puts) for number in asked]
    assert np.array_equal(out[found, 2:6], rows[found])
    assert (out[:, [0, 1, 6, 7, 8]] == -1).all()

"""Pooling: one formula each, the same by NumPy and in a Keras graph."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featx.errors import InputError, UnknownNameError
from featx.networks.pooling import POOLINGS, columns, parts, pool

SHAPES = st.tuples(st.integers(1, 3), st.integers(1, 5), st.integers(1, 5), st.integers(1, 4))


def _maps(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


@settings(deadline=None, max_examples=25)
@given(SHAPES, st.sampled_from([*POOLINGS, "avg+std", "max+grid2+none"]))
def test_keras_agrees_with_numpy(shape, pooling):
    """The layer in the graph gives what the reference gives, to 1e-5."""
    from keras import ops

    maps = _maps(shape)

    np.testing.assert_allclose(
        np.asarray(pool(ops.convert_to_tensor(maps), pooling, ops)), pool(maps, pooling), rtol=1e-5, atol=1e-6
    )


@given(SHAPES, st.sampled_from([*POOLINGS, "std+avg"]))
def test_every_column_has_a_name(shape, pooling):
    """There are as many names as columns, all different."""
    names = columns(shape[1:], pooling)

    assert len(set(names)) == len(names) == pool(_maps(shape), pooling).shape[1]


@given(SHAPES)
def test_poolings_are_what_their_names_say(shape):
    """Against NumPy's own mean, maximum and standard deviation of each channel."""
    maps = _maps(shape)
    flat = maps.reshape(shape[0], -1, shape[-1])

    np.testing.assert_allclose(pool(maps, "avg"), flat.mean(1), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(pool(maps, "max"), flat.max(1))
    np.testing.assert_allclose(pool(maps, "std"), flat.std(1), rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(pool(maps, "none"), maps.reshape(shape[0], -1))


@given(SHAPES)
def test_gem_lies_between_mean_and_maximum(shape):
    """The generalised mean of positive maps is at least the mean and at most the maximum."""
    maps = np.abs(_maps(shape)) + 0.1
    gem = pool(maps, "gem")

    assert np.all(gem >= pool(maps, "avg") * (1 - 1e-5))
    assert np.all(gem <= pool(maps, "max") * (1 + 1e-5))


def test_grid2_gives_its_cells_row_by_row():
    """Top left, top right, bottom left, bottom right, each with all channels."""
    maps = np.zeros((1, 4, 6, 2), "float32")
    maps[0, :2, :3, 0], maps[0, :2, 3:, 0], maps[0, 2:, :3, 1], maps[0, 2:, 3:, 1] = 1, 2, 3, 4

    np.testing.assert_array_equal(pool(maps, "grid2"), [[1, 0, 2, 0, 0, 3, 0, 4]])


def test_grid2_shares_the_middle_of_an_odd_side():
    """Of three rows the middle one counts in the cells above and below it."""
    maps = np.array([0.0, 6.0, 12.0]).reshape(1, 3, 1, 1)

    np.testing.assert_array_equal(pool(maps, "grid2"), [[3, 3, 9, 9]])


def test_vectors_stay_as_they_are():
    """After a dense layer there is nothing to pool."""
    vectors = _maps((3, 5))

    assert pool(vectors, "max") is vectors
    assert columns((5,), "max+avg") == ["0", "1", "2", "3", "4"]


def test_unknown_pooling_is_named():
    """A slip gets the nearest name."""
    with pytest.raises(UnknownNameError, match=r"Unknown pooling 'agv'\. Did you mean 'avg'\?"):
        parts("max+agv")
    with pytest.raises(InputError, match="pooling must be a name such as 'avg'"):
        parts(3)


def test_tokens_cannot_be_pooled():
    """Three axes are neither maps nor vectors."""
    with pytest.raises(InputError, match=r"not \(2, 3, 4\)"):
        pool(_maps((2, 3, 4)))

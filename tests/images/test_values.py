"""Numbers of any range become uint8 RGB pixels, and those that cannot are told."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from featx.images.values import range_fault, to_rgb, to_uint8


@given(hnp.arrays("float64", 5, elements=st.floats(-3, 7)))
def test_to_uint8_is_linear_and_rounds(values):
    """The lowest number is 0, the highest 255, and the error of rounding is at most a half."""
    scaled = to_uint8(values, (-3, 7))
    assert np.abs(scaled - (values + 3) * 25.5).max() <= 0.5 + 1e-9
    assert to_uint8(np.array([-3.0, 7.0]), (-3, 7)).tolist() == [0, 255]


def test_bool_is_black_and_white():
    """True is white whatever the range."""
    assert to_uint8(np.array([False, True]), (0, 65535)).tolist() == [0, 255]


@pytest.mark.parametrize("dtype", ["uint8", "bool"])
def test_bytes_and_bool_have_no_range(dtype):
    """uint8 and bool are pixels as they are."""
    assert range_fault(np.array([0, 1], dtype=dtype), (5, 6)) is None


def test_rgb_is_returned_as_it_is():
    """No copy is made of what is RGB already."""
    rgb = np.zeros((2, 2, 3), np.uint8)
    assert to_rgb(rgb) is rgb

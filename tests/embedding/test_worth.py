"""What a precision changes, and whether it pays: said where it matters, and not otherwise. No test depends on time."""

import warnings

import numpy as np
import pytest

from featx.embedding.worth import cosines, say_if_slower, say_what_changes, seconds
from featx.errors import EngineWarning

PIXELS = np.zeros((2, 4, 4, 3), np.uint8)


class Fixed:
    """Give the same vectors to whatever comes, and count the calls."""

    def __init__(self, *taps):
        self.taps = [np.array(tap, np.float32) for tap in taps]
        self.calls = 0

    def run(self, parts):
        """Take each part for all of them."""
        for _ in parts:
            self.calls += 1
            yield self.taps


def test_cosines_are_means_over_images_for_each_tap():
    """Length does not count; where both vectors are 0 nothing was lost, where one is, all."""
    one = Fixed([[1, 0], [1, 0]], [[0, 0], [0, 0]])
    other = Fixed([[2, 0], [0, 3]], [[0, 0], [1, 0]])
    assert cosines(one, other, PIXELS) == [0.5, 0.5]


@pytest.mark.parametrize("worst", [0.949, 0.0, np.nan])
def test_a_network_that_changes_much_is_said_to(worst):
    """With the place and by how much."""
    with pytest.warns(
        EngineWarning, match="'net' changes much at int8: at 'b' the mean cosine to float32 is (0|nan)"
    ):
        say_what_changes("net", "int8", ["a", "b"], [0.99, worst])


def test_what_is_near_and_as_fast_is_not_spoken_of():
    """Nor what is slower by no more than such a measurement errs."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        say_what_changes("net", "int8", ["a", "b"], [0.99, 0.95])
        say_if_slower("net", "bfloat16", 1.0, 1.09)
        say_if_slower("net", "int8", 1.0, 1.19 / 1.8)
        say_if_slower("net", "int8", 0.0001, 0.0004)


INSTEAD = "Take precision='float32', unless vectors of"
PRECISIONS = {
    ("bfloat16", 2.7, 4.6): (
        "'net' is slower at bfloat16 than at float32 on this machine: 4.6 ms an image, against 2.7. "
        f"{INSTEAD} bfloat16 are needed."
    ),
    ("int8", 5.4, 4.5): (
        "'net' gains little at int8 on this machine: 4.5 ms an image, against 5.4 at float32, where 1.8 times as fast "
        f"is usual. {INSTEAD} int8 are needed."
    ),
    ("bfloat16", 5.4, 4.5): "",
}


@pytest.mark.parametrize(("precision", "float32", "other"), PRECISIONS)
def test_a_precision_that_does_not_pay_is_said_not_to(precision, float32, other):
    """With both times, in milliseconds. int8 is to be faster, bfloat16 not to be slower."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        say_if_slower("net", precision, float32 / 1000, other / 1000)
    assert "".join(str(one.message) for one in said) == PRECISIONS[precision, float32, other]


def test_engines_take_turns():
    """Each at least once, and all as often as the first."""
    engines = [Fixed([[1]]), Fixed([[1]])]
    assert min(seconds(engines, (4, 4))) > 0
    assert 1 <= engines[0].calls == engines[1].calls <= 3

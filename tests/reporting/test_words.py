"""The sentences of a report claim no more than was measured."""

import pytest

from featx.reporting.words import _data


@pytest.mark.parametrize(
    ("gain", "error", "said"),
    [
        (0.042, 0.010, "More images would help"),
        (0.042, 0.027, "More images may help or not"),
        (0.001, 0.027, "More images may help or not"),
        (0.002, 0.003, "More images of the same kind would hardly help"),
        (-0.020, 0.003, "More images of the same kind would hardly help"),
    ],
)
def test_more_images_are_called_of_no_use_only_where_that_is_known(gain, error, said):
    """A gain that may be large or none, for all that is known, is not called small."""
    curve = {"points": [{"images": 120}, {"images": 240}], "gain": gain, "error": error}
    (sentence,) = _data({"learning": curve})
    assert sentence.startswith(said)
    assert f"240 images to learn from instead of 120 brought {gain:+.3f} ± {error:.3f}" in sentence

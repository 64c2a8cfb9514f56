"""What a person reads when choices cannot be carried out: the whole message, for each mistake."""

from importlib.metadata import PackageNotFoundError

import numpy as np
import pytest

from featx import FeatureExtractor
from featx.errors import InputError

PIXELS = np.zeros((2, 32, 32, 3), np.uint8)


def at_int8(**choices):
    """Give a function that runs featx-mini at int8."""
    return lambda: FeatureExtractor(precision="int8", depth=1, input_size=32, **choices).transform(PIXELS)


MESSAGES = {
    "int8 on Keras": (
        at_int8(engine="keras"),
        InputError,
        "int8 runs on OpenVINO, not on Keras: take engine='auto', or precision='bfloat16', which runs on both.",
    ),
    "nothing to calibrate on": (
        at_int8(calibration=[]),
        InputError,
        "calibration: X is empty: 0 sample(s) were given, and at least one image is needed.",
    ),
    "a missing file to calibrate on": (
        at_int8(calibration=["nowhere.jpg"]),
        InputError,
        "calibration: 'nowhere.jpg' cannot be read (*). Leave it out or replace it.",
    ),
}


@pytest.mark.parametrize("mistake", MESSAGES)
def test_messages(mistake, says):
    """Given, expected, what to do."""
    says(*MESSAGES[mistake])


def test_what_int8_needs_is_said(says, monkeypatch):
    """Where NNCF is not installed."""

    def missing(package):
        raise PackageNotFoundError(package)

    monkeypatch.setattr("featx.embedding.calibration.version", missing)
    says(
        at_int8(),
        InputError,
        "precision='int8' needs NNCF, and it is not installed: pip install 'featx[int8]'.",
    )

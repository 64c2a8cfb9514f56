"""What a person reads when a network cannot be tuned: the whole message, for each mistake."""

import numpy as np
import pytest

from featx import FeatureExtractor, FineTuner
from featx.errors import InputError

IMAGES, LABELS = np.zeros((6, 16, 16, 3), "u1"), ["ant", "bee"] * 3


def fit(message, **choices):
    return lambda: FineTuner("featx-mini", **choices).fit(IMAGES, LABELS), InputError, message


def bare():
    """Tune a network that has no weights but kernels."""
    from keras import Input, Sequential, layers

    network = Sequential([Input((16, 16, 3)), layers.Conv2D(2, 3, use_bias=False)])
    extractor = FeatureExtractor(network, scaling="unit", cache=None)
    FineTuner(extractor, stages="norm", head=None, validation=None).fit(IMAGES, LABELS)


MESSAGES = {
    **{
        f"stages={given!r}": fit(
            f"stages={given!r}: give the number of the last stages to tune, 0 or more, or one of 'all', 'norm', "
            "'auto'.",
            stages=given,
        )
        for given in ("last", -1, 1.5, True)
    },
    **{
        f"average={given!r}": fit(
            f"average={given!r}: give 'auto', None, or the share of the tuned network, from 0 to 1.",
            average=given,
        )
        for given in ("half", -0.1, 1.5, True)
    },
    "a share of random weights": (
        lambda: FineTuner(FeatureExtractor(weights=None), average=0.5).fit(IMAGES, LABELS),
        InputError,
        (
            "average=0.5 mixes the tuned network with what it began as, which is random with weights=None. Give "
            "average='auto' or None."
        ),
    ),
    "nothing held out to choose by": fit(
        "stages='auto' is chosen on images held out, but validation=None holds out 0 of 6. Give a larger validation, "
        "or as stages a number, 'norm' or 'all'.",
        stages="auto",
        validation=None,
    ),
    "no scales, shifts or biases": (
        bare,
        InputError,
        (
            "stages='norm' tunes the scales and shifts of normalisation and the biases, but this network has none. "
            "Give a number of stages, or 'all'."
        ),
    ),
}


@pytest.mark.parametrize("mistake", MESSAGES)
def test_a_mistake_is_told_in_whole(mistake, says):
    """What was given, what was expected, what to do."""
    says(*MESSAGES[mistake])

"""What a person reads when a network cannot be used: the whole message, for each mistake."""

import keras
import pytest
from keras import layers

from featx.embedding import FeatureExtractor
from featx.errors import WeightsError


class Scale(layers.Layer):
    """A layer that is not registered."""

    def call(self, inputs):
        """Double the pixels."""
        return inputs * 2


def saved(*begin, to="net.keras"):
    keras.Sequential([keras.Input((8, 8, 3)), *begin, layers.Conv2D(2, 3)]).save(to)
    return to


def double(x):
    return 2 * x


def used(backbone, **choices):
    return FeatureExtractor(backbone, cache=None, **choices).plan()


MESSAGES = {
    "code in a file": (
        lambda: used(saved(layers.Lambda(lambda x: x * 2))),
        WeightsError,
        (
            "net.keras needs code that is not part of Keras: a Lambda layer with code in the file. If you trust its "
            "source, load it in Python and pass the model: "
            "FeatureExtractor(keras.saving.load_model('net.keras', safe_mode=False))."
        ),
    ),
    "a layer that is not registered": (
        lambda: used(saved(Scale())),
        WeightsError,
        (
            "net.keras needs code that is not part of Keras: 'Scale'. If you trust its source, load it in Python and "
            "pass the model: FeatureExtractor(keras.saving.load_model('net.keras', custom_objects={'Scale': Scale}))."
        ),
    ),
    "both": (
        lambda: used(saved(Scale(), layers.Lambda(double), layers.Lambda(lambda x: x * 2))),
        WeightsError,
        (
            "net.keras needs code that is not part of Keras: a Lambda layer with code in the file, 'Scale', 'double'. "
            "If you trust its source, load it in Python and pass the model: "
            "FeatureExtractor(keras.saving.load_model('net.keras', "
            "custom_objects={'Scale': Scale, 'double': double}, safe_mode=False))."
        ),
    ),
}


@pytest.mark.filterwarnings("ignore:The object being serialized includes a `lambda`")
@pytest.mark.parametrize("mistake", MESSAGES)
def test_says(mistake, says):
    says(*MESSAGES[mistake])

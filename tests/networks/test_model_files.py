"""Whole Keras models as files: loaded without running code that they bring."""

import keras
import pytest
from keras import layers

from featx.errors import WeightsError
from featx.networks.model_files import load_model


@keras.saving.register_keras_serializable("test_model_files")
class Known(layers.Layer):
    """A layer that Keras finds by itself."""

    def call(self, inputs):
        """Do nothing."""
        return inputs


def network(*begin):
    return keras.Sequential([keras.Input((8, 8, 3)), *begin, layers.Conv2D(2, 3)])


def test_code_in_a_keras_file_is_not_run(tmp_path):
    """A Lambda layer in a stranger's file is refused, and runs only where it is trusted by name."""
    network(layers.Lambda(lambda x: x * 2)).save(tmp_path / "hostile.keras")

    with pytest.raises(
        WeightsError, match=r"hostile\.keras needs code that is not part of Keras: a Lambda layer"
    ):
        load_model(tmp_path / "hostile.keras")
    assert load_model(tmp_path / "hostile.keras", ["keras.layers.Lambda"]).layers[0].function(2) == 4


def test_a_registered_layer_needs_no_more(tmp_path):
    """Who registers a class has said that models may use it."""
    network(Known()).save(tmp_path / "known.keras")

    assert isinstance(load_model(tmp_path / "known.keras").layers[0], Known)

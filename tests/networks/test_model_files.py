"""Whole Keras models as files: loaded without running code that they bring."""

import json
import shutil

import h5py
import keras
import numpy as np
import pytest
from keras import layers

from featx.embedding import FeatureExtractor
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


IMAGES = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)


def of_keras_2(config, modules):
    """Write a configuration of Keras 3 as Keras 2 did, which named modules only in its last years."""
    if isinstance(config, list):
        return [of_keras_2(value, modules) for value in config]
    if not isinstance(config, dict):
        return config
    name = config.get("class_name")
    if name in {"DTypePolicy", "__keras_tensor__"}:
        return config["config"]["name" if name == "DTypePolicy" else "keras_history"]
    new = {
        key: of_keras_2(value, modules)
        for key, value in config.items()
        if key not in {"module", "registered_name"}
    }
    if "batch_shape" in new:
        new["batch_input_shape"] = new.pop("batch_shape")
    if new.get("inbound_nodes"):
        new["inbound_nodes"] = [
            [[*tensor, {}] for tensor in _tensors(call["args"])] for call in new["inbound_nodes"]
        ]
    if name in CHANGES:
        CHANGES[name](new["config"])
    if modules and isinstance(new.get("config"), dict) and name:
        new["module"] = "tf_keras.src.engine.functional" if name == "Functional" else "keras.layers"
        new["registered_name"] = "Functional" if name == "Functional" else None
    return new


def _listed(config):
    for key in ("input_layers", "output_layers"):
        if not isinstance(config[key][0], list):
            config[key] = [config[key]]


CHANGES = {
    "DepthwiseConv2D": lambda config: config.update(groups=1),
    "BatchNormalization": lambda config: config.update(axis=[3]),
    "Functional": _listed,
}


def _tensors(args):
    """Give the tensors of a call, [layer, node, output], however deep they lie."""
    if isinstance(args, list) and len(args) == 3 and isinstance(args[0], str):
        return [args]
    return [tensor for part in args for tensor in _tensors(part)] if isinstance(args, list) else []


@pytest.mark.parametrize("modules", [False, True], ids=["older", "newer"])
def test_a_file_of_teachable_machine_is_a_backbone(modules, tmp_path):
    """Its networks lie two deep, and its DepthwiseConv2D has `groups`, which Keras 3 refuses; its own vectors come."""
    keras.utils.set_random_seed(0)
    base = keras.applications.MobileNetV2((32, 32, 3), alpha=0.35, weights=None, include_top=False)
    inner = keras.Model(base.input, base.get_layer("block_6_expand_relu").output, name="model1")
    first = keras.Sequential(
        [keras.Input((32, 32, 3)), inner, layers.GlobalAveragePooling2D()], name="sequential_1"
    )
    head = [layers.Dense(100, activation="relu"), layers.Dense(2, "softmax", use_bias=False)]
    second = keras.Sequential([keras.Input((96,)), *head], name="sequential_3")
    model = keras.Sequential([keras.Input((32, 32, 3)), first, second], name="sequential_4")
    path = tmp_path / "keras_model.h5"
    model.save(path)
    with h5py.File(path, "a") as file:
        file.attrs["model_config"] = json.dumps(of_keras_2(json.loads(file.attrs["model_config"]), modules))
    with pytest.raises(Exception, match=r"groups|Functional|Sequential"):  # as it is, Keras does not load it
        keras.saving.load_model(path, compile=False)

    extractor = FeatureExtractor(path, scaling="tf", depth=-1, pooling="avg", cache=None)
    expected = first.predict(IMAGES / np.float32(127.5) - 1, verbose=0)
    assert np.abs(extractor.transform(IMAGES) - expected).max() <= 1e-5 * np.abs(expected).max()
    assert extractor.plan().taps[0].layer == "sequential_1/model1/block_6_expand_relu"
    assert [type(layer).__module__.split(".")[0] for layer in load_model(path).layers] == ["keras", "keras"]


@pytest.mark.parametrize(
    ("written", "called"), [("h5", "h5"), ("h5", "hdf5"), ("h5", "keras"), ("keras", "h5"), ("keras", "H5")]
)
def test_a_file_is_known_by_its_content(written, called, tmp_path):
    """HDF5 that is called .keras, and the other way round: the same numbers."""
    model = network(layers.Conv2D(3, 3))
    model.save(tmp_path / f"net.{written}")
    (tmp_path / "new").mkdir()
    path = shutil.copyfile(tmp_path / f"net.{written}", tmp_path / "new" / f"net.{called}")
    noise = np.ones((1, 8, 8, 3), "float32")
    np.testing.assert_array_equal(load_model(path)(noise), model(noise))
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]

"""Networks with code of one's own inside a saved model: what it takes to load them is said when they are saved."""

import subprocess
import sys
import warnings
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers
from sklearn.pipeline import make_pipeline

from featx.embedding import FeatureExtractor
from featx.errors import SavedModelError, SavedModelWarning
from featx.finetuning import FineTuner
from featx.heads import make_head
from featx.images import synthetic
from featx.saving import load, save
from featx.transfer import TransferClassifier

SHOP = """
import keras

class Scale(keras.layers.Layer):
    def __init__(self, factor=1.0, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, inputs):
        return inputs * self.factor

    def get_config(self):
        return {**super().get_config(), "factor": self.factor}

@keras.saving.register_keras_serializable("shop")
class Known(Scale):
    pass

def double(x):
    return 2 * x

def twos(shape, dtype=None):
    return 2 * keras.ops.ones(shape, dtype)

def gelu(x):
    return 3 * x
"""
IMAGES, LABELS = synthetic(n=12, classes=2, size=16, random_state=0)


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """Make a module with code of a user's own."""
    folder = tmp_path_factory.mktemp("module")
    (folder / "shop.py").write_text(SHOP)
    sys.path.insert(0, str(folder))
    import shop

    yield shop
    sys.path.remove(str(folder))


def network(*begin):
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input((16, 16, 3)), *begin, layers.Conv2D(4, 3, name="conv")], name="own")


def fitted(model):
    extractor = FeatureExtractor(model, depth="conv", pooling="avg", scaling="unit", cache=None)
    return make_pipeline(extractor, make_head("knn", n_neighbors=1)).fit(IMAGES, LABELS)


OWN = {
    "a lambda": (lambda _: layers.Lambda(lambda x: x * 2), ["keras.layers.Lambda"]),
    "a named function": (lambda shop: layers.Lambda(shop.double), ["shop.double"]),
    "a function of Keras": (
        lambda _: layers.Lambda(keras.applications.resnet50.preprocess_input),
        ["keras.applications.resnet.preprocess_input"],
    ),
    "a layer that is not registered": (lambda shop: shop.Scale(2.0), ["shop.Scale"]),
    "a layer in a network in the network": (
        lambda shop: keras.Sequential([keras.Input((16, 16, 3)), shop.Scale(2.0)]),
        ["shop.Scale"],
    ),
    "an activation": (lambda shop: layers.Conv2D(3, 1, activation=shop.double), ["shop.double"]),
    "an initializer": (lambda shop: layers.Conv2D(3, 1, kernel_initializer=shop.twos), ["shop.twos"]),
    "a registered layer": (lambda shop: shop.Known(2.0), ["shop.Known"]),
}


def said_by_save(estimator, folder):
    """Save, and give what it warns of."""
    with pytest.warns(SavedModelWarning) as seen:
        save(estimator, folder)
    return [str(one.message) for one in seen if issubclass(one.category, SavedModelWarning)]


@pytest.mark.parametrize("what", OWN)
def test_save_says_what_load_needs_and_load_takes_it(what, shop, tmp_path):
    """Every kind of code of one's own: a warning at save, the same words at load, and then the same vectors."""
    make, trusted = OWN[what]
    pipe = fitted(network(make(shop)))
    said = f"pass trusted={trusted!r} to load, after a look at what these do."
    assert said_by_save(pipe, tmp_path / "m") == [f"To load this model, {said}"]
    if what != "a registered layer":  # which Keras knows here, in the process that defined it
        with pytest.raises(SavedModelError, match="holds types that are not trusted") as caught:
            load(tmp_path / "m")
        assert str(caught.value).endswith(f"If its source is, {said}")
    loaded = load(tmp_path / "m", trusted=trusted)
    np.testing.assert_array_equal(loaded[0].transform(IMAGES), pipe[0].transform(IMAGES))


@pytest.mark.slow
def test_a_registered_layer_is_imported_where_it_is_trusted(shop, tmp_path):
    """In another process Keras does not know it until its module is imported."""
    pipe = fitted(network(shop.Known(2.0)))
    said_by_save(pipe, tmp_path / "m")
    np.save(tmp_path / "images", IMAGES)
    program = """
import sys, numpy as np
sys.path.insert(0, sys.argv[1])
from featx.saving import load
try:
    load("m")
except ValueError as error:
    print(error)
np.save("vectors", load("m", trusted=["shop.Known"])[0].transform(np.load("images.npy")))
"""
    done = subprocess.run(
        [sys.executable, "-c", program, Path(shop.__file__).parent],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "pass trusted=['shop.Known'] to load" in done.stdout
    np.testing.assert_array_equal(np.load(tmp_path / "vectors.npy"), pipe[0].transform(IMAGES))


def test_what_has_no_name_to_import_is_made_known_by_hand(tmp_path):
    """A class defined inside a function: the scope that the warning names makes it load."""

    class Local(layers.Layer):
        def call(self, inputs):
            return inputs * 2

    pipe = fitted(network(Local()))
    scope = "call load inside keras.saving.custom_object_scope({'Local': Local})."
    assert said_by_save(pipe, tmp_path / "m") == [f"To load this model, {scope}"]
    with pytest.raises(SavedModelError) as caught:
        load(tmp_path / "m")
    assert str(caught.value) == f"'{tmp_path / 'm'}' needs code that Keras does not know: {scope}"
    with keras.saving.custom_object_scope({"Local": Local}):
        loaded = load(tmp_path / "m")
    np.testing.assert_array_equal(loaded[0].transform(IMAGES), pipe[0].transform(IMAGES))


def test_what_will_never_load_is_said_at_save(shop, tmp_path):
    """Keras writes these, and cannot make the same network again from what it wrote."""

    class Forgetful(layers.Layer):
        def __init__(self, factor=1.0):
            super().__init__()
            self.factor = factor

        def call(self, inputs):
            return inputs * self.factor

    def double(x):
        return 3 * x

    both = keras.Sequential([layers.Lambda(double), layers.Lambda(shop.double)])
    for number, (begin, why) in enumerate(
        [
            (
                layers.Lambda(lambda x: keras.ops.abs(x) + 1),
                "cannot be run when it is loaded again (name 'keras' is not defined)",
            ),
            (Forgetful(2.0), "cannot be made again from its file ("),
            (layers.Activation(shop.gelu), "gives other numbers when it is loaded again"),
            (both, "holds two different things called 'double', which its file does not tell apart"),
        ]
    ):
        (said,) = said_by_save(fitted(network(begin)), tmp_path / str(number))
        assert said.startswith(f"This model will not load: the network 'own' {why}")
        assert said.endswith(
            "Write code of your own as a layer that has a get_config and is registered by "
            "keras.saving.register_keras_serializable()."
        )


def test_a_network_that_keras_cannot_write_is_an_error_and_leaves_nothing(tmp_path):
    """A layer that keeps something no file can hold, without a get_config."""

    class Closed(layers.Layer):
        def __init__(self, table):
            super().__init__()
            self.table = table

        def call(self, inputs):
            return inputs + self.table.sum()

    extractor = FeatureExtractor(network(Closed(np.ones(3))), cache=None).fit(IMAGES)
    with pytest.raises(
        SavedModelError, match="The network 'own' cannot be written: Object Closed was created"
    ):
        save(extractor, tmp_path / "m")
    assert list(tmp_path.iterdir()) == []


def test_a_network_of_keras_own_layers_saves_without_a_word(tmp_path):
    """Nothing to trust, nothing to say; also for operators and nested networks."""
    inputs = keras.Input((16, 16, 3))
    model = keras.Model(inputs, keras.ops.sqrt(network(layers.Activation("gelu"))(inputs / 255 + 9)))
    extractor = FeatureExtractor(model, depth=-1, pooling="avg", scaling="none", cache=None).fit(IMAGES)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        save(extractor, tmp_path / "m")
        found = load(tmp_path / "m").transform(IMAGES)
    np.testing.assert_array_equal(found, extractor.transform(IMAGES))


@pytest.mark.parametrize("kind", ["FineTuner", "TransferClassifier"])
def test_a_tuned_network_says_the_same(kind, tmp_path):
    """The networks that a tuner has made hold the code of the one that it began with."""
    extractor = FeatureExtractor(
        network(layers.Lambda(lambda x: x * 2)), depth="conv", pooling="avg", scaling="unit", cache=None
    )
    tuner = FineTuner(extractor, epochs=1, validation=None, random_state=0)
    if kind == "TransferClassifier":
        tuner = TransferClassifier(extractor, strategy="end", cv=2, random_state=0)
    tuner.fit(IMAGES, LABELS)
    assert said_by_save(tuner, tmp_path / "m") == [
        "To load this model, pass trusted=['keras.layers.Lambda'] to load, after a look at what these do."
    ]
    loaded = load(tmp_path / "m", trusted=["keras.layers.Lambda"])
    np.testing.assert_array_equal(loaded.predict(IMAGES), tuner.predict(IMAGES))


def test_trusting_what_is_not_there_is_said(shop, tmp_path):
    """A module that cannot be imported, and a name that it does not have."""
    said_by_save(fitted(network(shop.Scale(2.0))), tmp_path / "m")
    with pytest.raises(
        SavedModelError, match=r"trusted='nowhere\.Scale' cannot be imported: No module named 'nowhere'"
    ):
        load(tmp_path / "m", trusted=["nowhere.Scale"])

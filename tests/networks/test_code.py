"""What of a network is code."""

import functools
import importlib
import sys
import time

import numpy as np
import pytest

from featx.errors import InputError
from featx.networks.code import code_digest


@pytest.fixture(scope="module")
def keras():
    import keras

    return keras


def of(keras, function):
    return code_digest([keras.layers.Lambda(function)])


FACTOR = 2.0


def scaled(x):
    return x * FACTOR


def indirectly(x):
    return scaled(x) + 1


def test_networks_of_keras_alone_have_no_code_of_their_own(keras):
    """All layers of a few families, operators among them, say nothing."""
    for builder in (keras.applications.MobileNetV3Small, keras.applications.EfficientNetV2B0):
        network = builder(weights=None, include_top=False, input_shape=(64, 64, 3))
        assert code_digest(network.operations) is None


def test_functions_that_differ_are_told_apart(keras):
    """Another constant, another operation, another name taken from a library."""
    applications = keras.applications
    functions = [
        lambda x: 2 * x,
        lambda x: 3 * x,
        lambda x: 2 + x,
        lambda x: keras.ops.relu(x) + 0,
        lambda x: keras.ops.relu6(x) + 0,
        applications.resnet50.preprocess_input,
        applications.mobilenet_v2.preprocess_input,
        functools.partial(applications.imagenet_utils.preprocess_input, mode="tf"),
        functools.partial(applications.imagenet_utils.preprocess_input, mode="torch"),
        lambda x, by=2.0: x * by,
        lambda x, by=2.5: x * by,
        scaled,
    ]
    digests = [of(keras, function) for function in functions]

    assert None not in digests
    assert len(set(digests)) == len(functions)


def test_the_same_function_written_twice_is_the_same(keras):
    """Neither names of arguments' objects nor lines nor addresses count."""
    made = [eval("lambda x: x * 2 + 1") for _ in range(2)]

    assert of(keras, made[0]) == of(keras, made[1])


def test_what_a_function_reads_counts(keras, monkeypatch):
    """A global, also of a function that it calls; a variable around it; an array; an attribute of its own."""
    before = of(keras, scaled), of(keras, indirectly)
    monkeypatch.setitem(globals(), "FACTOR", 3.0)
    assert of(keras, scaled) != before[0]
    assert of(keras, indirectly) != before[1]

    def around(by):
        return lambda x: x * by

    digests = [of(keras, around(by)) for by in (1.0, 2.0, np.ones(3), np.full(3, 2.0), [1, 2], {"by": 1})]
    assert len(set(digests)) == len(digests)
    assert of(keras, around(np.ones(3))) == of(keras, around(np.ones(3)))


def test_an_edited_module_counts(keras, tmp_path, monkeypatch):
    """A function of a file of one's own, edited and loaded anew, is another one, however it is reached."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    digests = set()
    for factor in (2, 3):
        (tmp_path / "my_scaling.py").write_text(
            f"def half(x):\n    return x / {factor}\n\ndef scale(x):\n    return half(x)\n"
        )
        importlib.invalidate_caches()
        sys.modules.pop("my_scaling", None)
        module = importlib.import_module("my_scaling")
        digests |= {of(keras, module.scale), of(keras, lambda x: module.scale(x))}  # noqa: B023, PLW0108
    sys.modules.pop("my_scaling")

    assert len(digests) == 4


def custom(keras, body, **given):
    class Scale(keras.layers.Layer):
        def __init__(self, by=1.0, **kwargs):
            super().__init__(**kwargs)
            self.by = by

        call = body

    return Scale(**given)


def test_layers_of_ones_own_count_by_their_code_and_their_attributes(keras):
    """What `call` does, and what was kept in attributes that the configuration does not have."""
    times = [custom(keras, lambda self, x: x * self.by, by=by) for by in (1.0, 2.0)]
    plus = custom(keras, lambda self, x: x + self.by)
    digests = [code_digest([layer]) for layer in (*times, plus)]

    assert None not in digests
    assert len(set(digests)) == 3
    assert code_digest([custom(keras, lambda self, x: x * self.by)]) == digests[0]


def test_an_activation_of_ones_own_counts(keras):
    """A function given to a layer of Keras, and a method put on a layer in place of its own."""
    layer = keras.layers.Conv2D(2, 1, activation=lambda x: x * 2)
    other = keras.layers.Conv2D(2, 1, activation=lambda x: x * 3)
    patched = keras.layers.ReLU()
    patched.call = lambda x: x

    assert len({code_digest([layer]), code_digest([other]), code_digest([patched]), None}) == 4
    assert code_digest([keras.layers.Conv2D(2, 1, activation="swish")]) is None


def test_layers_inside_layers_are_read(keras):
    """A wrapper around a layer of one's own."""
    inner = custom(keras, lambda self, x: x * self.by, by=5.0)

    assert code_digest([keras.layers.TimeDistributed(inner)]) is not None


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (lambda x: x * time.time(), r"it uses time\.time"),
        (lambda x: x * len(open("factor.txt").read()), r"it uses io\.open"),  # noqa: PTH123, SIM115
        (lambda x: x * np.load("factor.npy"), r"it uses numpy.*\.load"),
        (lambda x: x * np.random.rand(), "it draws random numbers"),  # noqa: NPY002
    ],
)
def test_code_that_looks_outside_is_refused(keras, function, reason):
    """The clock, files and random numbers: the error names the layer and what it does."""
    with pytest.raises(InputError, match=f"code of its layer 'lambda.*cannot be known: {reason}"):
        of(keras, function)


def test_code_that_keeps_count_is_refused(keras):
    """A function that changes a global variable gives another answer each time."""

    def counting(x):
        global FACTOR  # noqa: PLW0603
        FACTOR += 1
        return x

    with pytest.raises(InputError, match="changes the global variable 'FACTOR'"):
        of(keras, counting)


def test_using_a_layer_does_not_change_its_code(keras, tmp_path):
    """Calling it, predicting with it and exporting it leave attributes on it that are not its own."""
    pixels = keras.Input((8, 8, 3))
    layer = custom(keras, lambda self, x: x * self.by, by=2.0)
    network = keras.Model(pixels, layer(pixels))
    before = code_digest([layer])
    network.predict(np.zeros((1, 8, 8, 3)), verbose=0)
    network.export(tmp_path / "exported", format="tf_saved_model", verbose=False)

    assert code_digest([layer]) == before

"""The identity rule: equal content and equal choices, and nothing else, give equal names."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from featx.cache.identity import array_digest, digest, graph_digest, image_id, recipe_id, weights_digest

ARRAYS = hnp.arrays(
    st.sampled_from(["uint8", "uint16", "float32", "int64"]), hnp.array_shapes(max_dims=4, max_side=4)
)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=5)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(st.binary(max_size=6), max_size=4), st.lists(st.binary(max_size=6), max_size=4))
def test_digest_tells_lists_of_parts_apart(left, right):
    """Two lists of parts have one digest only if they are equal, however they are split."""
    assert (digest(*left) == digest(*right)) == (left == right)


@given(ARRAYS)
def test_array_digest_does_not_see_memory_layout(array):
    """Order in memory and byte order change nothing."""
    expected = array_digest(array)

    assert array_digest(np.asfortranarray(array)) == expected
    assert array_digest(array.astype(array.dtype.newbyteorder(">"))) == expected
    assert array_digest(np.repeat(array, 2, axis=-1)[..., ::2]) == expected


@given(ARRAYS, st.data())
def test_array_digest_sees_every_element(array, choose):
    """Changing one element, the shape or the dtype changes the digest."""
    place = choose.draw(st.integers(0, array.size - 1))
    changed = array.copy()
    changed.flat[place] = 1 if array.flat[place] == 0 else 0
    others = [changed, array[None], array.astype("complex64")]

    assert all(array_digest(other) != array_digest(array) for other in others)


@given(st.binary(max_size=40))
def test_files_and_arrays_never_share_an_id(data):
    """A file's bytes and an array of the same bytes are different images."""
    assert image_id(data) != image_id(np.frombuffer(data, np.uint8))


@given(st.dictionaries(st.text(max_size=4), JSON, min_size=1, max_size=4), st.randoms(use_true_random=False))
def test_recipe_id_ignores_the_order_of_keys(recipe, random):
    """The order in which choices are written down does not matter."""
    keys = list(recipe)
    random.shuffle(keys)

    assert recipe_id({key: recipe[key] for key in keys}) == recipe_id(recipe)


@given(JSON, JSON)
def test_recipe_id_sees_every_value(left, right):
    """Two recipes share a name only if their JSON is equal."""
    import json

    same = json.dumps(left, sort_keys=True) == json.dumps(right, sort_keys=True)

    assert (recipe_id({"choice": left}) == recipe_id({"choice": right})) == same


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), b"bytes"])
def test_recipe_id_refuses_what_json_cannot_say(value):
    """A value without an exact JSON form is an error, not a name that depends on an address."""
    with pytest.raises((TypeError, ValueError), match="JSON"):
        recipe_id({"choice": value})


def test_weights_digest_sees_order_and_values():
    """Swapped or changed weights are other weights."""
    one, two = np.ones((2, 2), "float32"), np.zeros((2, 2), "float32")

    assert weights_digest([one, two]) != weights_digest([two, one])
    assert weights_digest([one, two]) == weights_digest(iter([one.copy(), two.copy()]))


def _network(stride=1, nested=False, name=None):
    import keras

    inputs = keras.Input((8, 8, 3))
    hidden = keras.layers.Conv2D(4, 3, strides=stride, name=name)(inputs)
    if nested:
        inner = keras.Sequential([keras.Input(hidden.shape[1:]), keras.layers.Conv2D(2, 1, strides=stride)])
        hidden = inner(hidden)
    merged = keras.layers.Add()([hidden, hidden])
    return keras.Model(inputs, [merged, hidden])


@pytest.mark.parametrize("nested", [False, True])
def test_graph_digest_does_not_see_names(nested):
    """The same network built twice, with other automatic names or names given, has one digest."""
    expected = graph_digest(_network(nested=nested).get_config())

    assert graph_digest(_network(nested=nested).get_config()) == expected
    assert graph_digest(_network(nested=nested, name="stem").get_config()) == expected


@pytest.mark.parametrize("nested", [False, True])
def test_graph_digest_sees_the_configuration(nested):
    """Another stride, or the outputs in another order, is another graph."""
    network = _network(nested=nested)
    expected = graph_digest(network.get_config())

    import keras

    assert graph_digest(_network(stride=2, nested=nested).get_config()) != expected
    assert graph_digest(keras.Model(network.input, network.outputs[::-1]).get_config()) != expected


def test_ids_are_the_same_in_every_process():
    """Names do not depend on the process, its hash seed or its environment."""
    program = (
        "import numpy as np; from featx.cache.identity import *;"
        "print(image_id(np.arange(6).reshape(2, 3)).hex(), recipe_id({'a': 1, 'b': [1.5, 'x']}))"
    )
    printed = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout

    assert printed.split() == [
        image_id(np.arange(6).reshape(2, 3)).hex(),
        recipe_id({"b": [1.5, "x"], "a": 1}),
    ]

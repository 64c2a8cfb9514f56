"""What a network is: nothing that decides its numbers is left out of its recipe, and nothing else is computed."""

import sys

import numpy as np
import pytest

from featx import EmbeddingCache, FeatureExtractor
from featx.embedding import plan as planning
from featx.errors import CacheWarning, ImageError, InputError, UnknownNameError, WeightsError

X = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype="uint8")
LARGER = np.random.default_rng(1).integers(0, 256, (2, 64, 64, 3), dtype="uint8")


@pytest.fixture(scope="module")
def keras():
    import keras

    return keras


def seeded(network, scale=0.2):
    draws = np.random.default_rng(3)
    network.set_weights(
        [np.abs(draws.normal(0, scale, weight.shape)).astype("float32") for weight in network.get_weights()]
    )
    return network


def with_start(keras, start, name="c"):
    """Make a network that does something to the pixels before its first convolution."""
    pixels = keras.Input((32, 32, 3))
    return seeded(keras.Model(pixels, keras.layers.Conv2D(4, 3, name=name)(start(pixels))))


def vectors(network, **choices):
    choices = {"depth": "c", "pooling": "avg", "cache": None} | choices
    return FeatureExtractor(network, **choices).fit_transform(X)


def reference(network, pixels):
    """Pool what Keras itself gives."""
    return network.predict(pixels.astype("float32"), verbose=0).mean((1, 2))


def close(found, expected, tolerance=1e-5):
    return np.abs(found - expected).max() <= tolerance * np.abs(expected).max()


# ------------------------------------------------------------------------------------------------ code


def test_two_lambdas_are_two_networks(keras, tmp_path):
    """Same configuration, same weights, other code: each gets its own vectors, also from one cache."""
    applications = keras.applications
    for function in (applications.resnet50.preprocess_input, applications.mobilenet_v2.preprocess_input):
        network = with_start(keras, keras.layers.Lambda(function))
        found = vectors(network, scaling="none", cache=tmp_path / "cache")
        assert close(found, reference(network, X))


def test_an_edited_function_is_another_network(keras, tmp_path):
    """A custom activation whose code changes between two uses of one model."""

    def network(factor):
        pixels = keras.Input((32, 32, 3))
        layer = keras.layers.Conv2D(4, 3, name="c", activation=lambda x: x * factor)
        return seeded(keras.Model(pixels, layer(pixels)))

    one, two = (vectors(network(factor), scaling="unit", cache=tmp_path) for factor in (1.0, 2.0))

    assert close(two, 2 * one)


@pytest.mark.parametrize("says", ["nothing", "less", "no name"])
@pytest.mark.parametrize("form", ["functional", "sequential", "nested"])
def test_a_layer_whose_configuration_says_too_little_is_known_by_its_code(keras, tmp_path, says, form):
    """Without a get_config, or with one that leaves something out: the right vectors, of each by itself."""

    class Times(keras.layers.Layer):
        def __init__(self, factor):
            super().__init__()
            self.factor = factor

        def call(self, inputs):
            return inputs * self.factor

        if says == "less":

            def get_config(self):
                return super().get_config()

        if says == "no name":

            def get_config(self):
                return {"kind": "times"}

    for factor in (1 / 128, 1 / 32):
        times, conv = Times(factor), keras.layers.Conv2D(4, 3, name="c")
        network = keras.Sequential([keras.Input((32, 32, 3)), times, conv])
        if form == "functional":
            pixels = keras.Input((32, 32, 3))
            network = keras.Model(pixels, conv(times(pixels)))
        if form == "nested":
            network = keras.Sequential([keras.Input((32, 32, 3)), network])
        seeded(network)
        found = vectors(network, scaling="none", cache=tmp_path / "cache")
        assert close(found, reference(network, X))
    assert len(EmbeddingCache(tmp_path / "cache").info()) == 2


def test_what_cannot_be_known_is_not_cached_and_said_once(keras, tmp_path):
    """A function that reads a file: right vectors each time, one warning, nothing kept."""
    np.save(tmp_path / "factor.npy", np.float32(2))
    path = str(tmp_path / "factor.npy")

    def network():
        return with_start(keras, keras.layers.Lambda(lambda x: x * np.load(path)))

    cache = EmbeddingCache(tmp_path / "cache")
    first, second = network(), network()
    with pytest.warns(CacheWarning, match="is not cached: the code of its layer 'lambda.*uses numpy.*load"):
        one = vectors(first, scaling="unit", cache=cache)
    np.testing.assert_array_equal(
        vectors(first, scaling="unit", cache=cache), one
    )  # a second warning is an error
    np.save(path, np.float32(4))
    with pytest.warns(CacheWarning, match="is not cached"):
        two = vectors(second, scaling="unit", cache=cache)

    bias = first.get_layer("c").bias.numpy()
    assert close(two - bias, 2 * (one - bias), 1e-4)
    assert list(cache.info()) == []


# ------------------------------------------------------------------------------------------------ names


def test_the_networks_own_names_win(keras):
    """Layers called conv2d_1 to conv2d_3: each name means that layer, as Keras has it."""
    pixels = keras.Input((32, 32, 3))
    x = keras.layers.Rescaling(1 / 255)(pixels)
    for number in (1, 2, 3):
        x = keras.layers.Conv2D(4, 3, padding="same", name=f"conv2d_{number}")(x)
    network = seeded(keras.Model(pixels, x))

    for number in (1, 2, 3):
        part = keras.Model(pixels, network.get_layer(f"conv2d_{number}").output)
        assert close(vectors(network, depth=f"conv2d_{number}"), reference(part, X))


def test_an_alias_is_for_names_that_nobody_has(keras):
    """A layer that Keras numbered from the start of the process may be called as in a new one, too."""
    keras.layers.Conv2D(1, 1)  # so that the next one is not the first
    pixels = keras.Input((32, 32, 3))
    layer = keras.layers.Conv2D(4, 3)
    network = seeded(keras.Model(pixels, layer(pixels)))

    assert layer.name != "conv2d"
    by_name, by_alias = (vectors(network, depth=name, scaling="unit") for name in (layer.name, "conv2d"))
    np.testing.assert_array_equal(by_name, by_alias)


def test_a_layer_that_is_called_twice_has_two_names(keras):
    """Its one name says no single place; with the number of the call it does."""
    pixels = keras.Input((32, 32, 3))
    shared = keras.layers.Conv2D(3, 3, padding="same", name="shared")
    first = shared(pixels)
    network = seeded(keras.Model(pixels, shared(first)))

    with pytest.raises(UnknownNameError, match="Did you mean 'shared:"):
        vectors(network, depth="shared", scaling="none")
    assert close(vectors(network, depth="shared:1", scaling="none"), reference(keras.Model(pixels, first), X))
    assert close(vectors(network, depth="shared:2", scaling="none"), reference(network, X))


# ------------------------------------------------------------------------------------------------ scaling


def known(keras):
    """Make a small network with the name that Keras gives to its MobileNetV2, by which its convention is known."""
    pixels = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(4, 3, strides=2, activation="relu")(pixels)
    return keras.Model(pixels, keras.layers.Conv2D(4, 3)(x), name="mobilenetv2_1.00_224")


GEOMETRY = {
    "resizing": lambda layers: layers.Resizing(96, 96),
    "cropping": lambda layers: layers.CenterCrop(48, 48),
    "padding": lambda layers: layers.ZeroPadding2D(2),
    "cropping by numbers": lambda layers: layers.Cropping2D(2),
    "upsampling": lambda layers: layers.UpSampling2D(2),
}


@pytest.mark.parametrize("change", GEOMETRY)
def test_geometry_does_not_scale(keras, change):
    """A MobileNetV2 behind a layer that only moves pixels gets -1..1, as it was trained on."""
    base = known(keras)
    pixels = keras.Input((64, 64, 3))
    network = seeded(keras.Model(pixels, base(GEOMETRY[change](keras.layers)(pixels))), 0.05)

    found = FeatureExtractor(network, depth=-1, pooling="avg", cache=None).fit_transform(LARGER)
    assert close(found, reference(network, LARGER / 127.5 - 1), 1e-4)


@pytest.mark.parametrize("change", ["cast", "flip", "repeat", "pad"])
def test_operators_that_only_move_pixels_do_not_scale(keras, change):
    """The same by operators."""
    ops = keras.ops
    base = known(keras)
    pixels = keras.Input((64, 64, 3))
    moved = {
        "cast": lambda x: ops.cast(x, "float32"),
        "flip": lambda x: ops.flip(x, axis=2),
        "repeat": lambda x: ops.repeat(x, 2, axis=1),
        "pad": lambda x: ops.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]]),
    }[change](pixels)
    network = seeded(keras.Model(pixels, base(moved)), 0.05)

    assert close(
        FeatureExtractor(network, depth=-1, pooling="avg", cache=None).fit_transform(LARGER),
        reference(network, LARGER / 127.5 - 1),
        1e-4,
    )


@pytest.mark.parametrize(
    "start",
    [
        lambda keras, x: keras.layers.Rescaling(1 / 127.5, -1)(x),
        lambda _, x: x / 127.5 - 1,
        lambda _, x: (x - 127.5) * (1 / 127.5),
        lambda keras, x: keras.layers.Normalization(mean=[127.5] * 3, variance=[127.5**2] * 3)(x),
        lambda keras, x: keras.layers.Resizing(40, 40)(x) / 255.0,
    ],
    ids=["rescaling", "operators", "product", "normalization", "behind a resizing"],
)
def test_arithmetic_with_constants_scales(keras, start):
    """A network that scales by itself is fed with 0..255."""
    network = with_start(keras, lambda x: start(keras, x))

    assert close(vectors(network), reference(network, X))


@pytest.mark.parametrize(
    ("start", "reason"),
    [
        (
            lambda keras, x: keras.layers.Lambda(lambda t: t / 2)(x),
            "changes the pixels by code of its own, in layer 'lambda",
        ),
        (lambda keras, x: keras.layers.Rescaling(1 / 0.26, -1.7)(x), "makes numbers up to 979"),
        (lambda keras, x: keras.layers.ZeroPadding2D(1)(x), "does not say which pixel values"),
    ],
    ids=["lambda", "made for 0..1", "nothing"],
)
def test_where_the_scaling_cannot_be_told_featx_asks(keras, start, reason):
    """Code of its own, constants that fit no bytes, nothing at all: an error, and `scaling=` settles it."""
    network = with_start(keras, lambda x: start(keras, x))

    with pytest.raises(InputError, match=rf"{reason}.* Pass scaling=: 'none' for 0\.\.255"):
        vectors(network)
    assert close(vectors(network, scaling="unit"), reference(network, X / np.float32(255)))


@pytest.mark.parametrize("family", ["MobileNetV3Small", "EfficientNetV2B0", "ConvNeXtTiny"])
def test_a_name_does_not_stand_for_a_scaling_that_is_not_there(keras, family):
    """Built without its preprocessing, such a network is not fed with 0..255 for its name's sake."""
    build = getattr(keras.applications, family)
    options = {"weights": None, "include_top": False, "input_shape": (32, 32, 3)}

    with pytest.raises(InputError, match="does not say which pixel values it was trained on"):
        FeatureExtractor(build(include_preprocessing=False, **options), depth=1, cache=None).fit_transform(
            X[:1]
        )
    nested = keras.Sequential([keras.Input((32, 32, 3)), build(include_preprocessing=False, **options)])
    with pytest.raises(InputError, match="does not say which pixel values it was trained on"):
        FeatureExtractor(nested, depth=1, cache=None).fit_transform(X[:1])


def test_a_known_network_behind_convolutions_of_ones_own_gets_no_scaling_by_its_name(keras):
    """The pixels do not reach it, so its convention says nothing about them."""
    base = known(keras)
    pixels = keras.Input((32, 32, 3))
    network = keras.Model(pixels, base(keras.layers.Conv2D(3, 1, name="mine")(pixels)))

    with pytest.raises(InputError, match="does not say which pixel values"):
        vectors(network, depth=-1)


# ------------------------------------------------------------------------------------------------ dtypes


def small(keras, policy="float32"):
    pixels = keras.Input((32, 32, 3))
    x = keras.layers.Conv2D(8, 3, activation="relu", name="one", dtype=policy)(pixels)
    x = keras.layers.BatchNormalization(name="norm", dtype=policy)(x)
    return seeded(keras.Model(pixels, keras.layers.Conv2D(4, 3, name="c", dtype=policy)(x)))


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float64"])
def test_float32_means_float32(keras, policy):
    """A model of another dtype policy is computed in float32."""
    assert close(vectors(small(keras, policy), scaling="unit"), vectors(small(keras), scaling="unit"), 1e-5)


def test_keras_global_policy_decides_nothing(keras, tmp_path):
    """A process under mixed_bfloat16 and floatx float16 writes the same recipes and vectors as one without."""
    choices = {
        "weights": None,
        "input_size": 32,
        "depth": 2,
        "pooling": "avg",
        "cache": None,
        "engine": "keras",
    }
    names = ("mobilenet_v2_0.35", "featx-mini")
    before = [FeatureExtractor(name, **choices) for name in names]
    plain = [(one.fit_transform(X), one.plan().taps[0].recipe_id) for one in before]
    from featx.embedding import definition

    definition._graphs.clear()
    keras.config.set_dtype_policy("mixed_bfloat16")
    keras.config.set_floatx("float16")
    try:
        again = [FeatureExtractor(name, **choices) for name in names]
        for one, (expected, recipe) in zip(again, plain, strict=True):
            assert one.plan().taps[0].recipe_id == recipe
            np.testing.assert_array_equal(one.fit_transform(X), expected)
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
    finally:
        keras.config.set_dtype_policy("float32")
        keras.config.set_floatx("float32")
        definition._graphs.clear()


def test_vectors_that_are_not_finite_are_bad_images(keras, tmp_path):
    """One image that overflows is named; the others are kept; nothing that is not finite is cached."""
    pixels = keras.Input((32, 32, 3))
    x = keras.layers.Conv2D(4, 3, name="c", activation="exponential")(pixels)
    network = keras.Model(pixels, x)
    network.set_weights([np.full(w.shape, 0.05, "float32") for w in network.get_weights()])
    images = np.stack(
        [np.zeros((32, 32, 3), "uint8"), np.full((32, 32, 3), 255, "uint8"), np.ones((32, 32, 3), "uint8")]
    )
    cache = EmbeddingCache(tmp_path)
    extractor = FeatureExtractor(
        network, depth="c", pooling="avg", scaling="none", cache=cache, on_error="nan"
    )

    found = extractor.fit_transform(images)
    assert np.isfinite(found[[0, 2]]).all()
    assert np.isnan(found[1]).all()
    assert [(bad.row, bad.reason) for bad in extractor.bad_images_] == [
        (1, "the network gives infinity or NaN for it")
    ]
    with pytest.raises(ImageError, match="image 1: the network gives infinity or NaN for it"):
        extractor.set_params(on_error="raise").transform(images)
    assert [row.rows for row in cache.info()] == [2]


# ------------------------------------------------------------------------------------------------ changes in place

CHANGES = {
    "activation": lambda keras, network: setattr(
        network.get_layer("one"), "activation", keras.activations.tanh
    ),
    "epsilon": lambda _, network: setattr(network.get_layer("norm"), "epsilon", 0.5),
    "weights": lambda _, network: seeded(network, 0.7),
    "one weight": lambda _, network: network.get_layer("one").bias.assign(np.full(8, 9.0, "float32")),
    "call": lambda _, network: setattr(network.get_layer("norm"), "call", lambda x, **_: x * 3),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_model_changed_in_place_is_another_one(keras, change, tmp_path):
    """What was built for it before is not used again."""
    network = small(keras)
    before = vectors(network, scaling="unit", cache=tmp_path)
    CHANGES[change](keras, network)
    pixels = keras.Input((32, 32, 3))
    x = pixels
    for layer in network.layers[1:]:
        x = layer(x)
    now = keras.Model(pixels, x)  # runs what the layers do now

    after = vectors(network, scaling="unit", cache=tmp_path)
    assert not close(after, before)
    assert close(after, reference(now, X / np.float32(255)), 1e-4)


def test_layers_popped_and_added_count(keras, tmp_path):
    """A Sequential with another last layer of the same configuration and name."""
    layers = keras.layers
    network = keras.Sequential([keras.Input((32, 32, 3)), layers.Conv2D(8, 3), layers.Conv2D(4, 3, name="c")])
    before = vectors(network, scaling="unit", cache=tmp_path)
    network.pop()
    network.add(layers.Conv2D(4, 3, name="c"))
    seeded(network)

    after = vectors(network, scaling="unit", cache=tmp_path)
    assert not close(after, before)
    assert close(after, reference(network, X / np.float32(255)))


def test_a_weights_file_replaced_while_it_is_loaded_is_noticed(keras, tmp_path, monkeypatch):
    """Between naming the file and loading it another one came to its place: an error, and nothing is remembered."""
    shape = {"alpha": 0.35, "include_top": False, "weights": None, "input_shape": (32, 32, 3)}
    network = keras.applications.MobileNetV2(**shape)
    path, other = tmp_path / "own.weights.h5", tmp_path / "other.weights.h5"
    network.save_weights(path)
    seeded(network).save_weights(other)
    from featx.networks import network as module

    load = module._load_weights

    def slow(*args, **kwargs):
        other.replace(path)
        return load(*args, **kwargs)

    monkeypatch.setattr(module, "_load_weights", slow)
    choices = {"weights": path, "input_size": 32, "depth": 2, "cache": tmp_path / "cache"}
    with pytest.raises(WeightsError, match="was replaced while it was being loaded"):
        FeatureExtractor("mobilenet_v2_0.35", **choices).fit_transform(X)


def test_an_answer_about_another_layer_is_not_believed(tmp_path, monkeypatch):
    """If the memo names a recipe beside the wrong layer, nothing is computed under that recipe's name."""
    choices = {"input_size": 32, "pooling": "avg", "cache": tmp_path, "engine": "keras"}
    right = FeatureExtractor(depth=3, **choices)
    right.fit_transform(X[:2])
    recall = planning.Memo.recall

    def wrong(memo, key):
        answer = recall(memo, key)
        for tap in (answer or {}).get("taps", []):
            tap["layer"] = "stage2_out"
        return answer

    monkeypatch.setattr(planning.Memo, "recall", wrong)
    from featx.embedding import definition

    monkeypatch.setattr(definition, "_graphs", type(definition._graphs)())
    monkeypatch.setattr(planning, "_answers", {})  # as in another process
    with pytest.raises(InputError, match="is not the network that it was when it was described"):
        FeatureExtractor(depth=3, **choices).fit_transform(X[2:])


def test_random_weights_of_another_backend_have_another_name(monkeypatch):
    """What a seed gives depends on the backend, so nothing is remembered across them."""
    from featx.networks import network as module

    def key():
        return module.network_of("mobilenet_v2_0.35", None, (32, 32), lambda _: b"").key

    keys = {key()}
    monkeypatch.delitem(sys.modules, "keras")
    for backend in ("jax", "torch"):
        monkeypatch.setenv("KERAS_BACKEND", backend)
        keys.add(key())

    assert len(keys) == 3

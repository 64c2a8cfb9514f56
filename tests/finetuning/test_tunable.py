"""A network made ready for tuning computes what it did, and only what is to move can move."""

from pathlib import Path

import numpy as np
import pytest

from featx import FeatureExtractor
from featx.errors import InputError
from featx.finetuning.tunable import Head, make_tunable
from featx.networks.flatten import flatten
from featx.networks.network import network_of

POOLING = ["avg+std", "grid2", "none"]
DEPTHS = [1, 2, 3]


@pytest.fixture(scope="module")
def normalised():
    """Make a seeded network of three stages with BatchNorm whose statistics are not those it begins with."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(3)
    start = keras.Input((16, 16, 3))
    x = start
    for name, width in (("one", 4), ("two", 6), ("three", 8)):
        x = layers.Conv2D(width, 3, strides=2, padding="same", use_bias=False, name=name)(x)
        x = layers.BatchNormalization(name=f"{name}_norm")(x)
        x = layers.ReLU(name=f"{name}_out")(x)
    network = keras.Model(start, x, name="normalised")
    rng = np.random.default_rng(0)
    for layer in network.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.set_weights([rng.uniform(0.5, 1.5, value.shape) for value in layer.get_weights()])
    return network


def ready(network, pixels, *, depths=DEPTHS, pooling=POOLING, **choices):
    """Give the frozen embeddings of some images, a head for them, and the tunable network."""
    extractor = FeatureExtractor(network, depth=depths, pooling=pooling, scaling="tf", cache=None)
    embeddings = extractor.transform(pixels)
    rng = np.random.default_rng(0)
    mean, deviation = embeddings.mean(axis=0).astype(float), embeddings.std(axis=0).astype(float) + 0.1
    head = Head(rng.normal(0, 1, (3, embeddings.shape[1])), rng.normal(0, 1, 3), mean, deviation)
    graph = flatten(network, input_size=(16, 16), scaling="tf")
    tunable = make_tunable(
        network_of(network, "auto", (16, 16), Path.read_bytes),
        [(graph.at(depth).name, how) for depth, how in zip(depths, pooling, strict=True)],
        head,
        **{
            "scaling": "tf",
            "stages": "all",
            "decay": 0.5,
            "dropout": 0.3,
            "precision": "float32",
            "keep_statistics": True,
            **choices,
        },
    )
    return embeddings, head, tunable


@pytest.fixture
def small(pixels):
    """Give twelve images of 16 by 16 pixels."""
    return np.ascontiguousarray(pixels[:, :16, :16])


def scores(tunable, pixels):
    return np.asarray(tunable.tuned(tunable.fixed(pixels)))


@pytest.mark.parametrize("stages", ["all", 0, 1, 2, 3])
def test_it_begins_with_what_the_head_on_frozen_embeddings_says(normalised, small, stages):
    """Wherever the network is parted, the parts together are the network and its head."""
    embeddings, head, tunable = ready(normalised, small, stages=stages)

    np.testing.assert_allclose(
        scores(tunable, small), embeddings @ head.coef.T + head.intercept, rtol=1e-4, atol=1e-4
    )


def test_the_head_comes_back(normalised, small):
    """In the units of the embeddings as they are."""
    _, head, tunable = ready(normalised, small)

    np.testing.assert_allclose(tunable.head().coef, head.coef, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(tunable.head().intercept, head.intercept, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("stages", "free"), [(0, []), (1, ["three"]), (2, ["two", "three"]), ("all", ["one", "two", "three"])]
)
def test_only_the_last_stages_can_move(normalised, small, stages, free):
    """BatchNorm never does; with no statistics to keep, it does in the stages that are tuned."""
    _, _, tunable = ready(normalised, small, stages=stages)
    loose = ready(normalised, small, stages=stages, keep_statistics=False)[2]

    def kernels(network):
        return [
            layer.name
            for layer in network.tuned.layers
            if layer.trainable_weights and layer.name != "featx_head"
        ]

    assert kernels(tunable) == free
    assert [name for name in kernels(loose) if not name.endswith("_norm")] == free
    assert len(kernels(loose)) == 2 * len(free)


def test_only_scales_shifts_and_biases_can_move(normalised, small):
    """Of every stage, at its own rate; in training, too, an image is answered by itself, since statistics stay."""
    embeddings, head, tunable = ready(normalised, small, stages="norm", dropout=0.0)
    free = tunable.tuned.trainable_variables[:-2]  # the last two are the head's

    assert [tuple(variable.shape) for variable in free] == [(4,), (4,), (6,), (6,), (8,), (8,)]
    assert tunable.rates == [0.125, 0.125, 0.25, 0.25, 0.5, 0.5, 1, 1]
    answered = np.asarray(tunable.tuned(tunable.fixed(small), training=True))
    np.testing.assert_allclose(answered, embeddings @ head.coef.T + head.intercept, rtol=1e-4, atol=1e-4)
    kept = {layer.name: layer.get_weights() for layer in tunable.backbone().layers}
    tunable = ready(normalised, small, stages="norm")[2]
    tunable.tuned.compile("sgd", "mse")
    tunable.tuned.train_on_batch(tunable.fixed.predict_on_batch(small), np.ones((12, 3), np.float32))
    moved = {
        (layer.name, place)
        for layer in tunable.backbone().layers
        for place, (value, before) in enumerate(zip(layer.get_weights(), kept[layer.name], strict=True))
        if (value != before).any()
    }
    assert moved == {(f"{name}_norm", place) for name in ("one", "two", "three") for place in (0, 1)}


def test_what_is_fixed_ends_before_the_first_scale(normalised, small):
    """The convolution before it is run once."""
    _, _, tunable = ready(normalised, small, stages="norm")

    assert [layer.name for layer in tunable.fixed.layers if hasattr(layer, "kernel")] == ["one"]


def test_a_network_can_be_tuned_whole_after_its_scales(normalised, small):
    """What was held back for one training is free for the next."""
    backbone = ready(normalised, small, stages="norm")[2].backbone()
    free = ready(backbone, small, depths=[-1], pooling=["avg"], stages="all")[2].tuned.trainable_variables

    assert [len(variable.shape) for variable in free[:-2]] == [4, 4, 4]


def test_earlier_stages_have_smaller_rates(normalised, small):
    """The head 1, the deepest stage the decay, each one before it that much less; turns count from the deepest."""
    _, _, tunable = ready(normalised, small, decay=0.5)

    shapes = [tuple(variable.shape) for variable in tunable.tuned.trainable_variables]
    found = dict(zip(shapes, zip(tunable.rates, tunable.turns, strict=True), strict=True))
    assert found[3, 3, 3, 4] == (0.125, 2)
    assert found[3, 3, 4, 6] == (0.25, 1)
    assert found[3, 3, 6, 8] == (0.5, 0)
    assert found[3,] == (1, 0)


def test_stages_count_from_the_deepest_one_used(normalised, small):
    """A network cut at stage 2 has two of them."""
    _, _, tunable = ready(normalised, small, depths=[1, 2], pooling=["avg", "avg"], stages=1)

    assert sorted(set(tunable.rates)) == [0.5, 1]
    with pytest.raises(InputError, match=r"stages=3: there are 2 stages .* give 0\.\.2"):
        ready(normalised, small, depths=[1, 2], pooling=["avg", "avg"], stages=3)


def test_a_network_of_ones_own_is_not_touched(normalised, small):
    """Neither its weights nor what may be trained."""
    before = normalised.get_weights()
    _, _, tunable = ready(normalised, small, stages=1)
    tunable.tuned.set_weights([value + 1 for value in tunable.tuned.get_weights()])

    for value, expected in zip(normalised.get_weights(), before, strict=True):
        np.testing.assert_array_equal(value, expected)
    assert all(layer.trainable for layer in normalised.layers)


@pytest.mark.parametrize("precision", ["float32", "mixed"])
def test_the_backbone_is_a_backbone_again(normalised, small, precision):
    """Its scaling is told, its stages are found, its layers can be tuned another time, and it is float32."""
    embeddings, _, tunable = ready(normalised, small, precision=precision, stages=1)
    backbone = tunable.backbone()
    where = tunable.where(flatten(backbone, input_size=(16, 16), scaling="none"))

    again = FeatureExtractor(backbone, depth=where, pooling=POOLING, cache=None).transform(small)
    np.testing.assert_allclose(again, embeddings, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(
        FeatureExtractor(backbone, depth=DEPTHS, pooling=POOLING, cache=None).transform(small),
        embeddings,
        rtol=1e-5,
        atol=1e-6,
    )
    assert all(layer.trainable for layer in backbone.layers)
    assert {layer.compute_dtype for layer in backbone.layers if hasattr(layer, "kernel")} == {"float32"}


def test_mixed_precision_computes_in_bfloat16_and_keeps_float32_weights(normalised, small):
    """Close to float32, not equal to it; what moved comes back to the backbone."""
    embeddings, head, tunable = ready(normalised, small, precision="mixed")
    exact = embeddings @ head.coef.T + head.intercept
    off = np.abs(scores(tunable, small) - exact).max() / np.abs(exact).max()

    assert 1e-5 < off < 0.1
    assert {str(weight.dtype) for weight in tunable.tuned.weights} <= {"float32", "uint32", "int64"}
    moved = tunable.tuned.trainable_variables[0]
    moved.assign(moved + 1)
    assert any(
        (np.asarray(weight) == np.asarray(moved)).all()
        for weight in tunable.backbone().weights
        if weight.shape == moved.shape
    )


def test_a_dead_channel_has_a_slope(small):
    """The deviation of a channel of zeros is no reason for a gradient that is no number."""
    import keras
    from keras import layers

    network = keras.Sequential(
        [keras.Input((16, 16, 3)), layers.Conv2D(2, 3, kernel_initializer="zeros", activation="relu")]
    )
    _, _, tunable = ready(network, small, depths=[1], pooling=["std"])
    tunable.tuned.compile("sgd", "mse")
    tunable.tuned.train_on_batch(tunable.fixed.predict_on_batch(small), np.ones((12, 3), np.float32))

    assert all(np.isfinite(value).all() for value in tunable.tuned.get_weights())

"""A backbone's own classifier sees what is there, and its weights are the files that Keras publishes."""

import sys

import numpy as np
import pytest

from featx import FeatureExtractor, load_folder
from featx.errors import InputError, WeightsError
from featx.exploring.imagenet import _LABELS, classifier, classify, confidence
from featx.images import synthetic
from featx.networks.weights import keras_home


@pytest.fixture
def tiny_classifier():
    """Make a network that gives 1,000 probabilities."""
    import keras
    from keras import layers

    return keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(2, 3),
            layers.GlobalAveragePooling2D(),
            layers.Dense(1000, activation="softmax"),
        ],
        name="tiny",
    )


def test_ants_and_bees_are_seen(data, imagenet):
    """MobileNetV2 names most of the bees, its probabilities sum to 1, and a second time they come from the cache."""
    images = load_folder(data / "images" / "hymenoptera" / "val")
    bees = [path for path, label in zip(images.paths, images.labels, strict=True) if label == "bees"][:20]
    guesses = classify(bees, top=3)

    assert all(len(row) == 3 and row[0].confidence >= row[1].confidence for row in guesses)
    assert sum(any(guess.name == "bee" for guess in row) for row in guesses) >= 15
    chances = classifier("mobilenet_v2").transform(bees)
    assert chances.shape == (20, 1000)
    np.testing.assert_allclose(chances.sum(axis=1), 1, atol=1e-4)
    np.testing.assert_allclose(chances.max(axis=1), [row[0].confidence for row in guesses], rtol=1e-5)


def test_it_agrees_with_keras(data, imagenet):
    """The same probabilities as the network of keras.applications with its own preprocessing."""
    import keras

    images, _ = synthetic(n=3, size=128, seed=0)
    file = imagenet / "mobilenet_2_5_128_tf.h5"  # by path: Keras reads KERAS_HOME only once
    network = keras.applications.MobileNet(alpha=0.25, input_shape=(128, 128, 3), weights=str(file))
    expected = network.predict(
        keras.applications.mobilenet.preprocess_input(images.astype("float32")), verbose=0
    )
    found = classifier("mobilenet_0.25", input_size=128, cache=None).transform(images)

    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)


def test_labels_are_those_that_keras_fetches():
    """Name, address and digest of the file stand in the source of the installed Keras."""
    from inspect import getsource

    from keras.applications import imagenet_utils

    source = getsource(sys.modules[imagenet_utils.decode_predictions.__module__])
    assert all(fact.rpartition("/")[2] in source for fact in _LABELS)


def test_other_labels_are_not_believed(tiny_classifier):
    """A file of that name with other content is refused."""
    folder = keras_home() / "models"
    folder.mkdir(parents=True)
    (folder / _LABELS[0]).write_text('{"0": ["n01440764", "tench"]}')

    with pytest.raises(WeightsError, match=r"imagenet_class_index\.json is not the published file"):
        classify(synthetic(n=2, size=32)[0], tiny_classifier, cache=None)


@pytest.mark.slow
def test_confidence_is_higher_on_photographs(data, imagenet):
    """On photographs of insects the network is a little surer than on hand signs, and much surer than on blotches."""
    extractor = FeatureExtractor("mobilenet_v2", cache=None)
    photographs = load_folder(data / "images" / "hymenoptera" / "val").paths[::8]
    signs = load_folder(data / "images" / "sign_digits").paths[::110]
    blotches = np.random.default_rng(0).integers(0, 256, (8, 28, 28, 3), dtype=np.uint8)

    sure = confidence(photographs, extractor)
    assert sure > confidence(signs, extractor)
    assert sure > confidence(blotches, extractor) + 0.1
    noise = np.random.default_rng(0).integers(0, 256, (8, 224, 224, 3), dtype=np.uint8)
    assert confidence(noise, extractor) > sure  # it is no measure of likeness for what is no picture


def test_confidence_needs_a_classifier_at_hand():
    """Without one, or without its weights on this machine, there is none, and nothing is downloaded."""
    images, _ = synthetic(n=2, size=32)

    assert confidence(images, FeatureExtractor("featx-mini")) is None
    assert confidence(images, FeatureExtractor("resnet50")) is None
    assert confidence(images, FeatureExtractor("resnet50", weights=None)) is None


def test_what_has_no_classifier_is_refused(tiny):
    """The embedded backbone and networks with other ends have none; missing weights are named."""
    images, _ = synthetic(n=2, size=32)

    with pytest.raises(InputError, match="'featx-mini' has no classifier"):
        classify(images, "featx-mini")
    with pytest.raises(
        InputError, match=r"'tiny' does not end in the probabilities of ImageNet's 1,000 classes"
    ):
        classify(images, tiny)
    with pytest.raises(WeightsError, match=r"densenet121_weights_tf_dim_ordering_tf_kernels\.h5"):
        classify(images, "densenet121")

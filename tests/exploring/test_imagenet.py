"""A backbone's own classifier sees what is there, and its weights are the files that Keras publishes."""

import json

import numpy as np
import pytest

from featx import FeatureExtractor, load_folder
from featx.errors import InputError, WeightsError
from featx.exploring.imagenet import CLASSES, classifier, classify, confidence
from featx.images import synthetic


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


def test_a_bee_and_an_ant_are_seen_without_a_download(data):
    """EfficientNet-Lite0 and the names of the classes come with packages: no folder of Keras is asked."""
    for label in ("bee", "ant"):
        images = load_folder(data / "images" / "hymenoptera" / "val").paths
        images = [path for path in images if f"/{label}s/" in path][:10]
        guesses = classify(images, "efficientnet_lite0", top=3, cache=None)
        assert sum(any(guess.name == label for guess in row) for row in guesses) >= 7
    assert confidence(images, FeatureExtractor("efficientnet_lite0", cache=None)) > 0.3


def test_it_agrees_with_keras(data, imagenet):
    """The same probabilities as the network of keras.applications with its own preprocessing."""
    import keras

    images, _ = synthetic(n=3, size=128, random_state=0)
    file = imagenet / "mobilenet_2_5_128_tf.h5"  # by path: Keras reads KERAS_HOME only once
    network = keras.applications.MobileNet(alpha=0.25, input_shape=(128, 128, 3), weights=str(file))
    expected = network.predict(
        keras.applications.mobilenet.preprocess_input(images.astype("float32")), verbose=0
    )
    found = classifier("mobilenet_0.25", input_size=128, cache=None).transform(images)

    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)


def test_names_are_those_of_keras(imagenet):
    """A thousand names, in the order and the spelling of the file that Keras downloads."""
    index = json.loads((imagenet / "imagenet_class_index.json").read_text())
    assert CLASSES.read_text().split() == [index[str(place)][1] for place in range(1000)]


def test_names_are_a_thousand_in_their_order():
    """Two pairs of classes share a name, the cranes and the maillots."""
    names = CLASSES.read_text().split()
    assert len(names) == 1000
    assert len(set(names)) == 998
    assert [names[place] for place in (0, 281, 309, 310, 985, 999)] == [
        "tench", "tabby", "bee", "ant", "daisy", "toilet_tissue",
    ]  # fmt: skip


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

"""A backbone's own classifier: which of ImageNet's 1,000 classes it sees in an image, and how sure it is."""

import os
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from featx.embedding.composition import as_extractor
from featx.embedding.extractor import FeatureExtractor
from featx.errors import InputError
from featx.images.sources import as_sources
from featx.networks.backbone import Backbone
from featx.networks.catalogue import find
from featx.networks.file_kinds import is_file
from featx.networks.model_files import load_model
from featx.networks.network import build
from featx.networks.places import find_local
from featx.networks.weights import locate

CLASSES = Path(__file__).with_name("imagenet_classes.txt")
"""Names of ImageNet's 1,000 classes, in the order of the networks' outputs, as Keras writes them.

They are the first words that WordNet has for the 1,000 synsets of ILSVRC 2012.
"""


class Guess(NamedTuple):
    """A class that a classifier sees in an image."""

    name: str
    """As ImageNet calls it, e.g. ``tabby``."""
    confidence: float
    """The probability the network gives it, 0 to 1."""


def classify(
    images: Any, backbone: Any = "mobilenet_v2", *, top: int = 5, **choices: Any
) -> list[list[Guess]]:
    """Ask a backbone's own classifier what it sees.

    Parameters
    ----------
    images
        Images, in any form that `FeatureExtractor.transform` takes.
    backbone
        A name of ``featx backbones``, a Keras model or the path of its file, that ends in the probabilities
        of ImageNet's 1,000 classes; or a `FeatureExtractor` of one.
    top
        How many classes for each image, the likeliest first.
    choices
        Parameters of `FeatureExtractor`. ``weights`` is, for a name, the path of weights with the classifier; by
        default they are found, or downloaded, as those without.

    Returns
    -------
    list
        For each image a list of `Guess`.

    Raises
    ------
    InputError
        If the backbone has no such classifier.
    WeightsError
        If its weights are neither on this machine nor to be downloaded.

    Examples
    --------
    >>> classify(["cat.jpg"], "featx-mini")
    Traceback (most recent call last):
    featx.errors.InputError: 'featx-mini' has no classifier: it was trained without labels. ...
    """
    extractor = classifier(backbone, **choices)
    names = CLASSES.read_text(encoding="utf-8").split()
    chances = probabilities(images, extractor)
    best = np.argsort(-chances, axis=1, kind="stable")[:, :top]
    return [
        [Guess(names[place], float(row[place])) for place in order]
        for row, order in zip(chances, best, strict=True)
    ]


def confidence(images: Any, extractor: FeatureExtractor, *, sample: int = 200) -> float | None:
    """Give the mean probability of a backbone's first guesses: how much images look like what it was trained on.

    Nothing is downloaded for this.

    Parameters
    ----------
    images
        Images.
    extractor
        Says which backbone, with which input size and other choices.
    sample
        How many of the images to ask about, evenly spread.

    Returns
    -------
    float or None
        None if the backbone is not a name of the catalogue with its own weights, has no classifier, or the weights with
        the classifier are not on this machine.

    Notes
    -----
    Were the network calibrated, the mean would be its accuracy on images like its own, so the published top-1 accuracy
    (``featx backbones``) is what to compare with; how far it falls short estimates how different images are (Guillory
    et al., *Predicting with confidence on unseen distributions*, ICCV 2021). Networks tend to be too confident (Guo et
    al., *On calibration of modern neural networks*, ICML 2017), and may be sure of nonsense: MobileNetV2 gives noise of
    single pixels 0.64, grey 0.16, photographs of insects 0.52.
    """
    name = extractor.backbone
    if not isinstance(name, str | PathLike) or is_file(name) or extractor.weights != "auto":
        return None
    row = find(os.fspath(name))
    if row.embedded:
        return None
    size = _side(extractor.input_size, row)
    if find_local(row.with_classifier().weights_file(size), row.package) is None:
        return None
    sources = as_sources(images, image_shape=extractor.image_shape, value_range=extractor.value_range)
    sources = sources[:: max(1, len(sources) // sample)][:sample]
    plain = extractor.with_choices(image_shape=None)
    return float(probabilities(sources, classifier(plain)).max(axis=1).mean())


def classifier(backbone: Any, **choices: Any) -> FeatureExtractor:
    """Return the extractor whose embeddings are the probabilities (n, 1000) of a backbone's own classifier.

    Parameters
    ----------
    backbone, choices
        As for `classify`.
    """
    extractor = as_extractor(backbone, **choices)
    backbone, weights = extractor.backbone, extractor.weights
    if isinstance(backbone, str | PathLike) and not is_file(backbone):
        row = find(os.fspath(backbone)).with_classifier()
        size = extractor.input_size or row.input_size
        height, width = (size, size) if isinstance(size, int | np.integer) else size
        path = locate(row, weights, _side(size, row))
        model = build(
            row, path, (int(height), int(width)), published=weights in ("auto", "imagenet"), top=True
        )
    else:
        model = load_model(Path(backbone)) if isinstance(backbone, str | PathLike) else backbone
    shape = getattr(model, "output_shape", None)
    if shape != (None, 1000):
        raise InputError(
            f"backbone={getattr(model, 'name', model)!r} does not end in the probabilities of ImageNet's 1,000 "
            f"classes, but in shape {shape}."
        )
    return extractor.with_choices(backbone=model, weights="auto", depth=model.layers[-1].name, pooling="avg")


def probabilities(images: Any, extractor: FeatureExtractor) -> np.ndarray:
    """Give the probabilities (n, 1000) by what `classifier` returned.

    Raises
    ------
    InputError
        If the network's last layer gives something else.
    """
    chances = extractor.transform(images)
    if not (np.all(chances > -1e-6) and np.allclose(chances.sum(axis=1), 1, atol=1e-2)):
        raise InputError("The network's last layer gives no probabilities: add a softmax.")
    return np.asarray(chances)


def _side(size: Any, row: Backbone) -> int:
    """Give the side of a square input, for which MobileNets may have weights of their own."""
    if size is None or isinstance(size, int | np.integer):
        return int(size or row.input_size)
    height, width = size
    return int(height) if height == width else row.input_size

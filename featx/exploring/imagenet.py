"""A backbone's own classifier: which of ImageNet's 1,000 classes it sees in an image, and how sure it is."""

import json
import os
import re
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from featx.embedding.extractor import FeatureExtractor, as_extractor
from featx.errors import InputError
from featx.images.sources import as_sources
from featx.networks.catalogue import Backbone, find
from featx.networks.network import build, load_model
from featx.networks.weights import keras_home, locate

_NAMES = "imagenet_class_index.json"
_NAMES_URL = f"https://storage.googleapis.com/download.tensorflow.org/data/{_NAMES}"

# Published digests of the weights with the classifier, from Keras 3.15.1; it publishes none for the first MobileNets.
_DIGESTS = {
    "convnext_base": "52cbb006d3dadd03f6e095a8ca1aca47aecdd75acb4bc74bce1f5c695d0086e6",
    "convnext_large": "070c5ed9ed289581e477741d3b34beffa920db8cf590899d6d2c67fba2a198a6",
    "convnext_small": "ce1277d8f1ee5a0ef0e171469089c18f5233860ceaf9b168049cb9263fd7483c",
    "convnext_tiny": "8ae6e78ce2933352b1ef4008e6dd2f17bc40771563877d156bc6426c7cf503ff",
    "convnext_xlarge": "c1f5ccab661354fc3a79a10fa99af82f0fbf10ec65cb894a3ae0815f17a889ee",
    "densenet121": "9d60b8095a5708f2dcce2bca79d332c7",
    "densenet169": "d699b8f76981ab1b30698df4c175e90b",
    "densenet201": "1ceb130c1ea1b78c3bf6114dbdfd8807",
    "efficientnet_b0": "902e53a9f72be733fc0bcb005b3ebbac",
    "efficientnet_b1": "1d254153d4ab51201f1646940f018540",
    "efficientnet_b2": "b15cce36ff4dcbd00b6dd88e7857a6ad",
    "efficientnet_b3": "ffd1fdc53d0ce67064dc6a9c7960ede0",
    "efficientnet_b4": "18c95ad55216b8f92d7e70b3a046e2fc",
    "efficientnet_b5": "ace28f2a6363774853a83a0b21b9421a",
    "efficientnet_b6": "165f6e37dce68623721b423839de8be5",
    "efficientnet_b7": "8c03f828fec3ef71311cd463b6759d99",
    "efficientnet_v2_b0": "21ecbf6da12460d5c40bb2f29ceb2188",
    "efficientnet_v2_b1": "069f0534ff22adf035c89e2d9547a9dc",
    "efficientnet_v2_b2": "424e49f28180edbde1e94797771950a7",
    "efficientnet_v2_b3": "1f1fc43bd98a6e4fd8fdfd551e02c7a0",
    "efficientnet_v2_l": "27e6d408b53c7ebc868fefa357689935",
    "efficientnet_v2_m": "a3bf6aa3276309f4fc6a34aa114c95cd",
    "efficientnet_v2_s": "e1d88a8495beba45748fedd0cecbe016",
    "inception_resnet_v2": "e693bd0210a403b3192acc6073ad2e96",
    "inception_v3": "9a0d58056eeedaa3f26cb7ebd46da564",
    "mobilenet_v3_large": "59e551e166be033d707958cf9e29a6a7",
    "mobilenet_v3_large_0.75": "765b44a33ad4005b3ac83185abf1d0eb",
    "mobilenet_v3_large_minimalistic": "675e7b876c45c57e9e63e6d90a36599c",
    "mobilenet_v3_small": "8768d4c2e7dee89b9d02b2d03d65d862",
    "mobilenet_v3_small_0.75": "cb65d4e5be93758266aa0a7f2c6708b7",
    "mobilenet_v3_small_minimalistic": "99cd97fb2fcdad2bf028eb838de69e37",
    "nasnet_large": "11577c9a518f0070763c2b964a382f17",
    "nasnet_mobile": "020fb642bf7360b370c678b08e0adf61",
    "resnet101": "f1aeb4b969a6efcfb50fad2f0c20cfc5",
    "resnet101_v2": "6343647c601c52e1368623803854d971",
    "resnet152": "100835be76be38e30d865e96f2aaae62",
    "resnet152_v2": "a49b44d1979771252814e80f8ec446f9",
    "resnet50": "2cb95161c43110f7111970584f804107",
    "resnet50_v2": "3ef43a0b657b3be2300d5770ece849e0",
    "vgg16": "64373286793e3c8b2b4e3219cbf3544b",
    "vgg19": "cbe5617147190e668d6c5d5026f83318",
    "xception": "0a58e3b7378bc2990ea3b43d5981f1f6",
}


class Guess(NamedTuple):
    """A class that a classifier sees in an image."""

    name: str
    """As ImageNet calls it, e.g. ``tabby``."""
    confidence: float
    """The probability the network gives it, 0 to 1."""


def with_top(row: Backbone) -> Backbone:
    """Give the row of a backbone with the file that holds its classifier, too.

    Examples
    --------
    >>> with_top(find("mobilenet_v2")).weights_file()
    'mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224.h5'
    """
    if row.embedded:
        raise InputError(
            f"{row.name!r} has no classifier: it was trained without labels. Take a network trained on ImageNet, "
            "such as 'mobilenet_v2'; featx backbones lists them."
        )
    file, url = (re.sub(r"[-_]no[-_]?top(_v2)?", "", name) for name in (row.file, str(row.url)))
    return replace(row, file=file, url=url, digest=_DIGESTS.get(row.name))


def classify(
    images: Any, backbone: Any = "mobilenet_v2", *, top: int = 5, **choices: Any
) -> list[list[Guess]]:
    """Ask a backbone's own classifier what it sees.

    Parameters
    ----------
    images
        Images, in any form that `FeatureExtractor.transform` takes.
    backbone
        A name of ``featx backbones``, the path of a ``.keras`` file, or a Keras model, that ends in the probabilities
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
        If its weights, or the names of the classes, are neither on this machine nor to be downloaded.

    Examples
    --------
    >>> classify(["cat.jpg"], "featx-mini")
    Traceback (most recent call last):
    featx.errors.InputError: 'featx-mini' has no classifier: it was trained without labels. ...
    """
    extractor = classifier(backbone, **choices)
    names = _names()
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
    if not isinstance(name, str | PathLike) or Path(name).suffix == ".keras" or extractor.weights != "auto":
        return None
    row = find(os.fspath(name))
    if row.embedded:
        return None
    size = _side(extractor.input_size, row)
    own = os.environ.get("FEATX_WEIGHTS")
    folders = [*([Path(own)] if own else []), keras_home() / "models"]
    if not any((folder / with_top(row).weights_file(size)).is_file() for folder in folders):
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
    if isinstance(backbone, str | PathLike) and Path(backbone).suffix != ".keras":
        row = with_top(find(os.fspath(backbone)))
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


def _names() -> Sequence[str]:
    """Give the names of ImageNet's classes, in the order of the networks' outputs."""
    row = replace(
        find("mobilenet_v2"), name=_NAMES, file=_NAMES, url=_NAMES_URL, digest=None, sizes=(), input_size=0
    )
    return _read_names(locate(row, "auto", 0))


@lru_cache(maxsize=2)
def _read_names(path: Path) -> tuple[str, ...]:
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
        return tuple(str(index[str(place)][1]) for place in range(1000))
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise InputError(
            f"{path} does not name ImageNet's 1,000 classes; delete it to download it again."
        ) from error

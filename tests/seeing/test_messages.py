"""What a person reads when nothing can be shown: the whole message, for each mistake."""

from pathlib import Path

import keras
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer
from sklearn.svm import SVC

from featx import FeatureExtractor, make_head
from featx.errors import ImageError, InputError
from featx.images import synthetic
from featx.seeing import class_activation, dream, maximise, strongest_maps, write_picture

GREY = np.full((8, 8, 3), 90, np.uint8)
IMAGES, CLASSES = synthetic(n=30, classes=3, size=16, random_state=0)
LABELS = np.eye(3, dtype=int)[np.unique(CLASSES, return_inverse=True)[1]]
NAMES = np.array(["ant", "bee", "cat"])[LABELS.argmax(axis=1)]


def dense():
    """Make a network that ends in a vector."""
    layers = [
        keras.Input((8, 8, 3)),
        keras.layers.Conv2D(4, 3, name="maps"),
        keras.layers.GlobalAveragePooling2D(name="flat"),
    ]
    return FeatureExtractor(keras.Sequential(layers, name="dense"), scaling="unit", cache=None)


def silent():
    """Make a network whose channels answer to nothing."""
    only = keras.layers.Conv2D(
        2, 1, activation="relu", bias_initializer=keras.initializers.Constant(-9), name="only"
    )
    network = keras.Sequential([keras.Input((8, 8, 3)), only], name="silent")
    only.set_weights([0 * weight for weight in only.get_weights()])
    return FeatureExtractor(network, scaling="unit", cache=None)


def fitted(head="logistic", y=NAMES, *, pooling="avg", depth="maps", **choices):
    """Fit a small pipeline."""
    extractor = dense().with_choices(depth=depth, pooling=pooling, engine="keras", **choices)
    model = make_head(head) if isinstance(head, str) else head
    return make_pipeline(extractor, model).fit(IMAGES, y)


def text_file():
    Path("note.png").write_text("no image")
    return "note.png"


def written():
    Path("there.png").write_bytes(b"")
    return "there.png"


MESSAGES = {
    "an image that is none": (
        lambda: strongest_maps(text_file()),
        ImageError,
        "1 image cannot be read:\n  note.png: not an image that Pillow can read*\nRemove or replace it; *",
    ),
    "no maps": (
        lambda: strongest_maps(GREY, "featx-mini", count=0),
        InputError,
        "count=0: give a whole number, 1 or more.",
    ),
    "maps of a vector": (
        lambda: strongest_maps(GREY, dense().with_choices(depth="flat")),
        InputError,
        "Depth 'flat' gives a vector, not maps. Choose a layer before it.",
    ),
    "a picture that is there": (
        lambda: write_picture(GREY, written()),
        InputError,
        "'there.png' exists. Give another name, or overwrite=True to replace it.",
    ),
    "a picture of another kind": (
        lambda: write_picture(GREY, "out.jpg"),
        InputError,
        "'out.jpg' does not end in .png, as pictures do.",
    ),
    "a picture that is a folder": (
        lambda: write_picture(GREY, Path("new.png").mkdir() or "new.png", overwrite=True),
        InputError,
        "'new.png' is a folder. Give the name of a file.",
    ),
}
LINEAR = (
    "so no pixel has a part of its own in its score. "
    "Fit a linear head, such as 'logistic', 'ridge-classifier' or 'ridge'."
)
POOLED = (
    "is not linear in the maps, so no pixel has a part of its own in it. "
    "Fit the pipeline with the pooling 'avg', 'grid2' or 'none'."
)
MESSAGES |= {
    "a pooling that is not linear": (
        lambda: class_activation(fitted(pooling="avg+std"), IMAGES[:1]),
        InputError,
        f"Layer 'maps' is pooled by 'avg+std', and 'std' {POOLED}",
    ),
    "a stage by its maximum": (
        lambda: class_activation(fitted(pooling="max", depth=-1), IMAGES[:1]),
        InputError,
        f"Stage 1 is pooled by 'max', and 'max' {POOLED}",
    ),
    "pixels of a vector": (
        lambda: class_activation(fitted(depth="flat"), IMAGES[:1]),
        InputError,
        "Layer 'flat' gives a vector, which has no places. Fit the pipeline on a layer with maps.",
    ),
    "trees": (
        lambda: class_activation(
            fitted(make_head("xgboost", n_estimators=2), LABELS.argmax(axis=1)), IMAGES[:1]
        ),
        InputError,
        f"What follows the extractor (XGBoostHead) has no decision_function, {LINEAR}",
    ),
    "trees for numbers": (
        lambda: class_activation(
            fitted(make_head("xgboost-regressor", start=None, n_estimators=2), IMAGES.mean(axis=(1, 2, 3))),
            IMAGES[:1],
        ),
        InputError,
        f"What follows the extractor (XGBoostRegressorHead) is not linear in the embedding, {LINEAR}",
    ),
    "a kernel that bends": (
        lambda: class_activation(fitted(SVC(), LABELS[:, 0]), IMAGES[:1]),
        InputError,
        f"What follows the extractor (SVC) is not linear in the embedding, {LINEAR}",
    ),
    "votes": (
        lambda: class_activation(fitted("svm"), IMAGES[:1]),
        InputError,
        f"What follows the extractor (SteadyScaler, SVC) decides among 3 classes by votes of pairs, {LINEAR}",
    ),
    "a step that is not linear": (
        lambda: class_activation(fitted(make_pipeline(Normalizer(), LogisticRegression())), IMAGES[:1]),
        InputError,
        f"What follows the extractor (Normalizer, LogisticRegression) is not linear in the embedding, {LINEAR}",
    ),
    "a head without an extractor": (
        lambda: class_activation(LogisticRegression().fit([[0], [1]], [0, 1]), IMAGES[:1]),
        InputError,
        (
            "This LogisticRegression begins with LogisticRegression, not with one FeatureExtractor that a head "
            "follows. Give a fitted pipeline that does, such as featx fit saves."
        ),
    ),
    "a class that there is not": (
        lambda: class_activation(fitted(), IMAGES[:1], "ants"),
        InputError,
        "Unknown class 'ants'. Did you mean 'ant'? Known: 'ant', 'bee', 'cat'.",
    ),
    "several labels and none named": (
        lambda: class_activation(fitted(y=LABELS), IMAGES[:1]),
        InputError,
        "The pipeline answers 3 columns at once. Name one with answer=, 0..2.",
    ),
    "a column that there is not": (
        lambda: class_activation(fitted(y=LABELS), IMAGES[:1], 3),
        InputError,
        "Unknown column 3. Known: '0', '1', '2'.",
    ),
    "a label against another": (
        lambda: class_activation(fitted(y=LABELS), IMAGES[:1], 0, against=1),
        InputError,
        "against=1 is for classes, of which one is the answer; leave it out here.",
    ),
    "a class against itself": (
        lambda: class_activation(fitted(), IMAGES[:1], "ant", against="ant"),
        InputError,
        "against='ant' is the answer itself. Name another class.",
    ),
    "an answer for several pictures": (
        lambda: class_activation(fitted(views="flip"), IMAGES[:1]),
        InputError,
        (
            "The extractor has views='flip', so the answer is that of several pictures, and pixels are shown of one. "
            "Fit the pipeline with views=None."
        ),
    ),
    "an answer of two networks": (
        lambda: class_activation(
            fitted(backbone=["featx-mini", "mobilenet_0.25"], scaling="auto", weights=None, depth=2),
            IMAGES[:1],
        ),
        InputError,
        "This needs one network, and 2 are given side by side. Give one backbone.",
    ),
    "an image that is not there": (
        lambda: class_activation(fitted(), ["nowhere.png"]),
        ImageError,
        "1 image cannot be read:\n  nowhere.png: there is no such file\n*",
    ),
}
MESSAGES |= {
    "a channel that there is not": (
        lambda: maximise("featx-mini", [0, 256], depth=4),
        InputError,
        "Channel 256: stage 4 has 256 channels; give 0..255.",
    ),
    "a channel of a layer": (
        lambda: maximise(dense(), -1, depth="maps"),
        InputError,
        "Channel -1: layer 'maps' has 4 channels; give 0..3.",
    ),
    "a channel by name": (
        lambda: dream(GREY, "featx-mini", depth=1, channel="eyes"),
        InputError,
        "Channel 'eyes': stage 1 has 32 channels; give 0..31.",
    ),
    "no channel": (
        lambda: maximise("featx-mini", [], depth=1),
        InputError,
        "No channel was named: stage 1 has 32; give one or several of 0..31.",
    ),
    "no steps": (lambda: maximise(steps=0), InputError, "steps=0: give a whole number, 1 or more."),
    "half a step": (lambda: dream(GREY, steps=1.5), InputError, "steps=1.5: give a whole number, 1 or more."),
    "no size": (lambda: dream(GREY, size=0), InputError, "size=0: give a whole number, 1 or more."),
    "a jump": (
        lambda: maximise(jitter=2),
        InputError,
        "jitter=2: give a share of the side, 0 or more and below 1.",
    ),
    "a blur that is none": (
        lambda: maximise(blur=-1),
        InputError,
        "blur=-1: give a number of pixels, 0 or more.",
    ),
    "a rate of nothing": (lambda: dream(GREY, rate=0), InputError, "rate=0: give a number above 0."),
    "a photograph that is none": (
        lambda: dream(text_file(), "featx-mini", depth=1),
        ImageError,
        "1 image cannot be read:\n  note.png: not an image that Pillow can read*\n*",
    ),
    "a channel that answers to nothing": (
        lambda: maximise(silent(), 1, depth="only", steps=1),
        InputError,
        "Channel 1 of layer 'only' answers to no noise, so no way leads up from there. Choose another channel*seed.",
    ),
    "a photograph in which nothing is seen": (
        lambda: dream(GREY, silent(), depth="only"),
        InputError,
        "Nothing in the image makes any channel of layer 'only' answer. Choose another.",
    ),
}


@pytest.mark.parametrize("mistake", MESSAGES)
def test_says(mistake, says):
    says(*MESSAGES[mistake])

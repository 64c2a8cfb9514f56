"""What a person reads when choices cannot be carried out: the whole message, for each mistake."""

from importlib.metadata import PackageNotFoundError

import numpy as np
import pytest

from featx import FeatureExtractor
from featx.embedding import Embedder
from featx.errors import InputError, UnknownNameError

PIXELS = np.zeros((2, 32, 32, 3), np.uint8)


def at_int8(**choices):
    """Give a function that runs featx-mini at int8."""
    return lambda: FeatureExtractor(precision="int8", depth=1, input_size=32, **choices).transform(PIXELS)


def given(rows, **choices):
    """Give a function that embeds rows."""
    return lambda: Embedder(FeatureExtractor(depth=1, input_size=32), **choices)(rows)


def of_own():
    """Make a network in memory."""
    import keras

    return keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3)], name="own")


def planned(backbone="featx-mini", **choices):
    """Give a function that only says what would be computed."""
    return lambda: FeatureExtractor(backbone, input_size=32, cache=None, **choices).plan()


NO_VIEWS = "give 'flip', 'crops', a factor of the input size from 0.25 to 4 such as 1.43, or a list of these."

MESSAGES = {
    "rows without the column": (
        given({"file": ["a.png"], "label": [1]}, image="path"),
        UnknownNameError,
        "Unknown column 'path'. Known: 'file', 'label'.",
    ),
    "a list for rows": (
        given(["a.png"]),
        InputError,
        (
            "rows are a list, not a batch of rows: give a pyarrow RecordBatch or Table, a frame of pandas or polars, "
            "or a dict of arrays."
        ),
    ),
    "a column that there is not to add": (
        given({}, add="vector"),
        UnknownNameError,
        "Unknown add 'vector'. Known: 'embedding', 'image_id'.",
    ),
    "a Keras model for other processes": (
        lambda: Embedder(FeatureExtractor(["featx-mini", of_own()])),
        InputError,
        (
            "The backbone is a Keras model, whose weights would travel with every batch. Save it, "
            "model.save('model.keras'), and give that path: each worker reads it once."
        ),
    ),
    "ids of what is not kept": (
        lambda: Embedder(FeatureExtractor(cache=None), add="image_id"),
        InputError,
        "The extractor keeps no vectors that could be read by image id: give it a cache= that every worker sees.",
    ),
    "read where nothing is kept": (
        lambda: Embedder(FeatureExtractor(cache=None)).read(np.zeros((1, 16), np.uint8)),
        InputError,
        "The extractor keeps no vectors that could be read by image id: give it a cache= that every worker sees.",
    ),
    "ids of the wrong length": (
        lambda: Embedder("featx-mini").read([b"short"]),
        InputError,
        "Expected image ids, (n, 16) uint8 or n times 16 bytes, got [b'short'].",
    ),
    "vectors for ids": (
        lambda: Embedder("featx-mini").read(np.zeros((2, 16), np.float32)),
        InputError,
        "Expected image ids, (n, 16) uint8 or n times 16 bytes, got (2, 16) float32.",
    ),
    "no view": (planned(views="flop"), InputError, f"views='flop': {NO_VIEWS}"),
    "a view that is no name": (
        planned(views=["flip", True]),
        InputError,
        f"views=['flip', True]: {NO_VIEWS}",
    ),
    "a size in pixels": (planned(views=320), InputError, f"views=320: {NO_VIEWS}"),
    "no number": (planned(views=float("nan")), InputError, f"views=nan: {NO_VIEWS}"),
    "maps of two sizes": (
        planned(views=2, depth=4, pooling="none"),
        InputError,
        (
            "pooling='none' gives 4096 columns of an image at 64 x 64 pixels, and 1024 at its input size, of which "
            "there is no mean. Take another pooling, such as 'avg', or leave sizes out of views=."
        ),
    ),
    "no backbone": (planned([]), InputError, "backbone is an empty list: give at least one."),
    "a backbone twice": (
        planned(["featx-mini", "featx-mini"]),
        InputError,
        (
            "backbone: 'featx-mini' stands there twice with the same choices, so each of its columns would, too. Give "
            "each backbone once."
        ),
    ),
    "weights for another number of backbones": (
        planned(["featx-mini", "mobilenet"], weights=["auto"]),
        InputError,
        "weights is a list of 1 for 2 backbones: give one for all, or one for each.",
    ),
    "depths for another number of backbones": (
        planned(["featx-mini", "mobilenet"], depth=[[2, 3]]),
        InputError,
        "depth is a list of 1 for 2 backbones: give one for all, or one for each.",
    ),
    "stages of several": (
        lambda: FeatureExtractor(["featx-mini", "mobilenet"], cache=None).stages(),
        InputError,
        "This needs one network, and 2 are given side by side. Give one backbone.",
    ),
    "int8 on Keras": (
        at_int8(engine="keras"),
        InputError,
        "int8 runs on OpenVINO, not on Keras: take engine='auto', or precision='bfloat16', which runs on both.",
    ),
    "nothing to calibrate on": (
        at_int8(calibration=[]),
        InputError,
        "calibration: X is empty: 0 sample(s) were given, and at least one image is needed.",
    ),
    "a missing file to calibrate on": (
        at_int8(calibration=["nowhere.jpg"]),
        InputError,
        "calibration: 'nowhere.jpg' cannot be read (*). Leave it out or replace it.",
    ),
}


@pytest.mark.parametrize("mistake", MESSAGES)
def test_messages(mistake, says):
    """Given, expected, what to do."""
    says(*MESSAGES[mistake])


def test_what_int8_needs_is_said(says, monkeypatch):
    """Where NNCF is not installed."""

    def missing(package):
        raise PackageNotFoundError(package)

    monkeypatch.setattr("featx.embedding.calibration.version", missing)
    says(
        at_int8(),
        InputError,
        "precision='int8' needs NNCF, and it is not installed: pip install 'featx[int8]'.",
    )

"""What a person reads when nothing can be shown: the whole message, for each mistake."""

from pathlib import Path

import keras
import numpy as np
import pytest

from featx import FeatureExtractor
from featx.errors import ImageError, InputError
from featx.seeing import strongest_maps, write_picture

GREY = np.full((8, 8, 3), 90, np.uint8)


def dense():
    """Make a network that ends in a vector."""
    layers = [
        keras.Input((8, 8, 3)),
        keras.layers.Conv2D(4, 3, name="maps"),
        keras.layers.GlobalAveragePooling2D(name="flat"),
    ]
    return FeatureExtractor(keras.Sequential(layers, name="dense"), scaling="unit", cache=None)


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


@pytest.mark.parametrize("mistake", MESSAGES)
def test_says(mistake, says):
    says(*MESSAGES[mistake])

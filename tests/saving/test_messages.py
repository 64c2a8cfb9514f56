"""What a person reads when a model cannot be saved or loaded: the whole message, for each mistake."""

import os
import sys
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
import pytest

from featx.errors import InputError, SavedModelError, UnknownNameError
from featx.heads import make_head
from featx.saving import load, save
from featx.saving.answers import Answers
from featx.saving.predictions import check_suffix, writing


def saved():
    """Save a small model and give its folder."""
    save(make_head("knn", n_neighbors=1).fit([[0, 1], [1, 0]], ["cat", "dog"]), "model")
    return Path("model")


def with_other(name, put):
    """Give a function that loads a saved model in which something else stands in a file's place."""

    def call():
        path = saved() / name
        path.unlink()
        put(path)
        load("model")

    return call


def sparse(path):
    """Make a file of 100 GB that takes no room."""
    path.touch()
    os.truncate(path, 100 * 10**9)


def moved(path):
    """Link to a sound file elsewhere."""
    save(make_head("knn", n_neighbors=1).fit([[0, 1], [1, 0]], ["cat", "dog"]), "elsewhere")
    path.symlink_to(Path("elsewhere").absolute() / path.name)


def written():
    """Write answers where a file stands in the place of a folder."""
    Path("file").touch()
    with writing(Path("file/answers.csv")):
        pass


OWN = "A saved model is read from files of its own only: copy them, or save the model again."
MESSAGES = {
    "answers of an unknown kind": (
        lambda: check_suffix(Path("answers.xlsx")),
        UnknownNameError,
        "Unknown format '.xlsx'. Known: '.csv', '.parquet', '.jsonl'.",
    ),
    "answers below a file": (
        written,
        InputError,
        "'file/answers.csv' cannot be written: *.",
    ),
    "an order of answers without probabilities": (
        lambda: Answers(["a"], np.zeros(1)).columns(top=3),
        InputError,
        "top=3: this model gives no probabilities, so its answers have no order. Leave it out.",
    ),
    "an order of several labels": (
        lambda: Answers(["a"], np.zeros((1, 2))).columns(top=3),
        InputError,
        "top=3: this model answers with 2 columns, not with one class. Leave it out.",
    ),
    "a pipe for the manifest": (
        with_other("model.json", os.mkfifo),
        SavedModelError,
        f"'*/model/model.json' is not a regular file. {OWN}",
    ),
    "a pipe for the estimator": (
        with_other("model.skops", os.mkfifo),
        SavedModelError,
        f"'*/model/model.skops' is not a regular file. {OWN}",
    ),
    "a link to a sound manifest": (
        with_other("model.json", moved),
        SavedModelError,
        f"'*/model/model.json' is a link. {OWN}",
    ),
    "a link to a device": (
        with_other("model.skops", lambda path: path.symlink_to("/dev/zero")),
        SavedModelError,
        f"'*/model/model.skops' is a link. {OWN}",
    ),
    "a manifest of 100 GB": (
        with_other("model.json", sparse),
        SavedModelError,
        f"'*/model/model.json' has 100,000,000,000 bytes, more than the 67,108,864 allowed here. {OWN}",
    ),
    "an estimator of 100 GB": (
        with_other("model.skops", sparse),
        SavedModelError,
        f"'*/model/model.skops' has 100,000,000,000 bytes, more than the 4,294,967,296 allowed here. {OWN}",
    ),
}


@pytest.mark.skipif(sys.platform != "linux", reason="uses what only Linux offers")
@pytest.mark.parametrize("mistake", MESSAGES)
def test_says(mistake, says):
    says(*MESSAGES[mistake])


def test_a_file_that_unpacks_to_more_than_allowed_is_not_unpacked(monkeypatch, says):
    """A small file may hold a hundred gigabytes of zeros."""
    monkeypatch.setattr("featx.saving.models.LARGEST", 1_000_000)
    with ZipFile(saved() / "model.skops", "a", ZIP_DEFLATED) as packed:
        packed.writestr("zeros", bytes(2_000_000))
    says(
        lambda: load("model"),
        SavedModelError,
        "'*/model/model.skops' unpacks to 2,*,* bytes, more than the 1,000,000 allowed. Do not load it.",
    )

"""What a person reads when a report is refused: the whole message, for each mistake, before anything is computed."""

from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier

from featx import report
from featx.errors import InputError, UnknownNameError
from featx.reporting import ModelReport

X, Y = np.zeros((8, 2)), np.repeat(["ant", "bee"], 4)


class Never(DummyClassifier):
    """A classifier that must not be fitted."""

    def fit(self, X, y):  # noqa: ARG002, D102
        pytest.fail("it was fitted")


def save(name):
    """Save a report whose page must not be made, under a name."""
    Path("here.html").touch()
    Path("folder.html").mkdir(exist_ok=True)
    return ModelReport(None, (), {}, {}, "").save(name)


def told(y=Y, X=X, **choices):
    return lambda: report(Never(), X, y, **choices)


def without(module, call):
    """Call where a module is not installed."""

    def absent():
        with patch.dict("sys.modules", {module: None}):
            call()

    return absent


MESSAGES = {
    "a projection that is not installed": (
        without("umap", told(projection="umap")),
        InputError,
        "projection='umap' needs umap-learn, which is not installed: pip install umap-learn.",
    ),
    "a projection there is not": (
        told(projection="tsne"),
        UnknownNameError,
        "Unknown projection 'tsne'. Known: 'pca', 'umap'.",
    ),
    "names of other columns": (
        told(target_names=["ill", "old"]),
        InputError,
        "target_names=['ill', 'old']: give 1 name, one for each column of y.",
    ),
    "a name for names": (
        told(target_names="y"),
        InputError,
        "target_names='y': give 1 name, one for each column of y.",
    ),
    "too few targets": (
        told(y=Y[:7]),
        ValueError,
        "Found input variables with inconsistent numbers of samples: [8, 7]",
    ),
    "a class of one image": (
        told(y=["ant", *["bee"] * 7]),
        InputError,
        (
            "The least populated class in y, 'ant', has only 1 member, which is too few: it takes one image to learn "
            "from and one to judge by. Give two images or more of each class."
        ),
    ),
    "one fold": (
        told(cv=1),
        InputError,
        "cv=1 leaves nothing to compare. Give 2 folds or more, or a splitter.",
    ),
    "a page that is there": (
        lambda: save("here.html"),
        InputError,
        "'here.html' exists. Give another name, or overwrite=True to replace it.",
    ),
    "a folder where the page is to be": (
        lambda: save("folder.html"),
        InputError,
        "'folder.html' is a folder, and a file is to be written. Give another name.",
    ),
    "a page in another format": (
        lambda: save("report.pdf"),
        InputError,
        "'report.pdf': a report is a page. Give a name that ends in .html.",
    ),
}


@pytest.mark.parametrize("mistake", MESSAGES)
def test_says(mistake, says):
    says(*MESSAGES[mistake])

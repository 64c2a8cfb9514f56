"""Reports that the tests look at, each made once."""

import warnings

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from featx import FeatureExtractor, make_head, report
from featx.errors import DuplicateWarning
from featx.heads import HeadPipeline
from featx.images import synthetic

HOSTILE = "<script>alert('\"&')</script>\n[2J"
"""A class that would run, break out of an attribute, end a line and clear a terminal."""


COPIES = (7, 9, 30)
"""Rows of the same image, not all in one fold."""
FEW = {"logistic": {"Cs": [1e-3, 1e-1], "cv": 2}}
"""Strengths to choose from: a report fits its head some fifty times, and says the same of any."""


def pipeline(head="logistic", **choices):
    """Give a pipeline on two depths of featx-mini, at a size that takes no time."""
    choices = {"depth": [2, 3], "pooling": "avg", "input_size": 32, "cache": None, "verbose": 0} | choices
    return HeadPipeline(
        [("extractor", FeatureExtractor(**choices)), ("head", make_head(head, **FEW.get(head, {})))]
    )


@pytest.fixture(scope="session")
def drawn(tmp_path_factory):
    """Write 60 drawn images of three classes, one of them hostile, and give paths, labels and the rows of slips.

    Two labels are wrong, one image is there three times, and one cannot be read.
    """
    folder = tmp_path_factory.mktemp("drawn")
    images, labels = synthetic(n=60, classes=3, size=40, random_state=0)
    labels = np.array([HOSTILE if label == labels[0] else label for label in labels], dtype=object)
    names = [f"<b onclick=x> '{row:03}\".png" for row in range(60)]
    for name, image in zip(names, images, strict=True):
        Image.fromarray(image).save(folder / name)
    for row in COPIES[:-1]:
        (folder / names[row]).write_bytes((folder / names[COPIES[-1]]).read_bytes())
        labels[row] = labels[COPIES[-1]]
    (folder / names[50]).write_bytes(b"no image")
    kinds = np.unique(labels.astype(str))
    for row in (11, 23):
        labels[row] = kinds[(np.flatnonzero(kinds == labels[row])[0] + 1) % 3]
    return [str(folder / name) for name in names], labels.astype(str), (11, 23)


@pytest.fixture(scope="session")
def classes(drawn):
    """Give a report of classes, with everything that there may be on it."""
    paths, labels, _ = drawn
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DuplicateWarning)
        return report(
            pipeline(on_error="nan"),
            paths,
            labels,
            cv=3,
            title=f"Shapes {HOSTILE}",
            command="featx fit 'a b' -o m",
        )


@pytest.fixture(scope="session")
def labels(tmp_path_factory):
    """Give a report of two labels for each image, which come as an array."""
    images, kinds = synthetic(n=40, classes=4, size=32, random_state=0)
    codes = np.unique(kinds, return_inverse=True)[1]
    return report(
        pipeline(), images, np.stack([codes % 2, codes // 2], 1), cv=3, target_names=["<b>odd", "high"]
    )


@pytest.fixture(scope="session")
def numbers():
    """Give a report of two numbers for each image."""
    images, _ = synthetic(n=40, classes=4, size=32, random_state=0)
    y = np.stack([images.mean(axis=(1, 2, 3)), images[..., 0].std(axis=(1, 2))], 1)
    return report(pipeline("ridge"), images, pd.DataFrame(y, columns=["brightness", "spread"]), cv=3)

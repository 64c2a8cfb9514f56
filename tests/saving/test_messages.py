"""What a person reads when a model cannot be saved or loaded: the whole message, for each mistake."""

import json
import os
import sys
from hashlib import sha256
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline, make_union
from sklearn.svm import SVC

from featx.embedding import FeatureExtractor, PixelExtractor
from featx.errors import InputError, SavedModelError, UnknownNameError
from featx.heads import LogisticHead, make_head
from featx.saving import export_model, load, load_exported, save
from featx.saving.answers import Answers
from featx.saving.predictions import check_suffix, writing


def saved():
    """Save a small model and give its folder."""
    save(make_head("knn", n_neighbors=1).fit([[0, 1], [1, 0]], ["cat", "dog"]), "model")
    return Path("model")


def notes():
    """Give a folder in which something else is kept."""
    Path("notes").mkdir()
    Path("notes/a.txt").touch()
    return Path("notes")


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


IMAGES = np.random.default_rng(0).integers(0, 256, (12, 24, 24, 3), np.uint8)
WORDS = np.array(["ant", "bee"] * 6)


def unexportable(head, **choices):
    """Give a function that tries to export a pipeline of a network and a head."""

    def call():
        extractor = FeatureExtractor(depth=1, input_size=32, pooling="avg", cache=None, **choices)
        export_model(make_pipeline(extractor, head).fit(IMAGES, WORDS == "ant"), "exported")

    return call


def side_by_side():
    """Try to export a pipeline of two networks."""
    one, other = (FeatureExtractor(depth=1, input_size=size, cache=None) for size in (32, 40))
    export_model(make_pipeline(make_union(one, other), LogisticHead()).fit(IMAGES, WORDS), "exported")


def by_pixels():
    """Try to export a pipeline without a network."""
    export_model(make_pipeline(PixelExtractor(4), LogisticHead()).fit(IMAGES, WORDS), "exported")


def exported(change):
    """Give a function that loads an exported model in which something was changed."""

    def call():
        place = Path("exported")
        place.mkdir()
        about = {
            "format": 1, "graph": "onnx", "input": {"shape": [None, 8, 8, 3], "resize": "squash"},
            "output": {"kind": "probabilities", "columns": 2, "labels": ["a", "b"], "answers": "one label"},
            "files": {"model.onnx": sha256(b"graph").hexdigest()},
        }  # fmt: skip
        (place / "model.onnx").write_bytes(b"graph")
        change(place, about)
        (place / "exported.json").write_text(json.dumps(about))
        load_exported(place)

    return call


def exported_read_as_saved():
    """Load a folder that holds an exported model as if it were a saved one."""
    Path("graph").mkdir()
    Path("graph/exported.json").write_text("{}")
    load("graph")


ONE_GRAPH = (
    "so it cannot be one graph with the network. "
    "Fit a linear head, such as 'logistic', 'ridge-classifier' or 'ridge'."
)
OWN_GRAPH = "An exported model is read from files of its own only: copy them, or export the model again."
OWN = "A saved model is read from files of its own only: copy them, or save the model again."
MESSAGES = {
    "a graph that would see one view": (
        unexportable(LogisticHead(), views="flip"),
        InputError,
        "The extractor has views='flip', and the graph would see whole images only. Fit the pipeline with views=None.",
    ),
    "a graph of two networks": (
        unexportable(LogisticHead(), backbone=["featx-mini", "mobilenet_0.25"], weights=["auto", None]),
        InputError,
        "The extractor has 2 backbones, and the graph holds one network. Fit the pipeline on one of them.",
    ),
    "answers of an unknown kind": (
        lambda: check_suffix(Path("answers.xlsx")),
        UnknownNameError,
        "Unknown format '.xlsx'. Known: '.csv', '.parquet', '.jsonl'.",
    ),
    "answers without a name": (
        lambda: check_suffix(Path("here/.csv")),
        InputError,
        "'here/.csv' is an ending without a name. Give both, such as 'here/name.csv'.",
    ),
    "a model in the place of a file": (
        lambda: (
            (saved() / "file").touch()
            or save(LogisticHead().fit([[0], [1]], [0, 1]), "model/file", overwrite=True)
        ),
        SavedModelError,
        "'*/model/file' is not a folder, and a saved model is one. Give another name.",
    ),
    "an exported model read as a saved one": (
        exported_read_as_saved,
        SavedModelError,
        (
            "'*/graph' is an exported model, which holds only the graph. Read it with load_exported, or load the model "
            "that was exported."
        ),
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
    "a file's name for a report": (
        lambda: save(
            make_head("knn", n_neighbors=1).fit([[0, 1], [1, 0]], ["cat", "dog"]), "m", report="a.html"
        ),
        InputError,
        "report='a.html': give what featx.report returned.",
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
MESSAGES |= {
    "an export of trees": (
        unexportable(make_head("xgboost", n_estimators=2)),
        InputError,
        f"What follows the extractor (XGBoostHead) has no decision_function, {ONE_GRAPH}",
    ),
    "an export of neighbours": (
        unexportable(make_head("knn", n_neighbors=1)),
        InputError,
        f"What follows the extractor (*KNeighborsClassifier) has no decision_function, {ONE_GRAPH}",
    ),
    "an export of a kernel that bends": (
        unexportable(SVC()),
        InputError,
        f"What follows the extractor (SVC) is not linear in the embedding, {ONE_GRAPH}",
    ),
    "an export of calibrated probabilities": (
        unexportable(CalibratedClassifierCV(LogisticRegression(), cv=2)),
        InputError,
        f"What follows the extractor (CalibratedClassifierCV) has no decision_function, {ONE_GRAPH}",
    ),
    "an export of two networks": (
        side_by_side,
        InputError,
        (
            "This Pipeline begins with FeatureUnion, not with one FeatureExtractor that a head follows. Give a fitted "
            "pipeline that does, such as featx fit saves."
        ),
    ),
    "an export of pixels": (
        by_pixels,
        InputError,
        (
            "This Pipeline begins with PixelExtractor, not with one FeatureExtractor that a head follows. Give a "
            "fitted pipeline that does, such as featx fit saves."
        ),
    ),
    "an export at another precision": (
        unexportable(LogisticHead(), precision="bfloat16"),
        InputError,
        (
            "The extractor has precision='bfloat16', and the graph would compute in float32. Fit the pipeline with "
            "precision='float32'."
        ),
    ),
    "an export of an unknown kind": (
        lambda: export_model(None, "exported", format="tflite"),
        UnknownNameError,
        "Unknown format 'tflite'. Known: 'onnx', 'openvino', 'keras'.",
    ),
    "an export where there is something": (
        lambda: export_model(None, saved()),
        SavedModelError,
        "'*/model' exists. Give another name, or overwrite=True to replace an exported model.",
    ),
    "an export in place of something else": (
        lambda: export_model(None, saved(), overwrite=True),
        SavedModelError,
        "'*/model' is not replaced: it does not hold an exported model that can be read. Give another name.",
    ),
    "a model in place of something else": (
        lambda: save(LogisticRegression().fit([[0], [1]], [0, 1]), notes(), overwrite=True),
        SavedModelError,
        "'*/notes' is not replaced: it does not hold a saved model that can be read. Give another name.",
    ),
    "a graph that was changed": (
        exported(lambda place, _: (place / "model.onnx").write_bytes(b"other")),
        SavedModelError,
        "'*/model.onnx' is damaged: its SHA-256 is not what exported.json says. Copy or export it again.",
    ),
    "a graph that is a link": (
        exported(
            lambda place, _: (
                (place / "model.onnx").rename("moved") and (place / "model.onnx").symlink_to("moved")
            )
        ),
        SavedModelError,
        f"'*/model.onnx' is a link. {OWN_GRAPH}",
    ),
    "a graph that is none": (
        exported(lambda *_: None),
        SavedModelError,
        "The graph in '*/exported' cannot be read: *. Export the model again.",
    ),
    "an exported model of a newer format": (
        exported(lambda _, about: about.update(format=2)),
        SavedModelError,
        "'*/exported' has format 2; this featx reads up to 1. Install a newer featx.",
    ),
    "a graph outside the folder": (
        exported(lambda _, about: about.update(files={"../model.onnx": "00"})),
        SavedModelError,
        "'*/exported.json' is not what export_model wrote. Export the model again.",
    ),
    "an image of endless size": (
        exported(lambda _, about: about["input"].update(shape=[None, 1 << 20, 8, 3])),
        SavedModelError,
        "'*/exported.json' is not what export_model wrote. Export the model again.",
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

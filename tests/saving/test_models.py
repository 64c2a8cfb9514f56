"""Saving a fitted estimator as a folder without pickle, and loading it from hostile hands."""

import io
import json
import os
import pathlib
import pickle
import shutil
import zipfile

import numpy as np
import pytest
import sklearn
import skops.io
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.datasets import make_classification, make_multilabel_classification, make_regression
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import FunctionTransformer

from featx.embedding import FeatureExtractor
from featx.errors import SavedModelError, SavedModelWarning
from featx.files import file_digest
from featx.heads import make_head
from featx.images import synthetic
from featx.saving import load, save
from featx.saving.types import with_public_names

SMALL = {"xgboost": {"n_estimators": 3, "n_jobs": 1}, "xgboost-regressor": {"n_estimators": 3, "n_jobs": 1}}
LABELS = np.array(["ant", "bee", "cat"])


class Shout(BaseEstimator):
    """An estimator that featx does not know."""

    def fit(self, X, y=None):  # noqa: ARG002 - scikit-learn's signature
        """Learn nothing."""
        self.fitted_ = True
        return self

    def predict(self, X):
        """Say the same of all."""
        return np.full(len(X), "!")


class Bomb:
    """Writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.fixture
def folder(tmp_path):
    """Return the folder of a saved pipeline."""
    X, y = make_classification(60, random_state=0)
    save(make_head("svm").fit(X, LABELS[y]), tmp_path / "model")
    return tmp_path / "model"


def forge(folder, data=None, **changes):
    """Put `data` in place of the estimator and `changes` in model.json, with digests that agree."""
    if data is not None:
        (folder / "model.skops").write_bytes(data)
    manifest = json.loads((folder / "model.json").read_text())
    for name in manifest["files"]:
        manifest["files"][name] = file_digest(folder / name)
    (folder / "model.json").write_text(json.dumps(manifest | changes))


def names(folder):
    """List the names in a folder."""
    return sorted(path.name for path in folder.iterdir())


def same_predictions(estimator, X, folder):
    """Whether what is loaded predicts as what was saved, to the bit."""
    save(estimator, folder)
    loaded = load(folder)
    assert type(loaded) is type(estimator)
    for method in ("predict", "predict_proba", "decision_function"):
        if hasattr(estimator, method):
            before, after = getattr(estimator, method)(X), getattr(loaded, method)(X)
            np.testing.assert_equal(after, before)
    return loaded


@pytest.mark.parametrize("name", ["logistic", "xgboost", "svm", "knn"])
@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("kind", ["U", "O", "i"])
def test_classifiers_come_back(name, classes, kind, tmp_path):
    """Every classifying head predicts after as before, with labels that are strings, objects or numbers."""
    X, y = make_classification(60, n_informative=5, n_classes=classes, random_state=0)
    labels = y + 5 if kind == "i" else LABELS[y].astype(kind)
    loaded = same_predictions(make_head(name, **SMALL.get(name, {})).fit(X, labels), X, tmp_path / "m")
    assert list(loaded.classes_) == sorted(set(labels.tolist()))


@pytest.mark.parametrize("name", ["logistic", "xgboost", "svm", "knn"])
def test_multilabel_heads_come_back(name, tmp_path):
    """A matrix of labels predicts after as before."""
    X, Y = make_multilabel_classification(60, random_state=0)
    head = make_head(name, **SMALL.get(name, {}))
    same_predictions((OneVsRestClassifier(head) if name == "svm" else head).fit(X, Y), X, tmp_path / "m")


@pytest.mark.parametrize("name", ["ridge", "xgboost-regressor"])
@pytest.mark.parametrize("targets", [1, 2])
def test_regressors_come_back(name, targets, tmp_path):
    """One number or two predict after as before."""
    X, y = make_regression(60, 10, n_targets=targets, random_state=0)
    same_predictions(make_head(name, **SMALL.get(name, {})).fit(X, y), X, tmp_path / "m")


@pytest.mark.parametrize("nest", ["pipeline", "search", "columns", "calibrated"])
def test_an_extractor_comes_back_from_wherever_it_is(nest, tmp_path):
    """A pipeline from images to labels predicts after as before, also inside other estimators."""
    images, labels = synthetic(n=24, classes=3, size=32, random_state=0)
    extractor = FeatureExtractor(
        depth=2, pooling="avg", input_size=32, cache=tmp_path / "cache", batch_size=8
    )
    estimator = make_pipeline(extractor, make_head("logistic", Cs=3, cv=2))
    X = images
    if nest == "search":
        estimator = GridSearchCV(estimator, {"featureextractor__depth": [1, 2]}, cv=2)
    if nest == "calibrated":
        estimator = CalibratedClassifierCV(estimator, cv=2, ensemble=False)
    if nest == "columns":
        X = images.reshape(len(images), -1)
        extractor.set_params(image_shape=images.shape[1:])
        columns = ColumnTransformer([("image", extractor, slice(0, X.shape[1]))])
        estimator = make_pipeline(columns, make_head("logistic", Cs=3, cv=2))
    same_predictions(estimator.fit(X, labels), X, tmp_path / "m")


@pytest.fixture
def network():
    """Return a small network of the user's own."""
    import keras

    keras.utils.set_random_seed(0)
    inputs = keras.Input((16, 16, 3))
    maps = keras.layers.Conv2D(4, 3, strides=2, activation="relu")(inputs)
    return keras.Model(inputs, keras.layers.Conv2D(8, 3, strides=2, activation="relu")(maps))


def test_a_keras_model_travels_in_the_folder(network, tmp_path):
    """A backbone that is an object is saved as a .keras file and comes back an object."""
    images, labels = synthetic(n=12, classes=2, size=16, random_state=0)
    extractor = FeatureExtractor(network, depth=-1, pooling="avg", scaling="unit", cache=None, batch_size=4)
    pipe = make_pipeline(extractor, make_head("knn", n_neighbors=1))
    search = GridSearchCV(pipe, {}, cv=2).fit(images, labels)
    save(search, tmp_path / "m")
    assert search.best_estimator_[0].backbone.count_params() == network.count_params()
    (tmp_path / "m").rename(tmp_path / "moved")
    assert "network-0.keras" in names(tmp_path / "moved")
    loaded = load(tmp_path / "moved")
    for mine, back in (
        (search.estimator, loaded.estimator),
        (search.best_estimator_, loaded.best_estimator_),
    ):
        assert type(back[0].backbone) is type(mine[0].backbone)
        np.testing.assert_array_equal(back[0].transform(images), mine[0].transform(images))


def test_a_keras_model_used_twice_is_saved_once(network, tmp_path):
    """Two extractors that share a network share it again after loading."""
    images, _ = synthetic(n=4, classes=2, size=16, random_state=0)
    pair = [FeatureExtractor(network, depth=depth, pooling="avg", cache=None) for depth in (1, 2)]
    save(make_union(*pair).fit(images), tmp_path / "m")
    assert names(tmp_path / "m") == ["README.md", "model.json", "model.skops", "network-0.keras"]
    (_, first), (_, second) = load(tmp_path / "m").transformer_list
    assert first.backbone is second.backbone


def test_a_hostile_network_does_not_run(network, tmp_path):
    """Code in a Lambda layer is refused until it is trusted by name."""
    import keras

    images, _ = synthetic(n=4, classes=2, size=16, random_state=0)
    mark = str(tmp_path / "ran")
    save(FeatureExtractor(network, cache=None).fit(images), tmp_path / "m")
    run = keras.layers.Lambda(lambda x: (__import__("pathlib").Path(mark).touch(), x)[1])
    keras.Sequential([keras.Input((4,)), run]).save(tmp_path / "m" / "network-0.keras")
    pathlib.Path(mark).unlink(missing_ok=True)
    keras.saving.load_model(tmp_path / "m" / "network-0.keras", safe_mode=False)
    pathlib.Path(mark).unlink()  # where it is let, it runs
    forge(tmp_path / "m")
    with pytest.raises(SavedModelError, match=r"not trusted\. .*keras\.layers\.Lambda"):
        load(tmp_path / "m")
    assert not pathlib.Path(mark).exists()


@pytest.mark.parametrize(
    ("payload", "named"),
    [
        (FunctionTransformer(os.system), "posix.system"),
        (FunctionTransformer(eval), "builtins.eval"),
        (FunctionTransformer(shutil.rmtree), "shutil.rmtree"),
        (Shout(), "test_models.Shout"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_untrusted_types_are_named_and_not_made(payload, named, folder):
    """A function or class that nobody vouched for is refused by name, with what to do."""
    forge(folder, skops.io.dumps(payload))
    with pytest.raises(SavedModelError, match=rf"not trusted\. If .*, pass trusted=\['.*{named}'\]"):
        load(folder)


def test_a_call_dressed_as_a_constructor_does_not_run(folder, tmp_path):
    """A hand-written skops file that would start a process is refused."""
    data = io.BytesIO()
    argument = {
        "__class__": "tuple",
        "__module__": "builtins",
        "__loader__": "TupleNode",
        "content": [
            {
                "__class__": "str",
                "__module__": "builtins",
                "__loader__": "JsonNode",
                "content": json.dumps(f"touch {tmp_path / 'ran'}"),
                "is_json": True,
            }
        ],
    }
    call = {
        "__class__": "system",
        "__module__": "os",
        "__loader__": "ConstructorFromReduceNode",
        "content": argument,
        "protocol": skops.io._protocol.PROTOCOL,
    }
    with zipfile.ZipFile(data, "w") as file:
        file.writestr("schema.json", json.dumps(call))
    forge(folder, data.getvalue())
    with pytest.raises(SavedModelError, match=r"os\.system"):
        load(folder)
    assert not (tmp_path / "ran").exists()


def test_a_pickle_in_place_of_the_model_does_not_run(folder, tmp_path):
    """A pickle under the model's name is not a model."""
    forge(folder, pickle.dumps(Bomb(tmp_path / "ran")))
    with pytest.raises(SavedModelError, match=r"is not what save wrote: BadZipFile"):
        load(folder)
    assert not (tmp_path / "ran").exists()


def test_a_pickle_smuggled_into_an_array_does_not_run(folder, tmp_path):
    """An array of pickled objects inside the model is refused."""
    array = io.BytesIO()
    np.save(array, np.array([Bomb(tmp_path / "ran")], dtype=object), allow_pickle=True)
    data = io.BytesIO()
    with zipfile.ZipFile(folder / "model.skops") as old, zipfile.ZipFile(data, "w") as new:
        for name in old.namelist():
            new.writestr(name, array.getvalue() if name.endswith(".npy") else old.read(name))
    forge(folder, data.getvalue())
    with pytest.raises(SavedModelError, match=r"not what save wrote: ValueError: Object arrays cannot"):
        load(folder)
    assert not (tmp_path / "ran").exists()


def test_a_zip_with_paths_out_of_the_folder_writes_nothing(folder, tmp_path):
    """Nothing is ever extracted, so a member named ../../x goes nowhere."""
    with zipfile.ZipFile(folder / "model.skops", "a") as file:
        file.writestr("../../ran", "x")
        file.writestr(str(tmp_path / "ran"), "x")
    forge(folder)
    before = sorted(tmp_path.rglob("*"))
    load(folder)
    assert sorted(tmp_path.rglob("*")) == before


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(where=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_every_changed_bit_is_found(folder, where, bit):
    """One bit of the model changed anywhere: the digest says so."""
    path = folder / "model.skops"
    whole = path.read_bytes()
    changed = bytearray(whole)
    changed[int(where * len(whole))] ^= 1 << bit
    path.write_bytes(changed)
    with pytest.raises(SavedModelError, match=r"model.skops' is damaged: its SHA-256 is"):
        load(folder)
    path.write_bytes(whole)
    load(folder)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is damaged: Expecting value"),
        ("[" * 100_000, "is damaged"),
        ("[]", "is not what save wrote"),
        ('{"format": 1}', "is not what save wrote"),
        ('{"format": true, "files": {"model.skops": ""}, "versions": {}}', "is not what save wrote"),
        ('{"format": 1, "files": {}, "versions": {}}', "is not what save wrote"),
        ('{"format": 1, "files": {"model.skops": "", "../x": ""}, "versions": {}}', "is not what save wrote"),
        (
            '{"format": 1, "files": {"model.skops": "", "/x": ""}, "versions": {}}',
            "is not what save wrote",
        ),
        ('{"format": 1, "files": {"model.skops": 7}, "versions": {}}', "model.json says 7"),
        ('{"format": 2}', "has format 2; this featx reads up to 1. Install a newer featx"),
    ],
)
def test_a_model_json_that_lies_is_refused(text, message, folder):
    """Whatever model.json says, it is an error of featx's that says what is wrong."""
    (folder / "model.json").write_text(text)
    with pytest.raises(SavedModelError, match=message.replace(".", r"\.")):
        load(folder)


def test_a_network_that_model_json_does_not_list_is_not_opened(folder):
    """The estimator cannot make load open a file elsewhere."""
    forge(folder, with_public_names(skops.io.dumps(FeatureExtractor("featx-network:../../elsewhere.keras"))))
    with pytest.raises(SavedModelError, match=r"asks for '../../elsewhere.keras', which model.json"):
        load(folder)


def test_missing_parts_are_named(folder, tmp_path):
    """No folder, no model.json, no model: each has its message."""
    with pytest.raises(SavedModelError, match=r"'.*nowhere' is not a saved model: it has no model.json"):
        load(tmp_path / "nowhere")
    (folder / "model.skops").unlink()
    with pytest.raises(SavedModelError, match=r"model.skops' cannot be read: No such file"):
        load(folder)


def test_another_scikit_learn_is_said_once(folder):
    """One warning names both versions."""
    data = io.BytesIO()
    with zipfile.ZipFile(folder / "model.skops") as old, zipfile.ZipFile(data, "w") as new:
        for name in old.namelist():
            here = json.dumps(sklearn.__version__)[1:-1].encode()
            new.writestr(name, old.read(name).replace(here, b"1.2.3"))  # each estimator in it warns by itself
    forge(folder, data.getvalue(), versions={"scikit-learn": "1.2.3"})
    with pytest.warns(
        SavedModelWarning, match=r"scikit-learn 1\.2\.3, and this is .*its predictions"
    ) as seen:
        load(folder)
    assert len(seen) == 1


def test_types_of_the_users_own_load_when_named(tmp_path):
    """Save says what load will need; load takes it."""
    needed = f"{Shout.__module__}.Shout"
    with pytest.warns(SavedModelWarning, match=rf"To load this model, pass trusted=\['{needed}'\] to load"):
        save(Shout().fit([[0]]), tmp_path / "m")
    assert load(tmp_path / "m", trusted=[needed]).predict([[0]]) == "!"
    with pytest.raises(SavedModelError, match="trusted=True: give a list of full type names"):
        load(tmp_path / "m", trusted=True)
    forest = RandomForestClassifier(2, random_state=0).fit([[0], [1]], [0, 1])
    with pytest.warns(SavedModelWarning, match=r"sklearn\.tree\._tree\.Tree"):
        save(forest, tmp_path / "f")
    assert load(tmp_path / "f", trusted=["sklearn.tree._tree.Tree"]).n_classes_ == 2


def test_the_manifest_says_what_the_folder_holds(folder):
    """People and programs can read what a model is without loading it."""
    manifest = json.loads((folder / "model.json").read_text())
    assert manifest["estimator"] == "featx.heads.HeadPipeline"
    assert manifest["classes"] == ["ant", "bee"]
    assert {"featx", "scikit-learn", "xgboost", "keras"} <= set(manifest["versions"])
    assert set(manifest["files"]) | {"README.md", "model.json"} == set(names(folder))


def test_an_existing_folder_is_replaced_only_if_asked_and_ours(folder, tmp_path):
    """overwrite=True replaces a saved model as a whole, and nothing else, ever."""
    X, y = make_classification(60, random_state=1)
    other = LogisticRegression().fit(X, y)
    with pytest.raises(SavedModelError, match=r"exists\. Give another name, or overwrite=True"):
        save(other, folder)
    save(other, folder, overwrite=True)
    assert type(load(folder)) is LogisticRegression
    (folder / "thesis.tex").write_text("years of work")
    with pytest.raises(SavedModelError, match=r"not replaced: 'thesis.tex' in it does not belong to a saved"):
        save(other, folder, overwrite=True)
    (tmp_path / "photos").mkdir()
    with pytest.raises(SavedModelError, match="it does not hold a saved model that can be read"):
        save(other, tmp_path / "photos", overwrite=True)
    assert names(tmp_path) == ["model", "photos"]


@pytest.mark.parametrize("existing", [False, True])
@pytest.mark.parametrize(
    "step", ["featx.saving.models.file_digest", "featx.files._sync", "pathlib.Path.rename"]
)
def test_a_save_that_fails_leaves_what_was(step, existing, folder, tmp_path, monkeypatch):
    """Whichever step fails, there is the old model or none, and no leftover."""

    def fail(*_):
        raise OSError(28, "No space left on device")

    before = (folder / "model.skops").read_bytes()
    target = folder if existing else tmp_path / "new"
    monkeypatch.setattr(step, fail)
    with pytest.raises(SavedModelError, match="cannot be written: No space left"):
        save(LogisticRegression().fit([[0], [1]], [0, 1]), target, overwrite=True)
    monkeypatch.undo()
    assert names(tmp_path) == ["model"]
    assert (folder / "model.skops").read_bytes() == before


OVERWRITING = """
from pathlib import Path
import numpy as np
from sklearn.dummy import DummyClassifier
from featx.saving import load, save
from featx.saving.types import with_public_names
folder = Path(sys.argv[2]) / "model"

def write(kill, number):
    save(DummyClassifier(strategy="constant", constant=number).fit([[0]] * 2, [number, -1]), folder, overwrite=True)

def check(kill, done):
    if not folder.exists():  # killed between two renames
        (old,) = folder.parent.glob(".featx-*.old/model")
        old.rename(folder)
    assert load(folder).predict([[0]])[0] >= done - 1
"""


def test_a_kill_at_any_moment_leaves_a_model_that_loads(tmp_path, killing):
    """The old one or the new one, whole; next to nothing is left beside it, and that is swept in time."""
    killing(OVERWRITING, tmp_path, kills=6)
    for path in [*tmp_path.rglob("*"), *tmp_path.iterdir()]:
        os.utime(path, (0, 0))
    save(LogisticRegression().fit([[0], [1]], [0, 1]), tmp_path / "model", overwrite=True)
    assert names(tmp_path) == ["model"]


def test_what_cannot_be_saved_leaves_nothing(tmp_path):
    """An unfitted estimator, something that is none, and one that holds what has no state are refused."""
    with pytest.raises(NotFittedError, match="not fitted yet"):
        save(LogisticRegression(), tmp_path / "m")
    with pytest.raises(TypeError, match="not an estimator instance"):
        save(object(), tmp_path / "m")
    shout = Shout().fit([[0]])
    shout.stream_ = (number for number in range(3))
    with pytest.raises(SavedModelError, match="Shout cannot be saved without pickle"):
        save(shout, tmp_path / "m")
    assert names(tmp_path) == []

"""An exported graph answers as the pipeline does, to 1e-5, in every format and without featx."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from featx.embedding import FeatureExtractor
from featx.finetuning import FineTuner, FineTunerRegressor
from featx.heads import make_head
from featx.images import load_folder
from featx.saving import export_model, load_exported
from featx.saving.export import TOLERANCE

WORDS = np.array(["ant", "bee", "cat"] * 4)
SEVERAL = np.column_stack([np.arange(12) % 2, np.arange(12) % 3 == 0]).astype(int)
NUMBERS = np.linspace(3.0, 7.0, 12)


def extractor(tiny, **choices):
    """Make an extractor that keeps nothing."""
    return FeatureExtractor(tiny, scaling="unit", cache=None, engine="keras", **choices)


def pipe(head, y, depth=-1, pooling="avg"):
    """Give a function that fits a pipeline of a network and a head."""

    def fit(tiny, pixels):
        last = make_head(head) if isinstance(head, str) else head
        return make_pipeline(extractor(tiny, depth=depth, pooling=pooling), last).fit(pixels, y)

    return fit


def search(tiny, pixels):
    """Fit a search over heads."""
    steps = make_pipeline(extractor(tiny, depth=-1), LogisticRegression())
    return GridSearchCV(steps, {"logisticregression__C": [1.0, 10.0]}, cv=2).fit(pixels, WORDS)


def sampled(tiny, pixels):
    """Fit a pipeline with a sampler of imbalanced-learn, which has no `transform`."""
    from imblearn.over_sampling import SMOTE
    from imblearn.pipeline import make_pipeline

    return make_pipeline(extractor(tiny, depth=-1), SMOTE(k_neighbors=1), LogisticRegression()).fit(
        pixels, WORDS
    )


def tuned(kind, y):
    """Give a function that fine-tunes a network for an epoch."""

    def fit(tiny, pixels):
        settings = {"epochs": 1, "augment": None, "validation": None, "verbose": 0, "random_state": 0}
        return kind(extractor(tiny, depth=-1), **settings).fit(pixels, y)

    return fit


MODELS = {
    "three classes": pipe("logistic", WORDS),
    "two classes": pipe("logistic", WORDS == "ant"),
    "several labels": pipe("logistic", SEVERAL),
    "several depths and poolings": pipe("logistic", WORDS, [1, 2, -1], ["avg+std", "gem", "grid2+max"]),
    "a search": search,
    "a sampler": sampled,
    "scores without probabilities": pipe("ridge-classifier", WORDS),
    "the score of two classes": pipe("ridge-classifier", WORDS == "ant"),
    "a number": pipe("ridge", NUMBERS),
    "two numbers": pipe("ridge", np.column_stack([NUMBERS, -100 * NUMBERS])),
    "a fine-tuned network": tuned(FineTuner, WORDS),
    "a fine-tuned share": tuned(FineTunerRegressor, NUMBERS / 10),
}


def same(exported, model, images):
    """Compare answers and probabilities."""
    expected, found = np.asarray(model.predict(images)), exported.predict(images)
    if expected.dtype.kind == "f":
        np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE * np.abs(expected).max())
    else:
        assert found.tolist() == expected.tolist()
        assert exported.classes_.tolist() == model.classes_.tolist()
    assert hasattr(exported, "predict_proba") == hasattr(model, "predict_proba")
    if hasattr(model, "predict_proba"):
        chances = model.predict_proba(images)
        np.testing.assert_allclose(exported.predict_proba(images), chances, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("name", MODELS)
def test_the_graph_answers_as_the_pipeline(tiny, pixels, name):
    """In Keras' own format, for everything that can be exported."""
    model = MODELS[name](tiny, pixels)
    export_model(model, "exported", format="keras")

    same(load_exported("exported"), model, pixels)


@pytest.mark.parametrize(
    ("name", "format"),
    [
        ("several depths and poolings", "onnx"),
        ("several depths and poolings", "openvino"),
        ("two classes", "onnx"),
        ("two numbers", "onnx"),
    ],
)
def test_so_does_that_of_other_programs(tiny, pixels, name, format):  # noqa: A002
    """Run by ONNX Runtime and by OpenVINO, on one image and on many."""
    model = MODELS[name](tiny, pixels)
    export_model(model, "exported", format=format)

    same(load_exported("exported"), model, pixels)
    same(load_exported("exported"), model, pixels[:1])


def test_a_network_that_flips_when_it_trains_is_exported_as_it_answers(tiny, pixels):
    """A layer with two ways is at its second one in the graph."""
    import keras

    entry = keras.Input((16, 16, 3))
    flipping = keras.Model(entry, tiny(keras.layers.RandomFlip(seed=0)(entry)))
    model = make_pipeline(extractor(flipping, depth=-1), make_head("logistic")).fit(pixels, WORDS)
    export_model(model, "exported")

    same(load_exported("exported"), model, pixels)


def test_another_program_has_all_that_it_needs(tiny, pixels):
    """The size, how an image comes to it, and the labels stand beside the graph; here ONNX Runtime alone runs it."""
    import onnxruntime
    from PIL import Image

    model = MODELS["three classes"](tiny, pixels)
    export_model(model, "exported")
    about = json.loads(Path("exported/exported.json").read_text())
    _, height, width, channels = about["input"]["shape"]
    session = onnxruntime.InferenceSession(f"exported/{next(iter(about['files']))}")
    image = np.asarray(Image.fromarray(pixels[0]).resize((width, height), Image.Resampling.BILINEAR))[None]
    chances = session.run(None, {session.get_inputs()[0].name: image})[0]

    assert (channels, about["input"]["dtype"], about["input"]["resize"]) == (3, "uint8", "squash")
    assert about["output"]["labels"] == model.classes_.tolist()
    assert about["output"]["labels"][chances.argmax()] == model.predict(pixels[:1])[0]


ALONE = """
import sys
class Closed:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {closed}:
            raise ImportError(name + " is not installed here")
sys.meta_path.insert(0, Closed())
from featx.cli import main
main(["predict", "exported", {image!r}, "--json"])
"""


@pytest.mark.parametrize("format", ["onnx", "openvino"])
def test_an_exported_model_is_run_with_few_packages(tiny, pixels, files, format):  # noqa: A002
    """Neither TensorFlow nor Keras, nor scikit-learn, nor what the cache and tables take."""
    model = MODELS["three classes"](tiny, pixels)
    export_model(model, "exported", format=format)
    closed = [
        "keras", "tensorflow", "jax", "torch", "sklearn", "scipy", "xgboost", "skops", "h5py", "xxhash", "pandas",
        "pyarrow", "platformdirs", "threadpoolctl", {"onnx": "openvino", "openvino": "onnxruntime"}[format],
    ]  # fmt: skip
    program = ALONE.replace("{closed}", repr(closed)).replace("{image!r}", repr(files[0]))
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    (answer,) = json.loads(done.stdout)
    assert answer["prediction"] == model.predict(files[:1])[0]
    assert answer["probability"] == pytest.approx(model.predict_proba(files[:1]).max(), abs=TOLERANCE)


@pytest.mark.slow
def test_the_answers_agree_on_photographs(data, imagenet):
    """A network with real weights, a head that has learned, images that it has not seen."""
    photographs = load_folder(data / "images" / "flowers5")
    some = photographs[:: len(photographs) // 80]
    network = FeatureExtractor("mobilenet_v2", cache=None, engine="keras")
    model = make_pipeline(network, make_head("logistic")).fit(some.paths[::2], some.labels[::2])
    for format in ("onnx", "openvino", "keras"):  # noqa: A001
        export_model(model, format, format=format)
        same(load_exported(format), model, some.paths[1::2])


@pytest.mark.slow
def test_a_graph_of_keras_loads_without_featx(tiny, pixels):
    """Nothing of featx is in it."""
    export_model(MODELS["several depths and poolings"](tiny, pixels), "exported", format="keras")
    program = """
import sys
sys.modules["featx"] = None
import keras, numpy
model = keras.saving.load_model("exported/model.keras")
print(model.predict_on_batch(numpy.zeros((2, 16, 16, 3), "uint8")).shape)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)

    assert done.stdout.splitlines()[-1:] == ["(2, 3)"], done.stderr

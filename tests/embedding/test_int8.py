"""int8: other numbers, near float32, the same ones each time; on OpenVINO only, and only where the processor can."""

import hashlib
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

from featx import FeatureExtractor, load, save
from featx.embedding.calibration import Calibration
from featx.embedding.int8 import saturates
from featx.embedding.keras_engine import KerasEngine
from featx.embedding.openvino_engine import OpenVINOEngine, export
from featx.heads import make_head
from featx.images.datasets import parts_of_photographs
from featx.networks.flatten import flatten

SIZE = 16
PIXELS = parts_of_photographs(24, (SIZE, SIZE))


@pytest.fixture(autouse=True)
def _can():
    if saturates():
        pytest.skip("this processor adds products of 8 bits in 16")


@pytest.fixture(scope="module")
def network():
    """Make a network with the joints at which a quantiser could stand here or there: sums, branches, a squeeze."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(3)
    start = keras.Input((SIZE, SIZE, 3))
    x = layers.Conv2D(8, 3, strides=2, padding="same", activation="relu", name="one")(start)
    y = layers.Conv2D(8, 3, padding="same", activation="relu")(x)
    x = layers.Add(name="sum")([x, layers.Conv2D(8, 1)(y)])
    y = layers.Conv2D(8, 3, padding="same", activation="swish")(x)
    x = layers.MaxPooling2D(name="pool")(layers.Concatenate(name="both")([x, y]))
    gate = layers.Conv2D(16, 1, activation="sigmoid")(layers.GlobalAveragePooling2D(keepdims=True)(x))
    x = layers.Multiply(name="gated")([x, gate])
    return keras.Model(start, layers.Conv2D(12, 1, name="last")(x), name="jointed")


@pytest.fixture(scope="module")
def quantised(network, tmp_path_factory):
    """Give a function that makes an int8 engine of some taps, and the folder of its graph."""
    graph = flatten(network, input_size=(SIZE, SIZE), scaling="unit")

    def make(taps):
        folder = tmp_path_factory.mktemp("int8")
        export(
            KerasEngine(graph, [(graph.at(layer), pooling) for layer, pooling in taps], 2).model,
            folder / "float32",
        )
        OpenVINOEngine(folder / "float32").write_int8(PIXELS[:12], folder / "int8")
        return OpenVINOEngine(folder / "int8", "int8"), folder / "int8"

    return make


TAPS = [
    ("one", "avg+std"),
    ("sum", "gem"),
    ("both", "grid2"),
    ("pool", "max"),
    ("gated", "std"),
    ("last", "none"),
]


@pytest.fixture(scope="module")
def all_taps(quantised):
    return quantised(TAPS)


def vectors_of(engine, pixels=PIXELS):
    return [np.concatenate(parts) for parts in zip(*engine.run([pixels]), strict=True)]


SLOW = [pytest.param(place, marks=pytest.mark.slow) for place in (0, 2, 3, 5)]


@pytest.mark.parametrize("place", [1, 4, *SLOW])
def test_a_tap_has_the_same_numbers_whichever_others_are_taken(place, quantised, all_taps):
    """To the bit: a tap has one recipe, so no quantiser may depend on what else reads the maps."""
    alone, _ = quantised([TAPS[place]])
    assert np.array_equal(*vectors_of(alone), vectors_of(all_taps[0])[place])


def test_the_same_graph_twice_is_the_same_graph(quantised, all_taps):
    """With the same digest, made in two processes."""
    _, again = quantised(TAPS)
    digests = [
        hashlib.sha256((folder / "graph.bin").read_bytes()).digest() for folder in (again, all_taps[1])
    ]
    assert digests[0] == digests[1]


def test_a_vector_does_not_depend_on_its_batch_mates(all_taps):
    """To the bit, as at float32."""
    engine, folder = all_taps
    single = OpenVINOEngine(folder, "int8", 1)
    for row in range(3):
        for tap, alone in zip(vectors_of(engine), vectors_of(single, PIXELS[[row]]), strict=True):
            assert np.array_equal(tap[[row]], alone)


@pytest.fixture
def extractor(network, tmp_path):
    network.save(tmp_path / "jointed.keras")
    return FeatureExtractor(
        tmp_path / "jointed.keras", depth="last", pooling="avg+std", scaling="unit", cache=tmp_path / "cache",
        precision="int8", calibration=PIXELS[:12],
    )  # fmt: skip


def test_int8_is_near_float32_and_cached_apart(extractor, tmp_path, forwards):
    """Made on the first use, few images or many, and never on Keras; a later process needs neither Keras nor NNCF."""
    full = clone(extractor).set_params(precision="float32", engine="openvino").transform(PIXELS)
    low = extractor.transform(PIXELS[:3])

    assert 0 < np.abs(low - full[:3]).max() / np.abs(full).max() < 0.1
    assert not forwards
    np.save(tmp_path / "pixels.npy", PIXELS)
    program = """
import json, sys, numpy as np
from featx import FeatureExtractor
folder = sys.argv[1]
pixels = np.load(folder + "/pixels.npy")
choices = dict(depth="last", pooling="avg+std", scaling="unit", cache=folder + "/cache", precision="int8")
vectors = FeatureExtractor(folder + "/jointed.keras", calibration=pixels[:12], **choices).transform(pixels)
print(json.dumps([vectors.tolist(), [name for name in ("keras", "tensorflow", "nncf") if name in sys.modules]]))
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True
    )
    vectors, loaded = json.loads(done.stdout)
    assert loaded == []
    assert np.array_equal(np.float32(vectors)[:3], low)


def ids(extractor, **choices):
    return [tap.recipe_id for tap in extractor.with_choices(**choices).plan().taps]


def test_the_recipe_says_what_it_was_calibrated_on_and_by(extractor, tmp_path, monkeypatch):
    """Contents count, not their order, nor whether they lie in files; and so does the version of NNCF."""
    paths = []
    for row, image in enumerate(PIXELS[:4]):
        paths.append(tmp_path / f"{row}.png")
        Image.fromarray(image).save(paths[-1])
    first = ids(extractor, calibration=paths)

    assert first == ids(extractor, calibration=[*paths[::-1], paths[0]])
    assert first == ids(extractor, calibration=[path.read_bytes() for path in paths])
    others = [first, ids(extractor, calibration=paths[:3]), ids(extractor, calibration=None)]
    others += [ids(extractor, precision=precision) for precision in ("float32", "bfloat16")]
    monkeypatch.setattr("featx.embedding.calibration.version", lambda _: "0")
    others.append(ids(extractor, calibration=paths))
    assert len(set(map(tuple, others))) == len(others)
    assert ids(extractor, precision="float32") == ids(extractor, precision="float32", calibration=None)


def test_the_drawn_photographs_are_always_the_same():
    """Their pixels stand behind the name in recipes: other pixels would need another one."""
    pixels = Calibration().pixels((32, 24), "squash")
    assert (Calibration().name, pixels.shape) == ("110 drawn photographs, version 1", (110, 32, 24, 3))
    assert hashlib.sha256(pixels.tobytes()).hexdigest()[:16] == "e0714cddc7eed8a5"


def test_calibration_is_a_parameter_like_others(extractor):
    """It is cloned, set, shown and searched; at other precisions nobody reads it."""
    assert np.array_equal(clone(extractor).get_params()["calibration"], PIXELS[:12])
    assert clone(extractor).set_params(calibration=None).calibration is None
    nothing = extractor.with_choices(precision="float32", calibration=["nowhere.jpg"])
    assert nothing.transform(PIXELS[:2]).shape == (2, 24)


def test_a_saved_model_takes_its_calibration_along(extractor, tmp_path):
    """The files may be gone: what lay in them is in the folder, under the same recipe."""
    paths = []
    for row, image in enumerate(PIXELS[:12]):
        paths.append(str(tmp_path / f"{row}.png"))
        Image.fromarray(image).save(paths[-1])
    model = make_pipeline(
        extractor.set_params(
            calibration=paths, cache=str(tmp_path / "cache"), backbone=str(extractor.backbone)
        ),
        make_head("knn", n_neighbors=1),
    ).fit(PIXELS, np.arange(24) % 2)
    expected = ids(extractor)
    save(model, tmp_path / "model")
    for path in paths:
        Path(path).unlink()
    loaded = load(tmp_path / "model")

    assert model[0].calibration == paths
    assert ids(loaded[0]) == expected
    assert np.array_equal(loaded.predict(PIXELS), np.arange(24) % 2)


@pytest.mark.skipif(
    platform.machine() not in {"x86_64", "AMD64"}, reason="the processor of these instructions"
)
def test_where_products_would_saturate_int8_is_refused(extractor, tmp_path):
    """As on processors of AVX2 without VNNI, where vectors would be off by a third."""
    np.save(tmp_path / "pixels.npy", PIXELS)
    program = """
import sys, numpy as np
from featx import FeatureExtractor
from featx.errors import ExportError
folder = sys.argv[1]
pixels = np.load(folder + "/pixels.npy")
choices = dict(scaling="unit", cache=None, precision="int8", calibration=pixels)
extractor = FeatureExtractor(folder + "/jointed.keras", **choices)
try:
    extractor.transform(pixels)
except ExportError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True,
        env={**os.environ, "ONEDNN_MAX_CPU_ISA": "AVX2"},
    )  # fmt: skip
    assert done.stdout.strip() == (
        "'jointed' cannot be run by OpenVINO at int8 (this processor adds products of 8 bits in 16, which are too "
        "few). Take precision='float32'."
    )

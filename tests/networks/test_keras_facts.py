"""The table of backbones against what Keras itself builds, asks for and refuses.

Building every network takes minutes and gives the same for one version of Keras, so that what it gave is recorded.
Rows are held against the record in every run, and the record against Keras in slow runs and under another version.
``python tests/networks/test_keras_facts.py`` records it again.
"""

import gc
import json
import warnings
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import pytest

from featx.networks import backbones

ROWS = [row for row in backbones() if row.in_keras]
SIZED = {"mobilenet_0.25": (96, 100, 128, 160, 192, 224), "mobilenet_v2_0.35": (96, 100, 128, 160, 192, 224)}
PATH = Path(__file__).parents[1] / "data" / "keras_facts.json"
RECORD = json.loads(PATH.read_text()) if PATH.exists() else {"keras": None, "rows": {}, "sizes": {}}
KNOWN = RECORD["keras"] == version("keras")
costly = [pytest.mark.slow] * KNOWN

one_for_each_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)


@contextmanager
def downloads():
    """Let Keras name the files it would download, and go on without them."""
    import keras

    asked = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "keras.src.utils.file_utils.get_file",
            lambda name, address, file_hash=None, **_: asked.append([name, address, file_hash]) or name,
        )
        patch.setattr(keras.Model, "load_weights", lambda *_: None)
        yield asked
    keras.backend.clear_session()
    gc.collect()


def build(row, size=None, **how):
    """Build the network of a row, for square images of a size or of its own."""
    import keras

    if size:
        how["input_shape"] = (size, size, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # Keras, of a size that has no weights of its own
        return getattr(keras.applications, row.builder)(**row.options, **how)


def facts_of(row):
    """Ask Keras what the table says of a row."""
    import keras

    with downloads() as asked:
        model = build(row, row.min_size, weights="imagenet", include_top=False)
        first = model.layers[1].name
        scales = [layer.scale for layer in model.layers[2:5] if isinstance(layer, keras.layers.Rescaling)]
        output = list(model.output.shape[1:])
        del model
        parameters = build(row, weights="imagenet").count_params()
    return {
        "file": asked[0],
        "file_with_classifier": asked[1],
        "output_at_least_size": output,
        "scales_itself": "rescaling" in first or "prestem" in first,
        "gain": scales[0] if scales else None,
        "parameters": parameters,
    }


def sizes_of(row):
    """Ask Keras for the weights of a row at several input sizes."""
    asked = {}
    for size in SIZED[row.name]:
        with downloads() as files:
            build(row, size, weights="imagenet", include_top=False)
        asked[str(size)] = files[0]
    return asked


@one_for_each_row
def test_a_row_is_what_keras_builds(row):
    """Files, addresses and digests, least size, scaling and parameters are those of the recorded Keras."""
    facts = RECORD["rows"][row.name]
    top = row.with_classifier()

    assert facts["file"] == [row.weights_file(row.min_size), row.weights_url(row.min_size), row.digest]
    assert facts["file_with_classifier"] == [top.weights_file(), top.weights_url(), top.digest]
    assert min(facts["output_at_least_size"][:2]) > 0, "at the least size there are still maps"
    assert facts["scales_itself"] == (row.scaling == "none")
    assert facts["gain"] == (pytest.approx(row.gain, rel=1e-6) if row.gain else None)
    assert facts["parameters"] == row.parameters


@pytest.mark.parametrize("row", [row for row in ROWS if row.name in SIZED], ids=lambda row: row.name)
def test_some_sizes_have_weights_of_their_own(row):
    """At every input size the file is the one that the recorded Keras takes."""
    for size, asked in RECORD["sizes"][row.name].items():
        assert asked == [row.weights_file(int(size)), row.weights_url(int(size)), None]


@pytest.mark.parametrize("row", [pytest.param(row, marks=costly, id=row.name) for row in ROWS])
def test_the_record_is_what_this_keras_builds(row):
    """Networks are built, with and without their classifier."""
    assert facts_of(row) == RECORD["rows"][row.name]


@pytest.mark.parametrize(
    "row", [pytest.param(row, marks=costly, id=row.name) for row in ROWS if row.name in SIZED]
)
def test_the_recorded_sizes_are_those_of_this_keras(row):
    """Networks are built at several sizes."""
    assert sizes_of(row) == RECORD["sizes"][row.name]


def test_the_smallest_network_is_built_in_every_run():
    """So that what reads Keras' answers is tried, too."""
    row = next(row for row in ROWS if row.name == "mobilenet_0.25")
    assert facts_of(row) == RECORD["rows"][row.name]


@one_for_each_row
def test_one_pixel_less_than_the_least_size_is_refused(row):
    """Keras refuses a size below the least one."""
    with pytest.raises(ValueError, match=f"at least {row.min_size}x{row.min_size}"):
        build(row, row.min_size - 1, weights=None, include_top=False)


if __name__ == "__main__":
    facts = {"keras": version("keras"), "rows": {}, "sizes": {}}
    for row in ROWS:
        facts["rows"][row.name] = facts_of(row)
        if row.name in SIZED:
            facts["sizes"][row.name] = sizes_of(row)
    PATH.write_text(json.dumps(facts, indent=1) + "\n")

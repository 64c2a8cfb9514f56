"""The network that comes with featx, and its weights."""

import hashlib
import shutil
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from featx.errors import InputError, WeightsError
from featx.networks.families import featx_mini as module
from featx.networks.families.featx_mini import WEIGHTS, WEIGHTS_SHA256, featx_mini, load_weights
from featx.networks.flatten import flatten

ROOT = Path(__file__).parents[2]
MAPS = ("stage1_out", "stage2_out", "stage3_out", "stage4_out", "patches")


@pytest.fixture(scope="module")
def trained():
    """Build the network with its shipped weights."""
    network = featx_mini((64, 64))
    load_weights(network)
    return network


def maps_of(network, images):
    """Return the maps of all stages and of the dictionary."""
    import keras

    outputs = [network.get_layer(name).output for name in MAPS]
    return [np.asarray(output) for output in keras.Model(network.input, outputs)(images, training=False)]


def images_of(size=(64, 64), count=8):
    """Return the images of training_mini/export.py, for which the reference outputs are kept."""
    rng = np.random.default_rng(0)
    blocks = rng.random((count, 8, 8, 3)).repeat(8, 1).repeat(8, 2)
    return (0.7 * blocks + 0.3 * rng.random((count, 64, 64, 3))).astype(np.float32)[:, : size[0], : size[1]]


def test_shipped_weights_give_what_torch_gave(trained):
    """The Keras network with the shipped weights agrees with the torch network that was trained."""
    with np.load(ROOT / "tests/data/featx_mini_golden.npz") as golden:
        for name, maps in zip(MAPS, maps_of(trained, images_of()), strict=True):
            np.testing.assert_allclose(maps.mean((1, 2)), golden[name], atol=1e-3, err_msg=name)


def test_shipped_file_is_the_recorded_one_and_small():
    """The weights file has the digest in the source and stays below 3 MB."""
    assert hashlib.sha256(WEIGHTS.read_bytes()).hexdigest() == WEIGHTS_SHA256
    assert WEIGHTS.stat().st_size < 3_000_000


@pytest.mark.parametrize("size", [(32, 32), (33, 47), (100, 90), (224, 224), (32, 300)])
def test_takes_any_size_from_32_pixels_on(size):
    """Each stage halves both sides, rounding up; the dictionary sees 27 x 27 places at any size."""
    network = featx_mini(size)
    for stage in range(1, 5):
        half = tuple(-(-side // 2**stage) for side in size)
        assert network.get_layer(f"stage{stage}_out").output.shape[1:3] == half
    assert network.get_layer("patches").output.shape[1:] == (27, 27, 400)


def test_refuses_images_that_are_too_small():
    """Fewer than 32 pixels are refused before anything is built."""
    with pytest.raises(InputError, match=r"input_size=\(64, 31\).*32 pixels or more"):
        featx_mini((64, 31))


def test_stages_are_found_by_number_and_the_dictionary_by_name(trained):
    """The numbered stages are stage1_out to stage4_out, and the dictionary is none of them."""
    graph = flatten(trained, input_size=(64, 64), scaling="unit")
    assert [stage.name for stage in graph.stages] == list(MAPS[:4])
    assert graph.at("patches").shape == (27, 27, 400)


def test_dictionary_ignores_brightness_and_nearly_ignores_contrast(trained):
    """A constant added to an image changes no word's answer; half the contrast changes them little."""
    images = 0.25 + 0.5 * images_of(count=2)
    before, brighter, flatter = (maps_of(trained, x)[-1] for x in (images, images + 0.2, images / 2))
    np.testing.assert_allclose(before, brighter, atol=1e-3)
    assert np.abs(before - flatter).mean() < 0.1 * before.mean()


def test_cut_network_takes_the_weights_it_needs(trained):
    """A network cut after its second stage loads from the full file and gives the same maps."""
    import keras

    whole = featx_mini((64, 64))
    cut = keras.Model(whole.input, whole.get_layer("stage2_out").output)
    load_weights(cut)
    np.testing.assert_array_equal(np.asarray(cut(images_of())), maps_of(trained, images_of())[1])


def test_saves_as_a_plain_keras_file(trained, tmp_path):
    """The network needs no class of its own: Keras alone loads it, in safe mode."""
    import keras

    trained.save(tmp_path / "mini.keras")
    again = keras.saving.load_model(tmp_path / "mini.keras", safe_mode=True)
    for one, other in zip(maps_of(trained, images_of()), maps_of(again, images_of()), strict=True):
        np.testing.assert_array_equal(one, other)


def test_damaged_shipped_file_is_named_with_both_digests(tmp_path, monkeypatch):
    """A changed byte in the shipped weights is an error that names the expected and the found digest."""
    copy = tmp_path / "featx_mini.npz"
    content = bytearray(WEIGHTS.read_bytes())
    content[1000] ^= 1
    copy.write_bytes(content)
    monkeypatch.setattr(module, "WEIGHTS", copy)
    with pytest.raises(
        WeightsError, match=rf"expected sha256 {WEIGHTS_SHA256}, got [0-9a-f]{{64}}.*Reinstall"
    ):
        load_weights(featx_mini((32, 32)), copy)


def _without_stem(arrays):
    del arrays["stage1/kernel"]


def _with_other_stem(arrays):
    arrays["stage1/kernel"] = np.zeros((5, 5, 3, 32), np.float16)


def _with_pickle(arrays):
    arrays["stage1/kernel"] = np.array([{"an": "object"}], object)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_without_stem, "no array 'stage1/kernel'"),
        (_with_other_stem, r"'stage1/kernel' has shape \(5, 5, 3, 32\), not \(3, 3, 3, 32\)"),
        (_with_pickle, "not a readable .npz file"),
    ],
)
def test_file_of_another_network_is_refused_and_changes_nothing(spoil, message, tmp_path):
    """A missing array, another shape or a pickled object is refused before any weight is assigned."""
    with np.load(WEIGHTS) as file:
        arrays = dict(file)
    spoil(arrays)
    np.savez(tmp_path / "other.npz", **arrays)
    network = featx_mini((32, 32))
    before = network.get_weights()
    with pytest.raises(WeightsError, match=message):
        load_weights(network, tmp_path / "other.npz")
    for one, other in zip(before, network.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_missing_and_broken_files_are_named(tmp_path):
    """A path without a file, and a file that is no archive, are both errors that name it."""
    network = featx_mini((32, 32))
    with pytest.raises(WeightsError, match=r"none\.npz: there is no such file"):
        load_weights(network, tmp_path / "none.npz")
    shutil.copy(__file__, tmp_path / "text.npz")
    with pytest.raises(WeightsError, match=r"text\.npz is not a readable"):
        load_weights(network, tmp_path / "text.npz")


def embedding(network, images):
    """Return the averages of the four stages."""
    return np.concatenate([maps.mean((1, 2)) for maps in maps_of(network, images)[:4]], 1)


def accuracy(network, train, test):
    """Fit a linear head on one part and score it on the other."""
    head = make_pipeline(StandardScaler(), RidgeClassifier(alpha=100))
    return head.fit(embedding(network, train[0]), train[1]).score(embedding(network, test[0]), test[1])


def test_training_pays_on_characters_never_seen(trained):
    """On 40 invented characters from unseen seeds, 4 examples each, the training gains 10 points and more."""
    sys.path.append(str(ROOT / "training_mini"))
    shapes = import_module("shapes")
    glyphs, rng = list(shapes.FAMILIES).index(shapes.glyphs), np.random.default_rng(0)
    masks = np.concatenate([shapes.shape(12345, glyphs, program, 8) for program in range(40)])
    moved = np.stack([np.roll(mask, rng.integers(-12, 13, 2), (0, 1)) for mask in masks])[:, 16:80, 16:80]
    images = np.repeat(moved[..., None] / np.float32(255), 3, axis=-1)
    example, label = np.tile(np.arange(8), 40), np.repeat(np.arange(40), 8)
    train, test = ((images[part], label[part]) for part in (example < 4, example >= 4))
    assert accuracy(trained, train, test) >= accuracy(featx_mini((64, 64)), train, test) + 0.1

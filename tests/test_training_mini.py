"""The program that makes the weights of featx-mini."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent
sys.path.append(str(ROOT / "training_mini"))
bank = import_module("bank")
shapes = import_module("shapes")
textures = import_module("textures")

needs_torch = pytest.mark.skipif(
    find_spec("torch") is None, reason="torch is not installed; the dependency group `training` has it"
)


@pytest.fixture(scope="module")
def small_bank(tmp_path_factory):
    """Make a bank with a program or two of each family, and keep it as a file."""
    path = tmp_path_factory.mktemp("bank") / "bank.npz"
    np.savez(path, **bank.make_bank(texture_programs=1, fields=1, masks=1, share=0.02)._asdict())
    return path


@pytest.mark.parametrize("family", range(len(textures.FAMILIES)))
def test_textures_are_fixed_by_their_seed(family):
    """A program gives the same fields for the same seed, others for another, and each has contrast."""
    one, again, other = (textures.texture(seed, family, 0, 2) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()
    assert (one[0] != one[1]).any()
    assert one.shape == (2, 128, 128)
    assert one.dtype == np.uint8
    assert (one.std((1, 2)) > 5).all()


@pytest.mark.parametrize("family", range(len(shapes.FAMILIES)))
def test_shapes_are_fixed_by_their_seed(family):
    """A program gives the same masks for the same seed, others for another, and each covers something."""
    one, again, other = (shapes.shape(seed, family, 0, 2) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()
    assert (one[0] != one[1]).any()
    assert one.shape == (2, 96, 96)
    assert one.dtype == np.uint8
    assert ((one > 127).mean((1, 2)) > 0.01).all()


def test_bank_is_made_once(tmp_path, monkeypatch):
    """A bank that is there is read; one that is not is made, and no unfinished file stays behind."""
    small = bank.make_bank(texture_programs=1, fields=1, masks=1, share=0.01)
    monkeypatch.setattr(bank, "make_bank", lambda seed: small if seed == 3 else pytest.fail("made again"))
    made, read = (
        bank.load_bank(tmp_path / "new" / "bank.npz", 3),
        bank.load_bank(tmp_path / "new" / "bank.npz", 4),
    )
    np.testing.assert_array_equal(made.shapes, read.shapes)
    np.testing.assert_array_equal(made.textures, small.textures)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["bank.npz"]


@needs_torch
def test_scenes_and_views_are_images_fixed_by_their_seed(small_bank):
    """Scenes and their views are RGB images in 0..1, two views of each scene, the same for the same seed."""
    from draws import Draws
    from scenes import SceneMaker
    from views import two_views

    def make(seed):
        draws = Draws(seed)
        scenes = SceneMaker(bank.load_bank(small_bank), draws)(6)
        return scenes, two_views(scenes, draws)

    (scenes, views), (_, again), (_, other) = make(0), make(0), make(1)
    assert scenes.shape == (6, 3, 64, 64)
    assert views.shape == (12, 3, 64, 64)
    assert views.min() >= 0
    assert views.max() <= 1
    assert (views == again).all()
    assert (views != other).any()


@needs_torch
def test_loss_is_its_formula():
    """The contrastive loss is the mean of -log(e^(s_ij/t) / sum of e^(s_ik/t) over k != i)."""
    import torch
    from train import contrastive_loss

    embedding = np.random.default_rng(0).standard_normal((8, 5))
    unit = embedding / np.linalg.norm(embedding, axis=1, keepdims=True)
    similarity = np.exp(unit @ unit.T / 0.1)
    terms = [-np.log(similarity[i, (i + 4) % 8] / (similarity[i].sum() - similarity[i, i])) for i in range(8)]
    assert contrastive_loss(torch.from_numpy(embedding), 0.1).item() == pytest.approx(
        np.mean(terms), rel=1e-4
    )


@needs_torch
def test_learning_rate_rises_then_falls_to_nothing():
    """The learning rate rises over the warm-up and is nearly 0 at the last step."""
    from train import Settings, learning_rate

    settings = Settings(steps=1000, warm_up=50)
    rates = [learning_rate(settings, step) for step in range(1000)]
    assert np.argmax(rates) == 49
    assert (np.diff(rates[:50]) > 0).all()
    assert (np.diff(rates[49:]) < 0).all()
    assert rates[-1] < 1e-5 * settings.learning_rate


@needs_torch
def test_killed_run_goes_on_as_if_nothing_had_happened(small_bank, tmp_path):
    """A run killed in the middle and started again ends with the very weights of one that was not killed."""
    import torch
    from train import Run, Settings, train

    torch.set_num_threads(1)
    settings = Settings(steps=1_000_000, scenes=2)  # more than are made before it is killed
    command = [
        sys.executable,
        ROOT / "training_mini/train.py",
        "--out",
        tmp_path / "killed",
        "--bank",
        small_bank,
    ]
    command += ["--steps", str(settings.steps), "--scenes", str(settings.scenes), "--checkpoint-every", "2"]
    log = tmp_path / "killed" / "log.csv"
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, env=os.environ | {"OMP_NUM_THREADS": "1"})
    while process.poll() is None and not (log.exists() and log.read_text().count("\n") >= 2):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    reached = torch.load(tmp_path / "killed" / "checkpoint.pt", weights_only=True)["step"]
    assert 0 < reached < settings.steps

    def run(steps, out):
        going = Run(settings, bank.load_bank(small_bank))
        if (out / "checkpoint.pt").exists():
            going.load(out / "checkpoint.pt")
        while going.step < steps:
            assert np.isfinite(going.train_step())
        return going.network.state_dict()

    resumed, whole = run(reached + 2, tmp_path / "killed"), run(reached + 2, tmp_path / "whole")
    for name, value in whole.items():
        torch.testing.assert_close(resumed[name], value, rtol=0, atol=0, msg=name)

    with pytest.raises(
        SystemExit, match=r"checkpoint\.pt is a run of .*'scenes': 2.* but this one has .*'scenes': 3"
    ):
        train(Run(replace(settings, scenes=3), bank.load_bank(small_bank)), tmp_path / "killed")


@needs_torch
def test_training_ends_at_its_last_step_with_a_checkpoint(small_bank, tmp_path):
    """A finished run leaves a checkpoint of its last step; starting it again does nothing more."""
    from train import Run, Settings, train

    for _ in range(2):
        run = Run(Settings(steps=3, scenes=2), bank.load_bank(small_bank))
        train(run, tmp_path / "run", checkpoint_every=2)
        assert run.step == 3
    rows = [row.split(",") for row in (tmp_path / "run" / "log.csv").read_text().splitlines()]
    assert [row[0] for row in rows] == ["2", "3"]
    assert all(float(row[1]) > 0 for row in rows)
    assert not list((tmp_path / "run").glob("*.partial"))


@pytest.fixture(scope="module")
def exported(small_bank, tmp_path_factory):
    """Export a network with random weights and BatchNorm statistics, and a dictionary, to a folder."""
    import torch
    from dictionary import learn_dictionary
    from export import export
    from network import FeatxMini

    torch.manual_seed(0)
    network = FeatxMini()
    network(torch.rand(16, 3, 64, 64) * 4 - 2)  # in training mode: moves the statistics
    folder = tmp_path_factory.mktemp("package")
    (folder / "featx_mini.py").write_text('before = 1\nWEIGHTS_SHA256 = "old"\nafter = 2\n')
    dictionary = learn_dictionary(bank.load_bank(small_bank), scenes=100, rounds=2)
    digest = export(network.state_dict(), dictionary, folder, folder / "golden.npz")
    return network, dictionary, folder, digest


@needs_torch
def test_exported_keras_network_is_the_torch_network(exported):
    """Every map of the Keras network equals torch's, at odd sizes too, up to the rounding to float16."""
    import keras
    import torch
    from dictionary import code
    from views import normalise

    from featx.networks.families.featx_mini import featx_mini, load_weights

    network, dictionary, folder, _ = exported
    for size in ((64, 64), (45, 70)):
        images = np.random.default_rng(1).random((2, *size, 3)).astype(np.float32)
        twin = featx_mini(size)
        load_weights(twin, folder / "featx_mini.npz")
        outputs = keras.Model(twin.input, [twin.get_layer(f"stage{k}_out").output for k in range(1, 5)])
        with torch.no_grad():
            expected = network.eval().stages(normalise(torch.from_numpy(images).permute(0, 3, 1, 2)))
        for ours, theirs in zip(outputs(images, training=False), expected, strict=True):
            np.testing.assert_allclose(np.asarray(ours), theirs.permute(0, 2, 3, 1), atol=2e-3)

    images = np.random.default_rng(2).random((2, 32, 32, 3)).astype(np.float32)
    twin = featx_mini((32, 32))
    load_weights(twin, folder / "featx_mini.npz")
    expected = code(torch.from_numpy(images).permute(0, 3, 1, 2), dictionary).permute(0, 2, 3, 1)
    np.testing.assert_allclose(np.asarray(twin(images)[1]), expected, atol=1e-3)


@needs_torch
def test_export_records_the_digest_and_repeats_itself(exported):
    """The digest goes into the source, nothing else changes there, and the same network gives equal bytes."""
    from export import export

    network, dictionary, folder, digest = exported
    assert (folder / "featx_mini.py").read_text() == f'before = 1\nWEIGHTS_SHA256 = "{digest}"\nafter = 2\n'
    assert export(network.state_dict(), dictionary, folder, folder / "golden.npz") == digest


@needs_torch
def test_export_refuses_numbers_beyond_float16():
    """A weight that float16 cannot hold stops the export and is named."""
    from export import halved

    with pytest.raises(SystemExit, match=r"\['stem/kernel'\] hold numbers beyond float16"):
        halved({"stem/kernel": np.array([1e6]), "other": np.array([1.0])})


@needs_torch
def test_dictionary_filters_sum_to_zero(exported):
    """Whitening filters take no notice of a patch's mean, and there are 400 different words."""
    _, dictionary, _, _ = exported
    np.testing.assert_allclose(dictionary["patches_whiten/kernel"].sum((0, 1, 2)), 0, atol=1e-4)
    assert dictionary["patches_whiten/kernel"].shape == (6, 6, 3, 108)
    assert len(np.unique(dictionary["patches_words/kernel"][0, 0], axis=1).T) == 400

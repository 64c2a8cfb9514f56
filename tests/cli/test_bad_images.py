"""One bad image among seven: the others are answered for, and the bad one is named."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

import featx
from featx.cli import main
from featx.images import synthetic, write_folder

QUICK = ["--depth", "2", "--input-size", "32"]
EASY = [*QUICK, "--head", "ridge-classifier", "--folds", "2"]


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """Work in a folder whose photos/ holds 21 drawn images in three classes, and one that is none."""
    monkeypatch.chdir(tmp_path)
    folder = write_folder(*synthetic(n=21, classes=3, size=48, random_state=0), tmp_path / "photos")
    (folder / "disc" / "bad.png").write_bytes(b"no image")
    return folder


def run(*arguments, code=0):
    result = CliRunner().invoke(main, list(map(str, arguments)))
    assert result.exit_code == code, (result.output, result.exception)
    return result


BAD = "photos/disc/bad.png: not an image that Pillow can read"
WORK = {
    "extract": ["-o", "out.npz", *QUICK],
    "fit": ["-o", "out", *EASY],
    "finetune": ["-o", "out", *QUICK, "--epochs", "1", "--augment", "none", "--validation", "0"],
    "cluster": ["-o", "out", *QUICK],
    "depths": ["--input-size", "32", "--folds", "2", "--depth", "2,3"],
    "advise": ["--input-size", "32", "--folds", "2"],
}


@pytest.mark.parametrize("command", WORK)
def test_work_on_all_images_stops_or_leaves_the_bad_one_out(photos, command):
    """By default it says which are bad and what to do, and writes nothing; with --on-error skip it goes on."""
    stopped = run(command, "photos", *WORK[command], "--json", code=1)

    assert BAD in stopped.stderr
    assert stopped.stderr.endswith("\nRemove or replace it. Or leave it out by --on-error skip.\n")
    assert stopped.stdout == ""
    assert not {path.name for path in Path().iterdir()} - {"photos"}

    done = run(command, "photos", *WORK[command], "--json", "--on-error", "skip")
    assert BAD in done.stderr
    assert json.loads(done.stdout)["bad"] == 1


def test_extract_leaves_out_or_writes_nan(photos):
    """The rows of the table follow."""
    import numpy as np

    for word, rows in (("skip", 21), ("nan", 22)):
        run("extract", "photos", "-o", f"{word}.npz", "--on-error", word, *QUICK)
        with np.load(f"{word}.npz") as file:
            assert len(file["embedding"]) == len(file["path"]) == len(file["label"]) == rows
            assert np.isnan(file["embedding"]).any(axis=1).sum() == rows - 21
            assert ("bad.png" in " ".join(file["path"])) == (word == "nan")


@pytest.mark.parametrize(("choice", "code"), [([], 1), (["--on-error", "skip"], 0)])
def test_predict_answers_for_the_good_ones(photos, choice, code):
    """Its answers are those it gives without the bad one."""
    run("fit", "photos", "-o", "model", "--on-error", "skip", "--no-report", *EASY)
    answers = run("predict", "model", "photos", *choice, code=code)
    (photos / "disc" / "bad.png").unlink()

    assert answers.stdout == run("predict", "model", "photos").stdout
    assert answers.stdout.count("\n") == 21
    assert BAD in answers.stderr


@pytest.mark.parametrize(("choice", "code"), [([], 1), (["--on-error", "skip"], 0)])
def test_duplicates_compares_the_good_ones(photos, choice, code):
    """Where nothing is found, the exit code speaks of the bad one alone."""
    found = run("duplicates", "photos", "--threshold", "1", *QUICK, *choice, code=code)

    assert found.stdout.startswith("no duplicates among")
    assert BAD in found.stderr


def test_classify_answers_for_the_good_ones(photos, imagenet, forwards):
    """A line for each of them, which went through the network once, though nothing is kept."""
    network = ["--backbone", "mobilenet_0.25", "--input-size", "128", "--cache", "none"]
    answers = run("classify", "photos", *network, code=1)

    assert sum(forwards) == 21
    assert answers.stdout.count("\n") == 21
    assert BAD in answers.stderr


def test_nothing_but_bad_images_is_an_error(photos):
    """There is nothing to answer for."""
    run("fit", "photos", "-o", "model", "--on-error", "skip", "--no-report", *EASY)
    alone = run("predict", "model", "photos/disc/bad.png", "--on-error", "skip", code=1)

    assert alone.stderr.startswith("Error: 1 image cannot be read:\n")
    assert featx.load("model").classes_.tolist() == ["disc", "ring", "square"]

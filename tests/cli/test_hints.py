"""What featx fit says beside its score, and when it names a backbone for photographs."""

import json

import pytest
from click.testing import CliRunner

from featx import load_folder
from featx.cli import main
from featx.cli.hints import better_backbone, look_like_photographs
from featx.images import synthetic, write_folder


def run(*arguments):
    result = CliRunner().invoke(main, list(map(str, arguments)))
    assert result.exit_code == 0, (result.output, result.exception)
    return result


def test_fit_says_what_it_took_and_how_sure_it_is(tmp_path, monkeypatch):
    """Which backbone, cut where, how many images of which classes, what is not among them, and an interval."""
    monkeypatch.chdir(tmp_path)
    folder = write_folder(*synthetic(n=21, classes=3, size=48, random_state=0), tmp_path / "photos")
    (folder / "disc" / "bad.png").write_bytes(b"no image")
    (folder / "disc" / "notes.txt").touch()
    choices = ["--depth", "2,3", "--pooling", "avg", "--input-size", "32", "--on-error", "skip"]
    choices += ["--head", "ridge-classifier", "--folds", "3"]
    told = run("fit", "photos", "-o", "model", *choices)
    lines = told.stdout.splitlines()

    assert lines[0] == "backbone featx-mini, stage 2 (avg) and stage 3 (avg), 32 x 32 pixels: 192 columns"
    assert lines[1] == "images 21 (disc 7, ring 7, square 7); left out: .txt 1; cannot be read: 1"
    assert lines[2].startswith("accuracy ")
    assert "guessing 0.333" in lines[2]
    assert lines[3].startswith("95 % interval ")
    assert lines[4] == "saved in model"
    assert "photographs" not in told.stderr

    report = json.loads(run("fit", "photos", "-o", "again", *choices, "--no-report", "--json").stdout)
    assert (report["backbone"], report["depth"], report["columns"], report["bad"]) == (
        "featx-mini",
        [2, 3],
        192,
        1,
    )
    assert report["hint"] is None
    low, high = report["interval"]
    assert lines[3] == f"95 % interval {low:.3f}..{high:.3f}"


@pytest.mark.parametrize(
    ("folder", "photographs"),
    [
        ("hymenoptera/val", True),
        ("flowers5", True),
        ("satellite7", True),
        ("steel6", False),
        ("sign_digits", False),
        ("omniglot_small1", False),
    ],
)
def test_photographs_are_known(data, folder, photographs):
    """Colour pictures of a camera are; grey ones, small ones and drawings are not."""
    assert look_like_photographs(load_folder(data / "images" / folder).paths) == photographs


def test_a_backbone_for_photographs_is_named(data, imagenet, monkeypatch):
    """One that works here, in a command to copy; none where the backbone is another one, or the images are drawn."""
    photographs = load_folder(data / "images" / "hymenoptera" / "val").paths
    said = better_backbone("featx-mini", photographs, "ants")

    assert "featx advise ants --backbone " in said
    assert better_backbone("mobilenet_v2", photographs, "ants") is None
    assert better_backbone("featx-mini", [], "ants") is None

"""``featx similar``: a table, JSON and a picture."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

from featx.cli import main
from featx.images import synthetic, write_folder

QUICK = ["--depth", "2", "--input-size", "32"]


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """Work in a folder with 12 drawn images in three classes."""
    monkeypatch.chdir(tmp_path)
    return write_folder(*synthetic(n=12, classes=3, size=48, random_state=0), tmp_path / "photos")


def run(*arguments, code=0):
    result = CliRunner().invoke(main, ["similar", *map(str, arguments)])
    assert result.exit_code == code, (result.output, result.exception)
    return result


def test_the_copy_of_an_image_is_the_most_alike(photos, forwards):
    """The image itself is not; a bad one is named, and each of the others goes through the network once."""
    first = next(photos.rglob("*.png"))
    (photos / "ring" / "copy.png").write_bytes(first.read_bytes())
    (photos / "ring" / "bad.png").write_bytes(b"no image")
    asked = ["photos", first, "photos/disc", "-k", "3", *QUICK]
    done = run(*asked, "-o", "alike.png", "--json", code=1)
    found = json.loads(done.stdout)

    assert sum(forwards) == 12
    assert "bad.png: not an image" in done.stderr
    assert len(found) == 5
    assert found[0]["similar"][0]["path"] == "photos/ring/copy.png"
    assert found[0]["similar"][0]["label"] == "ring"
    assert found[0]["similar"][0]["cosine"] == pytest.approx(1, abs=1e-5)
    assert str(first.relative_to(photos.parent)) not in [one["path"] for one in found[0]["similar"]]
    with Image.open("alike.png") as picture:
        assert picture.size == (4 * 100 + 4, 5 * 100 + 4)
    lines = run(*asked, "--on-error", "skip").stdout.splitlines()
    assert lines[0].split() == ["image", "cosine", "label", "similar"]
    assert lines[1].split() == [str(first), "1.000", "ring", "photos/ring/copy.png"]
    assert len(lines) == 1 + 5 * 3


MESSAGES = {
    "a picture of no kind": (
        ["photos", "photos/disc", "-o", "x.pdf"],
        "'x.pdf': a picture ends in .png or .jpg.",
    ),
    "a picture that is there": (
        ["photos", "photos/disc", "-o", "there.png"],
        "'there.png' exists. Give another name, or --overwrite to replace it.",
    ),
    "nothing to ask about": (
        ["photos", "bad.png", *QUICK],
        "No image to compare with is left.",
    ),
}


@pytest.mark.parametrize("mistake", MESSAGES)
def test_says(photos, mistake):
    """The last line of stderr, and nothing is written."""
    Path("there.png").touch()
    Path("bad.png").write_bytes(b"no image")
    before = sorted(Path().rglob("*"))
    arguments, message = MESSAGES[mistake]

    assert run(*arguments, code=1).stderr.endswith(f"Error: {message}\n")
    assert sorted(Path().rglob("*")) == before

"""The commands ``featx see``: a picture for each, the facts on stdout, and nothing written over by mistake."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from sklearn.pipeline import make_pipeline

from featx import FeatureExtractor, make_head, save
from featx.cli import main
from featx.images import synthetic


@pytest.fixture
def photo(tmp_path, monkeypatch):
    """Work in a folder that has one drawn image, photo.png."""
    monkeypatch.chdir(tmp_path)
    Image.fromarray(synthetic(n=1, size=48, random_state=0)[0][0]).save("photo.png")


def see(*arguments, code=0):
    result = CliRunner().invoke(main, ["see", *map(str, arguments)])
    assert result.exit_code == code, (result.output, result.exception)
    return result


def test_maps(photo):
    """Depths and channels are printed, as text and as JSON."""
    said = see("maps", "photo.png", "-o", "maps.png", "--depth", "2", "--count", "3").stdout
    assert said.startswith("stage 2: channels ")
    with Image.open("maps.png") as picture:
        assert picture.format == "PNG"
    facts = json.loads(see("maps", "photo.png", "-o", "maps.png", "--overwrite", "--json").stdout)
    assert [(one["depth"], len(one["channels"])) for one in facts["depths"]] == [
        (1, 8),
        (2, 8),
        (3, 8),
        (4, 8),
    ]


@pytest.fixture
def model(photo):
    """Fit a small pipeline to drawn images and save it as model."""
    images, classes = synthetic(n=30, classes=3, size=48, random_state=0)
    pipe = make_pipeline(
        FeatureExtractor(depth=2, pooling="avg", input_size=32, cache=None), make_head("ridge-classifier")
    )
    save(pipe.fit(images, classes), "model")
    return [str(one) for one in pipe.classes_]


def test_answer(model):
    """The sum is said; a class is asked for by its name, and against another."""
    said = see("answer", "model", "photo.png", "-o", "why.png").stdout
    assert re.match(r"score of \w+: -?[\d.]+ = -?[\d.]+ constant [+-][\d.]+ of the pixels\nwritten to", said)
    arguments = ["--answer", model[1], "--against", model[2], "--overwrite", "--json"]
    facts = json.loads(see("answer", "model", "photo.png", "-o", "why.png", *arguments).stdout)
    assert (facts["answer"], facts["against"]) == (model[1], model[2])
    assert facts["score"] == pytest.approx(facts["constant"] + facts["pixels"])
    with Image.open("why.png") as picture:
        assert picture.width >= 640
    assert (
        "Unknown class 'x'"
        in see("answer", "model", "photo.png", "-o", "no.png", "--answer", "x", code=1).stderr
    )
    assert "is there" not in see("answer", "photo.png", "photo.png", "-o", "no.png", code=2).stdout
    assert not Path("no.png").exists()


def test_channels(photo):
    """One tile for each; what they answered to it and to noise."""
    arguments = ["channels", 3, 5, "-o", "channels.png", "--depth", "2", "--steps", "16"]
    assert re.match(r"channel 3: [\d.e+-]+, on noise [\d.e+-]+\nchannel 5: ", see(*arguments).stdout)
    facts = json.loads(see(*arguments, "--overwrite", "--json").stdout)
    assert (facts["depth"], facts["channels"]) == (2, [3, 5])
    assert all(best > noise for best, noise in zip(facts["responses"], facts["noise"], strict=True))
    assert (
        "Channel 64: stage 2 has 64 channels"
        in see("channels", 64, "-o", "x.png", "--depth", "2", code=1).stderr
    )


def test_dream(photo):
    """A picture of the size that was asked for."""
    arguments = ["dream", "photo.png", "-o", "dream.png", "--depth", "2", "--octaves", "1", "--steps", "1"]
    assert see(*arguments).stdout == "48 x 48 pixels\nwritten to dream.png\n"
    see(*arguments, "--size", "30", "--channel", "2", "--overwrite")
    with Image.open("dream.png") as picture:
        assert (picture.format, picture.size) == ("PNG", (30, 30))


COMMANDS = {
    "channels": ["channels", "3"],
    "dream": ["dream", "photo.png"],
    "maps": ["maps", "photo.png"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_an_existing_picture_is_kept_unless_it_may_be_replaced(command, photo, forwards):
    """The shell's own word is named, before any work."""
    Path("out.png").write_bytes(b"mine")
    result = see(*COMMANDS[command], "-o", "out.png", "--backbone", "nowhere", code=1)
    assert "'out.png' exists. Give another name, or --overwrite to replace it." in result.stderr
    assert Path("out.png").read_bytes() == b"mine"


@pytest.mark.parametrize("command", COMMANDS)
def test_wrong_usage_and_failed_work(command, photo):
    """Exit code 2 without a place for the picture, 1 where it cannot be made; one message, nothing written."""
    see(*COMMANDS[command], code=2)
    assert "does not end in .png" in see(*COMMANDS[command], "-o", "out.gif", code=1).stderr
    assert "Traceback" not in see(*COMMANDS[command], "-o", "out.png", "--depth", "9", code=1).stderr
    assert list(Path().glob("out*")) == []


@pytest.mark.parametrize("command", ["maps", "dream"])
def test_an_image_that_is_none_is_said_without_advice_for_many(command, photo):
    """There is nothing to skip among one image, and no option for it."""
    Path("note.png").write_text("no image")
    said = see(command, "note.png", "-o", "out.png", code=1).stderr
    assert said.startswith("Error: 1 image cannot be read:\n  note.png: not an image that Pillow can read")
    assert said.endswith("\nRemove or replace it.\n")
    assert not Path("out.png").exists()


def test_a_place_that_cannot_be_written_to_is_found_before_the_work(photo):
    """The backbone, which is nowhere, is not looked for."""
    Path("file").write_text("in the way")
    said = see("maps", "photo.png", "-o", "file/out.png", "--backbone", "nowhere", code=1).stderr
    assert said.startswith("Error: 'file/out.png' cannot be written")


def test_several_labels_are_asked_about_in_the_words_of_the_shell(photo):
    """A model that answers columns says which option names one."""
    images, classes = synthetic(n=30, classes=3, size=48, random_state=0)
    labels = (classes[:, None] == np.unique(classes)).astype(int)
    extractor = FeatureExtractor(depth=2, pooling="avg", input_size=32, cache=None)
    save(make_pipeline(extractor, make_head("ridge-classifier")).fit(images, labels), "labels")
    said = see("answer", "labels", "photo.png", "-o", "why.png", code=1).stderr
    assert said == "Error: The pipeline answers 3 columns at once. Name one with --answer, 0..2.\n"
    see("answer", "labels", "photo.png", "-o", "why.png", "--answer", "2")

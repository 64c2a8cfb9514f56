"""featx fit writes a model with its card and its report."""

import json
import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner
from sklearn.base import clone

import featx
from featx.cli import main
from featx.images import synthetic, write_folder

QUICK = ["--depth", "2", "--pooling", "avg", "--input-size", "32", "--quiet"]


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """Work in a folder that has class folders of drawn images in photos/."""
    monkeypatch.chdir(tmp_path)
    return write_folder(*synthetic(n=24, classes=3, size=32, random_state=0), tmp_path / "photos")


def run(*arguments, code=0):
    result = CliRunner().invoke(main, list(map(str, arguments)))
    assert result.exit_code == code, (result.output, result.exception)
    return result


def test_a_model_comes_with_its_card_and_report(photos):
    """Whose scores are those printed, and whose command does the same again."""
    told = json.loads(run("fit", "photos", "-o", "my model", "--folds", 2, *QUICK, "--json").stdout)
    page, card = (Path("my model", name).read_text() for name in ("report.html", "README.md"))

    assert told["report"] == str(Path("my model", "report.html"))
    assert f"<b>{told['mean']:.3f}</b> accuracy" in page
    assert "<title>my model</title>" in page
    assert f"For {told['mean']:.1%} of the images" in card
    images = featx.load_folder("photos")
    pipeline = featx.load("my model")
    assert featx.evaluate(pipeline, images.paths, images.labels, cv=2).mean == told["mean"]
    assert repr(pipeline["featureextractor"]) == repr(
        featx.FeatureExtractor(depth=2, input_size=32, pooling="avg")
    )

    command = re.search(r"<code>(featx fit .*)</code>", page)[1].replace("&#x27;", "'").replace("&#39;", "'")
    again = json.loads(run(*shlex.split(command)[1:], "--overwrite").stdout)
    assert again["scores"] == told["scores"]


def test_no_report_is_as_good_a_model(photos):
    """The same scores and answers, and no page."""
    told, plain = (
        json.loads(run("fit", "photos", "-o", name, "--folds", 2, *QUICK, "--json", *more).stdout)
        for name, more in (("told", []), ("plain", ["--no-report"]))
    )
    assert told["scores"] == plain["scores"]
    assert plain["report"] is None
    assert {path.name for path in Path("plain").iterdir()} == {
        "README.md",
        "images.npy",
        "model.json",
        "model.skops",
    }
    paths = featx.load_folder("photos").paths
    assert (featx.load("told").predict_proba(paths) == featx.load("plain").predict_proba(paths)).all()


def test_images_that_are_left_out_stand_on_the_page(photos):
    """With the reason; and the model is that of the others."""
    (photos / "disc" / "bad.png").write_bytes(b"no image")
    refused = run("fit", "photos", "-o", "model", *QUICK, code=1).stderr
    assert "1 image cannot be read" in refused
    assert not Path("model").exists()

    result = run("fit", "photos", "-o", "model", "--folds", 2, "--on-error", "skip", *QUICK)
    assert "bad.png: not an image" in result.stderr
    assert "bad.png" in Path("model", "report.html").read_text()
    assert "cannot be read: 1" in result.stdout


def test_a_model_with_a_report_is_replaced_and_nothing_else(photos):
    """The page and the card belong to a saved model; a file of one's own keeps the folder."""
    run("fit", "photos", "-o", "model", "--folds", 2, *QUICK)
    run("fit", "photos", "-o", "model", "--folds", 2, *QUICK, "--overwrite", "--no-report")
    assert not Path("model", "report.html").exists()
    Path("model", "notes.txt").touch()
    assert (
        "'notes.txt' in it does not belong"
        in run("fit", "photos", "-o", "model", *QUICK, "--overwrite", code=1).stderr
    )


def test_numbers_and_several_labels_have_a_report(photos):
    """From a table."""
    images = featx.load_folder("photos")
    rows = [f"{path},{row / 10 + 0.05},{row % 2},{row % 3 % 2}" for row, path in enumerate(images.paths)]
    Path("table.csv").write_text("\n".join(["path,size,big,round", *rows]))
    run("fit", "table.csv", "--label", "size", "-o", "sizes", "--folds", 2, *QUICK)
    run("fit", "table.csv", "--label", "big", "--label", "round", "-o", "both", "--folds", 2, *QUICK)

    assert "Predicted against true" in Path("sizes", "report.html").read_text()
    page = Path("both", "report.html").read_text()
    assert "average precision" in page
    assert '<th scope="row">round</th>' in page


@pytest.mark.filterwarnings("default::featx.errors.DuplicateWarning")
@pytest.mark.parametrize("page", ["--report", "--no-report"])
def test_images_without_labels_are_learned_from(photos, page):
    """The scores are of heads that learn from them, and so is the model; one that is bad may be left out."""
    others = write_folder(*synthetic(n=12, classes=3, size=32, random_state=1), photos.parent / "others")
    (others / "disc" / "bad.png").write_bytes(b"no image")
    how = ["--unlabelled", "others", "--folds", 2, "--on-error", "skip", page, *QUICK, "--json"]
    told = json.loads(run("fit", "photos", "-o", "model", *how).stdout)
    images = featx.load_folder("photos")
    unlabelled = [path for path in featx.load_folder("others").paths if "bad" not in path]
    pipe = featx.load("model")
    alone = clone(pipe).fit(images.paths, images.labels, unlabelled=unlabelled)

    assert (told["unlabelled"], told["bad"]) == (12, 1)
    assert alone["head"].taught_.tolist() == [True]
    assert (pipe.predict_proba(images.paths) == alone.predict_proba(images.paths)).all()
    assert (
        list(featx.evaluate(pipe, images.paths, images.labels, cv=2, unlabelled=unlabelled).scores)
        == told["scores"]
    )
    assert (
        "was fitted to 12 of these 12 images"
        in run("evaluate", "model", "others", "--on-error", "skip").stderr
    )

"""``featx predict``: any number of images, printed or written."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

import featx
from featx.cli import main
from featx.images import synthetic, write_folder


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Draw 12 images in three classes, and save a model of them."""
    from sklearn.pipeline import make_pipeline

    top = tmp_path_factory.mktemp("made")
    images = featx.load_folder(
        write_folder(*synthetic(n=12, classes=3, size=48, random_state=0), top / "photos")
    )
    extractor = featx.FeatureExtractor(depth=2, input_size=32, cache=None)
    for name, head in (("model", "logistic"), ("votes", "ridge-classifier")):
        pipe = make_pipeline(extractor, featx.make_head(head)).fit(images.paths, images.labels)
        featx.save(pipe, top / name, images=images.paths)
    return top


@pytest.fixture(autouse=True)
def _there(made, monkeypatch):
    monkeypatch.chdir(made)


def run(*arguments, code=0):
    result = CliRunner().invoke(main, ["predict", *map(str, arguments)])
    assert result.exit_code == code, (result.output, result.exception)
    return result


def test_printed_and_written_answers_are_the_same(tmp_path):
    """A line for each image, JSON, and the three kinds of files."""
    import pandas as pd

    lines = [line.split("\t") for line in run("model", "photos").stdout.splitlines()]
    listed = json.loads(run("model", "photos", "--json").stdout)
    for kind in ("csv", "parquet", "jsonl"):
        assert run("model", "photos", "-o", tmp_path / f"a.{kind}").stdout.endswith(": 12 images, 0 bad\n")
    text, table = pd.read_csv(tmp_path / "a.csv"), pd.read_parquet(tmp_path / "a.parquet")
    loose = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]

    assert [[one["path"], one["prediction"], str(round(one["probability"], 4))] for one in listed] == lines
    assert loose == listed
    assert list(text) == list(table) == [
        "path", "prediction", "probability", "probability_disc", "probability_ring", "probability_square",
    ]  # fmt: skip
    for frame in (text, table):
        assert frame["path"].tolist() == [one["path"] for one in listed]
        assert frame["probability_ring"].tolist() == pytest.approx(
            [one["probabilities"]["ring"] for one in listed]
        )


def test_a_table_names_the_images(tmp_path):
    """A file that is not there is a bad image, as everywhere in this command."""
    (tmp_path / "t.csv").write_text("who,what\ndisc/0000.png,a\ndisc/gone.png,b\nring/0002.png,c\n")
    asked = ["model", tmp_path / "t.csv", "--image", "who", "--root", "photos"]
    done = run(*asked, code=1)

    assert done.stdout == run("model", "photos/disc/0000.png", "photos/ring/0002.png").stdout
    assert done.stderr.startswith("photos/disc/gone.png: ")


def test_top_gives_the_most_probable_classes_first():
    line = run("model", "photos/disc/0000.png", "--top", "2").stdout.split("\t")
    (listed,) = json.loads(run("model", "photos/disc/0000.png", "--top", "2", "--json").stdout)

    assert len(line) == 5
    assert line[1] == listed["top"][0]["prediction"] == listed["prediction"] == "disc"
    assert listed["top"][0]["probability"] > listed["top"][1]["probability"]


def test_a_bad_image_is_named_and_the_others_are_written(tmp_path):
    """The file is whole, and the exit code says that it does not hold all."""
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no image")
    done = run("model", bad, "photos", "-o", tmp_path / "a.jsonl", "--json", code=1)

    assert json.loads(done.stdout) == {"output": str(tmp_path / "a.jsonl"), "images": 12, "bad": 1}
    assert done.stderr.startswith(f"{bad}: not an image that Pillow can read")
    assert (tmp_path / "a.jsonl").read_text().count("\n") == 12
    assert run("model", bad, "photos", "-o", tmp_path / "b.csv", "--on-error", "skip").exit_code == 0


def test_where_no_image_can_be_read_there_is_no_file(tmp_path):
    (tmp_path / "bad.png").write_bytes(b"no image")
    run("model", tmp_path / "bad.png", "-o", tmp_path / "a.csv", code=1)

    assert [path.name for path in tmp_path.iterdir()] == ["bad.png"]


MESSAGES = {
    "a kind of file that is not known": (
        ["model", "photos", "-o", "a.xlsx"],
        "Unknown format '.xlsx'. Known: '.csv', '.parquet', '.jsonl'.",
    ),
    "a file that is there": (
        ["model", "photos", "-o", "there.csv"],
        "'there.csv' exists. Give another name, or --overwrite to replace it.",
    ),
    "an order of answers without probabilities": (
        ["votes", "photos", "--top", "3"],
        "--top 3: this model gives no probabilities, so its answers have no order. Leave it out.",
    ),
}


@pytest.mark.parametrize("mistake", MESSAGES)
def test_says(mistake):
    """The whole of stderr, and nothing is written."""
    Path("there.csv").touch()
    arguments, message = MESSAGES[mistake]
    before = sorted(Path().rglob("*"))

    assert run(*arguments, code=1).stderr == f"Error: {message}\n"
    assert sorted(Path().rglob("*")) == before


def judged(*arguments, code=0):
    result = CliRunner().invoke(main, ["evaluate", *map(str, arguments)])
    assert result.exit_code == code, (result.output, result.exception)
    return result


def test_evaluate_scores_what_predict_answers(made, tmp_path):
    """On images of a folder, a bad one left out and named; as text and as JSON."""
    new = write_folder(*synthetic(n=15, classes=3, size=48, random_state=5), tmp_path / "new")
    (new / "disc" / "bad.png").write_bytes(b"no image")
    done = judged("model", new, "--json", code=1)
    told = json.loads(done.stdout)
    answers = json.loads(run("model", new, "--json", code=1).stdout)
    right = [Path(one["path"]).parent.name == one["prediction"] for one in answers]

    assert f"{new}/disc/bad.png: not an image" in done.stderr
    assert told["scores"]["mean"] == sum(right) / 15
    assert told["scores"]["interval"][0] < told["scores"]["mean"] <= told["scores"]["interval"][1]
    assert [row["class"] for row in told["classes"]] == ["disc", "ring", "square"]
    assert sum(row["images"] for row in told["classes"]) == 15
    assert sum(one["images"] for one in told["confusion"]["confused"]) == 15 - sum(right)
    lines = judged("model", new, "--on-error", "skip", "-o", tmp_path / "p.html").stdout.splitlines()
    assert lines[-1] == f"report {tmp_path}/p.html"
    assert "bad.png" in (tmp_path / "p.html").read_text()
    assert lines[0].startswith(f"accuracy {sum(right) / 15:.3f}, 95 % interval ")
    assert ["class", "precision", "recall", "f1", "images"] in [line.split() for line in lines]


def test_evaluate_refuses_a_page_of_no_kind(tmp_path):
    said = "Error: 'x.pdf': a report is a page. Give a name that ends in .html.\n"

    assert judged("model", "photos", "-o", "x.pdf", code=1).stderr == said


@pytest.mark.filterwarnings("default::featx.errors.FeatxWarning")
def test_evaluate_warns_of_classes_that_the_model_does_not_know(tmp_path):
    new = write_folder(*synthetic(n=12, classes=4, size=48, random_state=5), tmp_path / "new")
    said = "Warning: The model does not know 'cross', so it is wrong about 3 of 12 images. Leave them out to judge"

    assert judged("model", new).stderr.startswith(said)


@pytest.mark.filterwarnings("default::featx.errors.DuplicateWarning")
def test_evaluate_warns_of_images_that_it_was_fitted_to(tmp_path):
    """By their content, in text and on the page."""
    new = write_folder(*synthetic(n=12, classes=3, size=48, random_state=5), tmp_path / "new")
    (new / "disc" / "old.png").write_bytes(Path("photos/disc/0000.png").read_bytes())
    done = judged("model", new, "-o", tmp_path / "p.html", "--json")

    assert done.stderr == (
        f"Warning: The model was fitted to 1 of these 13 images ({new}/disc/old.png), so the score is too good. "
        "Leave them out.\n"
    )
    assert json.loads(done.stdout)["seen"] == 1
    assert "1 image tested on has a copy among those learned from" in (tmp_path / "p.html").read_text()

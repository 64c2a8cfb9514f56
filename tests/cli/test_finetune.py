"""``featx finetune``: trains, saves, reports, and refuses early what cannot work."""

import json

import pytest
from click.testing import CliRunner

import featx
from featx.cli import main
from featx.images import synthetic, write_folder

QUICK = [
    "--depth",
    "2",
    "--input-size",
    "32",
    "--epochs",
    "1",
    "--augment",
    "none",
    "--cache",
    "none",
    "--quiet",
]


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """Work in a folder that has class folders of drawn images in photos/."""
    monkeypatch.chdir(tmp_path)
    return write_folder(*synthetic(n=30, classes=3, size=48, random_state=0), tmp_path / "photos")


def run(*arguments, code=0):
    result = CliRunner().invoke(main, ["finetune", *map(str, arguments)])
    assert result.exit_code == code, (result.output, result.exception)
    return result


def test_a_folder_becomes_a_saved_classifier(photos):
    """The report compares frozen and tuned; the saved model answers."""
    printed = run("photos", "-o", "model", *QUICK).stdout

    assert "frozen" in printed
    assert "saved in model" in printed
    tuner = featx.load("model")
    assert tuner.classes_.tolist() == sorted(path.name for path in photos.iterdir())
    assert tuner.predict(featx.load_folder("photos").paths).shape == (30,)


def test_json_holds_the_history(photos):
    """One entry for each epoch, from 0 on; choices arrive where they belong."""
    choices = [
        "--stages",
        1,
        "--validation",
        0,
        "--balanced",
        "--learning-rate",
        0.002,
        "--seed",
        7,
        "--average",
        0.5,
    ]
    answer = json.loads(run("photos", "-o", "model", *QUICK, *choices, "--json").stdout)
    tuner = featx.load("model")

    assert [epoch["epoch"] for epoch in answer["history"]] == [0, 1]
    assert (answer["model"], answer["target"], answer["best_epoch"]) == ("model", "multiclass", 1)
    assert (tuner.stages, tuner.validation, tuner.class_weight) == (1, None, "balanced")
    assert (tuner.learning_rate, tuner.random_state, tuner.augment) == (0.002, 7, None)
    assert (tuner.average, answer["share"], answer["shares"]) == (0.5, 0.5, [])


def test_numbers_in_a_table_are_regressed(photos):
    """A column with fractions is a number to predict."""
    rows = [f"{path},{place + 0.5}" for place, path in enumerate(featx.load_folder("photos").paths)]
    (photos.parent / "table.csv").write_text("path,size\n" + "\n".join(rows))
    answer = json.loads(
        run("table.csv", "-o", "model", "--image", "path", "--label", "size", *QUICK, "--json").stdout
    )

    assert answer["target"] == "number"


def test_counts_are_regressed_when_asked(photos):
    """Whole numbers are classes unless --numbers says otherwise."""
    rows = [f"{path},{place // 3}" for place, path in enumerate(featx.load_folder("photos").paths)]
    (photos.parent / "table.csv").write_text("path,count\n" + "\n".join(rows))
    answer = json.loads(
        run("table.csv", "-o", "model", "--label", "count", "--numbers", *QUICK, "--json").stdout
    )

    assert answer["target"] == "number"


def test_it_says_which_layers_did_best(photos):
    """Where trials chose them."""
    printed = run("photos", "-o", "model", *QUICK, "--stages", "auto").stdout

    assert f"--stages {featx.load('model').stages_} did best of 1, norm, all" in printed


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["photos", "-o", "photos"], 1, "'photos' exists"),
        (["photos", "-o", "model", "--stages", "some"], 2, "neither a number nor one of all, norm, auto"),
        (
            ["photos", "-o", "model", "--average", "half"],
            2,
            "Invalid value for '--average': 'half' is not a valid float",
        ),
        (["photos", "-o", "model", "--average", "2"], 2, "2.0 is not in the range 0<=x<=1"),
        (["photos", "-o", "model", "--stages", "9"], 1, "there are 2 stages"),
        (["photos", "-o", "model", "--augment", "flop"], 1, "Did you mean 'flip'"),
        (["nowhere", "-o", "model"], 2, "does not exist"),
        (["photos"], 2, "Missing option '-o'"),
    ],
)
def test_what_cannot_work_ends_with_its_code(photos, arguments, code, message):
    """1 the work failed, 2 wrong usage; nothing is written."""
    result = run(*QUICK, *arguments, code=code)

    assert message in result.stderr
    assert not (photos.parent / "model").exists()

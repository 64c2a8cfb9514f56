"""--group: images that share a patient or a part are never on both sides."""

import json
import re

import numpy as np
import pytest
from click.testing import CliRunner

import featx
from featx.cli import main
from featx.images import synthetic, write_folder

QUICK = ["--input-size", "32"]


@pytest.fixture
def table(tmp_path, monkeypatch):
    """Work beside a table of 24 images of 8 patients, each of whom has one class."""
    monkeypatch.chdir(tmp_path)
    write_folder(*synthetic(n=24, classes=2, size=32, random_state=0), tmp_path / "photos")
    images = featx.load_folder("photos")
    patients = [f"{label}{place % 4}" for place, label in enumerate(images.labels)]
    rows = [",".join(row) for row in zip(images.paths, images.labels, patients, strict=True)]
    (tmp_path / "table.csv").write_text("\n".join(["path,label,patient", *rows]))
    return images, np.array(patients)


def run(*arguments, code=0):
    result = CliRunner().invoke(main, list(map(str, arguments)))
    assert result.exit_code == code, (result.output, result.exception)
    return result


def test_fit_and_depths_score_as_evaluate_does_with_groups(table):
    """The same folds, so the same scores."""
    images, patients = table
    told = ["table.csv", "--label", "label", "--group", "patient", "--folds", "3", "--json", *QUICK]
    fit = json.loads(run("fit", *told, "-o", "model", "--depth", "2", "--head", "ridge-classifier").stdout)
    depths = json.loads(run("depths", *told, "--depth", "2", "--pooling", "avg").stdout)
    extractor = featx.FeatureExtractor(depth=2, input_size=32)
    head = featx.make_head("ridge-classifier")
    how = {"cv": 3, "groups": patients}

    assert fit["scores"] == list(
        featx.evaluate(head, extractor.transform(images.paths), images.labels, **how).scores
    )
    average = extractor.with_choices(pooling="avg").transform(images.paths)
    assert depths["rows"][0]["report"]["scores"] == list(
        featx.evaluate(head, average, images.labels, **how).scores
    )


def test_advise_and_finetune_take_groups(table, monkeypatch):
    """What they get is the column, row by row."""
    from featx.finetuning import FineTuner
    from featx.transfer import advice

    seen = []
    for owner, name in ((FineTuner, "fit"), (advice, "depth_curve")):
        call = getattr(owner, name)

        def noting(*given, call=call, **choices):
            seen.append(choices["groups"])
            return call(*given, **choices)

        monkeypatch.setattr(owner, name, noting)
    told = ["table.csv", "--label", "label", "--group", "patient", *QUICK]
    run("finetune", *told, "-o", "model", "--depth", "2", "--epochs", "1", "--augment", "none")
    run("advise", *told, "--folds", "2")

    assert len(seen) == 2
    assert all(list(groups) == list(table[1]) for groups in seen)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["photos", "--group", "patient"], "--group names a column of a table, and 'photos' is a folder"),
        (
            ["table.csv", "--label", "label", "--group", "part"],
            "has no column 'part'. It has 'path', 'label', 'patient'",
        ),
    ],
)
def test_a_group_that_is_not_there(table, arguments, message, forwards):
    """It is seen before any image is read."""
    assert re.search(re.escape(message), run("fit", *arguments, "-o", "model", code=1).stderr)
    assert sum(forwards) == 0

"""Whatever takes long shows how far it is where stderr is a terminal, and nowhere else."""

import io
import re
import sys

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from featx import FeatureExtractor, TransferClassifier, evaluate
from featx.cli import main
from featx.images import synthetic, write_folder

EMBEDDING = ["reading", "featx-mini"]
EXTRACTOR = FeatureExtractor(input_size=32, cache=None, pooling="avg")
SMALL = ["--depth", "1", "--input-size", "32"]
QUICK = ["--depth", "2", "--input-size", "32", "--engine", "keras"]
FIT = [*QUICK, "--head", "ridge-classifier", "--folds", "2"]
BARS = {
    "extract": (["extract", "photos", "-o", "x.npz", *QUICK, "--cache", "none"], EMBEDDING),
    "fit": (["fit", "photos", "-o", "other", *FIT, "--cache", "none"], [*EMBEDDING, "report"]),
    "fit without a report": (
        ["fit", "photos", "-o", "other", "--no-report", *FIT],
        [*EMBEDDING, "scores"],
    ),
    "predict": (["predict", "model", "photos"], ["predict"]),
    "evaluate": (["evaluate", "model", "unseen", "-o", "x.html"], ["predict", "report"]),
    "similar": (
        ["similar", "photos", "photos/disc/0000.png", *QUICK, "--cache", "none"],
        EMBEDDING,
    ),
    "export": (["export", "model", "-o", "x", "--format", "keras"], ["export"]),
    "depths": (
        ["depths", "photos", "--depth", "1,2", "--input-size", "32", "--engine", "keras"],
        [*EMBEDDING, "scores"],
    ),
    "finetune": (
        ["finetune", "photos", "-o", "tuned", "--depth", "1", "--input-size", "32", "--epochs", "1"],
        [*EMBEDDING, "tuning featx-mini"],
    ),
    "advise": (["advise", "photos", "--input-size", "32"], [*EMBEDDING, "scores", "advice"]),
    "cluster": (["cluster", "photos", "-o", "x", *QUICK], [*EMBEDDING, "clusters", "pictures"]),
    "duplicates": (["duplicates", "photos", "--threshold", "1", *QUICK], [*EMBEDDING, "compare"]),
    "channels": (["see", "channels", "1", "-o", "x.png", *SMALL, "--steps", "2"], ["channels"]),
    "dream": (["see", "dream", "photos/disc/0000.png", "-o", "x.png", *SMALL, "--steps", "1"], ["dream"]),
    "evaluate in Python": (
        lambda: evaluate(LogisticRegression(), np.eye(8), [0, 1] * 4, cv=2),
        ["evaluate"],
    ),
    "strategies": (
        lambda: TransferClassifier(EXTRACTOR, cv=2).fit(*synthetic(n=16, classes=2, size=32)),
        [*EMBEDDING, "strategies"],
    ),
    "strategies by a metric": (
        lambda: TransferClassifier(EXTRACTOR, cv=2, scoring="f1_macro").fit(
            *synthetic(n=16, classes=2, size=32)
        ),
        [*EMBEDDING, "strategies"],
    ),
}


class Terminal(io.StringIO):
    """What a terminal is to tqdm."""

    def isatty(self):  # noqa: D102
        return True


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """Give a folder with photos/, a model of them, and unseen/."""
    folder = tmp_path_factory.mktemp("progress")
    write_folder(*synthetic(n=16, classes=2, size=32, random_state=0), folder / "photos")
    write_folder(*synthetic(n=16, classes=2, size=32, random_state=1), folder / "unseen")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        main(["fit", "photos", "-o", "model", "--no-report", *FIT, "--cache", "none"], standalone_mode=False)
    return folder


@pytest.fixture
def shown(work, tmp_path, monkeypatch):
    """Give a function that runs a command, or calls a function, and gives the bars it has shown, without delay."""
    for name in ("photos", "unseen", "model"):
        (tmp_path / name).symlink_to(work / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("featx.embedding.progress.DELAY", 0)
    monkeypatch.setattr("featx.cache.memo._RACY", -1)  # so files just written are not read twice

    def run(called, stderr):
        monkeypatch.setattr(sys, "stderr", stderr)
        called() if callable(called) else main(called, standalone_mode=False)
        return list(dict.fromkeys(re.findall(r"([\w -]+): 100%", stderr.getvalue())))

    return run


@pytest.mark.parametrize("command", BARS)
@pytest.mark.parametrize("stderr", [Terminal, io.StringIO])
def test_bars_in_a_terminal_only(command, stderr, shown):
    """However short the work is here."""
    arguments, bars = BARS[command]

    assert shown(arguments, stderr()) == (bars if stderr is Terminal else [])


QUIET = ["evaluate", "export", "depths", "fit without a report", "cluster", "duplicates", "channels"]


@pytest.mark.parametrize("command", QUIET)
def test_no_bars_where_quiet_is_asked_for(command, shown):
    """Also of the parts that are not embedding."""
    assert shown([*BARS[command][0], "--quiet"], Terminal()) == []

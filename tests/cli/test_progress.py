"""Every command that takes long shows how far it is where stderr is a terminal, and nowhere else."""

import io
import re
import sys

import pytest

from featx.cli import main
from featx.images import synthetic, write_folder

QUICK = ["--depth", "2", "--input-size", "32", "--engine", "keras"]
BARS = {
    "extract": (["extract", "photos", "-o", "x.npz", *QUICK, "--cache", "none"], ["featx-mini"]),
    "fit": (["fit", "photos", "-o", "other", *QUICK, "--cache", "none"], ["featx-mini", "report"]),
    "fit without a report": (
        ["fit", "photos", "-o", "other", "--no-report", *QUICK],
        ["featx-mini", "scores"],
    ),
    "predict": (["predict", "model", "photos"], ["predict"]),
    "evaluate": (["evaluate", "model", "unseen", "-o", "x.html"], ["predict", "report"]),
    "similar": (
        ["similar", "photos", "photos/disc/0000.png", *QUICK, "--cache", "none"],
        ["featx-mini"],
    ),
    "export": (["export", "model", "-o", "x", "--format", "keras"], ["export"]),
    "depths": (
        ["depths", "photos", "--depth", "1,2", "--input-size", "32", "--engine", "keras"],
        ["featx-mini", "scores"],
    ),
    "finetune": (
        ["finetune", "photos", "-o", "tuned", "--depth", "1", "--input-size", "32", "--epochs", "1"],
        ["featx-mini", "tuning featx-mini"],
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
        main(
            ["fit", "photos", "-o", "model", "--no-report", *QUICK, "--cache", "none"], standalone_mode=False
        )
    return folder


@pytest.fixture
def shown(work, tmp_path, monkeypatch):
    """Give a function that runs a command and gives the bars it has shown; the second before a bar is left out."""
    for name in ("photos", "unseen", "model"):
        (tmp_path / name).symlink_to(work / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("featx.embedding.progress.DELAY", 0)

    def run(arguments, stderr):
        monkeypatch.setattr(sys, "stderr", stderr)
        main(arguments, standalone_mode=False)
        return list(dict.fromkeys(re.findall(r"([\w -]+): 100%", stderr.getvalue())))

    return run


@pytest.mark.parametrize("command", BARS)
@pytest.mark.parametrize("stderr", [Terminal, io.StringIO])
def test_bars_in_a_terminal_only(command, stderr, shown):
    """However short the work is here."""
    arguments, bars = BARS[command]

    assert shown(arguments, stderr()) == (bars if stderr is Terminal else [])


@pytest.mark.parametrize("command", ["evaluate", "export", "depths", "fit without a report"])
def test_no_bars_where_quiet_is_asked_for(command, shown):
    """Also of the parts that are not embedding."""
    assert shown([*BARS[command][0], "--quiet"], Terminal()) == []

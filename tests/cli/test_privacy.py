"""Nothing leaves the machine: counted in every process that a command starts."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from featx.images import synthetic, write_folder

WATCH = """
import os, sys
def note(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto", "socket.gethostbyname"):
        if isinstance(arguments[-1], (str, bytes)) and event == "socket.connect":
            return  # a socket of this machine's, such as a process pool's
        with open(os.environ["NOTES"], "a") as notes:
            notes.write(f"{event} {arguments}\\n")
sys.addaudithook(note)
"""


@pytest.fixture
def watched(tmp_path, monkeypatch):
    """Give a function that runs a command where each attempt to reach an address is noted, and gives the notes."""
    (tmp_path / "watch").mkdir()
    (tmp_path / "watch" / "sitecustomize.py").write_text(WATCH)
    roots = [str(tmp_path / "watch"), str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(roots))
    monkeypatch.setenv("NOTES", str(tmp_path / "notes"))
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True)
        notes = tmp_path / "notes"
        return done, notes.read_text() if notes.exists() else ""

    return run


@pytest.mark.slow
def test_nothing_is_sent(watched):
    """Fitting with a report, exporting, predicting and scoring, which start processes of their own."""
    write_folder(*synthetic(n=24, classes=2, size=32, random_state=0), "photos")
    write_folder(*synthetic(n=8, classes=2, size=32, random_state=1), "new")
    for line in (
        "fit photos -o model --depth 2 --input-size 32 --folds 2",
        "export model -o graph --format openvino",
        "predict graph new -o answers.csv",
        "evaluate model new -o page.html",
    ):
        done, notes = watched("-m", "featx", *line.split())
        assert (done.returncode, notes) == (0, ""), (line, done.stderr)


def test_what_is_sent_is_noted(watched):
    """The test above can fail."""
    done, notes = watched("-c", "import socket; socket.create_connection(('127.0.0.1', 9), timeout=1)")

    assert done.returncode == 1
    assert "('127.0.0.1', 9)" in notes

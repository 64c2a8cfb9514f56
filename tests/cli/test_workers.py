"""The workers of `--cluster` compute what this process does, whoever dies; nothing is lost, and nobody left behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from click.testing import CliRunner

from featx.cache import EmbeddingCache
from featx.cache.segment import open_segment
from featx.cli import main
from featx.images import synthetic, write_folder
from tests.conftest import ROOT
from tests.embedding.notes import read_notes

pytestmark = pytest.mark.slow
IMAGES = 96  # three chunks
CHOICES = ["--depth", "2", "--pooling", "avg", "--input-size", "32", "--engine", "openvino", "--quiet"]

RUN = """
import os, sys
from featx.cache import EmbeddingCache
from featx.embedding import embed
from featx.images import workers
from tests.embedding import notes

workers._made = notes.noted
if sys.argv.pop(1) == "dies":
    import psutil

    embed.SEGMENT_SECONDS, put = 0, EmbeddingCache.put

    def last(*given, **choices):
        put(*given, **choices)
        for child in psutil.Process().children(recursive=True):
            print(child.pid, flush=True)
        os.kill(os.getpid(), 9)

    EmbeddingCache.put = last
from featx.cli import main
main()
"""


@pytest.fixture(autouse=True)
def photos(tmp_path, monkeypatch):
    """Work in a folder that has images in photos/."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    (tmp_path / "notes").mkdir()
    return write_folder(*synthetic(n=IMAGES, classes=3, size=40, random_state=0), tmp_path / "photos")


def command(*arguments, dies=False):
    """Give a command in a process of its own, whose workers take notes."""
    choices = [sys.executable, "-W", "error::UserWarning", "-c", RUN, "dies" if dies else "lives"]
    return subprocess.run(
        [*choices, "extract", "photos", *CHOICES, *arguments],
        env={**os.environ, "FEATX_NOTES": "notes"}, capture_output=True, text=True, timeout=600,
    )  # fmt: skip


def kept():
    """Give the rows of all segments, counted, so that an image that is in two counts twice."""
    return sum(open_segment(path, path.parent.name).rows for path in EmbeddingCache().path.glob("*/*.h5"))


def check_file(name):
    """Compare a file with what this process computes, to the bit."""
    done = CliRunner().invoke(main, ["extract", "photos", *CHOICES, "-o", "here.npz", "--cache", "reference"])
    assert done.exit_code == 0, done.output
    assert np.array_equal(np.load(name)["embedding"], np.load("here.npz")["embedding"])


def test_a_process_that_dies_is_replaced():
    """By SIGKILL in the middle of its chunk: only what was under way is computed again."""
    Path("notes", "kill").touch()
    done = command("-o", "all.npz", "--cluster", "local:2")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"all.npz: {IMAGES} images x 64 columns, 0 bad\n"
    computed, _, (killed,) = read_notes("notes")
    assert 12 <= computed[killed] <= 32
    assert IMAGES < sum(computed.values()) <= IMAGES + 64  # joblib ends the other one, too
    check_file("all.npz")

    done = command("-o", "again.npz", "--cluster", "local:2")
    assert (done.returncode, kept(), read_notes("notes")[0]) == (0, IMAGES, computed)


def test_a_command_that_dies_leaves_what_it_had_and_no_process():
    """By SIGKILL once a chunk is kept; the same command does the rest."""
    done = command("-o", "all.npz", "--cluster", "local:2", dies=True)
    assert (done.returncode, done.stderr) == (-signal.SIGKILL, "")
    left = [int(line) for line in done.stdout.splitlines()]
    assert len(left) >= 2
    until = time.monotonic() + 120  # joblib's would wait for five minutes
    while any(map(lives, left)) and time.monotonic() < until:
        time.sleep(0.1)
    assert not any(map(lives, left))
    before = kept()
    assert 0 < before < IMAGES
    assert not Path("all.npz").exists()
    for note in Path("notes").iterdir():
        note.unlink()

    done = command("-o", "all.npz", "--cluster", "local:2")
    assert (done.returncode, done.stderr) == (0, "")
    computed, _, _ = read_notes("notes")
    assert sum(computed.values()) == IMAGES - before
    assert kept() == IMAGES
    assert EmbeddingCache().verify() == []
    check_file("all.npz")


def lives(number):
    try:
        return psutil.Process(number).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_dask_cluster_shares_the_images_out(monkeypatch, forwards):
    """Its workers run in another folder, and take no path for one in it; shards go there, too."""
    distributed = pytest.importorskip("distributed")
    Path("elsewhere").mkdir()
    with (
        distributed.LocalCluster(2, threads_per_worker=1, dashboard_address=None) as there,
        distributed.Client(there) as client,
    ):
        client.run(os.chdir, str(Path("elsewhere").absolute()))
        address = f"dask://{there.scheduler_address.removeprefix('tcp://')}"
        for arguments in (["--shard", "1/2"], ["-o", "all.npz"]):
            choices = [*CHOICES, *arguments, "--cluster", address, "--cache", "store"]
            done = CliRunner().invoke(main, ["extract", "photos", *choices])
            assert done.exit_code == 0, done.output
    assert os.listdir("elsewhere") == []  # noqa: PTH208 - names
    assert sum(recipe.rows for recipe in EmbeddingCache("store").info()) == IMAGES
    check_file("all.npz")

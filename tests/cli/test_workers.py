"""The workers of `--cluster` compute what this process does, whoever dies; nothing is lost, and nobody left behind."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from shutil import which
from tempfile import TemporaryDirectory

import numpy as np
import psutil
import pytest
from click.testing import CliRunner

from featx import __version__
from featx.cache import EmbeddingCache
from featx.cache.segment import open_segment
from featx.cli import main
from featx.images import synthetic, write_folder
from tests.conftest import ROOT
from tests.embedding.notes import check_a_kill, read_notes

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
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as there,
        distributed.Client(there) as client,
    ):
        client.run(os.chdir, str(Path("elsewhere").absolute()))
        address = f"dask://{there.scheduler_address.removeprefix('tcp://')}"
        choices = [*CHOICES, "--cluster", address, "--cache", "store"]
        for arguments in (["--shard", "1/2"], ["-o", "all.npz"]):
            done = CliRunner().invoke(main, ["extract", "photos", *choices, *arguments])
            assert done.exit_code == 0, done.output
        monkeypatch.setattr("featx.cli.workers.__version__", "9.9")
        done = CliRunner().invoke(main, ["extract", "photos", *choices, "-o", "other.npz"])
        assert done.exit_code == 1
        assert (
            f"have featx {__version__}, and here it is 9.9. Install the same on both sides.\n" in done.stderr
        )
    assert os.listdir("elsewhere") == []  # noqa: PTH208 - names
    assert sum(recipe.rows for recipe in EmbeddingCache("store").info()) == IMAGES
    check_file("all.npz")


def test_a_dask_cluster_without_workers_is_refused(monkeypatch):
    """In a line, after some seconds."""
    distributed = pytest.importorskip("distributed")
    monkeypatch.setattr("featx.cli.workers.WAIT", 1)
    with distributed.LocalCluster(n_workers=0, dashboard_address=None) as there:
        address = there.scheduler_address.removeprefix("tcp://")
        done = CliRunner().invoke(
            main, ["extract", "photos", "-o", "all.npz", "--cluster", f"dask://{address}"]
        )
    assert (done.exit_code, done.stderr) == (
        1,
        f"Error: The Dask scheduler at {address} has no workers. Start some by dask worker tcp://{address}.\n",
    )


@pytest.fixture
def head(monkeypatch):
    """Start a Ray cluster of two workers that take notes, in processes of its own; give the address for clients."""
    if not os.environ.get("FEATX_SOAK"):  # Ray gives up by itself where its start takes half a minute
        pytest.skip("`make soak` runs it")
    pytest.importorskip("ray")
    pytest.importorskip("grpc")
    port, clients = free_port(), free_port()
    with TemporaryDirectory(prefix="ray", dir="/tmp") as short:  # a path of a socket has 107 bytes at most
        ray = Path(sys.executable).with_name("ray")
        start = [
            str(ray if ray.exists() else which("ray")), "start", "--head", "--block", f"--port={port}",
            f"--ray-client-server-port={clients}", "--num-cpus=2", "--include-dashboard=false",
            "--disable-usage-stats", f"--temp-dir={short}", "--object-store-memory=100000000",
        ]  # fmt: skip
        there = {**os.environ, "FEATX_NOTES": str(Path("notes").absolute()), "RAY_AUTH_MODE": "disabled"}
        with Path("ray.log").open("w") as log:
            started = subprocess.Popen(start, env=there, stdout=log, stderr=log, start_new_session=True)
        monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
        while not answers(clients):
            assert started.poll() is None, Path("ray.log").read_text()
            time.sleep(0.2)
        yield f"ray://127.0.0.1:{clients}"
        for log in Path(short).glob("session_latest/logs/ray_client_server*"):  # shown where the test fails
            sys.stdout.write(f"{log.name}: {log.read_text()}")
        every = psutil.Process(started.pid).children(recursive=True)
        started.terminate()
        started.wait()
        for process in every:
            if lives(process.pid):
                process.kill()


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def answers(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def test_a_ray_cluster_shares_the_images_out_whoever_dies(head):
    """By SIGKILL in the middle of its chunk: that chunk alone is computed again, and nothing a second time."""
    Path("notes", "kill").touch()
    done = command("-o", "all.npz", "--cluster", head)
    assert (done.returncode, done.stderr) == (0, "")
    check_a_kill("notes", IMAGES)
    check_file("all.npz")

    before = read_notes("notes")
    done = command("--shard", "1/1", "--cluster", head)
    said = f"shard 1/1: {IMAGES} of {IMAGES} images x 64 columns, 0 new, 0 bad\n"
    assert (done.returncode, done.stderr, done.stdout) == (0, "", said)
    assert (kept(), read_notes("notes")) == (IMAGES, before)

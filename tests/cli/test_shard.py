"""Jobs that know nothing of each other fill one cache: what one alone computes, each image once, and after any end."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from featx.cache import EmbeddingCache
from featx.cache.segment import open_segment
from featx.cli import main
from featx.images import synthetic, write_folder

CHOICES = [
    "--depth",
    "1",
    "--pooling",
    "avg",
    "--input-size",
    "32",
    "--engine",
    "keras",
    "--batch-size",
    "2",
    "--quiet",
]


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """Work in a folder that has thirty images in photos/."""
    monkeypatch.chdir(tmp_path)
    return write_folder(*synthetic(n=30, classes=3, size=48), tmp_path / "photos")


def featx(*arguments, code=0):
    done = CliRunner().invoke(main, ["extract", "photos", *CHOICES, *arguments])
    assert done.exit_code == code, (done.output, done.exception)
    return done


def kept():
    """Give the rows of all segments, counted, so that an image that is in two counts twice."""
    return sum(open_segment(path, path.parent.name).rows for path in EmbeddingCache().path.glob("*/*.h5"))


def alone():
    """Give what one run without a cache computes."""
    featx("-o", "alone.npz", "--cache", "none")
    return np.load("alone.npz")["embedding"]


def test_shards_fill_the_cache_and_then_a_file_costs_nothing(photos, forwards):
    """Each image goes through the network once; the same again computes nothing, nor does the run that writes."""
    said = [json.loads(featx("--shard", f"{number}/3", "--json").stdout) for number in (1, 2, 3)]

    assert sum(forwards) == 30 == kept() == sum(one["images"] for one in said)
    assert [(one["new"], one["of"], one["bad"]) for one in said] == [(one["images"], 30, 0) for one in said]
    again = featx("--shard", "2/3").stdout
    assert (
        again == f"shard 2/3: {said[1]['images']} of 30 images x {said[0]['columns']} columns, 0 new, 0 bad\n"
    )
    featx("-o", "all.npz")
    assert sum(forwards) == 30
    assert np.array_equal(np.load("all.npz")["embedding"], alone())


def test_bad_images_are_named_and_the_others_kept(photos):
    """By the shard that they belong to; its exit code is 1, unless they are to be skipped."""
    (photos / "disc" / "0000.png").write_bytes(b"x")
    bad = f"{Path('photos', 'disc', '0000.png')}: not an image that Pillow can read"
    codes = []
    for number in (1, 2):
        done = CliRunner().invoke(main, ["extract", "photos", *CHOICES, "--shard", f"{number}/2"])
        codes.append(done.exit_code)
        assert (bad in done.stderr) == bool(done.exit_code)
        featx("--shard", f"{number}/2", "--on-error", "skip")
    assert sorted(codes) == [0, 1]
    assert kept() == 29


def test_a_cache_that_cannot_be_written_is_an_error(photos):
    """There is nothing else that a shard leaves."""
    Path("file").write_text("x")
    done = featx("--shard", "1/2", "--cache", "file/cache", code=1)
    assert "file/cache: it is a file, not a folder, or lies below one." in done.stderr
    assert len(done.stderr.splitlines()) == 1


RUN = """
import os, sys
import featx.cli.shard
from featx.cli import main
from featx.embedding.keras_engine import KerasEngine

featx.cli.shard.CHUNK, last = int(sys.argv.pop(1)), int(sys.argv.pop(1))
call, batches = KerasEngine.__call__, []

def ends(engine, pixels):
    batches.append(len(pixels))
    if len(batches) == last:
        os.kill(os.getpid(), 9)
    return call(engine, pixels)

KerasEngine.__call__ = ends
main()
"""


def started(shard, chunk, last=-1):
    """Start a job of its own, which is killed in its last batch."""
    command = [
        sys.executable,
        "-c",
        RUN,
        str(chunk),
        str(last),
        "extract",
        "photos",
        *CHOICES,
        "--shard",
        shard,
    ]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


@pytest.mark.slow
def test_four_jobs_at_once_fill_one_cache_though_two_are_killed(photos):
    """Real processes. The two are run again and do what they had not kept; the vectors are those of one process."""
    jobs = [started(f"{number}/4", chunk=2, last=2 if number in (1, 3) else -1) for number in (1, 2, 3, 4)]
    ends = [(job.communicate()[1], job.returncode) for job in jobs]
    assert ends == [(b"", -9), (b"", 0)] * 2
    before = kept()
    said = [json.loads(featx("--shard", f"{number}/4", "--json").stdout) for number in (1, 3)]
    assert [one["images"] - one["new"] for one in said] == [2, 2]  # each had kept a chunk of two
    assert kept() == 30 == before + sum(one["new"] for one in said)
    assert EmbeddingCache().verify() == []
    featx("-o", "all.npz")
    assert np.array_equal(np.load("all.npz")["embedding"], alone())


def test_a_job_that_was_killed_is_run_again_and_does_the_rest(photos, forwards):
    """SIGKILL in the sixth batch of two, in chunks of four: eight images are kept, and not computed again."""
    job = started("1/1", chunk=4, last=6)
    job.communicate()
    assert (job.returncode, kept()) == (-9, 8)

    said = json.loads(featx("--shard", "1/1", "--json").stdout)
    assert said["new"] == sum(forwards) == 22
    assert kept() == 30
    featx("-o", "all.npz")
    assert np.array_equal(np.load("all.npz")["embedding"], alone())

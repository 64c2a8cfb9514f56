"""A cache that fails costs time only: all vectors come out, with one warning; what can be read of it is read."""

import contextlib
import re
import subprocess
import sys
import warnings

import numpy as np
import pytest
from click.testing import CliRunner

from featx import FeatureExtractor
from featx.cache import EmbeddingCache
from featx.cli import main
from featx.errors import CacheWarning

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="uses what only Linux offers")


def extractor(cache):
    return FeatureExtractor(depth=1, pooling="avg", input_size=32, engine="keras", cache=cache)


def transformed(cache, images):
    """Give the vectors, and what was said."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        vectors = extractor(cache).transform(images)
    return vectors, [str(one.message) for one in said if issubclass(one.category, CacheWarning)]


@pytest.fixture(scope="module")
def expected(pixels):
    return extractor(None).transform(pixels)


@contextlib.contextmanager
def limited(size):
    """Let no file grow beyond a size, as on a disk that is full."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture
def small_disk(tmp_path):
    """Mount a file system of 64 KB in memory; skip where that is not allowed."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder]
    if sys.platform != "linux" or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("may not mount a file system")
    yield folder
    subprocess.run(["umount", folder], check=True)


def a_file(folder):
    (folder / "file").write_text("x")
    return folder / "file"


def linked_recipe(folder):
    """Make a cache whose recipe is a link."""
    recipe = extractor(None).plan().taps[0].recipe_id
    (folder / "cache").mkdir()
    (folder / "cache" / recipe).symlink_to(folder)
    return folder / "cache"


def with_format(text):
    def make(folder):
        (folder / "format.json").write_text(text)
        return folder

    return make


FAILING = {
    "file": (a_file, "Cannot read the cache .*: it is a file, not a folder"),
    "below a file": (
        lambda folder: a_file(folder) / "under",
        "Cannot read the cache .*: it is a file, not a folder",
    ),
    "in /proc": (
        lambda _: "/proc/x",
        "Cannot make the folder /proc/x: no folder can be made there; choose another",
    ),
    "in /proc/1": (
        lambda _: "/proc/1/x/y",
        "Cannot make the folder /proc/1/x/y: no folder can be made there",
    ),
    "device": (lambda _: "/dev/full", "Cannot read the cache /dev/full: it is a file, not a folder"),
    "linked recipe": (linked_recipe, "is a link, and might lead out of the cache"),
    "newer format": (with_format('{"format": 9}'), "is of format 9, expected 1"),
    "damaged format": (with_format("x"), "format.json is damaged"),
}


@LINUX
@pytest.mark.parametrize("failing", FAILING)
def test_a_cache_that_cannot_be_used_costs_time_only(tmp_path, pixels, expected, failing):
    """All vectors, and one warning that says why nothing is kept."""
    make, reason = FAILING[failing]
    vectors, said = transformed(make(tmp_path), pixels)
    assert np.array_equal(vectors, expected)
    (message,) = said
    assert re.search(reason, message), message
    assert message.endswith("All vectors are computed; those that are new are not kept.")


@LINUX
def test_a_full_disk_costs_time_only(tmp_path, pixels, expected, monkeypatch):
    """Each part that cannot be written is left out, and the rest of the run goes on."""
    monkeypatch.setattr("featx.embedding.embed.SEGMENT_BYTES", 0)  # write after every batch
    with limited(2000):
        vectors, said = transformed(tmp_path / "cache", pixels)
    assert np.array_equal(vectors, expected)
    (message,) = said
    assert "there is no room left" in message
    assert EmbeddingCache(tmp_path / "cache").verify() == []
    assert list(tmp_path.rglob(".featx-*")) == []


def test_a_small_disk_keeps_what_fits(small_disk, pixels, expected):
    """What was kept is found, and nothing half-written is left."""
    assert np.array_equal(extractor(small_disk).transform(pixels[:4]), expected[:4])
    (small_disk / "large").write_bytes(bytes(30_000))
    with contextlib.suppress(OSError), (small_disk / "rest").open("wb", buffering=0) as file:
        while file.write(bytes(1000)):
            pass
    vectors, said = transformed(small_disk, pixels)
    assert np.array_equal(vectors, expected)
    assert len(said) == 1
    assert "there is no room left" in said[0]
    assert EmbeddingCache(small_disk).info()[0].rows == 4


def test_a_read_only_cache_goes_on_being_read(small_disk, pixels, expected, forwards):
    """As in a container: only what is missing is computed, and what is not kept is said."""
    extractor(small_disk).transform(pixels[:7])
    forwards.clear()
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    vectors, said = transformed(small_disk, pixels)
    assert np.array_equal(vectors, expected)
    assert sum(forwards) == 5
    assert len(said) == 1
    assert "it is read-only for you" in said[0]
    assert transformed(small_disk, pixels[:7])[1] == [], "nothing is to be written"


@LINUX
def test_the_command_ends_well_without_a_cache(files, tmp_path):
    """Exit code 0, the table is there, and stderr says in one line, in the words of the shell, what is not kept."""
    command = [
        "extract",
        str(tmp_path),
        "-o",
        "e.npz",
        "--depth",
        "1",
        "--input-size",
        "32",
        "--cache",
        "/proc/x",
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("always", CacheWarning)  # as outside of tests
        done = CliRunner().invoke(main, command)
    assert done.exit_code == 0, done.output
    (line,) = done.stderr.splitlines()
    assert "no folder can be made there; choose another folder with --cache or FEATX_CACHE." in line
    assert line.endswith("All vectors are computed; those that are new are not kept.")
    with np.load("e.npz") as table:
        assert len(table["embedding"]) == len(files)

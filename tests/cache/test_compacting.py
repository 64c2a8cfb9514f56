"""Many small writes leave few files, and lose nothing, whenever they are ended and whoever reads meanwhile."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featx.cache import EmbeddingCache, compacting, store

RECIPE = "0123456789abcdef" * 2
SOAK = bool(os.environ.get("FEATX_SOAK"))  # `make soak`: minutes instead of seconds

FUNCTIONS = """
import numpy as np

def make(numbers):
    numbers = np.asarray(numbers, "u4")
    ids = np.zeros((len(numbers), 16), "u1")
    ids[:, 12:] = numbers[:, None].view("u1").reshape(-1, 4)
    return ids, (numbers[:, None] * 1000.0 + np.arange(4)).astype("f4")
"""
exec(FUNCTIONS)  # child processes run the same text
make = globals()["make"]


@pytest.fixture
def cache(tmp_path):
    """Return an empty cache."""
    return EmbeddingCache(tmp_path / "cache")


def segments(cache):
    """Return the paths of all segments."""
    return sorted(cache.path.glob("*/*.h5"))


def holds(cache, numbers):
    """Tell whether all these are there, each with its own vector."""
    ids, rows = make(numbers)
    out = np.empty_like(rows)
    return bool(cache.gather(RECIPE, ids, out).all() and np.array_equal(out, rows))


def test_single_predictions_do_not_litter(pixels):
    """Nine images, one by one, through three depths: it used to be 32 files."""
    from featx import FeatureExtractor

    extractor = FeatureExtractor(depth=[1, 2, 3], pooling="avg", input_size=32)
    expected = [extractor.transform(pixels[[row]]) for row in range(9)]
    files = [path for path in extractor.open_cache().path.rglob("*") if path.is_file()]
    assert len(files) == 2 + 3 * 3  # format and memo; for each depth its words, eight rows and one
    assert np.array_equal(extractor.transform(pixels[:9]), np.concatenate(expected))


def test_segments_are_few_and_each_row_is_copied_seldom(cache, monkeypatch):
    """Of n single writes no more than seven files for each power of eight below n; a row is copied once for each."""
    written, real = [], store.write_segment

    def counting(folder, recipe_id, ids, *arguments, **choices):
        written.append(len(ids))
        return real(folder, recipe_id, ids, *arguments, **choices)

    monkeypatch.setattr(store, "write_segment", counting)
    for number in range(300):
        cache.put(RECIPE, *make([number]))
        assert len(segments(cache)) <= 7 * 3
    assert sum(written) <= 300 * (1 + 2)
    assert holds(cache, range(300))
    assert cache.verify() == []


@settings(max_examples=20, deadline=None)
@given(st.lists(st.lists(st.integers(0, 99), min_size=1, max_size=30), min_size=8, max_size=40))
def test_every_row_is_kept_whatever_is_written(tmp_path_factory, puts):
    """Of any sizes, and overlapping."""
    cache = EmbeddingCache(tmp_path_factory.mktemp("cache"))
    for numbers in puts:
        cache.put(RECIPE, *make(numbers))
    everything = sorted({number for numbers in puts for number in numbers})
    assert holds(cache, everything)
    assert cache.info()[0].rows == len(everything)
    assert len(segments(cache)) <= 14
    assert cache.verify() == []


def test_what_is_large_is_not_copied(cache, monkeypatch):
    """Nor are segments of another dtype put together with these."""
    monkeypatch.setattr(compacting, "TIDY_BELOW", 5000)
    for number in range(20):
        cache.put(RECIPE, *make(range(1000 * number, 1000 * number + 500)))
    assert len(segments(cache)) == 20
    half = EmbeddingCache(cache.path, "float16")
    for number in range(7):
        cache.put(RECIPE, *make([5 + number]))
        half.put(RECIPE, *make([20 + number]))
    assert len(segments(cache)) == 20 + 14


def test_a_large_store_is_compacted_step_by_step(cache, monkeypatch):
    """Segments that are large enough together become one, and are not copied again; the others become the last one."""
    monkeypatch.setattr(compacting, "TIDY_BELOW", 0)
    for number in range(10):
        cache.put(RECIPE, *make(range(1000 * number, 1000 * number + 500)))
    size = segments(cache)[0].stat().st_size
    monkeypatch.setattr(compacting, "COMPACT_BELOW", 2 * size + 1)
    written, real = [], store.write_segment

    def counting(folder, recipe_id, ids, *arguments, **choices):
        written.append(len(ids))
        return real(folder, recipe_id, ids, *arguments, **choices)

    monkeypatch.setattr(store, "write_segment", counting)
    assert cache.compact() == 10 - len(segments(cache)) == 6
    assert written == [1500, 1500, 1500]
    assert cache.compact() == 0
    assert holds(cache, [1000 * number + row for number in range(10) for row in range(500)])


def test_who_reads_meanwhile_goes_on(cache):
    """A reader that has the old segments open finds every row, in the same place and anew."""
    for number in range(7):
        cache.put(RECIPE, *make([number]))
    index = store.shared(cache.path).index(RECIPE)
    code = FUNCTIONS + "import sys; from featx.cache import EmbeddingCache\n"
    code += f"EmbeddingCache(sys.argv[1]).put({RECIPE!r}, *make([7]))"
    subprocess.run([sys.executable, "-c", code, str(cache.path)], check=True)
    assert len(segments(cache)) == 1
    assert len(index.segments) == 7
    assert holds(cache, range(8))


def test_a_compaction_that_fails_loses_nothing(cache, monkeypatch):
    """The row is written, and what was there stays."""
    for number in range(7):
        cache.put(RECIPE, *make([number]))
    real = store.write_segment

    def full(folder, recipe_id, ids, *arguments, **choices):
        if len(ids) > 1:
            raise OSError(28, "No space left on device")
        return real(folder, recipe_id, ids, *arguments, **choices)

    with monkeypatch.context() as patched:
        patched.setattr(store, "write_segment", full)
        cache.put(RECIPE, *make([7]))
    assert len(segments(cache)) == 8
    assert holds(cache, range(8))
    cache.put(RECIPE, *make([8]))
    assert len(segments(cache)) == 1


KILLED = """
import h5py
from featx.cache import EmbeddingCache, compacting
compacting.TOGETHER = 2  # so that every other write compacts
recipe_id = "0123456789abcdef" * 2

def write(kill, number):
    EmbeddingCache(sys.argv[2]).put(recipe_id, *make([kill * 10_000 + number]))

def check(kill, done):
    for first, count in [(kill * 10_000, done), *((kill * 10_000, 1) for kill in range(kill))]:
        ids, rows = make(range(first, first + count))
        out = np.zeros_like(rows)
        assert EmbeddingCache(sys.argv[2]).gather(recipe_id, ids, out).all()
        assert np.array_equal(out, rows)
"""


def test_a_kill_while_segments_are_compacted_loses_nothing(cache, killing):
    """After each of many SIGKILLs every row whose `put` returned is there and right, and the files are few."""
    killing(FUNCTIONS + KILLED, cache.path, kills=300 if SOAK else 25)
    assert cache.verify() == []
    assert cache.info()[0].rows >= 25
    for number in range(8):
        cache.put(RECIPE, *make([900_000 + number]))
    assert len(segments(cache)) <= 7 * 4


def test_threads_and_processes_compact_at_once(cache):
    """Each writes single rows; all of them are there in the end, in few files."""
    code = FUNCTIONS + "import sys; from featx.cache import EmbeddingCache\n"
    code += "first = 1000 * int(sys.argv[2])\n"
    code += f"for number in range(40): EmbeddingCache(sys.argv[1]).put({RECIPE!r}, *make([first + number]))"
    command = [sys.executable, "-W", "error", "-c", code, str(cache.path)]
    workers = [subprocess.Popen([*command, str(worker)]) for worker in (1, 2)]

    def work(worker):
        for number in range(40):
            cache.put(RECIPE, *make([1000 * worker + number]))

    threads = [threading.Thread(target=work, args=(worker,)) for worker in (3, 4, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [worker.wait() for worker in workers] == [0, 0]
    assert holds(cache, [1000 * worker + number for worker in range(1, 6) for number in range(40)])
    assert cache.verify() == []
    assert len(segments(cache)) <= 7 * 4

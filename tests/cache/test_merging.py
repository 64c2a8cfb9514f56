"""Caches of separate disks become one: every row checked, once, whole, and while others write."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner

from featx.cache import EmbeddingCache
from featx.cli import main

RECIPE, OTHER = "0123456789abcdef" * 2, "f" * 32
DIM = 3000  # a block holds one row

FUNCTIONS = """
import numpy as np
def make(numbers, dim=3000):
    numbers = np.asarray(numbers, "u4")
    ids = np.zeros((len(numbers), 16), "u1")
    ids[:, 12:] = numbers[:, None].view("u1").reshape(-1, 4)
    return ids, (numbers[:, None] * 1000.0 + np.arange(dim) / 8).astype("f4")
"""
exec(FUNCTIONS)  # child processes run the same text
make = globals()["make"]


def cache_of(folder, *puts, recipe=RECIPE, dtype="float32"):
    cache = EmbeddingCache(folder, dtype)
    for numbers in puts:
        cache.put(recipe, *make(numbers), {"backbone": "x"})
    return cache


def found(cache, numbers, recipe=RECIPE, rounded=0.0):
    """Tell which are there, after making sure that those have the right vectors."""
    ids, rows = make(numbers)
    out = np.zeros_like(rows)
    there = cache.gather(recipe, ids, out)
    np.testing.assert_allclose(out[there], rows[there], rtol=rounded)
    return [number for number, one in zip(numbers, there, strict=True) if one]


def listing(cache):
    return {
        path.relative_to(cache.path): path.read_bytes() for path in cache.path.rglob("*") if path.is_file()
    }


def test_what_several_hold_is_found_in_one(tmp_path):
    """Of all recipes and both dtypes, the words included; the sources stay as they are."""
    one = cache_of(tmp_path / "one", range(5), range(5, 9))
    two = cache_of(tmp_path / "two", range(7, 20), dtype="float16")
    cache_of(two.path, range(3), recipe=OTHER)
    before = listing(one), listing(two)
    here = EmbeddingCache(tmp_path / "here")

    merged = here.merge(one, two.path)

    assert [(each.source, each.rows, each.known, each.damages) for each in merged] == [
        (one.path, 9, 0, []),
        (two.path, 16, 0, []),
    ]
    assert found(here, range(20), rounded=2**-11) == list(range(20))
    assert here.image_ids(RECIPE).shape == (20, 16)
    assert found(here, range(4), OTHER) == [0, 1, 2]
    assert here.recipe(RECIPE).recipe == {"backbone": "x"}
    assert here.verify() == []
    assert before == (listing(one), listing(two))


def test_a_second_time_nothing_is_copied(tmp_path):
    """Not even where the first copies were compacted meanwhile, or another source holds the same."""
    one = cache_of(tmp_path / "one", range(5), range(5, 9))
    shutil.copytree(one.path, tmp_path / "two")
    here = cache_of(tmp_path / "here", range(100, 103))
    here.merge(one)
    here.compact()
    before = listing(here)

    merged = here.merge(one, tmp_path / "two")

    assert [(each.rows, each.known) for each in merged] == [(0, 9), (0, 9)]
    assert listing(here) == before


def test_damaged_rows_are_left_out_and_named(tmp_path):
    """A flipped bit in one row costs that row; a damaged header the segment; nothing damaged gets in, then or later."""
    one = cache_of(tmp_path / "one", range(6), range(10, 13))
    with_row, with_header = sorted(one.path.glob("*/*.h5"), key=lambda path: -path.stat().st_size)
    data = bytearray(with_row.read_bytes())
    data[-5] ^= 1  # in the last row
    with_row.write_bytes(data)
    with_header.write_bytes(b"x" + with_header.read_bytes()[1:])
    here = EmbeddingCache(tmp_path / "here")

    for rows, lost in ((5, 1), (0, 1)):
        (merged,) = here.merge(one)
        assert (merged.rows, merged.lost) == (rows, lost)
        assert {damage.path for damage in merged.damages} == {with_row, with_header}
        assert found(here, range(13)) == [0, 1, 2, 3, 4]
        assert here.verify() == []


def test_rows_that_cannot_be_told_apart_are_left_out(tmp_path):
    """Where every block fits its check and all of them together do not fit their digest."""
    from featx.cache import segment

    one = cache_of(tmp_path / "one", range(6))
    (path,) = one.path.glob("*/*.h5")
    line = path.read_bytes()[: segment.HEADER]
    header = json.loads(line)
    header["digests"]["embedding"] = "0" * 64
    forged = json.dumps(header).encode().ljust(segment.HEADER - 1) + b"\n"
    data = forged + path.read_bytes()[segment.HEADER :]
    path.unlink()
    (path.parent / f"{segment.digest(forged).hex()}.h5").write_bytes(data)

    (merged,) = EmbeddingCache(tmp_path / "here").merge(one)

    assert (merged.rows, merged.lost, len(merged.damages)) == (0, 6, 1)
    assert not list((tmp_path / "here").glob("*/*.h5"))


def test_a_full_disk_leaves_whole_segments(tmp_path, monkeypatch):
    """What was copied until then is kept, and the same call goes on from there."""
    from featx.cache import merging
    from featx.errors import CacheError

    one = cache_of(tmp_path / "one", range(5), range(5, 9))
    here = EmbeddingCache(tmp_path / "here")
    real, calls = shutil.copyfileobj, []

    def full(source, target, length):
        calls.append(target)
        if len(calls) == 2:
            target.write(source.read(5000))
            raise OSError(28, "No space left on device")
        real(source, target, length)

    with monkeypatch.context() as patched:
        patched.setattr(merging.shutil, "copyfileobj", full)
        with pytest.raises(CacheError, match=r"Cannot write to the cache .*here: there is no room left"):
            here.merge(one)
    assert len(list(here.path.glob("*/*.h5"))) == len(list(here.path.glob(f"{RECIPE}/*"))) - 1 == 1
    here.merge(one)
    assert found(here, range(9)) == list(range(9))


KILLED = """
from featx.cache import EmbeddingCache
recipe_id = "0123456789abcdef" * 2

def write(kill, number):
    here = EmbeddingCache(f"{sys.argv[2]}/{kill}")
    here.merge(f"{sys.argv[2]}/one")

def check(kill, done):
    import pathlib
    ids, rows = make(range(40))
    here, out = EmbeddingCache(f"{sys.argv[2]}/{kill}"), np.zeros_like(rows)
    there = here.gather(recipe_id, ids, out)
    assert here.verify() == [] and np.array_equal(out[there], rows[there]) and there.all() >= bool(done)
"""


def test_a_kill_leaves_no_half_segment(tmp_path, killing):
    """After each SIGKILL what is there is whole and right."""
    cache_of(tmp_path / "one", *(range(start, start + 5) for start in range(0, 40, 5)))
    killing(FUNCTIONS + KILLED, tmp_path, kills=5)


def test_others_write_and_compact_meanwhile(tmp_path):
    """In the source and in the cache; what was there when it began is there in the end."""
    one = cache_of(tmp_path / "one", range(5))
    here = cache_of(tmp_path / "here", range(5, 9))
    code = FUNCTIONS + "import sys; from featx.cache import EmbeddingCache\n"
    code += "cache, first = EmbeddingCache(sys.argv[1]), int(sys.argv[2])\n"
    code += "for number in range(30):\n"
    code += (
        f"    cache.put({RECIPE!r}, *make([first + number])); cache.compact() if number % 5 == 0 else None\n"
    )
    command = [sys.executable, "-W", "error", "-c", code]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    writers = [
        subprocess.Popen([*command, str(folder), first], env=environment)
        for folder, first in ((one.path, "1000"), (here.path, "2000"))
    ]
    while any(writer.poll() is None for writer in writers):
        here.merge(one)
    assert [writer.returncode for writer in writers] == [0, 0]
    here.merge(one)
    for numbers in (range(9), range(1000, 1030), range(2000, 2030)):
        assert found(here, numbers) == list(numbers)
    assert here.verify() == []


def test_the_command_says_what_came_from_where(tmp_path):
    """A line for each source; damage on stderr, with exit code 1."""
    one, two = cache_of(tmp_path / "one", range(5)), cache_of(tmp_path / "two", range(3))
    arguments = ["cache", "merge", str(one.path), str(two.path), "--cache", str(tmp_path / "here")]
    done = CliRunner().invoke(main, arguments)
    assert (done.exit_code, done.stderr) == (0, "")
    assert (
        done.stdout
        == f"{one.path}: 5 vectors copied, 0 here already\n{two.path}: 0 vectors copied, 3 here already\n"
    )

    (path,) = two.path.glob("*/*.h5")
    path.write_bytes(b"")
    done = CliRunner().invoke(main, [*arguments, "--json"])
    assert done.exit_code == 1
    assert [one["known"] for one in json.loads(done.stdout)] == [5, 0]
    done = CliRunner().invoke(main, arguments)
    assert (done.exit_code, done.stderr) == (1, f"{path}: is empty\n")

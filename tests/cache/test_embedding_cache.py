"""What the cache promises; docs/cache-format.md lists the promises with these tests."""

import errno
import os
import pickle
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import warnings
from collections import UserDict
from pathlib import Path
from tempfile import TemporaryDirectory

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featx.cache import EmbeddingCache, identity, store
from featx.cache.memo import Memo, Use
from featx.errors import CacheError, CacheWarning, InputError

RECIPE = "0123456789abcdef" * 2
OTHER = "f" * 32
SOAK = bool(os.environ.get("FEATX_SOAK"))  # `make soak`: minutes instead of seconds
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="uses what only Linux offers")

# Ids and rows are functions of a number, so that a wrong vector shows; many ids share their first half.
FUNCTIONS = """
import numpy as np

def make(numbers, dim=4):
    numbers = np.asarray(numbers, "u4")
    ids = np.zeros((len(numbers), 16), "u1")
    ids[:, 7] = numbers % 3
    ids[:, 12:] = numbers[:, None].view("u1").reshape(-1, 4)
    return ids, (numbers[:, None] * 1000.0 + np.arange(dim)).astype("f4")
"""
exec(FUNCTIONS)  # child processes run the same text
make = globals()["make"]


def look(cache, numbers, recipe_id=RECIPE, dim=4):
    """Gather numbers, check that every vector found is right, and return which were found."""
    ids, rows = make(numbers, dim)
    out = np.full((len(rows), dim), np.nan, "f4")
    found = cache.gather(recipe_id, ids, out)
    assert np.array_equal(out[found], rows[found])
    return found


def files(cache, recipe_id=RECIPE):
    """Return the names in a recipe's folder."""
    folder = cache.path / recipe_id
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def segments(cache):
    """Return the paths of all segments."""
    return sorted(cache.path.glob("*/*.h5"))


@pytest.fixture
def cache(tmp_path):
    """Return an empty cache."""
    return EmbeddingCache(tmp_path / "cache")


NUMBERS = st.lists(st.integers(0, 60), max_size=25)


@settings(deadline=None)
@given(
    steps=st.lists(st.one_of(st.tuples(st.booleans(), NUMBERS), st.just("compact")), max_size=6),
    asked=NUMBERS,
)
def test_gather_is_a_lookup_in_a_dict_of_all_puts(tmp_path_factory, steps, asked):
    """Whatever was put, in whatever pieces, compacted or not, each id gets its own vector or is not found."""
    cache = EmbeddingCache(tmp_path_factory.mktemp("cache"))
    model = {RECIPE: set(), OTHER: set()}
    for step in steps:
        if step == "compact":
            cache.compact()
            continue
        recipe_id = OTHER if step[0] else RECIPE
        cache.put(recipe_id, *make(step[1]))
        model[recipe_id] |= set(step[1])
    for recipe_id, numbers in model.items():
        ids, rows = make(asked)
        wide = np.full((len(asked), 9), -1, "f4")
        found = cache.gather(recipe_id, ids, wide[:, 2:6])
        assert found.tolist() == [number in numbers for number in asked]
        assert np.array_equal(wide[found, 2:6], rows[found])
        assert (wide[:, [0, 1, 6, 7, 8]] == -1).all()
        assert np.array_equal(cache.image_ids(recipe_id), np.unique(make(sorted(numbers))[0], axis=0))
    assert cache.verify() == []


def test_ids_that_share_their_first_half_are_told_apart(cache):
    """The search is by the first eight bytes; the other eight decide."""
    ids = np.zeros((300, 16), "u1")
    ids[:, 15], ids[:, 14] = np.arange(300) % 256, np.arange(300) // 256
    rows = np.arange(300, dtype="f4")[:, None]
    cache.put(RECIPE, ids[::2], rows[::2])
    cache.put(RECIPE, ids[1:200:2], rows[1:200:2])
    out = np.zeros((300, 1), "f4")
    found = cache.gather(RECIPE, ids[::-1], out)
    assert found[::-1].tolist() == [number % 2 == 0 or number < 200 for number in range(300)]
    assert np.array_equal(out[found], rows[::-1][found])


def test_many_ids_that_share_their_first_half_are_found_fast(cache):
    """A cache made by a stranger cannot make the search walk; pytest's time limit would end this test."""
    ids = np.zeros((200_000, 16), "u1")
    ids[:, 8:12] = np.random.default_rng(0).permutation(200_000).astype(">u4")[:, None].view("u1")
    rows = np.arange(200_000, dtype="f4")[:, None]
    for part in (slice(0, None, 2), slice(1, None, 2)):
        cache.put(RECIPE, ids[part], rows[part])
    out = np.zeros_like(rows)
    assert cache.gather(RECIPE, ids, out).all()
    assert np.array_equal(out, rows)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_many_blocks_are_put_in_order(tmp_path, dtype):
    """Rows that are copied ahead of those being written end up under their own ids."""
    cache, random = EmbeddingCache(tmp_path, dtype), np.random.default_rng(0)
    rows = random.standard_normal((3333, 1024), dtype="f4")  # 13 MB: blocks are of 4 MB
    ids, _ = make(random.permutation(3333))
    cache.put(RECIPE, ids, rows)
    out = np.empty_like(rows)
    assert cache.gather(RECIPE, ids, out).all()
    assert np.array_equal(out, rows.astype(dtype))


def test_the_first_of_equal_ids_counts(cache):
    """An id that repeats within a put is stored once."""
    ids, rows = make([5, 6, 5])
    rows[2] = -1
    cache.put(RECIPE, ids, rows)
    assert look(cache, [5, 6, 5]).all()
    assert cache.info()[0].rows == 2


def test_float16_is_stored_as_such_and_read_as_float32(cache):
    """Half the bytes, for those who ask for it by the dtype of their rows."""
    ids, rows = make([1, 2, 3])
    cache.put(RECIPE, ids, (rows / 1000).astype("f2"))
    cache.put(RECIPE, ids[:1] + 9, (rows[:1] / 1000).astype("f4"))
    out = np.zeros((3, 4), "f4")
    assert cache.gather(RECIPE, ids, out).all()
    assert np.array_equal(out, (rows / 1000).astype("f2").astype("f4"))
    assert cache.compact() == 0  # their dtypes differ


def test_a_float16_cache_halves_what_it_is_given(cache):
    """Equal to what was put but for float16's rounding; a pickled copy stores likewise; a plain cache reads it."""
    half = EmbeddingCache(cache.path, "float16")
    rows = np.random.default_rng(0).normal(size=(100, 512)).astype("f4")
    ids, _ = make(range(100))
    half.put(RECIPE, ids, rows)
    copy = pickle.loads(pickle.dumps(half))
    copy.put(OTHER, ids, rows)
    assert copy == half != cache
    assert repr(copy) == f"EmbeddingCache({str(cache.path)!r}, dtype='float16')"

    for recipe_id in (RECIPE, OTHER):
        out = np.empty_like(rows)
        assert cache.gather(recipe_id, ids, out).all()
        assert np.array_equal(out, rows.astype("f2"))
        np.testing.assert_allclose(out, rows, rtol=2**-11, atol=2**-25)
    cache.put("1" * 32, ids, rows)
    small, _, large = (info.bytes for info in sorted(cache.info(), key=lambda info: info.bytes))
    assert 0.5 < small / large < 0.55


def test_what_float16_cannot_hold_is_stored_as_float32(cache):
    """Rather than as infinity."""
    half = EmbeddingCache(cache.path, "float16")
    ids, rows = make([64, 65, 66])
    rows[2] *= -1
    half.put(RECIPE, ids, rows)
    out = np.empty_like(rows)
    assert half.gather(RECIPE, ids, out).all()
    assert np.array_equal(out, rows)


def test_an_unknown_dtype_is_refused(tmp_path):
    """With the ones there are."""
    with pytest.raises(InputError, match=r"Unknown dtype 'float8'.*'float32', 'float16'"):
        EmbeddingCache(tmp_path, "float8")


def test_a_float16_cache_serves_an_extractor(tmp_path, pixels):
    """The first run returns what was computed, later ones that to float16's precision, and always the same."""
    from featx import FeatureExtractor

    extractor = FeatureExtractor(
        depth=2, pooling="avg", input_size=32, cache=EmbeddingCache(tmp_path, "float16")
    )
    fresh, cached = extractor.transform(pixels), extractor.transform(pixels)
    assert not np.array_equal(cached, fresh)
    np.testing.assert_allclose(cached, fresh, rtol=2**-11, atol=2**-25)
    assert np.array_equal(extractor.transform(pixels), cached)


def test_nothing_is_created_before_the_first_put(tmp_path):
    """Reading, asking and tidying an absent cache finds nothing and leaves nothing."""
    cache = EmbeddingCache(tmp_path / "a" / "b")
    assert not look(cache, [1, 2]).any()
    assert cache.info() == cache.verify() == cache.verify(repair=True) == cache.gc(max_size=0) == []
    assert cache.compact() == cache.delete(RECIPE) == len(cache.image_ids(RECIPE)) == 0
    cache.put(RECIPE, *make([]))
    assert list(tmp_path.iterdir()) == []


def test_the_default_place_is_the_users(monkeypatch, tmp_path):
    """FEATX_CACHE names the folder; without it, the platform does."""
    monkeypatch.setenv("FEATX_CACHE", str(tmp_path / "mine"))
    assert EmbeddingCache().path == tmp_path / "mine"
    monkeypatch.setenv("FEATX_CACHE", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert EmbeddingCache().path.name == "featx"
    assert EmbeddingCache().path.is_absolute()
    monkeypatch.chdir(tmp_path)
    assert EmbeddingCache("here").path == tmp_path / "here"


def test_a_cache_is_pickled_as_its_path(cache):
    """Workers get the path; equal paths are equal caches."""
    cache.put(RECIPE, *make([1]))
    copy = pickle.loads(pickle.dumps(cache))
    assert copy == cache
    assert len({copy, cache}) == 1
    assert len(pickle.dumps(cache)) < 300
    assert look(copy, [1]).all()
    assert repr(cache) == f"EmbeddingCache({str(cache.path)!r})"


def test_what_other_processes_commit_is_seen_at_once(cache):
    """A cache that is open looks again at every gather."""
    other = EmbeddingCache(cache.path)
    assert look(cache, [1, 2]).tolist() == [False, False]
    other.put(RECIPE, *make([1]))
    assert look(cache, [1, 2]).tolist() == [True, False]
    other.put(RECIPE, *make([2]))
    assert look(cache, [1, 2]).tolist() == [True, True]
    other.delete(RECIPE)
    assert look(cache, [1, 2]).tolist() == [False, False]


def test_reading_imports_neither_h5py_nor_keras():
    """A warm run pays for NumPy only."""
    modules = "featx.cache.embedding_cache, featx.cache.memo"
    code = f"import sys, {modules}; print(*{{'h5py', 'keras', 'sklearn'}} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).split() == []


# One folder, one store in a process


@pytest.fixture
def opened(monkeypatch):
    """Record which segments are opened, which costs reading and digesting their ids."""
    paths = []
    real = store.open_segment
    monkeypatch.setattr(
        store, "open_segment", lambda path, recipe_id: (paths.append(path), real(path, recipe_id))[1]
    )
    return paths


def test_a_cross_validation_opens_each_segment_once(opened, pixels, monkeypatch, tmp_path):
    """However the cache is named, in each of five folds, for which scikit-learn clones the extractor."""
    from sklearn.dummy import DummyClassifier
    from sklearn.model_selection import cross_val_score
    from sklearn.pipeline import make_pipeline

    from featx import FeatureExtractor

    monkeypatch.setenv("FEATX_CACHE", str(tmp_path / "auto"))
    for cache in ("auto", tmp_path / "path", EmbeddingCache(tmp_path / "cache")):
        extractor = FeatureExtractor(depth=1, pooling="avg", input_size=32, cache=cache)
        for part in np.split(pixels, 3):
            extractor.transform(part)
        store.shared.cache_clear()
        opened.clear()
        cross_val_score(make_pipeline(extractor, DummyClassifier()), pixels, np.arange(12) % 2, cv=5)
        assert sorted(opened) == segments(EmbeddingCache.at(cache))
        assert len(opened) == 3


def test_copies_of_a_cache_share_what_they_know(cache, opened):
    """Pickled ones, which workers get for every task, and others of the same folder; not those of another one."""
    cache.put(RECIPE, *make([1]))
    for copy in (cache, pickle.loads(pickle.dumps(cache)), EmbeddingCache(cache.path, "float16")):
        assert look(copy, [1]).all()
    assert len(opened) == 1
    other = EmbeddingCache(cache.path.with_name("other"))
    assert not look(other, [1]).any()


def test_a_folder_deleted_and_made_anew_is_noticed(cache):
    """What was in it is not served any more, what is put then is."""
    cache.put(RECIPE, *make([1]))
    assert look(cache, [1]).all()
    shutil.rmtree(cache.path)
    assert not look(cache, [1]).any()
    cache.put(RECIPE, *make([2], dim=4))
    assert look(EmbeddingCache(cache.path), [1, 2]).tolist() == [False, True]


def test_a_damaged_segment_that_is_mended_counts_again(cache):
    """A backup copied over it, under the same name, is believed without a new process."""
    cache.put(RECIPE, *make(range(10)))
    (path,) = segments(cache)
    sound = path.read_bytes()
    spoil(path)
    with pytest.warns(CacheWarning, match="do not match their checks"):
        assert not look(cache, range(10)).any()
    path.write_bytes(sound)
    assert look(cache, range(10)).all()


@LINUX
def test_a_forked_process_sees_what_it_and_others_write(cache):
    """It inherits what is known, and goes on from there on its own."""
    code = """
import os, sys
from featx.cache import EmbeddingCache
cache, recipe_id = EmbeddingCache(sys.argv[1]), "0123456789abcdef" * 2
cache.put(recipe_id, *make([1]))
child = os.fork()
if not child:
    cache.put(recipe_id, *make([2]))
    os._exit(0 if cache.gather(recipe_id, make([1, 2])[0], np.zeros((2, 4), "f4")).all() else 1)
assert os.waitpid(child, 0)[1] == 0
assert cache.gather(recipe_id, make([1, 2])[0], np.zeros((2, 4), "f4")).all()
"""
    child(code, cache.path)


def test_ids_of_many_recipes_stay_within_a_bound(cache, opened, monkeypatch):
    """Those asked for longest ago are forgotten and read again; the one in use is always kept."""
    recipes = [f"{number:032x}" for number in range(4)]
    for recipe_id in recipes:
        cache.put(recipe_id, *make(range(100)))
        assert look(cache, range(100), recipe_id).all()
    (size,) = {store.shared(cache.path).index(one).nbytes for one in recipes}
    monkeypatch.setattr(store, "REMEMBERED", 2 * size)
    opened.clear()
    for number in (3, 2, 3, 0, 3, 2, 0):
        assert look(cache, range(100), recipes[number]).all()
    assert [path.parent.name for path in opened] == [recipes[number] for number in (0, 2, 0)]


@pytest.mark.parametrize("given", ["none", None])
def test_none_means_no_cache(given, monkeypatch, tmp_path, pixels):
    """As a parameter and as FEATX_CACHE; nothing is written, and no folder of that name appears."""
    from featx import FeatureExtractor

    monkeypatch.chdir(tmp_path)
    assert EmbeddingCache.at(given) is None
    FeatureExtractor(depth=1, pooling="avg", input_size=32, cache=given).transform(pixels[:2])
    monkeypatch.setenv("FEATX_CACHE", "none")
    assert EmbeddingCache.at("auto") is None
    FeatureExtractor(depth=1, pooling="avg", input_size=32).transform(pixels[:2])
    for make_one in (lambda: EmbeddingCache("none"), EmbeddingCache):
        with pytest.raises(InputError, match="'none' keeps nothing, and a folder is needed here"):
            make_one()
    assert list(tmp_path.iterdir()) == []


def test_auto_is_the_folder_that_the_environment_names_now(monkeypatch, tmp_path):
    """A change is heeded; other words are paths, and a cache is itself."""
    for name in "ab":
        monkeypatch.setenv("FEATX_CACHE", str(tmp_path / name))
        assert EmbeddingCache.at("auto").path == EmbeddingCache().path == tmp_path / name
    half = EmbeddingCache(tmp_path, "float16")
    assert EmbeddingCache.at(half) is half
    assert EmbeddingCache.at(tmp_path, "float16") == half
    with pytest.raises(InputError, match="cache=5: give 'auto', 'none', the path of a folder"):
        EmbeddingCache.at(5)


# Wrong use


@pytest.mark.parametrize(
    "recipe_id", ["", "x" * 32, "F" * 32, "../" * 10 + "ab", RECIPE + "\n", None, b"0" * 32]
)
def test_a_recipe_id_is_checked(cache, recipe_id):
    """It becomes a folder's name."""
    with pytest.raises(InputError, match="Expected a recipe id of 32 lowercase hexadecimal digits, got"):
        cache.put(recipe_id, *make([1]))
    with pytest.raises(InputError, match="recipe id"):
        cache.delete(recipe_id)


@pytest.mark.parametrize(
    ("ids", "rows", "message"),
    [
        (np.zeros((2, 15), "u1"), np.zeros((2, 4), "f4"), r"image ids of shape \(n, 16\).*\(2, 15\) uint8"),
        (np.zeros((2, 16), "i1"), np.zeros((2, 4), "f4"), r"dtype uint8, got \(2, 16\) int8"),
        ([b"x" * 16], np.zeros((1, 4), "f4"), "got a list"),
        (np.zeros((2, 16), "u1"), np.zeros((3, 4), "f4"), r"Expected 2 rows .* got \(3, 4\)"),
        (np.zeros((2, 16), "u1"), np.zeros((2, 0), "f4"), "at least one number"),
        (np.zeros((2, 16), "u1"), np.zeros((2, 4), "f8"), r"float32 or float16, got \(2, 4\) float64"),
        (np.zeros((2, 16), "u1"), np.zeros((2,), "f4"), r"shape \(2, d\)"),
        (np.zeros((2, 16), "u1"), [[1.0], [2.0]], "got a list"),
        (np.zeros((2, 16), "u1"), np.array([[1], [np.nan]], "f4"), "1 of 2 rows hold NaN"),
    ],
)
def test_put_checks_its_arguments(cache, ids, rows, message):
    """Nothing is stored that could not be read, or that is no vector."""
    with pytest.raises(InputError, match=message):
        cache.put(RECIPE, ids, rows)
    assert not cache.path.exists()


@pytest.mark.parametrize(
    "out", [np.zeros((2, 4), "f8"), np.zeros((1, 4), "f4"), np.zeros(2, "f4"), [[0.0]], None], ids=str
)
def test_gather_checks_where_it_writes(cache, out):
    """A copy that went nowhere would look like a success."""
    with pytest.raises(InputError, match=r"Expected out of shape \(2, d\) and dtype float32, got"):
        cache.gather(RECIPE, make([1, 2])[0], out)


def test_a_recipe_holds_vectors_of_one_length(cache):
    """Two lengths under one id mean that the id lacks a choice: neither read nor written."""
    cache.put(RECIPE, *make([1], dim=4))
    with pytest.raises(CacheError, match="holds vectors of 4 numbers, expected 5"):
        cache.put(RECIPE, *make([2], dim=5))
    with pytest.raises(CacheError, match="holds vectors of 4 numbers, expected 5"):
        look(cache, [1], dim=5)
    assert len(segments(cache)) == 1


@pytest.mark.parametrize("text", ['{"format": 2}', '{"format": "1"}', '{"other": 1}'])
def test_another_format_is_refused(cache, text):
    """A cache written by a later featx is neither misread nor changed."""
    cache.path.mkdir()
    (cache.path / "format.json").write_text(text)
    for action in (
        lambda: look(cache, [1]),
        lambda: cache.put(RECIPE, *make([1])),
        cache.info,
        cache.verify,
        cache.compact,
        lambda: cache.gc(max_size=0),
        lambda: cache.delete(RECIPE),
    ):
        with pytest.raises(
            CacheError, match=r"is of format .*, expected 1\. Upgrade featx, or choose another"
        ):
            action()
    assert list(cache.path.iterdir()) == [cache.path / "format.json"]


@pytest.mark.parametrize("text", ["", "[1]", "[" * 100_000, "\0"])
def test_a_damaged_format_file_is_named(cache, text):
    """It cannot be told which format this is, so a person decides."""
    cache.path.mkdir()
    (cache.path / "format.json").write_text(text)
    with pytest.raises(CacheError, match=r"format.json is damaged\. .* delete this one file"):
        look(cache, [1])


@LINUX
@pytest.mark.parametrize("name", ["format.json", f"{RECIPE}/recipe.json"])
@pytest.mark.parametrize(
    "put",
    [
        os.mkfifo,
        Path.mkdir,
        lambda path: path.symlink_to("/dev/zero"),
        lambda path: (path.touch(), os.truncate(path, 100 * 10**9)),
    ],
    ids=["pipe", "folder", "link to a device", "sparse file"],
)
def test_what_is_no_small_file_is_not_read(cache, name, put):
    """It neither hangs nor fills the memory, and counts as damaged; vectors are served where the format is known."""
    cache.put(RECIPE, *make([1]), {"words": 1})
    path = cache.path / name
    path.unlink()
    put(path)
    if name == "format.json":
        with pytest.raises(CacheError, match=r"format.json is damaged\. .* delete this one file"):
            look(cache, [1])
        return
    assert look(cache, [1]).all()
    assert cache.info()[0].recipe is None
    assert [(damage.path, damage.reason) for damage in cache.verify(repair=True)] == [
        (path, "is not a JSON object")
    ]
    assert cache.verify() == []


# Trouble with the disk


def test_a_file_in_place_of_the_folder_is_named(tmp_path):
    """Neither reading nor writing takes a file for a folder."""
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "file", tmp_path / "file" / "under"):
        cache = EmbeddingCache(path)
        with pytest.raises(
            CacheError, match=r"Cannot write to the cache .* not a folder, .*\. Remove that file, or choose"
        ):
            cache.put(RECIPE, *make([1]))
        with pytest.raises(CacheError, match=r"Cannot read the cache .* not a folder"):
            look(cache, [1])


def test_a_folder_that_vanishes_is_named(cache):
    """Whoever deletes the cache during a run is told so, and the next run works."""

    class Vanishing(UserDict):
        def keys(self):
            shutil.rmtree(cache.path)
            return super().keys()

    cache.put(RECIPE, *make([1]))
    with pytest.raises(CacheError, match=r"Cannot write to the cache .*: its folder vanished"):
        cache.put(RECIPE, *make([2]), made_with=Vanishing(keras="3"))
    assert not look(cache, [1, 2]).any()
    cache.put(RECIPE, *make([2]))
    assert look(cache, [1, 2]).tolist() == [False, True]


def child(code, *arguments):
    """Run Python in another process and return what it printed."""
    command = [sys.executable, "-c", FUNCTIONS + code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


FILL = """
import resource, sys, h5py
from featx.cache import EmbeddingCache
from featx.errors import CacheError
cache, limit = EmbeddingCache(sys.argv[1]), int(sys.argv[2])
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
written = 0
try:
    for size in (10, 100, 1000, 10_000):
        numbers = np.arange(written, written + size)
        cache.put("0123456789abcdef" * 2, *make(numbers, 64))
        written += size
except CacheError as error:
    print(written, error)
"""


@LINUX
def test_a_file_size_limit_loses_nothing(cache):
    """Rows committed before the limit was hit are there, and no part of a file is left."""
    written, message = child(FILL, cache.path, 100_000).split(maxsplit=1)
    assert written == "110"
    assert re.search(r"there is no room left\. What was finished is kept\. Free some space", message)
    assert look(cache, range(120), dim=64).sum() == 110
    assert len(files(cache)) == 2
    assert cache.verify() == []


@LINUX
def test_a_full_disk_loses_nothing(tmp_path):
    """Likewise on a file system without room for one more segment."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", tmp_path], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("may not mount a small file system")
    try:
        cache = EmbeddingCache(tmp_path / "cache")
        written, message = child(FILL, cache.path, 0).split(maxsplit=1)
        assert written == "1110"
        assert "there is no room left" in message
        assert look(cache, range(1200), dim=64).sum() == 1110
        assert len(files(cache)) == 3
        assert cache.verify() == []
    finally:
        subprocess.run(["umount", tmp_path], check=True)


READ_ONLY = """
import os, sys, h5py
from featx.cache import EmbeddingCache
from featx.errors import CacheError
if os.getuid() == 0:
    os.setgid(65534); os.setuid(65534)
cache = EmbeddingCache(sys.argv[1])
out = np.zeros((2, 4), "f4")
recipe_id = "0123456789abcdef" * 2
print(cache.gather(recipe_id, make([1, 2])[0], out), cache.verify(), len(cache.info()))
for action in (lambda: cache.put(recipe_id, *make([2])), lambda: cache.delete(recipe_id)):
    try:
        action()
    except CacheError as error:
        print(error)
"""


@LINUX
def test_a_read_only_cache_is_read():
    """A shared cache serves those who may not write, and tells them what to do when they must."""
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        cache = EmbeddingCache(Path(folder) / "cache")
        cache.put(RECIPE, *make([1]))
        for path in (cache.path, cache.path / RECIPE):
            path.chmod(0o555)
        first, *errors = child(READ_ONLY, cache.path).splitlines()
        assert first == "[ True False] [] 1"
        assert [
            re.match(r"Cannot (write to|delete from) the cache .* read-only", line)[1] for line in errors
        ] == [
            "write to",
            "delete from",
        ]
        assert look(cache, [1]).all()


KILLED = """
import h5py
import featx.cache.segment, featx.cache.segment_writer
from featx.cache import EmbeddingCache
featx.cache.segment._PIECE = 1 << 15  # each put is of 8 blocks: one is copied while another is written,
featx.cache.segment_writer._SYNCED = 1 << 20  # and sent to the disk in parts
recipe_id = "0123456789abcdef" * 2

def write(kill, number):
    EmbeddingCache(sys.argv[2]).put(recipe_id, *make(np.arange(1000) + kill * 10**6 + number * 1000, 512))

def check(kill, done):
    ids, rows = make(np.arange(1000 * (done + 2)) + kill * 10**6, 512)
    out = np.zeros_like(rows)
    found = EmbeddingCache(sys.argv[2]).gather(recipe_id, ids, out)
    assert np.array_equal(out[found], rows[found])
    assert found[: 1000 * done].all()
    assert not found[1000 * (done + 1) :].any()
    assert len(set(found[1000 * done : 1000 * (done + 1)])) == 1, "the last one was renamed in time, or not"
"""


def test_a_kill_at_any_moment_loses_nothing_committed(cache, killing):
    """After each of many SIGKILLs every row whose `put` returned is there and right, every file sound."""
    killing(FUNCTIONS + KILLED, cache.path, kills=300 if SOAK else 20)
    assert cache.info()[0].rows >= 20_000
    assert cache.verify() == []
    for path in cache.path.rglob(".*.tmp"):
        os.utime(path, (0, 0))
    cache.put(RECIPE, *make([1], 512))
    assert not list(cache.path.rglob(".*.tmp")), "what dead writers leave is swept"


ENDED = """
import os, signal, sys
import featx.embedding.embed
from featx import FeatureExtractor
from featx.embedding.keras_engine import KerasEngine

featx.embedding.embed.SEGMENT_BYTES = 0  # write after every batch
images, call, batches = np.load(sys.argv[1]), KerasEngine.__call__, []

def ends(engine, pixels):
    batches.append(len(pixels))
    if len(batches) == 4:
        os.kill(os.getpid(), int(sys.argv[2]))
    return call(engine, pixels)

KerasEngine.__call__ = ends
choices = {"pooling": "avg", "input_size": 32, "batch_size": 2, "n_jobs": 1, "engine": "keras"}
FeatureExtractor(depth=1, **choices).transform(images)
"""


@LINUX
@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGINT], ids=["kill", "Ctrl-C"])
def test_a_run_that_was_ended_is_continued(tmp_path, pixels, forwards, sent):
    """The next run computes only what is missing, and ends up with what an undisturbed one gives."""
    from featx import FeatureExtractor

    np.save(tmp_path / "images.npy", pixels)
    command = [sys.executable, "-c", FUNCTIONS + ENDED, str(tmp_path / "images.npy"), str(int(sent))]
    assert subprocess.run(command, capture_output=True).returncode == -sent
    assert EmbeddingCache().info()[0].rows == 6
    assert EmbeddingCache().verify() == []

    # on one engine, whatever an earlier test has left in this process
    extractor = FeatureExtractor(depth=1, pooling="avg", input_size=32, engine="keras")
    continued = extractor.transform(pixels)
    assert sum(forwards) == 6
    assert np.array_equal(continued, extractor.set_params(cache=None).transform(pixels))


# Many at once

WORK = """
import sys
from featx.cache import EmbeddingCache
cache, worker = EmbeddingCache(sys.argv[1]), int(sys.argv[2])
random = np.random.default_rng(worker)
for step in range(int(sys.argv[3])):
    numbers = random.permutation(400)[:100]
    ids, rows = make(numbers)
    out = np.zeros_like(rows)
    found = cache.gather("0123456789abcdef" * 2, ids, out)
    assert np.array_equal(out[found], rows[found])
    cache.put("0123456789abcdef" * 2, ids[~found], rows[~found])
    assert cache.gather("0123456789abcdef" * 2, ids, out).all()
    assert np.array_equal(out, rows)
    if worker == 0 and step % 3 == 2:
        cache.compact()
"""


def test_processes_share_a_cache(cache):
    """Four write overlapping inputs while one also compacts; each reads its own writes, and all is sound."""
    steps = 200 if SOAK else 10
    command = [sys.executable, "-W", "error", "-c", FUNCTIONS + WORK, str(cache.path)]
    workers = [subprocess.Popen([*command, str(worker), str(steps)]) for worker in range(4)]
    assert [worker.wait() for worker in workers] == [0] * 4
    assert look(cache, range(400)).sum() > 380
    assert cache.verify() == []
    cache.compact()
    assert len(segments(cache)) == 1


def test_gc_runs_beside_readers_and_writers(cache, tmp_path):
    """What is removed under a reader is not found any more; nothing else happens to it."""
    reading = """
import itertools, pathlib, sys
from featx.cache import EmbeddingCache
cache, worker, enough = EmbeddingCache(sys.argv[1]), int(sys.argv[2]), pathlib.Path(sys.argv[4])
random, hits = np.random.default_rng(worker), 0
for step in itertools.count():
    if step >= int(sys.argv[3]) and enough.exists():
        break
    ids, rows = make(random.permutation(400)[:100])
    out = np.zeros_like(rows)
    cache.put("0123456789abcdef" * 2, ids[::2], rows[::2])
    found = cache.gather("0123456789abcdef" * 2, ids, out)
    assert np.array_equal(out[found], rows[found])
    hits += found.sum()
    cache.image_ids("0123456789abcdef" * 2), cache.info()
assert hits
"""
    steps = 300 if SOAK else 30
    command = [sys.executable, "-W", "error", "-c", FUNCTIONS + reading, str(cache.path)]
    enough = tmp_path / "enough"
    workers = [subprocess.Popen([*command, str(worker), str(steps), str(enough)]) for worker in range(3)]
    removed = 0
    while any(worker.poll() is None for worker in workers):
        removed += len(cache.gc(max_size=20_000))
        cache.compact()
        if removed:  # only then may the others end
            enough.touch()
    assert [worker.wait() for worker in workers] == [0] * 3
    assert cache.verify() == []


def test_threads_share_a_cache(cache):
    """One object, eight threads, reading and writing and compacting."""
    failures = []

    def work(worker):
        try:
            for step in range(5):
                numbers = np.random.default_rng((worker, step)).permutation(200)[:80]
                cache.put(RECIPE, *make(numbers))
                assert look(cache, numbers).all()
                if worker == 0:
                    cache.compact()
        except BaseException as error:
            failures.append(error)
            raise

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert cache.verify() == []


# Damage


def spoil(path, place=-3):
    """Flip a bit of a file."""
    data = bytearray(path.read_bytes())
    data[place] ^= 4
    path.write_bytes(data)


@pytest.mark.parametrize("place", [0, 1023, 1500, -3])
def test_a_damaged_segment_is_named_and_recomputed(cache, place):
    """Its images count as missing, with one warning; the others are served; what is put again counts."""
    cache.put(RECIPE, *make(range(10)))
    (bad,) = segments(cache)
    cache.put(RECIPE, *make(range(10, 20)))
    spoil(bad, place)
    store.shared.cache_clear()  # as in another process
    cache = EmbeddingCache(cache.path)
    with pytest.warns(
        CacheWarning, match=f"{bad.stem}.* It is ignored, and its images count as not cached"
    ) as seen:
        found = look(cache, range(20))
    assert len(seen) == 1
    assert found.tolist() == [False] * 10 + [True] * 10
    assert look(cache, range(20)).sum() == 10, "warned of once"
    cache.put(RECIPE, *make(range(10)))
    assert look(cache, range(20)).all()


def test_a_row_damaged_while_the_cache_is_open_is_noticed(cache):
    """Rows are checked at every read, not only when their file is opened."""
    cache.put(RECIPE, *make(range(10)))
    assert look(cache, range(10)).all()
    spoil(segments(cache)[0])
    with pytest.warns(CacheWarning, match="rows that do not match their checks"):
        assert not look(cache, range(10)).any()


def test_verify_names_damage_and_puts_it_out_of_the_way(cache):
    """Damaged and foreign files are listed; repair renames them, and the cache is clean."""
    cache.put(RECIPE, *make(range(10)), {"backbone": "x"})
    cache.put(RECIPE, *make(range(10, 20)))
    bad, good = segments(cache)
    spoil(bad)
    foreign = cache.path / RECIPE / "notes.h5"
    with h5py.File(foreign, "w") as file:
        file["x"] = 1
    (cache.path / RECIPE / "recipe.json").write_text("no JSON")
    (cache.path / RECIPE / "README").write_text("people may leave notes")
    damages = {damage.path: damage.reason for damage in cache.verify()}
    assert damages.keys() == {bad, foreign, cache.path / RECIPE / "recipe.json"}
    assert damages[bad] == "holds rows that do not match their checks"
    assert len(cache.verify(repair=True)) == 3
    assert cache.verify() == []
    assert files(cache) == sorted(
        ["README", "notes.h5.damaged", "recipe.json.damaged", f"{bad.name}.damaged", good.name]
    )
    assert look(cache, range(20)).sum() == 10
    assert [removed.path.suffix for removed in cache.gc()] == [".damaged"] * 3
    assert set(files(cache)) == {"README", good.name}


def test_a_segment_in_another_recipes_folder_is_refused(cache):
    """A vector computed by one recipe is never served for another, even if files are mixed up."""
    cache.put(RECIPE, *make([1]))
    cache.put(OTHER, *make([2]))
    shutil.copy(segments(cache)[0], cache.path / OTHER)
    with pytest.warns(CacheWarning, match="belongs to another recipe"):
        assert look(cache, [1, 2], OTHER).tolist() == [False, True]


def test_a_segment_of_another_length_is_refused(cache):
    """Where sound files disagree on the length of vectors, those that fit the request count."""
    cache.put(RECIPE, *make([1], dim=4))
    other = EmbeddingCache(cache.path.with_name("other"))
    other.put(RECIPE, *make([2], dim=5))
    shutil.copy(segments(other)[0], cache.path / RECIPE)
    with pytest.warns(CacheWarning, match="holds vectors of 5 numbers"):
        assert look(cache, [1, 2]).tolist() == [True, False]


@LINUX
def test_a_link_in_place_of_a_recipe_is_refused(cache, tmp_path):
    """A cache from a stranger cannot make featx read or delete elsewhere."""
    elsewhere = EmbeddingCache(tmp_path / "elsewhere")
    elsewhere.put(RECIPE, *make([1]))
    cache.path.mkdir()
    (cache.path / RECIPE).symlink_to(elsewhere.path / RECIPE)
    for action in (
        lambda: look(cache, [1]),
        lambda: cache.delete(RECIPE),
    ):
        with pytest.raises(CacheError, match="is a link, and might lead out of the cache"):
            action()
    with pytest.warns(CacheWarning, match="It is passed over"):
        assert (cache.verify(repair=True), cache.gc(max_size=0)) == ([], [])
    assert look(elsewhere, [1]).all()


def test_a_linked_cache_is_fine(cache, tmp_path):
    """The folder itself may lie anywhere."""
    cache.put(RECIPE, *make([1]))
    (tmp_path / "link").symlink_to(cache.path)
    assert look(EmbeddingCache(tmp_path / "link"), [1]).all()


# Upkeep


def test_info_tells_what_is_there(cache):
    """One row per recipe; an image in two segments counts once."""
    cache.put(RECIPE, *make(range(10)), {"backbone": "résnet"})
    cache.put(RECIPE, *make(range(5, 15)), {"backbone": "ignored: the first one stays"})
    cache.put(OTHER, *make([1], dim=7))
    first, second = cache.info()
    assert (first.recipe_id, first.recipe, first.rows, first.dim) == (RECIPE, {"backbone": "résnet"}, 15, 4)
    assert (first.segments, first.bytes) == (2, sum(path.stat().st_size for path in segments(cache)[:2]))
    assert first.created < first.last
    assert (second.recipe_id, second.recipe, second.rows, second.dim, second.segments) == (
        OTHER,
        None,
        1,
        7,
        1,
    )


@settings(max_examples=20, deadline=None)
@given(st.lists(NUMBERS, min_size=1, max_size=8))
def test_compact_keeps_every_row(tmp_path_factory, puts):
    """One segment remains, each image in it once; the words of the recipe stay."""
    cache = EmbeddingCache(tmp_path_factory.mktemp("cache"))
    cache.put(RECIPE, *make([99]), {"words": 1})
    for numbers in puts:
        cache.put(RECIPE, *make(numbers))
    before, rows = len(segments(cache)), cache.info()[0].rows
    assert cache.compact() == before - 1
    assert look(cache, [99, *(number for numbers in puts for number in numbers)]).all()
    assert [(info.rows, info.segments, info.recipe) for info in cache.info()] == [(rows, 1, {"words": 1})]
    assert cache.compact() == 0


def test_compact_leaves_damage_alone(cache):
    """A damaged segment is neither merged nor deleted."""
    for numbers in ([1], [2], [3]):
        cache.put(RECIPE, *make(numbers))
    bad = segments(cache)[1]
    spoil(bad)
    with pytest.warns(CacheWarning, match="do not match their checks"):
        assert cache.compact() == 1
    assert len(segments(cache)) == 2
    assert bad.exists()
    assert look(cache, [1, 2, 3]).sum() == 2


def aged(cache, ages):
    """Put one segment for each age in days, and return their paths."""
    paths = []
    for number, days in enumerate(ages):
        cache.put(RECIPE, *make([number]))
        (path,) = set(segments(cache)) - set(paths)
        os.utime(path, (time.time() - days * 86400,) * 2)
        paths.append(path)
    return paths


def test_gc_removes_the_oldest_first(cache):
    """Down to the size asked for, and no further; a dry run only tells."""
    paths = aged(cache, [3, 9, 1, 5])
    size = paths[0].stat().st_size
    dry = cache.gc(max_size=2 * size, dry_run=True)
    assert [removed.path for removed in dry] == [paths[1], paths[3]]
    assert [removed.bytes for removed in dry] == [size, size]
    assert set(segments(cache)) == set(paths)
    assert [removed.path for removed in cache.gc(max_size=2 * size)] == [paths[1], paths[3]]
    assert look(cache, range(4)).tolist() == [True, False, True, False]
    assert cache.gc(max_size=2 * size) == []
    assert len(cache.gc(max_size=0)) == 2


def test_gc_spares_what_was_used(cache):
    """A recipe that was asked for is as young as that, whenever it was written."""
    paths = aged(cache, [9, 5])
    cache.put(OTHER, *make([7]))
    (other,) = set(segments(cache)) - set(paths)
    os.utime(other, (time.time() - 7 * 86400,) * 2)
    memo = Memo(cache.path)
    memo.note_uses({RECIPE: Use(2, 2, time.time() - 6 * 86400)})

    removed = cache.gc(max_size=0, dry_run=True)
    assert [file.path for file in removed] == [other, paths[0], paths[1]]
    assert [round(file.idle / 86400) for file in removed] == [7, 6, 5]
    assert [round(file.age / 86400) for file in removed] == [7, 9, 5]
    memo.note_uses({RECIPE: Use(2, 2, time.time())})
    assert [file.path for file in cache.gc(older_than=86400)] == [other]
    assert {info.recipe_id: info.use and info.use.found for info in cache.info()} == {RECIPE: 2, OTHER: None}


def test_gc_removes_what_is_too_old(cache):
    """By the time it was written."""
    paths = aged(cache, [3, 9, 1, 5])
    assert [removed.path for removed in cache.gc(older_than=4 * 86400)] == [paths[1], paths[3]]
    assert cache.gc() == []


def test_gc_spares_writers_at_work(cache):
    """A temporary file is only removed once its writer must be dead, and never one that is not ours."""
    cache.put(RECIPE, *make([1]))
    young, old, users = (cache.path / f".featx-{stem}.tmp" for stem in ("a" * 32, "b" * 32, "notes"))
    for path in (young, old, users):
        path.touch()
    for path in (old, users):
        os.utime(path, (time.time() - 4000,) * 2)
    assert [removed.path for removed in cache.gc()] == [old]
    cache.put(RECIPE, *make([2]))
    assert young.exists()
    assert users.exists()


def test_delete_removes_one_recipe(cache):
    """All of it, and nothing else."""
    cache.put(RECIPE, *make([1]), {"words": 1})
    cache.put(OTHER, *make([1]))
    size = sum(path.stat().st_size for path in (cache.path / RECIPE).iterdir())
    assert cache.delete(RECIPE) == size
    assert not (cache.path / RECIPE).exists()
    assert look(cache, [1], OTHER).all()
    assert cache.delete(RECIPE) == 0


def test_a_file_emptied_and_lengthened_again_is_found(tmp_path):
    """Its checks are zeros then, as its rows are; the ones verified before are believed."""
    cache = EmbeddingCache(tmp_path / "cache")
    ids = np.arange(32, dtype="u1").reshape(2, 16)
    cache.put("0" * 32, ids, np.ones((2, 4), "f4"))
    out = np.empty((2, 4), "f4")
    assert cache.gather("0" * 32, ids, out).all()
    (path,) = cache.path.glob("*/*.h5")
    size = path.stat().st_size
    os.truncate(path, 0)
    os.truncate(path, size)

    with pytest.warns(CacheWarning, match="do not match their checks"):
        assert not cache.gather("0" * 32, ids, out).any()


@pytest.mark.parametrize("reason", [errno.EACCES, errno.EPERM, errno.EIO, errno.ESTALE, errno.ENODEV])
def test_what_cannot_be_read_is_no_damage(tmp_path, monkeypatch, reason):
    """It is named, and neither set aside nor deleted: it may be another user's, and sound."""
    cache = EmbeddingCache(tmp_path / "cache")
    cache.put("0" * 32, np.arange(32, dtype="u1").reshape(2, 16), np.ones((2, 4), "f4"))
    (path,) = cache.path.glob("*/*.h5")
    opened = os.open

    def refused(name, *given, **more):
        if str(name).endswith(".h5"):
            raise OSError(reason, os.strerror(reason))
        return opened(name, *given, **more)

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", refused)
        (damage,) = cache.verify(repair=True)
    assert (damage.path, damage.readable) == (path, False)
    assert cache.gc() == []
    assert cache.verify() == []


def socketed(path):
    """Make a socket."""
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(os.path.relpath(path))  # a socket's path must be short


STRAYS = {
    "file": lambda path: path.write_text("the user's"),
    "link": lambda path: path.symlink_to("/usr", target_is_directory=True),
    "broken link": lambda path: path.symlink_to("/nowhere"),
    "pipe": os.mkfifo,
    "socket": socketed,
}


@LINUX
@pytest.mark.parametrize("name", ["1" * 32, "engines"])
@pytest.mark.parametrize("stray", STRAYS)
def test_stray_entries_are_named_and_passed_over(cache, monkeypatch, stray, name):
    """In the place of a folder: each command sees to everything else, and names the stray once."""
    cache.put(RECIPE, *make([1]))
    cache.put(RECIPE, *make([2]))
    monkeypatch.chdir(cache.path)
    STRAYS[stray](cache.path / name)
    with pytest.warns(
        CacheWarning, match=f"{name} has the name of a folder .* and is a file or a link. It is passed"
    ):
        assert cache.verify(repair=True) == []
    assert [one.recipe_id for one in cache.info()] == [RECIPE], "warned of once"
    assert (cache.exports(), cache.compact(), cache.gc()) == ([], 1, [])
    assert look(cache, [1, 2]).all()
    assert len(cache.gc(max_size=0)) == 1
    assert os.path.lexists(cache.path / name)


@LINUX
@pytest.mark.parametrize("place", ["", RECIPE, "engines"])
@pytest.mark.parametrize("stray", [*STRAYS, "folder"])
@pytest.mark.parametrize(
    "name", [f".featx-{'0' * 32}.tmp", "0123.tmp", "mine", f"{'2' * 32}", f"{'2' * 32}.h5.tmp"]
)
def test_what_lies_about_disturbs_nobody(cache, monkeypatch, place, stray, name):
    """Old drafts of all kinds, and things of the user's, in the cache, a recipe's folder and that of the graphs."""
    cache.put(RECIPE, *make([1]))
    (cache.path / "engines").mkdir()
    monkeypatch.chdir(cache.path / place)
    path = cache.path / place / name
    (STRAYS | {"folder": lambda path: (path / "inner").mkdir(parents=True)})[stray](path)
    for part in (path / "inner", path):
        if part.exists() and not path.is_symlink():
            os.utime(part, (0, 0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CacheWarning)
        assert [one.rows for one in cache.info() if one.recipe_id == RECIPE] == [1]
        for command in (cache.exports, cache.verify, cache.compact, cache.gc):
            command()
    cache.put(RECIPE, *make([2]))
    assert look(cache, [1, 2]).all()
    cache.delete(RECIPE)
    assert not look(cache, [1, 2]).any()


AS_NOBODY = """
import os, sys
from featx.cache import EmbeddingCache
os.setgid(65534); os.setuid(65534)
cache = EmbeddingCache(sys.argv[1])
print([info.recipe_id for info in cache.info()], cache.verify(repair=True), cache.gc(dry_run=True), cache.exports())
"""


@pytest.mark.skipif(sys.platform != "linux" or os.getuid() != 0, reason="only root can become nobody")
def test_folders_that_may_not_be_read_are_named_and_passed_over():
    """Other recipes of a shared cache, and its graphs, may be another user's own."""
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        cache = EmbeddingCache(Path(folder) / "cache")
        cache.put(RECIPE, *make([1]))
        cache.put(OTHER, *make([1]))
        (cache.path / "engines").mkdir()
        for path in (cache.path / OTHER, cache.path / "engines"):
            path.chmod(0)
        done = subprocess.run(
            [sys.executable, "-c", AS_NOBODY, str(cache.path)], capture_output=True, text=True, check=True
        )
    assert done.stdout == f"['{RECIPE}'] [] [] []\n"
    assert done.stderr.count("cannot be read by you. It is passed over.") == 2


def test_words_about_another_recipe_are_not_believed(tmp_path):
    """The digest of a recipe is its folder's name."""
    cache = EmbeddingCache(tmp_path / "cache")
    recipe = {"pooling": "avg"}
    name = identity.recipe_id(recipe)
    words = {"backbone": "tiny", "recipe": recipe}
    cache.put(name, np.arange(32, dtype="u1").reshape(2, 16), np.ones((2, 4), "f4"), words)
    assert cache.recipe(name).recipe == words
    assert cache.verify() == []

    path = cache.path / name / "recipe.json"
    path.write_text(path.read_text().replace("avg", "max"))
    assert cache.recipe(name).recipe is None
    assert [damage.reason for damage in cache.verify()] == ["describes another recipe"]

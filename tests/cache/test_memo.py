"""The memo: fast, never wrong, never in the way."""

import os
import pickle
import shutil
import sqlite3
import struct
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featx.cache import memo as module
from featx.cache.identity import image_id
from featx.cache.memo import Memo, Stat, Use, stat_of


def age(path, seconds=10):
    """Pretend that a file was changed that long ago, as far as a user can: its ctime stays as it is."""
    moment = time.time_ns() - seconds * 10**9
    os.utime(path, ns=(moment, moment))


def settled(path):
    """Return a stat as if it was taken long after the file's last change."""
    stat = stat_of(path)
    return Stat(stat.size, stat.mtime_ns, stat.ctime_ns, stat.inode, stat.taken_ns + 10 * 10**9)


def learn(memo, path):
    """Let the memo remember a file as it is."""
    memo.remember([(path, settled(path), image_id(Path(path).read_bytes()))])


def knows(memo, path):
    """Return the image id that the memo gives, or None."""
    ids, found = memo.known([path])
    assert ids.shape == (1, 16)
    assert ids.dtype == np.uint8
    return ids[0].tobytes() if found[0] else None


@pytest.fixture
def image(tmp_path):
    """Return a file that holds an image."""
    path = tmp_path / "image.jpg"
    path.write_bytes(b"an image")
    return path


@pytest.fixture
def memo(tmp_path):
    """Return a memo that knows nothing yet."""
    return Memo(tmp_path / "cache")


def test_an_unchanged_file_is_known(memo, image):
    """A file remembered once is known, by any spelling of the type of its path."""
    learn(memo, image)
    assert knows(memo, image) == knows(memo, str(image)) == image_id(b"an image")


def test_nothing_is_created_before_the_memo_is_told_something(memo, image):
    """Asking leaves no trace on disk."""
    assert knows(memo, image) is None
    assert memo.recall("key") is None
    memo.remember([])
    assert not memo.path.parent.exists()


@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.write_bytes(b"another size"),
        lambda path: path.write_bytes(b"AN IMAGE"),
        age,
        lambda path: (path.with_name("new").write_bytes(b"AN IMAGE"), path.with_name("new").replace(path)),
        lambda path: path.unlink(),
        lambda path: (path.unlink(), path.mkdir()),
    ],
    ids=["grown", "rewritten", "touched", "replaced", "removed", "now a folder"],
)
def test_a_changed_file_is_not_known(memo, image, change):
    """Any change that the file system can show makes the memo forget."""
    learn(memo, image)
    change(image)
    assert knows(memo, image) is None


def test_same_size_and_mtime_do_not_fool_the_memo(memo, image):
    """A file rewritten with its old size and time (cp -p, rsync -t) differs in its ctime."""
    learn(memo, image)
    before = image.stat()
    time.sleep(0.02)  # a tick of the kernel's clock
    image.write_bytes(b"AN IMAGE")
    os.utime(image, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert image.stat().st_mtime_ns == before.st_mtime_ns
    assert knows(memo, image) is None


def test_a_file_rewritten_within_the_same_tick_is_noticed(memo, image):
    """A file that was changed just before it was read is not trusted, so a second change is never missed."""
    for _ in range(50):
        image.write_bytes(b"an image")
        stat = stat_of(image)
        name = image_id(image.read_bytes())
        assert stat_of(image) == stat
        image.write_bytes(b"AN IMAGE")  # often with the same times
        memo.remember([(image, stat, name)])
        assert knows(memo, image) is None
    memo.remember([(image, stat_of(image), image_id(b"AN IMAGE"))])
    assert knows(memo, image) is None, "not trusted even if it never changes again: nobody can tell yet"
    assert stat.racy


@given(st.integers(0, 2**62), st.integers(0, 2**62), st.integers(0, 2**62))
def test_only_files_changed_two_seconds_before_are_trusted(mtime, ctime, taken):
    """Both times count, and so does a change that lies in the future."""
    assert Stat(1, mtime, ctime, 1, taken).racy == (taken - mtime <= 2 * 10**9 or taken - ctime <= 2 * 10**9)


def test_a_link_is_its_target(memo, image, tmp_path):
    """A link that is pointed at another file is another image."""
    other, link = tmp_path / "other.jpg", tmp_path / "link.jpg"
    other.write_bytes(b"AN IMAGE")
    link.symlink_to(image)
    learn(memo, link)
    assert knows(memo, link) == image_id(b"an image")
    link.unlink()
    link.symlink_to(other)
    assert knows(memo, link) is None


STEPS = {
    "rewrite": lambda path, _, content: path.write_bytes(content),
    "rewrite with the old time": lambda path, _, content: with_old_time(path, path.write_bytes, content),
    "replace": lambda path, _, content: (
        path.with_name("new").write_bytes(content),
        path.with_name("new").replace(path),
    ),
    "replace by a copy with the old time": lambda path, other, _: (
        shutil.copy2(other, path.with_name("new")),
        with_old_time(path, path.with_name("new").replace, path),
    ),
    "swap": lambda path, other, _: (
        path.rename(path.with_name("new")),
        other.rename(path),
        path.with_name("new").rename(other),
    ),
    "retarget": lambda path, other, _: (
        path.with_name("link").unlink(),
        path.with_name("link").symlink_to(other),
    ),
}


def with_old_time(path, change, *arguments):
    """Change a file, and give it back the time that it had."""
    before = path.stat()
    change(*arguments)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(sorted(STEPS)), st.permutations([0, 1, 2]), st.binary(min_size=4, max_size=4)
        ),
        min_size=1,
        max_size=4,
    )
)
def test_whatever_happens_to_files_the_memo_is_right_or_silent(tmp_path_factory, steps):
    """Files of one size and one time are rewritten, replaced, copied over, swapped, and a link is retargeted."""
    folder = tmp_path_factory.mktemp("files")
    memo, files = Memo(folder / "cache"), [folder / f"{name}.jpg" for name in "abc"]
    for number, path in enumerate(files):
        path.write_bytes(b"abc%d" % number)
        os.utime(path, ns=(10**18, 10**18))
    link = folder / "link"
    link.symlink_to(files[0])
    for step, (first, second, _), content in steps:
        for path in (*files, link):
            learn(memo, path)
            assert knows(memo, path) == image_id(path.read_bytes())
        time.sleep(0.02)  # a tick of the kernel's clock; changes within one are the racy rule's
        STEPS[step](files[first], files[second], content)
        for path in (*files, link):
            assert knows(memo, path) in {None, image_id(path.read_bytes())}


def test_an_extractor_notices_a_file_rewritten_with_its_old_size_and_time(tmp_path, monkeypatch):
    """End to end, on real files: its vector is the new image's, though the memo knew the old one."""
    from PIL import Image

    from featx import FeatureExtractor

    monkeypatch.setattr(module, "_RACY", 20_000_000)  # so that the test need not wait for two seconds
    first, second = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    path = tmp_path / "image.bmp"  # not compressed: all images have the same size
    Image.fromarray(first).save(path)
    time.sleep(0.1)
    extractor = FeatureExtractor(depth=2, pooling="avg", input_size=32)
    old = extractor.transform([str(path)])
    memo = Memo(os.environ["FEATX_CACHE"])
    assert knows(memo, path) == image_id(path.read_bytes())

    before = path.stat()
    with_old_time(path, Image.fromarray(second).save, path)
    after = path.stat()
    assert (after.st_size, after.st_mtime_ns, after.st_ino) == (
        before.st_size,
        before.st_mtime_ns,
        before.st_ino,
    )

    new = extractor.transform([str(path)])
    assert np.array_equal(new, extractor.set_params(cache=None).transform([second]))
    assert not np.array_equal(new, old)


def test_relative_paths_mean_files_not_spellings(memo, image, monkeypatch, tmp_path):
    """The same relative path in another folder is another file."""
    monkeypatch.chdir(tmp_path)
    learn(memo, "image.jpg")
    assert knows(memo, image) == image_id(b"an image")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert knows(memo, "image.jpg") is None


@pytest.mark.skipif(sys.platform != "linux", reason="other platforms refuse such names")
def test_any_file_name_will_do(memo, tmp_path):
    """Names that are not UTF-8, that quote, or that no file can have do not disturb the others."""
    paths = [
        tmp_path / os.fsdecode(b"caf\xe9.jpg"),
        tmp_path / "'; DROP TABLE file; --",
        tmp_path / "\U0001f600 %s",
    ]
    for path in paths:
        path.write_bytes(path.name.encode("utf-8", "surrogateescape"))
        learn(memo, path)
    ids, found = memo.known([*paths, "no\0such", "", paths[0]])
    assert found.tolist() == [True, True, True, False, False, True]
    assert ids[1].tobytes() == image_id(b"'; DROP TABLE file; --")


def test_order_and_repeats_are_kept(memo, tmp_path):
    """Row i is the answer for path i, whatever else is asked."""
    paths = [tmp_path / f"{number}.jpg" for number in range(30)]
    for number, path in enumerate(paths):
        path.write_bytes(bytes([number]))
        if number % 3:
            learn(memo, path)
    asked = paths[::-1] + paths[::2]
    ids, found = memo.known(asked)
    assert found.tolist() == [bool(int(path.stem) % 3) for path in asked]
    for path, name in zip(np.array(asked)[found], ids[found], strict=True):
        assert name.tobytes() == image_id(path.read_bytes())


def test_stat_of_a_missing_file_is_none(tmp_path):
    """Reading it will say what is wrong."""
    assert stat_of(tmp_path / "none") is stat_of("no\0such") is None


def test_recipes_are_recalled_as_noted(memo):
    """The last note under a key counts; others stay."""
    memo.note("a", {"dim": 3, "names": ["x", "ü"]})
    memo.note("b", {"dim": 1})
    memo.note("b", {"dim": 2})
    assert memo.recall("a") == {"dim": 3, "names": ["x", "ü"]}
    assert memo.recall("b") == {"dim": 2}
    assert memo.recall("c") is None


def test_the_last_use_of_a_recipe_is_known(memo):
    """Many uses take the place of one row, and push no recipe out."""
    memo.note("question", {"dim": 3})
    assert memo.last_use("a") is None
    for number in range(3):
        memo.note_uses({"a": Use(9, number, 1.5), "b": Use(9, 9, 2.5)})
    assert memo.last_use("a") == Use(9, 2, 1.5)
    assert memo.last_use("b") == Use(9, 9, 2.5)
    with closing(sqlite3.connect(memo.path)) as database:
        assert database.execute("SELECT max(age), count(*) FROM recipe").fetchone() == (3, 3)


def test_noting_a_use_waits_for_nobody(memo, monkeypatch):
    """While another process is writing, the use is not noted, and the run goes on at once."""
    memo.note("key", {})
    connect, waits = sqlite3.connect, []

    def noting(*arguments, timeout, **options):
        waits.append(timeout)
        return connect(*arguments, timeout=timeout, **options)

    with closing(connect(memo.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with monkeypatch.context() as patch:
            patch.setattr(sqlite3, "connect", noting)
            memo.note_uses({"a": Use(1, 1, 1.5)})
    assert set(waits) == {0}
    assert memo.last_use("a") is None
    assert memo.recall("key") == {}


@pytest.mark.parametrize(
    "value",
    [{}, {"asked": 1}, {"asked": 1, "found": "x", "when": 1.5}, {"asked": 1, "found": 1, "when": None}],
)
def test_a_use_of_a_strange_kind_is_unknown(memo, value):
    """A memo written by a stranger cannot break `cache info`."""
    memo.note("last use of a", value)
    assert memo.last_use("a") is None


def test_images_are_found_again_in_their_files(memo, tmp_path):
    """The file noted last, as long as it has not changed."""
    paths = [tmp_path / f"{name}.jpg" for name in "abcd"]
    for path, content in zip(paths, (b"1", b"2", b"1", b"3"), strict=True):
        path.write_bytes(content)
        learn(memo, path)
    paths[3].write_bytes(b"4!")
    ids = np.stack([np.frombuffer(image_id(content), "u1") for content in (b"3", b"1", b"2", b"5", b"1")])
    assert memo.paths(ids) == ["", str(paths[2]), str(paths[1]), "", str(paths[2])]


def test_the_memo_does_not_grow_without_bound(memo, image, monkeypatch):
    """Beyond the limit, what was noted longest ago goes first."""
    monkeypatch.setattr(module, "FILES", 5)
    monkeypatch.setattr(module, "RECIPES", 5)
    for number in range(20):
        memo.note(str(number), {"number": number})
        learn(memo, image)
        other = image.with_name(f"{number}.jpg")
        other.write_bytes(b"x")
        learn(memo, other)
    assert [number for number in range(20) if memo.recall(str(number))] == [15, 16, 17, 18, 19]
    assert knows(memo, image)
    with sqlite3.connect(memo.path) as database:
        (count,) = database.execute("SELECT count(*) FROM file").fetchone()
    database.close()
    assert count <= 5


def foreign_database(path):
    """Make a database of another program."""
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE file (something, else_)")
    database.execute("INSERT INTO file VALUES (1, 2)")
    database.commit()
    database.close()


def other_version(path):
    """Make a memo of another version."""
    Memo(path.parent).note("key", {})
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version = 7")
    database.close()


def missing_table(path):
    """Make a memo that lacks a table."""
    Memo(path.parent).note("key", {})
    database = sqlite3.connect(path)
    database.execute("DROP TABLE recipe")
    database.commit()
    database.close()


def scribbled(path):
    """Make a memo whose pages were overwritten."""
    Memo(path.parent).note("key", {"a": "b" * 9000})
    data = bytearray(path.read_bytes())
    data[100:] = bytes(len(data) - 100)
    path.write_bytes(data)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_bytes(b"not a database" * 99),
        foreign_database,
        other_version,
        missing_table,
        scribbled,
    ],
    ids=["no database", "another's database", "another version", "missing table", "overwritten"],
)
def test_a_damaged_or_foreign_file_is_set_aside(memo, spoil):
    """The memo starts anew, and keeps the old file for whoever it belongs to."""
    memo.path.parent.mkdir()
    spoil(memo.path)
    assert memo.recall("key") is None
    memo.note("key", {"now": 1})
    assert memo.recall("key") == {"now": 1}
    assert memo.path.with_name("memo.sqlite.damaged").exists()


@pytest.mark.parametrize("value", [None, 5, b"\xff", "no JSON", "[" * 100_000, "[1]", '{"a": NaN'])
def test_values_of_a_strange_kind_are_nothing(memo, image, value):
    """A memo written by a stranger may know nothing, but cannot break a run."""
    memo.note("key", {})
    learn(memo, image)
    database = sqlite3.connect(memo.path)
    database.execute("UPDATE recipe SET value = ?", (value,))
    database.execute("UPDATE file SET image = ?, size = ?", (value, value))
    database.commit()
    database.close()
    assert memo.recall("key") is None
    assert knows(memo, image) is None


@pytest.mark.parametrize("path", [5, "text", 0.5, b"\0"])
def test_paths_of_a_strange_kind_are_unknown(memo, image, path):
    """Likewise where a path is no path."""
    learn(memo, image)
    with closing(sqlite3.connect(memo.path, isolation_level=None)) as database:
        database.execute("UPDATE file SET path = ?", (path,))
    ids = np.frombuffer(image_id(b"an image"), "u1")[None]
    assert memo.paths(ids) == [""]


def test_no_flipped_bit_changes_an_answer(memo, image):
    """Whatever bit of the file is wrong, the memo gives what was noted, or nothing; and can be written again."""
    said = {"layer": "block_13", "recipe": {"graph": "0123", "pooling": "avg"}}
    learn(memo, image)
    memo.note("what", said)
    right, whole = knows(memo, image), memo.path.read_bytes()
    places = range(8 * len(whole))
    if not os.environ.get("FEATX_SOAK"):
        places = np.random.default_rng(0).choice(len(places), 1500, replace=False).tolist()

    forgotten = 0
    for place in places:
        changed = bytearray(whole)
        changed[place // 8] ^= 1 << place % 8
        memo.path.write_bytes(changed)
        answers = memo.recall("what"), knows(memo, image)
        assert answers[0] in (said, None), place
        assert answers[1] in (right, None), place
        forgotten += None in answers
    assert forgotten

    memo.note("what", said)
    assert memo.recall("what") == said


@pytest.mark.parametrize(
    "trick",
    [
        (
            "ALTER TABLE recipe RENAME TO kept; CREATE VIEW recipe AS WITH RECURSIVE endless(key, value, digest) AS "
            "(SELECT 'a', 'b', x'00' UNION ALL SELECT key || 'a', value, digest FROM endless) SELECT * FROM endless"
        ),
        "CREATE TRIGGER sly AFTER INSERT ON recipe BEGIN UPDATE recipe SET value = '{}'; END",
    ],
    ids=["endless view", "trigger"],
)
def test_a_memo_with_a_view_or_a_trigger_is_not_read(memo, trick):
    """Only two tables are ours: anything else in the file is a stranger's, and the file is set aside."""
    memo.note("what", {"is": "said"})
    with closing(sqlite3.connect(memo.path)) as database:
        database.executescript(trick)

    assert memo.recall("what") is None
    memo.note("what", {"is": "said"})
    assert memo.recall("what") == {"is": "said"}
    assert Path(f"{memo.path}.damaged").exists()


def circular(path, table):
    """Make a memo with a tree of eighteen levels, on each of which a hundred branches lead to one page: 10^36 rows."""
    Memo(path.parent).note("key", {})
    with closing(sqlite3.connect(path)) as database:
        size, pages = (
            database.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_size", "page_count")
        )
        (root,) = database.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()
    data = bytearray(path.read_bytes())
    for level in range(18):
        below, where = pages + level + 1, [size - 5 * number for number in range(1, 101)]
        page = struct.pack(">BHHHBI", 5, 0, 100, where[-1], 0, below) + struct.pack(">100H", *where)
        page = page.ljust(where[-1], b"\0") + struct.pack(">IB", below, 1) * 100
        data[(root - 1) * size : root * size] = page
        root = below
        data += bytes(size)
    row = bytes([9, 1, 9, *bytes(8)])  # its length, its number, the length of its header, eight times NULL
    data[-size:] = (struct.pack(">BHHHBH", 13, 0, 1, size - len(row), 0, size - len(row))).ljust(
        size - len(row), b"\0"
    ) + row
    data[28:32] = struct.pack(">I", len(data) // size)
    path.write_bytes(data)


def test_a_memo_without_end_is_left(memo, monkeypatch):
    """Pages that lead to one another make a tree that nobody can read to its end; it is not tried for long."""
    monkeypatch.setattr("featx.cache.database._STEPS", 3_000_000)
    memo.path.parent.mkdir()
    circular(memo.path, "file")
    assert memo.paths(np.zeros((1, 16), "u1")) == [""]
    with closing(sqlite3.connect(memo.path)) as database:
        rows = database.execute("SELECT age, image FROM file ORDER BY age")
        assert len(rows.fetchmany(1000)) == 1000, "SQLite itself takes it for a sound one"


@pytest.mark.skipif(sys.platform != "linux", reason="uses what only Linux offers")
@pytest.mark.parametrize("suffix", ["", "-journal", "-wal", "-shm"])
@pytest.mark.parametrize("what", ["pipe", "link", "link to a device", "sparse file"])
def test_what_is_no_file_of_a_memo_is_set_aside(memo, tmp_path, suffix, what):
    """Nothing hangs, nothing elsewhere is read or written, and the next note begins anew."""
    memo.note("key", {"old": 1})
    path, elsewhere = Path(f"{memo.path}{suffix}"), Memo(tmp_path / "elsewhere")
    elsewhere.note("key", {"elsewhere": 1})
    path.unlink(missing_ok=True)
    {
        "pipe": os.mkfifo,
        "link": lambda path: path.symlink_to(elsewhere.path),
        "link to a device": lambda path: path.symlink_to("/dev/zero"),
        "sparse file": lambda path: (path.touch(), os.truncate(path, 100 * 10**9)),
    }[what](path)
    assert memo.recall("key") is None
    memo.note("key", {"new": 1})
    assert memo.recall("key") == {"new": 1}
    assert elsewhere.recall("key") == {"elsewhere": 1}


def test_a_journal_that_names_another_file_deletes_nothing(memo, tmp_path):
    """SQLite deletes the journal of several databases that one of them names, and a stranger may name any file."""
    memo.note("key", {"old": 1})
    (tmp_path / "precious").write_text("precious")
    magic, name = bytes.fromhex("d9d505f920a163d7"), os.fsencode(tmp_path / "precious")
    pages = memo.path.stat().st_size // 4096
    head = (magic + struct.pack(">5I", 0, 0, pages, 512, 4096)).ljust(512, b"\0")
    end = struct.pack(">I", 2**30 // 4096 + 1) + name + struct.pack(">2I", len(name), sum(name)) + magic
    Path(f"{memo.path}-journal").write_bytes(head + end)
    assert memo.recall("key") is None
    memo.note("key", {"new": 1})
    assert memo.recall("key") == {"new": 1}
    assert (tmp_path / "precious").exists()


def test_an_empty_file_is_a_new_memo(memo):
    """What a writer killed at birth leaves behind is used, not set aside."""
    memo.path.parent.mkdir()
    memo.path.touch()
    assert memo.recall("key") is None
    memo.note("key", {"now": 1})
    assert memo.recall("key") == {"now": 1}
    assert list(memo.path.parent.iterdir()) == [memo.path]


def test_a_place_that_cannot_be_written_only_costs_time(memo, image):
    """Nothing is remembered, nothing is raised."""
    for path in (memo.path, memo.path.with_name("memo.sqlite.damaged")):  # in whose place nothing can be put
        (path / "mine").mkdir(parents=True)
    learn(memo, image)
    memo.note("key", {})
    assert knows(memo, image) is None
    assert memo.recall("key") is None


def test_a_file_in_place_of_the_folder_only_costs_time(image):
    """The cache itself reports such a folder; the memo does not get in the way of that."""
    memo = Memo(image)
    memo.note("key", {})
    assert memo.recall("key") is None


@pytest.fixture
def shared():
    """Return a folder that everybody may read; pytest's own are private."""
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


AS_NOBODY = """
import os, sys
from featx.cache.memo import Memo, Use, stat_of
folder, image = sys.argv[1:]
if os.getuid() == 0:
    os.setgid(65534); os.setuid(65534)
memo = Memo(folder)
memo.remember([(image, stat_of(image), bytes(16))])
memo.note("key", {"other": 1})
memo.note_uses({"key": Use(1, 1, 1.0)})
ids, found = memo.known([image])
print(found[0], ids[0].tobytes().hex(), memo.recall("key"))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="folders have no permissions there")
def test_a_read_only_memo_is_read(shared):
    """Users of a shared cache that they may not write profit from its memo all the same."""
    image, memo = shared / "image.jpg", Memo(shared / "cache")
    image.write_bytes(b"an image")
    learn(memo, image)
    memo.note("key", {"dim": 1})
    memo.path.parent.chmod(0o555)
    memo.path.chmod(0o444)
    command = [sys.executable, "-c", AS_NOBODY, str(memo.path.parent), str(image)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.split(maxsplit=2) == ["True", image_id(b"an image").hex(), "{'dim': 1}\n"], done.stderr
    assert memo.last_use("key") is None


def test_a_memo_is_pickled_as_its_path(memo):
    """Workers get the path, and open the file themselves."""
    memo.note("key", {"dim": 1})
    copy = pickle.loads(pickle.dumps(memo))
    assert copy.path == memo.path
    assert copy.recall("key") == {"dim": 1}


def test_threads_share_a_memo(memo, tmp_path):
    """Notes of many threads at once all arrive."""
    paths = [tmp_path / f"{number}.jpg" for number in range(24)]
    for path in paths:
        path.write_bytes(path.name.encode())

    def work(part):
        for path in part:
            memo.note(path.name, {"name": path.name})
            learn(memo, path)

    threads = [threading.Thread(target=work, args=(paths[start::8],)) for start in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert memo.known(paths)[1].all()
    assert all(memo.recall(path.name) == {"name": path.name} for path in paths)


def test_processes_share_a_memo(memo):
    """Notes of several processes at once all arrive."""
    code = """
import sys
from featx.cache.memo import Memo
for number in range(8):
    Memo(sys.argv[1]).note(f"{sys.argv[2]} {number}", {"number": number})
"""
    command = [sys.executable, "-c", code, str(memo.path.parent)]
    workers = [subprocess.Popen([*command, name]) for name in "abcd"]
    assert [worker.wait() for worker in workers] == [0] * 4
    for name in "abcd":
        assert [memo.recall(f"{name} {number}") for number in range(8)] == [{"number": n} for n in range(8)]
